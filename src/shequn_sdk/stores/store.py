"""The operational store: SQLAlchemy connections on threads of their own, with group commit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

from sqlalchemy import Connection, Engine, text

from shequn_sdk.domain import Clock
from shequn_sdk.errors import StoreBusy, StoreError
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.stores import migrate
from shequn_sdk.stores.connecting import make_engine
from shequn_sdk.stores.failures import CONFLICTS, typed
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.server_clock import ServerClock
from shequn_sdk.stores.writer import BEAT, Writer

__all__ = ["Store", "host_id"]

T = TypeVar("T")

_STALE_AGAIN = 0.5
"""Seconds after a lost connection in which another loss means that the server is away."""
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


class Store:
    """The operational store, opened. SQLite for one host, PostgreSQL for many; the same calls on both.

    On SQLite all writes of this process go through one thread, which commits as one transaction whatever has been
    queued meanwhile; each function stands behind a savepoint, so that one that fails takes nothing with it.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        where: str,
        host: str,
        on: Literal["threads", "loop"] = "threads",
    ) -> None:
        """Use `Store.open` instead."""
        self.engine = engine
        self.clock = clock
        """The one given; on a server that of the database, unless another than the machine's was given."""
        self.where = where
        self.host = host
        self.worker_id = f"{host}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._memory = self.is_sqlite and engine.url.database in (None, "", ":memory:")
        self.under_way = 0
        """Calls of this process that wait for the store."""
        self._here = self.is_sqlite and on == "loop"
        self._closed = False
        self._prepared = False
        self._beaten = 0.0
        self._stale = 0.0
        self._writer: Writer | None = None
        if self.is_sqlite:
            self._writer = Writer(
                engine,
                where=where,
                prepare=self._prepare_file,
                beat=self._beat,
                part=self._leave,
                on="loop" if self._here else "thread",
                quick=not self._memory,
            )
        self._readers = ThreadPoolExecutor(2 if self.is_sqlite else 8, thread_name_prefix="shequn-read")
        self._local = threading.local()
        self._reader_conns: list[Connection] = []
        self._lock = threading.Lock()

    @classmethod
    async def open(
        cls,
        url: str | Path,
        *,
        clock: Clock | None = None,
        host: str | None = None,
        sync: Literal["full", "normal"] = "full",
        on: Literal["threads", "loop"] = "threads",
    ) -> Self:
        """Open a store, make it when it is new, and bring its schema up to date.

        Args:
            url: `sqlite:///path`, `postgresql://…`, or the path of an SQLite file.
            clock: what `store.clock` gives to the rooms. By default the machine's on SQLite, and on PostgreSQL the
                server's, so that several hosts go by one time.
            host: name of this machine, when the one found out is not right.
            sync: of an SQLite file. With `normal` what was written survives the end of the process, but the last of it
                not a power cut: for workspaces that would be begun anew then. The file stays whole in either case.
            on: where functions run on an SQLite file. On the loop, which then waits for each, no function is handed to a
                thread: for a process whose loop has nothing else to do meanwhile.

        Raises:
            ConfigError: the URL cannot be used, or its driver is not installed.
            StoreBusy: another host has this SQLite file open, a lock did not end, or the server cannot be reached.
            StoreDamaged: the file is no database, or not ours.
            StoreTooNew: a newer version of the package wrote it.
        """
        engine, where = make_engine(str(url), sync)
        clock = clock or SystemClock()
        if engine.dialect.name != "sqlite" and type(clock) is SystemClock:
            clock = ServerClock()
        store = cls(engine, clock=clock, where=where, host=host or host_id(), on=on)
        try:
            if store._writer is not None:
                await store._writer.start()
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

    async def write(self, fn: Callable[[Connection], T], *, quick: bool = False, apart: bool = False) -> T:
        """Run `fn` in a transaction and return once it is durable.

        `fn` runs on a store thread, must touch nothing but its connection, must neither commit nor roll back, and
        may be run a second time when the transaction around it failed.

        Args:
            fn: what to do in the transaction.
            quick: whether `fn` is a handful of small statements. On an SQLite file it is then done by the event loop, as
                long as its disk takes few milliseconds and nobody else writes: handing it to a thread and back
                takes as long as all of it.
            apart: whether `fn` is much work, not to share a transaction of an SQLite file with another such one: so that
                the loop goes on with the answer of the first while the second is written.

        Raises:
            StoreFull: no space left; nothing of `fn` stays.
            StoreBusy: another process kept the lock.
        """
        if self._closed:
            raise StoreError(f"{self.where} is closed")
        self.under_way += 1
        try:
            if self._writer is not None:
                return await self._writer.write(fn, quick=quick, apart=apart)
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._server_call, fn)
        finally:
            self.under_way -= 1

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` on a connection that sees one consistent state and cannot write."""
        if self._closed:
            raise StoreError(f"{self.where} is closed")
        if self._memory:
            return await self.write(fn)
        if self._here:
            return self._file_read(fn)
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
        loop = asyncio.get_running_loop()
        if self._prepared:
            await loop.run_in_executor(self._readers, self._part_from_server)
        if self._writer is not None:
            self._writer.end()
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
            raw: sqlite3.Connection = conn.connection.driver_connection  # pyright: ignore[reportAssignmentType]
            raw.execute("begin")
            try:
                return fn(conn)
            finally:
                raw.rollback()
        except BaseException as error:
            translated = typed(error, self.where)
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
                        if isinstance(typed(error, self.where), StoreBusy):
                            with contextlib.suppress(Exception):
                                conn.exec_driver_sql(
                                    "select 1"
                                )  # lets SQLAlchemy see that its connections are dead
                        raise
                    return result
            except BaseException as error:
                translated = typed(error, self.where)
                state = getattr(getattr(error, "orig", error), "sqlstate", None)
                if tries and state in CONFLICTS:
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
        if time.monotonic() - self._beaten > BEAT:
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
            self._server_call(self._leave)

    def _leave(self, conn: Connection) -> None:
        conn.execute(text("delete from worker where id = :id"), {"id": self.worker_id})

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
