"""What moderation keeps of a person: given out on request, and taken away.

Cases, strikes and lines of the audit trail stay, without the person, without their words, and without ids that lead back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from shequn_sdk.stores.tables.moderation import (
    moderation_action,
    moderation_appeal,
    moderation_audit,
    moderation_case,
    moderation_strike,
)

__all__ = ["erase_rows", "export_rows"]


def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
    """Give cases, strikes, actions and appeals of these identities."""
    cases = _cases(conn, identities)
    found = {
        "moderation_case": _rows(
            conn, select(moderation_case).where(moderation_case.c.identity_id.in_(identities))
        ),
        "moderation_strike": _rows(
            conn, select(moderation_strike).where(moderation_strike.c.identity_id.in_(identities))
        ),
        "moderation_action": _rows(
            conn, select(moderation_action).where(moderation_action.c.identity_id.in_(identities))
        ),
        "moderation_appeal": _rows(
            conn, select(moderation_appeal).where(moderation_appeal.c.case_id.in_(cases))
        ),
    }
    return {name: rows for name, rows in found.items() if rows}


def _rows(conn: Connection, wanted: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in conn.execute(wanted).mappings()]


def _cases(conn: Connection, identities: Sequence[int]) -> list[int]:
    return list(
        conn.execute(
            select(moderation_case.c.id).where(moderation_case.c.identity_id.in_(identities))
        ).scalars()
    )


def erase_rows(conn: Connection, identities: Sequence[int]) -> int:
    """Remove strikes and appeals, and the person from cases and actions. Gives the number of rows."""
    cases = _cases(conn, identities)
    subjects = [f"case:{number}" for number in cases]
    changed = 0
    for wanted in (
        delete(moderation_strike).where(moderation_strike.c.identity_id.in_(identities)),
        delete(moderation_appeal).where(moderation_appeal.c.case_id.in_(cases)),
        update(moderation_audit).where(moderation_audit.c.subject.in_(subjects)).values(detail=""),
    ):
        changed += conn.execute(wanted).rowcount
    for number in cases:
        changed += conn.execute(
            update(moderation_case)
            .where(moderation_case.c.id == number)
            .values(
                identity_id=None,
                event=f"erased/{number}",
                message="",
                decision='{"rule":""}',
                note="",
            )
        ).rowcount
    rows = conn.execute(
        select(moderation_action.c.id, moderation_action.c.state).where(
            moderation_action.c.identity_id.in_(identities)
        )
    ).all()
    for row in rows:
        values: dict[str, Any] = {
            "identity_id": None,
            "member": f"erased/{row.id}",
            "message": "",
            "reason": "",
            "error": "",
        }
        if row.state in {"planned", "trying", "unknown"}:
            values["state"] = "dropped"
        changed += conn.execute(
            update(moderation_action).where(moderation_action.c.id == row.id).values(**values)
        ).rowcount
    return changed
