"""The delivery ledger: every change is a compare-and-set on (state, owner, fence) and leaves a line in the audit trail.

All functions run on a store thread inside one transaction; `Ledger` is only the way there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection

from shequn_sdk.domain import DeliveryState, advance
from shequn_sdk.errors import InvalidInput
from shequn_sdk.publishing.rows import COLUMNS, PRIORITIES, Row
from shequn_sdk.publishing.trail import after_state, entry, until_state
from shequn_sdk.stores.fast import Fast

__all__ = [
    "FREE",
    "HELD",
    "MUTABLE",
    "OPEN_PIECE",
    "TURN",
    "Change",
    "Lane",
    "Woken",
    "after_change",
    "any_ready",
    "backlog",
    "begin",
    "begin_next",
    "begun",
    "by_batch",
    "by_ids",
    "change",
    "claim_in_lane",
    "expired_leases",
    "find",
    "in_turn",
    "insert",
    "land",
    "landed_before",
    "lane_head",
    "look",
    "moved_or_held",
    "moved_to",
    "next_check",
    "next_instant",
    "of_owner",
    "overdue",
    "owners",
    "release_rest",
    "remember_move",
    "renew",
    "set_back",
    "take",
    "take_check",
    "take_checks",
]

Lane: TypeAlias = tuple[str, str]
"""Account and channel: what keeps its order."""

TURN = "its turn has come"
_FIELDS = [name for name in Row._fields if name != "id"]
MUTABLE = (
    "state", "target", "ready_at", "attempts", "limited", "moves", "owner", "fence", "lease_until", "attempted_at",
    "check_at", "checks", "reminders", "deadline", "error", "error_type", "post", "updated_at", "due",
)  # fmt: skip

HELD = """e.part > 0 and exists (
        select 1 from delivery h where h.batch = e.batch and h.account = e.account and h.channel = e.channel
          and h.part < e.part and h.state in ('unknown', 'awaiting_person', 'blocked', 'paused'))"""
"""A row `e` that waits for a held piece of its own content, and holds up nobody else."""
OPEN_PIECE = """select 1 from delivery p where p.batch = d.batch and p.account = d.account and p.channel = d.channel
      and p.part < d.part and p.state not in ('landed', 'partly', 'refused', 'cancelled', 'expired')"""
"""An earlier piece of the content of a row `d` that has not come to its end."""

# A row may go when nothing before it in its lane may, nothing of the lane is under way or being looked up, and no
# earlier piece of the same content is open. The three parts are apart because each has an index of its own.
FREE = f"""
  and not exists (
    select 1 from delivery b where b.account = d.account and b.channel = d.channel
      and b.state in ('claimed', 'attempting', 'unknown') and (b.state <> 'unknown' or b.check_at is not null))
  and not exists (
    select 1 from delivery e where e.account = d.account and e.channel = d.channel
      and e.state in ('planned', 'deferred') and e.due <= :now
      and (e.priority, e.due, e.id) < (d.priority, d.due, d.id) and not ({HELD}))
  and (d.part = 0 or not exists ({OPEN_PIECE}))
"""  # noqa: S608 - put together from constants
_CLAIM = (
    """
update delivery set {set}, owner = :owner, fence = fence + 1, lease_until = :lease, updated_at = :now,
  trail = trail || :head || state || :tail
where id in (
  select d.id from delivery d
  where d.state in ('planned', 'deferred') and d.ready_at <= :now and d.due <= :now {scope} {free}
  order by d.priority, d.{order}, d.id limit :count)
  and state in ('planned', 'deferred')
