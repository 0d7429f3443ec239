"""The event store in one DuckDB file, which several processes use in turns."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from shequn_sdk.domain import Clock, InteractionBatch, MemberRef
from shequn_sdk.errors import (
    InvalidInput,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreTooNew,
    UnknownName,
)
from shequn_sdk.metrics.store import ingest, log, people, portable, rollup, schema
from shequn_sdk.metrics.store.base import Appended, CommunityInfo, Forgotten, MemberFacts
from shequn_sdk.metrics.store.turns import Turn

__all__ = ["DuckDBEventStore", "DuckDBSession"]


_SMALL = 50_000
"""Up to so many rows, handing work to several threads costs more than it saves."""


def _translate(error: duckdb.Error, path: Path) -> StoreError:
    text = str(error).replace(str(path), path.name).replace(path.name, "the file")
    if any(sign in text for sign in ("No space left", "Disk quota", "File too large")):
        return StoreFull(
            f"no space left for the event store {path}: nothing of this was kept; free some space"
        )
    if isinstance(error, duckdb.IOException):
        if "Could not set lock" in text or "Conflicting lock" in text:
            return StoreBusy(
                f"another program has {path} open without taking turns; close it (a DuckDB shell?) and try again"
            )
        if "newer" in text or "version number" in text:
            return StoreTooNew(f"{path} was written by a newer DuckDB; upgrade shequn-sdk and duckdb")
        if (
            "not a valid DuckDB" in text
            or "Corrupt" in text
            or "checksum" in text
            or "Is a directory" in text
        ):
            return StoreDamaged(
                f"{path} is no event store, or is damaged: {text.splitlines()[0]}; restore a copy"
            )
    if isinstance(error, (duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)):
        return StoreDamaged(f"{path} cannot be read: {text.splitlines()[0]}; restore a copy or import again")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError(
            f"a query on {path} needs more memory than allowed; raise memory_limit or ask for less"
        )
    return StoreError(f"the event store {path} failed: {text.splitlines()[0]}")


class DuckDBSession:
    """One turn on the file, for reading."""

    dialect = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self.connection = connection
        self._path = path

    def rows(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one query; give the column names and all rows."""
        try:
            cursor = self.connection.execute(sql, dict(parameters or {}))
            return [str(column[0]) for column in cursor.description or ()], cursor.fetchall()
        except duckdb.Error as error:
            raise _translate(error, self._path) from error

    def arrow(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """Run one query; give a `pyarrow.Table`."""
        try:
            return self.connection.sql(sql, params=dict(parameters or {})).to_arrow_table()
        except duckdb.Error as error:
            raise _translate(error, self._path) from error


class DuckDBEventStore:
    """Keeps interactions in one DuckDB file (事件库); blocking, safe to use from several threads and processes.

    The file is held only while there is work, plus `idle` seconds in case more follows, and is given up at once when
    another process waits.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock | None = None,
        timeout: float = 10.0,
        idle: float = 0.25,
        memory_limit: str = "1GB",
        threads: int | None = None,
    ) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: the file; it is made on first use, in a directory that exists.
            clock: gives the time of arrival; the machine's by default.
            timeout: how many seconds to wait for another process before `StoreBusy`.
            idle: how many seconds to keep the file open after the last use.
            memory_limit: what DuckDB may take, as it writes sizes.
            threads: how many threads DuckDB may use; None is all cores.
        """
        self.path = Path(path)
        self._clock = clock
        self._timeout = timeout
        self._idle = idle
        # A checkpoint copies the log of changes into the file: with DuckDB's 16 MB it would come every few batches.
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "checkpoint_threshold": "128MB",
        }
        if threads is not None:
            self._config["threads"] = threads
        self._turn = Turn(self.path.with_name(self.path.name + ".lock"))
        self._lock = threading.RLock()
        self._threads = threads or os.cpu_count() or 1
        self._threads_now = self._threads
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._depth = 0
        self._used = 0.0
        self._timer: threading.Timer | None = None

    # -- turns -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _session(self, purpose: str) -> Generator[duckdb.DuckDBPyConnection]:
        with self._lock:
            connection = self._open(purpose)
            self._depth += 1
            try:
                yield connection
            except duckdb.Error as error:
                raise _translate(error, self.path) from error
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._leave()

    @contextlib.contextmanager
    def _write(self, purpose: str) -> Generator[duckdb.DuckDBPyConnection]:
        with self._session(purpose) as connection:
            connection.begin()
            try:
                yield connection
                connection.commit()
            except BaseException as error:
                with contextlib.suppress(duckdb.Error):
                    connection.rollback()
                if isinstance(
                    error, (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException)
                ):
                    self._close()  # after a failed write DuckDB refuses further work on this connection
                raise

    def _open(self, purpose: str) -> duckdb.DuckDBPyConnection:
        if self._connection is not None:
            return self._connection
        self._turn.take(purpose=purpose, timeout=self._timeout)
        try:
            connection = duckdb.connect(str(self.path), config=self._config)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except duckdb.Error as error:
            self._turn.release()
            raise _translate(error, self.path) from error
        except BaseException:
            self._turn.release()
            raise
        self._connection = connection
        self._threads_now = self._threads
        return connection

    def _use_threads(self, connection: duckdb.DuckDBPyConnection, threads: int) -> None:
        if threads != self._threads_now:
            connection.execute(f"set threads = {threads:d}")
            self._threads_now = threads

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("set enable_progress_bar = false")  # a library prints nothing
        tables = {row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()}
        if not tables:
            connection.begin()
            connection.execute(schema.TABLES)
            connection.execute("insert into meta values ('schema', $v)", {"v": str(schema.SCHEMA_VERSION)})
            connection.commit()
        elif "meta" not in tables or "events" not in tables:
            raise StoreDamaged(f"{self.path} is a DuckDB file, but no event store; choose another name")
        version = connection.execute("select value from meta where key = 'schema'").fetchall()
        if not version or not str(version[0][0]).isdigit():
            raise StoreDamaged(
                f"{self.path} does not say which version of the event store it is; restore a copy"
            )
        if int(version[0][0]) > schema.SCHEMA_VERSION:
            raise StoreTooNew(
                f"{self.path} has version {version[0][0]} of the event store, this package knows up to "
                f"{schema.SCHEMA_VERSION}; upgrade shequn-sdk"
            )
        log.refresh_view(connection, self.path)

    def _leave(self) -> None:
        self._used = time.monotonic()
        if self._idle <= 0 or self._turn.wanted():
            self._close()
        elif self._timer is None:
            self._arm(self._idle)

    def _arm(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._tick)
        self._timer.daemon = True
        self._timer.start()

    def _tick(self) -> None:
        with self._lock:
            self._timer = None
            if self._connection is None or self._depth:
                return
            rest = self._used + self._idle - time.monotonic()
            if rest <= 0 or self._turn.wanted():
                self._close()
            else:
                self._arm(rest)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                with contextlib.suppress(duckdb.Error):  # what was committed is in the log file beside it
                    connection.close()
        finally:
            self._turn.release()

    def close(self) -> None:
        """Let the file go; the next use opens it again."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- communities and members -------------------------------------------------------------------------------

    def ensure_community(self, name: str, *, zone: str = "Asia/Shanghai") -> CommunityInfo:
        """Make sure that the community is known; an existing one keeps its zone.

        Raises:
            InvalidInput: the name is malformed or the zone unknown.
        """
        with self._session(f"community {name}") as con:
            if (found := people.find_community(con, name)) is not None:
                return found
        with self._write(f"community {name}") as con:
            return people.add_community(con, name, zone)

    def communities(self) -> Sequence[CommunityInfo]:
        """List the communities, oldest first."""
        with self._session("communities") as con:
            return people.list_communities(con)

    def _community(self, con: duckdb.DuckDBPyConnection, name: str) -> CommunityInfo:
        found = people.find_community(con, name)
        if found is None:
            raise UnknownName(
                "community", name, nearest=tuple(info.name for info in people.list_communities(con)[:3])
            )
        return found

    def set_members(self, facts: Sequence[MemberFacts], *, community: str) -> None:
        """Note roles, tags, entrances and other facts of members."""
        with self._write("members") as con:
            people.set_members(con, facts, self._community(con, community))

    def link_persons(self, refs: Sequence[MemberRef]) -> None:
        """Count these identities as one person from now on, in the past as well.

        Raises:
            InvalidInput: one of them never appeared.
        """
        with self._write("link persons") as con:
            people.link_persons(con, refs)

    def unlink_person(self, ref: MemberRef) -> None:
        """Count this identity as a person of its own again."""
        with self._write("unlink person") as con:
            people.unlink_person(con, ref)

    def forget(self, ref: MemberRef) -> Forgotten:
        """Erase a member from events, roll-ups and archives, and rewrite the file so that no trace stays in it."""
        with self._session(f"forget {ref.platform} member") as con:
            months = log.months_of(con, ref)
            for file in months:
                with self._write("forget") as inner:
                    log.restore(inner, self.path, file)
            with self._write("forget") as inner:
                events, mentions = people.forget(inner, ref)
            rollup.refresh(con)
            for file in months:
                log.archive_file(con, self.path, file)
            log.drop_orphans(con, self.path)
        self._compact()
        return Forgotten(events=events, mentions=mentions, archives=len(months))

    def _compact(self) -> None:
        """Rewrite the file, because DuckDB keeps the bytes of deleted rows in free blocks."""
        with self._lock:
            self._open("compact")
            try:
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.close()
                log.rewrite(self.path, self._config)
            except duckdb.Error as error:
                raise _translate(error, self.path) from error
            finally:
                self._turn.release()

    # -- events ------------------------------------------------------------------------------------------------

    def append(self, batch: InteractionBatch, *, community: str) -> Appended:
        """Store a batch whole or not at all; when it returns, the batch survives a crash.

        Raises:
            InvalidInput: columns of different lengths, an unknown kind, or times outside 1970-2200.
            UnknownName: no such community; call `ensure_community` first.
            StoreBusy, StoreFull, StoreDamaged: nothing was stored.
        """
        now = self._clock.now() if self._clock is not None else datetime.now(UTC)
        with self._write(f"append from {batch.source or batch.platform}") as con:
            info = self._community(con, community)
            if len(batch) <= _SMALL:
                self._use_threads(con, 1)
            return ingest.append_batch(
                con, batch, community=info, now=now.astimezone(UTC).replace(tzinfo=None), log=log.LOG
            )

    @contextlib.contextmanager
    def read(self, *, purpose: str = "read", fresh: bool = True) -> Generator[DuckDBSession]:
        """Take a turn for reading; roll-ups are brought up to date first unless `fresh` is off."""
        with self._session(purpose) as con:
            self._use_threads(con, self._threads)
            if fresh:
                rollup.refresh(con)
            yield DuckDBSession(con, self.path)

    def data_as_of(self, *, community: str | None = None) -> datetime | None:
        """Give the time of the newest event; None when there is none."""
        with self._session("freshness") as con:
            number = None if community is None else self._community(con, community).number
            newest = con.execute(
                f"select max(ts) from {log.LOG} where $n is null or community_no = $n",  # noqa: S608
                {"n": number},
            ).fetchall()[0][0]
            return None if newest is None else newest.replace(tzinfo=UTC)

    def refresh(self) -> int:
        """Bring the roll-ups up to date; give the number of days that were dirty."""
        with self._session("roll-ups") as con:
            return rollup.refresh(con)

    def archive(self, *, before: date) -> int:
        """Move whole months that ended before `before` to Parquet files; queries go on seeing them."""
        with self._session("archive") as con:
            return log.archive(con, self.path, before)

    def export_community(self, name: str, path: Path) -> int:
        """Write a community into one portable file; give the number of events."""
        with self._session(f"export {name}") as con:
            return portable.export(con, self._community(con, name), Path(path))

    def import_community(self, path: Path, *, name: str | None = None) -> Appended:
        """Read a file of `export_community`, perhaps under another name; what is there already is left out.

        Raises:
            InvalidInput: the file is none, or of a newer version.
        """
        if not Path(path).is_file():
            raise InvalidInput(f"there is no file {path}", source=str(path))
        with self._write(f"import {Path(path).name}") as con:
            return portable.load(con, Path(path), name)
