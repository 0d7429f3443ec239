"""The ledger's steps for many deliveries in one statement each, on an SQLite file.

A thread that runs a statement for each row takes and leaves Python's lock for each, and waits for it while the event loop
is busy. One statement for all rows takes it once, so that file and loop work side by side. They mean what `ledger.land`
and `ledger.begin_next` mean for one row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from shequn_sdk.publishing import ledger
from shequn_sdk.publishing.ledger import Change, Lane
from shequn_sdk.publishing.rows import Row
from shequn_sdk.publishing.trail import after_state, until_state
from shequn_sdk.stores.fast import FastSet

__all__ = ["MOST", "begin_next", "land"]

MOST = FastSet.sizes[-1]
"""Deliveries that one statement takes."""
_LAND = FastSet(
    "with own(owner) as (values {fixed}), v(id, fence, at, post, line) as (values {rows}) "
    "update delivery set state = 'landed', post = v.post, updated_at = v.at, error = '', error_type = '', owner = '', "
    "check_at = null, lease_until = null, trail = delivery.trail || v.line "
    "from v where delivery.id = v.id and delivery.state = 'attempting' "
    "and delivery.owner = (select owner from own) and delivery.fence = v.fence",
    fixed=1,
    width=5,
)
_BEGUN = {
    "state": "'attempting'",
    "attempts": "d.attempts + 1",
    "attempted_at": "coalesce(d.attempted_at, c.now)",
    "owner": "c.owner",
    "fence": "d.fence + 1",
    "lease_until": "c.lease",
    "updated_at": "c.now",
}
"""What `_BEGIN` makes of a row."""
_FIRST = FastSet(
    f"""
with c(owner, now, lease) as (values {{fixed}}), l(account, channel) as (values {{rows}}),
head(id) as (
  select (
    select d.id from delivery d
    where d.account = l.account and d.channel = l.channel and d.state in ('planned', 'deferred') and d.state = 'planned'
      and d.ready_at <= c.now and d.due <= c.now
      and (d.attempts > 0 or (d.late = 'send' and d.grace is null)) {ledger.FREE.replace(":now", "c.now")}
    order by d.priority, d.due, d.id limit 1)
  from c cross join l)
select json_group_array(json_array({", ".join(_BEGUN.get(name, f"d.{name}") for name in Row._fields)}))
from c cross join head cross join delivery d where d.id = head.id""",  # noqa: S608 - put together from constants
    fixed=3,
    width=2,
)
_BEGIN = FastSet(
    "with c(owner, now, lease, head, tail) as (values {fixed}) "
    "update delivery set state = 'attempting', attempts = attempts + 1, fence = fence + 1, "
    "attempted_at = coalesce(attempted_at, (select now from c)), owner = (select owner from c), "
    "lease_until = (select lease from c), updated_at = (select now from c), "
    "trail = trail || (select head from c) || state || (select tail from c) "
    "where id in (values {rows}) and state = 'planned'",
    fixed=5,
    width=1,
)


def land(conn: Connection, steps: Sequence[Change], *, owner: str) -> list[bool]:
    """Write that rows of `owner` simply landed; says of each whether it still was what it had been."""
    values: list[Any] = []
    for step in steps:
        old, new = step.old, step.new
        values += (old.id, old.fence, new.updated_at, new.post, step.line())
    if _LAND.change(conn, (owner,), values) == len(steps):
        return [True] * len(steps)
    written = [ledger.find(conn, step.old.id) for step in steps]
    return [
        (row.state, row.fence, row.updated_at, row.post)
        == ("landed", step.old.fence, step.new.updated_at, step.new.post)
        for row, step in zip(written, steps, strict=True)
    ]


def begin_next(
    conn: Connection, lanes: Sequence[Lane], *, now: int, lease: int, owner: str
) -> dict[Lane, Row]:
    """Claim the next row of each lane and write its intent, where there is one that needs no longer way."""
    found: str = _FIRST.value(conn, (owner, now, lease), [part for lane in lanes for part in lane])
    rows = [Row._make(values) for values in json.loads(found)]
    if rows:
        fixed = (owner, now, lease, until_state(now), after_state("attempting", ledger.TURN, owner))
        _BEGIN.change(conn, fixed, [row.id for row in rows])
    return {row.lane: row for row in rows}
