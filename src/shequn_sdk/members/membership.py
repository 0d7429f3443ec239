"""Who is where since when: what is heard becomes rows of `membership` and `presence`, a step at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, update

from shequn_sdk.domain import InteractionKind, MemberRef, Role
from shequn_sdk.listening.events import Heard
from shequn_sdk.members.identities import Seen, note_identities, seen_in
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.members import membership

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

    Some platforms tell whole seconds. What is heard after a joining, and is told of the same instant, happened after
    it: it is kept as a microsecond later, so that `last_active` is later than `joined_at` for who did something since.

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
            since = not act.joins and old.left_at is None and act.at == old.joined_at
            new["last_active"] = act.at + since
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


_NEXT = Fast("update member_counter set value = value + 1 where name = :name returning value")
_COUNT = Fast("insert into member_counter (name, value) values (:name, 0) on conflict do nothing")


def bump(conn: Connection, name: str) -> int:
    """Give the next number of a counter; writers that take one wait for each other until they commit."""
    found = _NEXT.one(conn, {"name": name})
    while found is None:  # the first time; another process may be as far
        _COUNT.run(conn, {"name": name})
        found = _NEXT.one(conn, {"name": name})
    return int(found[0])


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


_STANDING = tuple(one.name for one in fields(Standing))
_READ = Fast(
    f"select identity_id, {', '.join(_STANDING)} from membership "  # noqa: S608 - constant text
    "where community = :community and identity_id in :ids"
)
_ROW = ("community", "identity_id", *_STANDING, "change")
_BEGIN = Fast(
    f"insert into membership ({', '.join(_ROW)}) values ({', '.join(f':{name}' for name in _ROW)})"  # noqa: S608 - constant text
)
_UPDATE = Fast(
    f"update membership set {', '.join(f'{name} = :{name}' for name in (*_STANDING, 'change'))} "  # noqa: S608 - constant text
    "where community = :community and identity_id = :identity_id"
)


@dataclass(slots=True)
class _Book:
    """Rows that the acts of one step concern."""

    standings: dict[tuple[str, int], Standing] = field(default_factory=dict[tuple[str, int], Standing])
    known: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    before: dict[tuple[str, int], Standing] = field(default_factory=dict[tuple[str, int], Standing])


def _load(conn: Connection, keys: Sequence[tuple[str, int]]) -> _Book:
    book = _Book()
    for community in dict.fromkeys(name for name, _ in keys):
        numbers = [number for name, number in keys if name == community]
        for number, *standing in _READ.all(conn, {"community": community, "ids": numbers}):
            key = (community, number)
            book.known.add(key)
            book.standings[key] = book.before[key] = Standing(*standing)
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
        _BEGIN.many(conn, [row for row, key in zip(rows, changed, strict=True) if key not in book.known])
        _UPDATE.many(conn, [row for row, key in zip(rows, changed, strict=True) if key in book.known])
    places.write()
    return len(changed)


def _row(key: tuple[str, int], standing: Standing) -> dict[str, Any]:
    return {"community": key[0], "identity_id": key[1]} | {
        name: getattr(standing, name) for name in _STANDING
    }


_PRESENCE = ("account", "channel", "identity_id", "community", "since", "left_at", "source")
_PRESENT = Fast(f"select {', '.join(_PRESENCE)} from presence where identity_id in :ids")  # noqa: S608 - constant text
_COME = Fast(
    f"insert into presence ({', '.join(_PRESENCE)}) values ({', '.join(f':{name}' for name in _PRESENCE)})"  # noqa: S608 - constant text
)
_CHANGE = Fast(
    "update presence set left_at = :left_at, source = :source, community = :community "
    "where account = :account and channel = :channel and identity_id = :identity_id"
)


class _Places:
    """The presences that the acts of one step concern."""

    def __init__(self, conn: Connection, acts: Sequence[Act], numbers: Mapping[MemberRef, int]) -> None:
        self._conn = conn
        self._rows: dict[tuple[str, str, int], dict[str, Any]] = {}
        self._known: set[tuple[str, str, int]] = set()
        self._changed: set[tuple[str, str, int]] = set()
        wanted = list({numbers[act.ref] for act in acts if act.channel})
        for row in _PRESENT.all(conn, {"ids": wanted}) if wanted else ():
            key = row[:3]
            self._rows[key] = dict(zip(_PRESENCE, row, strict=True))
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
        _COME.many(self._conn, [self._rows[key] for key in self._changed if key not in self._known])
        _CHANGE.many(self._conn, [self._rows[key] for key in self._changed & self._known])
