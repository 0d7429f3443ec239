"""Channels in which nothing but answers is sent for now, because they are protected against a raid (静默)."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from sqlalchemy import Connection, or_, select

from shequn_sdk.domain import DeliveryState, Priority
from shequn_sdk.publishing import care, queries
from shequn_sdk.publishing.rows import PRIORITIES, Row
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.tables.delivery import delivery
from shequn_sdk.stores.tables.moderation import moderation_mode

__all__ = ["heed", "held_channels", "kept_back"]

WHY = "held: the channel is protected against a raid"
_HELD = Fast("select channel from moderation_mode where ended_at is null")
_ANSWER = PRIORITIES.index(Priority.REPLY)
_ACTOR = "moderation"


def held_channels(conn: Connection) -> AbstractSet[str]:
    """Give the protected channels as `account:native-id`."""
    return {row[0] for row in _HELD.all(conn)}


def kept_back(rows: Sequence[Row], held: AbstractSet[str]) -> list[Row]:
    """Give fresh rows as they are to be written: paused where their channel is held."""
    return [
        row._replace(state="paused", error=WHY) if row.state == "planned" and _is_held(row, held) else row
        for row in rows
    ]


def heed(conn: Connection, *, now: int) -> list[Row]:
    """Pause what waits in held channels and is due before they are surely free; let go what was held and no longer is.

    Gives the rows that changed. What was let go is due now, so that no late policy drops it. What a person resumed stays
    resumed, and what a person paused stays paused.
    """
    ends: dict[str, int] = {
        row.channel: row.latest_at
        for row in conn.execute(
            select(moderation_mode.c.channel, moderation_mode.c.latest_at).where(
                moderation_mode.c.ended_at.is_(None)
            )
        )
    }
    paused = queries.select_deliveries(states=[DeliveryState.PAUSED]).where(delivery.c.error == WHY)
    changed = [
        care.release(conn, row, now=now, actor=_ACTOR)
        for row in queries.fetch(conn, paused)
        if not _is_held(row, ends.keys())
    ]
    for channel, latest in ends.items():
        account, _, native = channel.partition(":")
        waiting = queries.select_deliveries(
            states=[DeliveryState.PLANNED, DeliveryState.DEFERRED], account=account
        ).where(
            or_(delivery.c.channel == native, delivery.c.channel.startswith(f"{native}/", autoescape=True)),
            delivery.c.priority != _ANSWER,
            delivery.c.ready_at <= latest,
            delivery.c.error != WHY,
        )
        changed += [
            care.keep_back(conn, row, why=WHY, now=now, actor=_ACTOR) for row in queries.fetch(conn, waiting)
        ]
    return changed


def _is_held(row: Row, held: AbstractSet[str]) -> bool:
    name = f"{row.account}:{row.channel}"
    return row.priority != _ANSWER and (name in held or name.rpartition("/")[0] in held)
