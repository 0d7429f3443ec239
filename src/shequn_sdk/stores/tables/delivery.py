"""Tables of the delivery ledger, of workers and of shared limits."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint, text

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = ["bucket", "channel_move", "delivery", "worker"]

_READY = text("state in ('planned', 'deferred')")
_LANDED = text("state = 'landed'")
_BLOCKED = text("blocked_until > 0")
_CHECK = text("check_at is not null")
_BUSY = text("state in ('claimed', 'attempting', 'unknown')")

delivery = Table(
    "delivery",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("batch", Text, nullable=False, comment="the caller's idempotency key, or a random one"),
    Column("content_id", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("channel", Text, nullable=False, comment="native id as the caller wrote it; names the lane"),
    Column("target", Text, nullable=False, comment="native id to send to: differs after a move"),
    Column("platform", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Integer, nullable=False, comment="0 reply, 1 normal, 2 campaign"),
    Column("due", Instant, nullable=False),
    Column("ready_at", Instant, nullable=False, comment="the later of due and not-before"),
    Column("attempts", Integer, nullable=False),
    Column("limited", Integer, nullable=False, comment="rate-limit answers, which are no attempts"),
    Column("moves", Integer, nullable=False),
    Column("key", Text, nullable=False, comment="idempotency key given to the platform"),
    Column("owner", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("lease_until", Instant),
    Column("attempted_at", Instant, comment="when the first request that may have landed was written down"),
    Column("check_at", Instant, comment="when to look up an unknown, or to ask how far a person has come"),
    Column("checks", Integer, nullable=False),
    Column("reminders", Integer, nullable=False),
    Column("deadline", Instant),
    Column("on_unknown", Text, nullable=False),
    Column("late", Text, nullable=False),
    Column("grace", Instant, comment="microseconds; null is without end"),
    Column("schedule_id", Text),
    Column("error", Text, nullable=False),
    Column("error_type", Text, nullable=False),
    Column("post", Text),
    Column("text", Text, nullable=False),
    Column("piece", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("trail", Text, nullable=False, server_default="", comment="see `publishing.trail`"),
    UniqueConstraint("batch", "account", "channel", "part", name="uq_delivery_piece"),
    Index("ix_delivery_ready", "priority", "ready_at", "id", sqlite_where=_READY, postgresql_where=_READY),
    Index("ix_delivery_check", "check_at", sqlite_where=_CHECK, postgresql_where=_CHECK),
    Index(
        "ix_delivery_lane",
        "account",
        "channel",
        "priority",
        "due",
        "id",
        sqlite_where=_READY,
        postgresql_where=_READY,
    ),
    # also for leases: what is busy is little
    Index("ix_delivery_busy", "account", "channel", sqlite_where=_BUSY, postgresql_where=_BUSY),
    Index(
        "ix_delivery_landed",
        "account",
        "channel",
        "updated_at",
        sqlite_where=_LANDED,
        postgresql_where=_LANDED,
    ),
    Index("ix_delivery_content", "content_id"),
)

channel_move = Table(
    "channel_move",
    metadata,
    Column("account", Text, primary_key=True),
    Column("old", Text, primary_key=True),
    Column("new", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

worker = Table(
    "worker",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column(
        "seen", Instant, nullable=False, comment="by the machine's clock, whatever clock the SDK was given"
    ),
)

bucket = Table(
    "bucket",
    metadata,
    Column("key", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("blocked_until", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_bucket_blocked", "blocked_until", sqlite_where=_BLOCKED, postgresql_where=_BLOCKED),
)
