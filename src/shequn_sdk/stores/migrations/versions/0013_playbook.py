"""Playbooks that were applied, and goals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_playbook"
down_revision = "0012_commerce"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "applied_playbook",
        *(_text(name) for name in ("community", "starts", "digest", "body")),
        sa.Column("applied_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", name="pk_applied_playbook"),
    )
    op.create_table(
        "playbook_item",
        *(_text(name) for name in ("community", "kind", "key", "digest", "ref")),
        sa.Column("applied_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "kind", "key", name="pk_playbook_item"),
    )
    op.create_table(
        "goal",
        *(_text(name) for name in ("community", "name", "title", "metric")),
        sa.Column("target", sa.Float(), nullable=False),
        sa.Column("relative", sa.Integer(), nullable=False),
        sa.Column("at_most", sa.Integer(), nullable=False),
        _text("start"),
        _text("due"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "name", name="pk_goal"),
    )


def downgrade() -> None:
    """Take back."""
    for table in ("goal", "playbook_item", "applied_playbook"):
        op.drop_table(table)
