"""Brings one claimed delivery to its outcome: limits, intent, request, what the answer means."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import NamedTuple, cast

import anyio
from sqlalchemy import Connection

from shequn_sdk.domain import Clock, Post
from shequn_sdk.errors import (
    Landing,
    RateLimited,
    ShequnError,
    StoreError,
    TargetMoved,
    Unavailable,
)
from shequn_sdk.platforms.gate import guarded
from shequn_sdk.platforms.governor import Governor, RateReporter
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Adapter, Publisher
from shequn_sdk.publishing import ledger
from shequn_sdk.publishing.deadlines import Deadlines
from shequn_sdk.publishing.desk import Begin, Desk, Finish, Finished
from shequn_sdk.publishing.failpoints import hit
from shequn_sdk.publishing.following import ready_piece, send
from shequn_sdk.publishing.ledger import Change
from shequn_sdk.publishing.outcomes import SETTLED, Outcomes
from shequn_sdk.publishing.policy import after_failure, is_late, landed, replanned, us
from shequn_sdk.publishing.rows import PRIORITIES, Row
from shequn_sdk.publishing.shared import BudgetAsk
from shequn_sdk.publishing.sweeping import Sweeper
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store

__all__ = ["Courier", "Trip"]

_log = logging.getLogger(__name__)
_STOOD_STILL = "the worker stood still until its lease had ended"
_STOPPED = "the worker was stopped before the request; no attempt consumed"


class _LeaseOver(Exception):
    """The lease of a row ended before a request of it left."""

    def __init__(self, sent: int) -> None:
        super().__init__(_STOOD_STILL)
        self.sent = sent


class _Gate:
    """The last look at a lease, before each request of one publish."""

    __slots__ = ("_row", "_sent", "_sweeper")

    def __init__(self, sweeper: Sweeper, row: Row) -> None:
        self._sweeper = sweeper
        self._row = row
        self._sent = -1  # the first look is the courier's own

    def __call__(self) -> None:
        hit("departing")
        if self._sweeper.is_over(self._row):
            raise _LeaseOver(max(self._sent, 0))
        self._sent += 1


class Trip(NamedTuple):
    """How a row ended, for whoever carries wakes."""

    following: Row | None
    """The next row of the lane, claimed with the outcome."""
    plain: bool
    """Whether it landed and nothing is left to be done about it."""
    head: tuple[int, int] | None
    """When nothing follows: id and ready instant of what goes first in the lane."""


_NOWHERE = Trip(None, plain=False, head=None)


class Courier:
    """Works on claimed rows of one worker."""

    def __init__(
        self,
        store: Store,
        outcomes: Outcomes,
        desk: Desk,
        sweeper: Sweeper,
        *,
        clock: Clock,
        governor: Governor,
        settled: Callable[[Row, Row | None], None],
        slots: dict[str, anyio.CapacityLimiter],
        patient: bool,
        chaining: bool,
    ) -> None:
        """Deliver for one worker; arguments as for `Dispatcher`."""
        self._store = store
        self._outcomes = outcomes
        self._desk = desk
        self._sweeper = sweeper
        self._clock = clock
        self._governor = governor
        self._settled = settled
        self._slots = slots
        self._patient = patient
        self._chaining = chaining
        self._options = outcomes.options
        self._deadlines = Deadlines(outcomes.options.request_timeout / timedelta(seconds=1))
        self._worker = outcomes.worker
        self._asks: dict[int, BudgetAsk] = {}
        self._kinds: dict[type, tuple[bool, bool]] = {}
        self.queued: dict[int, int] = {}
        """How many more wait for the channel of a row."""

    def free(self) -> frozenset[str]:
        """Give the accounts that nothing limits, and for which a request could go at once."""
        return frozenset(
            name
            for name, slot in self._slots.items()
            if slot.available_tokens > slot.total_tokens // 2
            and self._governor.is_open(self._outcomes.accounts.manifest(name))
        )

    async def deliver(self, row: Row) -> Trip:
        """Bring a claimed row to rest, and those after it that need no leave; gives the next one that does."""
        held = self._sweeper.held
        held.add(row.id)
        current = row
        try:
            manifest = self._outcomes.accounts.manifest(row.account)
            adapter = self._outcomes.accounts.adapter(row.account)
        except ShequnError as error:
            self._sweeper.drop(row.id)
            return await self._finish(row, *self._refused(row, error), chain=True)
        try:
            if row.state != "attempting" and not await self._admit(row, manifest):
                return _NOWHERE
            slot = self._slots.get(row.account)
            if slot is None:
                slot = self._slots[row.account] = anyio.CapacityLimiter(manifest.max_concurrency)
            try:
                slot.acquire_nowait()  # at once where there is room: `acquire` would let all others go first
            except anyio.WouldBlock:
                try:
                    await slot.acquire()
                except BaseException:
                    await self._stopped(row)
                    raise
            try:
                begun = row if row.state == "attempting" else await self._begin(row, manifest)
                trip = _NOWHERE._replace(following=begun)
                while trip.following is not None and trip.following.state == "attempting":
                    current = trip.following
                    trip = await self._request(current, manifest, adapter)
                    self._sweeper.drop(current.id)
                return trip
            finally:
                slot.release()
        finally:
            self._sweeper.drop(row.id, current.id)

    async def _begin(self, row: Row, manifest: Manifest) -> Row | None:
        """Write the intent, and with it count the request against the budgets of all processes."""
        ask: BudgetAsk | None = None
        if self._sweeper.shared:
            limits, blocks, spread = self._governor.demands(
                row.account,
                manifest,
                row.target,
                operation=_operation(row),
                priority=PRIORITIES[row.priority],
            )
            ask = BudgetAsk(limits, blocks, spread=spread)
        patience = us(self._options.hold) / 1e6 if self._patient else 0.0
        item = Begin(row=row, ask=ask)
        while True:
            wait, begun = await self._desk.begin(item)
            if wait <= 0:
                break
            if wait > patience:
                await self._wait(row, wait)
                return None
            patience -= wait
            await self._clock.sleep(wait)
        if begun is None:
            _log.info("delivery %d was taken by another worker before it was sent", row.id)
            return None
        self._sweeper.hold(begun, item.leased)
        if ask is not None:
            self._asks[row.id] = ask
        return begun

    async def _wait(self, row: Row, wait: float) -> None:
        """Put a row back until a limit lets it go."""
        now = self._now()
        new = replanned(row, max(row.ready_at, now + int(wait * 1e6) + 1), now=now)
        cause = f"waits {wait:.3g} s for the platform's limit; no attempt consumed"
        await self._write(lambda conn: ledger.change(conn, Change(row, new, cause, self._worker)))

    async def _admit(self, row: Row, manifest: Manifest) -> bool:
        """Wait for the limits; False when the row went back or came to rest."""
        now = self._now()
        if is_late(row, now):
            new = await self._store.write(lambda conn: self._outcomes.late(conn, row, now))
            if new is not None:
                self._settled(new, row)
            return False
        wait = await self._governor.acquire(
            row.account,
            manifest,
            row.target,
            operation=_operation(row),
            priority=PRIORITIES[row.priority],
            queued=self.queued.pop(row.id, 0),
            longest=us(self._options.hold) / 1e6 if self._patient else 0.0,
        )
        if wait <= 0:
            return True
        await self._wait(row, wait)
        return False

    async def _request(self, row: Row, manifest: Manifest, adapter: Adapter) -> Trip:
        hit("intent_written")
        gate = _Gate(self._sweeper, row)
        able = self._kinds.get(type(adapter))
        if able is None:  # asking a protocol costs more than everything else here
            able = isinstance(adapter, Publisher), isinstance(adapter, RateReporter)
            self._kinds[type(adapter)] = able
        if not able[0]:
            error = ShequnError(f"the {row.platform} adapter cannot publish; use another account")
            return await self._finish(row, *self._refused(row, error), chain=True)
        try:
            piece, under = row.load_piece(), None
            if piece.media or piece.follows:
                piece, under = await ready_piece(row, piece, manifest, partial(self._batch, row))
        except ShequnError as error:
            return await self._finish(row, *self._refused(row, error), chain=True)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._not_sent(row, "the worker was stopped before the request; nothing was sent")
            raise
        try:
            with self._deadlines.watch():
                await self._governor.depart(row.account, row.target)
                gate()
                with guarded(gate):
                    post = await send(adapter, row, piece, under, now=self._clock.now)
        except _LeaseOver as over:
            return await self._over(row, over)
        except RateLimited as error:
            return await self._limited(row, manifest, error)
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

    async def _batch(self, row: Row) -> list[Row]:
        return await self._store.read(lambda conn: ledger.by_batch(conn, row.batch))

    async def _over(self, row: Row, over: _LeaseOver) -> Trip:
        """End the trip of a row whose lease has ended: nothing more is sent."""
        self._governor.lost(row.account, row.target)
        if over.sent:  # earlier requests of the same publish have left
            return await self._failed(row, Unavailable(_STOOD_STILL, platform=row.platform))
        await self._not_sent(row, f"{_STOOD_STILL}; surely nothing was sent")
        return _NOWHERE

    def _landed(self, row: Row, post: Post, manifest: Manifest) -> Awaitable[Trip]:
        now = self._now()
        document = post.model_dump_json()
        if not manifest.person_must_confirm:
            return self._finish(row, landed(row, document, now=now), "landed", chain=True, plain=True)
        deadline = now + us(manifest.confirm_within)
        new = landed(row, document, now=now)._replace(
            state="awaiting_person",
            deadline=deadline,
            check_at=min(deadline, now + us(self._options.confirm_poll)),
        )
        return self._finish(row, new, "handed over; a person must press send", chain=True)

    async def _not_sent(self, row: Row, cause: str) -> None:
        """Take an intent back: this process has sent nothing."""
        now = self._now()
        await self._store.write(lambda conn: self._outcomes.not_sent(conn, row, now, cause))

    async def _stopped(self, row: Row) -> None:
        """Take the intent of a row back that was written with its claim, if there is one."""
        if row.state == "attempting":
            with anyio.CancelScope(shield=True):
                await self._not_sent(row, _STOPPED)

    async def _limited(self, row: Row, manifest: Manifest, error: RateLimited) -> Trip:
        operation = _operation(row)
        wait = self._governor.penalise(row.account, manifest, row.target, operation=operation, error=error)
        blocked = self._governor.scope_of(row.account, manifest, row.target, operation=operation, error=error)
        span = int(wait * 1e6)
        new, cause = after_failure(row, error, now=self._now(), options=self._options, wait=span)
        return await self._finish(row, new, cause, chain=False, retry_after=span, blocked=blocked)

    async def _failed(self, row: Row, error: BaseException) -> Trip:
        self._governor.lost(row.account, row.target)
        new, cause = after_failure(row, error, now=self._now(), options=self._options)
        return await self._finish(row, new, cause, chain=new.state == "refused")

    async def _moved(self, row: Row, error: TargetMoved) -> Trip:
        now = self._now()
        if row.moves:
            new, cause = after_failure(row, error, now=now, options=self._options)
            return await self._finish(row, new, cause, chain=True)
        new = replanned(row, now, now=now)._replace(target=error.new_id, moves=1, attempts=row.attempts - 1)
        cause = f"the channel is {error.new_id} now; repeated there"
        return await self._finish(row, new, cause, chain=True, move=error.new_id)

    def _refused(self, row: Row, error: ShequnError) -> tuple[Row, str]:
        new = row._replace(
            state="refused",
            error=str(error),
            error_type=type(error).__name__,
            owner="",
            lease_until=None,
            updated_at=self._now(),
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
        plain: bool = False,
    ) -> Trip:
        """Write an outcome, and in the same transaction claim the next row of the lane."""
        manifest = self._outcomes.manifest(row)
        is_open = manifest is not None and self._governor.is_open(manifest)
        item = Finish(
            row=row,
            new=new,
            cause=cause,
            chain=chain and self._chaining,
            free=frozenset({row.account}) if is_open else frozenset(),
            ask=self._asks.pop(row.id, None),
            retry_after=retry_after,
            move=move,
            blocked=blocked,
            plain=plain,
        )
        try:
            done: Finished = await self._desk.finish(item)
        except StoreError as error:
            # The row stays `attempting`; when the lease ends it becomes unknown, which is the truth.
            _log.error("delivery %d: its outcome (%s) could not be written: %s", row.id, new.state, error)
            return _NOWHERE
        hit("outcome_written" if new.state != "unknown" else "unknown_written")
        last, following = done.last, done.following
        if last is not None and last.state in SETTLED:
            self._settled(last, row)
        if following is not None and following.state == "attempting":
            self._sweeper.hold(following, item.leased)
        ended = last is not None and last.state in {"landed", "refused"}
        return Trip(following, plain=ended and item.chain, head=done.head)

    async def _write(self, fn: Callable[[Connection], object]) -> None:
        await self._desk.insist(lambda: self._store.write(fn))

    def _now(self) -> int:
        return to_us(self._clock.now())


def _operation(row: Row) -> str:
    return "reply" if row.priority == 0 else "publish"
