"""The ledger of points, badges, tiers and rewards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_incentives"
down_revision = "0008_engagement"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "points_account",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_points_account_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_points_account"),
        sa.UniqueConstraint("community", "name", name="uq_points_account_name"),
    )
    op.create_index("ix_points_account_identity", "points_account", ["identity_id"])
    op.create_table(
        "points_entry",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", _BIG_ID, nullable=False),
        sa.Column("target_id", _BIG_ID, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("reverses", _BIG_ID, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["points_account.id"], name="fk_points_entry_source_id"),
        sa.ForeignKeyConstraint(["target_id"], ["points_account.id"], name="fk_points_entry_target_id"),
        sa.PrimaryKeyConstraint("id", name="pk_points_entry"),
        sa.UniqueConstraint("community", "event", name="uq_points_entry_event"),
    )
    op.create_index("ix_points_entry_day", "points_entry", ["community", "day"])
    op.create_index(
        "ix_points_entry_expiry",
        "points_entry",
        ["expires_at"],
        sqlite_where=sa.text("expires_at is not null"),
        postgresql_where=sa.text("expires_at is not null"),
    )
    op.create_index(
        "ix_points_entry_place",
        "points_entry",
        ["place"],
        sqlite_where=sa.text("kind = 'award'"),
        postgresql_where=sa.text("kind = 'award'"),
    )
    op.create_index("ix_points_entry_source", "points_entry", ["source_id"])
    op.create_index("ix_points_entry_target", "points_entry", ["target_id", "day"])
    op.create_table(
        "incentive_spec",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "kind", "name", name="pk_incentive_spec"),
    )
    op.create_table(
        "badge_award",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("badge", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_badge_award_identity_id"),
        sa.PrimaryKeyConstraint("community", "badge", "identity_id", name="pk_badge_award"),
    )
    op.create_index("ix_badge_award_identity", "badge_award", ["identity_id"])
    op.create_table(
        "tier_holding",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("below_since", sa.BigInteger(), nullable=True),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_tier_holding_identity_id"),
        sa.PrimaryKeyConstraint("community", "identity_id", name="pk_tier_holding"),
    )
    op.create_index("ix_tier_holding_identity", "tier_holding", ["identity_id"])
    op.create_table(
        "leaderboard_opt_out",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_leaderboard_opt_out_identity_id"),
        sa.PrimaryKeyConstraint("community", "identity_id", name="pk_leaderboard_opt_out"),
    )
    op.create_index("ix_leaderboard_opt_out_identity", "leaderboard_opt_out", ["identity_id"])
    op.create_table(
        "reward",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("stock", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reward"),
        sa.UniqueConstraint("community", "name", name="uq_reward_name"),
    )
    op.create_table(
        "redemption",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["reward_id"], ["reward.id"], name="fk_redemption_reward_id"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_redemption_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_redemption"),
        sa.UniqueConstraint("community", "event", name="uq_redemption_event"),
    )
    op.create_index("ix_redemption_identity", "redemption", ["identity_id"])
    op.create_index("ix_redemption_reward", "redemption", ["reward_id", "state"])
    op.create_table(
        "reward_code",
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("redemption_id", _BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["reward_id"], ["reward.id"], name="fk_reward_code_reward_id"),
        sa.ForeignKeyConstraint(["redemption_id"], ["redemption.id"], name="fk_reward_code_redemption_id"),
        sa.PrimaryKeyConstraint("reward_id", "code", name="pk_reward_code"),
    )
    op.create_index("ix_reward_code_free", "reward_code", ["reward_id", "redemption_id"])


def downgrade() -> None:
    """Take back."""
    for table in (
        "reward_code",
        "redemption",
        "reward",
        "leaderboard_opt_out",
        "tier_holding",
        "badge_award",
        "incentive_spec",
        "points_entry",
        "points_account",
    ):
        op.drop_table(table)
