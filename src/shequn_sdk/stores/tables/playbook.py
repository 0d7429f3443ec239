"""Tables of what playbooks were applied and what they made, and of goals."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, Table, Text

from shequn_sdk.stores.schema import Instant, metadata

__all__ = ["applied_playbook", "goal", "playbook_item"]

applied_playbook = Table(
    "applied_playbook",
    metadata,
    Column("community", Text, primary_key=True),
    Column("starts", Text, nullable=False, comment="first local day; turns count from it"),
    Column("digest", Text, nullable=False),
    Column("body", Text, nullable=False, comment="JSON, as it was applied last"),
    Column("applied_at", Instant, nullable=False),
)

playbook_item = Table(
    "playbook_item",
    metadata,
    Column("community", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("ref", Text, nullable=False, comment="what was made: a schedule's id"),
    Column("applied_at", Instant, nullable=False),
)

goal = Table(
    "goal",
    metadata,
    Column("community", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("target", Float, nullable=False),
    Column("relative", Integer, nullable=False, comment="1: a multiple of the value at the start"),
    Column("at_most", Integer, nullable=False),
    Column("start", Text, nullable=False, comment="local day"),
    Column("due", Text, nullable=False, comment="local day"),
    Column("created_at", Instant, nullable=False),
)
