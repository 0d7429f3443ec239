"""Who begins a journey today: birthdays, festivals, silences, dates, segments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from shequn_sdk.domain import Community, MemberRef
from shequn_sdk.errors import UnknownName
from shequn_sdk.journeys import models as m
from shequn_sdk.journeys.rows import Known
from shequn_sdk.members import fields
from shequn_sdk.members.filters import ActiveWithin, And, Filter, JoinedWithin
from shequn_sdk.members.identities import find_identities
from shequn_sdk.members.merging import identities_of
from shequn_sdk.members.segments import Segments
from shequn_sdk.scheduling.chinese import LunarDay, festivals, next_lunar_birthday
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.members import membership
from shequn_sdk.stores.tables.profiles import birthday, profile_field

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["DateSource", "birthdays_on", "starters"]

DateSource = Callable[[str], Awaitable[Mapping[MemberRef, datetime]]]
"""Gives an instant per member of a community, such as the end of a paid membership."""
_LATE = 3
"""Days that are made up for after a stop."""


def birthdays_on(rows: Sequence[tuple[int, tuple[int, int, bool, bool]]], day: date) -> list[int]:
    """Give the identities whose birthday a day is.

    Each row is an identity with (month, day, lunar, leap). Who was born on 29 February has it on the 28th in common
    years; lunar days that a year lacks are kept as `next_lunar_birthday` says.
    """
    leap_year = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
    found: list[int] = []
    for number, value in rows:
        month, on, lunar, leap = value
        if lunar:
            kept = next_lunar_birthday(
                LunarDay(year=2000, month=month, day=on, leap=leap), after=day - timedelta(days=1)
            )
            if kept == day:
                found.append(number)
        elif (month, on) == (day.month, day.day) or (
            (month, on) == (2, 29) and (day.month, day.day) == (2, 28) and not leap_year
        ):
            found.append(number)
    return found


def _births(conn: Connection) -> list[tuple[int, tuple[int, int, bool, bool]]]:
    newest: dict[int, tuple[int, int, bool, bool]] = {}
    for row in conn.execute(select(birthday).order_by(birthday.c.at)):
        newest[row.identity_id] = (row.month, row.day, bool(row.lunar), bool(row.leap))
    return list(newest.items())


async def starters(
    house: House, home: Community, known: Known, *, sources: Mapping[str, DateSource], now: datetime
) -> list[tuple[int, str]]:
    """Give identities that begin a journey now, each with the name of its entry.

    Days since the last look, at most three, are made up for.
    """
    zone = ZoneInfo(home.zone)
    today = now.astimezone(zone).date()
    last = None if known.looked_at is None else _day(known.looked_at, zone)
    missed = _LATE if last is None else min(_LATE, max(0, (today - last).days - 1))
    days = [today] if last is None else [today - timedelta(days=back) for back in range(missed, -1, -1)]
    start = known.journey.start
    store = await house.store()
    if isinstance(start, m.Entered):
        return [(one, "segment") for one in await _in_segment(house, home, start.segment)]
    if isinstance(start, m.Silent):
        wanted = ~ActiveWithin(days=start.days) & ~JoinedWithin(days=start.days)
        people = await house.room(Segments).numbers(wanted, community=home.name)
        return await store.read(lambda conn: _since(conn, home.name, people))
    found: list[tuple[int, str]] = []
    if isinstance(start, m.Birthday):
        births = await store.read(_births)
        for day in days:
            target = day + timedelta(days=start.days_before)
            found += [(one, f"birthday/{target.isoformat()}") for one in birthdays_on(births, target)]
        return await store.read(lambda conn: _members_only(conn, home.name, found))
    if isinstance(start, m.Festival):
        everybody: list[int] | None = None
        for day in days:
            target = day + timedelta(days=start.days_before)
            for feast in festivals(target.year):
                if feast.date == target and feast.key in start.festivals:
                    everybody = everybody or await _in_segment(house, home, And())
                    found += [(one, f"festival/{feast.key}/{target.year}") for one in everybody]
        return found
    if isinstance(start, m.BeforeDate):
        targets = {day + timedelta(days=start.days_before) for day in days}
        found += await _before(house, home, start.source, targets, sources, zone)
        return await store.read(lambda conn: _members_only(conn, home.name, found))
    return []


def _day(instant: int, zone: ZoneInfo) -> date:
    return from_us(instant).astimezone(zone).date()


async def _in_segment(house: House, home: Community, wanted: Filter) -> list[int]:
    people = await house.room(Segments).numbers(wanted, community=home.name)
    store = await house.store()
    groups = await store.read(lambda conn: identities_of(conn, people))
    return [groups[person][0] for person in people if groups.get(person)]


def _since(conn: Connection, community: str, people: Sequence[int]) -> list[tuple[int, str]]:
    """Name each silence by its last act, so that it begins a journey once."""
    groups = identities_of(conn, people)
    numbers = [number for group in groups.values() for number in group]
    last: dict[int, int] = {}
    for start in range(0, len(numbers), 400):
        for row in conn.execute(
            select(
                membership.c.identity_id,
                func.coalesce(membership.c.last_active, membership.c.first_at).label("at"),
            ).where(
                membership.c.community == community,
                membership.c.identity_id.in_(numbers[start : start + 400]),
            )
        ):
            last[row.identity_id] = row.at
    return [
        (group[0], f"silent/{max(last[one] for one in group if one in last)}")
        for group in groups.values()
        if any(one in last for one in group)
    ]


def _members_only(conn: Connection, community: str, found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Leave out who is not in the community (any more)."""
    numbers = [number for number, _ in found]
    inside: set[int] = set()
    for start in range(0, len(numbers), 400):
        inside.update(
            conn.execute(
                select(membership.c.identity_id).where(
                    membership.c.community == community,
                    membership.c.left_at.is_(None),
                    membership.c.identity_id.in_(numbers[start : start + 400]),
                )
            ).scalars()
        )
    return [one for one in found if one[0] in inside]


async def _before(
    house: House,
    home: Community,
    source: str,
    targets: set[date],
    sources: Mapping[str, DateSource],
    zone: ZoneInfo,
) -> list[tuple[int, str]]:
    store = await house.store()
    if source in sources:
        dates = await sources[source](home.name)
        wanted = {
            ref: at.astimezone(zone).date()
            for ref, at in dates.items()
            if at.astimezone(zone).date() in targets
        }
        numbers = await store.read(lambda conn: find_identities(conn, wanted))
        return [(numbers[ref], f"date/{day.isoformat()}") for ref, day in wanted.items() if ref in numbers]

    def look(conn: Connection) -> list[tuple[int, str]]:
        spec = fields.specs(conn).get(source)
        if spec is None or spec.kind is not fields.FieldKind.DATE:
            raise UnknownName("source of dates", source, nearest=tuple(sources)[:3])
        return [
            (row.identity_id, f"date/{date.fromordinal(int(row.number)).isoformat()}")
            for row in conn.execute(
                select(profile_field.c.identity_id, profile_field.c.number).where(
                    profile_field.c.name == source,
                    profile_field.c.number.in_([float(day.toordinal()) for day in targets]),
                )
            )
        ]

    return await store.read(look)
