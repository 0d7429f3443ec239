# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""Communities, and what is known of members: roles, tags, persons over platforms, erasure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.store.base import CommunityInfo, MemberFacts
from shequn_sdk.metrics.store.log import LOG, rewrite_files

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "add_community",
    "drop_texts",
    "find_community",
    "forget",
    "link_persons",
    "list_communities",
    "set_members",
    "unlink_person",
]


def list_communities(con: duckdb.DuckDBPyConnection) -> list[CommunityInfo]:
    """List the communities, oldest first."""
    rows = con.execute("select community_no, name, zone from communities order by 1").fetchall()
    return [CommunityInfo(number=number, name=name, zone=zone) for number, name, zone in rows]


def find_community(con: duckdb.DuckDBPyConnection, name: str) -> CommunityInfo | None:
    """Give the community of that name."""
    return next((info for info in list_communities(con) if info.name == name), None)


def add_community(con: duckdb.DuckDBPyConnection, name: str, zone: str) -> CommunityInfo:
    """Give a new community the next number."""
    number = con.execute("select coalesce(max(community_no), 0) + 1 from communities").fetchall()[0][0]
    try:
        info = CommunityInfo(number=number, name=name, zone=zone)
    except ValidationError as error:
        reason = error.errors()[0]
        raise InvalidInput(
            f"community {name!r} in zone {zone!r} cannot be stored: {reason['msg']}"
        ) from error
    con.execute(
        "insert into communities values ($n, $name, $zone)", {"n": number, "name": name, "zone": zone}
    )
    return info


def _number(con: duckdb.DuckDBPyConnection, ref: MemberRef) -> int | None:
    rows = con.execute(
        "select member_no from members where platform = $p and native_id = $i",
        {"p": ref.platform, "i": ref.native_id},
    ).fetchall()
    return rows[0][0] if rows else None


def _known(con: duckdb.DuckDBPyConnection, ref: MemberRef) -> int:
    number = _number(con, ref)
    if number is None:
        raise InvalidInput(f"member {ref} never appeared in the event store")
    return number


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)


def set_members(
    con: duckdb.DuckDBPyConnection, facts: Sequence[MemberFacts], community: CommunityInfo
) -> None:
    """Note facts; members that never appeared are made known."""
    for fact in facts:
        number = _number(con, fact.ref)
        if number is None:
            number = con.execute("select coalesce(max(member_no), 0) + 1 from members").fetchall()[0][0]
            con.execute(
                "insert into members values ($n, $n, $p, $i, '', false)",
                {"n": number, "p": fact.ref.platform, "i": fact.ref.native_id},
            )
        keys = {"c": community.number, "m": number}
        if not con.execute(
            "select 1 from profiles where community_no = $c and member_no = $m", keys
        ).fetchall():
            con.execute("insert into profiles values ($c, $m, null, null, null, null)", keys)
        con.execute(
            """update profiles set role = coalesce($role, role), entrance = coalesce($entrance, entrance),
                joined_at = coalesce($joined, joined_at), left_at = coalesce($left, left_at)
            where community_no = $c and member_no = $m""",
            keys
            | {
                "role": fact.role,
                "entrance": fact.entrance,
                "joined": _utc(fact.joined_at),
                "left": _utc(fact.left_at),
            },
        )
        if fact.tags is not None:
            con.execute("delete from member_tags where community_no = $c and member_no = $m", keys)
            for tag in sorted(fact.tags):
                con.execute("insert into member_tags values ($c, $m, $t)", keys | {"t": tag})
        if fact.is_bot is not None:
            state = con.execute("select is_bot from members where member_no = $m", {"m": number}).fetchall()
            if state[0][0] == fact.is_bot:
                continue
            con.execute(
                "update members set is_bot = $b where member_no = $m", {"b": fact.is_bot, "m": number}
            )
            con.execute("update events set is_bot = $b where member_no = $m", {"b": fact.is_bot, "m": number})
            _dirty(con, "member_no = $m", {"m": number})


