"""What people do to deliveries: retry, cancel, resolve, approve, pause. Runs on a store thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import Connection

from shequn_sdk.domain import OWN_CLOCK, ChannelRef, Post
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.ports import Adapter, Confirmer
from shequn_sdk.publishing import ledger, policy
from shequn_sdk.publishing.ledger import Change
from shequn_sdk.publishing.rows import Row
from shequn_sdk.stores.schema import from_us

__all__ = [
    "Work",
    "approve",
    "cancel",
    "cancel_task",
    "keep_back",
    "pause",
    "release",
    "resolve",
    "resume",
    "retry",
]

Work: TypeAlias = Callable[[Connection, int], Row]


def _step(conn: Connection, row: Row, new: Row, cause: str, actor: str) -> Row:
    # The fence rises, so that a worker that still holds the row loses it.
    new = new._replace(fence=row.fence + 1)
    if not ledger.change(conn, Change(row, new, cause, actor)):
        raise InvalidInput(f"delivery {row.id} changed in this moment; look again and repeat")
    return new


def _refuse(row: Row, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"delivery {row.id} is {row.state} and cannot be {what}: {hint}")


def _siblings(conn: Connection, row: Row) -> list[Row]:
    return [one for one in ledger.by_batch(conn, row.batch) if one.lane == row.lane and one.id != row.id]


def retry(conn: Connection, delivery: int, *, now: int, actor: str) -> Row:
    """Plan a refused, expired or deferred row anew."""
    row = ledger.find(conn, delivery)
    if row.state not in {"refused", "expired", "deferred"}:
        hint = "resolve it first" if row.state == "unknown" else "only refused, expired and deferred ones can"
        raise _refuse(row, "sent again", hint)
    result = _step(conn, row, _fresh(row, now), "retry", actor)
    for later in _siblings(conn, row):
        if later.part > row.part and later.state == "refused" and not later.attempts:
            _step(conn, later, _fresh(later, now), f"retry of piece {row.part + 1}", actor)
    return result


def _fresh(row: Row, now: int) -> Row:
    # Its lateness was accepted by asking for it; attempts are counted anew.
    again = policy.replanned(row, now, now=now)
    return again._replace(attempts=0, limited=0, moves=0, error="", error_type="", due=max(row.due, now))


def cancel(conn: Connection, delivery: int, *, now: int, actor: str) -> Row:
    """Give a row up."""
    row = ledger.find(conn, delivery)
    if row.state == "attempting":
        raise _refuse(row, "cancelled", "its request is under way; see how it ends")
    if row.state in {"landed", "refused", "partly", "cancelled", "expired"}:
        raise _refuse(row, "cancelled", "it came to its end already")
    new = policy.replanned(row, row.ready_at, now=now)._replace(
        state="cancelled", error=f"cancelled by {actor}", deadline=None
    )
    return _step(conn, row, new, "cancelled", actor)


async def cancel_task(adapter: Adapter, row: Row) -> None:
    """Take a hand-over back on the platform."""
    if isinstance(adapter, Confirmer) and row.post:
        await adapter.cancel_task(row.target, Post.model_validate_json(row.post).native_id)


def resolve(
    conn: Connection, delivery: int, *, landed: bool, native_id: str | None, now: int, actor: str
) -> Row:
    """Close an unknown by what a person saw."""
    row = ledger.find(conn, delivery)
    if row.state != "unknown":
        raise _refuse(row, "resolved", "only unknown ones can")
    if not landed:
        again = policy.replanned(row, now, now=now)
        return _step(conn, row, again, "a person says it did not land; sent again", actor)
    post = Post(
        channel=ChannelRef(account=row.account, native_id=row.target),
        native_id=native_id or f"unknown-{row.id}",
        landed_at=from_us(row.attempted_at if row.attempted_at is not None else now),
        text=row.text,
        attrs={OWN_CLOCK: True} if native_id else {OWN_CLOCK: True, "native_id_unknown": True},
    )
    done = policy.landed(row, post.model_dump_json(), now=now)
    return _step(conn, row, done, "a person says it landed", actor)


def approve(conn: Connection, delivery: int, *, now: int, actor: str) -> Row:
    """Let a blocked row and its sibling pieces go."""
    row = ledger.find(conn, delivery)
    if row.state != "blocked":
        raise _refuse(row, "approved", "only blocked ones can")
    for other in _siblings(conn, row):
        if other.state == "blocked":
            _step(conn, other, _approved(other, now), "approved", actor)
    return _step(conn, row, _approved(row, now), "approved", actor)


def _approved(row: Row, now: int) -> Row:
    # Approval restarts the clock of the late policy: who approves late wants it sent.
    return policy.replanned(row, max(row.due, now), now=now)._replace(due=max(row.due, now), error="")


def pause(conn: Connection, delivery: int, *, now: int, actor: str) -> Row:
    """Keep a waiting row back."""
    row = ledger.find(conn, delivery)
    if row.state not in {"planned", "deferred"}:
        raise _refuse(row, "paused", "only waiting ones can")
    return _step(conn, row, row._replace(state="paused", updated_at=now), "paused", actor)


def keep_back(conn: Connection, row: Row, *, why: str, now: int, actor: str) -> Row:
    """Keep a waiting row back for a reason that is noted with it."""
    return _step(conn, row, row._replace(state="paused", error=why, updated_at=now), why, actor)


def release(conn: Connection, row: Row, *, now: int, actor: str) -> Row:
    """Let go what `keep_back` kept; as after an approval, its late policy begins anew."""
    return _step(conn, row, _approved(row, now), "no longer held", actor)


def resume(conn: Connection, delivery: int, *, now: int, actor: str) -> Row:
    """Let a paused row go."""
    row = ledger.find(conn, delivery)
    if row.state != "paused":
        raise _refuse(row, "resumed", "only paused ones can")
    return _step(conn, row, policy.replanned(row, max(row.ready_at, now), now=now), "resumed", actor)
