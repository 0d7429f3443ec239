"""The trail of a delivery without a foreign key, and without attempts, which the trail tells of as well."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014_trail"
down_revision = "0013_playbook"

_KEY = "fk_delivery_transition_delivery_id"


def upgrade() -> None:
    """Apply."""
    op.drop_table("delivery_attempt")
    with op.batch_alter_table("delivery_transition") as table:
        table.drop_constraint(_KEY, type_="foreignkey")


def downgrade() -> None:
    """Take back; the attempts stay empty."""
    with op.batch_alter_table("delivery_transition") as table:
        table.create_foreign_key(_KEY, "delivery", ["delivery_id"], ["id"], ondelete="CASCADE")
    op.create_table(
        "delivery_attempt",
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("retry_after", sa.BigInteger()),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name="fk_delivery_attempt_delivery_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery_id", "fence", name="pk_delivery_attempt"),
    )
