"""The delivery ledger, workers and shared limits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001_delivery"
down_revision = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_READY = sa.text("state in ('planned', 'deferred')")
_BUSY = sa.text("state in ('claimed', 'attempting', 'unknown')")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "bucket",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_bucket"),
    )
    op.create_table(
        "channel_move",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=False),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "old", name="pk_channel_move"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("limited", sa.Integer(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("attempted_at", sa.BigInteger(), nullable=True),
        sa.Column("check_at", sa.BigInteger(), nullable=True),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("on_unknown", sa.Text(), nullable=False),
        sa.Column("late", sa.Text(), nullable=False),
        sa.Column("grace", sa.BigInteger(), nullable=True),
        sa.Column("schedule_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("post", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("piece", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.UniqueConstraint("batch", "account", "channel", "part", name="uq_delivery_piece"),
    )
    op.create_index(
        "ix_delivery_busy",
        "delivery",
        ["account", "channel"],
        unique=False,
        sqlite_where=_BUSY,
        postgresql_where=_BUSY,
    )
    op.create_index(
        "ix_delivery_check",
        "delivery",
        ["check_at"],
        unique=False,
        sqlite_where=sa.text("check_at is not null"),
        postgresql_where=sa.text("check_at is not null"),
    )
    op.create_index("ix_delivery_content", "delivery", ["content_id"], unique=False)
    op.create_index(
        "ix_delivery_lane",
        "delivery",
        ["account", "channel", "priority", "due", "id"],
        unique=False,
        sqlite_where=_READY,
        postgresql_where=_READY,
    )
    op.create_index(
        "ix_delivery_lease",
        "delivery",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state in ('claimed', 'attempting')"),
        postgresql_where=sa.text("state in ('claimed', 'attempting')"),
    )
    op.create_index(
        "ix_delivery_ready",
        "delivery",
        ["priority", "ready_at", "id"],
        unique=False,
        sqlite_where=_READY,
        postgresql_where=_READY,
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
    )
    op.create_table(
        "delivery_attempt",
        sa.Column("delivery_id", _BIG_ID, nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("retry_after", sa.BigInteger(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name="fk_delivery_attempt_delivery_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery_id", "fence", name="pk_delivery_attempt"),
    )
    op.create_table(
        "delivery_transition",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("delivery_id", _BIG_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name="fk_delivery_transition_delivery_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_transition"),
    )
    op.create_index("ix_delivery_transition_delivery", "delivery_transition", ["delivery_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    for table in ("delivery_transition", "delivery_attempt", "delivery", "channel_move", "worker", "bucket"):
        op.drop_table(table)
