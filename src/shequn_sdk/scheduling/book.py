"""The book of schedules and occurrences: SQL only. Functions run on a store thread inside one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from shequn_sdk.scheduling.triggers import Occurrence, Trigger, parse_trigger
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import to_us

__all__ = [
    "Claim",
    "Entry",
    "Pending",
    "Row",
    "any_expired",
    "any_ready",
    "change_schedule",
    "claim",
    "drop_pending",
    "expire",
    "expire_owner",
    "find",
    "find_run",
    "following",
    "history",
    "insert",
    "is_taken",
    "listed",
    "next_ready",
    "owners",
    "pending",
    "plan",
    "planned",
    "provisional",
    "prune",
    "read_trigger",
    "release",
    "renew",
    "reopen",
    "replan",
    "settle",
    "skip",
    "with_next",
]


class Row(NamedTuple):
    """One row of `schedule`; field names are column names, instants microseconds."""

    id: str
    name: str
    handler: str
    arguments: str
    trigger: str
    state: str
    late: str
    grace: int | None
    overlap: str
    catch_up: int
    version: int
    note: str
    created_at: int
    updated_at: int


class Entry(NamedTuple):
    """One row of `occurrence`."""

    id: int
    schedule_id: str
    nominal_at: int
    due: int
    ready_at: int
    state: str
    provisional: int
    version: int
    attempts: int
    owner: str
    fence: int
    lease_until: int | None
    note: str
    error: str
    error_type: str
    started_at: int | None
    ended_at: int | None


class Claim(NamedTuple):
    """An occurrence that this worker holds, with its schedule."""

    entry: Entry
    schedule: Row


class Pending(NamedTuple):
    """The next occurrence of a schedule, for `upcoming`."""

    schedule_id: str
    nominal_at: int
    due: int
    provisional: int
    name: str
    handler: str
    trigger: str
    note: str


@lru_cache(maxsize=8192)
def read_trigger(text: str) -> Trigger:
    """Read a trigger that was written by `model_dump_json`."""
    return parse_trigger(text)


_ROW = ", ".join(Row._fields)
_ENTRY = ", ".join(Entry._fields)
_INSERT = Fast(
    f"insert into schedule ({_ROW}) values ({', '.join(':' + name for name in Row._fields)})"  # noqa: S608
)
_FIND = Fast(f"select {_ROW} from schedule where id = :key")  # noqa: S608
_BY_NAME = Fast(
    f"select {_ROW} from schedule where name = :key and name <> '' and state in ('active', 'paused')"  # noqa: S608
)
_LATEST = Fast(
    f"select {_ROW} from schedule where name = :key and name <> '' order by updated_at desc limit 1"  # noqa: S608
)
_CHANGE = Fast(
    'update schedule set state = :state, "trigger" = :trigger, version = version + 1, note = :note, '
    "updated_at = :now where id = :id and version = :version"
)
_END = Fast(
    "update schedule set state = 'ended', updated_at = :now where id = :id and version = :version and state = 'active'"
)
_STATE = Fast("select state, version from schedule where id = :id")
_STATE_KEPT = Fast("select state, version from schedule where id = :id for update")
"""For servers: who changes the schedule in this moment waits, so that what is planned by the old trigger is dropped."""
_PLAN = Fast(
    "insert into occurrence (schedule_id, nominal_at, due, ready_at, state, provisional, version, attempts, owner, fence, "
    "note, error, error_type, ended_at) values (:schedule_id, :nominal_at, :due, :due, :state, :provisional, :version, 0, '', "
    "0, :note, '', '', :ended_at) on conflict (schedule_id, nominal_at) do nothing"
)
_DROP = Fast("delete from occurrence where schedule_id = :id and state = 'pending'")
_SETTLE = Fast(
    "update occurrence set state = :state, owner = '', lease_until = null, note = :note, error = :error, "
    "error_type = :error_type, ended_at = :now where id = :id and state = 'running' and owner = :owner and fence = :fence"
)
_RELEASE = Fast(
    "update occurrence set state = 'pending', owner = '', lease_until = null, ready_at = :ready_at, error = :error, "
    "error_type = :error_type, attempts = attempts - :unused where id = :id and state = 'running' and owner = :owner "
    "and fence = :fence"
)
_RENEW = Fast("update occurrence set lease_until = :lease where owner = :owner and state = 'running'")
_EXPIRE = Fast(
    "update occurrence set state = 'pending', owner = '', lease_until = null where state = 'running' "
    "and lease_until < :now and owner <> :owner"
)
_EXPIRE_OWNER = Fast(
    "update occurrence set state = 'pending', owner = '', lease_until = null where state = 'running' "
    "and owner = :owner"
)
_OWNERS = Fast("select distinct owner from occurrence where state = 'running'")
_LATER = Fast(
    "select ready_at from occurrence where state = 'pending' and ready_at > :now order by ready_at, id limit 1"
)
_LEASES = Fast("select min(lease_until) from occurrence where state = 'running' and owner <> :owner")
_EXPIRED = Fast(
    "select 1 from occurrence where state = 'running' and lease_until < :now and owner <> :owner limit 1"
)
_UPCOMING = Fast(
    "select o.schedule_id, o.nominal_at, o.due, o.provisional, s.name, s.handler, s.trigger, o.note "
    "from occurrence o join schedule s on s.id = o.schedule_id where o.state = 'pending' order by o.due, o.id limit :count"
)
_PENDING = Fast(
    "select due, provisional from occurrence where schedule_id = :id and state = 'pending' order by nominal_at limit 1"
)
_PROVISIONAL = Fast(
    f"select {_ENTRY} from occurrence where state = 'pending' and provisional = 1"  # noqa: S608
)
_REPLAN = Fast(
    "update occurrence set nominal_at = :nominal_at, due = :due, ready_at = :due, provisional = :provisional, note = :note "
    "where id = :id and state = 'pending' and fence = :fence"
)
_RUN = Fast(f"select {_ENTRY} from occurrence where id = :id")  # noqa: S608
_REOPEN = Fast(
    "update occurrence set state = :state, ready_at = :now, attempts = :attempts, version = :version, error = :error, error_type = :error_type, "
    "note = :note, ended_at = :ended where id = :id and state in ('failed', 'parked', 'asking')"
)
_PRUNE = Fast(
    "delete from occurrence where ended_at is not null and ended_at < :before and state in ('done', 'skipped', 'dismissed')"
)


class _Mine(NamedTuple):
    """Queries about what a worker may take: occurrences of handlers it knows, and those nobody took for long."""

    take: Fast
    ready: Fast
    orphans: Fast


@lru_cache(maxsize=256)
def _mine(count: int) -> _Mine:
    known = f"s.handler in ({', '.join(':' + name for name in _letters(count)) or 'null'})"
    joined = "from occurrence o join schedule s on s.id = o.schedule_id where o.state = 'pending'"
    mine = f"{joined} and o.ready_at <= :now and ({known} or o.ready_at <= :orphan)"
    return _Mine(
        take=Fast(
            "update occurrence set state = 'running', owner = :owner, fence = fence + 1, lease_until = :lease, "  # noqa: S608
            "attempts = attempts + 1, started_at = coalesce(started_at, :now) where state = 'pending' and id in "
            f"(select o.id {mine} order by o.ready_at, o.id limit :count) returning {_ENTRY}"
        ),
        ready=Fast(f"select o.ready_at {mine} limit 1"),
        orphans=Fast(
            f"select o.ready_at {joined} and o.ready_at <= :now and not coalesce({known}, false) "
            "order by o.ready_at limit 1"
        ),
    )


def _letters(count: int) -> tuple[str, ...]:
    """Give names of parameters, which are letters only."""
    return tuple(f"known_{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(count))


def _known(handlers: Sequence[str]) -> dict[str, Any]:
    return dict(zip(_letters(len(handlers)), handlers, strict=True))


def find(conn: Connection, key: str) -> Row | None:
    """Give a schedule by its id or its name; of several of one name the living one, else the latest."""
    for query in (_FIND, _BY_NAME, _LATEST):
        found = query.one(conn, {"key": key})
        if found is not None:
            return Row._make(found)
    return None


def is_taken(conn: Connection, name: str) -> bool:
    """Tell whether a schedule that is active or paused has that name."""
    return _BY_NAME.one(conn, {"key": name}) is not None


def insert(conn: Connection, rows: Sequence[Row]) -> None:
    """Write schedules."""
    _INSERT.many(conn, [row._asdict() for row in rows])


def change_schedule(conn: Connection, row: Row, *, state: str, trigger: str, note: str, now: int) -> bool:
    """Change a schedule, if nobody else did meanwhile."""
    params = {
        "id": row.id, "version": row.version, "state": state, "trigger": trigger, "note": note, "now": now
    }  # fmt: skip
    return _CHANGE.run(conn, params) == 1


def planned(row: Row, occurrence: Occurrence, *, state: str = "pending", note: str = "") -> dict[str, Any]:
    """Give the parameters of `plan` for an occurrence of a schedule."""
    due = to_us(occurrence.due)
    return {
        "schedule_id": row.id,
        "nominal_at": to_us(occurrence.nominal),
        "due": due,
        "state": state,
        "provisional": int(occurrence.provisional),
        "version": row.version,
        "note": note or "; ".join(occurrence.notes),
        "ended_at": None,
    }


def plan(conn: Connection, occurrences: Sequence[dict[str, Any]]) -> None:
    """Write occurrences; those that are there already stay as they are."""
    _PLAN.many(conn, occurrences)


def skip(conn: Connection, row: Row, first: Occurrence, note: str, *, now: int) -> None:
    """Write down occurrences that were left out; one line stands for all of them."""
    _PLAN.run(conn, {**planned(row, first, state="skipped", note=note), "ended_at": now})


def drop_pending(conn: Connection, schedule: str) -> None:
    """Forget the next occurrence of a schedule."""
    _DROP.run(conn, {"id": schedule})


def claim(
    conn: Connection, *, owner: str, now: int, lease: int, count: int, handlers: Sequence[str], orphan: int
) -> list[Claim]:
    """Take occurrences that are due: of `handlers`, and of any handler what was ready at `orphan` already."""
    params = {"owner": owner, "now": now, "lease": lease, "count": count, "orphan": orphan}
    taken = _mine(len(handlers)).take.all(conn, params | _known(handlers))
    entries = sorted((Entry._make(item) for item in taken), key=lambda item: (item.ready_at, item.id))
    rows: dict[str, Row] = {}
    for entry in entries:
        if entry.schedule_id not in rows:
            found = _FIND.one(conn, {"key": entry.schedule_id})
            assert found is not None, "a foreign key keeps the schedule"
            rows[entry.schedule_id] = Row._make(found)
    return [Claim(entry, rows[entry.schedule_id]) for entry in entries]


def following(conn: Connection, claimed: Claim, occurrence: Occurrence | None, *, now: int) -> None:
    """Plan the occurrence after a claimed one, or end the schedule, unless a person changed the schedule meanwhile."""
    entry, row = claimed
    if entry.version != row.version:
        return  # a retried or an outdated occurrence; what follows is planned already
    query = _STATE if conn.dialect.name == "sqlite" else _STATE_KEPT
    state = query.one(conn, {"id": row.id})
    if state is None or tuple(state) != ("active", row.version):
        return
    if occurrence is None:
        _END.run(conn, {"id": row.id, "version": row.version, "now": now})
    else:
        _PLAN.run(conn, planned(row, occurrence))


def settle(
    conn: Connection, entry: Entry, *, state: str, note: str, error: str, error_type: str, now: int
) -> bool:
    """End a claimed occurrence; False when the claim was lost."""
    params = {
        "id": entry.id,
        "owner": entry.owner,
        "fence": entry.fence,
        "state": state,
        "note": note,
        "error": error,
        "error_type": error_type,
        "now": now,
    }
    return _SETTLE.run(conn, params) == 1


def release(
    conn: Connection,
    entry: Entry,
    *,
    ready_at: int,
    error: str = "",
    error_type: str = "",
    unused: bool = False,
) -> bool:
    """Give a claimed occurrence back, to be tried again."""
    params = {
        "id": entry.id,
        "owner": entry.owner,
        "fence": entry.fence,
        "ready_at": ready_at,
        "error": error,
        "error_type": error_type,
        "unused": int(unused),
    }
    return _RELEASE.run(conn, params) == 1


def renew(conn: Connection, *, owner: str, lease: int) -> int:
    """Prolong the leases of a worker."""
    return _RENEW.run(conn, {"owner": owner, "lease": lease})


def expire(conn: Connection, *, now: int, owner: str) -> int:
    """Take back what others did not renew; `owner` itself lives, whatever the clock says."""
    return _EXPIRE.run(conn, {"now": now, "owner": owner})


def expire_owner(conn: Connection, owner: str) -> int:
    """Take back what a dead worker held."""
    return _EXPIRE_OWNER.run(conn, {"owner": owner})


def owners(conn: Connection) -> list[str]:
    """Give the workers that hold something."""
    return [str(item[0]) for item in _OWNERS.all(conn)]


def next_ready(
    conn: Connection, *, now: int, owner: str, handlers: Sequence[str], patience: int
) -> int | None:
    """Give the instant at which a worker with these handlers has something to do next.

    `patience` is how long an occurrence of another handler waits for a worker that knows it.
    """
    queries, names = _mine(len(handlers)), _known(handlers)
    ready = queries.ready.one(conn, {"now": now, "orphan": now - patience} | names)
    if ready is not None:
        return int(ready[0])
    orphan = queries.orphans.one(conn, {"now": now} | names)
    found = _LATER.one(conn, {"now": now})
    lease = _LEASES.one(conn, {"owner": owner})
    known = [int(item[0]) for item in (found, lease) if item is not None and item[0] is not None]
    if orphan is not None:
        known.append(int(orphan[0]) + patience)
    return min(known) if known else None


def any_ready(conn: Connection, *, now: int, handlers: Sequence[str], orphan: int) -> bool:
    """Tell whether something can be claimed; a look costs less than a write that finds nothing."""
    params = {"now": now, "orphan": orphan} | _known(handlers)
    return _mine(len(handlers)).ready.one(conn, params) is not None


def any_expired(conn: Connection, *, now: int, owner: str, anyone: bool) -> bool:
    """Tell whether others than `owner` hold something for too long, or, with `anyone`, hold anything."""
    return bool(owners(conn)) if anyone else _EXPIRED.one(conn, {"now": now, "owner": owner}) is not None


def with_next(conn: Connection, row: Row) -> tuple[Row, int | None, int]:
    """Give a schedule with its next due instant, and whether that is provisional."""
    found = _PENDING.one(conn, {"id": row.id})
    return (row, None, 0) if found is None else (row, int(found[0]), int(found[1]))


def pending(conn: Connection, count: int) -> list[Pending]:
    """Give the next occurrence of each of the schedules that come first."""
    return [Pending._make(item) for item in _UPCOMING.all(conn, {"count": count})]


def provisional(conn: Connection) -> list[tuple[Entry, Row]]:
    """Give the next occurrences that rest on a calendar that is not announced."""
    found: list[tuple[Entry, Row]] = []
    for item in _PROVISIONAL.all(conn):
        entry = Entry._make(item)
        row = _FIND.one(conn, {"key": entry.schedule_id})
        assert row is not None, "a foreign key keeps the schedule"
        found.append((entry, Row._make(row)))
    return found


def replan(conn: Connection, entry: Entry, occurrence: Occurrence) -> bool:
    """Move a pending occurrence."""
    params = {
        "id": entry.id,
        "fence": entry.fence,
        "nominal_at": to_us(occurrence.nominal),
        "due": to_us(occurrence.due),
        "provisional": int(occurrence.provisional),
        "note": "; ".join(occurrence.notes),
    }
    return _REPLAN.run(conn, params) == 1


def find_run(conn: Connection, run: int) -> Entry | None:
    """Give one occurrence."""
    found = _RUN.one(conn, {"id": run})
    return None if found is None else Entry._make(found)


def reopen(conn: Connection, entry: Entry, *, state: str, note: str, now: int) -> bool:
    """Let a dead letter run again, or dismiss it."""
    again = state == "pending"
    row = _FIND.one(conn, {"key": entry.schedule_id})
    version = 0  # what follows is planned already …
    if (
        row is not None
        and Row._make(row).state == "active"
        and _PENDING.one(conn, {"id": entry.schedule_id}) is None
    ):
        version = Row._make(row).version  # … unless its trigger could not be read
    params = {
        "id": entry.id,
        "state": state,
        "now": now,
        "note": note,
        "ended": None if again else now,
        "version": version,
        "attempts": 1 if again else entry.attempts,
        "error": "" if again else entry.error,
        "error_type": "" if again else entry.error_type,
    }
    return _REOPEN.run(conn, params) == 1


def prune(conn: Connection, before: int) -> int:
    """Forget what ended well before an instant; dead letters stay."""
    return _PRUNE.run(conn, {"before": before})


def _where(conditions: Iterable[str]) -> str:
    text = " and ".join(conditions)
    return f" where {text}" if text else ""


def listed(
    conn: Connection, *, states: Sequence[str], handler: str, after: tuple[int, str] | None, limit: int
) -> list[tuple[Row, int | None, int]]:
    """Give schedules by the time they were made, with their next due instant."""
    params: dict[str, Any] = {"limit": limit}
    conditions: list[str] = []
    if states:
        names = [f"state{chr(97 + number)}" for number in range(len(states))]
        params |= dict(zip(names, states, strict=True))
        conditions.append(f"state in ({', '.join(':' + name for name in names)})")
    if handler:
        params["handler"] = handler
        conditions.append("handler = :handler")
    if after is not None:
        params |= {"after_at": after[0], "after_id": after[1]}
        conditions.append("(created_at > :after_at or (created_at = :after_at and id > :after_id))")
    query = Fast(
        f"select {_ROW} from schedule{_where(conditions)} order by created_at, id limit :limit"  # noqa: S608
    )
    return [with_next(conn, Row._make(item)) for item in query.all(conn, params)]


def history(
    conn: Connection, *, schedule: str, states: Sequence[str], limit: int
) -> list[tuple[Entry, str, str]]:
    """Give occurrences that came to an end, or wait for a person, latest first; with the schedule's name and handler."""
    params: dict[str, Any] = {"limit": limit}
    waiting = bool(states) and set(states) <= {"failed", "parked", "asking"}
    # each of the two has an index of its own
    conditions = ["state in ('failed', 'parked', 'asking')" if waiting else "ended_at is not null"]
    if schedule:
        params["schedule"] = schedule
        conditions.append("schedule_id = :schedule")
    if states:
        names = [f"state{chr(97 + number)}" for number in range(len(states))]
        params |= dict(zip(names, states, strict=True))
        conditions.append(f"state in ({', '.join(':' + name for name in names)})")
    query = Fast(
        f"select {_ENTRY} from occurrence{_where(conditions)} order by ended_at desc, id desc limit :limit"  # noqa: S608
    )
    names_of: dict[str, tuple[str, str]] = {}
    found: list[tuple[Entry, str, str]] = []
    for item in query.all(conn, params):
        entry = Entry._make(item)
        if entry.schedule_id not in names_of:
            row = _FIND.one(conn, {"key": entry.schedule_id})
            assert row is not None, "a foreign key keeps the schedule"
            names_of[entry.schedule_id] = (row[1], row[2])
        found.append((entry, *names_of[entry.schedule_id]))
    return found
