"""Activities and what members did with them, inside a transaction of the operational store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from shequn_sdk.domain import ChannelRef, MemberRef
from shequn_sdk.engagement.models import Activity, ActivityState, Place
from shequn_sdk.errors import UnknownName
from shequn_sdk.members.identities import Seen, find_identities, note_identities
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.engagement import act, activity, place
from shequn_sdk.stores.tables.members import identity

__all__ = [
    "Act",
    "NewAct",
    "Row",
    "Spot",
    "acts_of",
    "add_activity",
    "add_acts",
    "add_spot",
    "drop_values",
    "find",
    "find_many",
    "get",
    "identities_of",
    "insert_new",
    "live",
    "move_channel",
    "note_landed",
    "settle",
    "to_activity",
]


_NEWCOMERS = 7305811
"""Key of the lock under which unknown members are noted."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place as it is kept."""

    purpose: str
    account: str
    channel: str
    batch: str
    native: bool
    message: str
    refers: str


@dataclass(frozen=True, slots=True)
class Row:
    """An activity as it is kept; instants in microseconds."""

    id: str
    community: str
    kind: str
    title: str
    state: str
    spec: str
    result: str
    secret: str
    opens_at: int
    closes_at: int | None
    spots: tuple[Spot, ...] = ()

    def __repr__(self) -> str:
        return f"Row({self.kind} {self.id})"

    def is_over(self, at: int) -> bool:
        """Whether what happened at `at` is too late."""
        return self.closes_at is not None and at >= self.closes_at

    @property
    def channels(self) -> tuple[ChannelRef, ...]:
        """The channels in which it is posted, each once."""
        found = {(one.account, one.channel): None for one in self.spots}
        return tuple(ChannelRef(account=account, native_id=channel) for account, channel in found)


@dataclass(frozen=True, slots=True)
class NewAct:
    """Something that a member did, to be noted."""

    seen: Seen
    event: str
    at: int
    act: str
    value: str = ""
    account: str = ""
    channel: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a member did, with the person whom the identity belongs to now."""

    id: int
    identity: int
    person: int
    member: str
    name: str
    event: str
    at: int
    act: str
    value: str
    account: str
    channel: str
    message: str

    @property
    def platform(self) -> str:
        """The platform on which it was done."""
        return self.member.partition(":")[0]


def insert_new(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows, leaving out those whose unique key is there already; gives how many were new."""
    if not rows:
        return 0
    kind = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    done = 0
    for row in rows:
        done += conn.execute(kind(table).values(row).on_conflict_do_nothing()).rowcount
    return done


_COLUMNS = [
    activity.c[name]
    for name in (
        "id",
        "community",
        "kind",
        "title",
        "state",
        "spec",
        "result",
        "secret",
        "opens_at",
        "closes_at",
    )
]


def _rows(conn: Connection, query: Any) -> list[Row]:
    found = conn.execute(query).all()
    spots: dict[str, list[Spot]] = {}
    keys = [row.id for row in found]
    for start in range(0, len(keys), 400):
        chosen = place.c.activity_id.in_(keys[start : start + 400])
        for one in conn.execute(select(place).where(chosen).order_by(place.c.account, place.c.channel)):
            spots.setdefault(one.activity_id, []).append(
                Spot(
                    one.purpose,
                    one.account,
                    one.channel,
                    one.batch,
                    bool(one.native),
                    one.message,
                    one.refers,
                )
            )
    return [Row(*row, spots=tuple(spots.get(row.id, ()))) for row in found]


def live(conn: Connection) -> list[Row]:
    """Give all open activities."""
    return _rows(conn, select(*_COLUMNS).where(activity.c.state == "open").order_by(activity.c.created_at))


def find(conn: Connection, number: str, *, lock: bool = False) -> Row | None:
    """Give one activity; `lock` keeps others from settling it meanwhile."""
    query = select(*_COLUMNS).where(activity.c.id == number)
    rows = _rows(conn, query.with_for_update() if lock else query)
    return rows[0] if rows else None


def get(conn: Connection, number: str, kind: str, *, lock: bool = False) -> Row:
    """Give one activity of a kind.

    Raises:
        UnknownName: there is none.
    """
    row = find(conn, number, lock=lock)
    if row is None or row.kind != kind:
        raise UnknownName(kind.replace("_", "-"), number)
    return row


def find_many(
    conn: Connection, kind: str, *, community: str | None, state: str | None, limit: int
) -> list[Row]:
    """Give activities of a kind, newest first."""
    query = select(*_COLUMNS).where(activity.c.kind == kind)
    if community is not None:
        query = query.where(activity.c.community == community)
    if state is not None:
        query = query.where(activity.c.state == state)
    return _rows(conn, query.order_by(activity.c.created_at.desc(), activity.c.id).limit(limit))


