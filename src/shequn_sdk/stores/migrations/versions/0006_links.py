"""Entrances, short links and partners."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_links"
down_revision = "0005_feeds"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _instant(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "entrance",
        *(_text(name) for name in ("community", "name", "kind", "channel", "url", "native_id", "source")),
        sa.Column("uses", sa.Integer(), nullable=False),
        _instant("created_at"),
        _instant("closed_at", nullable=True),
        sa.PrimaryKeyConstraint("community", "name", name="pk_entrance"),
    )
    op.create_table(
        "short_link",
        *(_text(name) for name in ("code", "community", "url", "entrance", "source")),
        _instant("created_at"),
        _instant("expires_at", nullable=True),
        _instant("closed_at", nullable=True),
        sa.PrimaryKeyConstraint("code", name="pk_short_link"),
    )
    op.create_index("ix_short_link_community", "short_link", ["community", "created_at"])
    op.create_table(
        "link_click",
        _text("code"),
        _instant("hour"),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("robots", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["code"], ["short_link.code"], name="fk_link_click_code", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("code", "hour", name="pk_link_click"),
    )
    op.create_table(
        "partner",
        *(_text(name) for name in ("community", "name", "title", "kind")),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        _text("note"),
        _instant("created_at"),
        _instant("ended_at", nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_partner_identity_id"),
        sa.PrimaryKeyConstraint("community", "name", name="pk_partner"),
    )
    op.create_table(
        "agreement",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        *(_text(name) for name in ("community", "partner", "side", "kind", "what")),
        _instant("due", nullable=True),
        *(_text(name) for name in ("state", "batch", "reference")),
        _instant("created_at"),
        _instant("settled_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_agreement"),
    )
    op.create_index("ix_agreement_partner", "agreement", ["community", "partner", "state"])
    op.create_table(
        "partner_entry",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        *(_text(name) for name in ("community", "partner", "side", "kind", "amount", "unit", "key", "note")),
        _instant("at"),
        sa.PrimaryKeyConstraint("id", name="pk_partner_entry"),
        sa.UniqueConstraint("community", "partner", "key", name="uq_partner_entry_key"),
    )


def downgrade() -> None:
    """Take back."""
    for table in ("partner_entry", "agreement", "partner", "link_click", "short_link", "entrance"):
        op.drop_table(table)
