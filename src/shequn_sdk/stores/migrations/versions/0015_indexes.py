"""Indexes of the ledger: what landed last in a channel, and who rests; leases are found among what is busy."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_indexes"
down_revision = "0014_trail"

_LEASED = sa.text("state in ('claimed', 'attempting')")
_LANDED = sa.text("state = 'landed'")
_BLOCKED = sa.text("blocked_until > 0")


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_delivery_lease", "delivery")
    op.create_index(
        "ix_delivery_landed",
        "delivery",
        ["account", "channel", "updated_at"],
        sqlite_where=_LANDED,
        postgresql_where=_LANDED,
    )
    op.create_index(
        "ix_bucket_blocked", "bucket", ["blocked_until"], sqlite_where=_BLOCKED, postgresql_where=_BLOCKED
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_bucket_blocked", "bucket")
    op.drop_index("ix_delivery_landed", "delivery")
    op.create_index(
        "ix_delivery_lease", "delivery", ["lease_until"], sqlite_where=_LEASED, postgresql_where=_LEASED
    )
