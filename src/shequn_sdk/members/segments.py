"""The room of segments: filters of members, saved by name, counted and listed."""

from __future__ import annotations

import re
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime
from sqlalchemy import Connection, delete, insert, select

from shequn_sdk.domain import Community, Frozen, MemberRef, Name
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.members import fields
from shequn_sdk.members.filters import Acts, AnyFilter, Filter, InSegment, Number, parse_filter, walk
from shequn_sdk.members.identities import find_identities, persons_of
from shequn_sdk.members.names import shown
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.members import identity
from shequn_sdk.stores.tables.profiles import saved_segment

if TYPE_CHECKING:
    from shequn_sdk.members.columns import Columns, Scope
    from shequn_sdk.metrics.store.base import Session

__all__ = ["SavedSegment", "SegmentMember", "Segments"]

Numbers = Callable[[str], Awaitable[Mapping[MemberRef, float]]]
"""Gives a number per member of a community, by name of the community."""
_MOST = 500


class SavedSegment(Frozen):
    """A filter with a name (人群)."""

    name: Name
    community: str
    filter: AnyFilter
    note: str = ""
    updated_at: AwareDatetime


class SegmentMember(Frozen):
    """A person in a segment, under the identity seen last."""

    person: int
    ref: MemberRef
    name: str


