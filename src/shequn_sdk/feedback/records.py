"""Feedback inside a transaction of the operational store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from shequn_sdk.domain import ChannelRef, MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.feedback.model import FeedbackDesk, FeedbackItem, FeedbackKind, FeedbackState, Source, Urgency
from shequn_sdk.members.identities import Seen, note_identities
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.feedback import feedback_desk, feedback_item
from shequn_sdk.stores.tables.members import identity

__all__ = ["OPEN", "Told", "add", "amend", "change", "desks", "find", "get", "late", "put_desk", "texts"]

OPEN = (FeedbackState.NEW.value, FeedbackState.ASSIGNED.value, FeedbackState.ANSWERED.value)
KEPT = 1000
"""Characters of a text that are kept."""


@dataclass(frozen=True, slots=True)
class Told:
    """Feedback as it came."""

    community: str
    key: str
    seen: Seen | None
    source: Source
    channel: str
    message: str
    text: str
    kind: FeedbackKind
    urgency: Urgency
    assignee: str
    at: int
    due: int


_DESKS = Fast("select community, settings from feedback_desk")
_THERE = Fast("select id from feedback_item where community = :community and key = :key")
_ADD = Fast(
    "insert into feedback_item (community, key, identity_id, source, channel, message, text, kind, urgency, state, "
    "assignee, outcome, public, created_at, due_at) values (:community, :key, :identity, :source, :channel, :message, "
    ":text, :kind, :urgency, :state, :assignee, '', 0, :at, :due) returning id"
)
_LATE = Fast(
    "select id from feedback_item where community = :community and state in :open and answered_at is null "
    "and alarmed_at is null and due_at < :now limit 1"
)


def desks(conn: Connection) -> dict[str, FeedbackDesk]:
    """Give the desk of each community that has one."""
    return {community: FeedbackDesk.model_validate_json(settings) for community, settings in _DESKS.all(conn)}


def put_desk(conn: Connection, community: str, desk: FeedbackDesk, *, now: int) -> None:
    """Set a community's desk."""
    values = {"settings": desk.model_dump_json(), "updated_at": now}
    done = conn.execute(update(feedback_desk).where(feedback_desk.c.community == community).values(values))
    if done.rowcount == 0:
        conn.execute(insert(feedback_desk).values(community=community, **values))


def add(conn: Connection, told: Iterable[Told]) -> list[int]:
    """Take what is new; gives the numbers of it."""
    made: list[int] = []
    for one in told:
        if _THERE.one(conn, {"community": one.community, "key": one.key}) is not None:
            continue
        number = note_identities(conn, [one.seen])[one.seen.ref] if one.seen is not None else None
        key = _ADD.one(
            conn,
            {
                "community": one.community,
                "key": one.key,
                "identity": number,
                "source": one.source.value,
                "channel": one.channel,
                "message": one.message,
                "text": one.text[:KEPT],
                "kind": one.kind.value,
                "urgency": one.urgency.value,
                "state": (FeedbackState.ASSIGNED if one.assignee else FeedbackState.NEW).value,
                "assignee": one.assignee,
                "at": one.at,
                "due": one.due,
            },
        )
        assert key is not None
        made.append(key[0])
    return made


def _items() -> Any:
    return select(feedback_item, identity.c.platform, identity.c.native_id).outerjoin(
        identity, identity.c.id == feedback_item.c.identity_id
    )


def find(conn: Connection, *conditions: Any, limit: int | None = None) -> Sequence[FeedbackItem]:
    """Give items, the one that is due first in front."""
    query = _items().where(*conditions).order_by(feedback_item.c.due_at, feedback_item.c.id)
    return [_item(row) for row in conn.execute(query if limit is None else query.limit(limit))]


def late(conn: Connection, community: str, *, now: int) -> Sequence[FeedbackItem]:
    """Give what was to be answered before `now`, and was neither answered nor told of."""
    if _LATE.one(conn, {"community": community, "open": list(OPEN), "now": now}) is None:
        return []
    return find(
        conn,
        feedback_item.c.community == community,
        feedback_item.c.state.in_(OPEN),
        feedback_item.c.answered_at.is_(None),
        feedback_item.c.alarmed_at.is_(None),
        feedback_item.c.due_at < now,
    )


def texts(
    conn: Connection, community: str, *, since: int, kind: FeedbackKind | None
) -> list[tuple[str, datetime]]:
    """Give what was said since an instant, of one kind or of all, with when."""
    query = select(feedback_item.c.text, feedback_item.c.created_at).where(
        feedback_item.c.community == community,
        feedback_item.c.created_at >= since,
        feedback_item.c.text != "",
    )
    if kind is not None:
        query = query.where(feedback_item.c.kind == kind.value)
    return [(row.text, from_us(row.created_at)) for row in conn.execute(query)]


def get(conn: Connection, number: int) -> FeedbackItem:
    """Give one item.

    Raises:
        UnknownName: there is none of that number.
    """
    row = conn.execute(_items().where(feedback_item.c.id == number)).one_or_none()
    if row is None:
        raise UnknownName("feedback", str(number))
    return _item(row)


def change(conn: Connection, number: int, **values: Any) -> FeedbackItem:
    """Change an item and give it."""
    conn.execute(update(feedback_item).where(feedback_item.c.id == number).values(**values))
    return get(conn, number)


def amend(conn: Connection, number: int, values: dict[str, Any], *, assigned: bool = False) -> FeedbackItem:
    """Change an item that is not settled; settling it again in the same way changes nothing.

    Args:
        conn: transaction.
        number: of the item.
        values: columns.
        assigned: whether somebody has it now.

    Raises:
        UnknownName: there is none of that number.
        InvalidInput: it is settled otherwise.
    """
    found = get(conn, number)
    if found.settled_at is not None:
        if all(getattr(found, name, value) == value for name, value in values.items() if name == "state"):
            return found
        raise InvalidInput(f"feedback {number} is settled already: {found.outcome}")
    if assigned and found.state is FeedbackState.NEW:
        values = values | {"state": FeedbackState.ASSIGNED.value}
    return change(conn, number, **values) if values else found


def _item(row: Row[Any]) -> FeedbackItem:
    return FeedbackItem(
        id=row.id,
        community=row.community,
        source=Source(row.source),
        kind=FeedbackKind(row.kind),
        urgency=Urgency(row.urgency),
        state=FeedbackState(row.state),
        text=row.text,
        member=MemberRef(platform=row.platform, native_id=row.native_id) if row.native_id else None,
        channel=ChannelRef.parse(row.channel) if row.channel else None,
        message=row.message,
        assignee=row.assignee,
        outcome=row.outcome,
        public=bool(row.public),
        created_at=from_us(row.created_at),
        due_at=from_us(row.due_at),
        answered_at=None if row.answered_at is None else from_us(row.answered_at),
        settled_at=None if row.settled_at is None else from_us(row.settled_at),
    )
