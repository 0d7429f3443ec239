"""Tables of entrances, short links and partners."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = ["agreement", "entrance", "link_click", "partner", "partner_entry", "short_link"]

entrance = Table(
    "entrance",
    metadata,
    Column("community", Text, primary_key=True),
    Column("name", Text, primary_key=True, comment="what a join brings along"),
    Column("kind", Text, nullable=False),
    Column("channel", Text, nullable=False, comment="account:native-id; '' when it leads to none"),
    Column("url", Text, nullable=False),
    Column("native_id", Text, nullable=False, comment="of the invite on the platform"),
    Column("source", Text, nullable=False, comment="JSON"),
    Column("uses", Integer, nullable=False, comment="last seen at the platform"),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
)

short_link = Table(
    "short_link",
    metadata,
    Column("code", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("entrance", Text, nullable=False, comment="name of the entrance it leads to; '' when none"),
    Column("source", Text, nullable=False, comment="JSON"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("closed_at", Instant),
    Index("ix_short_link_community", "community", "created_at"),
)

link_click = Table(
    "link_click",
    metadata,
    Column("code", Text, ForeignKey("short_link.code", ondelete="CASCADE"), primary_key=True),
    Column("hour", Instant, primary_key=True, comment="start of the hour in UTC"),
    Column("people", Integer, nullable=False),
    Column("robots", Integer, nullable=False, comment="previews of messengers, crawlers"),
)

partner = Table(
    "partner",
    metadata,
    Column("community", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), comment="an opinion leader who is a member"),
    Column("note", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
)

agreement = Table(
    "agreement",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("partner", Text, nullable=False),
    Column("side", Text, nullable=False, comment="gave: we do it for them; got: they for us"),
    Column("kind", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("due", Instant),
    Column("state", Text, nullable=False),
    Column("batch", Text, nullable=False, comment="idempotency key of our post; '' when it is none"),
    Column("reference", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Index("ix_agreement_partner", "community", "partner", "state"),
)

partner_entry = Table(
    "partner_entry",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("partner", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount", Text, nullable=False, comment="decimal"),
    Column("unit", Text, nullable=False),
    Column("key", Text, nullable=False, comment="the same thing is entered once"),
    Column("note", Text, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("community", "partner", "key", name="uq_partner_entry_key"),
)
