"""How much of what the calendar published sells something."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from shequn_sdk.editorial.model import EntryState
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store
from shequn_sdk.stores.tables.editorial import calendar_entry

__all__ = ["promotional_share"]

_FEWEST = 5
"""Of fewer posts a share says nothing."""


async def promotional_share(store: Store, community: str, *, start: datetime, end: datetime) -> float | None:
    """Give the share of promotional contents among those of the calendar whose time came from `start` until before `end`.

    None for fewer than five; contents that were published past the calendar are not known here.
    """
    entry = calendar_entry.c
    query = select(func.count(), func.sum(entry.promotional)).where(
        entry.community == community,
        entry.state.in_((EntryState.SCHEDULED, EntryState.LANDED)),
        entry.at >= to_us(start),
        entry.at < to_us(min(end, store.clock.now())),
    )

    def count(conn: Connection) -> tuple[int, int]:
        due, sold = conn.execute(query).one()
        return int(due), int(sold or 0)

    due, sold = await store.read(count)
    return sold / due if due >= _FEWEST else None
