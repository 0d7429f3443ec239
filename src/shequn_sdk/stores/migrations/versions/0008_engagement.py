"""Activities, where they stand, and what members did with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_engagement"
down_revision = "0007_profiles"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "engagement_activity",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("opens_at", sa.BigInteger(), nullable=False),
        sa.Column("closes_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_engagement_activity"),
    )
    op.create_index("ix_engagement_activity_list", "engagement_activity", ["community", "kind", "created_at"])
    op.create_index(
        "ix_engagement_activity_open",
        "engagement_activity",
        ["kind"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "engagement_place",
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("native", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("refers", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["engagement_activity.id"],
            name="fk_engagement_place_activity_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("activity_id", "purpose", "account", "channel", name="pk_engagement_place"),
    )
    op.create_table(
        "engagement_act",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["engagement_activity.id"],
            name="fk_engagement_act_activity_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_engagement_act_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_engagement_act"),
        sa.UniqueConstraint("activity_id", "event", name="uq_engagement_act_event"),
    )
    op.create_index("ix_engagement_act_identity", "engagement_act", ["identity_id"])
    op.create_index("ix_engagement_act_member", "engagement_act", ["activity_id", "identity_id"])
    op.create_table(
        "engagement_question",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.Column("reminded_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["engagement_activity.id"],
            name="fk_engagement_question_activity_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_engagement_question_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_engagement_question"),
        sa.UniqueConstraint("activity_id", "event", name="uq_engagement_question_event"),
    )
    op.create_index("ix_engagement_question_identity", "engagement_question", ["identity_id"])
    op.create_index(
        "ix_engagement_question_message", "engagement_question", ["account", "channel", "message"]
    )
    op.create_index("ix_engagement_question_state", "engagement_question", ["activity_id", "state", "due_at"])


def downgrade() -> None:
    """Take back."""
    for table in ("engagement_question", "engagement_act", "engagement_place", "engagement_activity"):
        op.drop_table(table)
