"""Tables of order: rules by version, cases, strikes, actions, appeals, raid mode, crises, and the audit trail."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = [
    "moderation_action",
    "moderation_appeal",
    "moderation_audit",
    "moderation_case",
    "moderation_incident",
    "moderation_mode",
    "moderation_rules",
    "moderation_strike",
    "moderation_tally",
]

moderation_rules = Table(
    "moderation_rules",
    metadata,
    Column("community", Text, primary_key=True),
    Column("kind", Text, primary_key=True, comment="rules, or crisis for the crisis playbook"),
    Column("version", Integer, primary_key=True),
    Column("body", Text, nullable=False, comment="JSON"),
    Column("actor", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

moderation_case = Table(
    "moderation_case",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column(
        "event",
        Text,
        nullable=False,
        comment="account and interaction that it is about: heard twice, one case",
    ),
    Column("platform", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), comment="null: nobody, or erased"),
    Column("message", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("decision", Text, nullable=False, comment="JSON: verdicts with the words that explain them"),
    Column("state", Text, nullable=False, comment="queued, acted, overruled, recorded"),
    Column("actor", Text, nullable=False, comment="who decided; rules for the rules themselves"),
    Column("note", Text, nullable=False),
    Column("happened_at", Instant, nullable=False),
    Column("decided_at", Instant),
    UniqueConstraint("event", name="uq_moderation_case_event"),
    Index("ix_moderation_case_state", "community", "state", "id"),
    Index("ix_moderation_case_identity", "identity_id"),
)

moderation_strike = Table(
    "moderation_strike",
    metadata,
    Column("case_id", BigId, ForeignKey("moderation_case.id", ondelete="CASCADE"), primary_key=True),
    Column("community", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), nullable=False),
    Column("given_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Index("ix_moderation_strike_identity", "identity_id", "community"),
)

moderation_action = Table(
    "moderation_action",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column(
        "source", Text, nullable=False, comment="case:7, raid:3: the same action of one source is one row"
    ),
    Column("kind", Text, nullable=False, comment="delete, mute, unmute, kick, ban, unban, slow_mode"),
    Column("account", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id")),
    Column("member", Text, nullable=False, comment="native id; emptied on erasure"),
    Column("message", Text, nullable=False),
    Column("seconds", Integer, comment="length of a mute or ban, delay of slow mode; null: without end"),
    Column("reason", Text, nullable=False),
    Column(
        "state",
        Text,
        nullable=False,
        comment="planned, trying, done, unknown, refused, unsupported, spared, dropped",
    ),
    Column("attempts", Integer, nullable=False),
    Column("due", Instant, nullable=False, comment="when to try, or when the lease of a try ends"),
    Column("error", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    UniqueConstraint("source", "kind", "channel", "member", name="uq_moderation_action_source"),
    Index("ix_moderation_action_due", "state", "due"),
    Index("ix_moderation_action_identity", "identity_id"),
)

moderation_appeal = Table(
    "moderation_appeal",
    metadata,
    Column("case_id", BigId, ForeignKey("moderation_case.id", ondelete="CASCADE"), primary_key=True),
    Column("community", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open, granted, denied"),
    Column("actor", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("decided_at", Instant),
    Index("ix_moderation_appeal_state", "community", "state"),
)

moderation_mode = Table(
    "moderation_mode",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("channel", Text, nullable=False, comment="account:native-id"),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("quiet_at", Instant, nullable=False, comment="ends then, unless there are further signs"),
    Column("latest_at", Instant, nullable=False, comment="ends then in any case"),
    Column("slowed", Integer, nullable=False, comment="slow mode was set by us"),
    Column("notes", Text, nullable=False, comment="JSON list: what could not be done, and why"),
    Column("ended_at", Instant),
    Index("ix_moderation_mode_open", "ended_at", "channel"),
)

moderation_incident = Table(
    "moderation_incident",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("drill", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("plan", Text, nullable=False, comment="JSON: the playbook as it was"),
    Column("steps", Text, nullable=False, comment="JSON: by step, when it was taken and by whom"),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("ix_moderation_incident_open", "community", "ended_at"),
)

moderation_tally = Table(
    "moderation_tally",
    metadata,
    Column("community", Text, primary_key=True),
    Column("minute", Instant, primary_key=True, comment="start of ten minutes"),
    Column("messages", Integer, nullable=False),
    Column("negative", Integer, nullable=False),
    Column("junk", Integer, nullable=False),
    Column("mentions", Integer, nullable=False),
)

moderation_audit = Table(
    "moderation_audit",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="case:7, raid:3, rules:2"),
    Column("detail", Text, nullable=False),
    Index("ix_moderation_audit_subject", "subject"),
    Index("ix_moderation_audit_community", "community", "id"),
)
