"""The working half of publishing: engines, draining, waiting for outcomes."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

import anyio
from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, Clock, Content, OnUnknown
from shequn_sdk.errors import StoreBusy, StoreError, StoreFull
from shequn_sdk.platforms.governor import Governor
from shequn_sdk.publishing import ledger
from shequn_sdk.publishing.book import AccountBook
from shequn_sdk.publishing.dispatch import Dispatcher
from shequn_sdk.publishing.ledger import Lane
from shequn_sdk.publishing.notices import Listener, Notices
from shequn_sdk.publishing.policy import DeliveryOptions
from shequn_sdk.publishing.rows import Row
from shequn_sdk.publishing.supervising import supervise
from shequn_sdk.publishing.tending import Tending
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.scheduling.embedded import EmbeddedEngine
from shequn_sdk.scheduling.engine import DeliveryEngine, Enlisting, Wake, WakeSource
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.store import Store

__all__ = ["EngineFactory", "Working"]

EngineFactory: TypeAlias = Callable[[WakeSource, Clock], DeliveryEngine]

_AT_REST = frozenset(
    {"landed", "refused", "unknown", "cancelled", "expired", "awaiting_person", "partly", "blocked", "paused"}
)
_WAITING = frozenset({"planned", "deferred"})
_LOOK = 0.1
"""Seconds between two looks at rows that another process works on."""
_STORE_PAUSE = 1.0
"""Seconds until a store that cannot be used is tried again."""

_log = logging.getLogger(__name__)


class Working(Tending):
    """What brings deliveries to their outcome; `Publishing` is one."""

    def __init__(
        self,
        store: Store,
        accounts: AccountBook,
        *,
        clock: Clock | None,
        worker: str | None,
        on_unknown: OnUnknown | None,
        options: DeliveryOptions | None,
        governor: Governor | None,
        engine: EngineFactory | None,
        share_limits: bool | None,
    ) -> None:
        """Work for `accounts` on `store`; arguments as for `Publishing`."""
        # where the store goes by its server's clock, everything compared with its rows must
        clock = store.clock if clock is None or type(clock) is SystemClock else clock
        super().__init__(store, accounts, clock=clock)
        self._worker = worker or store.worker_id
        self._on_unknown = on_unknown
        self._options = options or DeliveryOptions()
        self.governor = governor or Governor(self._clock)
        self._notices = Notices(on_unknown=on_unknown, post=self._post_notice)
        self._make_engine = engine
        self._share_limits = share_limits
        self._slots: dict[str, anyio.CapacityLimiter] = {}
        self._engine: DeliveryEngine | None = None
        self._carrier: Enlisting | None = None
        self._asked = False
        self._rested = anyio.Event()
        self._onlookers = 0
        self._swept = False

    @abstractmethod
    async def _post_notice(self, content: Content, channel: ChannelRef, key: str) -> None:
        """Plan a notice for the operators' channel, once per key."""

    def on_notice(self, listener: Listener) -> Listener:
        """Call `listener` with each `Notice` of what a person has to look at; usable as a decorator.

        It is called at least once per occasion by the process that wrote it down, after it was written, and may be a
        coroutine function. What waits for long belongs on a list of one's own: it is not repeated to listeners.
        """
        self._notices.listen(listener)
        return listener

    async def run(self, stop: anyio.Event | None = None, *, concurrency: int = 64) -> None:
        """Work on the ledger until `stop` is set; then finish what is under way.

        Several processes may run on one store; each takes what no other holds.
        """
        dispatcher = self._dispatcher()
        engine: DeliveryEngine
        stop = stop or anyio.Event()
        await self._take_over(dispatcher, stop)
        if self._make_engine is None:
            engine = EmbeddedEngine(dispatcher, clock=self._clock)
        else:
            engine = self._make_engine(dispatcher, self._clock)
        self._engine = engine
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._notices.keep_telling)
                if isinstance(engine, EmbeddedEngine):
                    await engine.run(dispatcher.handle, concurrency=concurrency, stop=stop)
                else:
                    await supervise(engine, dispatcher, concurrency=concurrency, stop=stop)
                group.cancel_scope.cancel()
            await self._notices.tell()
        finally:
            self._engine = None

    async def drain(self, *, until: datetime | None = None) -> int:
        """Do everything that is due now and return; gives how many claims were worked on.

        Args:
            until: go on until this instant. A clock that is moved by hand is moved from one due instant to the next.
        """
        patient = isinstance(self._clock, SystemClock)
        dispatcher = self._dispatcher(patient=patient and until is not None)
        await dispatcher.sweep(dead_workers=True)
        worked = 0
        while True:
            worked += await self._all(dispatcher)
            if until is None:
                return worked
            now = to_us(self._clock.now())
            following = await self._store.read(lambda conn, now=now: ledger.next_instant(conn, now=now))
            last = following is None or following > to_us(until)
            await self._move(until if last or following is None else max(from_us(following), from_us(now)))
            await dispatcher.sweep()
            if last:
                return worked + await self._all(dispatcher)

    async def run_due(self) -> int:
        """Do everything that is due now; the same as `drain()`."""
        return await self.drain()

    # inside

    async def _take_over(self, dispatcher: Dispatcher, stop: anyio.Event) -> None:
        """Take back what dead workers held and what waits for a person, as soon as the store can be used."""
        while not stop.is_set():
            try:
                await dispatcher.sweep(dead_workers=True)
                self._notices.catch_up(await self._store.read(self._notices.waiting))
            except (StoreBusy, StoreFull) as error:
                _log.warning("the store cannot be used, next try in %.0f s: %s", _STORE_PAUSE, error)
                with anyio.move_on_after(_STORE_PAUSE):
                    await stop.wait()
            else:
                self._swept = True
                return

    def _dispatcher(
        self,
        *,
        patient: bool = True,
        chaining: bool = True,
        lanes: Sequence[tuple[str, str]] | None = None,
    ) -> Dispatcher:
        return Dispatcher(
            self._store,
            self._accounts,
            clock=self._clock,
            governor=self.governor,
            worker=self._worker,
            options=self._options,
            on_unknown=self._on_unknown,
            settled=self._settled,
            slots=self._slots,
            lanes=lanes,
            patient=patient,
            chaining=chaining,
            share=self._share_limits,
        )

    def _settled(self, row: Row, old: Row | None = None) -> None:
        self._notices.note(row, old)
        if not self._onlookers:
            return
        rested, self._rested = self._rested, anyio.Event()
        rested.set()

    async def _enlisted(self, write: Callable[[Connection], list[Row]], *, few: bool) -> list[Row]:
        """Write rows, few or many, and with them their wakes: in the same transaction where the engine can."""
        if self._make_engine is not None and not self._asked:
            self._asked = True
            made = self._make_engine(self._dispatcher(), self._clock)
            self._carrier = made if isinstance(made, Enlisting) else None
        carrier = self._carrier
        if carrier is None:
            rows = await self._store.write(write, quick=few)
            if self._engine is not None:
                try:
                    await self._engine.submit(_wakes(rows, to_us(self._clock.now())))
                except StoreError as error:  # the rows are written, and the sweep finds them
                    _log.warning("%d deliveries wait for the next sweep: %s", len(rows), error)
            return rows
        await carrier.prepare()

        def both(conn: Connection) -> list[Row]:
            rows = write(conn)
            carrier.enlist(conn, _wakes(rows, to_us(self._clock.now())))
            return rows

        return await self._store.write(both)

    async def _await(self, ids: Sequence[int], lanes: Sequence[tuple[str, str]]) -> None:
        """Return when `ids` have come to rest: as onlooker of a running worker, else by working on their lanes."""
        real = isinstance(self._clock, SystemClock)
        dispatcher = self._dispatcher(patient=real, chaining=False, lanes=lanes)
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_leases, dispatcher)
            while True:
                rested, pause = self._rested, _LOOK
                try:
                    worked = await self._step(dispatcher, ids)
                except (StoreBusy, StoreFull) as error:  # what is written is written; it is only not seen now
                    _log.warning("the store cannot be used, next look in %.0f s: %s", _STORE_PAUSE, error)
                    worked, pause = False, _STORE_PAUSE
                if worked is None:
                    break
                if worked:
                    continue
                if not real:
                    break
                with anyio.move_on_after(pause):
                    await rested.wait()
            group.cancel_scope.cancel()

    async def _step(self, dispatcher: Dispatcher, ids: Sequence[int]) -> bool | None:
        """Work once on what is due, where no worker runs; says whether it did, None when `ids` have come to rest."""
        if not self._swept and self._engine is None:
            await dispatcher.sweep(dead_workers=True)
            self._swept = True
        rows = await self._store.read(lambda conn: ledger.by_ids(conn, ids))
        if all(
            (row.state in _AT_REST and row.check_at is None) or row.state == "awaiting_person" for row in rows
        ):
            return None
        return self._engine is None and bool(await self._round(dispatcher, once=True))

    @staticmethod
    async def _keep_leases(dispatcher: Dispatcher) -> None:
        while True:
            await anyio.sleep(dispatcher.tick_every)
            try:
                await dispatcher.tick()
            except (StoreBusy, StoreFull) as error:
                _log.warning("leases could not be renewed: %s", error)

    async def _all(self, dispatcher: Dispatcher) -> int:
        """Work on what is due, tell of what came of it, and work on the notices that were posted by that."""
        worked = await self._round(dispatcher)
        await self._notices.tell()
        return worked + await self._round(dispatcher)

    @staticmethod
    async def _round(dispatcher: Dispatcher, *, once: bool = False) -> int:
        """Work on what is due until nothing is left; gives the number of claims."""
        worked = 0
        while True:
            taken = await dispatcher.take(256)
            if not taken:
                return worked
            worked += len(taken)
            async with anyio.create_task_group() as group:
                for delivery in taken:
                    group.start_soon(_handle, dispatcher, delivery)
            if once:
                return worked

    async def _move(self, to: datetime) -> None:
        mover = getattr(self._clock, "move_to", None)
        if mover is not None:
            mover(max(to, self._clock.now()))
            return
        await self._clock.sleep((to - self._clock.now()) / timedelta(seconds=1))


async def _handle(dispatcher: Dispatcher, delivery: int) -> None:
    try:
        await dispatcher.handle(delivery)
    except (StoreBusy, StoreFull) as error:  # the others go on; this one comes back when its lease ends
        _log.warning("delivery %d could not be worked on: %s", delivery, error)


def _wakes(rows: Iterable[Row], now: int) -> list[Wake]:
    """Give the wakes of rows; of those that may go at once one per lane, because who works in a lane goes on in it."""
    wakes: dict[tuple[Lane, int, int], Wake] = {}
    for row in rows:
        if row.state in _WAITING:
            key = (row.lane, max(row.ready_at, now), row.priority)
            wakes.setdefault(key, Wake(row.id, from_us(row.ready_at), row.priority))
    return list(wakes.values())
