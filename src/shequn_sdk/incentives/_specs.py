"""What is set up, local days, and whose identity is whose, inside a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import Connection, delete, insert, select, text, update

from shequn_sdk.domain import Community, MemberRef
from shequn_sdk.members.identities import Seen, find_identities, note_identities, persons_of
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.tables.incentives import incentive_spec
from shequn_sdk.stores.tables.members import identity

__all__ = ["faces", "identity_of", "local_day_of", "person_of", "read_specs", "remove_spec", "write_spec"]


_NEWCOMERS = 7305811
"""Key of the lock under which unknown members are noted."""


def write_spec(conn: Connection, community: str, kind: str, name: str, spec: BaseModel, *, now: int) -> None:
    """Set something up, in place of what was there."""
    key = (
        incentive_spec.c.community == community,
        incentive_spec.c.kind == kind,
        incentive_spec.c.name == name,
    )
    data = spec.model_dump_json()
    if not conn.execute(update(incentive_spec).where(*key).values(spec=data, updated_at=now)).rowcount:
        conn.execute(
            insert(incentive_spec).values(
                community=community, kind=kind, name=name, spec=data, updated_at=now
            )
        )


def remove_spec(conn: Connection, community: str, kind: str, name: str) -> bool:
    """Take something away; False when it is not there."""
    query = delete(incentive_spec).where(
        incentive_spec.c.community == community,
        incentive_spec.c.kind == kind,
        incentive_spec.c.name == name,
    )
    return bool(conn.execute(query).rowcount)


_SPECS = Fast("select community, name, spec from incentive_spec where kind = :kind order by community, name")
_OWN_SPECS = Fast(
    "select community, name, spec from incentive_spec where kind = :kind and community = :community order by name"
)


def read_specs(conn: Connection, kind: str, community: str | None = None) -> list[tuple[str, str, str]]:
    """Give what is set up of a kind: community, name, JSON."""
    rows = (
        _SPECS.all(conn, {"kind": kind})
        if community is None
        else _OWN_SPECS.all(conn, {"kind": kind, "community": community})
    )
    return [(owner, name, spec) for owner, name, spec in rows]


def local_day_of(owner: Community, at: datetime) -> str:
    """Give the community's local day of an instant, as ISO text."""
    return at.astimezone(ZoneInfo(owner.zone)).date().isoformat()


def identity_of(
    conn: Connection, refs: Iterable[MemberRef], at: int, *, named: Mapping[MemberRef, Seen] | None = None
) -> dict[MemberRef, int]:
    """Give the identities' numbers; who was never seen is made known, with the name in `named` if there is one."""
    wanted = list(dict.fromkeys(refs))
    found = find_identities(conn, wanted)
    if len(found) < len(wanted) and conn.dialect.name == "postgresql":
        # two processes that hear of one newcomer at once: the second waits, and finds them
        conn.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _NEWCOMERS})
        found = find_identities(conn, wanted)
    missing = [(named or {}).get(ref) or Seen(ref=ref, at=at) for ref in wanted if ref not in found]
    return {**found, **(note_identities(conn, missing) if missing else {})}


def person_of(conn: Connection, ref: MemberRef) -> int | None:
    """Give the person of a member; None when nobody of that id was ever seen."""
    number = find_identities(conn, [ref]).get(ref)
    return None if number is None else persons_of(conn, [number]).get(number)


def faces(conn: Connection, persons: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Give, per person, their first member as `platform:native-id` and the newest name."""
    wanted = list(dict.fromkeys(persons))
    found: dict[int, tuple[str, str]] = {}
    newest: dict[int, int] = {}
    for start in range(0, len(wanted), 400):
        query = (
            select(
                identity.c.person_id,
                identity.c.platform,
                identity.c.native_id,
                identity.c.display_name,
                identity.c.last_seen,
            )
            .where(identity.c.person_id.in_(wanted[start : start + 400]))
            .order_by(identity.c.id)
        )
        for row in conn.execute(query):
            member, name = found.get(row.person_id, (f"{row.platform}:{row.native_id}", ""))
            if row.display_name and row.last_seen >= newest.get(row.person_id, -1):
                name, newest[row.person_id] = row.display_name, row.last_seen
            found[row.person_id] = (member, name)
    return found
