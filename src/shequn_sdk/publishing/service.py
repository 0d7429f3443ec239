"""The room's face: publish, plan, work, and look after what is in the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, Self, TypeAlias

import anyio
from sqlalchemy import Connection

from shequn_sdk.domain import (
    ChannelRef,
    Clock,
    Content,
    Delivery,
    DeliveryState,
    LatePolicy,
    OnUnknown,
    Priority,
    Receipt,
    Transition,
    Variant,
)
from shequn_sdk.errors import StoreBusy, StoreError
from shequn_sdk.platforms.governor import Governor
from shequn_sdk.publishing import care, ledger, queries
from shequn_sdk.publishing.book import AccountBook
from shequn_sdk.publishing.compose import compose
from shequn_sdk.publishing.dispatch import Dispatcher
from shequn_sdk.publishing.failpoints import hit
from shequn_sdk.publishing.planning import Plan, Planner, Target, by_lane
from shequn_sdk.publishing.policy import DeliveryOptions
from shequn_sdk.publishing.rows import Row, receipt_of, to_delivery
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.scheduling.embedded import EmbeddedEngine
from shequn_sdk.scheduling.engine import DeliveryEngine, Enlisting, Wake, WakeSource
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.store import Store

__all__ = ["EngineFactory", "Publishing", "Target"]

_log = logging.getLogger(__name__)

EngineFactory: TypeAlias = Callable[[WakeSource, Clock], DeliveryEngine]

_AT_REST = frozenset(
    {"landed", "refused", "unknown", "cancelled", "expired", "awaiting_person", "partly", "blocked", "paused"}
)
_WAITING = frozenset({"planned", "deferred"})
_LOOK = 0.1
"""Seconds between two looks at rows that another process works on."""


class Publishing:
    """Publishes contents and keeps account of every delivery (发布).

    One instance per process and store is enough; several processes may each have one on the same store.
    """

    def __init__(
        self,
        store: Store,
        accounts: AccountBook,
        *,
        clock: Clock | None = None,
        worker: str | None = None,
        on_unknown: OnUnknown | None = None,
        options: DeliveryOptions | None = None,
        governor: Governor | None = None,
        engine: EngineFactory | None = None,
        share_limits: bool | None = None,
    ) -> None:
        """Publish for `accounts` through `store`.

        Args:
            clock: the store's by default.
            worker: name in the audit trail; the store's worker id by default, which lets other processes see at once
                that this one has died.
            on_unknown: what to do with perhaps landed deliveries that can neither be repeated safely nor looked up;
                None holds them.
            options: leases, attempts, waits.
            governor: share one with other users of the same accounts.
            engine: makes the engine of `run`; the embedded one by default.
            share_limits: whether to count requests in the store for all processes; None does so while several
                processes have the store open.
        """
        self._store = store
        self._accounts = accounts
        # where the store goes by its server's clock, everything compared with its rows must
        self._clock = store.clock if clock is None or type(clock) is SystemClock else clock
        self._worker = worker or store.worker_id
        self._on_unknown = on_unknown
        self._options = options or DeliveryOptions()
        self.governor = governor or Governor(self._clock)
        self._planner = Planner(accounts, self._clock)
        self._make_engine = engine
        self._share_limits = share_limits
        self._slots: dict[str, anyio.CapacityLimiter] = {}
        self._engine: DeliveryEngine | None = None
        self._carrier: Enlisting | None = None
        self._asked = False
        self._rested = anyio.Event()
        self._onlookers = 0
        self._swept = False

    async def __aenter__(self) -> Self:
        """Give itself; there is nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave; the store and the accounts belong to the caller."""

    # saying something

    async def publish(
        self,
        content: Content,
        to: Sequence[Target],
        *,
        at: datetime | None = None,
        priority: Priority = Priority.NORMAL,
        idempotency_key: str | None = None,
        on_unknown: OnUnknown | None = None,
        needs_approval: bool = False,
        late: LatePolicy = LatePolicy.SEND,
        grace: timedelta | None = None,
        timeout: timedelta | None = None,
    ) -> list[Receipt]:
        """Publish `content` to channels and give one receipt per channel, in the order of `to`.

        What is not to be sent yet, or has not come to rest within `timeout`, is `pending` in its receipt and stays in
        the ledger, where a worker goes on with it. A failing platform hides no other.

        Args:
            at: when to send; now by default.
            idempotency_key: publishing again under the same key sends nothing and gives the same receipts.
            on_unknown: overrides the default for these deliveries.
            needs_approval: wait for `approve`.
            late: what to do when it could not be sent in time.
            grace: how late it may be sent; None is without end.
            timeout: how long to wait for outcomes; 30 seconds by default. With a clock that is moved by hand nothing
                is waited for beyond what can be done at once.

        Raises:
            UnknownName: an account does not exist; nothing was written.
            InvalidInput: a channel is malformed, or `to` is empty.
        """
        plan = Plan(
            at=at,
            priority=priority,
            on_unknown=on_unknown,
            needs_approval=needs_approval,
            late=late,
            grace=grace,
        )
        rows = await self._write(content, to, plan, key=idempotency_key)
        now = to_us(self._clock.now())
        ids = [row.id for group in rows for row in group if row.due <= now]
        if ids:
            lanes = list(dict.fromkeys(group[0].lane for group in rows))
            seconds = 30.0 if timeout is None else timeout / timedelta(seconds=1)
            self._onlookers += 1
            try:
                with anyio.move_on_after(seconds):
                    await self._await(ids, lanes)
            finally:
                self._onlookers -= 1
        return await self._receipts(rows)

    async def plan(
        self,
        content: Content,
        to: Sequence[Target],
        *,
        at: datetime | None = None,
        priority: Priority = Priority.NORMAL,
        idempotency_key: str | None = None,
        on_unknown: OnUnknown | None = None,
        needs_approval: bool = False,
        late: LatePolicy = LatePolicy.SEND,
        grace: timedelta | None = None,
        schedule_id: str | None = None,
        actor: str = "",
    ) -> list[Receipt]:
        """Write deliveries into the ledger and leave the sending to a worker; arguments as for `publish`."""
        plan = Plan(
            at=at,
            priority=priority,
            on_unknown=on_unknown,
            needs_approval=needs_approval,
            late=late,
            grace=grace,
            schedule_id=schedule_id,
            actor=actor,
        )
        rows = await self._write(content, to, plan, key=idempotency_key)
        return [receipt_of(group) for group in rows]

    async def plan_many(
        self,
        contents: Iterable[tuple[Content, Sequence[Target], datetime | None]],
        *,
        priority: Priority = Priority.NORMAL,
        on_unknown: OnUnknown | None = None,
        actor: str = "",
    ) -> int:
        """Write many deliveries in one transaction; gives how many rows were written.

        The idempotency key of each is its content's id.
        """
        new: list[Row] = []
        for content, to, at in contents:
            plan = Plan(at=at, priority=priority, on_unknown=on_unknown)
            new += self._planner.rows(content, self._planner.parse(to), plan, batch=content.id)
        actor = actor or self._worker
        written = await self._enlisted(lambda conn: self._planner.write(conn, new, key=None, actor=actor))
        return len(written)

    def preview(self, content: Content, to: Target) -> Variant:
        """Give the form that `content` will have in a channel, with what had to change; sends nothing.

        Raises:
            NotSupported: the account cannot publish it in any form.
        """
        ref = ChannelRef.parse(to)
        return compose(content, self._accounts.manifest(ref.account), account=ref.account)

    # working

    async def run(self, stop: anyio.Event | None = None, *, concurrency: int = 64) -> None:
        """Work on the ledger until `stop` is set; then finish what is under way.

        Several processes may run on one store; each takes what no other holds.
        """
        dispatcher = self._dispatcher()
        await dispatcher.sweep(dead_workers=True)
        self._swept = True
        engine: DeliveryEngine
        stop = stop or anyio.Event()
        if self._make_engine is None:
            engine = EmbeddedEngine(dispatcher, clock=self._clock)
        else:
            engine = self._make_engine(dispatcher, self._clock)
        self._engine = engine
        try:
            if isinstance(engine, EmbeddedEngine):
                await engine.run(dispatcher.handle, concurrency=concurrency, stop=stop)
            else:
                await self._supervise(engine, dispatcher, concurrency, stop)
        finally:
            self._engine = None

    async def _supervise(
        self, engine: DeliveryEngine, dispatcher: Dispatcher, concurrency: int, stop: anyio.Event
    ) -> None:
        """Run an engine that only carries wakes: restart it when it ends, and wake again what it has forgotten."""

        async def sweep() -> None:
            while not stop.is_set():
                try:
                    await dispatcher.tick()
                    await engine.submit(await dispatcher.forgotten())
                except StoreError as error:
                    _log.warning("leases could not be renewed: %s", error)
                except Exception:  # noqa: BLE001 - the engine's queue may be away; the next sweep tries again
                    _log.exception("the engine did not take what it had forgotten")
                with anyio.move_on_after(dispatcher.tick_every):
                    await stop.wait()

        async with anyio.create_task_group() as group:
            group.start_soon(sweep)
            pause = 0.1
            while not stop.is_set():
                try:
                    await engine.run(dispatcher.handle, concurrency=concurrency, stop=stop)
                    pause = 0.1
                except StoreBusy as error:
                    _log.warning("the engine ended; it is started again in %.1f s: %s", pause, error)
                except Exception:  # noqa: BLE001 - whatever ends an engine, the deliveries have to go on
                    _log.exception("the engine ended; it is started again in %.1f s", pause)
                with anyio.move_on_after(pause):
                    await stop.wait()
                pause = min(pause * 2, 5.0)
            group.cancel_scope.cancel()

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
            worked += await self._round(dispatcher)
            if until is None:
                return worked
            now = to_us(self._clock.now())
            following = await self._store.read(lambda conn, now=now: ledger.next_instant(conn, now=now))
            last = following is None or following > to_us(until)
            await self._move(until if last or following is None else max(from_us(following), from_us(now)))
            await dispatcher.sweep()
            if last:
                return worked + await self._round(dispatcher)

    async def run_due(self) -> int:
        """Do everything that is due now; the same as `drain()`."""
        return await self.drain()

    # looking after it

    async def deliveries(
        self,
        *,
        states: Iterable[DeliveryState] = (),
        account: str | None = None,
        channel: Target | None = None,
        content_id: str | None = None,
        idempotency_key: str | None = None,
        schedule_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int | None = None,
        limit: int = 1000,
        order: Literal["oldest", "newest"] = "oldest",
    ) -> list[Delivery]:
        """List deliveries; `since` and `until` compare their due instants, `after` is the last id seen in that order."""
        query = queries.select_deliveries(
            states=states,
            account=account,
            channel=None if channel is None else ChannelRef.parse(channel),
            content_id=content_id,
            batch=idempotency_key,
            schedule_id=schedule_id,
            since=since,
            until=until,
            after=after,
            limit=limit,
            order=order,
        )
        rows = await self._store.read(lambda conn: queries.fetch(conn, query))
        return [to_delivery(row) for row in rows]

    async def get(self, delivery: int) -> Delivery:
        """Give one delivery.

        Raises:
            InvalidInput: there is none of that id.
        """
        return to_delivery(await self._store.read(lambda conn: ledger.find(conn, delivery)))

    async def get_receipts(self, idempotency_key: str) -> list[Receipt]:
        """Give the receipts of what was published under a key; empty when nothing was."""
        rows = await self._store.read(lambda conn: ledger.by_batch(conn, idempotency_key))
        return [receipt_of(group) for group in by_lane(rows)]

    async def history(self, delivery: int) -> list[Transition]:
        """Give every step of a delivery with its cause, oldest first."""
        return await self._store.read(lambda conn: queries.history(conn, delivery))

    async def counts(self) -> Mapping[DeliveryState, int]:
        """Count deliveries by state; states without any are 0."""
        return MappingProxyType(await self._store.read(queries.counts))

    async def export(self, format: Literal["csv", "json", "jsonl"] = "csv") -> str:  # noqa: A002 - the field's word
        """Give the whole ledger as text."""
        return await self._store.read(lambda conn: queries.export(conn, format))

    async def retry(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Send a refused or expired delivery again, with the later pieces that fell with it; a deferred one now.

        Raises:
            InvalidInput: its state does not allow it; the message says what does.
        """
        return await self._care(lambda conn, now: care.retry(conn, delivery, now=now, actor=actor))

    async def cancel(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Give up a delivery that has not landed; later pieces of the same content fall with it.

        Raises:
            InvalidInput: its request is under way, or it came to its end already.
        """
        row = await self._store.read(lambda conn: ledger.find(conn, delivery))
        if row.state == "awaiting_person":
            await care.cancel_task(self._accounts.adapter(row.account), row)
        return await self._care(lambda conn, now: care.cancel(conn, delivery, now=now, actor=actor))

    async def resolve(
        self, delivery: int, *, landed: bool, native_id: str | None = None, actor: str = "user"
    ) -> Delivery:
        """Say what became of an unknown: it landed (perhaps as `native_id`), or it did not and is to be sent again.

        Raises:
            InvalidInput: the delivery is not unknown.
        """
        return await self._care(
            lambda conn, now: care.resolve(
                conn, delivery, landed=landed, native_id=native_id, now=now, actor=actor
            )
        )

    async def approve(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Let a blocked delivery and its other pieces go.

        Raises:
            InvalidInput: it is not blocked.
        """
        return await self._care(lambda conn, now: care.approve(conn, delivery, now=now, actor=actor))

    async def pause(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Keep a waiting delivery back until `resume`."""
        return await self._care(lambda conn, now: care.pause(conn, delivery, now=now, actor=actor))

    async def resume(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Let a paused delivery go."""
        return await self._care(lambda conn, now: care.resume(conn, delivery, now=now, actor=actor))

    # inside

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

    def _settled(self, row: Row) -> None:
        del row
        if not self._onlookers:
            return
        rested, self._rested = self._rested, anyio.Event()
        rested.set()

    async def _enlisted(self, write: Callable[[Connection], list[Row]]) -> list[Row]:
        """Write rows, and with them their wakes: in the same transaction where the engine can."""
        if self._make_engine is not None and not self._asked:
            self._asked = True
            made = self._make_engine(self._dispatcher(), self._clock)
            self._carrier = made if isinstance(made, Enlisting) else None
        carrier = self._carrier
        if carrier is None:
            rows = await self._store.write(write)
            if self._engine is not None:
                await self._engine.submit(_wakes(rows))
            return rows
        await carrier.prepare()

        def both(conn: Connection) -> list[Row]:
            rows = write(conn)
            carrier.enlist(conn, _wakes(rows))
            return rows

        return await self._store.write(both)

    async def _care(self, work: care.Work) -> Delivery:
        now = to_us(self._clock.now())
        (row,) = await self._enlisted(lambda conn: [work(conn, now)])
        self._settled(row)
        return to_delivery(row)

    async def _write(
        self, content: Content, to: Sequence[Target], plan: Plan, *, key: str | None
    ) -> list[list[Row]]:
        refs = self._planner.parse(to)
        new = self._planner.rows(content, refs, plan, batch=key or "")
        actor = plan.actor or self._worker
        written = await self._enlisted(lambda conn: self._planner.write(conn, new, key=key, actor=actor))
        hit("planned")
        order = {(ref.account, ref.native_id): number for number, ref in enumerate(refs)}
        groups = [group for group in by_lane(written) if group[0].lane in order]
        return sorted(groups, key=lambda group: order[group[0].lane])

    async def _await(self, ids: Sequence[int], lanes: Sequence[tuple[str, str]]) -> None:
        """Return when `ids` have come to rest: as onlooker of a running worker, else by working on their lanes."""
        real = isinstance(self._clock, SystemClock)
        dispatcher = self._dispatcher(patient=real, chaining=False, lanes=lanes)
        if not self._swept and self._engine is None:
            await dispatcher.sweep(dead_workers=True)
            self._swept = True
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_leases, dispatcher)
            while True:
                rested = self._rested
                rows = await self._store.read(lambda conn: ledger.by_ids(conn, ids))
                if all(
                    (row.state in _AT_REST and row.check_at is None) or row.state == "awaiting_person"
                    for row in rows
                ):
                    break
                worked = await self._round(dispatcher, once=True) if self._engine is None else 0
                if worked:
                    continue
                if not real:
                    break
                with anyio.move_on_after(_LOOK):
                    await rested.wait()
            group.cancel_scope.cancel()

    @staticmethod
    async def _keep_leases(dispatcher: Dispatcher) -> None:
        while True:
            await anyio.sleep(dispatcher.tick_every)
            await dispatcher.tick()

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
                    group.start_soon(dispatcher.handle, delivery)
            if once:
                return worked

    async def _move(self, to: datetime) -> None:
        mover = getattr(self._clock, "move_to", None)
        if mover is not None:
            mover(max(to, self._clock.now()))
            return
        await self._clock.sleep((to - self._clock.now()) / timedelta(seconds=1))

    async def _receipts(self, groups: Sequence[Sequence[Row]]) -> list[Receipt]:
        def look(conn: Connection) -> list[list[Row]]:
            return [ledger.by_ids(conn, (row.id for row in group)) for group in groups]

        return [receipt_of(group) for group in await self._store.read(look)]


def _wakes(rows: Iterable[Row]) -> list[Wake]:
    return [Wake(row.id, from_us(row.ready_at), row.priority) for row in rows if row.state in _WAITING]
