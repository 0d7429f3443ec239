# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""What ingest remembers of the store while the file is open, so that a batch need not ask again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shequn_sdk.metrics.store import people
from shequn_sdk.metrics.store.arrays import array, run
from shequn_sdk.metrics.store.base import CommunityInfo
from shequn_sdk.metrics.store.recent import Recent
from shequn_sdk.metrics.store.tombstones import Tombstones, read_tombstones

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Known", "Numbers", "micros_of"]

_MEMBERS = 300_000
"""So many are remembered at most; past that the memory is emptied and fills anew."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the store's times are naive UTC


def micros_of(instant: datetime) -> int:
    """Give microseconds since 1970 of a naive UTC time."""
    return int(instant.replace(tzinfo=UTC).timestamp()) * 1_000_000 + instant.microsecond


class Numbers(dict[str, int]):
    """Native ids of a platform's members to their numbers; "" is 0, who is looked up for the first time gets the next."""

    __slots__ = ("last", "new")

    def __init__(self) -> None:
        """Know nobody."""
        super().__init__({"": 0})
        self.new: list[str] = []
        self.last = 0

    def begin(self, last: int) -> None:
        """Number newcomers after `last`, and list them in `new`."""
        self.last = last
        self.new = []

    def __missing__(self, native: str) -> int:
        """Number a newcomer."""
        self.last += 1
        self.new.append(native)
        self[native] = self.last
        return self.last

    def of(self, natives: Sequence[str]) -> NDArray[np.int32]:
        """Give the numbers of many."""
        import numpy as np  # noqa: PLC0415

        return np.fromiter(map(self.__getitem__, natives), np.int32, len(natives))


