"""What journeys keep of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from shequn_sdk.stores.tables.journeys import journey_contact, journey_run, journey_step, journey_task

__all__ = ["erase_rows", "export_rows"]

_TABLES = (journey_contact, journey_task, journey_run)


def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
    """Give what is kept, by table; definitions of journeys are nobody's data."""
    numbers = list(identities)
    found = {
        table.name: [
            {name: value for name, value in row.items() if name != "definition"}
            for row in conn.execute(select(table).where(table.c.identity_id.in_(numbers))).mappings()
        ]
        for table in _TABLES
    }
    runs = [row["id"] for row in found["journey_run"]]
    found["journey_step"] = [
        dict(row)
        for row in conn.execute(select(journey_step).where(journey_step.c.run_id.in_(runs))).mappings()
    ]
    return {name: rows for name, rows in found.items() if rows}


def erase_rows(conn: Connection, identities: Sequence[int]) -> int:
    """Remove it; gives how many rows that were."""
    numbers = list(identities)
    runs = select(journey_run.c.id).where(journey_run.c.identity_id.in_(numbers))
    total = conn.execute(delete(journey_step).where(journey_step.c.run_id.in_(runs))).rowcount
    for table in _TABLES:
        total += conn.execute(delete(table).where(table.c.identity_id.in_(numbers))).rowcount
    return total
