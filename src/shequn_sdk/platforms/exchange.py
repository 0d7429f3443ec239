"""What passes between an adapter and the core: raw events and what they mean, webhook requests, counters, entrances.

Plugins import these from `platforms.ports`, beside the protocols whose methods take and give them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shequn_sdk.domain import Interaction, Post

__all__ = [
    "Confirmation",
    "Invite",
    "Parsed",
    "PostNumbers",
    "RawBatch",
    "RawEvent",
    "WebhookReply",
    "WebhookRequest",
]


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One event as the platform sent it, before anything but its identity was looked at."""

    event_id: str
    """Unique per account; a redelivery has the same."""
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """What of the transport is needed to read it; never secrets."""


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Some events and the cursor that acknowledges them."""

    events: Sequence[RawEvent]
    cursor: str
    """Give it to the next `receive` once the events are stored durably; that acknowledges them."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one raw event means."""

    kind: str
    """The platform's own name of the event type."""
    interactions: Sequence[Interaction] = ()
    known: bool = True
    """False for event types this adapter does not know: kept raw, counted, not an error."""


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """An inbound HTTP request, as bytes; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookReply:
    """What a verified webhook gives: events to store, then an answer to send."""

    events: Sequence[RawEvent] = ()
    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Invite:
    """A named way into a channel (入口): invite link, contact way, join way."""

    id: str
    url: str
    name: str = ""
    uses: int | None = None
    """None when the platform does not count."""
    expires_at: datetime | None = None
    max_uses: int | None = None
    needs_approval: bool = False
    attrs: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class PostNumbers:
    """Counters of one post as the platform tells them; None is not reported, never 0."""

    native_id: str
    measured_at: datetime
    views: int | None = None
    reactions: int | None = None
    comments: int | None = None
    shares: int | None = None
    votes: int | None = None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How far a hand-over that a person must confirm has come."""

    sent: int
    pending: int
    failed: int = 0
    posts: Sequence[Post] = ()
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])
    """Why receivers did not get it, with how many."""