def _dirty(con: duckdb.DuckDBPyConnection, where: str, parameters: dict[str, int]) -> None:
    con.execute(
        f"insert into dirty_days select distinct community_no, local_day from {LOG} where {where}",
        parameters,
    )
    con.execute(
        f"insert into dirty_days select distinct community_no, local_day from member_day where {where}",
        parameters,
    )


def link_persons(con: duckdb.DuckDBPyConnection, refs: Sequence[MemberRef]) -> None:
    """Give all identities of these persons the smallest of their person numbers."""
    persons: set[int] = set()
    for ref in refs:
        number = _known(con, ref)
        rows = con.execute("select person_no from members where member_no = $m", {"m": number}).fetchall()
        persons.add(rows[0][0])
    if not persons:
        return
    chosen = min(persons)
    for person in sorted(persons - {chosen}):
        _dirty(con, "person_no = $p", {"p": person})
        for table in ("events", "members"):
            con.execute(
                f"update {table} set person_no = $to where person_no = $p",
                {"to": chosen, "p": person},
            )


def unlink_person(con: duckdb.DuckDBPyConnection, ref: MemberRef) -> None:
    """Make the identity a person of its own; what stays behind keeps a number that is one of its own."""
    number = _known(con, ref)
    person = con.execute("select person_no from members where member_no = $m", {"m": number}).fetchall()[0][0]
    rest = [
        row[0]
        for row in con.execute(
            "select member_no from members where person_no = $p and member_no <> $m order by 1",
            {"p": person, "m": number},
        ).fetchall()
    ]
    _dirty(con, "person_no = $p", {"p": person})
    for members, to in (([number], number), (rest, rest[0] if rest else 0)):
        for member in members:
            for table in ("events", "members"):
                con.execute(
                    f"update {table} set person_no = $to where member_no = $m",
                    {"to": to, "m": member},
                )


def forget(con: duckdb.DuckDBPyConnection, ref: MemberRef, path: Path) -> tuple[int, int, int]:
    """Delete the member's events, facts and name; give (events deleted, pointers of others cleared, files rewritten)."""
    number = _known(con, ref)
    key = {"m": number}
    person = con.execute("select person_no from members where member_no = $m", key).fetchall()[0][0]
    if con.execute("select count(*) from members where person_no = $p", {"p": person}).fetchall()[0][0] > 1:
        unlink_person(con, ref)
    _dirty(con, "member_no = $m", key)
    events = con.execute(f"select count(*) from {LOG} where member_no = $m", key).fetchall()[0][0]
    mentions = con.execute(
        f"select count(*) from {LOG} where target_no = $m and member_no is distinct from $m", key
    ).fetchall()[0][0]
    con.execute(
        f"""delete from contents where content_no in (select content_no from {LOG} where member_no = $m
            and kind in ('message', 'comment', 'question', 'answer', 'share'))""",
        key,
    )
    files = rewrite_files(
        con,
        path,
        touched=f"a.member_no = {number:d} or a.target_no = {number:d}",
        kept=f"a.member_no is distinct from {number:d}",
        changed={
            "target_no": f"case when a.target_no = {number:d} then null else a.target_no end",
            "attrs": f"case when a.target_no = {number:d} then null else a.attrs end",
        },
    )
    for table in ("events", "retractions", "late_retractions", "profiles", "member_tags", "members"):
        con.execute(f"delete from {table} where member_no = $m", key)
    con.execute("update events set target_no = null, attrs = null where target_no = $m", key)
    return events, mentions, files


def drop_texts(con: duckdb.DuckDBPyConnection, before: datetime) -> int:
    """Take texts and their digests out of the attrs of live events before an instant; give of how many."""
    found = con.execute(
        """update events set attrs = nullif(cast(
                json_merge_patch(cast(attrs as json), '{"text": null, "text_hash": null}') as varchar), '{}')
        where ts < $t and attrs is not null
            and (json_exists(attrs, '$.text') or json_exists(attrs, '$.text_hash'))""",
        {"t": _utc(before)},
    ).fetchall()
    return int(found[0][0]) if found else 0
