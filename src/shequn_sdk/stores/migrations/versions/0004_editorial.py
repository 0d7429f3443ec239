"""The content calendar, and approvals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_editorial"
down_revision = "0003_members"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "calendar_entry",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("promotional", sa.Integer(), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("approved", sa.Integer(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("batches", sa.Integer(), nullable=False),
        sa.Column("handing", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("evergreen_id", _BIG_ID, nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("landed_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calendar_entry"),
        sa.UniqueConstraint("community", "key", name="uq_calendar_entry_key"),
    )
    op.create_index("ix_calendar_entry_at", "calendar_entry", ["community", "at", "state", "fingerprint"])
    op.create_index("ix_calendar_entry_batch", "calendar_entry", ["batch"])
    op.create_index("ix_calendar_entry_evergreen", "calendar_entry", ["evergreen_id"])
    op.create_index(
        "ix_calendar_entry_handing",
        "calendar_entry",
        ["id"],
        sqlite_where=sa.text("handing = 1"),
        postgresql_where=sa.text("handing = 1"),
    )
    op.create_index(
        "ix_calendar_entry_open",
        "calendar_entry",
        ["at"],
        sqlite_where=sa.text("state in ('in_review', 'scheduled', 'failed')"),
        postgresql_where=sa.text("state in ('in_review', 'scheduled', 'failed')"),
    )
    op.create_index("ix_calendar_entry_state", "calendar_entry", ["community", "state"])
    op.create_table(
        "calendar_place",
        sa.Column("entry_id", _BIG_ID, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("promotional", sa.Integer(), nullable=False),
        sa.Column("slot_id", _BIG_ID, nullable=True),
        sa.Column("week", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["calendar_entry.id"], name="fk_calendar_place_entry_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("entry_id", "channel", name="pk_calendar_place"),
    )
    op.create_index("ix_calendar_place_at", "calendar_place", ["channel", "at"])
    op.create_index(
        "ix_calendar_place_slot",
        "calendar_place",
        ["slot_id", "week"],
        unique=True,
        sqlite_where=sa.text("slot_id is not null"),
        postgresql_where=sa.text("slot_id is not null"),
    )
    op.create_table(
        "calendar_version",
        sa.Column("entry_id", _BIG_ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["calendar_entry.id"], name="fk_calendar_version_entry_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("entry_id", "version", name="pk_calendar_version"),
    )
    op.create_table(
        "calendar_slot",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("time", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calendar_slot"),
        sa.UniqueConstraint("channel", "zone", "weekday", "time", name="uq_calendar_slot_time"),
    )
    op.create_table(
        "calendar_evergreen",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("cooldown", sa.BigInteger(), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("ended", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calendar_evergreen"),
    )
    op.create_index("ix_calendar_evergreen_community", "calendar_evergreen", ["community"])
    op.create_table(
        "calendar_blackout",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calendar_blackout"),
    )
    op.create_index("ix_calendar_blackout_end", "calendar_blackout", ["community", "ends_at"])
    op.create_table(
        "calendar_step",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("undoable", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calendar_step"),
    )
    op.create_index("ix_calendar_step_community", "calendar_step", ["community", "id"])
    op.create_table(
        "calendar_change",
        sa.Column("step_id", _BIG_ID, nullable=False),
        sa.Column("entry_id", _BIG_ID, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["step_id"], ["calendar_step.id"], name="fk_calendar_change_step_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("step_id", "entry_id", name="pk_calendar_change"),
    )
    op.create_index("ix_calendar_change_entry", "calendar_change", ["entry_id"])
    op.create_table(
        "approval_policy",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "category", name="pk_approval_policy"),
    )
    op.create_table(
        "approval_request",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("entry_id", _BIG_ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["calendar_entry.id"], name="fk_approval_request_entry_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_approval_request"),
        sa.UniqueConstraint("code", name="uq_approval_request_code"),
        sa.UniqueConstraint("entry_id", "version", name="uq_approval_request_version"),
    )
    op.create_table(
        "approval_vote",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("request_id", _BIG_ID, nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_approval_vote_identity_id"),
        sa.ForeignKeyConstraint(
            ["request_id"], ["approval_request.id"], name="fk_approval_vote_request_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_approval_vote"),
        sa.UniqueConstraint("event", name="uq_approval_vote_event"),
    )
    op.create_index("ix_approval_vote_identity", "approval_vote", ["identity_id"])
    op.create_index("ix_approval_vote_request", "approval_vote", ["request_id"])


def downgrade() -> None:
    """Take back."""
    for table in (
        "approval_vote",
        "approval_request",
        "approval_policy",
        "calendar_change",
        "calendar_step",
        "calendar_blackout",
        "calendar_evergreen",
        "calendar_slot",
        "calendar_version",
        "calendar_place",
        "calendar_entry",
    ):
        op.drop_table(table)
