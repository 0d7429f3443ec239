"""Products, orders, memberships, coupons, touches and experiments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_commerce"
down_revision = "0011_feedback"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "product",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("term_days", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("community", "sku", name="pk_product"),
    )
    op.create_table(
        "shop_order",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("shop", sa.Text(), nullable=False),
        sa.Column("native_id", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("refunded", sa.Text(), nullable=False),
        sa.Column("coupon", sa.Text(), nullable=False),
        sa.Column("entrance", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_shop_order_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_shop_order"),
        sa.UniqueConstraint("community", "shop", "native_id", name="uq_shop_order_native"),
    )
    op.create_index("ix_shop_order_at", "shop_order", ["community", "at"])
    op.create_index("ix_shop_order_identity", "shop_order", ["identity_id"])
    op.create_table(
        "refund",
        sa.Column("order_id", _BIG_ID, nullable=False),
        sa.Column("native_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["shop_order.id"], name="fk_refund_order_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("order_id", "native_id", name="pk_refund"),
    )
    op.create_table(
        "term",
        sa.Column("order_id", _BIG_ID, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_term_identity_id"),
        sa.ForeignKeyConstraint(["order_id"], ["shop_order.id"], name="fk_term_order_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("order_id", name="pk_term"),
    )
    op.create_index("ix_term_ends", "term", ["community", "sku", "ends"])
    op.create_index("ix_term_identity", "term", ["identity_id"])
    op.create_table(
        "coupon",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("percent", sa.Text(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("minimum", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("per_person", sa.Integer(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_coupon_identity_id"),
        sa.PrimaryKeyConstraint("community", "code", name="pk_coupon"),
    )
    op.create_table(
        "coupon_use",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("discount", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_coupon_use_identity_id"),
        sa.PrimaryKeyConstraint("community", "key", name="pk_coupon_use"),
    )
    op.create_index("ix_coupon_use_code", "coupon_use", ["community", "code"])
    op.create_index("ix_coupon_use_identity", "coupon_use", ["identity_id"])
    op.create_table(
        "touch",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("entrance", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_touch_identity_id"),
        sa.PrimaryKeyConstraint("community", "key", name="pk_touch"),
    )
    op.create_index("ix_touch_identity", "touch", ["identity_id", "at"])
    op.create_table(
        "experiment",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("arms", sa.Text(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("community", "name", name="pk_experiment"),
    )
    op.create_table(
        "exposure",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_exposure_identity_id"),
        sa.PrimaryKeyConstraint("community", "experiment", "identity_id", name="pk_exposure"),
    )
    op.create_index("ix_exposure_identity", "exposure", ["identity_id"])
    op.create_table(
        "experiment_outcome",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_experiment_outcome_identity_id"),
        sa.PrimaryKeyConstraint("community", "experiment", "key", name="pk_experiment_outcome"),
    )
    op.create_index("ix_experiment_outcome_identity", "experiment_outcome", ["identity_id"])


def downgrade() -> None:
    """Take back."""
    for table in (
        "experiment_outcome",
        "exposure",
        "experiment",
        "touch",
        "coupon_use",
        "coupon",
        "term",
        "refund",
        "shop_order",
        "product",
    ):
        op.drop_table(table)
