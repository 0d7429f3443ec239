"""Tables of products, orders, memberships, coupons, touches and experiments."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = [
    "coupon",
    "coupon_use",
    "experiment",
    "experiment_outcome",
    "exposure",
    "product",
    "refund",
    "shop_order",
    "term",
    "touch",
]

product = Table(
    "product",
    metadata,
    Column("community", Text, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("price", Text, nullable=False, comment="decimal"),
    Column("currency", Text, nullable=False),
    Column("term_days", Integer, comment="of a membership"),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
)

shop_order = Table(
    "shop_order",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("shop", Text, nullable=False),
    Column("native_id", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), comment="null: bought by nobody we know"),
    Column("sku", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("amount", Text, nullable=False, comment="decimal, as paid"),
    Column("currency", Text, nullable=False),
    Column("refunded", Text, nullable=False, comment="decimal"),
    Column("coupon", Text, nullable=False),
    Column("entrance", Text, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("community", "shop", "native_id", name="uq_shop_order_native"),
    Index("ix_shop_order_at", "community", "at"),
    Index("ix_shop_order_identity", "identity_id"),
)

refund = Table(
    "refund",
    metadata,
    Column("order_id", BigId, ForeignKey("shop_order.id", ondelete="CASCADE"), primary_key=True),
    Column("native_id", Text, primary_key=True),
    Column("amount", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

term = Table(
    "term",
    metadata,
    Column("order_id", BigId, ForeignKey("shop_order.id", ondelete="CASCADE"), primary_key=True),
    Column("community", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), nullable=False),
    Column("sku", Text, nullable=False),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    Index("ix_term_ends", "community", "sku", "ends"),
    Index("ix_term_identity", "identity_id"),
)

coupon = Table(
    "coupon",
    metadata,
    Column("community", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("percent", Text, nullable=False, comment="decimal; '' when it takes off an amount"),
    Column("amount", Text, nullable=False, comment="decimal; '' when it takes off a share"),
    Column("currency", Text, nullable=False),
    Column("minimum", Text, nullable=False, comment="decimal; least price"),
    Column("sku", Text, nullable=False, comment="'' is any"),
    Column("max_uses", Integer),
    Column("per_person", Integer, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), comment="only this member's; null is anybody's"),
    Column("uses", Integer, nullable=False),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant),
)

coupon_use = Table(
    "coupon_use",
    metadata,
    Column("community", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id")),
    Column("discount", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_coupon_use_code", "community", "code"),
    Index("ix_coupon_use_identity", "identity_id"),
)

touch = Table(
    "touch",
    metadata,
    Column("community", Text, primary_key=True),
    Column("key", Text, primary_key=True, comment="platform and id of the interaction"),
    Column("identity_id", BigId, ForeignKey("identity.id"), nullable=False),
    Column("entrance", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_touch_identity", "identity_id", "at"),
)

experiment = Table(
    "experiment",
    metadata,
    Column("community", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("question", Text, nullable=False),
    Column("arms", Text, nullable=False, comment="JSON: name to weight, in order; the first is the control"),
    Column("salt", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("window", Instant, nullable=False, comment="microseconds from first exposure to outcome"),
    Column("planned", Integer, comment="persons per arm, decided before the start"),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
)

exposure = Table(
    "exposure",
    metadata,
    Column("community", Text, primary_key=True),
    Column("experiment", Text, primary_key=True),
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("arm", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_exposure_identity", "identity_id"),
)

experiment_outcome = Table(
    "experiment_outcome",
    metadata,
    Column("community", Text, primary_key=True),
    Column("experiment", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("identity_id", BigId, ForeignKey("identity.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_experiment_outcome_identity", "identity_id"),
)
