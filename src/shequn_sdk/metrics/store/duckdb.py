"""The event store in one DuckDB file, which several processes use in turns."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from shequn_sdk.domain import Clock, InteractionBatch, MemberRef
from shequn_sdk.errors import (
    InvalidInput,
    StoreBusy,
    StoreDamaged,
    UnknownName,
)
from shequn_sdk.metrics.store import ingest, log, people, portable, rollup, tombstones
from shequn_sdk.metrics.store.arrays import array, run
from shequn_sdk.metrics.store.base import Appended, CommunityInfo, Forgotten, MemberFacts
from shequn_sdk.metrics.store.connection import TurnTaker, translate
from shequn_sdk.metrics.store.preparing import Prepared, prepare

__all__ = ["DuckDBEventStore", "DuckDBSession"]


_SMALL = 50_000
"""Up to so many rows, handing work to several threads costs more than it saves."""


class DuckDBSession:
    """One turn on the file, for reading."""

    dialect = "duckdb"

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path,
        *,
        memo: dict[object, object] | None = None,
        snapshot_at: datetime | None = None,
    ) -> None:
        self.connection = connection
        self._path = path
        self.memo = {} if memo is None else memo
        """What readers found out; emptied when the data change."""
        self.snapshot_at = snapshot_at
        """Since when the data stand still, when this is a snapshot."""

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

    def kept(self, ask: str, *, community: int, first: date, last: date) -> dict[date, str]:
        """Give what is kept of finished buckets."""
        _, rows = self.rows(
            "select bucket, points from metric_point where ask = $a and community_no = $c and bucket between $f and $l",
            {"a": ask, "c": community, "f": first, "l": last},
        )
        return dict(rows)

    def keep(self, ask: str, *, community: int, found: Mapping[date, tuple[date, date, str]]) -> None:
        """Keep what finished buckets gave until one of their days changes; a snapshot keeps nothing."""
        if not found or self.snapshot_at is not None:
            return
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        con = self.connection
        firsts, lasts, points = zip(*found.values(), strict=True)
        days = {"bucket": list(found), "f": firsts, "l": lasts}
        table = pa.table(
            {name: array(np.array(values, "datetime64[D]")) for name, values in days.items()}
            | {"p": array(points)}
        )
        keys = {"a": ask, "c": community}
        try:
            con.begin()
            run(
                con,
                "delete from metric_point where ask = $a and community_no = $c and bucket in (select bucket from given)",
                table,
                keys,
            )
            run(con, "insert into metric_point select $a, $c, bucket, f, l, p from given", table, keys)
            con.commit()
        except duckdb.Error as error:
            con.rollback()
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
        snapshot_every: timedelta | None = None,
        patience: float = 0.5,
    ) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: the file; it is made on first use, in a directory that exists.
            clock: gives the time of arrival; the machine's by default.
            timeout: how many seconds to wait for another process before `StoreBusy`.
            idle: how many seconds to keep the file open after the last use.
            memory_limit: what DuckDB may take, as it writes sizes.
            threads: how many threads DuckDB may use; None is all cores.
            snapshot_every: how often a copy is made for readers who find the file busy; None makes none. A copy is
                made only after changes, and rarely enough to take at most a fiftieth of the time.
            patience: how many seconds a reader waits for the file before it takes the copy.
        """
        super().__init__(
            path,
            timeout=timeout,
            idle=idle,
            memory_limit=memory_limit,
            threads=threads,
            snapshot_every=None if snapshot_every is None else snapshot_every.total_seconds(),
        )
        self._patience = patience
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
        try:
            with self._rewriting(f"forget {ref.platform} member") as con:
                with self._write("forget") as inner:
                    events, mentions, files = people.forget(inner, ref, self.path)
                    tombstones.bury(inner, ref, self._now())
                    log.want_rewrite(inner)
                log.refresh_view(con, self.path)
                self._refresh(con)
                log.drop_orphans(con, self.path)
        except InvalidInput:
            with self._session("forget") as con:
                interrupted = log.wants_rewrite(con)
            if interrupted:  # an erasure before this one was cut off after it had deleted the rows
                self._compact()
            raise
        self._compact()
        return Forgotten(events=events, mentions=mentions, archives=files)

    @contextlib.contextmanager
    def _rewriting(self, purpose: str) -> Generator[duckdb.DuckDBPyConnection]:
        """Take a turn in which the file gets rid of something; there is no snapshot until it is rewritten."""
        with self._session(purpose) as con:
            self._snapshot.held = True
            self._snapshot.drop()
            try:
                yield con
            except BaseException:
                self._snapshot.held = False
                raise

    def drop_texts(self, *, before: datetime) -> int:
        """Empty kept texts of events before an instant, in archives as well, and rewrite the file; give how many."""
        with self._rewriting("drop texts") as con:
            months = log.months_with_texts(con, self.path, before)
            for file in months:
                with self._write("drop texts") as inner:
                    log.restore(inner, self.path, file)
            with self._write("drop texts") as inner:
                texts = people.drop_texts(inner, before)
            for file in months:
                log.archive_file(con, self.path, file)
            log.drop_orphans(con, self.path)
        if texts:
            self._compact()
        self._snapshot.held = False
        return texts

    def _compact(self) -> None:
        """Rewrite the file, because DuckDB keeps the bytes of deleted rows in free blocks."""
        with self._lock:
            self._open("compact")
            try:
                connection, self._connection = self._connection, None
                self._known.clear()
                self._memo.clear()
                if connection is not None:
                    connection.close()
                log.rewrite(self.path, self._config)
            except duckdb.Error as error:
                raise translate(error, self.path) from error
            finally:
                self._snapshot.held = False
                self._turn.release()

    def _now(self) -> datetime:
        now = self._clock.now() if self._clock is not None else datetime.now(UTC)
        return now.astimezone(UTC).replace(tzinfo=None)

    # -- events ------------------------------------------------------------------------------------------------

    def append(self, batch: InteractionBatch, *, community: str) -> Appended:
        """Store a batch whole or not at all; when it returns, the batch survives a crash.

        Raises:
            InvalidInput: columns of different lengths, an unknown kind, or times outside 1970-2200.
            UnknownName: no such community; call `ensure_community` first.
            StoreBusy, StoreFull, StoreDamaged: nothing was stored.
        """
        return self._append(prepare(batch), community)

    def append_all(
        self, batches: Iterable[InteractionBatch], *, community: str
    ) -> Generator[Appended, None, None]:
        """Store batches in their order, each as `append` does, and give what became of each once it survives a crash.

        The next batch is read and prepared in another thread while the file takes this one: faster than `append` where
        there is a second core. When a batch fails, or nobody asks for the next result, nothing behind it is stored.

        Raises:
            InvalidInput, UnknownName, StoreBusy, StoreFull, StoreDamaged: as `append`, and nothing of this batch was stored.
        """
        source = iter(batches)

        def prepare_next() -> Prepared | None:
            batch = next(source, None)
            return None if batch is None else prepare(batch)

        def look_ahead() -> None:
            coming.append(ahead.submit(prepare_next))

        coming: list[Future[Prepared | None]] = []
        with ThreadPoolExecutor(1, thread_name_prefix="prepare") as ahead:
            look_ahead()
            while (prepared := coming.pop().result()) is not None:
                # Only the commit is long and leaves the interpreter to others; earlier, each would wait for the other.
                yield self._append(prepared, community, before_commit=look_ahead)

    def _append(
        self,
        prepared: Prepared,
        community: str,
        *,
        before_commit: Callable[[], None] = lambda: None,
    ) -> Appended:
        batch, now = prepared.batch, self._now()
        with self._write(f"append from {batch.source or batch.platform}", keep=True) as con:
            info = self._known.community(con, community) or self._community(con, community)
            if len(batch) <= _SMALL:
                self._use_threads(con, 1)
            done = ingest.append_batch(con, prepared, community=info, now=now, known=self._known)
            before_commit()
        return done

    @contextlib.contextmanager
    def read(self, *, purpose: str = "read", fresh: bool = True) -> Generator[DuckDBSession]:
        """Take a turn for reading; roll-ups are brought up to date first unless `fresh` is off.

        When somebody else keeps the file for longer than `patience` and there is a snapshot, that is read in its
        place; `snapshot_at` of the session says of when it is.
        """
        with contextlib.ExitStack() as stack:
            if self._snapshot.exists() and not self._soon(stack, purpose):
                still = stack.enter_context(self._still())
                if still is not None:
                    yield still
                    return
            con = stack.enter_context(self._session(purpose))
            self._use_threads(con, self._threads)
            if fresh:
                self._refresh(con)
            yield DuckDBSession(con, self.path, memo=self._memo)

    def _soon(self, stack: contextlib.ExitStack, purpose: str) -> bool:
        """Try to get the file within `patience`; it is ours until `stack` ends."""
        if not self._lock.acquire(timeout=self._patience):
            return False
        stack.callback(self._lock.release)
        try:
            self._open(purpose, timeout=min(self._patience, self._timeout))
        except StoreBusy:
            return False
        return True

    @contextlib.contextmanager
    def _still(self) -> Generator[DuckDBSession | None]:
        """Open the snapshot; None when it was taken away meanwhile."""
        try:
            con = self._snapshot.open(self._config)
        except (duckdb.Error, StoreDamaged):
            yield None
            return
        try:
            yield DuckDBSession(con, self.path, snapshot_at=self._snapshot.made_at(con))
        finally:
            con.close()

    def _settle(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._refresh(connection)
        self._snapshot.mark(connection, self._now())

    def data_as_of(self, *, community: str | None = None) -> datetime | None:
        """Give the time of the newest event; None when there is none."""
        with self._session("freshness") as con:
            number = None if community is None else self._community(con, community).number
            newest = con.execute(
                f"select max(ts) from {log.LOG} where $n is null or community_no = $n",  # noqa: S608
                {"n": number},
            ).fetchall()[0][0]
            return None if newest is None else newest.replace(tzinfo=UTC)

    def _refresh(self, con: duckdb.DuckDBPyConnection) -> int:
        self._known.dirty.clear()
        if con.execute("select 1 from dirty_days limit 1").fetchall():
            self._memo.clear()
        if log.settle_retractions(con, self.path, ingest.taken_back("a")):
            self._known.archives = None
        return rollup.refresh(con)

    def refresh(self) -> int:
        """Bring the roll-ups up to date; give the number of days that were dirty."""
        with self._session("roll-ups") as con:
            return self._refresh(con)

    def archive(self, *, before: date) -> int:
        """Move whole months that ended before `before` to Parquet files; queries go on seeing them."""
        with self._session("archive") as con:
            self._known.clear()
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
