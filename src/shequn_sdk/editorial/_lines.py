"""A row of the calendar as Python sees it, and how it is read, written and shown. Runs on a store thread."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, insert, select, update

from shequn_sdk.domain import ChannelRef, Content
from shequn_sdk.editorial import _slots
from shequn_sdk.editorial.model import Card, Entry, EntryState
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.publishing.similar import fingerprint, signed
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.editorial import calendar_entry, calendar_place, calendar_version

__all__ = [
    "COLUMNS",
    "REMOVED",
    "Line",
    "card",
    "content_of",
    "entry",
    "find",
    "load",
    "new_line",
    "said",
    "store_line",
    "store_lines",
    "with_content",
]

REMOVED = "removed"
_TITLE = 60
_NO_PLACE = frozenset({str(EntryState.CANCELLED), REMOVED})


class Line(NamedTuple):
    """One row of `calendar_entry`; instants are microseconds. Field names are column names."""

    id: int
    community: str
    key: str | None
    state: str
    at: int | None
    channels: str
    content: str
    title: str
    category: str
    promotional: int
    pictures: int
    fingerprint: int
    version: int
    revision: int
    held: int
    approved: int
    batch: str
    batches: int
    handing: int
    queued: int
    evergreen_id: int | None
    author: str
    note: str
    landed_at: int | None
    created_at: int
    updated_at: int

    @property
    def refs(self) -> tuple[str, ...]:
        """The channels as text."""
        return channels_of(self.channels)


COLUMNS: list[Any] = [calendar_entry.c[name] for name in Line._fields]


@lru_cache(maxsize=4096)
def channels_of(text: str) -> tuple[str, ...]:
    """Read the column `channels`."""
    return tuple(json.loads(text))


def content_of(text: str) -> Content:
    """Read the column `content`."""
    return Content.model_validate_json(text)


def said(content: Content) -> str:
    """Give all that a content says, for comparing."""
    parts = [content.title, content.text]
    if content.article is not None:
        parts += [content.article.title, content.article.body]
    if content.poll is not None:
        parts += [content.poll.question, *content.poll.choices]
    if content.link is not None:
        parts += [content.link.title]
    return "\n".join(part for part in parts if part)


def _title(content: Content) -> str:
    text = (
        content.title
        or said(content)
        or " ".join(media.filename or str(media.kind) for media in content.media)
    )
    text = " ".join(text.split())
    return text if len(text) <= _TITLE else text[: _TITLE - 1] + "…"


def with_content(line: Line, content: Content) -> Line:
    """Give the line with another content, and what is kept of it for lists."""
    try:
        document = content.model_dump_json(exclude_defaults=True)
    except ValueError as error:  # bytes that are no UTF-8 cannot be kept as JSON
        raise InvalidInput(f"this content cannot be kept: {error}; give files by path or url") from None
    return line._replace(
        content=document,
        title=_title(content),
        category=content.category,
        promotional=int(content.promotional),
        pictures=len(content.media),
        fingerprint=signed(fingerprint(said(content))),
    )


def new_line(
    community: str,
    content: Content,
    channels: Iterable[ChannelRef],
    *,
    state: EntryState,
    author: str,
    now: int,
) -> Line:
    """Give a line that is not written yet."""
    blank = Line(
        id=0,
        community=community,
        key=None,
        state=str(state),
        at=None,
        channels=json.dumps([str(ref) for ref in channels], ensure_ascii=False),
        content="",
        title="",
        category="",
        promotional=0,
        pictures=0,
        fingerprint=0,
        version=1,
        revision=1,
        held=0,
        approved=0,
        batch="",
        batches=0,
        handing=0,
        queued=0,
        evergreen_id=None,
        author=author,
        note="",
        landed_at=None,
        created_at=now,
        updated_at=now,
    )
    return with_content(blank, content)


def entry(line: Line) -> Entry:
    """Give the public form."""
    try:
        content = content_of(line.content)
    except ValidationError as error:
        raise InvalidInput(f"entry {line.id} holds no readable content: {error}") from None
    return Entry(
        id=line.id,
        community=line.community,
        state=EntryState(line.state),
        content=content,
        channels=tuple(ChannelRef.parse(one) for one in line.refs),
        at=None if line.at is None else from_us(line.at),
        version=line.version,
        held=bool(line.held),
        queued=bool(line.queued),
        evergreen=line.evergreen_id,
        author=line.author,
        key=line.key,
        note=line.note,
        idempotency_key=line.batch,
        landed_at=None if line.landed_at is None else from_us(line.landed_at),
        created_at=from_us(line.created_at),
        updated_at=from_us(line.updated_at),
    )


_STATES = {str(state): state for state in EntryState}


_CARD_FIELDS = frozenset(Card.model_fields)


def card(row: Sequence[Any]) -> Card:
    """Give the form for pages.

    The row comes from our own table, so nothing is validated again; what `model_construct` does besides setting these
    four costs three quarters of a month's page.
    """
    number, state, title, channels, at, category, promotional, pictures, held, version = row
    made = Card.__new__(Card)
    object.__setattr__(
        made,
        "__dict__",
        {
            "id": number,
            "state": _STATES[state],
            "title": title,
            "channels": channels_of(channels),
            "at": None if at is None else from_us(at),
            "category": category,
            "promotional": bool(promotional),
            "pictures": pictures,
            "held": bool(held),
            "version": version,
        },
    )
    object.__setattr__(made, "__pydantic_fields_set__", set(_CARD_FIELDS))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


def load(conn: Connection, numbers: Sequence[int]) -> dict[int, Line]:
    """Give lines by their numbers; what is not there is left out."""
    found: dict[int, Line] = {}
    for start in range(0, len(numbers), 400):
        rows = conn.execute(
            select(*COLUMNS).where(
                calendar_entry.c.id.in_(numbers[start : start + 400]), calendar_entry.c.state != REMOVED
            )
        )
        found |= {row[0]: Line._make(row) for row in rows}
    return found


def find(conn: Connection, number: int) -> Line:
    """Give one line.

    Raises:
        UnknownName: there is none of that number.
    """
    found = load(conn, [number]).get(number)
    if found is None:
        raise UnknownName("entry", str(number))
    return found


def last_version(conn: Connection, number: int) -> int:
    """Give the highest version that an entry ever had."""
    return conn.execute(
        select(func.max(calendar_version.c.version)).where(calendar_version.c.entry_id == number)
    ).scalar_one()


def store_lines(conn: Connection, lines: Sequence[Line]) -> list[Line]:
    """Write new lines with their places and first versions; the database gives the numbers."""
    if not lines:
        return []
    rows = conn.execute(
        insert(calendar_entry).returning(calendar_entry.c.id, sort_by_parameter_order=True),
        [{name: value for name, value in line._asdict().items() if name != "id"} for line in lines],
    )
    written = [line._replace(id=number) for line, (number,) in zip(lines, rows, strict=True)]
    _versions(conn, written)
    _places(conn, written)
    return written


def store_line(conn: Connection, before: Line, after: Line, *, versioned: bool) -> None:
    """Write a changed line, its places, and its version when that is new.

    Raises:
        InvalidInput: somebody else changed it in this moment.
    """
    values = {name: value for name, value in after._asdict().items() if name != "id"}
    done = conn.execute(
        update(calendar_entry)
        .where(calendar_entry.c.id == before.id, calendar_entry.c.revision == before.revision)
        .values(values)
    )
    if done.rowcount != 1:
        raise InvalidInput(f"entry {before.id} changed in this moment; look again and repeat")
    if versioned:
        _versions(conn, [after])


def replace_places(conn: Connection, lines: Sequence[Line]) -> None:
    """Write anew where and when entries stand; all old ones go first, so that entries can change places."""
    numbers = [line.id for line in lines]
    for start in range(0, len(numbers), 400):
        conn.execute(
            delete(calendar_place).where(calendar_place.c.entry_id.in_(numbers[start : start + 400]))
        )
    _places(conn, lines)


def _versions(conn: Connection, lines: Sequence[Line]) -> None:
    conn.execute(
        insert(calendar_version),
        [
            {
                "entry_id": line.id,
                "version": line.version,
                "content": line.content,
                "channels": line.channels,
                "author": line.author,
                "at": line.updated_at,
            }
            for line in lines
        ],
    )


def _places(conn: Connection, lines: Sequence[Line]) -> None:
    finder = _slots.Finder(conn)
    rows: list[dict[str, Any]] = []
    for line in lines:
        if line.state in _NO_PLACE:
            continue
        for channel in line.refs:
            fills = None if line.at is None else finder.claim(channel, line.at)
            rows.append(
                {
                    "entry_id": line.id,
                    "channel": channel,
                    "at": line.at,
                    "promotional": line.promotional,
                    "slot_id": fills[0] if fills else None,
                    "week": fills[1] if fills else None,
                }
            )
    if rows:
        conn.execute(insert(calendar_place), rows)
