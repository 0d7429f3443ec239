"""Schedules and their occurrences."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_scheduling"
down_revision = "0001_delivery"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    clause = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=clause, postgresql_where=clause)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "schedule",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("late", sa.Text(), nullable=False),
        sa.Column("grace", sa.BigInteger(), nullable=True),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("catch_up", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedule"),
    )
    _index(
        "ix_schedule_name", "schedule", ["name"], "name <> '' and state in ('active', 'paused')", unique=True
    )
    _index("ix_schedule_named", "schedule", ["name", "updated_at"], "name <> ''")
    op.create_index("ix_schedule_created", "schedule", ["created_at", "id"], unique=False)
    op.create_table(
        "occurrence",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("nominal_at", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provisional", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedule.id"], name="fk_occurrence_schedule_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_occurrence"),
        sa.UniqueConstraint("schedule_id", "nominal_at", name="uq_occurrence_nominal"),
    )
    _index("ix_occurrence_ready", "occurrence", ["ready_at", "id"], "state = 'pending'")
    _index("ix_occurrence_due", "occurrence", ["due", "id"], "state = 'pending'")
    _index("ix_occurrence_lease", "occurrence", ["lease_until"], "state = 'running'")
    _index("ix_occurrence_open", "occurrence", ["ended_at", "id"], "state in ('failed', 'parked', 'asking')")
    _index("ix_occurrence_provisional", "occurrence", ["id"], "state = 'pending' and provisional = 1")
    _index("ix_occurrence_ended", "occurrence", ["ended_at", "id"], "ended_at is not null")
    _index("ix_occurrence_history", "occurrence", ["schedule_id", "ended_at", "id"], "ended_at is not null")


def downgrade() -> None:
    """Take back."""
    op.drop_table("occurrence")
    op.drop_table("schedule")
