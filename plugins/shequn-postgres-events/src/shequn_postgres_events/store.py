"""The event store on a PostgreSQL server."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from shequn_postgres_events import parcels, people, rollup
from shequn_postgres_events.connection import Server
from shequn_postgres_events.session import PostgresSession
from shequn_postgres_events.write import append_batch
from shequn_sdk.domain import Clock, InteractionBatch, MemberRef
from shequn_sdk.errors import NotSupported
from shequn_sdk.metrics import Appended, CommunityInfo, Forgotten, MemberFacts
from shequn_sdk.metrics.store.rows import check
from shequn_sdk.metrics.store.tombstones import without_erased

__all__ = ["PostgresEventStore"]


class PostgresEventStore:
    """Keeps interactions in the schema `shequn_events` of a database (事件库); blocking, safe from threads and hosts.

    Writers wait for one another on an advisory lock; readers wait for nobody and see one state per reading.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, timeout: float = 10.0) -> None:
        """Name the database; nothing is opened yet.

        Args:
            url: `postgresql://user:password@host:5432/database`, as libpq reads it.
            clock: gives the time of arrival; the machine's by default.
            timeout: how many seconds to wait for another writer before `StoreBusy`.

        Raises:
            ConfigError: the URL cannot be read.
        """
        self._server = Server(url, timeout=timeout)
        self._clock = clock

    def _now(self) -> datetime:
        now = self._clock.now() if self._clock is not None else datetime.now(UTC)
        return now.astimezone(UTC).replace(tzinfo=None)

    def __repr__(self) -> str:
        return f"PostgresEventStore({self._server.where!r})"

    def ensure_community(self, name: str, *, zone: str = "Asia/Shanghai") -> CommunityInfo:
        """Make sure that the community is known; an existing one keeps its zone.

        Raises:
            InvalidInput: the name is malformed or the zone unknown.
        """
        with self._server.connection() as con:
            if (found := people.find_community(con, name)) is not None:
                return found
        with self._server.write() as con:
            return people.find_community(con, name) or people.add_community(con, name, zone)

    def communities(self) -> Sequence[CommunityInfo]:
        """List the communities, oldest first."""
        with self._server.connection() as con:
            return people.list_communities(con)

    def append(self, batch: InteractionBatch, *, community: str) -> Appended:
        """Store a batch whole or not at all; when it returns, the server has it.

        Raises:
            InvalidInput: columns of different lengths, an unknown kind, or times outside 1970-2200.
            UnknownName: no such community; call `ensure_community` first.
            StoreBusy: another writer did not finish in time.
        """
        check(batch)
        with self._server.write() as con:
            info = people.get_community(con, community)
            alive = without_erased(batch, people.read_tombstones(con))
            done = append_batch(con, alive, community=info, now=self._now())
        return done + Appended(new=0, duplicates=0, late=0, erased=len(batch) - len(alive))

    def set_members(self, facts: Sequence[MemberFacts], *, community: str) -> None:
        """Note roles, tags, entrances and other facts of members."""
        with self._server.write() as con:
            people.set_members(con, facts, people.get_community(con, community))

    def link_persons(self, refs: Sequence[MemberRef]) -> None:
        """Count these identities as one person from now on, in the past as well.

        Raises:
            InvalidInput: one of them never appeared.
        """
        with self._server.write() as con:
            people.link_persons(con, refs)

    def unlink_person(self, ref: MemberRef) -> None:
        """Count this identity as a person of its own again."""
        with self._server.write() as con:
            people.unlink_person(con, ref)

    def forget(self, ref: MemberRef) -> Forgotten:
        """Erase a member from events and roll-ups, and vacuum the tables; what it did before is refused from now on.

        The server's own archives (write-ahead log, replicas' lag, backups) are outside this store's reach.
        """
        with self._server.write() as con:
            events, mentions = people.forget(con, ref)
            people.bury(con, ref, self._now())
            rollup.refresh(con)
        with self._server.connection() as con:
            con.execute(
                "vacuum events, contents, members, profiles, member_tags, retractions, member_day, person_day"
            )
        return Forgotten(events=events, mentions=mentions, archives=0)

    @contextlib.contextmanager
    def read(self, *, purpose: str = "read", fresh: bool = True) -> Generator[PostgresSession]:
        """Read from one state of the store; roll-ups are brought up to date first unless `fresh` is off."""
        del purpose
        if fresh:
            self.refresh()
        with self._server.snapshot() as con:
            yield PostgresSession(con, self._server.where)

    def refresh(self) -> int:
        """Bring the roll-ups up to date; give the number of days that were dirty."""
        with self._server.connection() as con:
            if con.execute("select 1 from dirty_days limit 1").fetchone() is None:
                return 0
        with self._server.write() as con:
            return rollup.refresh(con)

    def data_as_of(self, *, community: str | None = None) -> datetime | None:
        """Give the time of the newest event; None when there is none."""
        self.refresh()  # the roll-up knows it without reading the log
        with self._server.connection() as con:
            number = None if community is None else people.get_community(con, community).number
            row = con.execute(
                "select max(last_ts) from ingest_stats where %(n)s::smallint is null or community_no = %(n)s",
                {"n": number},
            ).fetchone()
        return None if row is None or row[0] is None else row[0].replace(tzinfo=UTC)

    def export_community(self, name: str, path: Path) -> int:
        """Write a community into one portable file; give the number of events."""
        with self._server.snapshot() as con:
            return parcels.export(con, people.get_community(con, name), Path(path))

    def import_community(self, path: Path, *, name: str | None = None) -> Appended:
        """Read a file of `export_community` of any store, perhaps under another name; what is there is left out.

        Raises:
            InvalidInput: the file is none, or of a newer version.
        """
        with self._server.write() as con:
            return parcels.load(con, Path(path), name)

    def archive(self, *, before: date) -> int:
        """Refuse: the server keeps all months.

        Raises:
            NotSupported: always; a server's old months go to a cheaper tablespace or partition, by its own means.
        """
        raise NotSupported(
            f"PostgreSQL keeps what happened before {before} itself: move old rows by tablespaces or partitions, or "
            "write a community into a file by `export_community`"
        )

    def close(self) -> None:
        """Close idle connections; the next use opens one again."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
