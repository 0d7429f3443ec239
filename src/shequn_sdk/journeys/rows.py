"""Rows of journeys, inside a transaction of the operational store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from shequn_sdk.domain import MemberRef, Receipt
from shequn_sdk.errors import UnknownName
from shequn_sdk.journeys.models import (
    BeforeDate,
    Birthday,
    Festival,
    Journey,
    JourneyRun,
    JourneyTask,
    Policy,
    RunState,
    Silent,
    StepRecord,
)
from shequn_sdk.journeys.timing import is_held_out
from shequn_sdk.members.identities import persons_of
from shequn_sdk.members.merging import identities_of
from shequn_sdk.members.names import shown
from shequn_sdk.publishing import ledger
from shequn_sdk.publishing.planning import by_lane
from shequn_sdk.publishing.rows import receipt_of
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.journeys import (
    journey,
    journey_policy,
    journey_run,
    journey_step,
)
from shequn_sdk.stores.tables.members import identity

__all__ = [
    "Begun",
    "Known",
    "NewTask",
    "Outcome",
    "add_task",
    "begin",
    "bring_on",
    "contacts_of",
    "doubled",
    "due_checks",
    "due_runs",
    "end_runs",
    "find",
    "journey_of",
    "known",
    "move",
    "policy_of",
    "read_runs",
    "read_tasks",
    "receipts_of",
    "record",
    "reserve",
    "runs_of",
    "save",
    "set_policy",
    "waiting",
]

_CHUNK = 400
_OWN_ENTRY = (Birthday, BeforeDate, Festival, Silent)
"""These begin a journey anew each time, by an entry of their own."""


class Known(NamedTuple):
    """A journey as it is kept."""

    community: str
    journey: Journey
    state: str
    version: int
    looked_at: int | None


class Outcome(NamedTuple):
    """What became of an action."""

    state: str
    form: str
    key: str = ""
    note: str = ""
    check: bool = False
    """Whether it is to be looked at again."""


class Begun(NamedTuple):
    """Somebody who began a journey."""

    run: int
    identity: int
    held_out: bool


@lru_cache(maxsize=256)
def journey_of(definition: str) -> Journey:
    """Read a journey's definition; runs share a few of them."""
    return Journey.model_validate_json(definition)


class NewTask(NamedTuple):
    """Something for a person to do."""

    key: str
    community: str
    number: int | None
    """Of the identity it is about."""
    name: str
    """Of the journey."""
    title: str
    text: str
    assignee: str
    due: int


class Run(NamedTuple):
    """A row of `journey_run`."""

    id: int
    community: str
    journey: str
    definition: str
    identity_id: int
    anchor: int
    step: int
    due: int | None
    waits_for: str

    def task(self, name: str, title: str, text: str, key: str, assignee: str, due: datetime) -> NewTask:
        """Give a task for a person about this run's member; `key` is that of the step."""
        return NewTask(
            f"{key}/task", self.community, self.identity_id, name, title, text, assignee, to_us(due)
        )


class DueCheck(NamedTuple):
    """A row of `journey_step` whose message is to be looked after, and what its run tells."""

    run_id: int
    step: int
    name: str
    form: str
    key: str
    note: str
    at: int
    definition: str


