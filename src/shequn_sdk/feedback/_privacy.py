"""What feedback keeps of a person: given out on request, and taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from shequn_sdk.stores.tables.feedback import feedback_item

__all__ = ["erase_rows", "export_rows"]


def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
    """Give all that these identities said."""
    rows = conn.execute(select(feedback_item).where(feedback_item.c.identity_id.in_(identities))).mappings()
    listed = [dict(row) for row in rows]
    return {"feedback_item": listed} if listed else {}


def erase_rows(conn: Connection, identities: Sequence[int]) -> int:
    """Take away who said it and in which words; that it was said, and what was done, stays. Gives the number of rows."""
    return conn.execute(
        update(feedback_item)
        .where(feedback_item.c.identity_id.in_(identities))
        .values(identity_id=None, text="", message="")
    ).rowcount
