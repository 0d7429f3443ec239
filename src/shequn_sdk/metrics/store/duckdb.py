"""The event store in one DuckDB file, which several processes use in turns."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from shequn_sdk.domain import Clock, InteractionBatch, MemberRef
from shequn_sdk.errors import (
    InvalidInput,
    UnknownName,
)
from shequn_sdk.metrics.store import ingest, log, people, portable, rollup
from shequn_sdk.metrics.store.base import Appended, CommunityInfo, Forgotten, MemberFacts
from shequn_sdk.metrics.store.connection import TurnTaker, translate

__all__ = ["DuckDBEventStore", "DuckDBSession"]


_SMALL = 50_000
"""Up to so many rows, handing work to several threads costs more than it saves."""


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
            raise translate(error, self._path) from error

    def arrow(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """Run one query; give a `pyarrow.Table`."""
        try:
            return self.connection.sql(sql, params=dict(parameters or {})).to_arrow_table()
        except duckdb.Error as error:
            raise translate(error, self._path) from error


class DuckDBEventStore(TurnTaker):
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
        super().__init__(path, timeout=timeout, idle=idle, memory_limit=memory_limit, threads=threads)
        self._clock = clock

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
            # between the two turns another process may have added it
            return people.find_community(con, name) or people.add_community(con, name, zone)

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
                raise translate(error, self.path) from error
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
