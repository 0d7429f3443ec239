"""Deliveries: one piece of content to one channel, and the states it goes through."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from pydantic import AwareDatetime, Field

from shequn_sdk.domain._base import Frozen, Identifier, Name, new_id
from shequn_sdk.domain.content import Post
from shequn_sdk.domain.refs import ChannelRef
from shequn_sdk.errors import InvalidInput

__all__ = [
    "FINAL_STATES",
    "TRANSITIONS",
    "Delivery",
    "DeliveryState",
    "LatePolicy",
    "OnUnknown",
    "Priority",
    "Receipt",
    "ReceiptStatus",
    "Transition",
    "advance",
]


class DeliveryState(StrEnum):
    """Where a delivery stands; `TRANSITIONS` says what may follow."""

    PLANNED = "planned"
    """Waits for its time and its turn."""
    BLOCKED = "blocked"
    """Waits for an approval."""
    PAUSED = "paused"
    CLAIMED = "claimed"
    """A worker holds a lease on it; nothing was sent yet."""
    ATTEMPTING = "attempting"
    """The intent is written; the request may be under way."""
    LANDED = "landed"
    REFUSED = "refused"
    """The platform said no, or attempts are spent; surely not on the platform."""
    DEFERRED = "deferred"
    """Surely not landed, will be tried again not before `not_before`."""
    UNKNOWN = "unknown"
    """Perhaps landed: to be looked up, or held for a person to say."""
    AWAITING_PERSON = "awaiting_person"
    """Handed over; a person must press send before the deadline."""
    PARTLY = "partly"
    """Of the receivers behind a hand-over, some got it."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Its time passed beyond what the late policy allows."""


_S = DeliveryState
TRANSITIONS: Mapping[DeliveryState, frozenset[DeliveryState]] = MappingProxyType(
    {
        _S.PLANNED: frozenset(
            {_S.CLAIMED, _S.CANCELLED, _S.EXPIRED, _S.BLOCKED, _S.PAUSED, _S.REFUSED, _S.PLANNED}
        ),
        _S.BLOCKED: frozenset({_S.PLANNED, _S.CANCELLED, _S.EXPIRED}),
        _S.PAUSED: frozenset({_S.PLANNED, _S.CANCELLED, _S.EXPIRED}),
        _S.CLAIMED: frozenset({_S.ATTEMPTING, _S.PLANNED, _S.DEFERRED, _S.REFUSED, _S.EXPIRED, _S.CANCELLED}),
        _S.ATTEMPTING: frozenset(
            {
                _S.LANDED,
                _S.REFUSED,
                _S.DEFERRED,
                _S.UNKNOWN,
                _S.AWAITING_PERSON,
                _S.PLANNED,
            }
        ),
        _S.DEFERRED: frozenset({_S.CLAIMED, _S.PLANNED, _S.CANCELLED, _S.EXPIRED, _S.REFUSED, _S.PAUSED}),
        _S.UNKNOWN: frozenset({_S.LANDED, _S.PLANNED, _S.REFUSED, _S.CANCELLED, _S.UNKNOWN}),
        _S.AWAITING_PERSON: frozenset({_S.LANDED, _S.PARTLY, _S.EXPIRED, _S.CANCELLED, _S.REFUSED}),
        _S.LANDED: frozenset(),
        _S.PARTLY: frozenset({_S.LANDED}),
        _S.REFUSED: frozenset({_S.PLANNED}),
        _S.CANCELLED: frozenset(),
        _S.EXPIRED: frozenset({_S.PLANNED}),
    }
)
"""The state machine. `refused` and `expired` return to `planned` only when a person asks for it."""

FINAL_STATES = frozenset({_S.LANDED, _S.REFUSED, _S.PARTLY, _S.CANCELLED, _S.EXPIRED})
"""States in which the engine does nothing more by itself."""


def advance(current: DeliveryState, new: DeliveryState) -> DeliveryState:
    """Check one step of the state machine.

    Raises:
        InvalidInput: the step is not allowed.
    """
    if new not in TRANSITIONS[current]:
        raise InvalidInput(f"a delivery cannot go from {current} to {new}")
    return new


class OnUnknown(StrEnum):
    """What to do with a delivery that perhaps landed and cannot be looked up."""

    HOLD = "hold"
    """Keep it as unknown; never send again by itself."""
    RESEND = "resend"
    """Send again, at the risk of a double post."""
    ASK = "ask"
    """Hold, and tell the operators."""


class LatePolicy(StrEnum):
    """What to do with a delivery whose time has passed."""

    SEND = "send"
    """Send when less than the grace late, expire otherwise."""
    SKIP = "skip"
    ASK = "ask"


class Priority(StrEnum):
    """Which delivery goes first when a limit makes them wait."""

    REPLY = "reply"
    NORMAL = "normal"
    CAMPAIGN = "campaign"


class Delivery(Frozen):
    """One piece of content to one channel: a row of the ledger (投递)."""

    id: int
    content_id: Identifier
    channel: ChannelRef
    platform: Name
    part: int = Field(default=0, ge=0)
    """Number of the piece, when the content had to be split."""
    parts: int = Field(default=1, ge=1)
    state: DeliveryState
    due: AwareDatetime
    not_before: AwareDatetime | None = None
    attempts: int = 0
    """Requests that were really sent (waiting for a limit does not count)."""
    priority: Priority = Priority.NORMAL
    idempotency_key: str
    error: str = ""
    error_type: str = ""
    post: Post | None = None
    deadline: AwareDatetime | None = None
    schedule_id: Identifier | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    text: str = ""
    """What is sent, for people who look at the ledger."""


class Transition(Frozen):
    """One entry of the audit trail."""

    delivery_id: int
    at: AwareDatetime
    old: DeliveryState | None
    new: DeliveryState
    cause: str
    actor: str = ""
    """Worker or person who did it."""


class ReceiptStatus(StrEnum):
    """Outcome for one channel; with several pieces, the least certain one counts."""

    LANDED = "landed"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    PENDING = "pending"
    AWAITING_PERSON = "awaiting_person"
    PARTLY = "partly"
    """A person confirmed a hand-over for some of its receivers only."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Receipt(Frozen):
    """The outcome of publishing one content to one channel (回执)."""

    id: Identifier = Field(default_factory=new_id)
    channel: ChannelRef
    status: ReceiptStatus
    posts: tuple[Post, ...] = ()
    deliveries: tuple[int, ...] = ()
    """Ids of the ledger's rows."""
    reason: str = ""
    """Why it did not land, and what to do next; "" when it did."""

    @property
    def landed(self) -> bool:
        """Whether every piece stands on the platform."""
        return self.status is ReceiptStatus.LANDED
