"""Tables of incentives: the ledger of points, badges, tiers, rewards and what was redeemed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = [
    "badge_award",
    "incentive_spec",
    "opt_out",
    "points_account",
    "points_entry",
    "redemption",
    "reward",
    "reward_code",
    "tier_holding",
]

_AWARD = text("kind = 'award'")
_EXPIRES = text("expires_at is not null")

points_account = Table(
    "points_account",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("name", Text, nullable=False, comment="identity:<number>, or system:<purpose>"),
    Column("identity_id", BigId, ForeignKey("identity.id"), comment="null: an account of the system"),
    Column("balance", BigInteger, nullable=False, comment="what came in less what went out"),
    UniqueConstraint("community", "name", name="uq_points_account_name"),
    Index("ix_points_account_identity", "identity_id"),
)

points_entry = Table(
    "points_entry",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("event", Text, nullable=False, comment="what it is for; each is booked once"),
    Column("kind", Text, nullable=False, comment="award, reversal, redeem, refund, expiry, decay, adjust"),
    Column("source_id", BigId, ForeignKey("points_account.id"), nullable=False),
    Column("target_id", BigId, ForeignKey("points_account.id"), nullable=False),
    Column("amount", BigInteger, nullable=False, comment="more than 0: from source to target"),
    Column("at", Instant, nullable=False),
    Column("day", Text, nullable=False, comment="the community's local day"),
    Column("rule", Text, nullable=False),
    Column("place", Text, nullable=False, comment="platform/channel/message that it was for"),
    Column("fingerprint", Text, nullable=False, comment="of the text, for likeness; never the text"),
    Column("expires_at", Instant),
    Column("reverses", BigId, comment="the entry that this takes back"),
    Column("note", Text, nullable=False),
    UniqueConstraint("community", "event", name="uq_points_entry_event"),
    Index("ix_points_entry_target", "target_id", "day"),
    Index("ix_points_entry_source", "source_id"),
    Index("ix_points_entry_place", "place", sqlite_where=_AWARD, postgresql_where=_AWARD),
    Index("ix_points_entry_expiry", "expires_at", sqlite_where=_EXPIRES, postgresql_where=_EXPIRES),
    Index("ix_points_entry_day", "community", "day"),
)

incentive_spec = Table(
    "incentive_spec",
    metadata,
    Column("community", Text, primary_key=True),
    Column("kind", Text, primary_key=True, comment="points, badge, tiers …"),
    Column("name", Text, primary_key=True),
    Column("spec", Text, nullable=False, comment="JSON"),
    Column("updated_at", Instant, nullable=False),
)

badge_award = Table(
    "badge_award",
    metadata,
    Column("community", Text, primary_key=True),
    Column("badge", Text, primary_key=True),
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("note", Text, nullable=False),
    Index("ix_badge_award_identity", "identity_id"),
)

tier_holding = Table(
    "tier_holding",
    metadata,
    Column("community", Text, primary_key=True),
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("tier", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("below_since", Instant, comment="null: what the tier asks is there"),
    Column("roles", Text, nullable=False, comment="JSON: channel to the role that was given there"),
    Column("note", Text, nullable=False, comment="why a role was not given"),
    Index("ix_tier_holding_identity", "identity_id"),
)

opt_out = Table(
    "leaderboard_opt_out",
    metadata,
    Column("community", Text, primary_key=True),
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("at", Instant, nullable=False),
    Index("ix_leaderboard_opt_out_identity", "identity_id"),
)

reward = Table(
    "reward",
    metadata,
    Column("id", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("spec", Text, nullable=False, comment="JSON"),
    Column("stock", Integer, comment="what is left; null: without end"),
    Column("state", Text, nullable=False, comment="offered, withdrawn"),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("community", "name", name="uq_reward_name"),
)

redemption = Table(
    "redemption",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("reward_id", Text, ForeignKey("reward.id"), nullable=False),
    Column("community", Text, nullable=False),
    Column("identity_id", BigId, ForeignKey("identity.id"), comment="null: erased"),
    Column("event", Text, nullable=False, comment="idempotency key"),
    Column("cost", BigInteger, nullable=False),
    Column("state", Text, nullable=False, comment="open, fulfilled, refunded, expired"),
    Column("code", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("settled_at", Instant),
    Column("note", Text, nullable=False),
    UniqueConstraint("community", "event", name="uq_redemption_event"),
    Index("ix_redemption_identity", "identity_id"),
    Index("ix_redemption_reward", "reward_id", "state"),
)

reward_code = Table(
    "reward_code",
    metadata,
    Column("reward_id", Text, ForeignKey("reward.id"), primary_key=True),
    Column("code", Text, primary_key=True),
    Column("redemption_id", BigId, ForeignKey("redemption.id"), comment="null: not given out yet"),
    Index("ix_reward_code_free", "reward_id", "redemption_id"),
)
