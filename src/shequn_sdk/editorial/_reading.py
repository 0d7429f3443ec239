"""Questions to the calendar: lists, pages, the audit log, differences. Runs on a store thread."""

from __future__ import annotations

import difflib
import json
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, select

from shequn_sdk.domain import Content
from shequn_sdk.editorial._lines import COLUMNS, REMOVED, Line, card, content_of, find, load, said
from shequn_sdk.editorial.model import Card, Difference, EntryState, Step
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.editorial import (
    calendar_change,
    calendar_entry,
    calendar_place,
    calendar_step,
    calendar_version,
)

__all__ = ["by_key", "cards", "contents", "difference", "lines", "movable", "steps", "stretch"]

_MOST_DAYS = 400
_UNDATED = 200
_CARD = "e.id, e.state, e.title, e.channels, e.at, e.category, e.promotional, e.pictures, e.held, e.version"
_CARDS = Fast(
    f"select {_CARD} from calendar_entry e where e.community = :community "  # noqa: S608 - put together from constants
    "and e.at >= :start and e.at < :end and e.state <> 'removed' order by e.at, e.id"
)
_CARDS_OF = Fast(
    f"select {_CARD} from calendar_place p join calendar_entry e on e.id = p.entry_id "  # noqa: S608 - as above
    "where p.channel = :channel and p.at >= :start and p.at < :end and e.community = :community "
    "and e.state <> 'removed' order by p.at, e.id"
)
_UNDATED_CARDS = Fast(
    f"select {_CARD} from calendar_entry e where e.community = :community and e.at is null "  # noqa: S608 - as above
    "and e.state not in ('removed', 'cancelled') order by e.id desc limit :limit"
)


def stretch(start: date | None, end: date | None, *, today: date) -> tuple[date, date]:
    """Give the first and the last day to show."""
    first = start or today.replace(day=1)
    last = end or first.replace(day=monthrange(first.year, first.month)[1])
    if last < first or (last - first).days > _MOST_DAYS:
        raise InvalidInput(f"from {first} to {last} is no stretch of the calendar: at most {_MOST_DAYS} days")
    return first, last


def cards(
    conn: Connection, community: str, *, start: int, end: int, channel: str | None, states: Sequence[str]
) -> tuple[tuple[Card, ...], tuple[Card, ...]]:
    """Give what stands in a stretch, and what has no time yet."""
    wanted = frozenset(states) or frozenset(EntryState) - {EntryState.CANCELLED}
    span = {"community": community, "start": start, "end": end}
    rows = _CARDS.all(conn, span) if channel is None else _CARDS_OF.all(conn, span | {"channel": channel})
    undated = _UNDATED_CARDS.all(conn, {"community": community, "limit": _UNDATED})
    return (
        tuple(card(row) for row in rows if row[1] in wanted),
        tuple(
            card(row)
            for row in undated
            if row[1] in wanted and (channel is None or channel in json.loads(row[3]))
        ),
    )


def lines(
    conn: Connection,
    community: str,
    *,
    states: Sequence[str],
    start: int | None,
    end: int | None,
    channel: str | None,
    category: str | None,
    limit: int,
) -> list[Line]:
    """List whole lines."""
    query = (
        select(*COLUMNS)
        .where(calendar_entry.c.community == community, calendar_entry.c.state != REMOVED)
        .order_by(calendar_entry.c.at.is_(None), calendar_entry.c.at, calendar_entry.c.id)
        .limit(limit)
    )
    if states:
        query = query.where(calendar_entry.c.state.in_(states))
    if start is not None:
        query = query.where(calendar_entry.c.at >= start)
    if end is not None:
        query = query.where(calendar_entry.c.at < end)
    if category is not None:
        query = query.where(calendar_entry.c.category == category)
    if channel is not None:
        query = query.join(calendar_place, calendar_place.c.entry_id == calendar_entry.c.id).where(
            calendar_place.c.channel == channel
        )
    return [Line._make(row) for row in conn.execute(query)]


