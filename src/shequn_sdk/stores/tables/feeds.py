"""Tables of feeds: what is followed, what it brought, and what the community talks about in numbers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = ["feed", "feed_item", "talk_day", "talk_link", "talk_watch", "talk_word"]

feed = Table(
    "feed",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("url", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("community", Text, nullable=False, comment="'' for all"),
    Column("state", Text, nullable=False, comment="active, paused, stopped"),
    Column("reason", Text, nullable=False, comment="why it is stopped, or what failed last"),
    Column("private", Integer, nullable=False, comment="1: its own host may be in a private network"),
    Column("filters", Text, nullable=False, comment="JSON"),
    Column("etag", Text, nullable=False),
    Column("modified", Text, nullable=False, comment="Last-Modified as the server wrote it"),
    Column("every", BigInteger, nullable=False, comment="microseconds between two looks"),
    Column("next_at", Instant, nullable=False),
    Column("looked_at", Instant),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("added_at", Instant, nullable=False),
    Index("ix_feed_next", "state", "next_at"),
)

feed_item = Table(
    "feed_item",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("feed_id", BigId, ForeignKey("feed.id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False, comment="the feed's id of it, or its address"),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False, comment="without markup"),
    Column("image", Text, nullable=False),
    Column("categories", Text, nullable=False, comment="JSON"),
    Column("published_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("print", BigInteger, nullable=False, comment="SimHash, as a signed number"),
    Column("story", BigId, nullable=False, comment="id of the first item that says nearly the same"),
    Column("state", Text, nullable=False, comment="new, filtered, drafted, dismissed"),
    UniqueConstraint("feed_id", "key", name="uq_feed_item_key"),
    Index("ix_feed_item_published", "published_at"),
    Index("ix_feed_item_story", "story"),
)

talk_watch = Table(
    "talk_watch",
    metadata,
    Column("community", Text, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("state", Text, nullable=False, comment="on, off"),
    Column("last_seq", BigInteger, nullable=False, comment="newest event of the inbox that was counted"),
)

talk_day = Table(
    "talk_day",
    metadata,
    Column("community", Text, primary_key=True),
    Column("day", Integer, primary_key=True, comment="local day, as days since 1970"),
    Column("messages", Integer, nullable=False),
    Column("words", Integer, nullable=False),
)

talk_word = Table(
    "talk_word",
    metadata,
    Column("community", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("word", Text, primary_key=True),
    Column("messages", Integer, nullable=False, comment="in how many messages"),
)

talk_link = Table(
    "talk_link",
    metadata,
    Column("community", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("url", Text, primary_key=True),
    Column("messages", Integer, nullable=False),
)
