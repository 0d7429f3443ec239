"""The trail of a delivery moves into its row: every change rewrites that row anyway."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016_trail_column"
down_revision = "0015_indexes"

_PAGE = 10_000
"""Deliveries that are read at once."""
_LAST = sa.text("select coalesce(max(id), 0) from delivery")
_LINES = sa.text(
    "select delivery_id, at, old, new, cause, actor from delivery_transition "
    "where delivery_id > :after and delivery_id <= :until order by delivery_id, id"
)
_TRAILS = sa.text("select id, trail from delivery where id > :after and id <= :until order by id")
_SET = sa.text("update delivery set trail = :trail where id = :id")
_PUT = sa.text(
    "insert into delivery_transition (delivery_id, at, old, new, cause, actor) "
    "values (:delivery_id, :at, :old, :new, :cause, :actor)"
)


def upgrade() -> None:
    """Apply."""
    op.add_column("delivery", sa.Column("trail", sa.Text(), nullable=False, server_default=""))
    _move(_LINES, _trails, _SET)
    op.drop_table("delivery_transition")


def downgrade() -> None:
    """Take back."""
    op.create_table(
        "delivery_transition",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("old", sa.Text()),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_transition"),
    )
    op.create_index("ix_delivery_transition_delivery", "delivery_transition", ["delivery_id"])
    _move(_TRAILS, _lines, _PUT)
    op.drop_column("delivery", "trail")


def _trails(lines: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for number, found in groupby(lines, key=lambda line: line[0]):
        yield {
            "id": number,
            "trail": "".join(json.dumps(list(line[1:]), ensure_ascii=False) + "\n" for line in found),
        }


def _lines(trails: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for number, text in trails:
        for line in text.rstrip("\n").split("\n") if text else ():
            at, old, new, cause, actor = json.loads(line)
            yield {
                "delivery_id": number, "at": at, "old": old, "new": new, "cause": cause, "actor": actor
            }  # fmt: skip


def _move(
    read: sa.TextClause, turn: Callable[[Iterable[Any]], Iterator[dict[str, Any]]], write: sa.TextClause
) -> None:
    conn = op.get_bind()
    for after in range(0, int(conn.execute(_LAST).scalar() or 0), _PAGE):
        rows = list(turn(conn.execute(read, {"after": after, "until": after + _PAGE})))
        if rows:
            conn.execute(write, rows)
