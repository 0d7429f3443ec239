"""What most platform sandboxes share: people and their native ids, and honest refusals."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

from shequn_sdk.errors import NotSupported
from shequn_sdk.testing.sandbox.api import Person, SandboxChannel, SandboxContext, SandboxMessage

__all__ = ["BaseSandbox"]


class BaseSandbox(ABC):
    """A start for a platform's sandbox: derive, set `platform` and `app`, and override what the platform has.

    Acting methods that a subclass does not override raise `NotSupported`, with the reason from `reasons` when the
    class gives one (`reasons = {"vote": "…"}`). A person gets the same native id in every run, made from their id;
    override `native_id` for the platform's form of ids.
    """

    platform: str
    app: Any
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Why an act is missing, by the method's name."""

    def __init__(self, context: SandboxContext) -> None:
        self.context = context
        self._native: dict[str, str] = {}
        self._people: dict[str, Person] = {}

    # people

    def native_id(self, person: Person, attempt: int) -> str:
        """Make a native id for a person that has none; `attempt` counts up while ids clash.

        By default a decimal number of nine digits that depends on the person's id only.
        """
        digest = hashlib.blake2b(f"{person.id}/{attempt}".encode(), digest_size=8).digest()
        return str(100_000_000 + int.from_bytes(digest) % 900_000_000)

    def member_id(self, person: Person) -> str:
        """Give the native id under which the platform knows `person` (always the same)."""
        known = self._native.get(person.id)
        if known is not None:
            if self._people[known] != person:
                self._people[known] = person
            return known
        attempt = 0
        native = self.native_id(person, attempt)
        while native in self._people:
            attempt += 1
            native = self.native_id(person, attempt)
        self._native[person.id] = native
        self._people[native] = person
        return native

    def person(self, native: str) -> Person | None:
        """Give the person behind a native id, None for an unknown one."""
        return self._people.get(native)

    def people(self) -> Mapping[str, Person]:
        """Give everybody the platform knows, by native id, in the order in which they came."""
        return MappingProxyType(self._people)

    # what the runtime asks

    def now(self) -> datetime:
        """Give the present instant of the sandbox's clock, in UTC."""
        return self.context.clock.now()

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Give what a client needs: `base_url`, `secrets`, `options`, `channels`, `members` and further URLs."""

    @abstractmethod
    def channels(self) -> Sequence[SandboxChannel]:
        """Give all channels."""

    @abstractmethod
    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        """Give the newest messages of a channel, newest first."""

    async def start(self) -> None:  # noqa: B027 - most platforms need no background work
        """Start background work, if any."""

    async def stop(self) -> None:  # noqa: B027 - most platforms need no background work
        """Stop background work and end waiting requests."""

    def operation(self, method: str, path: str) -> str:
        """Name the operation of a request for fault rules; by default `read` for GET and `publish` for the rest."""
        return "read" if method in {"GET", "HEAD"} else "publish"

    def rate_limited(self, retry_after: float) -> tuple[int, Mapping[str, str], bytes]:
        """Give a plain 429 with `Retry-After`; override it with the platform's own form."""
        return (
            429,
            {"retry-after": f"{max(retry_after, 0.0):.3f}".rstrip("0").rstrip(".")},
            b"too many requests",
        )

    # what simulated people do

    def create_channel(self, title: str, *, kind: str = "group") -> str:
        """Refuse: this platform's sandbox makes no channels."""
        self.refuse("create_channel")

    def join(self, channel: str, person: Person, *, invite: str = "") -> None:
        """Refuse: nobody joins here."""
        self.refuse("join")

    def leave(self, channel: str, person: Person) -> None:
        """Refuse: nobody leaves here."""
        self.refuse("leave")

    def say(self, channel: str, person: Person, text: str, *, reply_to: str = "") -> str:
        """Refuse: members do not write here."""
        self.refuse("say")

    def react(self, channel: str, person: Person, message: str, emoji: str) -> None:
        """Refuse: there are no reactions here."""
        self.refuse("react")

    def share(self, channel: str, person: Person, message: str) -> str:
        """Refuse: nothing is shared here."""
        self.refuse("share")

    def vote(self, channel: str, person: Person, message: str, choice: int) -> None:
        """Refuse: there are no polls here."""
        self.refuse("vote")

    def press(self, channel: str, person: Person, message: str, data: str) -> None:
        """Refuse: there are no buttons here."""
        self.refuse("press")

    def confirm(self, channel: str, task: str) -> None:
        """Refuse: nothing waits for a person here."""
        self.refuse("confirm")

    def refuse(self, act: str) -> NoReturn:
        """Say that the platform has no such act.

        Raises:
            NotSupported: always.
        """
        reason = self.reasons.get(act, "the platform has nothing like it")
        raise NotSupported(
            f"{self.platform}'s sandbox cannot {act}: {reason}", platform=self.platform, capability=act
        )
