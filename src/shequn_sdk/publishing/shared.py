"""Limits that several processes share: the same arithmetic as the governor's, on rows of the store.

The check runs in the transaction that writes the intent, so that counting and intent are one durable step and two
processes can never both take the last request of a window.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection

from shequn_sdk.platforms.budgets import Budget, make_budget
from shequn_sdk.platforms.manifest import RateLimit
from shequn_sdk.stores.fast import Asked, Fast

__all__ = ["BudgetAsk", "Counter", "block", "blocked", "resting", "several"]

_READ = Fast("select key, state, blocked_until from bucket where key = :key")
_READ_ALL = Fast("select key, state, blocked_until from bucket where key = any(:keys::text[])")
_WRITE = Fast(
    "insert into bucket (key, state, blocked_until, updated_at) values (:key, :state, 0, :now) "
    "on conflict (key) do update set state = excluded.state, updated_at = excluded.updated_at"
)
_WRITE_ALL = Fast(
    "insert into bucket (key, state, blocked_until, updated_at) "
    "select key, state, 0, :now from unnest(:keys::text[], :states::text[]) as v(key, state) "
    "on conflict (key) do update set state = excluded.state, updated_at = excluded.updated_at"
)
_BLOCK = Fast(
    "insert into bucket (key, state, blocked_until, updated_at) values (:key, '', :until, :now) "
    "on conflict (key) do update set blocked_until = excluded.blocked_until, updated_at = excluded.updated_at "
    "where bucket.blocked_until < excluded.blocked_until"
)
_RESTING = Fast("select key from bucket where blocked_until > 0 and blocked_until > :now")
_ALIVE = Fast("select count(distinct host || ':' || pid) from worker where seen > :since")
_LOCK = Fast(
    "select pg_advisory_xact_lock(key) from (select distinct hashtext(name)::bigint as key "
    "from unnest(:keys::text[]) as name order by 1) as keys"
)


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


class Counter:
    """Counts requests in one transaction: reads all budgets at once, and writes those that changed at the end."""

    def __init__(self, conn: Connection, asks: Iterable[BudgetAsk], *, now: int) -> None:
        """Read the budgets and blocks of `asks`; on a server, locked until the transaction ends."""
        self._conn = conn
        self._now = now
        self._server = conn.dialect.name != "sqlite"  # which has one writer anyway
        limits = {key: limit for ask in asks for key, limit, _ in ask.limits}
        blocks = {f"block|{key}" for ask in asks for key in ask.blocks}
        if self._server and limits:
            _LOCK.all(conn, {"keys": list(limits)})
        found = _read(conn, [*limits, *blocks])
        self._until = {key: until for key, (_, until) in found.items() if until > now}
        self._budgets: dict[str, Budget] = {}
        self._known: set[str] = set()
        self._changed: set[str] = set()
        for key, limit in limits.items():
            budget = self._budgets[key] = make_budget(limit)
            state = found.get(key, ("", 0))[0]
            if state:
                budget.load(json.loads(state))
                self._known.add(key)

    def charge(self, ask: BudgetAsk) -> float:
        """Count one request and give 0; or give the seconds to wait, and count nothing."""
        seconds = self._now / 1e6
        wait = (
            max((self._until.get(f"block|{key}", self._now) - self._now for key in ask.blocks), default=0)
            / 1e6
        )
        for key, _, usable in ask.limits:
            wait = max(wait, self._budgets[key].wait(seconds, usable=usable, spread=ask.spread))
        if wait > 0:
            return wait
        for key, _, _ in ask.limits:
            self._budgets[key].take(seconds)
            self._known.add(key)
            self._changed.add(key)
        ask.taken = seconds
        return 0.0

    def settle(self, ask: BudgetAsk) -> None:
        """Note that the request of `ask` was answered."""
        for key, _, _ in ask.limits:
            if key in self._known:
                self._budgets[key].settle(ask.taken, self._now / 1e6)
                self._changed.add(key)

    def write(self) -> None:
        """Write down what changed."""
        states = {key: json.dumps(self._budgets[key].dump()) for key in sorted(self._changed)}
        if self._server and states:
            _WRITE_ALL.run(
                self._conn, {"keys": list(states), "states": list(states.values()), "now": self._now}
            )
        elif states:
            _WRITE.many(
                self._conn, [{"key": key, "state": state, "now": self._now} for key, state in states.items()]
            )
        self._changed.clear()


def _read(conn: Connection, keys: Collection[str]) -> dict[str, tuple[str, int]]:
    if conn.dialect.name != "sqlite":
        rows = _READ_ALL.all(conn, {"keys": list(keys)}) if keys else []
    else:
        rows = [row for row in (_READ.one(conn, {"key": key}) for key in keys) if row is not None]
    return {row[0]: (row[1], row[2]) for row in rows}


def several(conn: Connection, *, since: int) -> bool:
    """Whether more than one process has had the store open since `since` (see `Store.stamp`)."""
    found = _ALIVE.one(conn, {"since": since})
    return found is not None and int(found[0]) > 1


def block(conn: Connection, key: str, *, until: int, now: int) -> None:
    """Let all processes know that a platform asked to wait."""
    _BLOCK.run(conn, {"key": f"block|{key}", "until": until, "now": now})


def resting(conn: Connection, *, now: int) -> Asked:
    """Ask for all keys, with `block|` before them, under which a platform has asked some process to wait."""
    return _RESTING.ask(conn, {"now": now})


def blocked(conn: Connection, keys: Collection[str], *, now: int) -> set[str]:
    """Give those of `keys` under which a platform has asked some process to wait, and still does."""
    found = _read(conn, {f"block|{key}" for key in keys})
    return {key.removeprefix("block|") for key, (_, until) in found.items() if until > now}
