"""The engine: wakes are PgQueuer jobs whose payload is the number of a delivery."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from typing import Any

import anyio
import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, SyncDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries, SyncQueries
from psycopg import RawCursor
from psycopg.rows import dict_row

from shequn_sdk.domain import Clock
from shequn_sdk.errors import ConfigError, StoreBusy
from shequn_sdk.scheduling.engine import EngineCaps, Handle, Wake, in_packs

__all__ = ["PgQueuerEngine"]

_log = logging.getLogger(__name__)
_ENTRYPOINT = "shequn_wake"
_INSTALL_LOCK = 7305811
_STALE = timedelta(seconds=20)
"""Silence of a worker after which its jobs go to others; the ledger's lease is as long."""
_EARLY = 0.1
"""Seconds by which a wake may come too early and still wait inside its job."""
_SOONEST = timedelta(milliseconds=30)
"""Shortest pause between two looks, which is how late a wake with a delay may be; PgQueuer's own 100 ms are much."""
_LOOK = timedelta(seconds=2)
"""Longest pause between two looks at the queue; notifications make it shorter."""


class _Enlisted(SyncDriver):
    """The ledger's open transaction as PgQueuer sees it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        with RawCursor(self._connection, row_factory=dict_row) as cursor:
            cursor.execute(query.encode(), args or None)
            return cursor.fetchall()


class _Jobs:
    """Wakes as PgQueuer takes them: one list per column, and several wakes of one instant in a job."""

    def __init__(self, packs: Sequence[Sequence[Wake]], clock: Clock, *, again: str = "") -> None:
        now = clock.now()
        nothing = timedelta(0)
        numbers = [" ".join(str(one.delivery) for one in pack) for pack in packs]
        self.entrypoints = [_ENTRYPOINT] * len(packs)
        self.payloads: list[bytes | None] = [one.encode() for one in numbers]
        self.priorities = [-pack[0].priority for pack in packs]
        self.delays: list[timedelta | None] = [max(nothing, pack[0].at - now) for pack in packs]
        # The instant is part of the key: a wake for now must not be taken for one that waits for later.
        self.keys: list[str | None] = [
            f"{_short(one)}@{pack[0].at.isoformat()}{again}" for one, pack in zip(numbers, packs, strict=True)
        ]


def _short(numbers: str) -> str:
    return numbers if " " not in numbers else hashlib.blake2b(numbers.encode(), digest_size=12).hexdigest()


def _dsn(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise ConfigError("the engine pgqueuer needs a PostgreSQL store: set store to postgresql://…")
    return f"postgresql://{rest}"


class PgQueuerEngine:
    """Carries wakes in PgQueuer's queue, in the database of the ledger.

    `enlist` writes them in the ledger's own transaction. `run` ends with an error when the database goes away; its
    caller starts it again.
    """

    caps = EngineCaps(transactional_submit=True, delayed=True, cancel=False)

    def __init__(self, url: str, *, clock: Clock) -> None:
        """Use the database at `url`; connects when something is to be done."""
        self._dsn = _dsn(url)
        self._clock = clock
        self._ready = False
        self._running: Queries | None = None

    def __repr__(self) -> str:
        return "PgQueuerEngine()"

    async def prepare(self) -> None:
        """Make PgQueuer's tables when there are none, and bring older ones up to date.

        Raises:
            StoreBusy: the database cannot be reached.
        """
        if self._ready:
            return
        async with self._connection() as connection:
            await self._install(connection)

    async def _install(self, connection: asyncpg.Connection) -> None:
        if self._ready:
            return
        queries = Queries(AsyncpgDriver(connection))
        await connection.execute("select pg_advisory_lock($1)", _INSTALL_LOCK)
        try:
            if not await queries.schema_is_installed():
                await queries.install()
            elif (await queries.plan_upgrade()).statements:
                await queries.upgrade()
        finally:
            await connection.execute("select pg_advisory_unlock($1)", _INSTALL_LOCK)
        self._ready = True

    def enlist(self, conn: Any, wakes: Sequence[Wake]) -> None:
        """Write wakes in the transaction that is open on `conn`, a `sqlalchemy.Connection`."""
        if not wakes:
            return
        jobs = _Jobs(in_packs(wakes, now=self._clock.now()), self._clock)
        SyncQueries(_Enlisted(conn.connection.driver_connection)).enqueue(
            jobs.entrypoints,
            jobs.payloads,
            jobs.priorities,
            jobs.delays,
            jobs.keys,
            on_conflict="skip",
        )

    async def submit(self, wakes: Sequence[Wake], tx: Any = None) -> None:
        """Write wakes on their own; with `tx`, in that transaction (see `enlist`)."""
        if not wakes:
            return
        if tx is not None:
            self.enlist(tx, wakes)
        elif self._running is not None:
            await self._enqueue(self._running, wakes)
        else:
            async with self._connection() as connection:
                await self._install(connection)
                await self._enqueue(Queries(AsyncpgDriver(connection)), wakes)

    async def _enqueue(self, queries: Queries, wakes: Sequence[Wake], *, again: str = "") -> None:
        # one by one, because what is woken again is in the queue already as often as not, and is known by its key
        jobs = _Jobs([[one] for one in wakes], self._clock, again=again)
        await queries.enqueue(
            jobs.entrypoints,
            jobs.payloads,
            jobs.priorities,
            jobs.delays,
            jobs.keys,
            on_conflict="skip",
        )

    async def cancel(self, deliveries: Sequence[int]) -> None:
        """Leave the wakes in the queue: the ledger refuses them when they come."""

    async def run(self, handle: Handle, *, concurrency: int, stop: anyio.Event) -> None:
        """Work on wakes until `stop`; ends with an error when the connection is lost.

        Raises:
            StoreBusy: the database cannot be reached, or went away.
        """
        async with self._connection() as connection:
            await self._install(connection)
            driver = AsyncpgDriver(connection)
            queuer = PgQueuer(driver)
            queuer.qm.min_dequeue_poll_interval = _SOONEST
            queries = Queries(driver)
            lost = False

            def gone(_: object) -> None:
                nonlocal lost
                lost = True
                queuer.shutdown.set()

            connection.add_termination_listener(gone)

            slots = asyncio.Semaphore(concurrency)

            async def work(delivery: int) -> datetime | None:
                async with slots:
                    if stop.is_set():
                        return None  # what is due is found by the next worker's sweep
                    again = await handle(delivery)
                    if (
                        again is not None
                        and (wait := (again - self._clock.now()) / timedelta(seconds=1)) < _EARLY
                    ):
                        await self._clock.sleep(
                            wait
                        )  # woken a moment too early: going back would cost a poll
                        again = await handle(delivery)
                    return again

            async def wake(job: Job) -> None:
                numbers = [int(one) for one in (job.payload or b"").split()]
                found = await asyncio.gather(*map(work, numbers), return_exceptions=True)
                later = [
                    Wake(one, at) for one, at in zip(numbers, found, strict=True) if isinstance(at, datetime)
                ]
                if later:
                    # a key of its own: that of the running job is taken until the job has ended
                    await self._enqueue(queries, later, again=f"#{job.id}")
                for error in found:
                    if isinstance(error, BaseException):
                        raise error  # PgQueuer writes it down; the sweep takes the delivery back

            queuer.entrypoint(_ENTRYPOINT, accepts_context=False)(wake)
            self._running = queries
            async with anyio.create_task_group() as group:
                group.start_soon(_forward, stop, queuer)
                try:
                    await queuer.qm.run(
                        dequeue_timeout=_LOOK,
                        batch_size=max(1, concurrency // 2),
                        max_concurrent_tasks=max(2, concurrency),
                        heartbeat_timeout=_STALE,
                    )
                finally:
                    self._running = None
                    connection.remove_termination_listener(gone)
                    group.cancel_scope.cancel()
            if lost and not stop.is_set():
                raise StoreBusy("the database closed the queue's connection; it is opened again")

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[asyncpg.Connection]:
        try:
            connection: asyncpg.Connection = await asyncpg.connect(self._dsn, timeout=10)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            # the message of the driver may hold the address, never the password; the address is left out as well
            raise StoreBusy(
                f"the queue's database cannot be reached ({type(error).__name__}): check that it runs"
            ) from None
        try:
            yield connection
        finally:
            with contextlib.suppress(Exception):
                await connection.close(timeout=5)


async def _forward(stop: anyio.Event, queuer: PgQueuer) -> None:
    await stop.wait()
    queuer.shutdown.set()
