"""A square in memory: a platform that has everything, and keeps its own log of what people did."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from shequn_sdk.errors import PermissionDenied
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing import BaseSandbox, NoFaults, SandboxChannel, SandboxContext, SandboxMessage


class Square(BaseSandbox):
    """Takes every act and writes it down."""

    platform = "square"
    app = None

    def __init__(self, context: SandboxContext, *, shop: bool = True) -> None:
        super().__init__(context)
        self.log: list[tuple[datetime, str, str, str]] = []
        self.posts: list[SandboxMessage] = []
        self.inside: set[str] = set()
        self.banned: set[str] = set()
        self.invites: list[str] = []
        if shop:
            self.buy = self._buy

    def describe(self) -> dict[str, Any]:
        return {"base_url": self.context.base_url}

    def channels(self) -> Sequence[SandboxChannel]:
        return [SandboxChannel(native_id="main", title="广场", members=len(self.inside))]

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        return self.posts[::-1][:limit]

    def publish(self, text: str, *, choices: tuple[str, ...] = ()) -> str:
        number = f"post{len(self.posts)}"
        message = SandboxMessage(
            channel="main",
            native_id=number,
            author_id="me",
            author_name="我",
            by_account=True,
            text=text,
            at=self.now(),
            choices=tuple((choice, 0) for choice in choices),
        )
        self.posts.append(message)
        return number

    def _did(self, act: str, person, detail: str = "") -> str:
        if act not in {"join", "leave"}:
            if person.id in self.banned:
                raise PermissionDenied("banned")
            assert person.id in self.inside, f"{person.id} is not inside and does {act}"
        self.log.append((self.now(), act, person.id, detail))
        return f"{act}{len(self.log)}"

    def join(self, channel, person, *, invite="") -> None:
        assert person.id not in self.inside
        self.inside.add(person.id)
        self.invites.append(invite)
        self._did("join", person)

    def leave(self, channel, person) -> None:
        self.inside.remove(person.id)
        self._did("leave", person)

    def say(self, channel, person, text, *, reply_to="") -> str:
        return self._did("say", person, text)

    def react(self, channel, person, message, emoji) -> None:
        self._did("react" if emoji else "unreact", person, message)

    def share(self, channel, person, message) -> str:
        return self._did("share", person, message)

    def vote(self, channel, person, message, choice) -> None:
        self._did("vote", person, message)

    def _buy(self, channel, person, *, item, amount, currency) -> str:
        return self._did("buy", person, f"{item} {amount} {currency}")


class Billboard(BaseSandbox):
    """Has nothing but messages of its account."""

    platform = "billboard"
    app = None

    def describe(self) -> dict[str, Any]:
        return {}

    def channels(self) -> Sequence[SandboxChannel]:
        return []

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        return []


@pytest.fixture
def square_clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 16, tzinfo=UTC))


@pytest.fixture
def make_square():
    def make(clock: ManualClock, kind: type[BaseSandbox] = Square, **named: Any) -> Any:
        context = SandboxContext(
            clock=clock,
            rng=random.Random(1),
            base_url="http://127.0.0.1:1/square",
            faults=NoFaults(),
            call_back=None,
        )
        return kind(context, **named)

    return make


@pytest.fixture
def billboard_class() -> type[BaseSandbox]:
    return Billboard
