"""Communities, and what is known of members: roles, tags, persons over platforms, erasure."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from psycopg import sql
from pydantic import ValidationError

from shequn_postgres_events.connection import Connection
from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.metrics import CommunityInfo, MemberFacts
from shequn_sdk.metrics.store.rows import MESSAGE_KINDS
from shequn_sdk.metrics.store.tombstones import Tombstones, digest

__all__ = [
    "add_community",
    "bury",
    "find_community",
    "forget",
    "get_community",
    "link_persons",
    "list_communities",
    "read_tombstones",
    "set_members",
    "unlink_person",
]


def list_communities(con: Connection) -> list[CommunityInfo]:
    """List the communities, oldest first."""
    rows = con.execute("select community_no, name, zone from communities order by 1").fetchall()
    return [CommunityInfo(number=number, name=name, zone=zone) for number, name, zone in rows]


def find_community(con: Connection, name: str) -> CommunityInfo | None:
    """Give the community of that name."""
    return next((info for info in list_communities(con) if info.name == name), None)


def get_community(con: Connection, name: str) -> CommunityInfo:
    """Give the community of that name.

    Raises:
        UnknownName: there is none.
    """
    known = list_communities(con)
    for info in known:
        if info.name == name:
            return info
    raise UnknownName("community", name, nearest=tuple(info.name for info in known[:3]))


def add_community(con: Connection, name: str, zone: str) -> CommunityInfo:
    """Give a new community the next number.

    Raises:
        InvalidInput: the name is malformed or the zone unknown.
    """
    row = con.execute("select coalesce(max(community_no), 0) + 1 from communities").fetchone()
    try:
        info = CommunityInfo(number=row[0] if row is not None else 1, name=name, zone=zone)
    except ValidationError as error:
        reason = error.errors()[0]
        raise InvalidInput(
            f"community {name!r} in zone {zone!r} cannot be stored: {reason['msg']}"
        ) from error
    con.execute("insert into communities values (%s, %s, %s)", (info.number, name, zone))
    return info


def _known(con: Connection, ref: MemberRef) -> tuple[int, int]:
    row = con.execute(
        "select member_no, person_no from members where platform = %s and native_id = %s",
        (ref.platform, ref.native_id),
    ).fetchone()
    if row is None:
        raise InvalidInput(f"member {ref} never appeared in the event store")
    return int(row[0]), int(row[1])


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)


def set_members(con: Connection, facts: Sequence[MemberFacts], community: CommunityInfo) -> None:
    """Note facts; members that never appeared are made known."""
    for fact in facts:
        who = {"p": fact.ref.platform, "i": fact.ref.native_id}
        con.execute(
            """insert into members select s.n, s.n, %(p)s, %(i)s, '', false
            from (select coalesce(max(member_no), 0) + 1 as n from members) as s on conflict (platform, native_id) do nothing""",
            who,
        )
        number, _ = _known(con, fact.ref)
        keys = {"c": community.number, "m": number}
        con.execute(
            """insert into profiles as p values (%(c)s, %(m)s, %(role)s, %(entrance)s, %(joined)s, %(left)s)
            on conflict (community_no, member_no) do update set role = coalesce(excluded.role, p.role),
                entrance = coalesce(excluded.entrance, p.entrance),
                joined_at = coalesce(excluded.joined_at, p.joined_at), left_at = coalesce(excluded.left_at, p.left_at)""",
            keys
            | {
                "role": fact.role,
                "entrance": fact.entrance,
                "joined": _utc(fact.joined_at),
                "left": _utc(fact.left_at),
            },
        )
        if fact.tags is not None:
            con.execute("delete from member_tags where community_no = %(c)s and member_no = %(m)s", keys)
            for tag in sorted(fact.tags):
                con.execute("insert into member_tags values (%(c)s, %(m)s, %(t)s)", keys | {"t": tag})
        if fact.is_bot is not None:
            values = {"m": number, "b": fact.is_bot}
            con.execute("update members set is_bot = %(b)s where member_no = %(m)s", values)
            con.execute("update events set is_bot = %(b)s where member_no = %(m)s", values)
            _dirty(con, "member_no", number)


def _dirty(con: Connection, column: str, number: int) -> None:
    for table in ("events", "member_day"):
        con.execute(
            sql.SQL(
                "insert into dirty_days select distinct community_no, local_day from {} where {} = %s"
            ).format(sql.Identifier(table), sql.Identifier(column)),
            (number,),
        )


def _renumber(con: Connection, person: int, column: str, number: int) -> None:
    for table in ("events", "members"):
        con.execute(
            sql.SQL("update {} set person_no = %s where {} = %s").format(
                sql.Identifier(table), sql.Identifier(column)
            ),
            (person, number),
        )


def link_persons(con: Connection, refs: Sequence[MemberRef]) -> None:
    """Give all identities of these persons the smallest of their person numbers."""
    persons = {_known(con, ref)[1] for ref in refs}
    if not persons:
        return
    chosen = min(persons)
    for person in sorted(persons - {chosen}):
        # events are found by their members: there is no index over persons, and none is worth its upkeep
        members = con.execute("select member_no from members where person_no = %s", (person,)).fetchall()
        for (member,) in members:
            _dirty(con, "member_no", member)
            _renumber(con, chosen, "member_no", member)


def unlink_person(con: Connection, ref: MemberRef) -> None:
    """Make the identity a person of its own; what stays behind keeps a number that is one of its own."""
    number, person = _known(con, ref)
    rest = [
        row[0]
        for row in con.execute(
            "select member_no from members where person_no = %s and member_no <> %s order by 1",
            (person, number),
        ).fetchall()
    ]
    for members, to in (([number], number), (rest, rest[0] if rest else 0)):
        for member in members:
            _dirty(con, "member_no", member)
            _renumber(con, to, "member_no", member)


def read_tombstones(con: Connection) -> Tombstones:
    """Read who was erased."""
    rows = con.execute("select digest, until from tombstones").fetchall()
    return Tombstones({key.bytes: until for key, until in rows}, _salt(con) if rows else b"")


def _salt(con: Connection) -> bytes:
    con.execute("insert into meta values ('salt', %s) on conflict do nothing", (secrets.token_hex(16),))
    row = con.execute("select value from meta where key = 'salt'").fetchone()
    return bytes.fromhex(row[0]) if row is not None else b""


def bury(con: Connection, ref: MemberRef, until: datetime) -> None:
    """Refuse from now on what the member did up to an instant (naive UTC)."""
    key = uuid.UUID(bytes=digest(_salt(con), ref.platform, ref.native_id))
    con.execute(
        "insert into tombstones values (%s, %s) on conflict (digest) do update set until = excluded.until",
        (key, until),
    )


def forget(con: Connection, ref: MemberRef) -> tuple[int, int]:
    """Delete the member's events, facts and name; give (events deleted, pointers of others cleared)."""
    number, person = _known(con, ref)
    row = con.execute("select count(*) from members where person_no = %s", (person,)).fetchone()
    if row is not None and row[0] > 1:
        unlink_person(con, ref)
    _dirty(con, "member_no", number)
    con.execute(
        """delete from contents where content_no in (select content_no from events where member_no = %s
            and kind = any(%s))""",
        (number, list(MESSAGE_KINDS)),
    )
    events = con.execute("delete from events where member_no = %s", (number,)).rowcount
    for table in ("retractions", "profiles", "member_tags", "members"):
        con.execute(sql.SQL("delete from {} where member_no = %s").format(sql.Identifier(table)), (number,))
    mentions = con.execute(
        "update events set target_no = null, attrs = null where target_no = %s", (number,)
    ).rowcount
    return events, mentions
