"""What incentives keep of a member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, String, cast, delete, literal, or_, select, update

from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.incentives import (
    badge_award,
    opt_out,
    points_account,
    points_entry,
    redemption,
    tier_holding,
)

__all__ = ["erase_rows", "export_rows"]


def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
    """Give points, badges, tiers and redemptions."""
    accounts = {
        row.id: row
        for row in conn.execute(select(points_account).where(points_account.c.identity_id.in_(identities)))
    }
    mine = or_(points_entry.c.source_id.in_(accounts), points_entry.c.target_id.in_(accounts))
    entries = conn.execute(select(points_entry).where(mine).order_by(points_entry.c.id))
    badges = conn.execute(select(badge_award).where(badge_award.c.identity_id.in_(identities)))
    tiers = conn.execute(select(tier_holding).where(tier_holding.c.identity_id.in_(identities)))
    bought = conn.execute(select(redemption).where(redemption.c.identity_id.in_(identities)))
    hidden = conn.execute(select(opt_out).where(opt_out.c.identity_id.in_(identities)))
    return {
        "points_account": [{"community": row.community, "balance": row.balance} for row in accounts.values()],
        "points_entry": [
            {
                "kind": row.kind,
                "rule": row.rule,
                "points": row.amount if row.target_id in accounts else -row.amount,
                "at": from_us(row.at).isoformat(),
                "place": row.place,
                "note": row.note,
            }
            for row in entries
        ],
        "badge_award": [
            {"badge": row.badge, "at": from_us(row.at).isoformat(), "note": row.note} for row in badges
        ],
        "tier_holding": [{"tier": row.tier, "since": from_us(row.since).isoformat()} for row in tiers],
        "redemption": [
            {
                "cost": row.cost,
                "state": row.state,
                "code": row.code,
                "at": from_us(row.at).isoformat(),
                "note": row.note,
            }
            for row in bought
        ],
        "leaderboard_opt_out": [{"at": from_us(row.at).isoformat()} for row in hidden],
    }


def erase_rows(conn: Connection, identities: Sequence[int]) -> int:
    """Forget whose points these were; the amounts stay, so that the ledger still adds up."""
    accounts = list(
        conn.execute(
            select(points_account.c.id).where(points_account.c.identity_id.in_(identities))
        ).scalars()
    )
    mine = or_(points_entry.c.source_id.in_(accounts), points_entry.c.target_id.in_(accounts))
    done = conn.execute(
        update(points_entry)
        .where(mine)
        .values(event=literal("erased/") + cast(points_entry.c.id, String), place="", fingerprint="", note="")
    ).rowcount
    done += conn.execute(
        update(points_account)
        .where(points_account.c.id.in_(accounts))
        .values(name=literal("erased:") + cast(points_account.c.id, String), identity_id=None)
    ).rowcount
    done += conn.execute(
        update(redemption)
        .where(redemption.c.identity_id.in_(identities))
        .values(identity_id=None, code="", note="", event=literal("erased/") + cast(redemption.c.id, String))
    ).rowcount
    for table in (badge_award, tier_holding, opt_out):
        done += conn.execute(delete(table).where(table.c.identity_id.in_(identities))).rowcount
    return done