_OF_RUN = ", ".join(f"r.{name}" for name in Run._fields)
_ACTIVE = (
    f"select {_OF_RUN} from journey_run r join journey j on j.community = r.community and j.name = r.journey "  # noqa: S608 - constant text
    "where r.state = 'running' and r.due <= :now and j.state = 'active'"
)
_DUE = Fast(f"{_ACTIVE} order by r.due, r.id limit :limit")
_DUE_OF = Fast(f"{_ACTIVE} and r.id in :ids order by r.due, r.id limit :limit")
_RUNS = Fast(f"select {_OF_RUN} from journey_run r where r.id in :ids")  # noqa: S608 - constant text
_WAITING = Fast(
    f"select {_OF_RUN} from journey_run r where r.identity_id in :ids and r.state = 'running' order by r.id"  # noqa: S608 - constant text
)
_CHECKS = Fast(
    'select s.run_id, s.step, s.name, s.form, s."key", s.note, s.at, r.definition '
    "from journey_step s join journey_run r on r.id = s.run_id where s.check_at <= :now "
    "order by s.check_at limit :limit"
)
_BEFORE = Fast(
    "select identity_id, entry, anchor, state from journey_run "
    "where community = :community and journey = :journey and identity_id in :ids"
)
_BEGIN = Fast(
    "insert into journey_run (community, journey, definition, identity_id, entry, anchor, step, reached, due, "
    "waits_for, state, reason, ended_at) values (:community, :journey, :definition, :number, :entry, :anchor, 0, "
    ":anchor, :due, :waits_for, :state, :reason, :ended) returning id"
)
_BRING_ON = Fast("update journey_run set due = :now, waits_for = '' where id = :run and state = 'running'")
_END = Fast(
    "update journey_run set state = :state, reason = :reason, ended_at = :now, due = null, waits_for = '' "
    "where id = :run and state = 'running'"
)
_CONTACTS = Fast(
    'select identity_id, "key", at from journey_contact where identity_id in :ids and at > :since'
)
_POLICY = Fast("select policy from journey_policy where community = :community")
_MOVE = Fast(
    "update journey_run set step = :to, due = :due, reached = coalesce(:reached, reached), "
    "waits_for = coalesce(:waits_for, waits_for), state = :state, reason = :reason, ended_at = :ended "
    "where id = :run and step = :step and state = 'running'"
)
_RECORD = Fast(
    'insert into journey_step (run_id, step, name, state, form, "key", note, at, check_at) '
    "values (:run, :step, :name, :state, :form, :key, :note, :at, :check_at) "
    "on conflict (run_id, step) do update set name = excluded.name, state = excluded.state, "
    'form = excluded.form, "key" = excluded."key", note = excluded.note, at = excluded.at, '
    "check_at = excluded.check_at"
)
_RESERVE = Fast(
    'insert into journey_contact ("key", community, identity_id, at) values (:key, :community, :number, :at) '
    'on conflict ("key") do nothing'
)
_ADD_TASK = Fast(
    'insert into journey_task ("key", community, identity_id, journey, title, text, assignee, created_at, due, '
    "state, actor, note) values (:key, :community, :number, :name, :title, :text, :assignee, :now, :due, "
    "'open', '', '') on conflict (\"key\") do nothing"
)


def known(conn: Connection, *, community: str | None = None, active: bool = False) -> list[Known]:
    """Give journeys, by community and name."""
    query = select(journey).order_by(journey.c.community, journey.c.name)
    if community is not None:
        query = query.where(journey.c.community == community)
    if active:
        query = query.where(journey.c.state == "active")
    return [
        Known(row.community, journey_of(row.definition), row.state, row.version, row.looked_at)
        for row in conn.execute(query)
    ]


def find(conn: Connection, community: str, name: str) -> Known:
    """Give a journey.

    Raises:
        UnknownName: there is none of that name.
    """
    every = known(conn, community=community)
    for one in every:
        if one.journey.name == name:
            return one
    raise UnknownName("journey", name, nearest=tuple(one.journey.name for one in every)[:3])


def save(conn: Connection, community: str, one: Journey, *, now: int) -> int:
    """Keep a journey; gives its version. Who is on it goes on as it was when they began."""
    old = conn.execute(
        select(journey.c.version).where(journey.c.community == community, journey.c.name == one.name)
    ).scalar()
    values = {"definition": one.model_dump_json(), "state": "active", "updated_at": now}
    if old is None:
        conn.execute(insert(journey).values(community=community, name=one.name, version=1, **values))
        return 1
    conn.execute(
        update(journey)
        .where(journey.c.community == community, journey.c.name == one.name)
        .values(version=old + 1, **values)
    )
    return int(old) + 1


