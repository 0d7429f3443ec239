"""Takes what is due and brings it to its outcome: the source of the embedded engine, and the handle of every engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import anyio
from sqlalchemy import Connection

from shequn_sdk.domain import Clock, OnUnknown, Post
from shequn_sdk.errors import StoreBusy
from shequn_sdk.platforms.governor import Governor
from shequn_sdk.publishing import bulk, ledger, lookups
from shequn_sdk.publishing.book import AccountBook
from shequn_sdk.publishing.courier import Courier, Trip
from shequn_sdk.publishing.desk import Claim, open_desk
from shequn_sdk.publishing.failpoints import hit
from shequn_sdk.publishing.ledger import Change, Woken
from shequn_sdk.publishing.outcomes import SETTLED, Outcomes
from shequn_sdk.publishing.policy import DeliveryOptions, us
from shequn_sdk.publishing.rows import Row
from shequn_sdk.publishing.sweeping import Sweeper
from shequn_sdk.scheduling.engine import Wake
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.store import Store

__all__ = ["Dispatcher"]

_log = logging.getLogger(__name__)
_LOOK_AGAIN = timedelta(seconds=0.25)
"""When a wake is repeated that came while its lane was taken."""


class Dispatcher:
    """What one worker does with the ledger.

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
        settled: Callable[[Row, Row | None], None],
        slots: dict[str, anyio.CapacityLimiter],
        lanes: Sequence[tuple[str, str]] | None = None,
        patient: bool = True,
        chaining: bool = True,
        share: bool | None = None,
    ) -> None:
        """Deliver for `accounts` under the name `worker`.

        Args:
            settled: told of every row that came to rest, and of what it was before.
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
        self._settled = settled
        self._lanes = lanes
        self._claimed: dict[int, Row] = {}
        self._checks: dict[int, Row] = {}
        self._outcomes = Outcomes(accounts, options, worker, on_unknown)
        self._sweeper = Sweeper(store, self._outcomes, clock=clock, settled=settled, share=share)
        self._desk = open_desk(store, self._outcomes, self._sweeper, clock=clock)
        self._courier = Courier(
            store,
            self._outcomes,
            self._desk,
            self._sweeper,
            clock=clock,
            governor=governor,
            settled=settled,
            slots=slots,
            patient=patient,
            chaining=chaining,
        )

    # the source of the embedded engine

    @property
    def tick_every(self) -> float:
        """Seconds between two ticks: a third of the lease."""
        return self._options.lease / timedelta(seconds=3)

    async def take(self, count: int) -> Sequence[int]:
        """Claim what is due: rows to send, and look-ups."""
        now = self._now()
        lanes = self._lanes
        take = ledger.take if self._store.is_sqlite else bulk.take

        def claim(conn: Connection) -> tuple[list[Row], list[Row], dict[int, int]]:
            checks = ledger.take_checks(
                conn, now=now, again=self._check_again(now), owner=self.worker, count=min(count, 50)
            )
            rows = take(
                conn,
                now=now,
                lease=now + us(self._options.lease),
                owner=self.worker,
                count=max(count - len(checks), 1),
                lanes=lanes,
            )
            queued = {
                row.id: ledger.backlog(conn, row.lane, now=now)
                for row in rows
                if not self._governor.is_free(row.account, self._outcomes.manifest(row), row.target)
            }
            return rows, checks, queued

        if not await self._store.read(lambda conn: _anything(conn, now)):
            return ()
        rows, checks, queued = await self._store.write(claim)
        self._courier.queued.update(queued)
        for row in rows:
            self._claimed[row.id] = row
            self._sweeper.held.add(row.id)
        for row in checks:
            self._checks[row.id] = row
        if rows:
            hit("claimed")
        return [*(row.id for row in rows), *(row.id for row in checks)]

    async def give_back(self, deliveries: Sequence[int]) -> None:
        """Return claimed rows that were not begun."""
        now = self._now()
        rows = [row for row in (self._claimed.pop(number, None) for number in deliveries) if row is not None]
        self._sweeper.drop(*deliveries)
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
        """Give deliveries that are due and that no wake has reached, one per lane, and look-ups that are due.

        What has been due for less than a tick is left out: its wake is on the way, and another one costs a job.
        """
        now = self._now()
        since = now - us(self._options.lease) // 3
        found = await self._store.read(lambda conn: ledger.overdue(conn, now=now, since=since))
        return [Wake(number, from_us(at), priority) for number, at, priority in found]

    async def tick(self) -> None:
        """Prolong own leases, take back ended ones, and put right what a clock that was set back made wrong."""
        await self._sweeper.tick()

    async def sweep(self, *, dead_workers: bool = False) -> int:
        """Take back what workers left: claimed rows wait again, begun ones become unknown.

        Args:
            dead_workers: also end the leases of processes of this host that no longer run.
        """
        return await self._sweeper.sweep(dead_workers=dead_workers)

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
            return await self._woken(delivery)
        except StoreBusy as error:
            _log.warning("delivery %d is looked at again in %s: %s", delivery, _LOOK_AGAIN, error)
            return self._clock.now() + _LOOK_AGAIN

    async def _woken(self, delivery: int) -> datetime | None:
        """Work on what a wake finds; gives when to wake again."""
        item = Claim(delivery=delivery, free=self._courier.free())
        woken, row, head = await self._desk.claim(item)
        now = max(item.stamps)  # what was not due then may be due by now, and wants to be looked at again
        if woken.check_at is not None and woken.check_at <= now:
            await self._check_one(delivery)
            return None
        if row is None:
            return self._again(woken, head if head is not None and head[0] == delivery else None, now)
        hit("claimed")
        if row.state == "attempting":
            self._sweeper.hold(row, item.leased)
        trip, plain = await self._work(row)
        if plain and (row.id == delivery or woken.state in {"landed", "refused", "cancelled", "expired"}):
            return self._again(woken._replace(state="landed", check_at=None), trip.head, self._now())
        return await self._look_again(woken, now)

    async def _work(self, row: Row) -> tuple[Trip, bool]:
        """Bring a claimed row to rest, and those that are claimed with its outcome; says whether all simply ended."""
        trip = await self._courier.deliver(row)
        plain = trip.plain
        while trip.following is not None:
            trip = await self._courier.deliver(trip.following)
            plain = plain and trip.plain
        return trip, plain

    @staticmethod
    def _again(woken: Woken, head: tuple[int, int] | None, now: int) -> datetime | None:
        """Give when to wake a delivery again: for itself, or for the row of its lane that goes first.

        Only who worked in a lane, or was woken for its first row, comes again, so that the many rows that wait behind
        a slow one do not ask in turns.
        """
        if head is not None:
            return from_us(max(head[1], now + us(_LOOK_AGAIN)))
        waits = woken.state in {"planned", "deferred"} and woken.ready_at > now
        found = woken.ready_at if waits else woken.check_at
        return None if found is None else from_us(found)

    async def _look_again(self, woken: Woken, now: int) -> datetime | None:
        """Give when to wake a delivery again by what the ledger says, for one that was looked at at `now`."""

        def look(conn: Connection) -> tuple[Woken | None, tuple[int, int] | None]:
            return ledger.look(conn, woken.id), ledger.lane_head(conn, woken.lane, now=now)

        present, head = await self._store.read(look)
        return self._again(present or woken, head, now)

    # look-ups

    def _check_again(self, now: int) -> int:
        return now + us(self._options.lease) * 3

    async def _check_one(self, delivery: int) -> None:
        now = self._now()
        row = await self._store.write(
            lambda conn: ledger.take_check(
                conn, delivery, now=now, again=self._check_again(now), owner=self.worker
            )
        )
        if row is not None:
            await self._check(row)

    async def _check(self, row: Row) -> None:
        try:
            adapter = self._accounts.adapter(row.account)
            stored = await self._store.read(lambda conn: ledger.landed_before(conn, row))
            before = [Post.model_validate_json(post) for post in stored]
            new, cause = await lookups.look(row, adapter, self._now, self._options, before=before)
        except Exception as error:  # noqa: BLE001 - a look-up that fails is tried again, then held
            new, cause = lookups.failed(row, error, self._now(), self._options)
        hit("looked_up")

        def write(conn: Connection) -> Row | None:
            return new if ledger.change(conn, Change(row, new, cause, self.worker)) else None

        written = await self._store.write(write)
        if written is not None and written.state in SETTLED:
            self._settled(written, row)

    def _now(self) -> int:
        return to_us(self._clock.now())


def _anything(conn: Connection, now: int) -> bool:
    if ledger.any_ready(conn, now=now):
        return True
    upcoming = ledger.next_check(conn)
    return upcoming is not None and upcoming <= now
