"""Rules, cases, strikes, actions, appeals, raid mode, crises and the audit trail of moderation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_moderation"
down_revision = "0009_incentives"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "moderation_rules",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "kind", "version", name="pk_moderation_rules"),
    )
    op.create_table(
        "moderation_case",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_moderation_case_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_moderation_case"),
        sa.UniqueConstraint("event", name="uq_moderation_case_event"),
    )
    op.create_index("ix_moderation_case_identity", "moderation_case", ["identity_id"])
    op.create_index("ix_moderation_case_state", "moderation_case", ["community", "state", "id"])
    op.create_table(
        "moderation_strike",
        sa.Column("case_id", _BIG_ID, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["moderation_case.id"], name="fk_moderation_strike_case_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_moderation_strike_identity_id"),
        sa.PrimaryKeyConstraint("case_id", name="pk_moderation_strike"),
    )
    op.create_index("ix_moderation_strike_identity", "moderation_strike", ["identity_id", "community"])
    op.create_table(
        "moderation_action",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_moderation_action_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_moderation_action"),
        sa.UniqueConstraint("source", "kind", "channel", "member", name="uq_moderation_action_source"),
    )
    op.create_index("ix_moderation_action_due", "moderation_action", ["state", "due"])
    op.create_index("ix_moderation_action_identity", "moderation_action", ["identity_id"])
    op.create_table(
        "moderation_appeal",
        sa.Column("case_id", _BIG_ID, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["moderation_case.id"], name="fk_moderation_appeal_case_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_id", name="pk_moderation_appeal"),
    )
    op.create_index("ix_moderation_appeal_state", "moderation_appeal", ["community", "state"])
    op.create_table(
        "moderation_mode",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("quiet_at", sa.BigInteger(), nullable=False),
        sa.Column("latest_at", sa.BigInteger(), nullable=False),
        sa.Column("slowed", sa.Integer(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_moderation_mode"),
    )
    op.create_index("ix_moderation_mode_open", "moderation_mode", ["ended_at", "channel"])
    op.create_table(
        "moderation_incident",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("drill", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_moderation_incident"),
    )
    op.create_index("ix_moderation_incident_open", "moderation_incident", ["community", "ended_at"])
    op.create_table(
        "moderation_tally",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("negative", sa.Integer(), nullable=False),
        sa.Column("junk", sa.Integer(), nullable=False),
        sa.Column("mentions", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("community", "minute", name="pk_moderation_tally"),
    )
    op.create_table(
        "moderation_audit",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_moderation_audit"),
    )
    op.create_index("ix_moderation_audit_community", "moderation_audit", ["community", "id"])
    op.create_index("ix_moderation_audit_subject", "moderation_audit", ["subject"])


def downgrade() -> None:
    """Take back."""
    for table in (
        "moderation_audit",
        "moderation_tally",
        "moderation_incident",
        "moderation_mode",
        "moderation_appeal",
        "moderation_action",
        "moderation_strike",
        "moderation_case",
        "moderation_rules",
    ):
        op.drop_table(table)
