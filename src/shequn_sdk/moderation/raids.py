"""Raid mode: rows that say which channels are protected, and what begins and ends with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from shequn_sdk.domain import ChannelRef
from shequn_sdk.moderation import book
from shequn_sdk.moderation.book import NewAction
from shequn_sdk.moderation.results import Raid
from shequn_sdk.moderation.rules import RaidSettings
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.moderation import moderation_action, moderation_mode

__all__ = ["begin", "end", "ending", "list_raids", "mute", "open_raids", "sign"]

_US = 1_000_000


def to_raid(row: Row[Any]) -> Raid:
    """Give a raid of its row."""
    return Raid(
        id=row.id,
        community=row.community,
        channel=row.channel,
        cause=row.cause,
        actor=row.actor,
        began_at=from_us(row.began_at),
        quiet_at=from_us(row.quiet_at),
        ended_at=None if row.ended_at is None else from_us(row.ended_at),
        notes=tuple(json.loads(row.notes)),
    )


_OPEN = Fast("select id from moderation_mode where ended_at is null limit 1")


def open_raids(conn: Connection) -> dict[str, Raid]:
    """Give the raids that have not ended, by channel."""
    if _OPEN.one(conn) is None:
        return {}
    rows = conn.execute(select(moderation_mode).where(moderation_mode.c.ended_at.is_(None)))
    return {row.channel: to_raid(row) for row in rows}


def list_raids(conn: Connection, community: str, *, limit: int) -> list[Raid]:
    """Give raids of a community, newest first."""
    table = moderation_mode
    rows = conn.execute(
        select(table).where(table.c.community == community).order_by(table.c.id.desc()).limit(limit)
    )
    return [to_raid(row) for row in rows]


def begin(
    conn: Connection,
    community: str,
    channel: ChannelRef,
    settings: RaidSettings,
    *,
    cause: str,
    actor: str,
    slow: bool,
    notes: Sequence[str],
    now: int,
) -> tuple[Raid, bool]:
    """Protect a channel; what is protected already only stays so for longer. Gives the raid and whether it is new."""
    table = moderation_mode
    quiet = now + int(settings.calm.total_seconds() * _US)
    latest = now + int(settings.longest.total_seconds() * _US)
    known = conn.execute(
        select(table).where(table.c.channel == str(channel), table.c.ended_at.is_(None))
    ).first()
    if known is not None:
        sign(conn, known.id, settings, now=now)
        row = conn.execute(select(table).where(table.c.id == known.id)).one()
        return to_raid(row), False
    conn.execute(
        insert(table).values(
            community=community,
            channel=str(channel),
            cause=cause[:500],
            actor=actor,
            began_at=now,
            quiet_at=min(quiet, latest),
            latest_at=latest,
            slowed=int(slow),
            notes=book.dumps(list(notes)),
            ended_at=None,
        )
    )
    row = conn.execute(
        select(table).where(table.c.channel == str(channel), table.c.ended_at.is_(None))
    ).first()
    assert row is not None
    book.audit(conn, community, now, actor=actor, what="raid mode on", subject=f"raid:{row.id}", detail=cause)
    if slow:
        seconds = int(settings.slow_mode.total_seconds())
        action = NewAction(
            f"raid:{row.id}", "slow_mode", channel.account, channel.native_id, seconds=seconds, reason=cause
        )
        book.plan(conn, community, action, now=now)
    return to_raid(row), True


def sign(conn: Connection, raid: int, settings: RaidSettings, *, now: int) -> None:
    """Note a further sign: it stays on for longer, yet never beyond its latest end."""
    table = moderation_mode
    quiet = now + int(settings.calm.total_seconds() * _US)
    conn.execute(
        update(table)
        .where(table.c.id == raid, table.c.quiet_at < quiet, table.c.latest_at >= quiet)
        .values(quiet_at=quiet)
    )


def mute(
    conn: Connection,
    raid: Raid,
    members: Sequence[tuple[str, int | None]],
    settings: RaidSettings,
    *,
    now: int,
) -> int:
    """Plan to keep newcomers from writing while it lasts; gives how many are new."""
    channel = ChannelRef.parse(raid.channel)
    # a member who writes again by the platform's own clock if everything of ours should be down
    seconds = int(settings.longest.total_seconds())
    return sum(
        book.plan(
            conn,
            raid.community,
            NewAction(
                f"raid:{raid.id}",
                "mute",
                channel.account,
                channel.native_id,
                member=member,
                seconds=seconds,
                reason=raid.cause,
                identity_id=number,
            ),
            now=now,
        )
        for member, number in members
    )


def ending(conn: Connection, *, now: int) -> list[Row[Any]]:
    """Give the raids whose end has come."""
    table = moderation_mode
    return list(conn.execute(select(table).where(table.c.ended_at.is_(None), table.c.quiet_at <= now)))


def end(conn: Connection, raid: int, *, actor: str, now: int) -> bool:
    """End a raid and plan to restore what it changed; gives whether it was on.

    Who was punished for a message of their own meanwhile stays so.
    """
    table = moderation_mode
    row = conn.execute(select(table).where(table.c.id == raid)).one()
    ended = conn.execute(
        update(table).where(table.c.id == raid, table.c.ended_at.is_(None)).values(ended_at=now)
    ).rowcount
    if not ended:
        return False
    actions = moderation_action
    mine = f"raid:{raid}"
    conn.execute(
        update(actions)
        .where(actions.c.source == mine, actions.c.state == "planned")
        .values(state="dropped", ended_at=now)
    )
    channel = ChannelRef.parse(row.channel)
    for action in conn.execute(
        select(actions).where(actions.c.source == mine, actions.c.state.in_(("done", "unknown", "trying")))
    ).all():
        undo = NewAction(f"{mine}/end", "", channel.account, channel.native_id, reason="raid mode ended")
        if action.kind == "slow_mode":
            book.plan(conn, row.community, undo._replace(kind="slow_mode", seconds=0), now=now)
        elif action.kind == "mute" and not _punished(conn, action, now=now):
            undo = undo._replace(kind="unmute", member=action.member, identity_id=action.identity_id)
            book.plan(conn, row.community, undo, now=now)
    book.audit(conn, row.community, now, actor=actor, what="raid mode off", subject=mine)
    return True


def _punished(conn: Connection, action: Row[Any], *, now: int) -> bool:
    actions = moderation_action
    rows = conn.execute(
        select(actions.c.seconds, actions.c.ended_at).where(
            actions.c.account == action.account,
            actions.c.channel == action.channel,
            actions.c.member == action.member,
            actions.c.source.like("case:%"),
            actions.c.kind.in_(("mute", "ban", "kick")),
            actions.c.state == "done",
        )
    )
    return any(
        row.seconds is None or row.ended_at is None or row.ended_at + row.seconds * _US > now for row in rows
    )