returning """  # noqa: S608 - put together from constants
    + COLUMNS
)


def _claim(scope: str, order: str, new: str = "state = 'claimed'") -> Fast:
    return Fast(_CLAIM.format(scope=scope, free=FREE, order=order, set=new))


_TAKE = _claim("and d.priority = :priority", "ready_at")
_TAKE_LANE = _claim("and d.account = :account and d.channel = :channel", "due")
_TAKE_NEXT = _claim(
    "and d.account = :account and d.channel = :channel and d.state = 'planned' "
    "and (d.attempts > 0 or (d.late = 'send' and d.grace is null))",
    "due",
    "state = 'attempting', attempts = attempts + 1, attempted_at = coalesce(attempted_at, :now)",
)
_NEW_IDS = Fast(
    "select nextval(pg_get_serial_sequence('delivery', 'id')) from generate_series(1, :count) order by 1"
)
_INSERT_WHOLE = Fast(
    f"insert into delivery ({COLUMNS}, trail) values ({', '.join(':' + name for name in Row._fields)}, :trail)"  # noqa: S608
)
_INSERT_BULK = Fast(
    f"insert into delivery ({COLUMNS}, trail) values ({', '.join('?' for _ in Row._fields)}, ?)"  # noqa: S608
)
_LAST_ID = Fast("select coalesce(max(id), 0) from delivery")
_MOVED_OR_HELD = Fast(
    "select exists (select 1 from channel_move), exists (select 1 from moderation_mode where ended_at is null)"
)
_INSERT = Fast(
    f"insert into delivery ({', '.join(_FIELDS)}, trail) values ({', '.join(':' + name for name in _FIELDS)}, :trail) "  # noqa: S608
    "returning id"
)
_SET = Fast(
    f"update delivery set {', '.join(f'{name} = :{name}' for name in MUTABLE)}, trail = trail || :line "  # noqa: S608
    "where id = :id and state = :was_state and owner = :was_owner and fence = :was_fence"
)
_LAND = Fast(
    "update delivery set state = 'landed', post = :post, updated_at = :now, error = '', error_type = '', owner = '', "
    "check_at = null, lease_until = null, trail = trail || :line "
    "where id = :id and state = 'attempting' and owner = :owner and fence = :fence"
)
_BEGIN = Fast(
    "update delivery set state = 'attempting', attempts = attempts + 1, lease_until = :lease, updated_at = :now, "
    "attempted_at = coalesce(attempted_at, :now), trail = trail || :line "
    "where id = :id and state = 'claimed' and owner = :owner and fence = :fence"
)
_LOOK = Fast("select id, account, channel, platform, state, ready_at, check_at from delivery where id = :id")
_BY_ID = Fast(f"select {COLUMNS} from delivery where id = :id")  # noqa: S608
# `due` is the user's instant and stays, except where it says no more than "at once".
_SET_BACK = Fast(
    "update delivery set ready_at = case when due = created_at then ready_at - :by "
    "when ready_at - :by > due then ready_at - :by when ready_at > due then due else ready_at end, "
    "due = case when due = created_at then due - :by else due end, "
    "created_at = case when created_at > :now then created_at - :by else created_at end, "
    "lease_until = lease_until - :by, check_at = check_at - :by, attempted_at = attempted_at - :by, "
    "updated_at = updated_at - :by where updated_at > :now "
    "and state in ('planned', 'claimed', 'attempting', 'deferred', 'unknown')"
)
_LANDED = (
    "select post from delivery where account = :account and channel = :channel and state = 'landed' "
    "and deadline is null and updated_at"
)
_LANDED_BEFORE = Fast(f"{_LANDED} <= :until order by updated_at desc limit 20")
_LANDED_AHEAD = Fast(f"{_LANDED} > :until order by updated_at desc limit 100")
_BY_BATCH = Fast(f"select {COLUMNS} from delivery where batch = :batch order by id")  # noqa: S608
# `+id`, because SQLite would rather look through all deliveries in their order than sort the few that are leased
_LEASED = "state in ('claimed', 'attempting', 'unknown') and state <> 'unknown'"
"""Under way, in the words of the index of busy channels."""
_EXPIRED = Fast(
    f"select {COLUMNS} from delivery where {_LEASED} and lease_until < :now order by +id limit 1000"  # noqa: S608
)
_OWNED = Fast(f"select distinct owner from delivery where {_LEASED} and lease_until is not null")  # noqa: S608
_OF_OWNER = Fast(
    f"select {COLUMNS} from delivery where {_LEASED} and owner = :owner and lease_until is not null order by +id"  # noqa: S608
)
_RENEW = Fast(
    "update delivery set lease_until = :lease where id = :id and state in ('claimed', 'attempting') "
    "and owner = :owner and lease_until >= :now"
)
_CHECKS = Fast(
    f"""update delivery set check_at = :again, fence = fence + 1, owner = :owner where id in (
  select id from delivery where check_at is not null and check_at <= :now order by check_at limit :count)
  and check_at <= :now returning {COLUMNS}"""  # noqa: S608
)
_CHECK_ONE = Fast(
    "update delivery set check_at = :again, fence = fence + 1, owner = :owner "  # noqa: S608
    f"where id = :id and check_at is not null and check_at <= :now returning {COLUMNS}"
)
# One row per lane is enough: whoever is woken by it works on whatever is first there.
_OVERDUE = Fast(
    "select min(id), min(ready_at), min(priority) from delivery where state in ('planned', 'deferred') "
    "and ready_at <= :since group by account, channel "
    "union all select id, check_at, priority from delivery where check_at is not null and check_at <= :now limit 1000"
)
_LANE_HEAD = Fast(
    "select id, ready_at from delivery where account = :account and channel = :channel "
    "and state in ('planned', 'deferred') and due <= :now order by priority, due, id limit 1"
)
_LATER_PARTS = Fast(
    f"select {COLUMNS} from delivery where batch = :batch and account = :account and channel = :channel "  # noqa: S608
    "and part > :part and state in ('planned', 'deferred', 'blocked', 'paused') order by part"
)
_NEXT_READY = Fast(
    "select min(ready_at) from delivery where state in ('planned', 'deferred') and priority = :priority "
    "and ready_at > :now"
)
_ANY_READY = Fast(
    "select 1 from delivery where state in ('planned', 'deferred') and priority = :priority "
    "and ready_at <= :now limit 1"
)
_NEXT_CHECK = Fast("select min(check_at) from delivery where check_at is not null")
_NEXT_LEASE = Fast(f"select min(lease_until) from delivery where {_LEASED}")  # noqa: S608
_BACKLOG = Fast(
    "select count(*) from (select 1 from delivery where account = :account and channel = :channel "
    "and state in ('planned', 'deferred') and due <= :now limit 1000) as waiting"
)
_MOVED = Fast("select new from channel_move where account = :account and old = :old")
_MOVE = Fast(
    "insert into channel_move (account, old, new, at) values (:account, :old, :new, :at) "
    "on conflict (account, old) do update set new = excluded.new, at = excluded.at"
)


class Woken(NamedTuple):
    """What a wake finds, before anything is claimed."""

    id: int
    account: str
    channel: str
    platform: str
    state: str
    ready_at: int
    check_at: int | None

    @property
    def lane(self) -> Lane:
        """What keeps its order."""
        return self.account, self.channel


class Change(NamedTuple):
    """A row, what it becomes, and why."""

    old: Row
    new: Row
    cause: str
    actor: str

    def line(self) -> str:
        """Give its line of the audit trail; nothing when there is nothing to tell."""
        old, new = self.old.state, self.new.state
        if old == new and not self.cause:
            return ""
        return entry(self.new.updated_at, old, new, self.cause, self.actor)


def _rows(found: Iterable[tuple[Any, ...]]) -> list[Row]:
    return [Row._make(values) for values in found]


def insert(conn: Connection, rows: Sequence[Row], *, actor: str) -> list[Row]:
    """Write new rows, whose ids the database gives, and the first line of their trails."""
    if not rows:
        return []
    lines = [entry(row.created_at, None, row.state, "published", actor) for row in rows]
    sqlite = conn.dialect.name == "sqlite"
    if len(rows) == 1:
        (row,) = rows
        if sqlite:
            return [row._replace(id=_INSERT_BULK.insert(conn, (None, *row[1:], *lines)))]
        found = _INSERT.one(conn, row._asdict() | {"trail": lines[0]})
        assert found is not None
        return [row._replace(id=found[0])]
    if sqlite:
        # There is one writer, so ids can be given here, and all rows go in one call.
        last = _LAST_ID.one(conn)
        assert last is not None
        written = [Row._make((number, *row[1:])) for number, row in enumerate(rows, int(last[0]) + 1)]
        _INSERT_BULK.many(conn, [(*row, line) for row, line in zip(written, lines, strict=True)])
        return written
    ids = _NEW_IDS.all(conn, {"count": len(rows)})
    written = [Row._make((number, *row[1:])) for (number,), row in zip(ids, rows, strict=True)]
    _INSERT_WHOLE.many(
        conn, [row._asdict() | {"trail": line} for row, line in zip(written, lines, strict=True)]
    )
    return written


def take(
    conn: Connection,
    *,
    now: int,
    lease: int,
    owner: str,
    count: int,
    lanes: Sequence[tuple[str, str]] | None = None,
) -> list[Row]:
    """Claim what is due and whose turn it is, at most one row per lane, replies first.

    For SQLite, which has one writer; servers have `bulk.take`.
    """
    params: dict[str, Any] = {"now": now, "lease": lease, "owner": owner, "count": count}
    params.update(head=until_state(now), tail=after_state("claimed", TURN, owner))
    rows: list[Row] = []
    if lanes is None:
        for priority in range(len(PRIORITIES)):
            params.update(priority=priority, count=count - len(rows))
            if params["count"] > 0:
                rows += _rows(_TAKE.all(conn, params))
    else:
        for account, channel in sorted(lanes[:count]):
            params.update(account=account, channel=channel, count=1)
            rows += _rows(_TAKE_LANE.all(conn, params))
    return in_turn(rows)


def in_turn(rows: Iterable[Row]) -> list[Row]:
    """Give claimed rows in the order in which they are to be sent."""
    return sorted(rows, key=lambda row: (row.priority, row.ready_at, row.id))


def claim_in_lane(conn: Connection, *, lane: tuple[str, str], now: int, lease: int, owner: str) -> Row | None:
    """Claim the next row of one lane."""
    rows = take(conn, now=now, lease=lease, owner=owner, count=1, lanes=[lane])
    return rows[0] if rows else None


def begin_next(conn: Connection, *, lane: tuple[str, str], now: int, lease: int, owner: str) -> Row | None:
    """Claim the next row of a lane and write its intent in one step.

    For lanes without limits. Rows that were deferred, or that may be too late, take the longer way through `take`.
    """
    params = {"account": lane[0], "channel": lane[1], "now": now, "lease": lease, "owner": owner, "count": 1}
    params.update(head=until_state(now), tail=after_state("attempting", TURN, owner))
    found = _TAKE_NEXT.one(conn, params)
    return None if found is None else Row._make(found)


def begin(conn: Connection, row: Row, *, now: int, lease: int) -> Row | None:
    """Write the intent to send; None when the lease was lost."""
    params = {"id": row.id, "owner": row.owner, "fence": row.fence, "now": now, "lease": lease}
    line = entry(now, "claimed", "attempting", "request follows", row.owner)
    if _BEGIN.run(conn, {**params, "line": line}) != 1:
        return None
    return begun(row, now=now, lease=lease)


def begun(row: Row, *, now: int, lease: int) -> Row:
    """Give a claimed row as it is once its intent is written."""
    return row._replace(
        state="attempting",
        attempts=row.attempts + 1,
        lease_until=lease,
        attempted_at=row.attempted_at if row.attempted_at is not None else now,
        updated_at=now,
    )


def change(conn: Connection, step: Change) -> bool:
    """Write one step; False when the row is not any more what `step.old` says, and then nothing is written.

    Raises:
        InvalidInput: the state machine does not allow the step.
    """
    old, new = step.old, step.new
    if old.state != new.state:
        advance(DeliveryState(old.state), DeliveryState(new.state))
    if not _set(conn, old, new, step.line()):
        return False
    after_change(conn, old, new, step.actor)
    return True


def _set(conn: Connection, old: Row, new: Row, line: str) -> bool:
    values: dict[str, Any] = {name: getattr(new, name) for name in MUTABLE}
    values.update(id=old.id, was_state=old.state, was_owner=old.owner, was_fence=old.fence, line=line)
    return _SET.run(conn, values) == 1


def land(conn: Connection, step: Change) -> bool:
    """Do what `change` does for a row under way of which `policy.landed` gave the new one; nearly all steps are this."""
    old, new = step.old, step.new
    params = {"post": new.post, "now": new.updated_at, "id": old.id, "owner": old.owner, "fence": old.fence}
    return old.state == "attempting" and _LAND.run(conn, {**params, "line": step.line()}) == 1


def after_change(conn: Connection, old: Row, new: Row, actor: str) -> None:
    """Do what a written step brings with it: later pieces fall with an earlier one."""
    if new.parts > 1 and old.state != new.state and new.state in {"refused", "cancelled", "expired"}:
        _give_up_rest(conn, new, actor)


def _give_up_rest(conn: Connection, row: Row, actor: str) -> None:
    """End the later pieces of a content of which an earlier piece will not be there."""
    why = f"piece {row.part + 1} of {row.parts} was {row.state}; retry that one to send the rest"
    for later in release_rest(conn, row):
        state = "refused" if later.state in {"planned", "deferred"} else "cancelled"
        new = later._replace(
            state=state, error=why, error_type="", fence=later.fence + 1, updated_at=row.updated_at
        )
        _set(conn, later, new, entry(row.updated_at, later.state, state, why, actor))


def release_rest(conn: Connection, row: Row) -> list[Row]:
    """Give the later pieces of the same content in the same channel that still wait."""
    return _rows(
        _LATER_PARTS.all(
            conn, {"batch": row.batch, "account": row.account, "channel": row.channel, "part": row.part}
        )
    )


def renew(conn: Connection, held: Iterable[int], *, owner: str, now: int, lease: int) -> set[int]:
    """Prolong the leases of what a living worker holds, and give those; what ended already stays ended.

    Rows of the worker that are not in `held` are left to end: nobody works on them any more.
    """
    params = {"owner": owner, "now": now, "lease": lease}
    return {identity for identity in held if _RENEW.run(conn, {**params, "id": identity}) == 1}


def set_back(conn: Connection, *, now: int, by: int) -> int:
    """Move the instants of what is open and was touched in what is the future now; gives how many rows that were.

    For clocks that were set back `by` so many microseconds: else a wait of seconds would last as long as the clock was
    ahead, and what is published now would overtake what was published before. Doing it twice changes nothing.
    """
    return _SET_BACK.run(conn, {"now": now, "by": by})


def expired_leases(conn: Connection, *, now: int) -> list[Row]:
    """Give the rows whose worker has not renewed its lease."""
    return _rows(_EXPIRED.all(conn, {"now": now}))


def owners(conn: Connection) -> list[str]:
    """Give the workers that hold leases."""
    return [row[0] for row in _OWNED.all(conn)]


def of_owner(conn: Connection, owner: str) -> list[Row]:
    """Give the rows that a worker holds."""
    return _rows(_OF_OWNER.all(conn, {"owner": owner}))


def take_checks(conn: Connection, *, now: int, again: int, owner: str, count: int = 50) -> list[Row]:
    """Claim the look-ups that are due: unknowns to reconcile, persons to ask. `again` guards against a crash."""
    return _rows(_CHECKS.all(conn, {"now": now, "again": again, "owner": owner, "count": count}))


def any_ready(conn: Connection, *, now: int) -> bool:
    """Whether a row's time has come, though perhaps not its turn."""
    return any(
        _ANY_READY.one(conn, {"now": now, "priority": priority}) is not None
        for priority in range(len(PRIORITIES))
    )


