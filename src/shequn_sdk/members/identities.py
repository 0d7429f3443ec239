"""Identities and persons inside a transaction of the operational store.

Rooms keep the number of the *identity* with what they note of a member, never that of the person: an identity's number
stays, while merging and undoing a merge change whose it is. Whatever is asked of a person joins `identity`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select, text, tuple_

from shequn_sdk.domain import Interaction, MemberRef
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.members import identity

__all__ = ["Seen", "find_identities", "note_identities", "persons_of", "seen_in"]

_CHUNK = 400
_FIND = Fast("select id from identity where platform = :platform and native_id = :native")
_NEW_PERSON = Fast("insert into person (name, created_at) values ('', :at) returning id")
_NEW = Fast(
    "insert into identity (platform, native_id, person_id, display_name, username, is_bot, account, first_seen, last_seen) "
    "values (:platform, :native, :person, :name, :user, :bot, :by, :first, :last) returning id"
)
_OWNERS = Fast("select id, person_id from identity where id in :ids")
_RENEW = Fast(
    "update identity set last_seen = :at, display_name = coalesce(nullif(:name, ''), display_name), "
    "username = coalesce(nullif(:user, ''), username), is_bot = :bot, account = :by "
    "where id = :key and last_seen <= :at"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one interaction tells of who did it."""

    ref: MemberRef
    at: int
    """Microseconds since 1970 UTC."""
    display_name: str = ""
    username: str = ""
    is_bot: bool = False
    account: str = ""


def seen_in(interaction: Interaction) -> Seen | None:
    """Give what an interaction tells of its member; None when it names none."""
    if not interaction.member:
        return None
    return Seen(
        ref=MemberRef(platform=interaction.platform, native_id=interaction.member),
        at=to_us(interaction.occurred_at),
        display_name=interaction.member_name[:256],
        username=interaction.username[:256],
        is_bot=interaction.is_bot,
        account=interaction.account,
    )


def find_identities(conn: Connection, refs: Iterable[MemberRef]) -> dict[MemberRef, int]:
    """Give the identities' numbers; members that were never seen are not in it."""
    wanted = list(dict.fromkeys(refs))
    found: dict[MemberRef, int] = {}
    if (
        conn.dialect.name == "sqlite"
    ):  # no round trips: one by one costs less than to write a long list into the SQL
        for ref in wanted:
            row = _FIND.one(conn, {"platform": ref.platform, "native": ref.native_id})
            if row is not None:
                found[ref] = int(row[0])
        return found
    for start in range(0, len(wanted), _CHUNK):
        keys = [(ref.platform, ref.native_id) for ref in wanted[start : start + _CHUNK]]
        rows = conn.execute(
            select(identity.c.platform, identity.c.native_id, identity.c.id).where(
                tuple_(identity.c.platform, identity.c.native_id).in_(keys)
            )
        )
        found |= {MemberRef(platform=row.platform, native_id=row.native_id): row.id for row in rows}
    return found


def note_identities(conn: Connection, seen: Iterable[Seen]) -> Mapping[MemberRef, int]:
    """Make identities known, each a person of its own at first, and keep their newest names; give their numbers.

    Late news (older than what is known) changes neither name nor account, and no name is no news.
    """
    newest: dict[MemberRef, Seen] = {}
    first: dict[MemberRef, int] = {}
    for one in seen:
        first[one.ref] = min(one.at, first.get(one.ref, one.at))
        if one.ref not in newest or one.at >= newest[one.ref].at:
            newest[one.ref] = one
    numbers = find_identities(conn, newest)
    if conn.dialect.name == "postgresql" and any(ref not in numbers for ref in newest):
        # two processes may meet the same newcomer: one after the other
        conn.execute(text("select pg_advisory_xact_lock(7305811)"))
        numbers = find_identities(conn, newest)
    for ref in [ref for ref in newest if ref not in numbers]:
        one = newest[ref]
        owner = _NEW_PERSON.one(conn, {"at": first[ref]})
        made = _NEW.one(
            conn,
            {
                "platform": ref.platform,
                "native": ref.native_id,
                "person": owner[0] if owner else None,
                "name": one.display_name,
                "user": one.username,
                "bot": int(one.is_bot),
                "by": one.account,
                "first": first[ref],
                "last": one.at,
            },
        )
        numbers[ref] = made[0] if made else 0
        del newest[ref]
    changes = [
        {
            "key": numbers[ref],
            "at": one.at,
            "name": one.display_name,
            "user": one.username,
            "bot": int(one.is_bot),
            "by": one.account,
        }
        for ref, one in newest.items()
    ]
    _RENEW.many(conn, changes)
    return numbers


def persons_of(conn: Connection, identities: Iterable[int]) -> dict[int, int]:
    """Give the person of each identity; numbers of nobody are not in it."""
    wanted = list(dict.fromkeys(identities))
    return {int(number): int(owner) for number, owner in _OWNERS.all(conn, {"ids": wanted})} if wanted else {}
