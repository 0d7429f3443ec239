"""The ledger's steps for many deliveries in one statement each: for servers, where a statement costs a round trip.

They mean what `ledger.change`, `ledger.begin` and `ledger.take` mean for one row: every change is a compare-and-set on
(state, owner, fence), whoever claims in a lane holds its lock, and each step leaves its line in the audit trail.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from shequn_sdk.domain import DeliveryState, advance
from shequn_sdk.publishing import ledger
from shequn_sdk.publishing.ledger import Change, Lane
from shequn_sdk.publishing.rows import PRIORITIES, Row
from shequn_sdk.publishing.trail import after_state, entry, until_state
from shequn_sdk.stores.fast import Asked, Fast

__all__ = ["begin", "change", "claim", "heads", "land", "lock_lanes", "renew", "take", "wake"]

_TYPES = {
    "state": "text", "target": "text", "owner": "text", "error": "text", "error_type": "text", "post": "text",
    "attempts": "int", "limited": "int", "moves": "int", "fence": "int", "checks": "int", "reminders": "int",
}  # fmt: skip
"""What is no bigint."""
_SET = ", ".join(f"{name} = v.{name}" for name in ledger.MUTABLE)
_TYPED = ", ".join(f"{name} {_TYPES.get(name, 'bigint')}" for name in ledger.MUTABLE)
_CHANGE = Fast(
    f"""
with v as materialized (
  select * from json_to_recordset(:items::json) as v(
    id bigint, was_state text, was_owner text, was_fence int, line text,
    {_TYPED}))
update delivery d set {_SET}, trail = d.trail || v.line from v
where d.id = any(:ids::bigint[]) and d.id = v.id and d.state = v.was_state and d.owner = v.was_owner and d.fence = v.was_fence
returning d.id"""  # noqa: S608 - put together from constants
)
# Nearly every step of a busy worker is this one; it sets few columns, and what it writes goes as arrays. What it says of
# the lane is a guess that costs little: a row that is written later has a wake of its own.
_LAND = Fast(
    """
with v as materialized (
  select id, fence, at, post, line
  from unnest(:ids::bigint[], :fences::int[], :ats::bigint[], :posts::text[], :lines::text[]) as v(id, fence, at, post, line)),
done as (
  update delivery d set state = 'landed', post = v.post, updated_at = v.at, error = '', error_type = '', owner = '',
    check_at = null, lease_until = null, trail = d.trail || v.line
  from v
  where d.id = any(:ids::bigint[]) and d.id = v.id and d.state = 'attempting' and d.owner = :actor and d.fence = v.fence
  returning d.id, d.account, d.channel)
select id, exists (
  select 1 from delivery e where e.account = done.account and e.channel = done.channel
    and e.state in ('planned', 'deferred') and e.due <= :now offset 0) from done"""
)
_BEGIN = Fast(
    """
with v as materialized (
  select id, fence from unnest(:ids::bigint[], :fences::int[]) as v(id, fence))
update delivery d set state = 'attempting', attempts = d.attempts + 1, lease_until = :lease, updated_at = :now,
  attempted_at = coalesce(d.attempted_at, :now), trail = d.trail || :line
from v where d.id = any(:ids::bigint[]) and d.id = v.id and d.state = 'claimed' and d.owner = :owner and d.fence = v.fence
returning d.id"""
)
# Servers have many writers. Whoever claims in a lane holds its lock until the end of the transaction; a statement that
# begins after the lock was taken sees what others claimed there. Without it two workers could claim two rows of one
# lane at once, when a row that goes first was written in that very moment.
# Locks are taken in one order by everybody, so that nobody waits in a circle; what is only tried comes after them.
_LOCK = Fast(
    "select pg_advisory_xact_lock(key) from (select distinct hashtextextended(lane, 0) as key "
    "from unnest(:lanes::text[]) as lane order by 1) as keys"
)
_WAKE = Fast(
    "select id, account, channel, platform, state, ready_at, check_at, "
    "case when check_at is null or check_at > :now "
    "then pg_try_advisory_xact_lock(hashtextextended(account || ' ' || channel, 0)) else false end "
    "from delivery where id = any(:ids::bigint[])"
)
# In each lane only the row that goes first is looked at, for there may be thousands. `lateral`, `offset 0`, and
# `any(array)` beside a join say that few rows are meant: on a table that was never analyzed a join alone would read all
# of it, or all that is left of yesterday's rows in an index.
_CLAIM = Fast(
    f"""
