"""Tables of engagement: what was opened to members, where it stands, and what they did with it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = ["act", "activity", "place", "question"]

_LIVE = text("state = 'open'")

activity = Table(
    "engagement_activity",
    metadata,
    Column("id", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="poll, lottery, check_in, contest …"),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open, closed, cancelled"),
    Column("spec", Text, nullable=False, comment="JSON: what was announced"),
    Column("result", Text, nullable=False, comment="JSON; '' while there is none"),
    Column("secret", Text, nullable=False, comment="seed of a lottery until it is drawn"),
    Column("opens_at", Instant, nullable=False),
    Column("closes_at", Instant, comment="null: until somebody closes it"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_engagement_activity_open", "kind", sqlite_where=_LIVE, postgresql_where=_LIVE),
    Index("ix_engagement_activity_list", "community", "kind", "created_at"),
)

place = Table(
    "engagement_place",
    metadata,
    Column("activity_id", Text, ForeignKey("engagement_activity.id", ondelete="CASCADE"), primary_key=True),
    Column("purpose", Text, primary_key=True, comment="which of its posts: post, list …"),
    Column("account", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("batch", Text, nullable=False, comment="idempotency key under which it was published"),
    Column("native", Integer, nullable=False, comment="1: the platform's own form, such as its poll"),
    Column("message", Text, nullable=False, comment="native id of the post; '' until it landed"),
    Column("refers", Text, nullable=False, comment="further native id by which events name it"),
)

act = Table(
    "engagement_act",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("activity_id", Text, ForeignKey("engagement_activity.id", ondelete="CASCADE"), nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), nullable=False),
    Column("event", Text, nullable=False, comment="the interaction, or a key that makes it unique"),
    Column("at", Instant, nullable=False, comment="the platform's time"),
    Column("act", Text, nullable=False, comment="vote, enter, leave, check_in, won …"),
    Column("value", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("message", Text, nullable=False),
    UniqueConstraint("activity_id", "event", name="uq_engagement_act_event"),
    Index("ix_engagement_act_member", "activity_id", "identity_id"),
    Index("ix_engagement_act_identity", "identity_id"),
)

question = Table(
    "engagement_question",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("activity_id", Text, ForeignKey("engagement_activity.id", ondelete="CASCADE"), nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), nullable=False),
    Column("event", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("text", Text, nullable=False, comment="kept until it is answered"),
    Column("asked_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False, comment="end of the promise, in hours of business"),
    Column("state", Text, nullable=False, comment="open, answered, dismissed"),
    Column("settled_at", Instant),
    Column("settled_by", Text, nullable=False, comment="member or person; '' while open"),
    Column("assignee", Text, nullable=False, comment="who was on duty when it came"),
    Column("reminded_at", Instant),
    UniqueConstraint("activity_id", "event", name="uq_engagement_question_event"),
    Index("ix_engagement_question_state", "activity_id", "state", "due_at"),
    Index("ix_engagement_question_message", "account", "channel", "message"),
    Index("ix_engagement_question_identity", "identity_id"),
)
