"""What entrances and partners keep of a person: given out on request, and taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from shequn_sdk.links.model import Source
from shequn_sdk.stores.tables.links import entrance, partner
from shequn_sdk.stores.tables.members import identity

__all__ = ["erase_rows", "export_rows"]


def _owned(conn: Connection, identities: Sequence[int]) -> list[dict[str, Any]]:
    refs = {
        f"{row.platform}:{row.native_id}"
        for row in conn.execute(
            select(identity.c.platform, identity.c.native_id).where(identity.c.id.in_(identities))
        )
    }
    rows = conn.execute(select(entrance).where(entrance.c.source.like("%kol%"))).mappings()
    return [dict(row) for row in rows if Source.model_validate_json(row["source"]).kol in refs]


def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
    """Give the partners that these identities are, and the entrances that are theirs."""
    partners = [
        dict(row)
        for row in conn.execute(select(partner).where(partner.c.identity_id.in_(identities))).mappings()
    ]
    found = {"partner": partners, "entrance": _owned(conn, identities)}
    return {name: rows for name, rows in found.items() if rows}


def erase_rows(conn: Connection, identities: Sequence[int]) -> int:
    """Cut the ties; what came through the entrances stays counted. Gives the number of rows."""
    changed = conn.execute(
        update(partner).where(partner.c.identity_id.in_(identities)).values(identity_id=None)
    ).rowcount
    for row in _owned(conn, identities):
        source = Source.model_validate_json(row["source"]).model_copy(update={"kol": ""})
        changed += conn.execute(
            update(entrance)
            .where(entrance.c.community == row["community"], entrance.c.name == row["name"])
            .values(source=source.model_dump_json(exclude_defaults=True))
        ).rowcount
    return changed
