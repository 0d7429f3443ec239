"""The engine: wakes are Procrastinate jobs with the number of a delivery as their argument."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any

import anyio
import psycopg
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job

from shequn_sdk.domain import Clock
from shequn_sdk.errors import ConfigError, StoreBusy
from shequn_sdk.scheduling.engine import EngineCaps, Handle, Wake, in_packs

__all__ = ["ProcrastinateEngine"]

_log = logging.getLogger(__name__)
_TASK = "shequn.wake"
_QUEUE = "shequn"
_INSTALL_LOCK = 7305812
_STALE = 20.0
"""Seconds of silence after which a worker's jobs count as left behind; the ledger's lease is as long."""
_FINISH = 150.0
"""Seconds for what runs to finish: one request and the writing down of its outcome, each at most a minute."""
_GIVE_UP = 5.0
_JOBS = 64
"""How many wakes of one instant have jobs of their own; a job costs several times what it carries."""


def _dsn(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise ConfigError("the engine procrastinate needs a PostgreSQL store: set store to postgresql://…")
    return f"postgresql://{rest}"


class ProcrastinateEngine:
    """Carries wakes in Procrastinate's queue, in the database of the ledger.

    `enlist` writes them in the ledger's own transaction. `run` ends with an error when the database goes away; its
    caller starts it again.
    """

    caps = EngineCaps(transactional_submit=True, delayed=True, cancel=False)

    def __init__(self, url: str, *, clock: Clock, poll: float = 0.1) -> None:
        """Use the database at `url`; look for wakes whose time has come every `poll` seconds."""
        self._dsn = _dsn(url)
        self._clock = clock
        self._poll = poll
        self._ready = False
        self._running: App | None = None
        # never opened: it only carries the statements into transactions of the ledger
        self._inside = App(connector=SyncPsycopgConnector())

    def __repr__(self) -> str:
        return "ProcrastinateEngine()"

    async def prepare(self) -> None:
        """Make Procrastinate's tables when there are none.

        Raises:
            StoreBusy: the database cannot be reached.
        """
        if self._ready:
            return
        async with self._app() as app:
            await self._install(app)

    async def _install(self, app: App) -> None:
        if self._ready:
            return
        async with await self._connect() as connection:
            await connection.execute("select pg_advisory_lock(%s)", (_INSTALL_LOCK,))
            cursor = await connection.execute("select to_regclass('procrastinate_jobs') is not null")
            found = await cursor.fetchone()
            if not (found and found[0]):
                await app.schema_manager.apply_schema_async()
        self._ready = True

    def enlist(self, conn: Any, wakes: Sequence[Wake]) -> None:
        """Write wakes in the transaction that is open on `conn`, a `sqlalchemy.Connection`."""
        if not wakes:
            return
        raw = conn.connection.driver_connection
        manager = self._inside.job_manager
        packs = in_packs(wakes, now=self._clock.now(), jobs=_JOBS)
        try:
            with conn.begin_nested():
                manager.batch_defer_jobs([_job(pack) for pack in packs], connection=raw)
        except AlreadyEnqueued:
            for pack in packs:
                with contextlib.suppress(AlreadyEnqueued), conn.begin_nested():
                    manager.batch_defer_jobs([_job(pack)], connection=raw)

    async def submit(self, wakes: Sequence[Wake], tx: Any = None) -> None:
        """Write wakes on their own; with `tx`, in that transaction (see `enlist`)."""
        if not wakes:
            return
        if tx is not None:
            self.enlist(tx, wakes)
        elif self._running is not None:
            await self._defer(self._running, wakes)
        else:
            async with self._app() as app:
                await self._install(app)
                await self._defer(app, wakes)

    @staticmethod
    async def _defer(app: App, wakes: Sequence[Wake]) -> None:
        # one by one, because what is woken again is in the queue already as often as not, and is known by its lock
        try:
            await app.job_manager.batch_defer_jobs_async([_job([one]) for one in wakes])
        except AlreadyEnqueued:
            for one in wakes:
                with contextlib.suppress(AlreadyEnqueued):
                    await app.job_manager.batch_defer_jobs_async([_job([one])])

    async def cancel(self, deliveries: Sequence[int]) -> None:
        """Leave the wakes in the queue: the ledger refuses them when they come."""

    async def run(self, handle: Handle, *, concurrency: int, stop: anyio.Event) -> None:
        """Work on wakes until `stop`; ends with an error when the database goes away.

        Raises:
            StoreBusy: the database cannot be reached, or went away.
        """
        async with self._app() as app:
            await self._install(app)

            slots = asyncio.Semaphore(concurrency)

            async def work(delivery: int) -> datetime | None:
                async with slots:
                    # what is due when everything stops is found by the next worker's sweep
                    return None if stop.is_set() else await handle(delivery)

            async def wake(deliveries: list[int]) -> None:
                found = await asyncio.gather(*map(work, deliveries), return_exceptions=True)
                later = [
                    Wake(one, at)
                    for one, at in zip(deliveries, found, strict=True)
                    if isinstance(at, datetime)
                ]
                if later:
                    await self._defer(app, later)
                for error in found:
                    if isinstance(error, BaseException):
                        raise error  # Procrastinate writes it down; the sweep takes the delivery back

            app.task(name=_TASK, queue=_QUEUE)(wake)
            self._running = app
            try:
                working = asyncio.create_task(
                    app.run_worker_async(
                        queues=[_QUEUE],
                        concurrency=concurrency,
                        fetch_job_polling_interval=self._poll,
                        install_signal_handlers=False,
                        delete_jobs="always",
                        update_heartbeat_interval=_STALE / 4,
                        stalled_worker_timeout=_STALE,
                    )
                )
                stopping = asyncio.create_task(stop.wait())
                try:
                    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    stopping.cancel()
                    await _end(working)
            except (ConnectorException, psycopg.Error, OSError) as error:
                raise StoreBusy(
                    f"the queue's database went away ({type(error).__name__}); it is asked again"
                ) from None
            finally:
                self._running = None
            if not stop.is_set():
                raise StoreBusy("the queue's worker ended; it is started again")

    @contextlib.asynccontextmanager
    async def _app(self) -> AsyncGenerator[App]:
        app = App(connector=PsycopgConnector(conninfo=self._dsn, min_size=1, max_size=8, timeout=5))
        await (await self._connect()).close()  # the pool would try for half a minute before it says no
        try:
            await app.open_async()
        except (ConnectorException, psycopg.Error, OSError) as error:
            raise _unreachable(error) from None
        try:
            yield app
        finally:
            with (
                contextlib.suppress(ConnectorException, psycopg.Error, OSError),
                anyio.move_on_after(_GIVE_UP),
            ):
                await app.close_async()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        try:
            return await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=10)
        except (psycopg.Error, OSError) as error:
            raise _unreachable(error) from None


async def _end(working: asyncio.Task[None]) -> None:
    """Let the worker finish what runs, and end; one that cannot, because its database is away, is left behind."""
    for seconds in (_FINISH, _GIVE_UP):
        if working.done():
            break
        working.cancel()  # once is Procrastinate's way to finish and end, twice to end at once
        await asyncio.wait((working,), timeout=seconds)
    if not working.done():
        _log.warning(
            "Procrastinate's worker did not end within %.0f s and is left behind", _FINISH + _GIVE_UP
        )
        working.add_done_callback(lambda done: None if done.cancelled() else done.exception())
    elif not working.cancelled():
        working.result()


def _unreachable(error: BaseException) -> StoreBusy:
    # the driver's own text names the address, so that only its kind is passed on
    return StoreBusy(f"the queue's database cannot be reached ({type(error).__name__}): check that it runs")


def _job(pack: Sequence[Wake]) -> Job:
    numbers: list[Any] = [one.delivery for one in pack]
    name = str(numbers[0])
    if len(numbers) > 1:
        name = hashlib.blake2b(repr(numbers).encode(), digest_size=12).hexdigest()
    return Job(
        queue=_QUEUE,
        priority=-pack[0].priority,
        lock=None,
        # The instant is part of the key: a wake for now must not be taken for one that waits for later.
        queueing_lock=f"{name}@{pack[0].at.isoformat()}",
        task_name=_TASK,
        task_kwargs={"deliveries": numbers},
        scheduled_at=pack[0].at,
    )
