"""Tables of the content calendar and of approvals."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = [
    "approval_policy",
    "approval_request",
    "approval_vote",
    "calendar_blackout",
    "calendar_change",
    "calendar_entry",
    "calendar_evergreen",
    "calendar_place",
    "calendar_slot",
    "calendar_step",
    "calendar_version",
]

_HANDING = text("handing = 1")
_OPEN = text("state in ('in_review', 'scheduled', 'failed')")
_TAKEN = text("slot_id is not null")

calendar_entry = Table(
    "calendar_entry",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("key", Text, comment="the caller's idempotency key"),
    Column("state", Text, nullable=False, comment="'removed': taken back by undo"),
    Column("at", Instant, comment="null: no time yet"),
    Column("channels", Text, nullable=False, comment="JSON list"),
    Column("content", Text, nullable=False),
    Column("title", Text, nullable=False, comment="its first words, for lists"),
    Column("category", Text, nullable=False),
    Column("promotional", Integer, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("fingerprint", Instant, nullable=False, comment="SimHash, signed"),
    Column("version", Integer, nullable=False, comment="of content and channels: approvals are of a version"),
    Column("revision", Integer, nullable=False, comment="rises with every change"),
    Column("held", Integer, nullable=False),
    Column("approved", Integer, nullable=False, comment="the version that was approved; 0: none"),
    Column("batch", Text, nullable=False, comment="idempotency key in the ledger; '' when it is not there"),
    Column("batches", Integer, nullable=False, comment="how often it was planned"),
    Column("handing", Integer, nullable=False, comment="1: the ledger is to be told"),
    Column("queued", Integer, nullable=False),
    Column("evergreen_id", BigId),
    Column("author", Text, nullable=False, comment="who wrote this version"),
    Column("note", Text, nullable=False),
    Column("landed_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("community", "key", name="uq_calendar_entry_key"),
    # holds what the search for near-duplicates reads, which would else read every text
    Index("ix_calendar_entry_at", "community", "at", "state", "fingerprint"),
    Index("ix_calendar_entry_state", "community", "state"),
    Index("ix_calendar_entry_handing", "id", sqlite_where=_HANDING, postgresql_where=_HANDING),
    Index("ix_calendar_entry_open", "at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_calendar_entry_evergreen", "evergreen_id"),
    Index("ix_calendar_entry_batch", "batch"),
)

calendar_place = Table(
    "calendar_place",
    metadata,
    Column("entry_id", BigId, ForeignKey("calendar_entry.id", ondelete="CASCADE"), primary_key=True),
    Column("channel", Text, primary_key=True, comment="account:native-id"),
    Column("at", Instant, comment="null: takes no time"),
    Column("promotional", Integer, nullable=False),
    Column("slot_id", BigId, comment="the slot that it fills"),
    Column("week", Integer, comment="of the slot: weeks since Monday, 1 January of the year 1"),
    Index("ix_calendar_place_at", "channel", "at"),
    Index(
        "ix_calendar_place_slot",
        "slot_id",
        "week",
        unique=True,
        sqlite_where=_TAKEN,
        postgresql_where=_TAKEN,
    ),
)

calendar_version = Table(
    "calendar_version",
    metadata,
    Column("entry_id", BigId, ForeignKey("calendar_entry.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("content", Text, nullable=False),
    Column("channels", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

calendar_slot = Table(
    "calendar_slot",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("weekday", Integer, nullable=False, comment="0 is Monday"),
    Column("time", Text, nullable=False),
    Column("category", Text, nullable=False, comment="'': takes any"),
    UniqueConstraint("channel", "zone", "weekday", "time", name="uq_calendar_slot_time"),
)

calendar_evergreen = Table(
    "calendar_evergreen",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("channels", Text, nullable=False),
    Column("cooldown", Instant, nullable=False, comment="microseconds"),
    Column("max_uses", Integer, comment="null: without end"),
    Column("ended", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_calendar_evergreen_community", "community"),
)

calendar_blackout = Table(
    "calendar_blackout",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("channel", Text, nullable=False, comment="'': all"),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_calendar_blackout_end", "community", "ends_at"),
)

calendar_step = Table(
    "calendar_step",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column(
        "undoable",
        Integer,
        nullable=False,
        comment="1: undo takes it back; 0: it was taken back, or cannot be",
    ),
    Index("ix_calendar_step_community", "community", "id"),
)

calendar_change = Table(
    "calendar_change",
    metadata,
    Column("step_id", BigId, ForeignKey("calendar_step.id", ondelete="CASCADE"), primary_key=True),
    Column("entry_id", BigId, primary_key=True),
    Column("revision", Integer, nullable=False, comment="that the entry had afterwards"),
    Column("before", Text, comment="JSON of the row; null: it was not there"),
    Index("ix_calendar_change_entry", "entry_id"),
)

approval_policy = Table(
    "approval_policy",
    metadata,
    Column("community", Text, primary_key=True),
    Column("category", Text, primary_key=True, comment="'': what no other policy covers"),
    Column("policy", Text, nullable=False, comment="JSON"),
    Column("updated_at", Instant, nullable=False),
)

approval_request = Table(
    "approval_request",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("entry_id", BigId, ForeignKey("calendar_entry.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Text, nullable=False, comment="what buttons carry and people may type"),
    Column("channel", Text, nullable=False, comment="account:native-id where it was asked; '': nowhere"),
    Column("policy", Text, nullable=False, comment="JSON: as it was when it was asked"),
    Column("asked_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
    UniqueConstraint("code", name="uq_approval_request_code"),
    UniqueConstraint("entry_id", "version", name="uq_approval_request_version"),
)

approval_vote = Table(
    "approval_vote",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("request_id", BigId, ForeignKey("approval_request.id", ondelete="CASCADE"), nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), comment="null: erased"),
    Column("decision", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("event", Text, comment="id of the interaction by which it came; null: by the API"),
    Column("at", Instant, nullable=False),
    UniqueConstraint("event", name="uq_approval_vote_event"),
    Index("ix_approval_vote_request", "request_id"),
    Index("ix_approval_vote_identity", "identity_id"),
)
