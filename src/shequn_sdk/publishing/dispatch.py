"""Brings one delivery after another from its claim to its outcome."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

import anyio
from sqlalchemy import Connection

from shequn_sdk.domain import Clock, LatePolicy, OnUnknown, Post
from shequn_sdk.errors import (
    Landing,
    RateLimited,
    ShequnError,
    StoreBusy,
    StoreError,
    StoreFull,
    TargetMoved,
    Unavailable,
)
from shequn_sdk.platforms.governor import Governor, RateReporter
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Adapter, Publisher
from shequn_sdk.publishing import ledger, lookups, shared
from shequn_sdk.publishing.book import AccountBook
from shequn_sdk.publishing.failpoints import hit
from shequn_sdk.publishing.ledger import Change
from shequn_sdk.publishing.policy import (
    DeliveryOptions,
    after_failure,
    after_unknown,
    is_late,
    landed,
    replanned,
    us,
)
from shequn_sdk.publishing.rows import PRIORITIES, Row
from shequn_sdk.publishing.shared import BudgetAsk
from shequn_sdk.scheduling.engine import Wake
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.store import Store

__all__ = ["Dispatcher"]

T = TypeVar("T")

_log = logging.getLogger(__name__)
_LOOK_AGAIN = timedelta(seconds=0.25)
"""When a wake is repeated that came while its lane was taken."""
_SET_BACK = 2_000_000
"""Microseconds by which a clock must have gone back to count as set back."""
_PATIENCE = 60.0
"""Seconds for which an outcome waits in memory for a store that is away."""
_SETTLED = frozenset(
    {"landed", "refused", "unknown", "cancelled", "expired", "awaiting_person", "partly", "blocked"}
)


class Dispatcher:
    """Works on claimed rows: governor, intent, request, outcome, next row of the lane.

    It is the `WakeSource` of the embedded engine and gives every engine its `handle`.
    """

    def __init__(
        self,
        store: Store,
        accounts: AccountBook,
        *,
        clock: Clock,
        governor: Governor,
        worker: str,
        options: DeliveryOptions,
        on_unknown: OnUnknown | None,
        settled: Callable[[Row], None],
        slots: dict[str, anyio.CapacityLimiter],
        lanes: Sequence[tuple[str, str]] | None = None,
        patient: bool = True,
        chaining: bool = True,
        share: bool | None = None,
    ) -> None:
        """Deliver for `accounts` under the name `worker`.

        Args:
            settled: told of every row that came to rest.
            slots: requests under way per account, shared by the dispatchers of one process.
            lanes: take from these lanes only; None is all.
            patient: whether to wait for limits; otherwise rows that must wait go back at once.
            chaining: whether to go on with the next row of a lane.
            share: whether to count requests in the store, for all processes; None does so while there are several.
        """
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._governor = governor
        self.worker = worker
        self._options = options
        self._on_unknown = on_unknown
        self._settled = settled
        self._claimed: dict[int, Row] = {}
        self._held: set[int] = set()
        self._leased: dict[int, float] = {}
        self._ahead: int | None = None
        self._checks: dict[int, Row] = {}
        self._queued: dict[int, int] = {}
        self._shared = bool(share)
        self._share = share
        self._asks: dict[int, BudgetAsk] = {}
        self._kinds: dict[type, tuple[bool, bool]] = {}
        self._slots = slots
        self._lanes = lanes
        self._patient = patient
        self._chaining = chaining

    # the source of the embedded engine

    @property
    def tick_every(self) -> float:
        """Seconds between two ticks: a third of the lease."""
        return self._options.lease / timedelta(seconds=3)

    async def take(self, count: int) -> Sequence[int]:
        """Claim what is due: rows to send, and look-ups."""
        now = self._now()
        lanes = self._lanes
        again = now + us(self._options.lease) * 3

        def claim(conn: Connection) -> tuple[list[Row], list[Row], dict[int, int]]:
            checks = ledger.take_checks(conn, now=now, again=again, owner=self.worker, count=min(count, 50))
            rows = ledger.take(
                conn,
                now=now,
                lease=self._lease(now),
                owner=self.worker,
                count=max(count - len(checks), 1),
                lanes=lanes,
            )
            queued = {
                row.id: ledger.backlog(conn, row.lane, now=now)
                for row in rows
                if not self._governor.is_free(row.account, self._manifest(row), row.target)
            }
            return rows, checks, queued

        if not await self._store.read(lambda conn: _anything(conn, now)):
            return ()
        rows, checks, queued = await self._store.write(claim)
        self._queued.update(queued)
        for row in rows:
            self._claimed[row.id] = row
            self._held.add(row.id)
        for row in checks:
            self._checks[row.id] = row
        if rows:
            hit("claimed")
        return [*(row.id for row in rows), *(row.id for row in checks)]

    async def give_back(self, deliveries: Sequence[int]) -> None:
        """Return claimed rows that were not begun."""
        now = self._now()
        rows = [row for row in (self._claimed.pop(number, None) for number in deliveries) if row is not None]
        self._held.difference_update(deliveries)
        for number in deliveries:
            self._checks.pop(number, None)  # its `check_at` lies ahead already

        def release(conn: Connection) -> None:
            for row in rows:
                new = row._replace(state="planned", owner="", lease_until=None, updated_at=now)
                ledger.change(conn, Change(row, new, "handed back by a worker that stops", self.worker))

        if rows:
            await self._store.write(release)

    async def next_due(self) -> datetime | None:
        """Give the next instant at which there is something to do."""
        now = self._now()

        def look(conn: Connection) -> int | None:
            return now if ledger.any_ready(conn, now=now) else ledger.next_instant(conn, now=now)

        found = await self._store.read(look)
        return None if found is None else from_us(found)

    async def forgotten(self) -> list[Wake]:
        """Give deliveries that are due and that no wake has reached, one per lane, and look-ups that are due."""
        now = self._now()
        found = await self._store.read(lambda conn: ledger.overdue(conn, now=now))
        return [Wake(number, from_us(at), priority) for number, at, priority in found]

    async def tick(self) -> None:
        """Prolong own leases, take back ended ones, and put right what a clock that was set back made wrong."""
        now = self._now()
        back = self._set_back_by(now)
        if back and self._store.is_sqlite:  # several hosts go by the server's clock
            moved = await self._store.write(lambda conn: ledger.set_back(conn, now=now, by=back))
            _log.warning("the clock was set back by %.1f s; %d deliveries follow it", back / 1e6, moved)
        await self._store.write(
            lambda conn: ledger.renew(
                conn, sorted(self._held), owner=self.worker, now=now, lease=self._lease(now)
            )
        )
        await self.sweep()

    def _set_back_by(self, now: int) -> int:
        """Give the microseconds by which the clock was set back since the last tick; 0 for less than seconds."""
        ahead = int(self._clock.monotonic() * 1e6) - now
        last, self._ahead = self._ahead, ahead
        return ahead - last if last is not None and ahead - last > _SET_BACK else 0

    async def sweep(self, *, dead_workers: bool = False) -> int:
        """Take back what workers left: claimed rows wait again, begun ones become unknown.

        Args:
            dead_workers: also end the leases of processes of this host that no longer run.
        """
        now = self._now()

        def clean(conn: Connection) -> list[Row]:
            rows = ledger.expired_leases(conn, now=now)
            if dead_workers:
                for owner in ledger.owners(conn):
                    if self._is_dead(owner):
                        rows += [row for row in ledger.of_owner(conn, owner) if row not in rows]
            if self._share is None:
                self._shared = shared.several(conn, since=self._store.stamp() - 60_000_000)
            return [last for row in rows for last in self._abandoned(conn, row, now)]

        rows = await self._store.write(clean)
        for row in rows:
            if row.state in _SETTLED:
                self._settled(row)
        if rows:
            hit("swept")
        return len(rows)

    def _abandoned(self, conn: Connection, row: Row, now: int) -> list[Row]:
        if row.state == "claimed":
            new = replanned(row, row.ready_at, now=now)
            cause = f"the lease of {row.owner} ended before the request; no attempt consumed"
            return [new] if ledger.change(conn, Change(row, new, cause, self.worker)) else []
        new = row._replace(
            state="unknown",
            owner="",
            lease_until=None,
            updated_at=now,
            error="the worker vanished while the request was under way",
            error_type="Unavailable",
        )
        cause = f"the lease of {row.owner} ended while the request was under way"
        if not ledger.change(conn, Change(row, new, cause, self.worker)):
            return []
        return [self._resolve_unknown(conn, new, now)]

    def _is_dead(self, owner: str) -> bool:
        host, _, rest = owner.rpartition(":")[0].rpartition(":")
        if host != self._store.host or not rest.isdigit():
            return False
        try:
            os.kill(int(rest), 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    # one delivery

    async def handle(self, delivery: int) -> datetime | None:
        """Work on one delivery, or on the rows of its lane that come before it; the engine port's `Handle`."""
        check = self._checks.pop(delivery, None)
        if check is not None:
            await self._check(check)
            return None
        row = self._claimed.pop(delivery, None)
        if row is not None:
            await self._work(row)
            return None
        try:
            if await self._check_one(delivery):
                return None
            woken, row = await self._claim(delivery)
            await self._work(row)
            return await self._again(delivery, woken.lane, worked=row is not None)
        except StoreBusy as error:
            _log.warning("delivery %d is looked at again in %s: %s", delivery, _LOOK_AGAIN, error)
            return self._clock.now() + _LOOK_AGAIN

    async def _work(self, row: Row | None) -> None:
        """Bring a claimed row to rest, and those that are claimed with its outcome."""
        while row is not None:
            row = await self._deliver(row)

    async def _again(self, delivery: int, lane: tuple[str, str], *, worked: bool) -> datetime | None:
        """Give when to wake a delivery again: for itself, or for the row of its lane that goes first.

        Only who worked in a lane, or was woken for its first row, comes again, so that the many rows that wait behind
        a slow one do not ask in turns.
        """
        now = self._now()

        def look(conn: Connection) -> int | None:
            row = ledger.find(conn, delivery)
            head = ledger.lane_head(conn, lane, now=now)
            if head is not None and (worked or head[0] == delivery):
                return max(head[1], now + us(_LOOK_AGAIN))
            waits = row.state in {"planned", "deferred"} and row.ready_at > now
            return row.ready_at if waits else row.check_at

        found = await self._store.read(look)
        return None if found is None else from_us(found)

    async def _check_one(self, delivery: int) -> bool:
        now = self._now()
        again = now + us(self._options.lease) * 3
        row = await self._store.write(
            lambda conn: ledger.take_check(conn, delivery, now=now, again=again, owner=self.worker)
        )
        if row is not None:
            await self._check(row)
        return row is not None

    async def _claim(self, delivery: int) -> tuple[Row, Row | None]:
        """Give the row that was woken, and the one of its lane that was claimed."""
        now = self._now()

        def claim(conn: Connection) -> tuple[Row, Row | None]:
            row = ledger.find(conn, delivery)
            return row, ledger.claim_in_lane(
                conn, lane=row.lane, now=now, lease=self._lease(now), owner=self.worker
            )

        woken, row = await self._store.write(claim)
        if row is not None:
            self._held.add(row.id)
            hit("claimed")
        return woken, row

    async def _insist(self, fn: Callable[[Connection], T]) -> tuple[T, bool]:
        """Write while the store is busy, full or away for a while; also says whether it had to be tried again.

        A write that was tried again may have been done the first time: its answer was lost, not its effect.
        """
        again = False
        with anyio.move_on_after(_PATIENCE) as limit:
            pause = 0.05
            while True:
                try:
                    return await self._store.write(fn), again
                except (StoreBusy, StoreFull) as error:
                    if limit.cancel_called or anyio.current_time() + pause > limit.deadline:
                        raise
                    _log.warning("a write is tried again in %.2g s: %s", pause, error)
                again = True
                await anyio.sleep(pause)
                pause = min(pause * 2, 1.0)
        raise StoreBusy(f"{self._store.where} stayed busy for {_PATIENCE:.0f} s; repeat later")

    async def _deliver(self, row: Row) -> Row | None:
        """Bring one claimed row to rest, and those after it that need no leave; give the next one that does."""
        try:
            manifest = self._accounts.manifest(row.account)
            adapter = self._accounts.adapter(row.account)
        except ShequnError as error:
            return await self._finish(row, *self._refused(row, error), chain=True)
        self._held.add(row.id)
        current = row
        try:
            if not await self._admit(row, manifest):
                return None
            slot = self._slots.get(row.account)
            if slot is None:
                slot = self._slots[row.account] = anyio.CapacityLimiter(manifest.max_concurrency)
            async with slot:
                following = await self._begin(row, manifest)
                while following is not None and following.state == "attempting":
                    current = following
                    self._held.add(current.id)
                    following = await self._request(current, manifest, adapter)
                    self._held.discard(current.id)
        finally:
            self._held.difference_update((row.id, current.id))
        if following is not None:
            self._held.add(following.id)
        return following

    async def _begin(self, row: Row, manifest: Manifest) -> Row | None:
        """Write the intent, and with it count the request against the budgets of all processes."""
        ask: BudgetAsk | None = None
        if self._shared:
            limits, blocks, spread = self._governor.demands(
                row.account,
                manifest,
                row.target,
                operation="reply" if row.priority == 0 else "publish",
                priority=PRIORITIES[row.priority],
            )
            ask = BudgetAsk(limits, blocks, spread=spread)
        patience = us(self._options.hold) / 1e6 if self._patient else 0.0
        while True:
            now, leased = self._now(), self._clock.monotonic()

            def write(conn: Connection, now: int = now) -> tuple[float, Row | None]:
                wait = 0.0 if ask is None else shared.charge(conn, ask, now=now)
                begun = ledger.begin(conn, row, now=now, lease=self._lease(now)) if wait <= 0 else None
                return wait, begun

            (wait, begun), again = await self._insist(write)
            if wait <= 0:
                if begun is None and again:
                    begun = await self._store.read(lambda conn: self._begun(conn, row))
                break
            if wait > patience:
                await self._wait(row, wait)
                return None
            patience -= wait
            await self._clock.sleep(wait)
        if begun is None:
            _log.info("delivery %d was taken by another worker before it was sent", row.id)
            return None
        self._leased[row.id] = leased
        if ask is not None:
            self._asks[row.id] = ask
        return begun

    @staticmethod
    def _begun(conn: Connection, row: Row) -> Row | None:
        """Find the intent that was written although its answer was lost: the fence says that it is ours."""
        present = ledger.find(conn, row.id)
        ours = (present.state, present.owner, present.fence) == ("attempting", row.owner, row.fence)
        return present if ours and present.attempts == row.attempts + 1 else None

    async def _wait(self, row: Row, wait: float) -> None:
        """Put a row back until a limit lets it go."""
        now = self._now()
        new = replanned(row, max(row.ready_at, now + int(wait * 1e6) + 1), now=now)
        cause = f"waits {wait:.3g} s for the platform's limit; no attempt consumed"
        await self._insist(lambda conn: ledger.change(conn, Change(row, new, cause, self.worker)))

    async def _admit(self, row: Row, manifest: Manifest) -> bool:
        """Wait for the limits; False when the row went back or came to rest."""
        now = self._now()
        if is_late(row, now):
            await self._late(row, now)
            return False
        wait = await self._governor.acquire(
            row.account,
            manifest,
            row.target,
            operation="reply" if row.priority == 0 else "publish",
            priority=PRIORITIES[row.priority],
            queued=self._queued.pop(row.id, 0),
            longest=us(self._options.hold) / 1e6 if self._patient else 0.0,
        )
        if wait <= 0:
            return True
        await self._wait(row, wait)
        return False

    async def _late(self, row: Row, now: int) -> None:
        waited = timedelta(microseconds=now - row.due)
        if row.late_policy is LatePolicy.ASK:
            why = f"its time passed {waited} ago; approve it to send it, or cancel it"
            planned = replanned(row, row.ready_at, now=now)
            blocked = planned._replace(state="blocked", error=why)

            def ask(conn: Connection) -> bool:
                first = ledger.change(conn, Change(row, planned, "late", self.worker))
                return first and ledger.change(conn, Change(planned, blocked, why, self.worker))

            if await self._store.write(ask):
                self._settled(blocked)
            return
        why = f"its time passed {waited} ago, which is later than allowed"
        new = replanned(row, row.ready_at, now=now)._replace(state="expired", error=why)
        if await self._store.write(lambda conn: ledger.change(conn, Change(row, new, why, self.worker))):
            self._settled(new)

    async def _request(self, row: Row, manifest: Manifest, adapter: Adapter) -> Row | None:
        hit("intent_written")
        # The wall clock alone would not tell: it may have been set back while this process stood still.
        stood = self._clock.monotonic() - self._leased.pop(row.id, self._clock.monotonic())
        over = row.lease_until is not None and self._now() > row.lease_until
        if over or stood > self._options.lease / timedelta(seconds=1):
            await self._not_sent(row)
            return None
        piece = row.load_piece()
        able = self._kinds.get(type(adapter))
        if able is None:  # asking a protocol costs more than everything else here
            able = isinstance(adapter, Publisher), isinstance(adapter, RateReporter)
            self._kinds[type(adapter)] = able
        if not able[0]:
            error = ShequnError(f"the {row.platform} adapter cannot publish; use another account")
            return await self._finish(row, *self._refused(row, error), chain=True)
        try:
            with anyio.fail_after(self._options.request_timeout / timedelta(seconds=1)):
                await self._governor.depart(row.account, row.target)
                post = await cast("Publisher", adapter).publish(row.target, piece, idempotency_key=row.key)
        except RateLimited as error:
            operation = "reply" if row.priority == 0 else "publish"
            wait = self._governor.penalise(
                row.account, manifest, row.target, operation=operation, error=error
            )
            now = self._now()
            blocked = self._governor.scope_of(
                row.account, manifest, row.target, operation=operation, error=error
            )
            new, cause = after_failure(row, error, now=now, options=self._options, wait=int(wait * 1e6))
            return await self._finish(
                row, new, cause, chain=False, retry_after=int(wait * 1e6), blocked=blocked
            )
        except TargetMoved as error:
            return await self._moved(row, error)
        except TimeoutError:
            late = Unavailable(
                f"no answer within {self._options.request_timeout}",
                platform=row.platform,
                landed=Landing.PERHAPS,
            )
            return await self._failed(row, late)
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises decides about one row, not the worker
            return await self._failed(row, error)
        except BaseException:
            stopped = Unavailable(
                "the worker was stopped while the request was under way", platform=row.platform
            )
            with anyio.CancelScope(shield=True):
                await self._failed(row, stopped)
            raise
        hit("request_done")
        self._governor.answered(row.account, manifest, row.target)
        if able[1]:
            for report in cast("RateReporter", adapter).take_rate_reports():
                self._governor.observe(row.account, manifest, row.target, report)
        return await self._landed(row, post, manifest)

    async def _landed(self, row: Row, post: Post, manifest: Manifest) -> Row | None:
        now = self._now()
        document = post.model_dump_json()
        if not manifest.person_must_confirm:
            return await self._finish(row, landed(row, document, now=now), "landed", chain=True)
        deadline = now + us(manifest.confirm_within)
        new = landed(row, document, now=now)._replace(
            state="awaiting_person",
            deadline=deadline,
            check_at=min(deadline, now + us(self._options.confirm_poll)),
        )
        return await self._finish(row, new, "handed over; a person must press send", chain=True)

    async def _not_sent(self, row: Row) -> None:
        """Take an intent back: this process stood still until its lease was over, and has sent nothing."""
        now = self._now()
        cause = "the worker stood still until its lease had ended; surely nothing was sent"

        def write(conn: Connection) -> None:
            present = ledger.find(conn, row.id)
            mine = (present.state, present.fence) == (row.state, row.fence) or present.state == "unknown"
            if mine and present.attempts == row.attempts:
                new = replanned(present, now, now=now)._replace(attempts=row.attempts - 1)
                ledger.change(conn, Change(present, new, cause, self.worker))

        await self._store.write(write)

    async def _failed(self, row: Row, error: BaseException) -> Row | None:
        self._governor.lost(row.account, row.target)
        new, cause = after_failure(row, error, now=self._now(), options=self._options)
        return await self._finish(row, new, cause, chain=new.state == "refused")

    async def _moved(self, row: Row, error: TargetMoved) -> Row | None:
        now = self._now()
        if row.moves:
            new, cause = after_failure(row, error, now=now, options=self._options)
            return await self._finish(row, new, cause, chain=True)
        new = replanned(row, now, now=now)._replace(target=error.new_id, moves=1, attempts=row.attempts - 1)
        cause = f"the channel is {error.new_id} now; repeated there"
        return await self._finish(row, new, cause, chain=True, move=error.new_id)

    def _refused(self, row: Row, error: ShequnError) -> tuple[Row, str]:
        now = self._now()
        new = row._replace(
            state="refused",
            error=str(error),
            error_type=type(error).__name__,
            owner="",
            lease_until=None,
            updated_at=now,
        )
        return new, f"refused before any request: {error}"

    async def _finish(
        self,
        row: Row,
        new: Row,
        cause: str,
        *,
        chain: bool,
        retry_after: int | None = None,
        move: str = "",
        blocked: str = "",
    ) -> Row | None:
        """Write an outcome, and in the same transaction claim the next row of the lane."""
        now, leased = new.updated_at, self._clock.monotonic()
        free = self._governor.is_free(row.account, self._manifest(row), row.target)
        ask = self._asks.pop(row.id, None)
        quick = not self._shared and chain and self._chaining and free and new.state == "landed"

        def write(conn: Connection) -> tuple[Row | None, Row | None]:
            trail: list[dict[str, Any]] = []
            if ask is not None:
                shared.settle(conn, ask, now=now)
            if blocked and self._shared:
                shared.block(conn, blocked, until=now + (retry_after or 0), now=now)
            if move:
                ledger.remember_move(conn, account=row.account, old=row.target, new=move, at=now)
            step = Change(row, new, cause, self.worker)
            if not ledger.change(conn, step, retry_after=retry_after, trail=trail if quick else None):
                return self._too_late(conn, row, new), None
            last = self._resolve_unknown(conn, new, now) if new.state == "unknown" else new
            lease = self._lease(now)
            if quick:
                return last, ledger.begin_next(
                    conn, lane=row.lane, now=now, lease=lease, owner=self.worker, trail=trail
                )
            following = None
            if chain and self._chaining:
                following = ledger.claim_in_lane(conn, lane=row.lane, now=now, lease=lease, owner=self.worker)
            return last, following

        try:
            (last, following), again = await self._insist(write)
            if again and last is None:
                last, following = await self._store.read(lambda conn: self._finished(conn, row, new))
        except StoreError as error:
            # The row stays `attempting`; when the lease ends it becomes unknown, which is the truth.
            _log.error("delivery %d: its outcome (%s) could not be written: %s", row.id, new.state, error)
            return None
        hit("outcome_written" if new.state != "unknown" else "unknown_written")
        if last is not None and last.state in _SETTLED:
            self._settled(last)
        if following is not None and following.state == "attempting":
            self._leased[following.id] = leased
        return following

    def _finished(self, conn: Connection, row: Row, new: Row) -> tuple[Row | None, Row | None]:
        """Find an outcome that was written although its answer was lost, and the row that was claimed with it."""
        present = ledger.find(conn, row.id)
        if (present.state, present.fence, present.updated_at) != (new.state, row.fence, new.updated_at):
            return None, None
        mine = (
            one
            for one in ledger.of_owner(conn, self.worker)
            if one.lane == row.lane and one.updated_at == new.updated_at and one.id not in self._held
        )
        return present, next(mine, None)

    def _too_late(self, conn: Connection, row: Row, new: Row) -> Row | None:
        """Use the answer that came after the lease had ended, if nobody has tried again since."""
        present = ledger.find(conn, row.id)
        if present.state != "unknown" or present.attempts != row.attempts:
            return None
        if new.state == "landed":
            known = landed(present, new.post or "", now=new.updated_at)
        elif new.state in {"refused", "deferred"}:  # both mean that it surely did not land
            known = replanned(present, new.ready_at, now=new.updated_at)._replace(
                attempts=new.attempts, limited=new.limited, error=new.error, error_type=new.error_type
            )
            if new.state == "refused":
                known = known._replace(state="refused")
        else:
            return None
        cause = f"{known.state}: the answer came after the lease had ended"
        return known if ledger.change(conn, Change(present, known, cause, self.worker)) else None

    def _resolve_unknown(self, conn: Connection, row: Row, now: int) -> Row:
        new, cause = after_unknown(
            row, self._manifest(row), now=now, default=self._on_unknown, options=self._options
        )
        return new if ledger.change(conn, Change(row, new, cause, self.worker)) else row

    # look-ups

    async def _check(self, row: Row) -> None:
        try:
            adapter = self._accounts.adapter(row.account)
            before = await self._store.read(lambda conn: ledger.landed_before(conn, row))
            post = None if before is None else Post.model_validate_json(before)
            new, cause = await lookups.look(row, adapter, self._now, self._options, before=post)
        except Exception as error:  # noqa: BLE001 - a look-up that fails is tried again, then held
            new, cause = lookups.failed(row, error, self._now(), self._options)
        hit("looked_up")

        def write(conn: Connection) -> Row | None:
            if not ledger.change(conn, Change(row, new, cause, self.worker)):
                return None
            return new

        written = await self._store.write(write)
        if written is not None and written.state in _SETTLED:
            self._settled(written)

    # small things

    def _manifest(self, row: Row) -> Manifest | None:
        try:
            return self._accounts.manifest(row.account)
        except ShequnError:
            return None

    def _now(self) -> int:
        return to_us(self._clock.now())

    def _lease(self, now: int) -> int:
        return now + us(self._options.lease)


def _anything(conn: Connection, now: int) -> bool:
    if ledger.any_ready(conn, now=now):
        return True
    upcoming = ledger.next_check(conn)
    return upcoming is not None and upcoming <= now
