"""What the event store has to hear of members: who is one person, their tags and roles.

It is written down with the change itself and struck off once the event store has it, so that a crash, or a store that
another process holds, only delays it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, delete, select

from shequn_sdk.domain import MemberRef, Role
from shequn_sdk.members.consents import tags_of
from shequn_sdk.members.identities import persons_of
from shequn_sdk.members.merging import identities_of
from shequn_sdk.metrics.store.base import MemberFacts
from shequn_sdk.stores.tables.members import identity, membership
from shequn_sdk.stores.tables.profiles import fact_push

if TYPE_CHECKING:
    from shequn_sdk.house import House
    from shequn_sdk.metrics.store.aio import AsyncEventStore

__all__ = ["push"]

_STEP = 500


class _Due(NamedTuple):
    rows: list[tuple[str, int]]
    alone: list[MemberRef]
    groups: list[list[MemberRef]]
    facts: dict[str, list[MemberFacts]]
    home: dict[MemberRef, str]


def _due(conn: Connection) -> _Due:
    rows = [
        (row.community, row.identity_id)
        for row in conn.execute(
            select(fact_push.c.community, fact_push.c.identity_id).order_by(fact_push.c.at).limit(_STEP)
        )
    ]
    due = _Due(rows, [], [], defaultdict(list), {})
    if not rows:
        return due
    moved = [number for community, number in rows if not community]
    owners = persons_of(conn, moved)
    groups = identities_of(conn, owners.values())
    wanted = {number for group in groups.values() for number in group} | {number for _, number in rows}
    refs: dict[int, MemberRef] = {}
    ordered = sorted(wanted)
    for start in range(0, len(ordered), 400):
        for row in conn.execute(
            select(identity.c.id, identity.c.platform, identity.c.native_id).where(
                identity.c.id.in_(ordered[start : start + 400])
            )
        ):
            refs[row.id] = MemberRef(platform=row.platform, native_id=row.native_id)
    for row in conn.execute(
        select(membership.c.identity_id, membership.c.community).where(
            membership.c.identity_id.in_(ordered[:900])
        )
    ):
        due.home[refs[row.identity_id]] = row.community
    due.alone.extend(refs[number] for number in owners)
    due.groups.extend([refs[number] for number in group] for group in groups.values() if len(group) > 1)
    for community, number in rows:
        if community and number in refs:
            role = conn.execute(
                select(membership.c.role).where(
                    membership.c.community == community, membership.c.identity_id == number
                )
            ).scalar()
            tags = frozenset(tags_of(conn, community, [number]))
            due.facts[community].append(
                MemberFacts(ref=refs[number], tags=tags, role=Role(role) if role else None)
            )
    return due


async def _ready(house: House, events: AsyncEventStore, name: str, known: set[str]) -> None:
    if name not in known:
        community = next((one for one in house.communities if one.name == name), None)
        await events.ensure_community(name, zone=community.zone if community is not None else "UTC")
        known.add(name)


async def push(house: House) -> int:
    """Tell the event store what it has not heard yet; gives how many notes were struck off.

    Raises:
        StoreBusy: another process held the event store for too long; everything stays noted.
    """
    store = await house.store()
    total = 0
    while True:
        due = await store.read(_due)
        if not due.rows:
            return total
        events = await house.events()
        known = {info.name for info in await events.communities()}

        for name, facts in due.facts.items():
            await _ready(house, events, name, known)
            await events.set_members(facts, community=name)
        involved = dict.fromkeys([*due.alone, *(ref for group in due.groups for ref in group)])
        by_home: dict[str, list[MemberFacts]] = defaultdict(list)
        for ref in sorted(involved, key=str):
            by_home[due.home.get(ref, "unassigned")].append(MemberFacts(ref=ref))
        for name, facts in by_home.items():  # makes them known, where their events are still in the inbox
            await _ready(house, events, name, known)
            await events.set_members(facts, community=name)
        for ref in due.alone:
            await events.unlink_person(ref)
        for group in due.groups:
            await events.link_persons(group)
        rows = due.rows

        def strike(conn: Connection, rows: list[tuple[str, int]] = rows) -> None:
            for community, number in rows:
                conn.execute(
                    delete(fact_push).where(
                        fact_push.c.community == community, fact_push.c.identity_id == number
                    )
                )

        await store.write(strike)
        total += len(rows)
