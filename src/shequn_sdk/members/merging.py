"""Which identities are one person: merges with their reasons, and their undoing. Inside a transaction of the store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, or_, select, update

from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.members.identities import persons_of
from shequn_sdk.members.membership import touch
from shequn_sdk.members.models import PersonChange, Suggestion
from shequn_sdk.members.names import match_key, shown
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.members import identity, person
from shequn_sdk.stores.tables.profiles import birthday, fact_push, merge_no, person_change, profile_field

__all__ = ["change", "changes_of", "dismiss", "identities_of", "merge", "note_push", "suggest", "unmerge"]

_CHUNK = 400
_IDENTITIES = Fast(
    "select id, person_id from identity where person_id in :persons order by last_seen desc, id"
)
_COMMON = 4
"""Persons that may share a name before it says nothing."""
_TOGETHER = 600_000_000
"""Microseconds between two first appearances that count as coming together."""


def identities_of(conn: Connection, persons: Iterable[int]) -> dict[int, list[int]]:
    """Give the identities of persons, those seen last first."""
    wanted = list(dict.fromkeys(persons))
    found: dict[int, list[int]] = defaultdict(list)
    for number, owner in _IDENTITIES.all(conn, {"persons": wanted}) if wanted else ():
        found[owner].append(number)
    return found


def note_push(conn: Connection, community: str, identities: Iterable[int], now: int) -> None:
    """Remember that the event store has to hear of these identities."""
    for number in identities:
        conn.execute(
            delete(fact_push).where(fact_push.c.community == community, fact_push.c.identity_id == number)
        )
        conn.execute(insert(fact_push).values(community=community, identity_id=number, at=now))


def merge(
    conn: Connection, a: int, b: int, *, reason: str, actor: str, now: int, score: float | None = None
) -> int | None:
    """Make the persons of two identities one; gives the number of the change, None when they were one already."""
    owners = persons_of(conn, [a, b])
    first, second = owners[a], owners[b]
    if first == second:
        return None
    kept, gone = min(first, second), max(first, second)
    moved = identities_of(conn, [gone])[gone]
    conn.execute(update(identity).where(identity.c.person_id == gone).values(person_id=kept))
    name = conn.execute(select(person.c.name).where(person.c.id == gone)).scalar()
    if name:
        conn.execute(update(person).where(person.c.id == kept, person.c.name == "").values(name=name))
    number = _write(conn, "merge", kept, gone, moved, reason, actor, now, score)
    note_push(conn, "", moved, now)
    touch(conn, [*moved, *identities_of(conn, [kept])[kept]])
    return number


def unmerge(conn: Connection, number: int, *, reason: str, actor: str, now: int) -> int:
    """Take a merge back: the identities that moved are a person of their own again; gives the number of the change.

    Raises:
        UnknownName: there is no such merge.
        InvalidInput: it was taken back already.
    """
    row = conn.execute(
        select(person_change).where(person_change.c.id == number, person_change.c.kind == "merge")
    ).one_or_none()
    if row is None:
        raise UnknownName("merge", str(number))
    if row.undone_by is not None:
        raise InvalidInput(f"merge {number} was taken back already, by change {row.undone_by}")
    moved = list(persons_of(conn, json.loads(row.identities)))
    before = set(persons_of(conn, moved).values())
    if not moved:
        raise InvalidInput(f"nothing is left of merge {number}: its members were erased")
    others = [one for owner in before for one in identities_of(conn, [owner])[owner]]
    conn.execute(update(identity).where(identity.c.id.in_(moved)).values(person_id=row.gone))
    made = _write(conn, "unmerge", row.kept, row.gone, moved, reason, actor, now, None)
    conn.execute(update(person_change).where(person_change.c.id == number).values(undone_by=made))
    note_push(conn, "", moved, now)
    touch(conn, [*moved, *others])
    return made


def _write(
    conn: Connection,
    kind: str,
    kept: int,
    gone: int,
    moved: Sequence[int],
    reason: str,
    actor: str,
    now: int,
    score: float | None,
) -> int:
    made = conn.execute(
        insert(person_change).values(
            at=now,
            kind=kind,
            kept=kept,
            gone=gone,
            identities=json.dumps(sorted(moved)),
            reason=reason,
            actor=actor,
            score=score,
        )
    ).inserted_primary_key
    return int(made[0]) if made else 0


def changes_of(conn: Connection, identities: Sequence[int], *, limit: int) -> list[PersonChange]:
    """Give the merges and unmerges of these identities' persons, newest first."""
    owners = set(persons_of(conn, identities).values())
    rows = conn.execute(
        select(person_change)
        .where(or_(person_change.c.kept.in_(owners), person_change.c.gone.in_(owners)))
        .order_by(person_change.c.id.desc())
        .limit(limit)
    )
    return _read(conn, rows.all())


def change(conn: Connection, number: int) -> PersonChange:
    """Give one change.

    Raises:
        UnknownName: there is none of that number.
    """
    rows = conn.execute(select(person_change).where(person_change.c.id == number)).all()
    if not rows:
        raise UnknownName("merge", str(number))
    return _read(conn, rows)[0]


def _read(conn: Connection, rows: Sequence[Any]) -> list[PersonChange]:
    refs = _refs(conn, {number for row in rows for number in json.loads(row.identities)})
    return [
        PersonChange(
            id=row.id,
            at=from_us(row.at),
            kind=row.kind,
            moved=tuple(refs[number] for number in json.loads(row.identities) if number in refs),
            kept=row.kept,
            gone=row.gone,
            reason=row.reason,
            actor=row.actor,
            score=row.score,
            undone=row.undone_by is not None,
        )
        for row in rows
    ]


