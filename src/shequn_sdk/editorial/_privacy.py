"""What approvals keep of a member: decisions; and whose hand an entry is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from shequn_sdk.editorial.model import ApprovalPolicy
from shequn_sdk.stores.tables.editorial import (
    approval_policy,
    approval_request,
    approval_vote,
    calendar_change,
    calendar_entry,
    calendar_step,
    calendar_version,
)
from shequn_sdk.stores.tables.members import identity

__all__ = ["erase_rows", "export_rows"]


def _names(conn: Connection, identities: Sequence[int]) -> list[str]:
    rows = conn.execute(
        select(identity.c.platform, identity.c.native_id).where(identity.c.id.in_(list(identities)))
    )
    return [f"{row.platform}:{row.native_id}" for row in rows]


def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
    """Give the member's decisions, and the steps that they took in the calendar."""
    votes = conn.execute(
        select(
            approval_request.c.entry_id,
            approval_request.c.version,
            approval_vote.c.decision,
            approval_vote.c.note,
            approval_vote.c.at,
        )
        .join(approval_request, approval_request.c.id == approval_vote.c.request_id)
        .where(approval_vote.c.identity_id.in_(list(identities)))
        .order_by(approval_vote.c.id)
    )
    steps = conn.execute(
        select(calendar_step.c.action, calendar_step.c.note, calendar_step.c.at)
        .where(calendar_step.c.actor.in_(_names(conn, identities)))
        .order_by(calendar_step.c.id)
    )
    found = {
        "approval_vote": [dict(row) for row in votes.mappings()],
        "calendar_step": [dict(row) for row in steps.mappings()],
    }
    return {name: rows for name, rows in found.items() if rows}


def erase_rows(conn: Connection, identities: Sequence[int]) -> int:
    """Take the member out of decisions and of the audit log; what was decided stays."""
    names = _names(conn, identities)
    touched = conn.execute(
        update(approval_vote)
        .where(approval_vote.c.identity_id.in_(list(identities)))
        .values(identity_id=None, note="", event=None)
    ).rowcount
    for column in (
        calendar_step.c.actor,
        calendar_entry.c.author,
        calendar_version.c.author,
        approval_request.c.asked_by,
    ):
        touched += conn.execute(
            update(column.table).where(column.in_(names)).values({column.name: "erased"})
        ).rowcount
    for name in names:
        told = f'"author": {json.dumps(name, ensure_ascii=False)}'
        touched += conn.execute(
            update(calendar_change)
            .where(calendar_change.c.before.contains(told, autoescape=True))
            .values(before=func.replace(calendar_change.c.before, told, '"author": "erased"'))
        ).rowcount
    return touched + _leave_policies(conn, frozenset(names))


def _leave_policies(conn: Connection, names: frozenset[str]) -> int:
    """Take the member out of the policies that name them; who else they name stays."""
    touched = 0
    for table in (approval_policy, approval_request):
        key = tuple(table.primary_key.columns)
        for row in conn.execute(select(*key, table.c.policy)).all():
            policy = ApprovalPolicy.model_validate_json(row.policy)
            kept = tuple(ref for ref in policy.approvers if str(ref) not in names)
            if kept != policy.approvers:
                text = policy.model_copy(update={"approvers": kept}).model_dump_json()
                same = [column == value for column, value in zip(key, row[:-1], strict=True)]
                conn.execute(update(table).where(*same).values(policy=text))
                touched += 1
    return touched
