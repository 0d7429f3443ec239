"""Tables of journeys: their definitions, who is on them, what was done, and tasks for people."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = ["journey", "journey_contact", "journey_policy", "journey_run", "journey_step", "journey_task"]

_GOING = text("state = 'running'")
_CHECK = text("check_at is not null")
_OPEN = text("state = 'open'")

journey = Table(
    "journey",
    metadata,
    Column("community", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("definition", Text, nullable=False, comment="JSON"),
    Column("state", Text, nullable=False, comment="active, paused or ended"),
    Column("version", Integer, nullable=False),
    Column("looked_at", Instant, comment="up to when members were looked for who begin it"),
    Column("updated_at", Instant, nullable=False),
)

journey_policy = Table(
    "journey_policy",
    metadata,
    Column("community", Text, primary_key=True),
    Column("policy", Text, nullable=False, comment="JSON: caps and quiet hours over all journeys"),
)

journey_run = Table(
    "journey_run",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("journey", Text, nullable=False),
    Column("definition", Text, nullable=False, comment="JSON: as it was when the member began"),
    Column("identity_id", BigId, ForeignKey("identity.id"), nullable=False),
    Column("entry", Text, nullable=False, comment="what began it: the same begins it once"),
    Column("anchor", Instant, nullable=False, comment="from which days are counted"),
    Column("step", Integer, nullable=False, comment="the next one"),
    Column("reached", Instant, nullable=False, comment="when the step before was done"),
    Column("due", Instant, comment="of the next step; null: ended"),
    Column("waits_for", Text, nullable=False, comment="event that brings the next step on; ''"),
    Column("state", Text, nullable=False, comment="running, finished, exited, held_out or stopped"),
    Column("reason", Text, nullable=False),
    Column("ended_at", Instant),
    UniqueConstraint("community", "journey", "identity_id", "entry", name="uq_journey_run_entry"),
    Index("ix_journey_run_due", "due", sqlite_where=_GOING, postgresql_where=_GOING),
    Index("ix_journey_run_identity", "identity_id", "state"),
)

journey_step = Table(
    "journey_step",
    metadata,
    Column("run_id", BigId, ForeignKey("journey_run.id", ondelete="CASCADE"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False, comment="done, sent, planned, task, skipped or failed"),
    Column("form", Text, nullable=False, comment="direct, channel, task, welcome …"),
    Column("key", Text, nullable=False, comment="idempotency key of what was planned"),
    Column("note", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("check_at", Instant, comment="when to look what became of it"),
    Index("ix_journey_step_check", "check_at", sqlite_where=_CHECK, postgresql_where=_CHECK),
)

journey_task = Table(
    "journey_task",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id")),
    Column("journey", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False, comment="what to say"),
    Column("assignee", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due", Instant, nullable=False),
    Column("state", Text, nullable=False, comment="open, done or dropped"),
    Column("done_at", Instant),
    Column("actor", Text, nullable=False),
    Column("note", Text, nullable=False),
    UniqueConstraint("key", name="uq_journey_task_key"),
    Index("ix_journey_task_open", "community", "due", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

journey_contact = Table(
    "journey_contact",
    metadata,
    Column("key", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_journey_contact_identity", "identity_id", "at"),
)