with lane as materialized (
  select l.account, l.channel, l.quick
  from unnest(:accounts::text[], :channels::text[], :quick::bool[]) as l(account, channel, quick)
  where not exists (
    select 1 from delivery b where b.account = l.account and b.channel = l.channel
      and b.state in ('claimed', 'attempting', 'unknown') and (b.state <> 'unknown' or b.check_at is not null)
    offset 0)),
turn as materialized (
  select d.id, l.quick and d.simple as quick
  from lane l cross join lateral (
    select e.id from delivery e
    where e.account = l.account and e.channel = l.channel and e.state in ('planned', 'deferred') and e.due <= :now
      and not ({ledger.HELD})
    order by e.priority, e.due, e.id limit 1) as head
  cross join lateral (
    select d.id, d.state = 'planned' and (d.attempts > 0 or (d.late = 'send' and d.grace is null)) as simple
    from delivery d
    where d.id = head.id and d.state in ('planned', 'deferred') and d.ready_at <= :now
      and (d.part = 0 or not exists ({ledger.OPEN_PIECE}))
    for update of d skip locked) as d)
update delivery d set state = case when t.quick then 'attempting' else 'claimed' end, owner = :owner,
  fence = d.fence + 1, lease_until = :lease, updated_at = :now,
  attempts = d.attempts + case when t.quick then 1 else 0 end,
  attempted_at = case when t.quick then coalesce(d.attempted_at, :now) else d.attempted_at end,
  trail = d.trail || :head || d.state || case when t.quick then :begun else :claimed end
