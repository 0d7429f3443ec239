"""What is known of members, and their journeys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_profiles"
down_revision = "0006_links"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "erasure",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("refs", sa.Text(), nullable=False),
        sa.Column("identities", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("removed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasure"),
    )
    op.create_table(
        "fact_push",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "identity_id", name="pk_fact_push"),
    )
    op.create_table(
        "field_spec",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_field_spec"),
    )
    op.create_table(
        "journey",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "name", name="pk_journey"),
    )
    op.create_table(
        "journey_policy",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("community", name="pk_journey_policy"),
    )
    op.create_table(
        "member_counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", _BIG_ID, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_member_counter"),
    )
    op.create_table(
        "merge_no",
        sa.Column("low", _BIG_ID, nullable=False),
        sa.Column("high", _BIG_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("low", "high", name="pk_merge_no"),
    )
    op.create_table(
        "person_change",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("kept", _BIG_ID, nullable=False),
        sa.Column("gone", _BIG_ID, nullable=False),
        sa.Column("identities", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("undone_by", _BIG_ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_person_change"),
    )
    op.create_index(
        "ix_person_change_kept",
        "person_change",
        ["kept"],
        sqlite_where=sa.text("undone_by is null"),
        postgresql_where=sa.text("undone_by is null"),
    )
    op.create_table(
        "proof_miss",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proof_miss"),
        sa.UniqueConstraint("identity_id", "event", name="uq_proof_miss_event"),
    )
    op.create_table(
        "saved_segment",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "name", name="pk_saved_segment"),
    )
    op.create_table(
        "birthday",
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("lunar", sa.Integer(), nullable=False),
        sa.Column("leap", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_birthday_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", name="pk_birthday"),
    )
    op.create_index("ix_birthday_day", "birthday", ["lunar", "month", "day"])
    op.create_table(
        "consent",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("allowed", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_consent_identity_id"),
        sa.PrimaryKeyConstraint("community", "identity_id", "purpose", name="pk_consent"),
    )
    op.create_table(
        "journey_contact",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_journey_contact_identity_id"),
        sa.PrimaryKeyConstraint("key", name="pk_journey_contact"),
    )
    op.create_index("ix_journey_contact_identity", "journey_contact", ["identity_id", "at"])
    op.create_table(
        "journey_run",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("anchor", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("waits_for", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_journey_run_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_journey_run"),
        sa.UniqueConstraint("community", "journey", "identity_id", "entry", name="uq_journey_run_entry"),
    )
    op.create_index(
        "ix_journey_run_due",
        "journey_run",
        ["due"],
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index("ix_journey_run_identity", "journey_run", ["identity_id", "state"])
    op.create_table(
        "journey_task",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=True),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_journey_task_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_journey_task"),
        sa.UniqueConstraint("key", name="uq_journey_task_key"),
    )
    op.create_index(
        "ix_journey_task_open",
        "journey_task",
        ["community", "due"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "member_tag",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_member_tag_identity_id"),
        sa.PrimaryKeyConstraint("community", "identity_id", "tag", name="pk_member_tag"),
    )
    op.create_index("ix_member_tag_tag", "member_tag", ["community", "tag"])
    op.create_table(
        "presence",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_presence_identity_id"),
        sa.PrimaryKeyConstraint("account", "channel", "identity_id", name="pk_presence"),
    )
    op.create_index("ix_presence_identity", "presence", ["identity_id", "community"])
    op.create_table(
        "profile_field",
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("number", sa.Float(), nullable=True),
        sa.Column("blind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_profile_field_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", "name", name="pk_profile_field"),
    )
    op.create_index(
        "ix_profile_field_blind",
        "profile_field",
        ["blind"],
        sqlite_where=sa.text("blind <> ''"),
        postgresql_where=sa.text("blind <> ''"),
    )
    op.create_index("ix_profile_field_name", "profile_field", ["name", "number"])
    op.create_table(
        "proof",
        sa.Column("selector", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("identity_id", _BIG_ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("used_by", _BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_proof_identity_id"),
        sa.PrimaryKeyConstraint("selector", name="pk_proof"),
    )
    op.create_index("ix_proof_identity", "proof", ["identity_id", "created_at"])
    op.create_table(
        "journey_step",
        sa.Column("run_id", _BIG_ID, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("check_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["journey_run.id"], name="fk_journey_step_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "step", name="pk_journey_step"),
    )
    op.create_index(
        "ix_journey_step_check",
        "journey_step",
        ["check_at"],
        sqlite_where=sa.text("check_at is not null"),
        postgresql_where=sa.text("check_at is not null"),
    )


def downgrade() -> None:
    """Take back."""
    for table in (
        "journey_step",
        "proof",
        "profile_field",
        "presence",
        "member_tag",
        "journey_task",
        "journey_run",
        "journey_contact",
        "consent",
        "birthday",
        "saved_segment",
        "proof_miss",
        "person_change",
        "merge_no",
        "member_counter",
        "journey_policy",
        "journey",
        "field_spec",
        "fact_push",
        "erasure",
    ):
        op.drop_table(table)
