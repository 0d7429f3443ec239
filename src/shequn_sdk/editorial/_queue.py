"""Steps of the queue: filling slots, dealing them anew, evergreens. Runs on a store thread."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from shequn_sdk.domain import ChannelRef, Content
from shequn_sdk.editorial import _slots
from shequn_sdk.editorial._days import instant_of
from shequn_sdk.editorial._desk import Edit, Steps, Work
from shequn_sdk.editorial._hand_in import handed_in
from shequn_sdk.editorial._lines import Line, content_of, new_line
from shequn_sdk.editorial._reading import by_key, movable
from shequn_sdk.editorial.model import Blackout, EntryState, Evergreen, Slot
from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.recurrence.local import zone_of
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.editorial import (
    calendar_entry,
    calendar_evergreen,
    calendar_place,
    calendar_slot,
)

__all__ = [
    "evergreen_values",
    "filling",
    "list_blackouts",
    "list_evergreens",
    "list_slots",
    "queueing",
    "remove_slot",
    "reshuffling",
    "shifted",
]

_DAY = timedelta(days=1)
_US = timedelta(microseconds=1)
_DEALS = 20


def shifted(at: int, by: timedelta, zone: str) -> int:
    """Move an instant: by whole days on the local calendar, else in real time."""
    if by % _DAY:
        return at + by // _US
    naive = from_us(at).astimezone(zone_of(zone)).replace(tzinfo=None) + by
    return to_us(instant_of(naive, zone))


def queueing(
    community: str, content: Content, refs: Sequence[ChannelRef], *, key: str | None, actor: str
) -> Work:
    """Give the step that puts a content into the next free slot of each channel."""

    def work(conn: Connection, now: int) -> Steps:
        edits: list[Edit] = []
        for ref in refs:
            own = None if key is None else f"{key}/{ref}"
            if own is not None and by_key(conn, community, own) is not None:
                continue
            slot = _slots.first_free(conn, community, str(ref), category=content.category, after=from_us(now))
            if slot is None:
                what = f" for the category {content.category!r}" if content.category else ""
                raise InvalidInput(f"{ref} has no slot{what}: add one with queue.add_slots")
            line = new_line(community, content, [ref], state=EntryState.DRAFT, author=actor, now=now)
            line = line._replace(at=to_us(slot.at), queued=1, key=own)
            edits.append(Edit(None, handed_in(conn, line)))
        return Steps("queue", edits)

    return work


def _neighbours(lines: Sequence[Line]) -> int:
    ordered = sorted(lines, key=lambda line: line.at or 0)
    return sum(bool(one.promotional and other.promotional) for one, other in pairwise(ordered))


def reshuffling(community: str, channel: str, rng: random.Random) -> Work:
    """Give the step that deals queued entries anew over their slots."""
    dealer = rng.getrandbits(64)

    def work(conn: Connection, now: int) -> Steps:
        seeded = random.Random(dealer)  # noqa: S311 - the function may run again and has to deal the same
        lines = [
            line
            for line in movable(conn, community, start=now, end=None)
            if line.queued and line.refs == (channel,)
        ]
        best: list[Line] = lines
        for turn in range(_DEALS):
            dealt: list[Line] = []
            for category in sorted({line.category for line in lines}):
                group = [line for line in lines if line.category == category]
                times = [line.at for line in group]
                seeded.shuffle(times)
                dealt += [line._replace(at=at) for line, at in zip(group, times, strict=True)]
            if turn == 0 or _neighbours(dealt) < _neighbours(best):
                best = dealt
        before = {line.id: line for line in lines}
        return Steps("reshuffle", [Edit(before[line.id], line) for line in best if line != before[line.id]])

    return work


def evergreen_values(
    community: str,
    content: Content,
    refs: Sequence[ChannelRef],
    cooldown: timedelta,
    max_uses: int | None,
    now: int,
) -> dict[str, Any]:
    """Give the row of an evergreen."""
    line = new_line(community, content, refs, state=EntryState.IDEA, author="", now=now)
    return {
        "community": community,
        "content": line.content,
        "channels": line.channels,
        "cooldown": cooldown // _US,
        "max_uses": max_uses,
        "ended": 0,
        "created_at": now,
    }


def _uses(conn: Connection, numbers: Sequence[int]) -> dict[int, list[int]]:
    """Give the times of all uses that count; of a use that was cancelled nothing remains."""
    found: dict[int, list[int]] = {number: [] for number in numbers}
    rows = conn.execute(
        select(
            calendar_entry.c.evergreen_id, func.coalesce(calendar_entry.c.at, calendar_entry.c.created_at)
        ).where(
            calendar_entry.c.evergreen_id.in_(numbers),
            calendar_entry.c.state.not_in((str(EntryState.CANCELLED), "removed")),
        )
    )
    for number, at in rows:
        found[number].append(at)
    return found


def list_evergreens(conn: Connection, community: str, *, ended: bool) -> list[Evergreen]:
    """List evergreens with their uses."""
    query = (
        select(calendar_evergreen)
        .where(calendar_evergreen.c.community == community)
        .order_by(calendar_evergreen.c.id)
    )
    rows = conn.execute(query if ended else query.where(calendar_evergreen.c.ended == 0)).all()
    uses = _uses(conn, [row.id for row in rows])
    return [
        Evergreen(
            id=row.id,
            content=content_of(row.content),
            channels=tuple(ChannelRef.parse(one) for one in json.loads(row.channels)),
            cooldown=row.cooldown * _US,
            max_uses=row.max_uses,
            uses=len(uses[row.id]),
            last_use=from_us(max(uses[row.id])) if uses[row.id] else None,
            ended=bool(row.ended),
        )
        for row in rows
    ]


def filling(community: str, until: datetime, actor: str) -> Work:
    """Give the step that puts evergreens into free slots."""

    def work(conn: Connection, now: int) -> Steps:
        known = list_evergreens(conn, community, ended=False)
        uses = _uses(conn, [one.id for one in known])
        edits: list[Edit] = []
        for channel in sorted({str(ref) for one in known for ref in one.channels}):
            cursor = from_us(now)
            while True:
                slot = _next_of_any(conn, community, channel, known, after=cursor)
                if slot is None or slot[0] > until:
                    break
                at, category = slot
                chosen = _pick(known, uses, channel, to_us(at), category)
                cursor = at
                if chosen is None:
                    continue
                uses[chosen.id].append(to_us(at))
                line = new_line(
                    community,
                    chosen.content,
                    [ChannelRef.parse(channel)],
                    state=EntryState.DRAFT,
                    author=actor,
                    now=now,
                )
                line = line._replace(at=to_us(at), queued=1, evergreen_id=chosen.id)
                edits.append(Edit(None, handed_in(conn, line)))
        return Steps("fill", edits)

    return work


def _next_of_any(
    conn: Connection, community: str, channel: str, known: Sequence[Evergreen], *, after: datetime
) -> tuple[datetime, str] | None:
    """Give the next free slot that takes one of the categories there are, and the slot's own category."""
    categories = sorted({one.content.category for one in known})
    found = [
        slot
        for category in categories
        if (slot := _slots.first_free(conn, community, channel, category=category, after=after)) is not None
    ]
    if not found:
        return None
    first = min(found, key=lambda slot: slot.at)
    own = conn.execute(select(calendar_slot.c.category).where(calendar_slot.c.id == first.slot)).scalar_one()
    return first.at, own


