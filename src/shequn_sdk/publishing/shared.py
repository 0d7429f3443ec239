"""Budgets that several processes share: the same arithmetic as the governor's, on rows of the store.

The check runs in the transaction that writes the intent, so that counting and intent are one durable step and two
processes can never both take the last request of a window.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from shequn_sdk.platforms.budgets import Budget, make_budget
from shequn_sdk.platforms.manifest import RateLimit
from shequn_sdk.stores.fast import Fast

__all__ = ["BudgetAsk", "block", "charge", "settle", "several"]

_READ = Fast("select state, blocked_until from bucket where key = :key")
_WRITE = Fast(
    "insert into bucket (key, state, blocked_until, updated_at) values (:key, :state, 0, :now) "
    "on conflict (key) do update set state = excluded.state, updated_at = excluded.updated_at"
)
_BLOCK = Fast(
    "insert into bucket (key, state, blocked_until, updated_at) values (:key, '', :until, :now) "
    "on conflict (key) do update set blocked_until = excluded.blocked_until, updated_at = excluded.updated_at "
    "where bucket.blocked_until < excluded.blocked_until"
)
_ALIVE = Fast("select count(distinct host || ':' || pid) from worker where seen > :since")
_LOCK = Fast("select pg_advisory_xact_lock(hashtext(:key))")


class BudgetAsk:
    """One request's demands: the budgets it counts against and the blocks it must respect."""

    __slots__ = ("blocks", "limits", "spread", "taken")

    def __init__(
        self, limits: Sequence[tuple[str, RateLimit, int]], blocks: Sequence[str], *, spread: bool
    ) -> None:
        """Ask for one of each of `limits` (key, limit, how much of it may be used)."""
        self.limits = limits
        self.blocks = blocks
        self.spread = spread
        self.taken = 0.0


def charge(conn: Connection, ask: BudgetAsk, *, now: int) -> float:
    """Count one request and give 0; or give the seconds to wait, and count nothing."""
    seconds = now / 1e6
    wait = 0.0
    if conn.dialect.name != "sqlite":  # SQLite has one writer anyway
        for key in sorted({key for key, _, _ in ask.limits}):
            _LOCK.all(conn, {"key": key})
    for key in ask.blocks:
        found = _READ.one(conn, {"key": f"block|{key}"})
        if found is not None:
            wait = max(wait, (found[1] - now) / 1e6)
    budgets: list[tuple[str, Budget]] = []
    for key, limit, usable in ask.limits:
        budget = make_budget(limit)
        found = _READ.one(conn, {"key": key})
        if found is not None and found[0]:
            budget.load(json.loads(found[0]))
        budgets.append((key, budget))
        wait = max(wait, budget.wait(seconds, usable=usable, spread=ask.spread))
    if wait > 0:
        return wait
    for key, budget in budgets:
        budget.take(seconds)
        _WRITE.run(conn, {"key": key, "state": json.dumps(budget.dump()), "now": now})
    ask.taken = seconds
    return 0.0


def settle(conn: Connection, ask: BudgetAsk, *, now: int) -> None:
    """Note that the request of `ask` was answered."""
    for key, limit, _ in ask.limits:
        found = _READ.one(conn, {"key": key})
        if found is None or not found[0]:
            continue
        budget = make_budget(limit)
        budget.load(json.loads(found[0]))
        budget.settle(ask.taken, now / 1e6)
        _WRITE.run(conn, {"key": key, "state": json.dumps(budget.dump()), "now": now})


def several(conn: Connection, *, since: int) -> bool:
    """Whether more than one process has had the store open since `since` (see `Store.stamp`)."""
    found = _ALIVE.one(conn, {"since": since})
    return found is not None and int(found[0]) > 1


def block(conn: Connection, key: str, *, until: int, now: int) -> None:
    """Let all processes know that a platform asked to wait."""
    _BLOCK.run(conn, {"key": f"block|{key}", "until": until, "now": now})