def policy_of(conn: Connection, community: str) -> Policy:
    """Give what holds for all journeys of a community."""
    found = _POLICY.one(conn, {"community": community})
    return Policy() if found is None else _policy(found[0])


@lru_cache(maxsize=64)
def _policy(text: str) -> Policy:
    return Policy.model_validate_json(text)


def set_policy(conn: Connection, community: str, policy: Policy) -> None:
    """Change it."""
    conn.execute(delete(journey_policy).where(journey_policy.c.community == community))
    conn.execute(insert(journey_policy).values(community=community, policy=policy.model_dump_json()))


def begin(
    conn: Connection,
    community: str,
    one: Journey,
    who: Sequence[tuple[int, str]],
    *,
    anchor: datetime,
    due: datetime,
    waits_for: str,
) -> list[Begun]:
    """Let persons begin a journey, each an identity with the name of its entry.

    Leaves out who is on it, or was on it too lately.
    """
    owners = persons_of(conn, [number for number, _ in who])
    groups = identities_of(conn, owners.values())
    before = _before(conn, community, one.name, groups)
    definition = one.model_dump_json()
    found: list[Begun] = []
    for number, entry in who:
        owner = owners[number]
        if not _may_begin(one, before[owner], entry, anchor):
            continue
        before[owner].append((entry, to_us(anchor), RunState.RUNNING))
        held_out = bool(one.hold_out) and is_held_out(one, _first_ref(conn, groups[owner]))
        made = _BEGIN.one(
            conn,
            {
                "community": community,
                "journey": one.name,
                "definition": definition,
                "number": number,
                "entry": entry,
                "anchor": to_us(anchor),
                "due": None if held_out else to_us(due),
                "waits_for": "" if held_out else waits_for,
                "state": "held_out" if held_out else "running",
                "reason": "left out, to compare with" if held_out else "",
                "ended": to_us(anchor) if held_out else None,
            },
        )
        found.append(Begun(int(made[0]) if made else 0, number, held_out))
    return found


def _before(
    conn: Connection, community: str, name: str, groups: Mapping[int, Sequence[int]]
) -> defaultdict[int, list[tuple[str, int, str]]]:
    """Give entry, anchor and state of the runs on a journey that persons were on."""
    owners = {number: owner for owner, group in groups.items() for number in group}
    numbers = list(owners)
    found: defaultdict[int, list[tuple[str, int, str]]] = defaultdict(list)
    for number, *run in _BEFORE.all(conn, {"community": community, "journey": name, "ids": numbers}):
        entry, anchor, state = run
        found[owners[number]].append((entry, anchor, state))
    return found


def _may_begin(one: Journey, before: Sequence[tuple[str, int, str]], entry: str, anchor: datetime) -> bool:
    if any(known == entry or state == RunState.RUNNING for known, _, state in before):
        return False
    if not before or isinstance(one.start, _OWN_ENTRY):
        return True
    latest = max(at for _, at, _ in before)
    return one.again is not None and from_us(latest) + one.again <= anchor


def _first_ref(conn: Connection, group: Sequence[int]) -> str:
    first = conn.execute(
        select(identity.c.platform, identity.c.native_id).where(identity.c.id == min(group))
    ).one()
    return f"{first.platform}:{first.native_id}"


def due_runs(conn: Connection, *, now: int, limit: int, only: Sequence[int] | None = None) -> list[Run]:
    """Give runs whose next step has come, of journeys that are not paused; those due first, first."""
    if only is None:
        return list(map(Run._make, _DUE.all(conn, {"now": now, "limit": limit})))
    return list(map(Run._make, _DUE_OF.all(conn, {"now": now, "limit": limit, "ids": list(only)})))