def _pick(
    known: Sequence[Evergreen], uses: dict[int, list[int]], channel: str, at: int, category: str
) -> Evergreen | None:
    """Give the evergreen that may go there and was not used for longest."""
    fit = [
        one
        for one in known
        if channel in {str(ref) for ref in one.channels}
        and category in {"", one.content.category}
        and (one.max_uses is None or len(uses[one.id]) < one.max_uses)
        and all(abs(use - at) >= one.cooldown // _US for use in uses[one.id])
    ]
    return min(fit, key=lambda one: (max(uses[one.id], default=0), one.id), default=None)


def list_slots(conn: Connection, community: str, channel: str | None) -> list[Slot]:
    """List slots."""
    query = (
        select(*(calendar_slot.c[name] for name in _slots.SlotRow._fields))
        .where(calendar_slot.c.community == community)
        .order_by(calendar_slot.c.channel, calendar_slot.c.weekday, calendar_slot.c.time, calendar_slot.c.id)
    )
    if channel is not None:
        query = query.where(calendar_slot.c.channel == channel)
    return [_slots.to_slot(_slots.SlotRow._make(row)) for row in conn.execute(query)]


def remove_slot(conn: Connection, slot: int) -> bool:
    """Take a slot away; gives whether there was one."""
    conn.execute(
        update(calendar_place).where(calendar_place.c.slot_id == slot).values(slot_id=None, week=None)
    )
    return bool(conn.execute(delete(calendar_slot).where(calendar_slot.c.id == slot)).rowcount)


def list_blackouts(conn: Connection, community: str, *, since: int) -> list[Blackout]:
    """List blackouts that end after an instant."""
    return [
        Blackout(
            id=one.id,
            start=from_us(one.starts_at),
            end=from_us(one.ends_at),
            reason=one.reason,
            channel=ChannelRef.parse(one.channel) if one.channel else None,
        )
        for one in _slots.blackouts(conn, community, since=since)
    ]
