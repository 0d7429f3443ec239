"""The event store on a ClickHouse server."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from shequn_clickhouse import parcels, people, rollup
from shequn_clickhouse.connection import Server
from shequn_clickhouse.session import ClickHouseSession
from shequn_clickhouse.write import append_batch
from shequn_sdk.domain import Clock, InteractionBatch, MemberRef
from shequn_sdk.errors import NotSupported
from shequn_sdk.metrics import Appended, CommunityInfo, Forgotten, MemberFacts
from shequn_sdk.metrics.store.rows import check
from shequn_sdk.metrics.store.tombstones import without_erased

__all__ = ["ClickHouseEventStore"]


class ClickHouseEventStore:
    """Keeps interactions in a database of a ClickHouse server (事件库); blocking, safe from threads and processes.

    Writers take turns by a lease; readers wait for nobody. A batch appears whole, because its rows come in one insert.
    """

    def __init__(
        self, url: str, *, clock: Clock | None = None, timeout: float = 10.0, lease: float = 120.0
    ) -> None:
        """Name the database; nothing is opened yet.

        Args:
            url: `clickhouse://user:password@host:8123/database`, or `clickhouses://` for HTTPS.
            clock: gives the time of arrival; the machine's by default.
            timeout: how many seconds to wait for another writer before `StoreBusy`.
            lease: after how many seconds without a sign a writer loses its turn, by the server's clock.

        Raises:
            ConfigError: the URL cannot be read.
        """
        self._server = Server(url, timeout=timeout, lease=lease)
        self._clock = clock

    def _now(self) -> datetime:
        return (self._clock.now() if self._clock is not None else datetime.now(UTC)).astimezone(UTC)

    def __repr__(self) -> str:
        return f"ClickHouseEventStore({self._server.where!r})"

    def ensure_community(self, name: str, *, zone: str = "Asia/Shanghai") -> CommunityInfo:
        """Make sure that the community is known; an existing one keeps its zone.

        Raises:
            InvalidInput: the name is malformed or the zone unknown.
        """
        if (found := people.find_community(self._server, name)) is not None:
            return found
        with self._server.turn(f"community {name}"):
            return people.find_community(self._server, name) or people.add_community(self._server, name, zone)

    def communities(self) -> Sequence[CommunityInfo]:
        """List the communities, oldest first."""
        return people.list_communities(self._server)

    def append(self, batch: InteractionBatch, *, community: str) -> Appended:
        """Store a batch whole or not at all; when it returns, the server has it on its disk.

        Raises:
            InvalidInput: columns of different lengths, an unknown kind, or times outside 1970-2149.
            UnknownName: no such community; call `ensure_community` first.
            StoreBusy: another writer did not finish in time.
        """
        check(batch)
        with self._server.turn(f"append from {batch.source or batch.platform}"):
            info = people.get_community(self._server, community)
            alive = without_erased(batch, people.read_tombstones(self._server))
            done = append_batch(self._server, alive, community=info, now=self._now())
        return done + Appended(new=0, duplicates=0, late=0, erased=len(batch) - len(alive))

    def set_members(self, facts: Sequence[MemberFacts], *, community: str) -> None:
        """Note roles, tags, entrances and other facts of members."""
        with self._server.turn("members"):
            people.set_members(self._server, facts, people.get_community(self._server, community))

    def link_persons(self, refs: Sequence[MemberRef]) -> None:
        """Count these identities as one person from now on, in the past as well.

        Raises:
            InvalidInput: one of them never appeared.
        """
        with self._server.turn("link persons"):
            people.link_persons(self._server, refs)

    def unlink_person(self, ref: MemberRef) -> None:
        """Count this identity as a person of its own again."""
        with self._server.turn("unlink person"):
            people.unlink_person(self._server, ref)

    def forget(self, ref: MemberRef) -> Forgotten:
        """Erase a member from events and roll-ups; returns when the server has rewritten the parts that held it.

        What the member did before is refused from now on. Old parts leave the disk after the server's `old_parts_lifetime`; its backups are outside this store's reach.
        """
        with self._server.turn("forget"):
            person, events, mentions = people.forget(self._server, ref)
            people.bury(self._server, ref, self._now())
            rollup.refresh(self._server)
            people.purge(self._server, person)
        return Forgotten(events=events, mentions=mentions, archives=0)

    @contextlib.contextmanager
    def read(self, *, purpose: str = "read", fresh: bool = True) -> Generator[ClickHouseSession]:
        """Read; roll-ups are brought up to date first unless `fresh` is off."""
        del purpose
        if fresh:
            self.refresh()
        yield ClickHouseSession(self._server)

    def refresh(self) -> int:
        """Bring the roll-ups up to date; give the number of days that were dirty."""
        if not self._server.rows("select 1 from dirty_days limit 1"):
            return 0
        with self._server.turn("roll-ups"):
            return rollup.refresh(self._server)

    def data_as_of(self, *, community: str | None = None) -> datetime | None:
        """Give the time of the newest event; None when there is none."""
        self.refresh()  # the roll-up knows it without reading the log
        where = ""
        if community is not None:
            number = people.get_community(self._server, community).number
            where = f" where community_no = {number:d}"
        rows = self._server.rows(f"select count(), max(last_ts) from ingest_stats{where}")  # noqa: S608 - a number
        return rows[0][1].replace(tzinfo=UTC) if rows[0][0] else None

    def export_community(self, name: str, path: Path) -> int:
        """Write a community into one portable file; give the number of events."""
        return parcels.export(self._server, people.get_community(self._server, name), Path(path))

    def import_community(self, path: Path, *, name: str | None = None) -> Appended:
        """Read a file of `export_community` of any store, perhaps under another name; what is there is left out.

        Raises:
            InvalidInput: the file is none, or of a newer version.
        """
        with self._server.turn(f"import {Path(path).name}"):
            return parcels.load(self._server, Path(path), name)

    def archive(self, *, before: date) -> int:
        """Refuse: the server keeps all months.

        Raises:
            NotSupported: always; a storage policy of the server moves old parts to cheaper disks.
        """
        raise NotSupported(
            f"ClickHouse keeps what happened before {before} itself: give the table a storage policy with a TTL move, or "
            "write a community into a file by `export_community`"
        )

    def close(self) -> None:
        """Let the connections go; the next use opens them again."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