def move(
    conn: Connection,
    run: int,
    step: int,
    *,
    to: int | None = None,
    due: int | None,
    reached: int | None = None,
    waits_for: str | None = None,
    state: str = "running",
    reason: str = "",
    now: int,
) -> bool:
    """Move a run on from a step, if it still stands there; gives whether it did."""
    going = state == "running"
    return (
        _MOVE.run(
            conn,
            {
                "run": run,
                "step": step,
                "to": step if to is None else to,
                "due": due if going else None,
                "reached": reached,
                "waits_for": waits_for if going else "",
                "state": state,
                "reason": reason,
                "ended": None if going else now,
            },
        )
        == 1
    )


def record(
    conn: Connection,
    run: int,
    step: int,
    name: str,
    outcome: Outcome,
    *,
    at: int,
    check_at: int | None = None,
) -> None:
    """Keep what became of a step; the newest word counts."""
    _RECORD.run(
        conn,
        {
            "run": run,
            "step": step,
            "name": name,
            "state": outcome.state,
            "form": outcome.form,
            "key": outcome.key,
            "note": outcome.note[:1000],
            "at": at,
            "check_at": check_at,
        },
    )


def due_checks(conn: Connection, *, now: int, limit: int) -> list[DueCheck]:
    """Give steps whose messages are to be looked after."""
    return list(map(DueCheck._make, _CHECKS.all(conn, {"now": now, "limit": limit})))


def receipts_of(conn: Connection, keys: Iterable[str]) -> dict[str, list[Receipt]]:
    """Give the receipts of what was published under keys, by key; empty where nothing was."""
    return {key: [receipt_of(group) for group in by_lane(ledger.by_batch(conn, key))] for key in keys}


def bring_on(conn: Connection, runs: Iterable[int], *, now: int) -> None:
    """Let the next step of runs come now: what they waited for has happened."""
    _BRING_ON.many(conn, [{"run": run, "now": now} for run in runs])


def end_runs(conn: Connection, runs: Iterable[int], *, state: RunState, reason: str, now: int) -> int:
    """End runs; gives how many were still going."""
    total = 0
    for run in runs:
        total += _END.run(conn, {"run": run, "state": state.value, "reason": reason, "now": now})
    return total


def contacts_of(conn: Connection, identities: Sequence[int], *, since: int) -> dict[int, dict[str, datetime]]:
    """Give when identities were written to by journeys: by identity, then by key."""
    found: dict[int, dict[str, datetime]] = {}
    for number, key, at in _CONTACTS.all(conn, {"ids": list(identities), "since": since}):
        found.setdefault(number, {})[key] = from_us(at)
    return found


def reserve(conn: Connection, messages: Iterable[tuple[str, str, int]], *, at: int) -> None:
    """Count messages (key, community, identity) against the caps, each once."""
    for key, community, number in messages:
        _RESERVE.run(conn, {"key": key, "community": community, "number": number, "at": at})


def add_task(conn: Connection, task: NewTask, *, now: int) -> None:
    """Give a task to people, once."""
    _ADD_TASK.run(conn, {**task._asdict(), "now": now})


def read_tasks(conn: Connection, query: Any, *, now: datetime) -> list[JourneyTask]:
    """Give tasks as they are shown."""
    rows = conn.execute(query).all()
    names = {
        row.id: (MemberRef(platform=row.platform, native_id=row.native_id), shown(row.display_name))
        for row in conn.execute(
            select(identity.c.id, identity.c.platform, identity.c.native_id, identity.c.display_name).where(
                identity.c.id.in_([row.identity_id for row in rows if row.identity_id is not None])
            )
        )
    }
    return [
        JourneyTask(
            id=row.id,
            community=row.community,
            journey=row.journey,
            member=names[row.identity_id][0] if row.identity_id in names else None,
            name=names[row.identity_id][1] if row.identity_id in names else "",
            title=row.title,
            text=row.text,
            assignee=row.assignee,
            due=from_us(row.due),
            overdue=row.state == "open" and from_us(row.due) < now,
            state=row.state,
            done_at=None if row.done_at is None else from_us(row.done_at),
            actor=row.actor,
            note=row.note,
        )
        for row in rows
    ]


