"""What the rooms of commerce keep of a person: given out on request, and taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from shequn_sdk.stores.tables.commerce import (
    coupon,
    coupon_use,
    experiment_outcome,
    exposure,
    shop_order,
    term,
    touch,
)

__all__ = ["erase_rows", "export_rows"]

_TABLES = (shop_order, term, coupon, coupon_use, touch, exposure, experiment_outcome)


def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
    """Give all rows that concern these identities, per table."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in _TABLES:
        rows = conn.execute(select(table).where(table.c.identity_id.in_(identities))).mappings()
        listed = [dict(row) for row in rows]
        if listed:
            found[table.name] = listed
    return found


def erase_rows(conn: Connection, identities: Sequence[int]) -> int:
    """Take these identities away; orders stay without a buyer, as the books must be kept. Gives the number of rows."""
    changed = 0
    for table in (term, coupon_use, touch, exposure, experiment_outcome):
        changed += conn.execute(delete(table).where(table.c.identity_id.in_(identities))).rowcount
    changed += conn.execute(delete(coupon).where(coupon.c.identity_id.in_(identities))).rowcount
    changed += conn.execute(
        update(shop_order).where(shop_order.c.identity_id.in_(identities)).values(identity_id=None)
    ).rowcount
    return changed
