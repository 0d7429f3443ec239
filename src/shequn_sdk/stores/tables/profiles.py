"""Tables of what is known of members: profiles, tags, consent, merges, proofs, segments, erasures."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from shequn_sdk.stores.schema import BigId, Instant, metadata

__all__ = [
    "birthday",
    "consent",
    "erasure",
    "fact_push",
    "field_spec",
    "member_counter",
    "member_tag",
    "merge_no",
    "person_change",
    "presence",
    "profile_field",
    "proof",
    "proof_miss",
    "saved_segment",
]

_UNPAIRED = text("undone_by is null")

member_counter = Table(
    "member_counter",
    metadata,
    Column("name", Text, primary_key=True, comment="change: of memberships; epoch: grows when rows vanish"),
    Column("value", BigId, nullable=False),
)

presence = Table(
    "presence",
    metadata,
    Column("account", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("community", Text, nullable=False),
    Column("since", Instant, nullable=False, comment="first known there"),
    Column("left_at", Instant, comment="null: is there"),
    Column("source", Text, nullable=False, comment="join, act or directory"),
    Index("ix_presence_identity", "identity_id", "community"),
)

field_spec = Table(
    "field_spec",
    metadata,
    Column("name", Text, primary_key=True),
    Column("spec", Text, nullable=False, comment="JSON"),
)

profile_field = Table(
    "profile_field",
    metadata,
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False, comment="JSON; of contact fields sealed"),
    Column("number", Float, comment="to compare: number, day number of a date, 0 or 1"),
    Column(
        "blind", Text, nullable=False, comment="keyed digest of a contact, to find equal ones; '' for others"
    ),
    Column("at", Instant, nullable=False),
    Index("ix_profile_field_name", "name", "number"),
    Index(
        "ix_profile_field_blind",
        "blind",
        sqlite_where=text("blind <> ''"),
        postgresql_where=text("blind <> ''"),
    ),
)

member_tag = Table(
    "member_tag",
    metadata,
    Column("community", Text, primary_key=True),
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Index("ix_member_tag_tag", "community", "tag"),
)

consent = Table(
    "consent",
    metadata,
    Column("community", Text, primary_key=True),
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("purpose", Text, primary_key=True, comment="or do_not_disturb"),
    Column("allowed", Integer, nullable=False),
    Column("until", Instant, comment="null: without end"),
    Column("at", Instant, nullable=False),
    Column("source", Text, nullable=False, comment="where the member said so"),
)

birthday = Table(
    "birthday",
    metadata,
    Column("identity_id", BigId, ForeignKey("identity.id"), primary_key=True),
    Column("month", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    Column("year", Integer),
    Column("lunar", Integer, nullable=False),
    Column("leap", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_birthday_day", "lunar", "month", "day"),
)

person_change = Table(
    "person_change",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False, comment="merge or unmerge"),
    Column("kept", BigId, nullable=False, comment="person that stays"),
    Column("gone", BigId, nullable=False, comment="person whose identities moved"),
    Column("identities", Text, nullable=False, comment="JSON: numbers of those that moved"),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("score", Float),
    Column("undone_by", BigId, comment="the unmerge that took it back"),
    Index("ix_person_change_kept", "kept", sqlite_where=_UNPAIRED, postgresql_where=_UNPAIRED),
)

merge_no = Table(
    "merge_no",
    metadata,
    Column("low", BigId, primary_key=True, comment="smaller identity of two that are not one person"),
    Column("high", BigId, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
)

fact_push = Table(
    "fact_push",
    metadata,
    Column("community", Text, primary_key=True, comment="'' for who is one person"),
    Column("identity_id", BigId, primary_key=True),
    Column("at", Instant, nullable=False),
)

proof = Table(
    "proof",
    metadata,
    Column("selector", Text, primary_key=True, comment="the half of the code by which it is found"),
    Column("digest", Text, nullable=False, comment="of the secret half"),
    Column("identity_id", BigId, ForeignKey("identity.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("misses", Integer, nullable=False),
    Column("used_at", Instant),
    Column("used_by", BigId),
    Index("ix_proof_identity", "identity_id", "created_at"),
)

proof_miss = Table(
    "proof_miss",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("identity_id", BigId, nullable=False),
    Column("event", Text, nullable=False, comment="interaction that held a wrong code"),
    Column("at", Instant, nullable=False),
    UniqueConstraint("identity_id", "event", name="uq_proof_miss_event"),
)

saved_segment = Table(
    "saved_segment",
    metadata,
    Column("community", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("filter", Text, nullable=False, comment="JSON"),
    Column("note", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

erasure = Table(
    "erasure",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("requested_at", Instant, nullable=False),
    Column("done_at", Instant, comment="null: not everywhere yet"),
    Column("refs", Text, nullable=False, comment="JSON; [] once done: nothing of the member stays"),
    Column("identities", Text, nullable=False, comment="JSON; [] once done"),
    Column("actor", Text, nullable=False),
    Column("removed", Text, nullable=False, comment="JSON: rows by part"),
)
