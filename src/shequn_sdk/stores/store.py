"""The operational store: SQLAlchemy connections on threads of their own, with group commit."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import platform
import queue
import socket
import sqlite3
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from shequn_sdk.domain import Clock
from shequn_sdk.errors import ConfigError, ShequnError, StoreBusy, StoreDamaged, StoreError, StoreFull
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.stores import migrate
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.server_clock import ServerClock

__all__ = ["Store", "host_id"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

_OLDEST_SQLITE = (3, 35, 0)
_GROUP = 1000
"""Most write functions in one transaction."""
_BEAT = 20.0
"""Seconds between signs of life of an open store."""
_CONFLICTS = frozenset({"40001", "40P01"})
"""SQL states after which a server wants a transaction to be repeated."""
_STALE_AGAIN = 0.5
"""Seconds after a lost connection in which another loss means that the server is away."""
_REFUSED = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")
"""What a server says that lets nobody in; the driver gives no SQL state for it."""
_CLOCK_AGE = 10.0
"""Seconds after which the server is asked for its time again."""
_REACH = 3.0
"""Seconds for which a server that does not answer is tried when a store is opened."""
_GONE = 60.0
"""Seconds after which a silent host no longer counts."""


def host_id() -> str:
    """Name this machine: its name and, where it has one, its machine id."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        return f"{name}-{Path('/etc/machine-id').read_text(encoding='ascii').strip()[:12]}"
    return f"{name}-{platform.machine()}-{uuid.getnode():x}"


def _typed(error: BaseException, where: str) -> BaseException:
    """Translate what a driver raised; errors of ours and of the caller's function pass."""
    if isinstance(error, (ShequnError, PoolTimeout)):
        return error
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary == sqlite3.SQLITE_FULL:
            return StoreFull(f"no space left for {where}: free some and repeat; nothing half-written stays")
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreBusy(f"{where} stayed locked by another process; repeat when it has finished")
        if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return StoreDamaged(
                f"{where} is no intact SQLite database ({original}); restore it from a backup"
            )
        if primary == sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"{where} cannot be opened: check that its folder exists and may be written to")
        if primary == sqlite3.SQLITE_READONLY:
            return StoreError(f"{where} is read-only: check its permissions")
        if primary == sqlite3.SQLITE_IOERR:
            return StoreError(f"{where} could not be read or written ({original}); check the disk")
        return error
    if isinstance(original, OSError) and original.errno == errno.ENOSPC:
        return StoreFull(f"no space left for {where}: free some and repeat; nothing half-written stays")
    return _typed_server(error, original, where)


def _typed_server(error: BaseException, original: Any, where: str) -> BaseException:
    """Translate what a server's driver raised, by names, so that no driver need be imported."""
    state = getattr(original, "sqlstate", None)
    if state == "53100":
        return StoreFull(f"the server's disk is full at {where}: free some and repeat")
    kinds = {kind.__name__ for kind in type(original).__mro__ if kind.__module__.startswith("psycopg")}
    if state in _CONFLICTS:
        return StoreBusy(f"{where}: other processes write the same rows; repeat")
    if kinds and state is None and any(hint in str(original) for hint in _REFUSED):
        return ConfigError(
            f"{where}: the server refuses this user, password or database; correct the store's URL"
        )
    if "OperationalError" in kinds or "InterfaceError" in kinds:
        return StoreBusy(f"{where} cannot be reached ({type(original).__name__}); check that the server runs")
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return StoreBusy(f"{where} closed the connection; repeat")
    return error