def movable(conn: Connection, community: str, *, start: int, end: int | None) -> list[Line]:
    """Give what has a time in a stretch and has not ended."""
    query = (
        select(*COLUMNS)
        .where(
            calendar_entry.c.community == community,
            calendar_entry.c.at >= start,
            calendar_entry.c.state.not_in(("landed", "cancelled", "failed", REMOVED)),
        )
        .order_by(calendar_entry.c.at, calendar_entry.c.id)
    )
    if end is not None:
        query = query.where(calendar_entry.c.at < end)
    return [Line._make(row) for row in conn.execute(query)]


def by_key(conn: Connection, community: str, key: str) -> Line | None:
    """Give the line with the caller's key."""
    row = conn.execute(
        select(*COLUMNS).where(calendar_entry.c.community == community, calendar_entry.c.key == key)
    ).first()
    return None if row is None else Line._make(row)


def contents(conn: Connection, numbers: Sequence[int]) -> Mapping[int, Content]:
    """Give the contents of entries."""
    return {number: content_of(line.content) for number, line in load(conn, numbers).items()}


def steps(conn: Connection, community: str, *, number: int | None, limit: int) -> list[Step]:
    """Give the audit log, latest first."""
    query = (
        select(calendar_step)
        .where(calendar_step.c.community == community)
        .order_by(calendar_step.c.id.desc())
        .limit(limit)
    )
    if number is not None:
        query = query.where(
            calendar_step.c.id.in_(
                select(calendar_change.c.step_id).where(calendar_change.c.entry_id == number)
            )
        )
    rows = conn.execute(query).all()
    touched: dict[int, list[int]] = {row.id: [] for row in rows}
    changes = conn.execute(
        select(calendar_change.c.step_id, calendar_change.c.entry_id)
        .where(calendar_change.c.step_id.in_(list(touched)))
        .order_by(calendar_change.c.entry_id)
    )
    for step, entry in changes:
        touched[step].append(entry)
    return [
        Step(
            id=row.id,
            at=from_us(row.at),
            actor=row.actor,
            action=row.action,
            note=row.note,
            entries=tuple(touched[row.id]),
            undoable=bool(row.undoable),
        )
        for row in rows
    ]


def _version(conn: Connection, number: int, version: int) -> tuple[Content, tuple[str, ...]]:
    row = conn.execute(
        select(calendar_version.c.content, calendar_version.c.channels).where(
            calendar_version.c.entry_id == number, calendar_version.c.version == version
        )
    ).first()
    if row is None:
        raise UnknownName(f"version of entry {number}", str(version))
    return content_of(row.content), tuple(json.loads(row.channels))


def difference(conn: Connection, number: int, *, old: int | None, new: int | None) -> Difference:
    """Compare two versions of an entry."""
    line = find(conn, number)
    after = line.version if new is None else new
    before = old
    if before is None:
        known = conn.execute(
            select(calendar_version.c.version)
            .where(calendar_version.c.entry_id == number, calendar_version.c.version < after)
            .order_by(calendar_version.c.version.desc())
            .limit(1)
        ).scalar()
        before = after if known is None else int(known)
    one, places = _version(conn, number, before)
    other, others = _version(conn, number, after)
    names = [
        name for name in Content.model_fields if name != "id" and getattr(one, name) != getattr(other, name)
    ]
    if places != others:
        names.append("channels")
    text = difflib.unified_diff(
        _written(one, places), _written(other, others), f"version {before}", f"version {after}", lineterm=""
    )
    return Difference(entry=number, old=before, new=after, fields=tuple(names), text="\n".join(text))


def _written(content: Content, channels: Sequence[str]) -> list[str]:
    """Give a content as lines: what is said first, the rest as `name: value`."""
    rest = content.model_dump(mode="json", exclude_defaults=True, exclude={"id", "text", "title"})
    return [
        *said(content).splitlines(),
        f"channels: {', '.join(channels)}",
        *(f"{name}: {json.dumps(value, ensure_ascii=False, sort_keys=True)}" for name, value in rest.items()),
    ]
