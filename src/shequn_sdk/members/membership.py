"""Who is where since when: what is heard becomes rows of `membership` and `presence`, a step at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from shequn_sdk.domain import InteractionKind, MemberRef, Role
from shequn_sdk.listening.events import Heard
from shequn_sdk.members.identities import Seen, note_identities, seen_in
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.members import membership
from shequn_sdk.stores.tables.profiles import member_counter, presence

__all__ = ["Act", "Standing", "after", "bump", "note_acts", "note_heard", "touch"]

_K = InteractionKind
JOINS = frozenset({_K.JOIN, _K.FOLLOW})
LEAVES = frozenset({_K.LEAVE, _K.UNFOLLOW})
PASSIVE = frozenset(
    {
        _K.JOIN,
        _K.LEAVE,
        _K.RETRACT,
        _K.CHANNEL_MOVED,
        _K.ROLE_CHANGED,
        _K.MODERATION,
        _K.JOIN_REQUEST,
        _K.OTHER,
    }
)
"""Kinds that do not make a member active, as in the metrics."""
_AWAY = timedelta(days=1) // timedelta(microseconds=1)
"""A silence that is shorter is not remembered; the least that a threshold can be."""
_CHUNK = 400
_ROLES = frozenset(Role)


class Act(NamedTuple):
    """What one event means for a membership."""

    community: str
    ref: MemberRef
    at: int
    joins: bool = False
    leaves: bool = False
    active: bool = False
    account: str = ""
    channel: str = ""
    entrance: str = ""
    role: str = ""
    source: Literal["join", "act", "directory"] = "act"


@dataclass(frozen=True, slots=True)
class Standing:
    """A membership as it stands; instants are microseconds since 1970."""

    first_at: int
    joined_at: int | None = None
    left_at: int | None = None
    joins: int = 0
    entrance: str = ""
    role: str = Role.MEMBER.value
    last_active: int | None = None
    away_since: int | None = None
    returned_at: int | None = None


def after(standing: Standing | None, act: Act, *, elsewhere: bool = False) -> Standing:
    """Give a membership after an act. Pure; the same act again changes nothing.

    Joining while being in changes nothing, so that a hundred joins are one; joining after having left counts again.

    Args:
        standing: None for somebody who was never heard of.
        act: may come late, after acts that happened after it.
        elsewhere: they joined another channel of the community too, so that leaving this one is not leaving.
    """
    old = standing or Standing(first_at=act.at)
    new: dict[str, Any] = {"first_at": min(old.first_at, act.at)}
    if act.role in _ROLES:
        new["role"] = act.role
    if act.joins:
        new |= _joined(old, act)
    elif act.leaves and not elsewhere and act.at > (old.left_at or 0) and act.at >= (old.joined_at or 0):
        new["left_at"] = act.at
    if act.active:
        known = old.last_active
        base = known if known is not None else old.first_at
        if known is None or act.at > known:
            new["last_active"] = act.at
            if act.at - base >= _AWAY:
                new |= {"away_since": base, "returned_at": act.at}
    return replace(old, **new)


def _joined(old: Standing, act: Act) -> dict[str, Any]:
    if old.left_at is not None:
        if act.at <= old.left_at:
            return {}  # late news of a joining that has ended since
        return {
            "joined_at": act.at,
            "left_at": None,
            "joins": old.joins + 1,
            "entrance": act.entrance,
            "away_since": old.left_at,
            "returned_at": act.at,
        }
    if old.joined_at is None:
        return {"joined_at": act.at, "joins": old.joins + 1, "entrance": act.entrance or old.entrance}
    return {"entrance": act.entrance} if act.entrance and not old.entrance else {}


def act_of(heard: Heard) -> Act | None:
    """Give what an event means; None when it belongs to no community or member."""
    one = heard.interaction
    if heard.community is None or not one.member:
        return None
    role = one.attrs.get("role")
    return Act(
        community=heard.community,
        ref=MemberRef(platform=one.platform, native_id=one.member),
        at=to_us(one.occurred_at),
        joins=one.kind in JOINS,
        leaves=one.kind in LEAVES,
        active=one.kind not in PASSIVE,
        account=heard.account,
        channel=""
        if heard.account.startswith("_")
        else one.channel,  # our own events are heard in no channel
        entrance=one.entrance[:256],
        role=role if isinstance(role, str) and one.kind is _K.ROLE_CHANGED else "",
        source="join" if one.kind in JOINS else "act",
    )


def bump(conn: Connection, name: str) -> int:
    """Give the next number of a counter; writers that take one wait for each other until they commit."""
    following = (
        update(member_counter)
        .where(member_counter.c.name == name)
        .values(value=member_counter.c.value + 1)
        .returning(member_counter.c.value)
    )
    found = conn.execute(following).scalar()
    if found is None:  # the first time; another process may be as far
        make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
        conn.execute(make(member_counter).values(name=name, value=0).on_conflict_do_nothing())
        found = conn.execute(following).scalar_one()
    return int(found)


def touch(conn: Connection, identities: Iterable[int]) -> None:
    """Mark the memberships of these identities as changed: tags, fields or the person behind them are others."""
    wanted = list(dict.fromkeys(identities))
    if wanted:
        number = bump(conn, "change")
        bump(conn, "facts")
        for start in range(0, len(wanted), _CHUNK):
            conn.execute(
                update(membership)
                .where(membership.c.identity_id.in_(wanted[start : start + _CHUNK]))
                .values(change=number)
            )


_COLUMNS = (
    membership.c.joined_at,
    membership.c.left_at,
    membership.c.joins,
    membership.c.entrance,
    membership.c.role,
    membership.c.first_at,
    membership.c.last_active,
    membership.c.away_since,
    membership.c.returned_at,
)


_UPDATE = (
    update(membership)
    .where(
        membership.c.community == bindparam("new_community"),
        membership.c.identity_id == bindparam("new_identity_id"),
    )
    .values({name: bindparam(f"new_{name}") for name in (*Standing.__slots__, "change")})
)


@dataclass(slots=True)
class _Book:
    """Rows that the acts of one step concern."""

    standings: dict[tuple[str, int], Standing] = field(default_factory=dict[tuple[str, int], Standing])
    known: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    before: dict[tuple[str, int], Standing] = field(default_factory=dict[tuple[str, int], Standing])


def _load(conn: Connection, keys: Sequence[tuple[str, int]]) -> _Book:
    book = _Book()
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        for row in conn.execute(
            select(membership.c.community, membership.c.identity_id, *_COLUMNS).where(
                tuple_(membership.c.community, membership.c.identity_id).in_(chunk)
            )
        ).mappings():
            data = dict(row)
            key = (data.pop("community"), data.pop("identity_id"))
            book.known.add(key)
            book.standings[key] = book.before[key] = Standing(**data)
    return book


def note_heard(conn: Connection, heard: Sequence[Heard]) -> Mapping[MemberRef, int]:
    """Note who did something and what it means for their memberships; gives the identities' numbers."""
    seen: list[Seen] = []
    acts: list[Act] = []
    for one in heard:
        found = seen_in(one.interaction)
        if found is not None:
            seen.append(found)
            act = act_of(one)
            if act is not None:
                acts.append(act)
    numbers = note_identities(conn, seen)
    note_acts(conn, acts, numbers)
    return numbers


