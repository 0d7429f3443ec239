"""Takes what is due, calls handlers, writes down what became of it; several processes may do so at once."""

from __future__ import annotations

import logging
import os
from datetime import datetime, timedelta

import anyio
from sqlalchemy import Connection

from shequn_sdk.domain import Clock
from shequn_sdk.errors import ConfigError, InvalidInput, StoreBusy, StoreFull
from shequn_sdk.scheduling import book
from shequn_sdk.scheduling.book import Claim
from shequn_sdk.scheduling.chinese import WorkDays
from shequn_sdk.scheduling.firing import Performer, WorkerOptions
from shequn_sdk.scheduling.handlers import Handlers
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.store import Store

__all__ = ["Worker", "WorkerOptions"]

_log = logging.getLogger(__name__)


class Worker:
    """The working part of a `Scheduler`."""

    def __init__(
        self,
        store: Store,
        handlers: Handlers,
        *,
        clock: Clock,
        days: WorkDays | None = None,
        options: WorkerOptions | None = None,
    ) -> None:
        """Work on `store`."""
        self._store = store
        self._handlers = handlers
        self._clock = clock
        self._days = days
        self._options = options or WorkerOptions()
        self._performer = Performer(
            store, handlers, clock=clock, days=days, options=self._options, nudge=self.nudge
        )
        self._nudged = anyio.Event()
        self._replanned: datetime | None = None
        self._swept_dead = False

    def nudge(self) -> None:
        """Look now: something was planned."""
        self._nudged.set()

    # the loop

    async def tick(self) -> int:
        """Do everything that is due now."""
        worked = 0
        while await self._sweep():
            claims = await self._claim(8 * self._options.concurrency)
            if not claims:
                break
            worked += len(claims)
            await self._work(claims)
        return worked

    async def run(self, stop: anyio.Event) -> None:
        """Work until `stop`; then finish what is under way."""
        limiter = anyio.CapacityLimiter(self._options.concurrency)
        async with anyio.create_task_group() as keepers:
            keepers.start_soon(self._keep_leases)
            keepers.start_soon(self._stop_wakes, stop)
            async with anyio.create_task_group() as group:
                while not stop.is_set():
                    self._nudged = anyio.Event()
                    try:
                        ready = await self._sweep()
                        free = int(limiter.available_tokens)
                        claims = await self._claim(free) if free and ready else []
                        for claimed in claims:
                            await limiter.acquire_on_behalf_of(claimed)
                            group.start_soon(self._one_of, claimed, limiter)
                        pause = 0.0 if claims and len(claims) < free else await self._pause(full=not free)
                    except (StoreBusy, StoreFull) as error:
                        _log.warning(
                            "the store cannot be used, next try in %.0f s: %s", self._options.poll, error
                        )
                        pause = self._options.poll
                    if pause > 0:
                        await self._wait(pause)
            keepers.cancel_scope.cancel()

    async def _one_of(self, claimed: Claim, limiter: anyio.CapacityLimiter) -> None:
        try:
            await self._performer.perform(claimed)
        finally:
            limiter.release_on_behalf_of(claimed)
            self.nudge()

    async def _pause(self, *, full: bool) -> float:
        if full:
            return self._options.poll
        due = await self.next_due()
        if due is None:
            return self._options.poll
        wait = (due - self._clock.now()) / timedelta(seconds=1)
        return min(max(wait, 0.001), self._options.poll)

    async def next_due(self) -> datetime | None:
        """Give the instant at which there is something to do next."""
        now, names = to_us(self._clock.now()), self._handlers.names()
        owner, patience = self._store.worker_id, self._options.patience // timedelta(microseconds=1)
        found = await self._store.read(
            lambda conn: book.next_ready(conn, now=now, owner=owner, handlers=names, patience=patience)
        )
        return None if found is None else from_us(found)

    async def _wait(self, pause: float) -> None:
        """Wait by the clock that was given, or until something is planned."""
        async with anyio.create_task_group() as group:

            async def sleep() -> None:
                await self._clock.sleep(pause)
                group.cancel_scope.cancel()

            group.start_soon(sleep)
            await self._nudged.wait()
            group.cancel_scope.cancel()

    async def _stop_wakes(self, stop: anyio.Event) -> None:
        await stop.wait()
        self.nudge()

    async def _keep_leases(self) -> None:
        """Prolong the leases of what runs; real time, because handlers take real time."""
        while True:
            await anyio.sleep(self._options.lease / timedelta(seconds=3))
            lease = to_us(self._clock.now() + self._options.lease)
            try:
                await self._store.write(
                    lambda conn, lease=lease: book.renew(conn, owner=self._store.worker_id, lease=lease)
                )
            except (StoreBusy, StoreFull) as error:
                _log.warning("leases could not be renewed: %s", error)

    async def _sweep(self) -> bool:
        """Take back what dead workers held; tells whether something can be claimed."""
        now, names, owner = self._clock.now(), self._handlers.names(), self._store.worker_id
        at, orphan, dead = to_us(now), to_us(now - self._options.patience), not self._swept_dead

        def look(conn: Connection) -> tuple[bool, bool]:
            held = book.any_expired(conn, now=at, owner=owner, anyone=dead)
            return held, book.any_ready(conn, now=at, handlers=names, orphan=orphan)

        held, ready = await self._store.read(look)
        if held:

            def clean(conn: Connection) -> None:
                book.expire(conn, now=at, owner=owner)
                if dead:
                    for other in book.owners(conn):
                        if self._is_dead(other):
                            book.expire_owner(conn, other)

            await self._store.write(clean)
            ready = True
        self._swept_dead = True
        last = self._replanned
        if last is None or abs(now - last) >= self._options.replan_every:
            await self.replan()
            self._replanned = now
        return ready

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

    async def replan(self) -> int:
        """Plan provisional occurrences again."""
        now = self._clock.now()
        waiting = await self._store.read(book.provisional)
        moved = 0
        for entry, row in waiting:
            if from_us(entry.due) <= now or entry.version != row.version:
                continue
            try:
                fresh = book.read_trigger(row.trigger).next_after(now, days=self._days)
            except (InvalidInput, ConfigError) as error:
                _log.warning("schedule %s cannot be planned again: %s", row.name or row.id, error)
                continue
            if fresh is None or (
                to_us(fresh.nominal) == entry.nominal_at and int(fresh.provisional) == entry.provisional
            ):
                continue
            moved += await self._store.write(
                lambda conn, entry=entry, fresh=fresh: book.replan(conn, entry, fresh)
            )
        return moved

    # one occurrence

    async def _claim(self, count: int) -> list[Claim]:
        now = self._clock.now()
        at, orphan, names = to_us(now), to_us(now - self._options.patience), self._handlers.names()
        lease = to_us(now + self._options.lease)
        return await self._store.write(
            lambda conn: book.claim(
                conn,
                owner=self._store.worker_id,
                now=at,
                lease=lease,
                count=count,
                handlers=names,
                orphan=orphan,
            )
        )

    async def _work(self, claims: list[Claim]) -> None:
        limiter = anyio.CapacityLimiter(self._options.concurrency)

        async def limited(claimed: Claim) -> None:
            async with limiter:
                await self._performer.perform(claimed)

        async with anyio.create_task_group() as keepers:
            keepers.start_soon(self._keep_leases)
            async with anyio.create_task_group() as group:
                for claimed in claims:
                    group.start_soon(limited, claimed)
            keepers.cancel_scope.cancel()
