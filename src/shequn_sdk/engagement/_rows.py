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
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.engagement import act, activity, place

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


_NAMES = ("id", "community", "kind", "title", "state", "spec", "result", "secret", "opens_at", "closes_at")
_COLUMNS = [activity.c[name] for name in _NAMES]
_LIVE = Fast(
    f"select {', '.join(_NAMES)} from engagement_activity where state = 'open' order by created_at"  # noqa: S608 - constant
)
_ONE = Fast(f"select {', '.join(_NAMES)} from engagement_activity where id = :id")  # noqa: S608 - constant
_SPOTS = Fast(
    "select activity_id, purpose, account, channel, batch, native, message, refers from engagement_place "
    "where activity_id in :keys order by account, channel"
)


def _rows(conn: Connection, found: Sequence[Any]) -> list[Row]:
    if not found:
        return []
    spots: dict[str, list[Spot]] = {}
    for number, purpose, account, channel, batch, native, message, refers in _SPOTS.all(
        conn, {"keys": [row[0] for row in found]}
    ):
        spots.setdefault(number, []).append(
            Spot(purpose, account, channel, batch, bool(native), message, refers)
        )
    return [Row(*row, spots=tuple(spots.get(row[0], ()))) for row in found]


def live(conn: Connection) -> list[Row]:
    """Give all open activities."""
    return _rows(conn, _LIVE.all(conn))


def find(conn: Connection, number: str, *, lock: bool = False) -> Row | None:
    """Give one activity; `lock` keeps others from settling it meanwhile."""
    if lock and conn.dialect.name != "sqlite":
        query = select(*_COLUMNS).where(activity.c.id == number)
        rows = _rows(conn, conn.execute(query.with_for_update()).all())
    else:
        rows = _rows(conn, _ONE.all(conn, {"id": number}))
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
    query = query.order_by(activity.c.created_at.desc(), activity.c.id).limit(limit)
    return _rows(conn, conn.execute(query).all())


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


_ADD = Fast(
    "insert into engagement_act (activity_id, identity_id, event, at, act, value, account, channel, message) "
    "values (:activity, :identity, :event, :at, :act, :value, :account, :channel, :message) on conflict do nothing"
)


def add_acts(conn: Connection, number: str, acts: Iterable[NewAct]) -> int:
    """Note what members did; what is noted already is not noted again. Gives how many were new."""
    new = list(acts)
    if not new:
        return 0
    numbers = identities_of(conn, [one.seen for one in new])
    return sum(
        _ADD.run(
            conn,
            {
                "activity": number,
                "identity": numbers[one.seen.ref],
                "event": one.event[:400],
                "at": one.at,
                "act": one.act,
                "value": one.value,
                "account": one.account,
                "channel": one.channel,
                "message": one.message,
            },
        )
        for one in new
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


_ACTS_WHERE = (
    "select a.id, a.identity_id, i.person_id, i.platform, i.native_id, i.display_name, a.event, a.at, a.act, a.value, "
    "a.account, a.channel, a.message from engagement_act a join identity i on i.id = a.identity_id where "
)


def _acts(*conditions: str) -> Fast:
    return Fast(f"{_ACTS_WHERE}{' and '.join(('a.activity_id = :number', *conditions))} order by a.at, a.id")


_OF_KINDS, _OF_PERSON = "a.act in :kinds", "i.person_id = :person"
_ACTS = {
    (False, False): _acts(),
    (True, False): _acts(_OF_KINDS),
    (False, True): _acts(_OF_PERSON),
    (True, True): _acts(_OF_KINDS, _OF_PERSON),
}
"""By whether kinds, and whether a person, are asked for."""


def acts_of(
    conn: Connection, number: str, kinds: Iterable[str] = (), *, person: int | None = None
) -> list[Act]:
    """Give what was done with an activity, in the order of the platforms' times."""
    wanted = list(kinds)
    asked: dict[str, Any] = {"number": number}
    if wanted:
        asked["kinds"] = wanted
    if person is not None:
        asked["person"] = person
    return [
        Act(key, who, owner, f"{platform}:{native}", *rest)
        for key, who, owner, platform, native, *rest in _ACTS[bool(wanted), person is not None].all(
            conn, asked
        )
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
