"""Who planned a delivery stands with it, so that its trail begins with its first change; older trails keep their line."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_planned_by"
down_revision = "0015_indexes"


def upgrade() -> None:
    """Apply."""
    op.add_column("delivery", sa.Column("planned_by", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Take back; trails begin with their first change then."""
    op.drop_column("delivery", "planned_by")