from turn t where d.id = any(array(select id from turn)) and d.id = t.id
returning {", ".join(f"d.{name}" for name in Row._fields)}"""  # noqa: S608 - put together from constants
)
_RENEW = Fast(
    "update delivery set lease_until = :lease where id = any(:ids::bigint[]) "
    "and state in ('claimed', 'attempting') and owner = :owner and lease_until >= :now returning id"
)
_READY_LANES = Fast(
    "select account, channel from (select account, channel from delivery d "  # noqa: S608
    "where d.state in ('planned', 'deferred') and d.priority = :priority and d.ready_at <= :now and d.due <= :now "
    f"{ledger.FREE} order by d.ready_at, d.id limit :count) as lanes "
    "where pg_try_advisory_xact_lock(hashtextextended(account || ' ' || channel, 0))"
)
_HEADS = Fast(
    "select l.account, l.channel, h.id, h.ready_at "
    "from unnest(:accounts::text[], :channels::text[]) as l(account, channel) cross join lateral ("
    "select id, ready_at from delivery where account = l.account and channel = l.channel "
    "and state in ('planned', 'deferred') and due <= :now order by priority, due, id limit 1) as h"
)


def land(conn: Connection, steps: Sequence[Change], *, actor: str, now: int) -> Asked:
    """Write that rows of `actor` simply landed (see `Finish.plain`).

    Gives those that still were what they had been, and whether anything is due in their lane.
    """
    return _LAND.ask(
        conn,
        {
            "ids": _numbers(step.old.id for step in steps),
            "fences": _numbers(step.old.fence for step in steps),
            "ats": _numbers(step.new.updated_at for step in steps),
            "posts": _texts(step.new.post or "" for step in steps),
            "lines": _texts(step.line() for step in steps),
            "actor": actor,
            "now": now,
        },
    )


def change(conn: Connection, steps: Sequence[Change]) -> set[int]:
    """Write steps; give the rows that still were what they had been.

    Raises:
        InvalidInput: the state machine does not allow a step; nothing is written.
    """
    items: list[dict[str, Any]] = []
    for step in steps:
        old, new = step.old, step.new
        if old.state != new.state:
            advance(DeliveryState(old.state), DeliveryState(new.state))
        item: dict[str, Any] = {name: getattr(new, name) for name in ledger.MUTABLE}
        item.update(
            id=old.id, was_state=old.state, was_owner=old.owner, was_fence=old.fence, line=step.line()
        )
        items.append(item)
    params = {"items": json.dumps(items), "ids": _numbers(item["id"] for item in items)}
    done = {row[0] for row in _CHANGE.all(conn, params)}
    for old, new, _, who in steps:
        if old.id in done:
            ledger.after_change(conn, old, new, who)
    return done


def begin(conn: Connection, rows: Sequence[Row], *, now: int, lease: int, owner: str) -> dict[int, Row]:
    """Write the intents to send; rows whose lease was lost are left out."""
    if not rows:
        return {}
    found = _BEGIN.all(
        conn,
        {
            "ids": _numbers(row.id for row in rows),
            "fences": _numbers(row.fence for row in rows),
            "owner": owner,
            "now": now,
            "lease": lease,
            "line": entry(now, "claimed", "attempting", "request follows", owner),
        },
    )
    done = {row[0] for row in found}
    return {row.id: ledger.begun(row, now=now, lease=lease) for row in rows if row.id in done}


def lock_lanes(conn: Connection, lanes: Iterable[Lane]) -> Asked:
    """Wait for the locks of lanes."""
    return _LOCK.ask(conn, {"lanes": _texts(map(_text, lanes))})


def wake(conn: Connection, ids: Iterable[int], *, now: int) -> Asked:
    """Find what wakes mean, and lock the lanes in which nobody else is claiming at this moment.

    Gives the columns of `Woken`, and whether the lane is locked; those of which a look-up is due are left alone.
    """
    return _WAKE.ask(conn, {"ids": _numbers(ids), "now": now})


def claim(
    conn: Connection, lanes: Mapping[Lane, bool], *, now: int, lease: int, owner: str
) -> dict[Lane, Row]:
    """Claim the row whose turn it is in each of the lanes, which must be locked.

    Args:
        lanes: and whether nothing limits them. Then the row gets its intent in the same step, unless it was deferred
            or may be too late.
    """
    if not lanes:
        return {}
    found = _CLAIM.all(
        conn,
        {
            "accounts": _texts(lane[0] for lane in lanes),
            "channels": _texts(lane[1] for lane in lanes),
            "quick": _numbers(map(int, lanes.values())),
            "now": now,
            "lease": lease,
            "owner": owner,
            "head": until_state(now),
            "begun": after_state("attempting", ledger.TURN, owner),
            "claimed": after_state("claimed", ledger.TURN, owner),
        },
    )
    rows = [Row._make(values) for values in found]
    return {row.lane: row for row in rows}


def renew(conn: Connection, held: Collection[int], *, owner: str, now: int, lease: int) -> set[int]:
    """Prolong the leases of what a living worker holds, and give those; what ended already stays ended."""
    if not held:
        return set()
    params = {"ids": _numbers(held), "owner": owner, "now": now, "lease": lease}
    return {row[0] for row in _RENEW.all(conn, params)}


def take(
    conn: Connection,
    *,
    now: int,
    lease: int,
    owner: str,
    count: int,
    lanes: Sequence[Lane] | None = None,
) -> list[Row]:
    """Claim what is due and whose turn it is, at most one row per lane, replies first."""
    if lanes is not None:
        lock_lanes(conn, lanes[:count]).all()
        mine = dict.fromkeys(lanes[:count], False)
        return ledger.in_turn(claim(conn, mine, now=now, lease=lease, owner=owner).values())
    rows: list[Row] = []
    for priority in range(len(PRIORITIES)):
        params = {"priority": priority, "now": now, "count": count - len(rows)}
        if params["count"] > 0:
            found = dict.fromkeys(((row[0], row[1]) for row in _READY_LANES.all(conn, params)), False)
            rows += claim(conn, found, now=now, lease=lease, owner=owner).values()
    return ledger.in_turn(rows)


def heads(conn: Connection, lanes: Sequence[Lane], *, now: int) -> dict[Lane, tuple[int, int]]:
    """Give id and ready instant of the row that goes first among those that are due, per lane that has any."""
    if not lanes:
        return {}
    params = {
        "accounts": _texts(lane[0] for lane in lanes),
        "channels": _texts(lane[1] for lane in lanes),
        "now": now,
    }
    return {(row[0], row[1]): (row[2], row[3]) for row in _HEADS.all(conn, params)}


def _numbers(values: Iterable[int]) -> str:
    """Write an array as PostgreSQL reads it; the driver takes ten times as long for each element."""
    return "{" + ",".join(map(str, values)) + "}"


def _texts(values: Iterable[str]) -> str:
    quoted = [one.replace("\\", "\\\\").replace('"', '\\"') for one in values]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"


def _text(lane: Lane) -> str:
    return f"{lane[0]} {lane[1]}"
