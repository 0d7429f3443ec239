"""Rows of the book as the public sees them."""

from __future__ import annotations

import json
from datetime import timedelta

from shequn_sdk.domain import LatePolicy
from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.book import Entry, Row, read_trigger
from shequn_sdk.scheduling.models import Overlapping, Run, RunState, Schedule, ScheduleState
from shequn_sdk.scheduling.triggers import Trigger, Unreadable
from shequn_sdk.stores.schema import from_us

__all__ = ["to_run", "to_schedule"]


def _shown_trigger(text: str) -> Trigger:
    try:
        return read_trigger(text)
    except InvalidInput as error:
        return Unreadable(text, reason=str(error))


def to_schedule(row: Row, due: int | None = None, provisional: int = 0) -> Schedule:
    """Give the public form; what cannot be read here stands as its default, and the note says so."""
    notes = [row.note] if row.note else []
    try:
        arguments = json.loads(row.arguments)
    except ValueError:
        arguments = {}
        notes.append("the arguments cannot be read")
    late, overlap = LatePolicy.SEND, Overlapping.QUEUE
    if row.late in set(LatePolicy):
        late = LatePolicy(row.late)
    else:
        notes.append(f"late: {row.late!r} is unknown here")
    if row.overlap in set(Overlapping):
        overlap = Overlapping(row.overlap)
    else:
        notes.append(f"overlap: {row.overlap!r} is unknown here")
    trigger = _shown_trigger(row.trigger)
    if isinstance(trigger, Unreadable):
        notes.append(f"the trigger cannot be read: {trigger.reason}")
    return Schedule.model_construct(
        id=row.id,
        name=row.name,
        handler=row.handler,
        arguments=arguments,
        trigger=trigger,
        state=ScheduleState(row.state),
        late=late,
        grace=None if row.grace is None else timedelta(microseconds=row.grace),
        overlap=overlap,
        catch_up=row.catch_up,
        next_due=None if due is None else from_us(due),
        provisional=bool(provisional),
        note="; ".join(notes),
        created_at=from_us(row.created_at),
        updated_at=from_us(row.updated_at),
    )


def to_run(entry: Entry, name: str, handler: str) -> Run:
    """Give the public form."""
    return Run(
        id=entry.id,
        schedule=entry.schedule_id,
        name=name,
        handler=handler,
        nominal=from_us(entry.nominal_at),
        due=from_us(entry.due),
        state=RunState(entry.state),
        attempts=entry.attempts,
        note=entry.note,
        error=entry.error,
        error_type=entry.error_type,
        started_at=None if entry.started_at is None else from_us(entry.started_at),
        ended_at=None if entry.ended_at is None else from_us(entry.ended_at),
    )
