"""Schedules, what is to come of them, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import AwareDatetime

from shequn_sdk.domain import Frozen, Identifier, LatePolicy
from shequn_sdk.scheduling.triggers import AnyTrigger

__all__ = ["Firing", "Overlapping", "Run", "RunState", "Schedule", "ScheduleState", "Upcoming"]


class ScheduleState(StrEnum):
    """Where a schedule stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    """Its trigger has no further occurrence."""
    CANCELLED = "cancelled"


class Overlapping(StrEnum):
    """What to do with an occurrence that comes while the one before it still runs."""

    QUEUE = "queue"
    """Begin when the one before has ended."""
    SKIP = "skip"
    PARALLEL = "parallel"


class RunState(StrEnum):
    """Where an occurrence stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    """Left out by a policy; the note says by which."""
    ASKING = "asking"
    """Too late, and the policy is to ask a person: `retry` or `dismiss` it."""
    FAILED = "failed"
    """The handler failed for good: a dead letter."""
    PARKED = "parked"
    """Its handler is gone, or the arguments do not fit it any more: a dead letter until `retry`."""
    DISMISSED = "dismissed"
    """A person decided that it is not to run."""


class Schedule(Frozen):
    """What is to happen when, again and again (定时任务)."""

    id: Identifier
    name: str = ""
    handler: str
    arguments: dict[str, Any]
    trigger: AnyTrigger
    state: ScheduleState
    late: LatePolicy = LatePolicy.SEND
    grace: timedelta | None = None
    """How late an occurrence may begin; None is without end for `send`, and a minute for `skip` and `ask`."""
    overlap: Overlapping = Overlapping.QUEUE
    catch_up: int = 1
    """Of the occurrences that were missed, at most so many of the latest are made up for."""
    next_due: AwareDatetime | None = None
    provisional: bool = False
    """The next occurrence rests on days off that are not announced."""
    note: str = ""
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Upcoming(Frozen):
    """One occurrence to come."""

    schedule: Identifier
    name: str
    handler: str
    nominal: AwareDatetime
    due: AwareDatetime
    provisional: bool = False
    notes: tuple[str, ...] = ()


class Run(Frozen):
    """One occurrence that came: an entry of the history."""

    id: int
    schedule: Identifier
    name: str
    handler: str
    nominal: AwareDatetime
    due: AwareDatetime
    state: RunState
    attempts: int
    note: str = ""
    error: str = ""
    error_type: str = ""
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None


class Firing(NamedTuple):
    """What a handler is told about the occurrence it is called for."""

    schedule: str
    name: str
    nominal: datetime
    due: datetime
    attempt: int
    """1 at first. A handler is called at least once; after a crash again, with the same key."""
    key: str
    """Idempotency key: the same for every attempt at this occurrence, and for no other."""