def _refs(conn: Connection, numbers: Iterable[int]) -> dict[int, MemberRef]:
    wanted = list(dict.fromkeys(numbers))
    found: dict[int, MemberRef] = {}
    for start in range(0, len(wanted), _CHUNK):
        for row in conn.execute(
            select(identity.c.id, identity.c.platform, identity.c.native_id).where(
                identity.c.id.in_(wanted[start : start + _CHUNK])
            )
        ):
            found[row.id] = MemberRef(platform=row.platform, native_id=row.native_id)
    return found


def dismiss(conn: Connection, a: int, b: int, *, actor: str, now: int) -> None:
    """Never suggest these two again."""
    low, high = min(a, b), max(a, b)
    known = conn.execute(
        select(merge_no.c.low).where(merge_no.c.low == low, merge_no.c.high == high)
    ).scalar()
    if known is None:
        conn.execute(insert(merge_no).values(low=low, high=high, at=now, actor=actor))


class _One(NamedTuple):
    id: int
    person: int
    platform: str
    native_id: str
    name: str
    user_key: str
    name_key: str
    first_seen: int


_WEIGHTS = {
    "contact": 0.95,
    "username": 0.6,
    "names": 0.45,
    "crossed": 0.4,
    "birth": 0.5,
    "day": 0.2,
    "together": 0.2,
}


def suggest(conn: Connection, *, minimum: float, limit: int) -> list[Suggestion]:
    """Give pairs of persons who may be one, surest first. A pair is looked at when a name, contact or birth date is equal.

    The score is 1 - Π(1 - w) over the reasons, with weights of our own choosing: it orders, it is no probability.
    """
    people: dict[int, _One] = {}
    for row in conn.execute(
        select(
            identity.c.id,
            identity.c.person_id,
            identity.c.platform,
            identity.c.native_id,
            identity.c.display_name,
            identity.c.username,
            identity.c.first_seen,
        ).where(identity.c.is_bot == 0)
    ):
        people[row.id] = _One(
            row.id,
            row.person_id,
            row.platform,
            row.native_id,
            row.display_name,
            match_key(row.username),
            match_key(row.display_name),
            row.first_seen,
        )
    births = {
        row.identity_id: (row.lunar, row.leap, row.month, row.day, row.year)
        for row in conn.execute(select(birthday))
    }
    blinds: dict[str, list[int]] = defaultdict(list)
    for row in conn.execute(
        select(profile_field.c.blind, profile_field.c.identity_id).where(profile_field.c.blind != "")
    ):
        blinds[row.blind].append(row.identity_id)
    same_contact = _pairs(blinds.values(), people, same_platform=True)
    pairs = set(same_contact)
    buckets: dict[object, list[int]] = defaultdict(list)
    for one in people.values():
        for key in {one.user_key, one.name_key}:
            if _telling(key):
                buckets[key].append(one.id)
        if births.get(one.id, (0, 0, 0, 0, None))[4] is not None:
            buckets[births[one.id]].append(one.id)
    pairs |= _pairs(buckets.values(), people, same_platform=False)
    refused = {(row.low, row.high) for row in conn.execute(select(merge_no.c.low, merge_no.c.high))}
    best: dict[tuple[int, int], Suggestion] = {}
    for low, high in pairs:
        if (low, high) in refused:
            continue
        a, b = people[low], people[high]
        reasons = _reasons(a, b, births, contact=(low, high) in same_contact)
        score = 1.0
        for kind, _ in reasons:
            score *= 1 - _WEIGHTS[kind]
        score = round(1 - score, 3)
        owners = (min(a.person, b.person), max(a.person, b.person))
        if score >= minimum and (owners not in best or best[owners].score < score):
            best[owners] = Suggestion(
                a=MemberRef(platform=a.platform, native_id=a.native_id),
                b=MemberRef(platform=b.platform, native_id=b.native_id),
                names=(shown(a.name), shown(b.name)),
                score=score,
                reasons=tuple(words for _, words in reasons),
            )
    return sorted(best.values(), key=lambda one: (-one.score, str(one.a), str(one.b)))[:limit]


def _telling(key: str) -> bool:
    return len(key) >= (2 if any(ord(char) > 0x2E80 for char in key) else 4)


def _pairs(
    buckets: Iterable[Sequence[int]], people: dict[int, _One], *, same_platform: bool
) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for bucket in buckets:
        known = [number for number in dict.fromkeys(bucket) if number in people]
        if len({people[number].person for number in known}) > _COMMON:
            continue
        for place, low in enumerate(known):
            for high in known[place + 1 :]:
                a, b = people[low], people[high]
                if a.person != b.person and (same_platform or a.platform != b.platform):
                    found.add((min(low, high), max(low, high)))
    return found


def _reasons(a: _One, b: _One, births: dict[int, Any], *, contact: bool) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if contact:
        found.append(("contact", "same phone number or address"))
    if a.user_key and a.user_key == b.user_key:
        found.append(("username", "same user name"))
    if _telling(a.name_key) and a.name_key == b.name_key:
        found.append(("names", "same display name"))
    elif (_telling(a.user_key) and a.user_key == b.name_key) or (
        _telling(a.name_key) and a.name_key == b.user_key
    ):
        found.append(("crossed", "the user name of one is the display name of the other"))
    one, other = births.get(a.id), births.get(b.id)
    if one is not None and other is not None and one[:4] == other[:4]:
        if one[4] is not None and one[4] == other[4]:
            found.append(("birth", "same date of birth"))
        elif one[4] is None or other[4] is None:
            found.append(("day", "same birthday"))
    if found and abs(a.first_seen - b.first_seen) <= _TOGETHER:
        found.append(("together", "first seen within ten minutes of each other"))
    return found
