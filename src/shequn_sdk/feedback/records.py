"""Feedback inside a transaction of the operational store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from shequn_sdk.domain import ChannelRef, MemberRef
from shequn_sdk.errors import UnknownName
from shequn_sdk.feedback.model import FeedbackDesk, FeedbackItem, FeedbackKind, FeedbackState, Source, Urgency
from shequn_sdk.members.identities import Seen, note_identities
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.feedback import feedback_desk, feedback_item
from shequn_sdk.stores.tables.members import identity

__all__ = ["OPEN", "Told", "add", "change", "desks", "find", "get", "put_desk"]

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


def desks(conn: Connection) -> dict[str, FeedbackDesk]:
    """Give the desk of each community that has one."""
    return {
        row.community: FeedbackDesk.model_validate_json(row.settings)
        for row in conn.execute(select(feedback_desk))
    }


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
        there = select(feedback_item.c.id).where(
            feedback_item.c.community == one.community, feedback_item.c.key == one.key
        )
        if conn.execute(there).one_or_none() is not None:
            continue
        number = note_identities(conn, [one.seen])[one.seen.ref] if one.seen is not None else None
        key = conn.execute(
            insert(feedback_item).values(
                community=one.community,
                key=one.key,
                identity_id=number,
                source=one.source.value,
                channel=one.channel,
                message=one.message,
                text=one.text[:KEPT],
                kind=one.kind.value,
                urgency=one.urgency.value,
                state=(FeedbackState.ASSIGNED if one.assignee else FeedbackState.NEW).value,
                assignee=one.assignee,
                outcome="",
                public=0,
                created_at=one.at,
                due_at=one.due,
            )
        ).inserted_primary_key
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
