"""What members said to being written to, their tags and birthdays. Inside a transaction of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from shequn_sdk.errors import InvalidInput
from shequn_sdk.members.models import Birthday, Consent, Purpose
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.profiles import birthday, consent, member_tag

__all__ = [
    "QUIET",
    "Permission",
    "birthday_of",
    "checked_tag",
    "consents_of",
    "may",
    "may_each",
    "set_birthday",
    "set_consent",
    "tag",
    "tags_of",
    "untag",
]

QUIET = "do_not_disturb"
_CHUNK = 400
_DEFAULT = {Purpose.SERVICE: True, Purpose.CARE: True, Purpose.MARKETING: False, Purpose.RESEARCH: False}


class Permission(NamedTuple):
    """Whether somebody may be written to."""

    allowed: bool
    reason: str


def set_consent(
    conn: Connection,
    community: str,
    identity: int,
    *,
    purpose: str,
    allowed: bool,
    until: int | None,
    at: int,
    source: str,
) -> None:
    """Note what a member said."""
    conn.execute(
        delete(consent).where(
            consent.c.community == community, consent.c.identity_id == identity, consent.c.purpose == purpose
        )
    )
    conn.execute(
        insert(consent).values(
            community=community,
            identity_id=identity,
            purpose=purpose,
            allowed=int(allowed),
            until=until,
            at=at,
            source=source,
        )
    )


def consents_of(conn: Connection, community: str, identities: Sequence[int]) -> list[Consent]:
    """Give what a person said last for each purpose."""
    newest = {row.purpose: row for row in _said(conn, community, identities)}
    return [_consent(newest[name]) for name in sorted(newest)]


class _Word(NamedTuple):
    """A row of `consent`."""

    identity_id: int
    purpose: str
    allowed: int
    until: int | None
    at: int
    source: str


_SAID = Fast(
    "select identity_id, purpose, allowed, until, at, source from consent "
    "where community = :community and identity_id in :ids order by at"
)


def _said(conn: Connection, community: str, identities: Iterable[int]) -> list[_Word]:
    return list(map(_Word._make, _SAID.all(conn, {"community": community, "ids": list(identities)})))


def _consent(row: _Word) -> Consent:
    return Consent(
        purpose=row.purpose,
        allowed=bool(row.allowed),
        until=None if row.until is None else from_us(row.until),
        at=from_us(row.at),
        source=row.source,
    )


def may(
    conn: Connection, community: str, identities: Sequence[int], *, purpose: Purpose, now: int
) -> Permission:
    """Say whether a person may be written to for a purpose, and why."""
    return may_each(conn, [(community, identities, purpose)], now=now)[0]


def may_each(
    conn: Connection, asked: Sequence[tuple[str, Sequence[int], Purpose]], *, now: int
) -> list[Permission]:
    """Say whether persons may be written to, each for a purpose; asked for by community and identities."""
    said: dict[tuple[str, int], list[_Word]] = {}
    for community in {community for community, _, _ in asked}:
        numbers = {one for name, identities, _ in asked if name == community for one in identities}
        for row in _said(conn, community, numbers):
            said.setdefault((community, row.identity_id), []).append(row)
    found: list[Permission] = []
    for community, identities, purpose in asked:
        mine = [row for number in identities for row in said.get((community, number), ())]
        newest = {row.purpose: _consent(row) for row in sorted(mine, key=lambda row: row.at)}
        found.append(_permission(newest.values(), purpose, now))
    return found


def _permission(consents: Iterable[Consent], purpose: Purpose, now: int) -> Permission:
    said = {one.purpose: one for one in consents if one.until is None or one.until > from_us(now)}
    quiet = said.get(QUIET)
    if quiet is not None and quiet.allowed and purpose is not Purpose.SERVICE:
        until = f" until {quiet.until.isoformat(timespec='minutes')}" if quiet.until else ""
        return Permission(allowed=False, reason=f"wants not to be disturbed{until}")
    own = said.get(purpose)
    if own is not None:
        return Permission(own.allowed, f"{'allowed' if own.allowed else 'refused'} {purpose}")
    allowed = _DEFAULT[purpose]
    return Permission(
        allowed, f"{purpose} is {'allowed' if allowed else 'refused'} unless the member says otherwise"
    )


def checked_tag(text: str) -> str:
    """Give a tag as it is kept.

    Raises:
        InvalidInput: it is empty, too long or holds what cannot be seen.
    """
    found = " ".join(text.split())
    if not found or len(found) > 64 or not found.isprintable():
        raise InvalidInput(f"{text[:80]!r} is no tag: 1 to 64 characters that can be seen")
    return found


def tag(
    conn: Connection, community: str, identity: int, tags: Iterable[str], *, actor: str, now: int
) -> list[str]:
    """Put tags on a member; gives those that are new to this identity."""
    known = set(tags_of(conn, community, [identity]))
    fresh = [one for one in dict.fromkeys(tags) if one not in known]
    if len(known) + len(fresh) > 200:
        raise InvalidInput("a member can have 200 tags")
    if fresh:
        conn.execute(
            insert(member_tag),
            [
                {"community": community, "identity_id": identity, "tag": one, "at": now, "actor": actor}
                for one in fresh
            ],
        )
    return fresh


def untag(conn: Connection, community: str, identities: Sequence[int], tags: Iterable[str]) -> int:
    """Take tags off a person, whichever identity has them; gives how many rows went."""
    done = conn.execute(
        delete(member_tag).where(
            member_tag.c.community == community,
            member_tag.c.identity_id.in_(identities),
            member_tag.c.tag.in_(list(tags)),
        )
    )
    return int(done.rowcount)


def tags_of(conn: Connection, community: str, identities: Sequence[int]) -> list[str]:
    """Give the tags of a person, by name."""
    rows = conn.execute(
        select(member_tag.c.tag)
        .where(member_tag.c.community == community, member_tag.c.identity_id.in_(identities))
        .distinct()
        .order_by(member_tag.c.tag)
    )
    return [row.tag for row in rows]


def set_birthday(conn: Connection, identity: int, value: Birthday | None, *, now: int) -> None:
    """Note a birthday, or forget it."""
    conn.execute(delete(birthday).where(birthday.c.identity_id == identity))
    if value is not None:
        conn.execute(
            insert(birthday).values(
                identity_id=identity,
                month=value.month,
                day=value.day,
                year=value.year,
                lunar=int(value.lunar),
                leap=int(value.leap),
                at=now,
            )
        )


def birthday_of(conn: Connection, identities: Sequence[int]) -> Birthday | None:
    """Give the birthday that was noted last for a person."""
    row = conn.execute(
        select(birthday).where(birthday.c.identity_id.in_(identities)).order_by(birthday.c.at.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Birthday(month=row.month, day=row.day, year=row.year, lunar=bool(row.lunar), leap=bool(row.leap))
