"""Rows of journeys, inside a transaction of the operational store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from shequn_sdk.domain import MemberRef
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
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.journeys import (
    journey,
    journey_contact,
    journey_policy,
    journey_run,
    journey_step,
    journey_task,
)
from shequn_sdk.stores.tables.members import identity

__all__ = [
    "Begun",
    "Known",
    "add_task",
    "begin",
    "bring_on",
    "contacts_of",
    "due_checks",
    "due_runs",
    "end_runs",
    "find",
    "is_doubled",
    "known",
    "move",
    "policy_of",
    "read_runs",
    "read_tasks",
    "record",
    "reserve",
    "run_of",
    "save",
    "set_policy",
    "waiting",
]

_OWN_ENTRY = (Birthday, BeforeDate, Festival, Silent)
"""These begin a journey anew each time, by an entry of their own."""


class Known(NamedTuple):
    """A journey as it is kept."""

    community: str
    journey: Journey
    state: str
    version: int
    looked_at: int | None


class Begun(NamedTuple):
    """Somebody who began a journey."""

    run: int
    identity: int
    held_out: bool


def known(conn: Connection, *, community: str | None = None, active: bool = False) -> list[Known]:
    """Give journeys, by community and name."""
    query = select(journey).order_by(journey.c.community, journey.c.name)
    if community is not None:
        query = query.where(journey.c.community == community)
    if active:
        query = query.where(journey.c.state == "active")
    return [
        Known(
            row.community, Journey.model_validate_json(row.definition), row.state, row.version, row.looked_at
        )
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
    found = conn.execute(
        select(journey_policy.c.policy).where(journey_policy.c.community == community)
    ).scalar()
    return Policy() if found is None else Policy.model_validate_json(found)


def set_policy(conn: Connection, community: str, policy: Policy) -> None:
    """Change it."""
    conn.execute(delete(journey_policy).where(journey_policy.c.community == community))
    conn.execute(insert(journey_policy).values(community=community, policy=policy.model_dump_json()))


def begin(
    conn: Connection,
    community: str,
    one: Journey,
    number: int,
    *,
    entry: str,
    anchor: datetime,
    due: datetime,
    waits_for: str,
) -> Begun | None:
    """Let a person begin a journey; None when they are on it, or were on it too lately."""
    owner = persons_of(conn, [number])[number]
    mine = identities_of(conn, [owner])[owner]
    before = conn.execute(
        select(journey_run.c.entry, journey_run.c.anchor, journey_run.c.state).where(
            journey_run.c.community == community,
            journey_run.c.journey == one.name,
            journey_run.c.identity_id.in_(mine),
        )
    ).all()
    if any(row.entry == entry or row.state == RunState.RUNNING for row in before):
        return None
    if before and not isinstance(one.start, _OWN_ENTRY):
        latest = max(row.anchor for row in before)
        if one.again is None or from_us(latest) + one.again > anchor:
            return None
    first = conn.execute(
        select(identity.c.platform, identity.c.native_id).where(identity.c.id == min(mine))
    ).one()
    held_out = is_held_out(one, f"{first.platform}:{first.native_id}")
    made = conn.execute(
        insert(journey_run).values(
            community=community,
            journey=one.name,
            definition=one.model_dump_json(),
            identity_id=number,
            entry=entry,
            anchor=to_us(anchor),
            step=0,
            reached=to_us(anchor),
            due=None if held_out else to_us(due),
            waits_for="" if held_out else waits_for,
            state="held_out" if held_out else "running",
            reason="left out, to compare with" if held_out else "",
            ended_at=to_us(anchor) if held_out else None,
        )
    ).inserted_primary_key
    return Begun(int(made[0]) if made else 0, number, held_out)


def due_runs(conn: Connection, *, now: int, limit: int, only: Sequence[int] | None = None) -> Sequence[Any]:
    """Give runs whose next step has come, of journeys that are not paused; those due first, first."""
    query = (
        select(journey_run)
        .join(
            journey,
            and_(journey.c.community == journey_run.c.community, journey.c.name == journey_run.c.journey),
        )
        .where(journey_run.c.state == "running", journey_run.c.due <= now, journey.c.state == "active")
        .order_by(journey_run.c.due, journey_run.c.id)
        .limit(limit)
    )
    if only is not None:
        query = query.where(journey_run.c.id.in_(list(only)))
    return list(conn.execute(query).all())


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
    values: dict[str, Any] = {"due": due, "state": state, "reason": reason}
    if to is not None:
        values["step"] = to
    if reached is not None:
        values["reached"] = reached
    if waits_for is not None:
        values["waits_for"] = waits_for
    if state != "running":
        values |= {"ended_at": now, "due": None, "waits_for": ""}
    done = conn.execute(
        update(journey_run)
        .where(journey_run.c.id == run, journey_run.c.step == step, journey_run.c.state == "running")
        .values(values)
    )
    return done.rowcount == 1


def record(
    conn: Connection,
    run: int,
    step: int,
    *,
    name: str,
    state: str,
    form: str,
    key: str = "",
    note: str = "",
    at: int,
    check_at: int | None = None,
) -> None:
    """Keep what became of a step; the newest word counts."""
    conn.execute(delete(journey_step).where(journey_step.c.run_id == run, journey_step.c.step == step))
    conn.execute(
        insert(journey_step).values(
            run_id=run,
            step=step,
            name=name,
            state=state,
            form=form,
            key=key,
            note=note[:1000],
            at=at,
            check_at=check_at,
        )
    )


def due_checks(conn: Connection, *, now: int, limit: int) -> Sequence[Any]:
    """Give steps whose messages are to be looked after."""
    return list(
        conn.execute(
            select(journey_step, journey_run.c.definition, journey_run.c.identity_id, journey_run.c.community)
            .join(journey_run, journey_run.c.id == journey_step.c.run_id)
            .where(journey_step.c.check_at <= now)
            .order_by(journey_step.c.check_at)
            .limit(limit)
        ).all()
    )


def bring_on(conn: Connection, runs: Iterable[int], *, now: int) -> None:
    """Let the next step of runs come now: what they waited for has happened."""
    for run in runs:
        conn.execute(
            update(journey_run)
            .where(journey_run.c.id == run, journey_run.c.state == "running")
            .values(due=now, waits_for="")
        )


def end_runs(conn: Connection, runs: Iterable[int], *, state: RunState, reason: str, now: int) -> int:
    """End runs; gives how many were still going."""
    total = 0
    for run in runs:
        total += conn.execute(
            update(journey_run)
            .where(journey_run.c.id == run, journey_run.c.state == "running")
            .values(state=state.value, reason=reason, ended_at=now, due=None, waits_for="")
        ).rowcount
    return total


def contacts_of(conn: Connection, identities: Sequence[int], *, since: int) -> dict[str, datetime]:
    """Give when a person was written to by journeys, by key."""
    return {
        row.key: from_us(row.at)
        for row in conn.execute(
            select(journey_contact.c.key, journey_contact.c.at).where(
                journey_contact.c.identity_id.in_(list(identities)), journey_contact.c.at > since
            )
        )
    }


def reserve(conn: Connection, key: str, community: str, number: int, *, at: int) -> None:
    """Count a message against the caps, once."""
    there = conn.execute(select(journey_contact.c.key).where(journey_contact.c.key == key)).scalar()
    if there is None:
        conn.execute(insert(journey_contact).values(key=key, community=community, identity_id=number, at=at))


def add_task(
    conn: Connection,
    key: str,
    community: str,
    *,
    number: int | None,
    name: str,
    title: str,
    text: str,
    assignee: str,
    due: datetime,
    now: int,
) -> None:
    """Give a task to people, once."""
    there = conn.execute(select(journey_task.c.id).where(journey_task.c.key == key)).scalar()
    if there is None:
        conn.execute(
            insert(journey_task).values(
                key=key,
                community=community,
                identity_id=number,
                journey=name,
                title=title,
                text=text,
                assignee=assignee,
                created_at=now,
                due=to_us(due),
                state="open",
                actor="",
                note="",
            )
        )


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
        definition = Journey.model_validate_json(row.definition)
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


def waiting(conn: Connection, community: str, identities: Sequence[int]) -> Sequence[Any]:
    """Give the runs of a person that are going."""
    return list(
        conn.execute(
            select(
                journey_run.c.id,
                journey_run.c.anchor,
                journey_run.c.waits_for,
                journey_run.c.definition,
            ).where(
                journey_run.c.community == community,
                journey_run.c.identity_id.in_(list(identities)),
                journey_run.c.state == "running",
            )
        ).all()
    )


def run_of(conn: Connection, run: int) -> Any:
    """Give a run's row."""
    return conn.execute(select(journey_run).where(journey_run.c.id == run)).one()


def is_doubled(conn: Connection, run: Any, identities: Sequence[int]) -> bool:
    """Tell whether a person was on the same journey already when this began, which a later merge can bring about."""
    return (
        conn.execute(
            select(journey_run.c.id)
            .where(
                journey_run.c.community == run.community,
                journey_run.c.journey == run.journey,
                journey_run.c.identity_id.in_(list(identities)),
                journey_run.c.state.in_(["running", "finished"]),
                or_(journey_run.c.ended_at.is_(None), journey_run.c.ended_at > run.anchor),
                journey_run.c.id < run.id,
            )
            .limit(1)
        ).first()
        is not None
    )