def take_check(conn: Connection, delivery: int, *, now: int, again: int, owner: str) -> Row | None:
    """Claim the look-up of one row, if it is due."""
    found = _CHECK_ONE.one(conn, {"id": delivery, "now": now, "again": again, "owner": owner})
    return None if found is None else Row._make(found)


def overdue(conn: Connection, *, now: int, since: int) -> list[tuple[int, int, int]]:
    """Give rows that have waited `since` then, one per lane, and look-ups that are due, with instant and priority."""
    return [(row[0], row[1], row[2]) for row in _OVERDUE.all(conn, {"now": now, "since": since})]


def look(conn: Connection, delivery: int) -> Woken | None:
    """Give what a wake finds; None when there is no such delivery."""
    found = _LOOK.one(conn, {"id": delivery})
    return None if found is None else Woken._make(found)


def lane_head(conn: Connection, lane: tuple[str, str], *, now: int) -> tuple[int, int] | None:
    """Give id and ready instant of the row that goes first among those that are due in a lane."""
    found = _LANE_HEAD.one(conn, {"account": lane[0], "channel": lane[1], "now": now})
    return None if found is None else (found[0], found[1])


def next_instant(conn: Connection, *, now: int) -> int | None:
    """Give the next instant after `now` at which there is something to do; None when nothing waits for time."""
    answers = [_NEXT_READY.one(conn, {"now": now, "priority": number}) for number in range(len(PRIORITIES))]
    answers += [_NEXT_CHECK.one(conn), _NEXT_LEASE.one(conn)]
    found = [row[0] for row in answers if row is not None and row[0] is not None]
    return min(found) if found else None


