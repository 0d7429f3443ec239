"""Persons found by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, or_, select

from shequn_sdk.members.models import MemberInfo
from shequn_sdk.members.names import match_key
from shequn_sdk.members.reading import Lookup, member_info
from shequn_sdk.stores.tables.members import identity, person

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["find"]

_LOOK = 200_000
"""Identities that are compared letter by letter, those seen last."""


async def find(house: House, text: str, *, limit: int, lookup: Lookup) -> Sequence[MemberInfo]:
    """Give persons whose names hold a text; all persons when it is empty."""
    now = house.clock.now()
    key = match_key(text)

    def look(conn: Connection) -> list[MemberInfo]:
        query = (
            select(identity.c.person_id, identity.c.display_name, identity.c.username, person.c.name)
            .join(person, person.c.id == identity.c.person_id)
            .order_by(identity.c.last_seen.desc(), identity.c.id)
        )
        if text and not key:  # signs only: nothing to compare but the signs themselves
            query = query.where(
                or_(
                    identity.c.display_name.contains(text, autoescape=True),
                    person.c.name.contains(text, autoescape=True),
                )
            )
        numbers: dict[int, None] = {}
        for row in conn.execute(query.limit(_LOOK)):
            if len(numbers) >= limit:
                break
            if not key or any(key in match_key(name) for name in (row.display_name, row.username, row.name)):
                numbers[row.person_id] = None
        found = (member_info(conn, number, now=now, lookup=lookup) for number in numbers)
        return [one for one in found if one is not None]

    return await (await house.store()).read(look)