def read_runs(
    conn: Connection,
    community: str,
    *,
    name: str | None,
    identities: Sequence[int] | None,
    state: RunState | None,
    after: int,
    limit: int,
) -> list[JourneyRun]:
    """Give runs with what became of their steps."""
    query = (
        select(journey_run, identity.c.platform, identity.c.native_id)
        .join(identity, identity.c.id == journey_run.c.identity_id)
        .where(journey_run.c.community == community, journey_run.c.id > after)
        .order_by(journey_run.c.id)
        .limit(limit)
    )
    if name is not None:
        query = query.where(journey_run.c.journey == name)
    if identities is not None:
        query = query.where(journey_run.c.identity_id.in_(list(identities)))
    if state is not None:
        query = query.where(journey_run.c.state == state.value)
    rows = conn.execute(query).all()
    records: dict[int, list[StepRecord]] = {row.id: [] for row in rows}
    numbers = list(records)
    for start in range(0, len(numbers), 400):
        for row in conn.execute(
            select(journey_step)
            .where(journey_step.c.run_id.in_(numbers[start : start + 400]))
            .order_by(journey_step.c.run_id, journey_step.c.step)
        ):
            records[row.run_id].append(
                StepRecord(step=row.name, state=row.state, form=row.form, note=row.note, at=from_us(row.at))
            )
    found: list[JourneyRun] = []
    for row in rows:
        definition = journey_of(row.definition)
        going = row.state == "running" and row.step < len(definition.steps)
        found.append(
            JourneyRun(
                id=row.id,
                journey=row.journey,
                community=row.community,
                member=MemberRef(platform=row.platform, native_id=row.native_id),
                state=RunState(row.state),
                anchor=from_us(row.anchor),
                next_step=definition.steps[row.step].name if going else "",
                due=None if row.due is None else from_us(row.due),
                reason=row.reason,
                records=tuple(records[row.id]),
            )
        )
    return found


def waiting(conn: Connection, identities: Sequence[int]) -> list[Run]:
    """Give the runs of identities that are going."""
    return list(map(Run._make, _WAITING.all(conn, {"ids": list(identities)})))


def runs_of(conn: Connection, runs: Sequence[int]) -> dict[int, Run]:
    """Give runs, by number."""
    return {run.id: run for run in map(Run._make, _RUNS.all(conn, {"ids": list(runs)}))}


def doubled(
    conn: Connection, community: str, runs: Sequence[Any], people: Mapping[int, Sequence[int]]
) -> set[int]:
    """Give the runs whose person was on the same journey already when they began, which a later merge can bring about.

    Args:
        conn: the transaction's connection.
        community: of the runs.
        runs: which to look at.
        people: the identities of each run's person, by the run.
    """
    several = [
        run for run in runs if len(people[run.id]) > 1
    ]  # one account cannot be on a journey twice at once
    if not several:
        return set()
    numbers = list(dict.fromkeys(number for run in several for number in people[run.id]))
    others: list[Any] = []
    for start in range(0, len(numbers), _CHUNK):
        others += conn.execute(
            select(
                journey_run.c.id, journey_run.c.journey, journey_run.c.identity_id, journey_run.c.ended_at
            ).where(
                journey_run.c.community == community,
                journey_run.c.identity_id.in_(numbers[start : start + _CHUNK]),
                journey_run.c.state.in_(["running", "finished"]),
            )
        ).all()
    return {
        run.id
        for run in several
        if any(
            other.id < run.id
            and other.journey == run.journey
            and other.identity_id in people[run.id]
            and (other.ended_at is None or other.ended_at > run.anchor)
            for other in others
        )
    }