def note_acts(conn: Connection, acts: Sequence[Act], numbers: Mapping[MemberRef, int]) -> int:
    """Bring memberships and presences up to date; gives how many memberships changed."""
    if not acts:
        return 0
    book = _load(conn, list(dict.fromkeys((act.community, numbers[act.ref]) for act in acts)))
    places = _Places(conn, acts, numbers)
    for act in acts:
        number = numbers[act.ref]
        key = (act.community, number)
        elsewhere = act.leaves and places.leaves(act, number)
        book.standings[key] = after(book.standings.get(key), act, elsewhere=elsewhere)
        if not act.leaves:
            places.comes(act, number)
    changed = [key for key, now in book.standings.items() if book.before.get(key) != now]
    if changed:
        number = bump(conn, "change")
        rows = [_row(key, book.standings[key]) | {"change": number} for key in changed]
        fresh = [row for row, key in zip(rows, changed, strict=True) if key not in book.known]
        if fresh:
            conn.execute(insert(membership), fresh)
        known = [
            {f"new_{name}": value for name, value in row.items()}
            for row, key in zip(rows, changed, strict=True)
            if key in book.known
        ]
        if known:
            conn.execute(_UPDATE, known)
    places.write()
    return len(changed)


def _row(key: tuple[str, int], standing: Standing) -> dict[str, Any]:
    return {"community": key[0], "identity_id": key[1]} | {
        name: getattr(standing, name) for name in Standing.__slots__
    }


class _Places:
    """The presences that the acts of one step concern."""

    def __init__(self, conn: Connection, acts: Sequence[Act], numbers: Mapping[MemberRef, int]) -> None:
        self._conn = conn
        self._rows: dict[tuple[str, str, int], dict[str, Any]] = {}
        self._known: set[tuple[str, str, int]] = set()
        self._changed: set[tuple[str, str, int]] = set()
        wanted = list({numbers[act.ref] for act in acts if act.channel})
        for start in range(0, len(wanted), _CHUNK):
            for row in conn.execute(
                select(presence).where(presence.c.identity_id.in_(wanted[start : start + _CHUNK]))
            ).mappings():
                key = (row["account"], row["channel"], row["identity_id"])
                self._rows[key] = dict(row)
                self._known.add(key)

    def comes(self, act: Act, number: int) -> None:
        """Note that they are there."""
        if not act.channel:
            return
        key = (act.account, act.channel, number)
        row = self._rows.get(key)
        if row is None:
            self._rows[key] = {
                "account": act.account,
                "channel": act.channel,
                "identity_id": number,
                "community": act.community,
                "since": act.at,
                "left_at": None,
                "source": act.source,
            }
        elif act.source != "act" and (row["left_at"] is not None or row["source"] == "act"):
            if row["left_at"] is not None and act.at <= row["left_at"]:
                return
            row |= {"left_at": None, "source": act.source, "community": act.community}
        else:
            return
        self._changed.add(key)

    def leaves(self, act: Act, number: int) -> bool:
        """Note that they left; gives whether they are in another channel of the community, which they joined."""
        key = (act.account, act.channel, number)
        row = self._rows.get(key)
        if row is not None and (row["left_at"] is None or row["left_at"] < act.at):
            row["left_at"] = act.at
            self._changed.add(key)
        return any(
            other["identity_id"] == number
            and other["community"] == act.community
            and other["left_at"] is None
            and other["source"] != "act"
            and name != key
            for name, other in self._rows.items()
        )

    def write(self) -> None:
        """Put what changed into the store."""
        fresh = [self._rows[key] for key in self._changed if key not in self._known]
        if fresh:
            self._conn.execute(insert(presence), fresh)
        for key in self._changed & self._known:
            row = self._rows[key]
            self._conn.execute(
                update(presence)
                .where(
                    presence.c.account == key[0],
                    presence.c.channel == key[1],
                    presence.c.identity_id == key[2],
                )
                .values(left_at=row["left_at"], source=row["source"], community=row["community"])
            )
