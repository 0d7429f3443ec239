"""The governor: lets requests go as fast as the platform's limits allow, instead of bouncing off 429."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable

import anyio

from shequn_sdk.domain import Clock, Priority
from shequn_sdk.errors import RateLimited
from shequn_sdk.platforms.budgets import Budget, make_budget
from shequn_sdk.platforms.learned import BucketReport, LearnedBucket
from shequn_sdk.platforms.manifest import Manifest, RateLimit, RateScope

__all__ = ["BucketReport", "Governor", "RateReporter"]

_ORDER = {Priority.REPLY: 0, Priority.NORMAL: 1, Priority.CAMPAIGN: 2}
_FIRST_BACKOFF = 1.0
_MOST_BACKOFF = 60.0
_TIMER = 0.0005
"""Timers may fire this much early."""
_MOST_LEAD = 0.1
"""Longest time, in seconds, that a request is granted before its turn, to be made ready meanwhile."""


def _usable(limit: RateLimit, priority: Priority) -> int:
    """Give how much of a limit a priority may use up."""
    if priority is Priority.REPLY or not limit.reserve:
        return limit.amount
    return max(int(limit.amount * (1 - limit.reserve)), 1)


@runtime_checkable
class RateReporter(Protocol):
    """An adapter whose platform tells the state of its buckets with each answer."""

    def take_rate_reports(self) -> Sequence[BucketReport]:
        """Give the reports since the last call."""
        ...


@dataclass(eq=False, slots=True)
class _Waiter:
    account: str
    manifest: Manifest
    channel: str
    operation: str
    priority: Priority
    queued: int
    number: int
    limits: tuple[tuple[str, RateLimit], ...]
    granted: bool = False
    event: anyio.Event = field(default_factory=anyio.Event)


@dataclass(eq=False, slots=True)
class _UnderWay:
    limits: tuple[tuple[str, RateLimit], ...]
    granted: float
    turn: float
    """When it may leave; the budgets know it by this instant."""
    left: float | None = None


@dataclass(eq=False, slots=True)
class _Lineup:
    """Those who wait on one platform."""

    waiters: list[_Waiter] = field(default_factory=list["_Waiter"])
    idle_until: float = 0.0
    """Before this instant nothing fits for any of the waiters."""
    leader: _Waiter | None = None
    """The one that sleeps until the next budget is free; the others sleep until it tells them."""


class Governor:
    """Grants requests within the limits of the manifests: replies first, then the longest queue, then the oldest.

    One governor serves one process. Budgets of several processes are joined in the store by the delivery ledger.
    """

    def __init__(self, clock: Clock) -> None:
        """Tell time by `clock`."""
        self._clock = clock
        self._budgets: dict[str, Budget] = {}
        self._blocked: dict[str, float] = {}
        self._learned: dict[str, LearnedBucket] = {}
        self._refusals: dict[str, int] = {}
        self._lineups: dict[str, _Lineup] = {}
        self._limits: dict[tuple[str, str, str], tuple[tuple[str, RateLimit], ...]] = {}
        self._under_way: dict[tuple[str, str], deque[_UnderWay]] = {}
        self._leads: dict[str, float] = {}
        self._count = 0

    def is_free(self, account: str, manifest: Manifest | None, channel: str) -> bool:
        """Whether nothing at all limits publishing to this channel."""
        if manifest is None or manifest.rate_limits or self._learned:
            return False
        return not self._blocked or self._blocked_for(account, manifest, channel, "publish") <= 0

    def is_open(self, manifest: Manifest) -> bool:
        """Whether nothing at all limits publishing by accounts with this manifest, in whatever channel."""
        if manifest.rate_limits or self._learned:
            return False
        if self._blocked:
            now = self._now()
            for key in [key for key, until in self._blocked.items() if until <= now]:
                del self._blocked[key]
        return not self._blocked

    def demands(
        self, account: str, manifest: Manifest, channel: str, *, operation: str, priority: Priority
    ) -> tuple[list[tuple[str, RateLimit, int]], list[str], bool]:
        """Give what a request asks for, to check it against budgets that other processes share.

        Returns:
            Per limit its key, the limit and how much of it may be used; the keys of blocks; whether to spread.
        """
        limits = [
            (key, limit, _usable(limit, priority))
            for key, limit in self._limits_of(account, manifest, channel, operation)
        ]
        return (
            limits,
            self.scopes(account, manifest, channel, operation=operation),
            priority is Priority.CAMPAIGN,
        )

    def scopes(self, account: str, manifest: Manifest, channel: str, *, operation: str) -> list[str]:
        """Give the keys under which a refusal may block a request."""
        names = ("app", "account", "channel", "endpoint")
        return [self._block_key(name, account, manifest, channel, operation) for name in names]

    def scope_of(
        self, account: str, manifest: Manifest, channel: str, *, operation: str, error: RateLimited
    ) -> str:
        """Give the key that a refusal blocks."""
        return self._block_key(error.scope or "account", account, manifest, channel, operation)

    async def acquire(
        self,
        account: str,
        manifest: Manifest,
        channel: str,
        *,
        operation: str = "publish",
        priority: Priority = Priority.NORMAL,
        queued: int = 0,
        longest: float = 5.0,
    ) -> float:
        """Wait for the turn of one request and count it.

        Args:
            queued: how many more wait for this channel; longer queues go first.
            longest: seconds to wait at most.

        Returns:
            0 when the request may go now (callers of `depart`: may be made ready now); otherwise the seconds after
            which asking again makes sense, and nothing was counted.
        """
        if self.is_free(account, manifest, channel):
            return 0.0
        self._count += 1
        waiter = _Waiter(
            account,
            manifest,
            channel,
            operation,
            priority,
            queued,
            self._count,
            self._limits_of(account, manifest, channel, operation),
        )
        lineup = self._lineups.setdefault(manifest.platform, _Lineup())
        if self._clock.monotonic() < lineup.idle_until:
            # Nothing fits for those who wait; it may for this one, which then takes nothing from them.
            wait = self._wait_of(waiter, {})
            if wait <= self._lead(account) and not any(
                one.account == account and one.channel == channel for one in lineup.waiters
            ):
                self._take(waiter, wait)
                return 0.0
            if wait > longest:
                return wait
            lineup.idle_until = min(lineup.idle_until, self._clock.monotonic() + wait)
        lineup.waiters.append(waiter)
        deadline = self._clock.monotonic() + longest
        try:
            while True:
                pause = self._pump(lineup)
                if waiter.granted:
                    return 0.0
                left = deadline - self._clock.monotonic()
                need = self._wait_of(waiter, {}) - self._lead(account)
                if left <= 0 or need > left:
                    return max(need, 0.001)
                waiter.event = anyio.Event()
                if lineup.leader is None:
                    lineup.leader = waiter
                with anyio.move_on_after(min(left, pause) if lineup.leader is waiter else left):
                    await waiter.event.wait()
                if lineup.leader is waiter:
                    lineup.leader = None
                if waiter.granted:
                    return 0.0
        finally:
            if waiter in lineup.waiters:
                lineup.waiters.remove(waiter)
            if lineup.leader is waiter:
                lineup.leader = None
            if lineup.leader is None and lineup.waiters:
                lineup.waiters[0].event.set()

    async def depart(self, account: str, channel: str) -> None:
        """Wait for the turn of a granted request that is ready now, and note that it leaves.

        Who calls this between `acquire` and the request is granted it a little early next time, by as long as
        preparations usually take, so that they do not cost throughput.
        """
        for one in self._under_way.get((account, channel), ()):
            if one.left is None:
                break
        else:
            return
        now = self._now()
        known = self._leads.get(account, 0.0)
        self._leads[account] = known + (min(max(now - one.granted, 0.0), _MOST_LEAD) - known) * 0.1
        while now < one.turn:
            await self._clock.sleep(one.turn - now + _TIMER)
            now = self._now()
        one.left = now

    def lost(self, account: str, channel: str) -> None:
        """Note that no answer will come: the request counts as if it had arrived."""
        waiting = self._under_way.get((account, channel))
        if waiting:
            waiting.pop()
            if not waiting:
                del self._under_way[account, channel]

    def penalise(
        self,
        account: str,
        manifest: Manifest,
        channel: str,
        *,
        operation: str = "publish",
        error: RateLimited,
    ) -> float:
        """Obey a refusal: nothing of its scope goes before Retry-After is over. Gives the seconds to wait."""
        self._settle(account, channel)
        scope = error.scope or "account"
        key = self._block_key(scope, account, manifest, channel, operation)
        times = self._refusals[key] = self._refusals.get(key, 0) + 1
        if error.retry_after is not None:
            wait = error.retry_after / timedelta(seconds=1)
        else:
            wait = min(_FIRST_BACKOFF * 2.0 ** (times - 1), _MOST_BACKOFF)
        until = self._now() + wait
        self._blocked[key] = max(self._blocked.get(key, 0.0), until)
        self._wake(manifest)
        for name, _ in self._limits_of(account, manifest, channel, operation):
            self._budgets[name].widen()
        return wait

    def answered(self, account: str, manifest: Manifest, channel: str, *, operation: str = "publish") -> None:
        """Note that an answer came: from now on the request counts by when it can have arrived at the latest."""
        self._settle(account, channel)
        self._wake(manifest)
        if self._refusals:
            for scope in ("app", "account", "channel", "endpoint"):
                self._refusals.pop(self._block_key(scope, account, manifest, channel, operation), None)

    def observe(
        self,
        account: str,
        manifest: Manifest,
        channel: str,
        report: BucketReport,
        *,
        operation: str = "publish",
    ) -> None:
        """Learn from the bucket state that an answer carried."""
        route = f"{account}|{operation}|{channel}"
        now = self._now()
        bucket = self._learned.get(route)
        if bucket is None or bucket.identity != report.bucket:
            bucket = self._learned[route] = LearnedBucket(report.bucket)
        bucket.observe(report, now)
        self._wake(manifest)

    # inside

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _pump(self, lineup: _Lineup) -> float:
        """Grant whatever fits now; give the seconds until something else may fit."""
        now = self._clock.monotonic()
        if now < lineup.idle_until:
            return lineup.idle_until - now + _TIMER
        soonest = _MOST_BACKOFF
        waits: dict[tuple[str, int, bool], float] = {}
        if len(lineup.waiters) > 1:
            lineup.waiters.sort(key=lambda one: (_ORDER[one.priority], -one.queued, one.number))
        left: list[_Waiter] = []
        busy: set[tuple[str, str]] = set()
        for waiter in lineup.waiters:
            lane = (waiter.account, waiter.channel)
            wait = self._wait_of(waiter, waits) if lane not in busy else _MOST_BACKOFF
            lead = self._lead(waiter.account)
            if wait > lead:
                busy.add(lane)
                soonest = min(soonest, wait - lead)
                left.append(waiter)
                continue
            self._take(waiter, wait)
            waits.clear()
            waiter.granted = True
            waiter.event.set()
        lineup.waiters[:] = left
        lineup.idle_until = now + soonest if left else 0.0
        return soonest + _TIMER

    def _wait_of(self, waiter: _Waiter, known: dict[tuple[str, int, bool], float]) -> float:
        """Give the seconds that `waiter` must wait at least; `known` keeps what is worked out in one pass."""
        now = self._now()
        spread = waiter.priority is Priority.CAMPAIGN
        wait = self._blocked_for(waiter.account, waiter.manifest, waiter.channel, waiter.operation)
        for key, limit in waiter.limits:
            usable = _usable(limit, waiter.priority)
            asked = (key, usable, spread)
            need = known.get(asked)
            if need is None:
                need = known[asked] = self._budgets[key].wait(now, usable=usable, spread=spread)
            wait = max(wait, need)
        learned = self._learned.get(f"{waiter.account}|{waiter.operation}|{waiter.channel}")
        return wait if learned is None else max(wait, learned.wait(now))

    def _lead(self, account: str) -> float:
        return self._leads.get(account, 0.0)

    def _take(self, waiter: _Waiter, wait: float) -> None:
        granted = self._now()
        now = granted + max(wait, 0.0)
        for key, _ in waiter.limits:
            self._budgets[key].take(now)
        if waiter.limits:
            under_way = self._under_way.setdefault((waiter.account, waiter.channel), deque())
            under_way.append(_UnderWay(waiter.limits, granted, now))
        learned = self._learned.get(f"{waiter.account}|{waiter.operation}|{waiter.channel}")
        if learned is not None:
            learned.take(now)

    def _wake(self, manifest: Manifest) -> None:
        """Let those who wait look again: what they wait for may come earlier now."""
        lineup = self._lineups.get(manifest.platform)
        if lineup is not None and lineup.waiters:
            lineup.idle_until = 0.0
            (lineup.leader or lineup.waiters[0]).event.set()

    def _settle(self, account: str, channel: str) -> None:
        waiting = self._under_way.get((account, channel))
        if not waiting:
            return
        one = waiting.popleft()
        if not waiting:
            del self._under_way[account, channel]
        now = self._now()
        for key, _ in one.limits:
            self._budgets[key].settle(one.turn, now, left=one.left)

    def _limits_of(
        self, account: str, manifest: Manifest, channel: str, operation: str
    ) -> tuple[tuple[str, RateLimit], ...]:
        known = self._limits.get((account, operation, channel))
        if known is not None:
            return known
        found: list[tuple[str, RateLimit]] = []
        # A reply is a publish too: a limit that names publishing alone counts it.
        names = (operation, "publish") if operation == "reply" else (operation,)
        for limit in dict.fromkeys(one for name in names for one in manifest.limits_for(name, channel)):
            where = {
                RateScope.APP: manifest.platform,
                RateScope.ACCOUNT: account,
                RateScope.CHANNEL: f"{account}|{channel}",
                RateScope.ENDPOINT: f"{account}|{names[-1]}",
                RateScope.ENDPOINT_CHANNEL: f"{account}|{names[-1]}|{channel}",
            }[limit.scope]
            key = f"{limit.name}|{where}"
            if key not in self._budgets:
                self._budgets[key] = make_budget(limit)
            found.append((key, limit))
        result = self._limits[account, operation, channel] = tuple(found)
        return result

    @staticmethod
    def _block_key(scope: str, account: str, manifest: Manifest, channel: str, operation: str) -> str:
        if scope == "app":
            return f"app|{manifest.platform}"
        if scope == "channel":
            return f"channel|{account}|{channel}"
        if scope == "endpoint":
            return f"endpoint|{account}|{operation}"
        return f"account|{account}"

    def _blocked_for(self, account: str, manifest: Manifest, channel: str, operation: str) -> float:
        if not self._blocked:
            return 0.0
        now = self._now()
        latest = 0.0
        for scope in ("app", "account", "channel", "endpoint"):
            key = self._block_key(scope, account, manifest, channel, operation)
            until = self._blocked.get(key)
            if until is None:
                continue
            if until <= now:
                del self._blocked[key]
            else:
                latest = max(latest, until - now)
        return latest
