"""Persons as they are shown: identities, memberships, stages, profile. Inside a transaction of the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, select

from shequn_sdk.domain import Community, LifecycleDays, MemberRef, Role
from shequn_sdk.members.consents import birthday_of, consents_of, tags_of
from shequn_sdk.members.fields import read_fields
from shequn_sdk.members.lifecycle import Days, stage_of
from shequn_sdk.members.merging import identities_of
from shequn_sdk.members.models import IdentityInfo, MemberInfo, MembershipInfo
from shequn_sdk.members.names import shown
from shequn_sdk.members.sealing import Sealer
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.members import identity, membership, person

__all__ = ["Lookup", "member_info", "membership_of"]

Lookup = Callable[[str], Community | None]
"""Gives a community by its name."""
_ROLES = {role.value: place for place, role in enumerate(Role)}


def membership_of(
    rows: Sequence[RowMapping], *, now: datetime, zone: str, thresholds: LifecycleDays
) -> MembershipInfo:
    """Give one membership of the rows of a person's identities: first come, last active, in while any is."""
    local = ZoneInfo(zone)

    def day(value: int) -> date:
        return from_us(value).astimezone(local).date()

    first = min(row["first_at"] for row in rows)
    joined = [row["joined_at"] for row in rows if row["joined_at"] is not None]
    acts = [row["last_active"] for row in rows if row["last_active"] is not None]
    left = max(row["left_at"] for row in rows) if all(row["left_at"] is not None for row in rows) else None
    back = max(
        (row for row in rows if row["returned_at"] is not None),
        key=lambda row: row["returned_at"],
        default=None,
    )
    days = Days(
        first=day(first),
        last=day(max(acts)) if acts else None,
        left=left is not None,
        away=day(back["away_since"]) if back is not None else None,
        returned=day(back["returned_at"]) if back is not None else None,
        rejoined=back is not None and back["returned_at"] == back["joined_at"],
    )
    latest = max(rows, key=lambda row: (row["joined_at"] or 0, row["first_at"]))
    return MembershipInfo(
        community=rows[0]["community"],
        stage=stage_of(days, today=now.astimezone(local).date(), thresholds=thresholds),
        role=min((Role(row["role"]) for row in rows), key=lambda role: _ROLES[role]),
        first_at=from_us(first),
        joined_at=from_us(min(joined)) if joined else None,
        left_at=None if left is None else from_us(left),
        joins=sum(row["joins"] for row in rows),
        entrance=latest["entrance"],
        last_active=from_us(max(acts)) if acts else None,
    )


def member_info(
    conn: Connection,
    number: int,
    *,
    now: datetime,
    lookup: Lookup,
    sealer: Sealer | None = None,
) -> MemberInfo | None:
    """Give a person with everything that is known; None when there is nobody of that number."""
    numbers = identities_of(conn, [number])[number]
    if not numbers:
        return None
    rows = conn.execute(
        select(identity)
        .where(identity.c.id.in_(numbers))
        .order_by(identity.c.last_seen.desc(), identity.c.id)
    ).mappings()
    identities = tuple(
        IdentityInfo(
            ref=MemberRef(platform=row["platform"], native_id=row["native_id"]),
            name=shown(row["display_name"]),
            username=shown(row["username"]),
            is_bot=bool(row["is_bot"]),
            first_seen=from_us(row["first_seen"]),
            last_seen=from_us(row["last_seen"]),
        )
        for row in rows
    )
    given = conn.execute(select(person.c.name).where(person.c.id == number)).scalar() or ""
    by_community: dict[str, list[RowMapping]] = {}
    for row in conn.execute(
        select(membership).where(membership.c.identity_id.in_(numbers)).order_by(membership.c.community)
    ).mappings():
        by_community.setdefault(row["community"], []).append(row)
    memberships: list[MembershipInfo] = []
    for name, own in by_community.items():
        community = lookup(name)
        found = membership_of(
            own,
            now=now,
            zone=community.zone if community is not None else "UTC",
            thresholds=community.lifecycle if community is not None else LifecycleDays(),
        )
        memberships.append(
            found.model_copy(
                update={
                    "tags": tuple(tags_of(conn, name, numbers)),
                    "consents": tuple(consents_of(conn, name, numbers)),
                }
            )
        )
    return MemberInfo(
        number=number,
        name=shown(given) or next((one.name for one in identities if one.name), ""),
        identities=identities,
        memberships=tuple(memberships),
        fields=read_fields(conn, numbers, sealer=sealer),
        birthday=birthday_of(conn, numbers),
    )
