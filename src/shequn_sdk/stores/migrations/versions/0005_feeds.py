"""Tables of the room feeds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_feeds"
down_revision = "0004_editorial"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "feed",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("private", sa.Integer(), nullable=False),
        sa.Column("filters", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("modified", sa.Text(), nullable=False),
        sa.Column("every", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feed"),
        sa.UniqueConstraint("url", name="uq_feed_url"),
    )
    op.create_index("ix_feed_next", "feed", ["state", "next_at"])
    op.create_table(
        "feed_item",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("feed_id", _BIG_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("print", sa.BigInteger(), nullable=False),
        sa.Column("story", _BIG_ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name="fk_feed_item_feed_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_feed_item"),
        sa.UniqueConstraint("feed_id", "key", name="uq_feed_item_key"),
    )
    op.create_index("ix_feed_item_published", "feed_item", ["published_at"])
    op.create_index("ix_feed_item_story", "feed_item", ["story"])
    op.create_table(
        "talk_watch",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", name="pk_talk_watch"),
    )
    op.create_table(
        "talk_day",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("words", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("community", "day", name="pk_talk_day"),
    )
    for table, name in (("talk_word", "word"), ("talk_link", "url")):
        op.create_table(
            table,
            sa.Column("community", sa.Text(), nullable=False),
            sa.Column("day", sa.Integer(), nullable=False),
            sa.Column(name, sa.Text(), nullable=False),
            sa.Column("messages", sa.Integer(), nullable=False),
            sa.PrimaryKeyConstraint("community", "day", name, name=f"pk_{table}"),
        )


def downgrade() -> None:
    """Take back."""
    for table in ("talk_link", "talk_word", "talk_day", "talk_watch", "feed_item", "feed"):
        op.drop_table(table)