class Segments(Room):
    """Which members: typed filters, saved by name, with live counts (人群筛选)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._columns: dict[str, Columns] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._sources: dict[str, Numbers] = {}

    def add_numbers(self, source: str, function: Numbers) -> None:
        """Let filters `Number(source=…)` ask a function, such as one that gives the points of each member.

        Raises:
            InvalidInput: another function has that name.
        """
        if self._sources.setdefault(source, function) is not function:
            raise InvalidInput(f"numbers named {source!r} are there already")

    async def save(
        self, name: str, wanted: Filter, *, note: str = "", community: str | None = None
    ) -> SavedSegment:
        """Save a filter by name; saving it again changes it, for everything that uses the name.

        Raises:
            InvalidInput: the name is malformed, the filter is too deep, holds itself, or cannot be judged.
            UnknownName: it names a segment or field that is not there.
        """
        home = self._community(community)
        found = SavedSegment.model_validate(
            {
                "name": _checked(name),
                "community": home.name,
                "filter": parse_filter(wanted.model_dump(mode="json")),
                "note": note,
                "updated_at": self._house.clock.now(),
            }
        )
        await self._mask(found.filter, home, saving=found.name)
        row = {
            "community": home.name,
            "name": found.name,
            "filter": found.filter.model_dump_json(),
            "note": note,
            "updated_at": to_us(found.updated_at),
        }

        def write(conn: Connection) -> None:
            conn.execute(
                delete(saved_segment).where(
                    saved_segment.c.community == home.name, saved_segment.c.name == found.name
                )
            )
            conn.execute(insert(saved_segment).values(row))

        await (await self._house.store()).write(write)
        return found

    async def delete(self, name: str, *, community: str | None = None) -> None:
        """Forget a saved segment.

        Raises:
            UnknownName: there is none of that name.
            InvalidInput: another segment uses it.
        """
        home = self._community(community)
        await self.get(name, community=home.name)
        for one in await self.list(community=home.name):
            if any(isinstance(part, InSegment) and part.name == name for part in walk(one.filter)):
                raise InvalidInput(f"segment {one.name!r} uses {name!r}: change it first")

        def write(conn: Connection) -> None:
            conn.execute(
                delete(saved_segment).where(
                    saved_segment.c.community == home.name, saved_segment.c.name == name
                )
            )

        await (await self._house.store()).write(write)

    async def get(self, name: str, *, community: str | None = None) -> SavedSegment:
        """Give a saved segment.

        Raises:
            UnknownName: there is none of that name.
        """
        found = {one.name: one for one in await self.list(community=community)}
        if name not in found:
            raise UnknownName("segment", name, nearest=tuple(found)[:3])
        return found[name]

    async def list(self, *, community: str | None = None) -> Sequence[SavedSegment]:
        """Give the saved segments, by name."""
        home = self._community(community).name
        return await (await self._house.store()).read(lambda conn: _saved(conn, home))

    async def count(self, wanted: Filter | str, *, community: str | None = None) -> int:
        """Give how many persons are in a segment now.

        Args:
            wanted: a filter, or the name of a saved one.
            community: in which; not needed when there is one.

        Raises:
            UnknownName: a segment, field or source of numbers is not there.
            InvalidInput: a comparison does not fit its field.
        """
        mask, _ = await self._mask(wanted, self._community(community))
        return int(mask.sum())

    async def members(
        self, wanted: Filter | str, *, community: str | None = None, after: int = 0, limit: int = 100
    ) -> Sequence[SegmentMember]:
        """Give persons in a segment, by their numbers; `after` is the last number seen."""
        numbers = [one for one in await self.numbers(wanted, community=community) if one > after][:limit]

        def look(conn: Connection) -> list[SegmentMember]:
            found: dict[int, SegmentMember] = {}
            for start in range(0, len(numbers), _MOST):
                for row in conn.execute(
                    select(identity)
                    .where(identity.c.person_id.in_(numbers[start : start + _MOST]))
                    .order_by(identity.c.last_seen)
                ):
                    found[row.person_id] = SegmentMember(
                        person=row.person_id,
                        ref=MemberRef(platform=row.platform, native_id=row.native_id),
                        name=shown(row.display_name),
                    )
            return [found[number] for number in numbers if number in found]

        return await (await self._house.store()).read(look)

    async def numbers(self, wanted: Filter | str, *, community: str | None = None) -> Sequence[int]:
        """Give the numbers of the persons in a segment, smallest first; they change when persons are merged."""
        mask, numbers = await self._mask(wanted, self._community(community))
        return [int(one) for one in numbers[mask]]

    async def contains(
        self, wanted: Filter | str, member: MemberRef | str, *, community: str | None = None
    ) -> bool:
        """Say whether a member is in a segment; looks at that member only.

        Raises:
            UnknownName: the member was never seen, or a segment or field is not there.
        """
        ref = MemberRef.parse(member)

        def look(conn: Connection) -> int | None:
            number = find_identities(conn, [ref]).get(ref)
            return None if number is None else persons_of(conn, [number])[number]

        person = await (await self._house.store()).read(look)
        if person is None:
            raise UnknownName("member", str(ref))
        mask, _ = await self._mask(wanted, self._community(community), only=[person])
        return bool(mask.any())

    async def _mask(
        self, wanted: Filter | str, home: Community, *, only: Sequence[int] | None = None, saving: str = ""
    ) -> tuple[Any, Any]:
        from shequn_sdk.members.columns import Columns, evaluate  # noqa: PLC0415 - numpy

        store = await self._house.store()
        known = {one.name: one.filter for one in await store.read(lambda conn: _saved(conn, home.name))}
        chosen = _find(known, wanted) if isinstance(wanted, str) else wanted
        every = list(_unfold(chosen, known, trail=(saving,) if saving else ()))
        scope = await self._scope(home, every, known)

        def look(conn: Connection) -> tuple[Any, Any]:
            if only is not None:
                few = Columns(home.name)
                few.refresh(conn, only=only)
                few.load_for(conn, chosen, scope)
                return evaluate(few, chosen, scope), few.persons.numbers
            with self._locks.setdefault(home.name, threading.Lock()):
                columns = self._columns.setdefault(home.name, Columns(home.name))
                columns.refresh(conn)
                columns.load_for(conn, chosen, scope)
                return evaluate(columns, chosen, scope), columns.persons.numbers

        return await store.read(look)

    async def _scope(self, home: Community, every: Sequence[Filter], known: Mapping[str, Filter]) -> Scope:
        import numpy as np  # noqa: PLC0415 - not needed before

        from shequn_sdk.members.columns import Scope  # noqa: PLC0415 - numpy

        store = await self._house.store()
        given: dict[Filter, Any] = {}
        for one in every:
            if one in given:
                continue
            if isinstance(one, Number):
                refs = await self._by_number(one, home.name)
            elif isinstance(one, Acts):
                refs = await self._by_acts(one, home)
            else:
                continue
            found = await store.read(lambda conn, refs=refs: find_identities(conn, refs))
            given[one] = np.array(sorted(found.values()), np.int64)
        specs = await store.read(fields.specs)
        return Scope(
            now=self._house.clock.now(),
            zone=home.zone,
            thresholds=home.lifecycle,
            specs=specs,
            saved=lambda name: _find(known, name),
            given=given,
        )

    async def _by_number(self, one: Number, community: str) -> Sequence[MemberRef]:
        source = self._sources.get(one.source)
        if source is None:
            raise UnknownName("source of numbers", one.source, nearest=tuple(self._sources))
        low = one.at_least if one.at_least is not None else float("-inf")
        high = one.at_most if one.at_most is not None else float("inf")
        if low <= 0:
            raise InvalidInput("at_least must be above 0: who has no number has 0; ask for the others by ~")
        return [ref for ref, value in (await source(community)).items() if low <= value <= high]

    async def _by_acts(self, one: Acts, home: Community) -> Sequence[MemberRef]:
        today = self._house.clock.now().astimezone(ZoneInfo(home.zone)).date()
        first = today - timedelta(days=(one.within or 40_000) - 1)

        def look(session: Session) -> list[MemberRef]:
            _, rows = session.rows(
                f"""select m.platform, m.native_id from members as m where m.person_no in (
                    select d.person_no from member_day as d join communities as c on c.community_no = d.community_no
                    where c.name = $community and d.local_day >= cast($first as date)
                    group by d.person_no having sum(d."{one.act}") >= $least)""",  # noqa: S608 - one of a closed list
                {"community": home.name, "first": first, "least": one.at_least},
            )
            return [MemberRef(platform=platform, native_id=native) for platform, native in rows]

        return await (await self._house.events()).query(look, purpose="segment")


def _checked(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", name):
        raise InvalidInput(f"{name!r} is no name: lower-case letters, digits, _ and -, a letter first")
    return name


def _saved(conn: Connection, community: str) -> list[SavedSegment]:
    return [
        SavedSegment(
            name=row.name,
            community=row.community,
            filter=parse_filter(row.filter),
            note=row.note,
            updated_at=from_us(row.updated_at),
        )
        for row in conn.execute(
            select(saved_segment).where(saved_segment.c.community == community).order_by(saved_segment.c.name)
        )
    ]


def _find(known: Mapping[str, Filter], name: str) -> Filter:
    if name not in known:
        raise UnknownName("segment", name, nearest=tuple(known)[:3])
    return known[name]


def _unfold(wanted: Filter, known: Mapping[str, Filter], *, trail: tuple[str, ...]) -> Sequence[Filter]:
    """Give a filter and all within it, through the saved segments that it names.

    Raises:
        InvalidInput: a segment holds itself.
    """
    found: list[Filter] = []
    for one in walk(wanted):
        found.append(one)
        if isinstance(one, InSegment):
            if one.name in trail:
                raise InvalidInput(f"segment {one.name!r} holds itself: {' → '.join((*trail, one.name))}")
            found += _unfold(_find(known, one.name), known, trail=(*trail, one.name))
    return found