@dataclass(slots=True)
class Known:
    """Numbers behind names, valid while nobody else can write: whoever lets go of the file clears it."""

    communities: dict[str, CommunityInfo] = field(default_factory=dict[str, CommunityInfo])
    channels: dict[tuple[int, str], dict[str, int]] = field(
        default_factory=dict[tuple[int, str], dict[str, int]]
    )
    members: dict[str, Numbers] = field(default_factory=dict[str, "Numbers"])
    names: dict[int, str] = field(default_factory=dict[int, str])
    persons: dict[int, int] = field(default_factory=dict[int, int])
    """Person numbers that differ from the member's own."""
    bots: set[int] = field(default_factory=set[int])
    dirty: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    """Community and day (since 1970) that `dirty_days` has."""
    archives: list[tuple[int, int]] | None = None
    """First and last time of each archived month."""
    retractions: bool | None = None
    """Whether any are kept."""
    tombstones: Tombstones | None = None
    last_member: int | None = None
    newest: dict[int, Recent] = field(default_factory=dict[int, Recent])
    """Per community, the identities of its newest events."""
    totals: dict[str, int] = field(default_factory=dict[str, int])
    """How many members of a platform the store has."""
    size: int = 0

    def clear(self) -> None:
        """Forget everything: somebody else may write now."""
        self.communities.clear()
        self.channels.clear()
        self._clear_members()
        self.dirty.clear()
        self.newest.clear()
        self.archives = self.retractions = self.last_member = self.tombstones = None

    def _clear_members(self) -> None:
        self.members.clear()
        self.names.clear()
        self.persons.clear()
        self.bots.clear()
        self.totals.clear()
        self.size = 0

    def community(self, con: duckdb.DuckDBPyConnection, name: str) -> CommunityInfo | None:
        """Give the community of that name."""
        found = self.communities.get(name)
        if found is None and (found := people.find_community(con, name)) is not None:
            self.communities[name] = found
        return found

    def archived(self, con: duckdb.DuckDBPyConnection, low: int, high: int) -> bool:
        """Tell whether an archived month reaches into the time between `low` and `high`."""
        if self.archives is None:
            rows = con.execute("select first_ts, last_ts from archives").fetchall()
            self.archives = [(micros_of(first), micros_of(last)) for first, last in rows]
        return any(first <= high and low <= last for first, last in self.archives)

    def erased(self, con: duckdb.DuckDBPyConnection) -> Tombstones:
        """Give who was erased."""
        if self.tombstones is None:
            self.tombstones = read_tombstones(con)
        return self.tombstones

    def has_retractions(self, con: duckdb.DuckDBPyConnection) -> bool:
        """Tell whether something was taken back that may still arrive."""
        if self.retractions is None:
            self.retractions = bool(con.execute("select 1 from retractions limit 1").fetchall())
        return self.retractions

    def channel_numbers(
        self, con: duckdb.DuckDBPyConnection, community: int, platform: str, wanted: Iterable[str]
    ) -> dict[str, int]:
        """Give the numbers of all channels of a community on a platform; new ones get the next."""
        keys = {"c": community, "p": platform}
        numbers = self.channels.get((community, platform))
        if numbers is None:
            rows = con.execute(
                "select native_id, channel_no from channels where community_no = $c and platform = $p", keys
            ).fetchall()
            numbers = self.channels[community, platform] = dict(rows)
        new = sorted(set(wanted) - numbers.keys())
        if new:
            last = con.execute("select coalesce(max(channel_no), 0) from channels").fetchall()[0][0]
            for number, native in enumerate(new, last + 1):
                con.execute("insert into channels values ($n, $c, $p, $i)", keys | {"n": number, "i": native})
                numbers[native] = number
        return numbers

    def member_numbers(
        self, con: duckdb.DuckDBPyConnection, platform: str, *columns: Sequence[str]
    ) -> tuple[Numbers, list[NDArray[np.int32]]]:
        """Give the numbers of members of a platform, and each column's; who is new has the next numbers already."""
        if self.size > _MEMBERS:
            self._clear_members()
        numbers = self.members.setdefault(platform, Numbers())
        numbers.begin(self._last_member(con))
        found = [numbers.of(column) for column in columns]
        if numbers.new and self._rest(con, platform, len(numbers) - 1 - len(numbers.new)):
            stored = self._look_up(con, platform, numbers.new)
            if stored:
                for native in numbers.new:
                    del numbers[native]
                numbers.update(stored)
                numbers.begin(self._last_member(con))
                found = [numbers.of(column) for column in columns]
        return numbers, found

    def _last_member(self, con: duckdb.DuckDBPyConnection) -> int:
        if self.last_member is None:
            rows = con.execute("select coalesce(max(member_no), 0) from members").fetchall()
            self.last_member = int(rows[0][0])
        return self.last_member

    def _look_up(
        self, con: duckdb.DuckDBPyConnection, platform: str, natives: Sequence[str]
    ) -> dict[str, int]:
        import pyarrow as pa  # noqa: PLC0415

        rows = run(
            con,
            "select m.native_id, m.member_no, m.person_no, m.is_bot, m.name from members as m "
            "semi join given using (native_id) where m.platform = $p",
            pa.table({"native_id": array(natives)}),
            {"p": platform},
        ).fetchall()
        for _, member, person, bot, name in rows:
            self._note(member, person, bot=bot, name=name)
        return {row[0]: row[1] for row in rows}

    def _rest(self, con: duckdb.DuckDBPyConnection, platform: str, seen: int) -> bool:
        """Tell whether the store has members of a platform that are not remembered."""
        total = self.totals.get(platform)
        if total is None:
            total = self.totals[platform] = int(
                con.execute("select count(*) from members where platform = $p", {"p": platform}).fetchall()[
                    0
                ][0]
            )
        return seen < total

    def _note(self, member: int, person: int, *, bot: bool, name: str) -> None:
        self.size += 1
        if person != member:
            self.persons[member] = person
        if bot:
            self.bots.add(member)
        if name:
            self.names[member] = name

    def add_members(
        self, con: duckdb.DuckDBPyConnection, platform: str, facts: Mapping[str, tuple[str, bool]]
    ) -> None:
        """Keep the new members of `member_numbers`; of some there is a name, and a mark whether they are bots."""
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        numbers = self.members[platform]
        new, nobody = numbers.new, ("", False)
        first = self._last_member(con) + 1
        known = [facts.get(native, nobody) for native in new] if facts else [nobody] * len(new)
        names, bots = zip(*known, strict=True)
        run(
            con,
            "insert into members select n, n, $p, native_id, name, bot from given",
            pa.table(
                {
                    "n": array(np.arange(first, first + len(new), dtype=np.int32)),
                    "native_id": array(new),
                    "name": array(names),
                    "bot": array(bots, pa.bool_()),
                }
            ),
            {"p": platform},
        )
        for number, (name, bot) in enumerate(known, first):
            self._note(number, number, bot=bot, name=name)
        self.last_member = first + len(new) - 1
        if platform in self.totals:
            self.totals[platform] += len(new)

    def recent(self, con: duckdb.DuckDBPyConnection, community: int, low: int) -> Recent:
        """Give what a batch of events from `low` on is compared with before the live table.

        The live table is asked once: what the next batches store is remembered.
        """
        recent = self.newest.get(community)
        if recent is None:
            found = con.execute(
                f"select max(ts) from events where ts >= make_timestamp({low}) and community_no = {community}"
            ).fetchall()[0][0]
            recent = self.newest[community] = Recent(low - 1 if found is None else micros_of(found))
        return recent
