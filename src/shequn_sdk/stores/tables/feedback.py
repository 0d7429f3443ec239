"""Tables of feedback: how a community takes it, and what came."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = ["feedback_desk", "feedback_item"]

feedback_desk = Table(
    "feedback_desk",
    metadata,
    Column("community", Text, primary_key=True),
    Column("settings", Text, nullable=False, comment="JSON"),
    Column("updated_at", Instant, nullable=False),
)

feedback_item = Table(
    "feedback_item",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("key", Text, nullable=False, comment="the same thing is taken once"),
    Column("identity_id", BigId, ForeignKey("identity.id"), comment="null: nobody we know"),
    Column("source", Text, nullable=False),
    Column("channel", Text, nullable=False, comment="account:native-id; '' when it came by none"),
    Column("message", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("assignee", Text, nullable=False),
    Column("outcome", Text, nullable=False, comment="said in public when `public` is 1"),
    Column("public", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("alarmed_at", Instant),
    Column("answered_at", Instant),
    Column("settled_at", Instant),
    Column("told_at", Instant, comment="in a digest"),
    UniqueConstraint("community", "key", name="uq_feedback_item_key"),
    Index("ix_feedback_item_state", "community", "state", "due_at"),
    Index("ix_feedback_item_created", "community", "created_at"),
    Index("ix_feedback_item_identity", "identity_id"),
    Index("ix_feedback_item_message", "channel", "message"),
)