def backlog(conn: Connection, lane: tuple[str, str], *, now: int) -> int:
    """Count what is due in a lane, up to 1,000."""
    found = _BACKLOG.one(conn, {"account": lane[0], "channel": lane[1], "now": now})
    return 0 if found is None else int(found[0])


def next_check(conn: Connection) -> int | None:
    """Give the instant of the next look-up."""
    found = _NEXT_CHECK.one(conn)
    return None if found is None else found[0]


def find(conn: Connection, delivery: int) -> Row:
    """Give one row.

    Raises:
        InvalidInput: there is none of that id.
    """
    values = _BY_ID.one(conn, {"id": delivery})
    if values is None:
        raise InvalidInput(f"the ledger has no delivery {delivery}; list them with `deliveries`")
    return Row._make(values)


def by_ids(conn: Connection, ids: Iterable[int]) -> list[Row]:
    """Give rows in the order of `ids`; those that do not exist are left out."""
    found = (_BY_ID.one(conn, {"id": identity}) for identity in ids)
    return [Row._make(values) for values in found if values is not None]


def landed_before(conn: Connection, row: Row) -> list[str]:
    """Give posts, as JSON, among which is the one that landed last in the channel of a row that is looked up.

    A channel waits for what is looked up there, so that all of them landed before it. Our clock does not tell which was
    the last: after it was set back, those of the time before stand as if they were still to come. What was handed over
    to a person is left out, for it lands when they like.
    """
    until = row.attempted_at if row.attempted_at is not None else row.created_at
    params = {"account": row.account, "channel": row.channel, "until": until}
    return [post for question in (_LANDED_BEFORE, _LANDED_AHEAD) for (post,) in question.all(conn, params)]


def by_batch(conn: Connection, batch: str) -> list[Row]:
    """Give the rows that were published under one idempotency key."""
    return _rows(_BY_BATCH.all(conn, {"batch": batch}))


def moved_to(conn: Connection, account: str, channel: str) -> str:
    """Give the native id to send to: follows the moves that a platform told of."""
    seen = {channel}
    while True:
        found = _MOVED.one(conn, {"account": account, "old": channel})
        if found is None or found[0] in seen:
            return channel
        channel = found[0]
        seen.add(channel)


def moved_or_held(conn: Connection) -> tuple[bool, bool]:
    """Whether any channel was ever moved, and whether any is protected now; seldom, so that it is one question."""
    found = _MOVED_OR_HELD.one(conn)
    return (False, False) if found is None else (bool(found[0]), bool(found[1]))


def remember_move(conn: Connection, *, account: str, old: str, new: str, at: int) -> None:
    """Write down that a channel has a new id."""
    _MOVE.run(conn, {"account": account, "old": old, "new": new, "at": at})
