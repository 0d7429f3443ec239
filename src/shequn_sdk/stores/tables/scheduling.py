"""Tables of schedules and of their occurrences: what is to come, what was, and what went wrong."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = ["occurrence", "schedule"]

_ALIVE = text("name <> '' and state in ('active', 'paused')")
_NAMED = text("name <> ''")
_PENDING = text("state = 'pending'")
_RUNNING = text("state = 'running'")
_OPEN = text("state in ('failed', 'parked', 'asking')")
_PROVISIONAL = text("state = 'pending' and provisional = 1")
_ENDED = text("ended_at is not null")

schedule = Table(
    "schedule",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, comment="given by a person; '' when none"),
    Column("handler", Text, nullable=False),
    Column("arguments", Text, nullable=False, comment="JSON"),
    Column("trigger", Text, nullable=False, comment="JSON"),
    Column("state", Text, nullable=False),
    Column("late", Text, nullable=False),
    Column("grace", Instant, comment="microseconds; null is without end"),
    Column("overlap", Text, nullable=False),
    Column("catch_up", Integer, nullable=False),
    Column("version", Integer, nullable=False, comment="grows with every change by a person"),
    Column("note", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_schedule_name", "name", unique=True, sqlite_where=_ALIVE, postgresql_where=_ALIVE),
    Index("ix_schedule_named", "name", "updated_at", sqlite_where=_NAMED, postgresql_where=_NAMED),
    Index("ix_schedule_created", "created_at", "id"),
)

occurrence = Table(
    "occurrence",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("schedule_id", Text, ForeignKey("schedule.id", ondelete="CASCADE"), nullable=False),
    Column(
        "nominal_at", Instant, nullable=False, comment="what the trigger says, before jitter and quiet hours"
    ),
    Column("due", Instant, nullable=False),
    Column("ready_at", Instant, nullable=False, comment="the due instant, or the next try after a failure"),
    Column("state", Text, nullable=False),
    Column("provisional", Integer, nullable=False, comment="1: rests on a calendar that is not announced"),
    Column("version", Integer, nullable=False, comment="of the schedule, when this was planned"),
    Column("attempts", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("lease_until", Instant),
    Column("note", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("error_type", Text, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    UniqueConstraint("schedule_id", "nominal_at", name="uq_occurrence_nominal"),
    Index("ix_occurrence_ready", "ready_at", "id", sqlite_where=_PENDING, postgresql_where=_PENDING),
    Index("ix_occurrence_due", "due", "id", sqlite_where=_PENDING, postgresql_where=_PENDING),
    Index("ix_occurrence_lease", "lease_until", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
    Index("ix_occurrence_open", "ended_at", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_occurrence_provisional", "id", sqlite_where=_PROVISIONAL, postgresql_where=_PROVISIONAL),
    Index("ix_occurrence_ended", "ended_at", "id", sqlite_where=_ENDED, postgresql_where=_ENDED),
    Index(
        "ix_occurrence_history",
        "schedule_id",
        "ended_at",
        "id",
        sqlite_where=_ENDED,
        postgresql_where=_ENDED,
    ),
)
