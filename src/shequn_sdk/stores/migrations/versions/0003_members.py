"""Persons, their identities, and where they are members."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_members"
down_revision = "0002_scheduling"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "person",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
    )
    op.create_table(
        "identity",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("native_id", sa.Text(), nullable=False),
        sa.Column("person_id", _BIG_ID, nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("is_bot", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_identity_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        sa.UniqueConstraint("platform", "native_id", name="uq_identity_ref"),
    )
    op.create_index("ix_identity_person", "identity", ["person_id"])
    op.create_table(
        "membership",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=True),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.Column("joins", sa.Integer(), nullable=False),
        sa.Column("entrance", sa.Text(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_active", sa.BigInteger(), nullable=True),
        sa.Column("away_since", sa.BigInteger(), nullable=True),
        sa.Column("returned_at", sa.BigInteger(), nullable=True),
        sa.Column("change", _BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_membership_identity_id"),
        sa.PrimaryKeyConstraint("community", "identity_id", name="pk_membership"),
    )
    op.create_index("ix_membership_identity", "membership", ["identity_id"])
    op.create_index("ix_membership_active", "membership", ["community", "last_active"])
    op.create_index("ix_membership_change", "membership", ["community", "change"])


def downgrade() -> None:
    """Take back."""
    for table in ("membership", "identity", "person"):
        op.drop_table(table)
