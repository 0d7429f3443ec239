"""What members say of the community, and what becomes of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_feedback"
down_revision = "0010_moderation"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "feedback_desk",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", name="pk_feedback_desk"),
    )
    op.create_table(
        "feedback_item",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("public", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("alarmed_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_feedback_item_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback_item"),
        sa.UniqueConstraint("community", "key", name="uq_feedback_item_key"),
    )
    op.create_index("ix_feedback_item_created", "feedback_item", ["community", "created_at"])
    op.create_index("ix_feedback_item_identity", "feedback_item", ["identity_id"])
    op.create_index("ix_feedback_item_message", "feedback_item", ["channel", "message"])
    op.create_index("ix_feedback_item_state", "feedback_item", ["community", "state", "due_at"])


def downgrade() -> None:
    """Take back."""
    for table in ("feedback_item", "feedback_desk"):
        op.drop_table(table)
