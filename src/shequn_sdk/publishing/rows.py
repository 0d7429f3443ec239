"""A row of the ledger as Python sees it, and its public form."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from shequn_sdk.domain import (
    ChannelRef,
    Delivery,
    DeliveryState,
    LatePolicy,
    OnUnknown,
    Piece,
    Post,
    Priority,
    Receipt,
    ReceiptStatus,
)
from shequn_sdk.stores.schema import from_us

__all__ = ["COLUMNS", "PRIORITIES", "Row", "receipt_of", "to_delivery"]

PRIORITIES = (Priority.REPLY, Priority.NORMAL, Priority.CAMPAIGN)
"""In the order in which they are served; the index is what the ledger stores."""


class Row(NamedTuple):
    """One row of `delivery`; instants are microseconds. Field names are column names."""

    id: int
    batch: str
    content_id: str
    account: str
    channel: str
    target: str
    platform: str
    part: int
    parts: int
    state: str
    priority: int
    due: int
    ready_at: int
    attempts: int
    limited: int
    moves: int
    key: str
    owner: str
    fence: int
    lease_until: int | None
    attempted_at: int | None
    check_at: int | None
    checks: int
    reminders: int
    deadline: int | None
    on_unknown: str
    late: str
    grace: int | None
    schedule_id: str | None
    error: str
    error_type: str
    post: str | None
    text: str
    piece: str
    created_at: int
    updated_at: int

    @property
    def lane(self) -> tuple[str, str]:
        """What keeps its order: one channel of one account."""
        return self.account, self.channel

    @property
    def status(self) -> DeliveryState:
        """The state as the domain's word."""
        return DeliveryState(self.state)

    @property
    def unknown_policy(self) -> OnUnknown | None:
        """What the caller chose for an unknown; None is the platform's default."""
        return OnUnknown(self.on_unknown) if self.on_unknown else None

    @property
    def late_policy(self) -> LatePolicy:
        """What the caller chose for a late delivery."""
        return LatePolicy(self.late)

    @property
    def allowed_delay(self) -> timedelta | None:
        """How late it may still be sent; None is without end."""
        return None if self.grace is None else timedelta(microseconds=self.grace)

    def load_piece(self) -> Piece:
        """Read what is to be sent."""
        return Piece.model_validate_json(self.piece)


COLUMNS = ", ".join(Row._fields)


@lru_cache(4096)
def _channel(account: str, native_id: str) -> ChannelRef:
    return ChannelRef(account=account, native_id=native_id)


def to_delivery(row: Row) -> Delivery:
    """Give the public form."""
    return Delivery(
        id=row.id,
        content_id=row.content_id,
        channel=_channel(row.account, row.channel),
        platform=row.platform,
        part=row.part,
        parts=row.parts,
        state=row.status,
        due=from_us(row.due),
        not_before=from_us(row.ready_at) if row.ready_at > row.due else None,
        attempts=row.attempts,
        priority=PRIORITIES[row.priority],
        idempotency_key=row.key,
        error=row.error,
        error_type=row.error_type,
        post=Post.model_validate_json(row.post) if row.post else None,
        deadline=from_us(row.deadline) if row.deadline is not None else None,
        schedule_id=row.schedule_id,
        created_at=from_us(row.created_at),
        updated_at=from_us(row.updated_at),
        text=row.text,
    )


_S = DeliveryState
_LEAST_CERTAIN: tuple[tuple[frozenset[str], ReceiptStatus], ...] = tuple(
    (frozenset(state.value for state in group), status)
    for group, status in (
        ((_S.UNKNOWN,), ReceiptStatus.UNKNOWN),
        (
            (_S.PLANNED, _S.BLOCKED, _S.PAUSED, _S.CLAIMED, _S.ATTEMPTING, _S.DEFERRED),
            ReceiptStatus.PENDING,
        ),
        ((_S.AWAITING_PERSON,), ReceiptStatus.AWAITING_PERSON),
        ((_S.REFUSED,), ReceiptStatus.REFUSED),
        ((_S.EXPIRED,), ReceiptStatus.EXPIRED),
        ((_S.CANCELLED,), ReceiptStatus.CANCELLED),
        ((_S.PARTLY,), ReceiptStatus.PARTLY),
    )
)


def receipt_of(rows: list[Row], channel: ChannelRef | None = None) -> Receipt:
    """Give the outcome of the pieces of one content in one channel; the least certain piece counts.

    Args:
        channel: that of the rows, where it was read already.
    """
    first = rows[0]
    states = {row.state for row in rows}
    status = next(
        (status for group, status in _LEAST_CERTAIN if not group.isdisjoint(states)), ReceiptStatus.LANDED
    )
    return Receipt(
        id=f"{first.id}-{first.key[:16]}",
        channel=channel or _channel(first.account, first.channel),
        status=status,
        posts=tuple(Post.model_validate_json(row.post) for row in rows if row.post and row.state == "landed"),
        deliveries=tuple(row.id for row in rows),
        reason="" if status is ReceiptStatus.LANDED else next((row.error for row in rows if row.error), ""),
    )
