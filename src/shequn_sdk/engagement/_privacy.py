"""What engagement keeps of a member."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.engagement import act, activity, question
from shequn_sdk.stores.tables.members import identity

__all__ = ["erase_rows", "export_rows"]


def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
    """Give what members did in polls, lotteries, check-ins and the like, and what they asked."""
    done = (
        select(activity.c.community, activity.c.kind, activity.c.title, act.c.act, act.c.value, act.c.at)
        .join(activity, activity.c.id == act.c.activity_id)
        .where(act.c.identity_id.in_(identities))
        .order_by(act.c.id)
    )
    asked = select(
        question.c.text, question.c.state, question.c.asked_at, question.c.settled_at, question.c.channel
    ).where(question.c.identity_id.in_(identities))
    return {
        "engagement_act": [
            {
                "community": row.community,
                "kind": row.kind,
                "title": row.title,
                "act": row.act,
                "value": row.value,
                "at": from_us(row.at).isoformat(),
            }
            for row in conn.execute(done)
        ],
        "engagement_question": [
            {
                "text": row.text,
                "state": row.state,
                "channel": row.channel,
                "asked_at": from_us(row.asked_at).isoformat(),
                "settled_at": from_us(row.settled_at).isoformat() if row.settled_at else None,
            }
            for row in conn.execute(asked.order_by(question.c.id))
        ],
    }


def erase_rows(conn: Connection, identities: Sequence[int]) -> int:
    """Remove what members did and asked; results that were announced keep their numbers, without names.

    The list of a lottery that was drawn keeps its codes, so that its certificate still holds; whose they were is forgotten.
    """
    query = select(identity.c.platform, identity.c.native_id).where(identity.c.id.in_(identities))
    members = {f"{row.platform}:{row.native_id}" for row in conn.execute(query)}
    touched = select(act.c.activity_id).where(act.c.identity_id.in_(identities)).distinct()
    results = select(activity.c.id, activity.c.result).where(
        activity.c.kind.in_(("contest", "topic")), activity.c.result != "", activity.c.id.in_(touched)
    )
    done = 0
    for row in conn.execute(results).all():
        data = json.loads(row.result)
        for line in [*data.get("entries", ()), *data.get("noticed", ())]:
            if line.get("member") in members:
                line |= {key: "" for key in ("member", "name", "text") if key in line}
        conn.execute(
            update(activity)
            .where(activity.c.id == row.id)
            .values(result=json.dumps(data, ensure_ascii=False))
        )
        done += 1
    done += conn.execute(delete(act).where(act.c.identity_id.in_(identities))).rowcount
    done += conn.execute(delete(question).where(question.c.identity_id.in_(identities))).rowcount
    settled = question.c.settled_by.in_(members)
    done += conn.execute(update(question).where(settled).values(settled_by="erased")).rowcount
    return done
