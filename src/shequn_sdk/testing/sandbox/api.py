"""What a platform's sandbox implements, and what the sandbox runtime gives it.

A sandbox is a local server that behaves like a platform. The plugin brings an ASGI application with the platform's
shapes, limits and errors, and a few methods by which simulated members act. The runtime brings the server, the clock,
the seed, faults, outbound callbacks, and the page that shows what happens.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from shequn_sdk.domain import Clock

__all__ = [
    "CallbackResult",
    "Fault",
    "FaultKind",
    "FaultSource",
    "Person",
    "PlatformSandbox",
    "SandboxChannel",
    "SandboxContext",
    "SandboxMessage",
]


@dataclass(frozen=True, slots=True)
class Person:
    """A simulated person; platforms give them native ids of their own (`PlatformSandbox.member_id`)."""

    id: str
    name: str
    username: str = ""
    language: str = "zh"
    is_bot: bool = False
    birthday: date | None = None


@dataclass(frozen=True, slots=True)
class SandboxChannel:
    """A channel as the sandbox's page shows it."""

    native_id: str
    title: str
    kind: str = "group"
    members: int = 0


@dataclass(frozen=True, slots=True)
class SandboxMessage:
    """A message that stands in a channel of the sandbox."""

    channel: str
    native_id: str
    author_id: str
    author_name: str
    by_account: bool
    """Whether the account under test wrote it."""
    text: str
    at: datetime
    reactions: Mapping[str, int] = field(default_factory=dict[str, int])
    attachments: int = 0
    choices: Sequence[tuple[str, int]] = ()
    """Choices of a poll with their votes."""
    waiting_for_person: bool = False
    """A mass message that nobody has confirmed yet."""


class FaultKind(StrEnum):
    """Something that goes wrong."""

    RATE_LIMIT = "rate_limit"
    """Answer with the platform's 429; nothing happens."""
    SERVER_ERROR = "server_error"
    """Answer 502; nothing happens."""
    SERVER_ERROR_AFTER = "server_error_after"
    """It happens, then the answer is 502."""
    RESET_BEFORE = "reset_before"
    """The connection breaks before anything happens."""
    RESET_AFTER = "reset_after"
    """It happens, then the connection breaks before the answer."""
    SLOW = "slow"
    """The answer comes `delay` seconds late (real time)."""
    MALFORMED = "malformed"
    """It happens, and the answer is cut in the middle."""
    DUPLICATE_EVENT = "duplicate_event"
    LATE_EVENT = "late_event"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to play."""

    kind: FaultKind
    delay: float = 0.0
    """Seconds: of a slow answer, or of Retry-After."""


@runtime_checkable
class FaultSource(Protocol):
    """Decides, by seed, what goes wrong."""

    def for_request(self, platform: str, operation: str) -> Fault | None:
        """Give the fault for one request, None for none."""
        ...

    def for_event(self, platform: str) -> Fault | None:
        """Give the fault for one event: DUPLICATE_EVENT, LATE_EVENT or None."""
        ...


@dataclass(frozen=True, slots=True)
class CallbackResult:
    """What a webhook of the SDK answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class SandboxContext:
    """What the runtime hands to each platform's sandbox."""

    clock: Clock
    rng: random.Random
    base_url: str
    """Where the platform's `app` is mounted, for example `http://127.0.0.1:8023/telegram`, no slash at the end."""
    faults: FaultSource
    call_back: Callable[[str, bytes, Mapping[str, str]], Awaitable[CallbackResult]]
    """POST a body with headers to a URL on this machine; never raises, a network failure is status 0."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What a test sets: strict limits, permissions, mode …; each plugin documents its own keys."""

    @property
    def ws_url(self) -> str:
        """`base_url` with the websocket scheme."""
        return "ws" + self.base_url.removeprefix("http")


@runtime_checkable
class PlatformSandbox(Protocol):
    """A platform's sandbox. Acting methods raise `NotSupported` where the platform has nothing like it."""

    platform: str
    app: Any
    """ASGI application, mounted at `/<platform>`; it sees paths without that prefix (`root_path` holds it)."""

    def describe(self) -> dict[str, Any]:
        """Give what a client needs.

        `base_url`, further URLs, `token` or other secrets by their settings names in `secrets`, `options` for the
        account, `channels` and `members` (ready-made native ids).
        """
        ...

    async def start(self) -> None:
        """Start background work, if any; the server accepts connections already."""
        ...

    async def stop(self) -> None:
        """Stop background work and end waiting requests."""
        ...

    def operation(self, method: str, path: str) -> str:
        """Name the operation of a request for fault rules: `publish`, `read`, `receive` or the platform's own name."""
        ...

    def rate_limited(self, retry_after: float) -> tuple[int, Mapping[str, str], bytes]:
        """Give the platform's answer for too many requests: status, headers, body."""
        ...

    def channels(self) -> Sequence[SandboxChannel]:
        """Give all channels."""
        ...

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        """Give the newest messages of a channel, newest first."""
        ...

    def member_id(self, person: Person) -> str:
        """Give the native id under which the platform knows `person` (always the same)."""
        ...

    def create_channel(self, title: str, *, kind: str = "group") -> str:
        """Make a channel in which the account under test has all rights; gives its native id."""
        ...

    def join(self, channel: str, person: Person, *, invite: str = "") -> None:
        """Let a person join, through the invite with that id or URL when given."""
        ...

    def leave(self, channel: str, person: Person) -> None:
        """Let a person leave."""
        ...

    def say(self, channel: str, person: Person, text: str, *, reply_to: str = "") -> str:
        """Let a person write; gives the message's native id."""
        ...

    def react(self, channel: str, person: Person, message: str, emoji: str) -> None:
        """Let a person react; "" takes all their reactions away."""
        ...

    def share(self, channel: str, person: Person, message: str) -> str:
        """Let a person forward or repost a message; gives the new message's native id."""
        ...

    def vote(self, channel: str, person: Person, message: str, choice: int) -> None:
        """Let a person vote for the choice with that index; -1 withdraws the vote."""
        ...

    def press(self, channel: str, person: Person, message: str, data: str) -> None:
        """Let a person press the button with that data."""
        ...

    def confirm(self, channel: str, task: str) -> None:
        """Let the person in charge press send for a task that waits for it."""
        ...
