# ruff: noqa: S608 - names of this package and literals it quotes itself
"""Communities, and what is known of members: roles, tags, persons over platforms, erasure."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from shequn_clickhouse.connection import Server, chunks, literal
from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.metrics import CommunityInfo, MemberFacts
from shequn_sdk.metrics.store.rows import MESSAGE_KINDS
from shequn_sdk.metrics.store.tombstones import Tombstones, digest

__all__ = [
    "Person",
    "add_community",
    "bury",
    "find_community",
    "forget",
    "get_community",
    "link_persons",
    "list_communities",
    "mark_bots",
    "members_by_native",
    "next_number",
    "purge",
    "put_members",
    "read_tombstones",
    "set_members",
    "unlink_person",
]


@dataclass(slots=True)
class Person:
    """One row of `members`."""

    number: int
    person: int
    platform: str
    native: str
    name: str = ""
    is_bot: bool = False
    version: int = 0
    """0 is a row that was never written."""


_COLUMNS = "member_no, person_no, platform, native_id, name, is_bot, version"


def list_communities(server: Server) -> list[CommunityInfo]:
    """List the communities, oldest first."""
    rows = server.rows("select community_no, name, zone from communities order by 1")
    return [CommunityInfo(number=number, name=name, zone=zone) for number, name, zone in rows]


def find_community(server: Server, name: str) -> CommunityInfo | None:
    """Give the community of that name."""
    return next((info for info in list_communities(server) if info.name == name), None)


def get_community(server: Server, name: str) -> CommunityInfo:
    """Give the community of that name.

    Raises:
        UnknownName: there is none.
    """
    known = list_communities(server)
    for info in known:
        if info.name == name:
            return info
    raise UnknownName("community", name, nearest=tuple(info.name for info in known[:3]))


def next_number(server: Server, table: str, column: str) -> int:
    """Give the number after the largest one; the caller has the turn."""
    return int(server.rows(f"select max({column}) from {table}")[0][0] or 0) + 1


def add_community(server: Server, name: str, zone: str) -> CommunityInfo:
    """Give a new community the next number.

    Raises:
        InvalidInput: the name is malformed or the zone unknown.
    """
    try:
        info = CommunityInfo(number=next_number(server, "communities", "community_no"), name=name, zone=zone)
    except ValidationError as error:
        reason = error.errors()[0]
        raise InvalidInput(
            f"community {name!r} in zone {zone!r} cannot be stored: {reason['msg']}"
        ) from error
    server.insert("communities", {"community_no": [info.number], "name": [name], "zone": [zone]})
    return info


def _people(rows: Iterable[tuple[object, ...]]) -> list[Person]:
    return [Person(*row) for row in rows]  # type: ignore[arg-type]


def members_by_native(server: Server, platform: str, natives: Iterable[str]) -> dict[str, Person]:
    """Find members by their native ids."""
    found: dict[str, Person] = {}
    for some in chunks(natives):
        rows = server.rows(
            f"select {_COLUMNS} from members where platform = {literal(platform)} and native_id in ({some})"
        )
        found.update((person.native, person) for person in _people(rows))
    return found


def put_members(server: Server, people: Sequence[Person]) -> None:
    """Write rows anew, each with the next version."""
    server.insert(
        "members",
        {
            "member_no": [person.number for person in people],
            "person_no": [person.person for person in people],
            "platform": [person.platform for person in people],
            "native_id": [person.native for person in people],
            "name": [person.name for person in people],
            "is_bot": [person.is_bot for person in people],
            "version": [person.version + 1 for person in people],
            "is_deleted": [0] * len(people),
        },
    )


def dirty(server: Server, where: str) -> None:
    """Note that the days of these events are to be computed again."""
    for table in ("events", "member_day"):
        server.run(
            f"insert into dirty_days select distinct community_no, local_day from {table} final where {where}"
        )


def mark_bots(server: Server, numbers: Sequence[int], *, bot: bool) -> None:
    """Count what these members did as a bot's, or as a person's again."""
    listed = ", ".join(map(str, numbers))
    dirty(server, f"member_no in ({listed})")
    server.run(f"alter table events update is_bot = {literal(bot)} where member_no in ({listed})", wait=True)


def _known(server: Server, ref: MemberRef) -> Person:
    person = members_by_native(server, ref.platform, [ref.native_id]).get(ref.native_id)
    if person is None:
        raise InvalidInput(f"member {ref} never appeared in the event store")
    return person


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC)


def set_members(server: Server, facts: Sequence[MemberFacts], community: CommunityInfo) -> None:
    """Note facts; members that never appeared are made known."""
    for fact in facts:
        person = members_by_native(server, fact.ref.platform, [fact.ref.native_id]).get(fact.ref.native_id)
        if person is None:
            number = next_number(server, "members", "member_no")
            person = Person(number, number, fact.ref.platform, fact.ref.native_id)
            put_members(server, [person])
            person.version += 1
        where = f"community_no = {community.number} and member_no = {person.number}"
        _profile(server, fact, community.number, person.number, where)
        if fact.tags is not None:
            _tags(server, fact.tags, community.number, person.number, where)
        if fact.is_bot is not None and fact.is_bot != person.is_bot:
            person.is_bot = fact.is_bot
            put_members(server, [person])
            mark_bots(server, [person.number], bot=fact.is_bot)


def _profile(server: Server, fact: MemberFacts, community: int, member: int, where: str) -> None:
    rows = server.rows(f"select role, entrance, joined_at, left_at, version from profiles where {where}")
    role, entrance, joined, left, version = rows[0] if rows else (None, None, None, None, 0)
    server.insert(
        "profiles",
        {
            "community_no": [community],
            "member_no": [member],
            "role": [role if fact.role is None else str(fact.role)],
            "entrance": [entrance if fact.entrance is None else fact.entrance],
            "joined_at": [aware(joined) if fact.joined_at is None else _utc(fact.joined_at)],
            "left_at": [aware(left) if fact.left_at is None else _utc(fact.left_at)],
            "version": [version + 1],
            "is_deleted": [0],
        },
    )


def aware(instant: datetime | None) -> datetime | None:
    """Say that an instant read from the store is UTC: the driver takes one without a zone for local time."""
    return None if instant is None else instant.replace(tzinfo=UTC)


def _tags(server: Server, tags: frozenset[str], community: int, member: int, where: str) -> None:
    # versions count on over deleted rows: all of them are looked at, not only the last ones
    rows = server.query(
        f"select tag, max(version), argMax(is_deleted, version) from member_tags where {where} group by tag settings final = 0"
    ).result_rows
    before: Mapping[str, tuple[int, int]] = {tag: (version, gone) for tag, version, gone in rows}
    changed = [(tag, before.get(tag, (0, 1))[0], 0) for tag in sorted(tags) if before.get(tag, (0, 1))[1]]
    changed += [(tag, version, 1) for tag, (version, gone) in before.items() if not gone and tag not in tags]
    server.insert(
        "member_tags",
        {
            "community_no": [community] * len(changed),
            "member_no": [member] * len(changed),
            "tag": [tag for tag, _, _ in changed],
            "version": [version + 1 for _, version, _ in changed],
            "is_deleted": [gone for _, _, gone in changed],
        },
    )


def _renumber(server: Server, people: Sequence[Person], to: int) -> None:
    listed = ", ".join(str(person.number) for person in people)
    if not people:
        return
    dirty(server, f"member_no in ({listed})")
    for person in people:
        person.person = to
    put_members(server, people)
    server.run(f"alter table events update person_no = {to:d} where member_no in ({listed})", wait=True)


def _members_of(server: Server, person: int) -> list[Person]:
    return _people(
        server.rows(f"select {_COLUMNS} from members where person_no = {person:d} order by member_no")
    )


def link_persons(server: Server, refs: Sequence[MemberRef]) -> None:
    """Give all identities of these persons the smallest of their person numbers."""
    persons = sorted({_known(server, ref).person for ref in refs})
    if len(persons) > 1:
        moved = [person for number in persons[1:] for person in _members_of(server, number)]
        _renumber(server, moved, persons[0])


def unlink_person(server: Server, ref: MemberRef) -> None:
    """Make the identity a person of its own; what stays behind keeps a number that is one of its own."""
    own = _known(server, ref)
    rest = [person for person in _members_of(server, own.person) if person.number != own.number]
    _renumber(server, [own], own.number)
    if rest:
        _renumber(server, rest, rest[0].number)


def read_tombstones(server: Server) -> Tombstones:
    """Read who was erased."""
    rows = server.rows("select digest, until from tombstones")
    return Tombstones(
        {key.bytes: until.replace(tzinfo=None) for key, until in rows}, _salt(server) if rows else b""
    )


def _salt(server: Server) -> bytes:
    found = server.rows("select value from meta where key = 'salt'")
    if not found:
        server.insert("meta", {"key": ["salt"], "value": [secrets.token_hex(16)]})
        found = server.rows("select value from meta where key = 'salt'")
    return bytes.fromhex(found[0][0])


def bury(server: Server, ref: MemberRef, until: datetime) -> None:
    """Refuse from now on what the member did up to an instant."""
    key = uuid.UUID(bytes=digest(_salt(server), ref.platform, ref.native_id))
    last = server.rows(f"select version from tombstones where digest = '{key}'")
    server.insert(
        "tombstones", {"digest": [key], "until": [until], "version": [last[0][0] + 1 if last else 1]}
    )


def forget(server: Server, ref: MemberRef) -> tuple[Person, int, int]:
    """Delete the member's events, facts and name; give who it was, events deleted, and pointers of others cleared."""
    own = _known(server, ref)
    if len(_members_of(server, own.person)) > 1:
        unlink_person(server, ref)
    where = f"member_no = {own.number}"
    dirty(server, where)
    events = int(server.rows(f"select count() from events where {where}")[0][0])
    others = f"target_no = {own.number} and ifNull(member_no, 0) <> {own.number}"
    mentions = int(server.rows(f"select count() from events where {others}")[0][0])
    said = ", ".join(literal(kind) for kind in MESSAGE_KINDS)
    server.run(
        f"""alter table contents delete where content_no in (select assumeNotNull(content_no) from events
            where {where} and kind in ({said}) and content_no is not null)""",
        wait=True,
    )
    server.run(f"alter table events delete where {where}", wait=True)
    server.run(
        f"alter table events update target_no = null, attrs = null where target_no = {own.number}", wait=True
    )
    for table in ("retractions", "profiles", "member_tags", "members"):
        server.run(f"alter table {table} delete where {where}", wait=True)
    return own, events, mentions


def purge(server: Server, person: Person) -> None:
    """Remove what the roll-ups still hold of an erased member under the mark of deletion."""
    server.run(f"alter table member_day delete where member_no = {person.number}", wait=True)
    server.run(f"alter table person_day delete where person_no = {person.number}", wait=True)