class _Job:
    """A write function that waits for its turn."""

    __slots__ = ("error", "fn", "future", "loop", "result")

    def __init__(self, fn: Callable[[Connection], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.fn = fn
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


class Store:
    """The operational store, opened. SQLite for one host, PostgreSQL for many; the same calls on both.

    On SQLite all writes of this process go through one thread, which commits as one transaction whatever has been
    queued meanwhile; each function stands behind a savepoint, so that one that fails takes nothing with it.
    """

    def __init__(self, engine: Engine, *, clock: Clock, where: str, host: str) -> None:
        """Use `Store.open` instead."""
        self.engine = engine
        self.clock = clock
        """The one given; on a server that of the database, unless another than the machine's was given."""
        self.where = where
        self.host = host
        self.worker_id = f"{host}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._memory = self.is_sqlite and engine.url.database in (None, "", ":memory:")
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.under_way = 0
        """Calls of this process that wait for the store."""
        self._closed = False
        self._prepared = False
        self._beaten = 0.0
        self._stale = 0.0
        self._writer: threading.Thread | None = None
        self._readers = ThreadPoolExecutor(2 if self.is_sqlite else 8, thread_name_prefix="shequn-read")
        self._local = threading.local()
        self._reader_conns: list[Connection] = []
        self._lock = threading.Lock()

    @classmethod
    async def open(cls, url: str | Path, *, clock: Clock | None = None, host: str | None = None) -> Self:
        """Open a store, make it when it is new, and bring its schema up to date.

        Args:
            url: `sqlite:///path`, `postgresql://…`, or the path of an SQLite file.
            clock: what `store.clock` gives to the rooms. By default the machine's on SQLite, and on PostgreSQL the
                server's, so that several hosts go by one time.
            host: name of this machine, when the one found out is not right.

        Raises:
            ConfigError: the URL cannot be used, or its driver is not installed.
            StoreBusy: another host has this SQLite file open, a lock did not end, or the server cannot be reached.
            StoreDamaged: the file is no database, or not ours.
            StoreTooNew: a newer version of the package wrote it.
        """
        engine, where = _engine(str(url))
        clock = clock or SystemClock()
        if engine.dialect.name != "sqlite" and type(clock) is SystemClock:
            clock = ServerClock()
        store = cls(engine, clock=clock, where=where, host=host or host_id())
        try:
            if store.is_sqlite:
                ready = asyncio.get_running_loop().create_future()
                store._writer = threading.Thread(
                    target=store._write_loop, args=(ready,), name="shequn-write", daemon=True
                )
                store._writer.start()
                await ready
            else:
                await asyncio.get_running_loop().run_in_executor(store._readers, store._prepare_server)
        except BaseException:
            await store.aclose()
            raise
        return store

    async def __aenter__(self) -> Self:
        """Give the store, which is open already."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def __repr__(self) -> str:
        return f"Store({self.where!r})"

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in a transaction and return once it is durable.

        `fn` runs on a store thread, must touch nothing but its connection, must neither commit nor roll back, and
        may be run a second time when the transaction around it failed.

        Raises:
            StoreFull: no space left; nothing of `fn` stays.
            StoreBusy: another process kept the lock.
        """
        loop = asyncio.get_running_loop()
        if self._closed:
            raise StoreError(f"{self.where} is closed")
        self.under_way += 1
        try:
            if not self.is_sqlite:
                return await loop.run_in_executor(self._readers, self._server_call, fn)
            job = _Job(fn, loop)
            self._queue.put(job)
            return await job.future
        finally:
            self.under_way -= 1

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` on a connection that sees one consistent state and cannot write."""
        if self._closed:
            raise StoreError(f"{self.where} is closed")
        if self._memory:
            return await self.write(fn)
        loop = asyncio.get_running_loop()
        call = self._file_read if self.is_sqlite else self._server_call
        self.under_way += 1
        try:
            return await loop.run_in_executor(self._readers, call, fn)
        finally:
            self.under_way -= 1

    def stamp(self) -> int:
        """Give the time of signs of life in microseconds: the server's, or the machine's; never a moved clock's."""
        clock = self.clock
        return to_us(clock.now()) if isinstance(clock, ServerClock) else time.time_ns() // 1000

    async def aclose(self) -> None:
        """Finish what is queued and close; twice is no error."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        loop = asyncio.get_running_loop()
        if self._prepared:
            await loop.run_in_executor(self._readers, self._part_from_server)
        if self._writer is not None:
            await loop.run_in_executor(None, self._writer.join)
        for conn in self._reader_conns:
            conn.close()
        self._readers.shutdown(wait=True)
        self.engine.dispose()

    # threads from here on

    def _file_read(self, fn: Callable[[Connection], T]) -> T:
        conn: Connection | None = getattr(self._local, "conn", None)
        try:
            if conn is None:
                conn = self._local.conn = self.engine.connect()
                conn.exec_driver_sql("pragma query_only=1")
                with self._lock:
                    self._reader_conns.append(conn)
            conn.exec_driver_sql("begin")
            try:
                return fn(conn)
            finally:
                conn.rollback()
        except BaseException as error:
            translated = _typed(error, self.where)
            if translated is error:
                raise
            raise translated from error

    def _server_call(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in a transaction; again when it surely did not happen: after a conflict, or on a stale connection."""
        tries = 5
        while True:
            tries -= 1
            ending = False
            try:
                with self.engine.connect() as conn:
                    transaction = conn.begin()  # said aloud: statements past SQLAlchemy would not begin one
                    try:
                        self._look_after(conn)
                        result = fn(conn)
                        ending = True  # from here on nobody knows, if the connection breaks
                        transaction.commit()
                    except BaseException as error:
                        if isinstance(_typed(error, self.where), StoreBusy):
                            with contextlib.suppress(Exception):
                                conn.exec_driver_sql(
                                    "select 1"
                                )  # lets SQLAlchemy see that its connections are dead
                        raise
                    return result
            except BaseException as error:
                translated = _typed(error, self.where)
                state = getattr(getattr(error, "orig", error), "sqlstate", None)
                if tries and state in _CONFLICTS:
                    continue
                if isinstance(translated, StoreBusy) and not ending:
                    # Asking connections at every use costs as much as a write; a stale one is found here instead.
                    first = time.monotonic() - self._stale > _STALE_AGAIN
                    self._stale = time.monotonic()
                    if tries and first:
                        continue
                if translated is error:
                    raise
                raise translated from error

    def _look_after(self, conn: Connection) -> None:
        """Read the server's clock and give a sign of life, now and then, in a transaction that runs anyway."""
        if not self._prepared:
            return
        clock = self.clock
        if isinstance(clock, ServerClock) and clock.age > _CLOCK_AGE:
            self._read_clock(conn, clock)
        if time.monotonic() - self._beaten > _BEAT:
            self._beaten = time.monotonic()
            self._beat(conn)

    @staticmethod
    def _read_clock(conn: Connection, clock: ServerClock) -> None:
        asked = clock.mark()
        found = conn.execute(
            text("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
        ).scalar()
        clock.read(asked, int(found or 0))

    def _prepare_server(self) -> None:
        def prepare(conn: Connection) -> None:
            conn.execute(text("select pg_advisory_xact_lock(7305810)"))
            if migrate.revision_of(conn) != migrate.head():
                migrate.bring_up(conn)
            if isinstance(self.clock, ServerClock):
                self._read_clock(conn, self.clock)
            conn.execute(text("delete from worker where seen < :old"), {"old": self.stamp() - 86_400_000_000})
            self._beat(conn)

        until = time.monotonic() + _REACH
        while True:
            try:
                self._server_call(prepare)
                break
            except StoreBusy:
                if time.monotonic() > until:
                    raise
                time.sleep(_REACH / 10)  # a server that restarts is back within seconds
        self._beaten = time.monotonic()
        self._prepared = True

    def _part_from_server(self) -> None:
        with contextlib.suppress(Exception):
            self._server_call(
                lambda conn: conn.execute(text("delete from worker where id = :id"), {"id": self.worker_id})
            )

    def _prepare_file(self, conn: Connection) -> None:
        if not self._memory:
            conn.exec_driver_sql("pragma journal_mode=wal")
        if migrate.revision_of(conn) != migrate.head():
            conn.rollback()
            conn.exec_driver_sql("begin exclusive")
            if migrate.revision_of(conn) != migrate.head():
                migrate.bring_up(conn)
            conn.commit()
        conn.rollback()
        conn.exec_driver_sql("begin immediate")
        now = int(time.time() * 1e6)
        other = conn.execute(
            text("select host from worker where host <> :host and seen > :since limit 1"),
            {"host": self.host, "since": now - int(_GONE * 1e6)},
        ).scalar()
        if other is not None:
            conn.rollback()
            raise StoreBusy(
                f"{self.where} is in use on host {other}; an SQLite file serves one host, use PostgreSQL for several",
                owner=str(other),
            )
        conn.execute(text("delete from worker where seen < :old"), {"old": now - 86_400_000_000})
        self._beat(conn)
        conn.commit()

    def _beat(self, conn: Connection) -> None:
        conn.execute(
            text(
                "insert into worker (id, host, pid, seen) values (:id, :host, :pid, :seen) "
                "on conflict (id) do update set seen = excluded.seen"
            ),
            {"id": self.worker_id, "host": self.host, "pid": os.getpid(), "seen": self.stamp()},
        )

    def _write_loop(self, ready: asyncio.Future[None]) -> None:
        loop = ready.get_loop()
        conn: Connection | None = None
        try:
            conn = self.engine.connect()
            self._prepare_file(conn)
        except BaseException as error:  # noqa: BLE001 - the opener raises it
            if conn is not None:
                with contextlib.suppress(Exception):
                    conn.close()
            failure = _typed(error, self.where)
            loop.call_soon_threadsafe(lambda: ready.done() or ready.set_exception(failure))
            return
        loop.call_soon_threadsafe(lambda: ready.done() or ready.set_result(None))
        beaten = time.monotonic()
        while True:
            try:
                first = self._queue.get(timeout=_BEAT)
            except queue.Empty:
                first = None
                if not self._closed:
                    with contextlib.suppress(Exception):
                        conn.exec_driver_sql("begin immediate")
                        self._beat(conn)
                        conn.commit()
                    conn.rollback()
                    beaten = time.monotonic()
                    continue
            if first is None:
                break
            jobs = [first]
            stop = False
            while len(jobs) < _GROUP:
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    stop = True
                    break
                jobs.append(job)
            beat = time.monotonic() - beaten > _BEAT
            self._commit(conn, jobs, beat=beat)
            if beat:
                beaten = time.monotonic()
            if stop:
                break
        with contextlib.suppress(Exception):
            conn.exec_driver_sql("begin immediate")
            conn.execute(text("delete from worker where id = :id"), {"id": self.worker_id})
            conn.commit()
        with contextlib.suppress(Exception):
            conn.close()

    def _commit(self, conn: Connection, jobs: list[_Job], *, beat: bool) -> None:
        """Run `jobs` in one transaction.

        The first time without savepoints, which cost as much as a small write; when a function fails, again with
        them; when even that fails as a whole, each in a transaction of its own.
        """
        try:
            try:
                self._transaction(conn, jobs, beat=beat, guarded=False)
            except Exception:
                if len(jobs) == 1:
                    raise
                self._rollback(conn)
                for job in jobs:
                    job.error = None
                self._transaction(conn, jobs, beat=beat, guarded=True)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self._rollback(conn)
            if len(jobs) == 1:
                jobs[0].error = _typed(error, self.where)
            else:
                for job in jobs:
                    job.error = None
                    try:
                        self._transaction(conn, [job], beat=False, guarded=False)
                    except BaseException as single:  # noqa: BLE001 - handed to whoever waits
                        self._rollback(conn)
                        job.error = _typed(single, self.where)
        by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Job]] = defaultdict(list)
        for job in jobs:
            by_loop[job.loop].append(job)
        for loop, done in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, done)

    def _transaction(self, conn: Connection, jobs: list[_Job], *, beat: bool, guarded: bool) -> None:
        raw: sqlite3.Connection = conn.connection.driver_connection  # pyright: ignore[reportAssignmentType]
        raw.execute("begin immediate")
        if beat:
            self._beat(conn)
        if not guarded:
            for job in jobs:
                job.result = job.fn(conn)
        else:
            for job in jobs:
                raw.execute("savepoint job")
                try:
                    job.result = job.fn(conn)
                except BaseException as error:
                    if not raw.in_transaction:  # SQLite rolled back everything, as it does on a full disk
                        raise
                    raw.execute("rollback to job")
                    job.error = _typed(error, self.where)
                raw.execute("release job")
        raw.commit()

    @staticmethod
    def _rollback(conn: Connection) -> None:
        with contextlib.suppress(Exception):
            conn.rollback()
        with contextlib.suppress(Exception):
            raw: Any = conn.connection.driver_connection
            raw.rollback()


def _engine(url: str) -> tuple[Engine, str]:
    if "://" not in url:
        url = f"sqlite:///{url}"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # its text may hold the password
        raise ConfigError("the store's URL cannot be read; write sqlite:///path or postgresql://…") from None
    backend = parsed.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        backend, parsed = "postgresql", parsed.set(drivername="postgresql+psycopg")
    where = parsed.render_as_string(hide_password=True)
    if backend == "sqlite":
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise ConfigError(f"SQLite 3.35 or newer is needed, this Python has {sqlite3.sqlite_version}")
        engine = create_engine(
            parsed,
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False, "timeout": 10.0},
            poolclass=NullPool,
        )
        event.listen(engine, "connect", _pragmas)
        return engine, parsed.database or "memory"
    if backend == "postgresql":
        try:
            server = create_engine(parsed, pool_size=8, connect_args={"connect_timeout": 10})
        except ModuleNotFoundError as error:
            raise ConfigError("PostgreSQL needs the extra: install shequn-sdk[postgres]") from error
        return server, where
    raise ConfigError(f"the store cannot be a {backend} database: use SQLite or PostgreSQL")


def _pragmas(connection: Any, record: Any) -> None:
    del record
    cursor = connection.cursor()
    cursor.execute("pragma busy_timeout=10000")
    cursor.execute("pragma synchronous=full")
    cursor.execute("pragma foreign_keys=1")
    cursor.execute("pragma cache_size=-16384")
    cursor.close()
