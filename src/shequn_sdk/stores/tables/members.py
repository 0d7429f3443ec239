"""Tables of people: persons, their identities on platforms, and where they are members."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = ["identity", "membership", "person"]

person = Table(
    "person",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, comment="given by an operator; '' is the newest display name"),
    Column("created_at", Instant, nullable=False),
)

identity = Table(
    "identity",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True, comment="never changes, whoever it belongs to"),
    Column("platform", Text, nullable=False),
    Column("native_id", Text, nullable=False),
    Column("person_id", BigId, ForeignKey("person.id"), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("is_bot", Integer, nullable=False),
    Column("account", Text, nullable=False, comment="that heard of it last: by it a person is reached"),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
    UniqueConstraint("platform", "native_id", name="uq_identity_ref"),
    Index("ix_identity_person", "person_id"),
)

membership = Table(
    "membership",
    metadata,
    Column("community", Text, primary_key=True),
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("joined_at", Instant, comment="null: was there before we listened"),
    Column("left_at", Instant, comment="null: is there"),
    Column("joins", Integer, nullable=False, comment="how often they came"),
    Column("entrance", Text, nullable=False, comment="by which they came the last time"),
    Column(
        "first_at", Instant, nullable=False, comment="first known in this community, by joining or acting"
    ),
    Column("last_active", Instant, comment="last message, reaction, vote or the like; null: never"),
    Column("away_since", Instant, comment="last activity before the latest long silence; null: never silent"),
    Column("returned_at", Instant, comment="activity, or rejoining, that ended that silence"),
    Column("change", BigId, nullable=False, comment="number of the write that changed it last"),
    Index("ix_membership_identity", "identity_id"),
    Index("ix_membership_active", "community", "last_active"),
    Index("ix_membership_change", "community", "change"),
)
