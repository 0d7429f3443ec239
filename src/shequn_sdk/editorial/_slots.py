"""Slots of the week: which instant a slot's week is, and which is the first that nothing has taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from shequn_sdk.domain import ChannelRef
from shequn_sdk.editorial.model import FreeSlot, Slot
from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.recurrence.local import Gap, Overlap, clock_time, resolve, zone_of
from shequn_sdk.scheduling.triggers import Weekly
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.editorial import calendar_blackout, calendar_place, calendar_slot

__all__ = [
    "Finder",
    "SlotRow",
    "blackouts",
    "fill_slots",
    "first_free",
    "instant",
    "read_slots",
    "slots_of",
    "to_slot",
]

_MOST_WEEKS = 52 * 200
# The first week from :week on that nothing stands in: that week itself, or the one after the first that has no successor.
_TAKEN = Fast("select 1 from calendar_place where slot_id = :slot and week = :week")
_GAP = Fast(
    "select p.week + 1 from calendar_place p where p.slot_id = :slot and p.week >= :week and not exists "
    "(select 1 from calendar_place q where q.slot_id = p.slot_id and q.week = p.week + 1) order by p.week limit 1"
)


class SlotRow(NamedTuple):
    """One row of `calendar_slot`."""

    id: int
    community: str
    channel: str
    zone: str
    weekday: int
    time: str
    category: str


_COLUMNS = [calendar_slot.c[name] for name in SlotRow._fields]


def week_of(day: date) -> int:
    """Number the week of a day: 0 is that of Monday, 1 January of the year 1."""
    return (day.toordinal() - 1) // 7


def instant(slot: SlotRow, week: int) -> datetime:
    """Give the instant of a slot in a week, in UTC; a local time that does not exist is moved to after the gap."""
    day = date.fromordinal(week * 7 + slot.weekday + 1)
    naive = datetime.combine(day, clock_time(slot.time))
    return resolve(naive, zone_of(slot.zone), gap=Gap.SHIFT_FORWARD, overlap=Overlap.FIRST)[0]


def week_at(slot: SlotRow, at: datetime) -> int | None:
    """Give the week in which a slot is at that instant; None when it never is."""
    week = week_of(at.astimezone(zone_of(slot.zone)).date())
    return week if instant(slot, week) == at else None


def to_slot(row: SlotRow) -> Slot:
    """Give the public form."""
    return Slot(
        id=row.id,
        channel=ChannelRef.parse(row.channel),
        zone=row.zone,
        weekday=row.weekday,
        time=row.time,
        category=row.category,
    )


def slots_of(conn: Connection, channel: str) -> list[SlotRow]:
    """Give a channel's slots by the week."""
    query = (
        select(*_COLUMNS)
        .where(calendar_slot.c.channel == channel)
        .order_by(calendar_slot.c.weekday, calendar_slot.c.time, calendar_slot.c.id)
    )
    return [SlotRow._make(row) for row in conn.execute(query)]


def read_slots(slots: Sequence[str] | str, zone: str) -> list[tuple[int, str]]:
    """Read `fri 20:00` and `周五 20:00`; gives weekday and time.

    Raises:
        InvalidInput: one is no slot of the week, or the zone is unknown.
    """
    trigger = Weekly(slots, tz=zone)
    names = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
    english = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    found: list[tuple[int, str]] = []
    for slot in trigger.slots:
        day, _, at = slot.strip().partition(" ")
        number = names[day[-1]] if day[-1] in names else english.index(day.lower()[:3])
        found.append((number, clock_time(at).isoformat("seconds" if at.count(":") > 1 else "minutes")))
    return sorted(set(found))


class Finder:
    """Says which slot an instant fills, for many entries within one transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._slots: dict[str, list[SlotRow]] = {}
        self._claimed: set[tuple[int, int]] = set()

    def claim(self, channel: str, at: int) -> tuple[int, int] | None:
        """Give the free slot and its week that an instant fills; None when it fills none, or another entry has it."""
        slots = self._slots.get(channel)
        if slots is None:
            slots = self._slots[channel] = slots_of(self._conn, channel)
        if not slots:
            return None
        moment = from_us(at)
        for slot in slots:
            week = week_at(slot, moment)
            if week is None or (slot.id, week) in self._claimed:
                continue
            if _TAKEN.one(self._conn, {"slot": slot.id, "week": week}) is None:
                self._claimed.add((slot.id, week))
                return slot.id, week
        return None


def fill_slots(conn: Connection, channel: str, *, since: int) -> None:
    """Let what stands in a channel already fill slots that are new."""
    finder = Finder(conn)
    rows = conn.execute(
        select(calendar_place.c.entry_id, calendar_place.c.at).where(
            calendar_place.c.channel == channel,
            calendar_place.c.at >= since,
            calendar_place.c.slot_id.is_(None),
        )
    ).all()
    for number, at in rows:
        fills = finder.claim(channel, at)
        if fills is not None:
            conn.execute(
                update(calendar_place)
                .where(calendar_place.c.entry_id == number, calendar_place.c.channel == channel)
                .values(slot_id=fills[0], week=fills[1])
            )


def blackouts(conn: Connection, community: str, *, since: int) -> Sequence[Any]:
    """Give the blackouts that end after an instant."""
    return conn.execute(
        select(calendar_blackout)
        .where(calendar_blackout.c.community == community, calendar_blackout.c.ends_at > since)
        .order_by(calendar_blackout.c.starts_at)
    ).all()


def first_free(
    conn: Connection, community: str, channel: str, *, category: str, after: datetime
) -> FreeSlot | None:
    """Give the first slot later than `after` that takes the category, is free, and lies in no blackout.

    Of two at the same time the one for the category goes first.
    """
    closed = [
        (one.starts_at, one.ends_at)
        for one in blackouts(conn, community, since=to_us(after))
        if one.channel in {"", channel}
    ]
    best: tuple[datetime, bool, SlotRow, int] | None = None
    for slot in slots_of(conn, channel):
        if slot.category not in {"", category}:
            continue
        found = _first_week(conn, slot, after, closed, None if best is None else best[0])
        if found is None:
            continue
        candidate = (found[0], slot.category == "", slot, found[1])
        if best is None or candidate[:2] < best[:2]:
            best = candidate
    if best is None:
        return None
    at, _, slot, week = best
    return FreeSlot(slot=slot.id, channel=ChannelRef.parse(channel), zone=slot.zone, at=at, week=week)


def _first_week(
    conn: Connection,
    slot: SlotRow,
    after: datetime,
    closed: Sequence[tuple[int, int]],
    limit: datetime | None,
) -> tuple[datetime, int] | None:
    week = week_of(after.astimezone(zone_of(slot.zone)).date())
    if instant(slot, week) <= after:
        week += 1
    end = week + _MOST_WEEKS
    while week < end:
        if _TAKEN.one(conn, {"slot": slot.id, "week": week}) is not None:
            gap = _GAP.one(conn, {"slot": slot.id, "week": week})
            if gap is None:
                raise InvalidInput(
                    f"slot {slot.id} has no end of its weeks"
                )  # each last week has no successor
            week = int(gap[0])
            continue
        at = instant(slot, week)
        if limit is not None and at > limit:
            return None
        moment = to_us(at)
        until = next((stop for start, stop in closed if start <= moment < stop), None)
        if until is None:
            return at, week
        week = max(week + 1, week_of((from_us(until) - timedelta(days=7)).astimezone(UTC).date()))
    return None