def add_activity(conn: Connection, row: Row, *, now: int) -> bool:
    """Add an activity with its places; False when one of its id is there already."""
    new = insert_new(
        conn,
        activity,
        [
            {
                "id": row.id,
                "community": row.community,
                "kind": row.kind,
                "title": row.title,
                "state": row.state,
                "spec": row.spec,
                "result": row.result,
                "secret": row.secret,
                "opens_at": row.opens_at,
                "closes_at": row.closes_at,
                "created_at": now,
                "updated_at": now,
            }
        ],
    )
    if new:
        for one in row.spots:
            add_spot(conn, row.id, one)
    return bool(new)


def add_spot(conn: Connection, number: str, spot: Spot) -> None:
    """Note a place."""
    conn.execute(
        insert(place).values(
            activity_id=number,
            purpose=spot.purpose,
            account=spot.account,
            channel=spot.channel,
            batch=spot.batch,
            native=int(spot.native),
            message=spot.message,
            refers=spot.refers,
        )
    )


def note_landed(conn: Connection, number: str, spot: Spot, *, message: str, refers: str) -> None:
    """Note where a post stands."""
    conn.execute(
        update(place)
        .where(
            place.c.activity_id == number,
            place.c.purpose == spot.purpose,
            place.c.account == spot.account,
            place.c.channel == spot.channel,
        )
        .values(message=message, refers=refers)
    )


def move_channel(conn: Connection, account: str, old: str, new: str) -> None:
    """Follow a channel that got another id."""
    conn.execute(update(place).where(place.c.account == account, place.c.channel == old).values(channel=new))


def settle(conn: Connection, row: Row, *, state: str, result: str, now: int) -> None:
    """Give an activity its state and result."""
    conn.execute(
        update(activity).where(activity.c.id == row.id).values(state=state, result=result, updated_at=now)
    )


def add_acts(conn: Connection, number: str, acts: Iterable[NewAct]) -> int:
    """Note what members did; what is noted already is not noted again. Gives how many were new."""
    new = list(acts)
    if not new:
        return 0
    numbers = identities_of(conn, [one.seen for one in new])
    return insert_new(
        conn,
        act,
        [
            {
                "activity_id": number,
                "identity_id": numbers[one.seen.ref],
                "event": one.event[:400],
                "at": one.at,
                "act": one.act,
                "value": one.value,
                "account": one.account,
                "channel": one.channel,
                "message": one.message,
            }
            for one in new
        ],
    )


def identities_of(conn: Connection, seen: Sequence[Seen]) -> Mapping[MemberRef, int]:
    """Give the identities' numbers; events that tell no name, such as a vote, leave the names that are known."""
    unnamed = [one.ref for one in seen if not (one.display_name or one.username)]
    known = find_identities(conn, unnamed) if unnamed else {}
    rest = [one for one in seen if one.ref not in known]
    if rest and conn.dialect.name == "postgresql":
        # two processes that hear of one newcomer at once: the second waits, and finds them
        conn.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _NEWCOMERS})
    return {**known, **note_identities(conn, rest)}


def drop_values(conn: Connection, number: str, kind: str) -> None:
    """Forget what acts of a kind said; that they were done stays."""
    conn.execute(update(act).where(act.c.activity_id == number, act.c.act == kind).values(value=""))


def acts_of(
    conn: Connection, number: str, kinds: Iterable[str] = (), *, person: int | None = None
) -> list[Act]:
    """Give what was done with an activity, in the order of the platforms' times."""
    query = (
        select(
            act.c.id,
            act.c.identity_id,
            identity.c.person_id,
            identity.c.platform,
            identity.c.native_id,
            identity.c.display_name,
            act.c.event,
            act.c.at,
            act.c.act,
            act.c.value,
            act.c.account,
            act.c.channel,
            act.c.message,
        )
        .join(identity, identity.c.id == act.c.identity_id)
        .where(act.c.activity_id == number)
        .order_by(act.c.at, act.c.id)
    )
    wanted = tuple(kinds)
    if wanted:
        query = query.where(act.c.act.in_(wanted))
    if person is not None:
        query = query.where(identity.c.person_id == person)
    return [
        Act(
            id=row.id,
            identity=row.identity_id,
            person=row.person_id,
            member=f"{row.platform}:{row.native_id}",
            name=row.display_name,
            event=row.event,
            at=row.at,
            act=row.act,
            value=row.value,
            account=row.account,
            channel=row.channel,
            message=row.message,
        )
        for row in conn.execute(query)
    ]


def to_activity(row: Row, *, notes: Sequence[str] = ()) -> Activity:
    """Give the public form."""
    return Activity(
        id=row.id,
        community=row.community,
        kind=row.kind,
        title=row.title,
        state=ActivityState(row.state),
        opens_at=from_us(row.opens_at),
        closes_at=None if row.closes_at is None else from_us(row.closes_at),
        places=tuple(
            Place(
                channel=ChannelRef(account=one.account, native_id=one.channel),
                native=one.native,
                message=one.message,
            )
            for one in row.spots
            if one.purpose == "post"
        ),
        notes=tuple(notes),
    )
