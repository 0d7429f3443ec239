"""Where simulated members live, who they are, and what is going on around them."""

from __future__ import annotations

import inspect
import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol, runtime_checkable

from shequn_sdk.testing.sandbox.api import Person, PlatformSandbox
from shequn_sdk.testing.world import Personality, Traits

__all__ = ["Entrance", "Place", "Room", "Said", "Shop", "SimulatedMember", "find_shop"]

_HOUR = timedelta(hours=1)
_KEEP = 60
_KEEP_POSTS = 20
_RECENT = timedelta(hours=60)
_GIVE_UP = 3


@runtime_checkable
class Shop(Protocol):
    """What a platform's sandbox may have besides `PlatformSandbox`: people can buy."""

    def buy(self, channel: str, person: Person, *, item: str, amount: Decimal, currency: str) -> str:
        """Let a person pay; gives the payment's native id."""
        ...


def find_shop(sandbox: PlatformSandbox) -> Shop | None:
    """Give the sandbox as a shop when it is one; a `buy` with other arguments is something of the plugin's own."""
    if not isinstance(sandbox, Shop):
        return None
    taken = inspect.signature(sandbox.buy).parameters
    return sandbox if {"item", "amount", "currency"} <= set(taken) else None


@dataclass(frozen=True, slots=True)
class Entrance:
    """A way by which newcomers come (入口)."""

    name: str
    invite: str = ""
    """Id or URL of the invite that the platform made; "" is without one."""
    weight: float = 1.0
    quality: float = 1.0
    """How long those who come this way stay, against the usual."""


@dataclass(frozen=True, slots=True)
class Place:
    """A channel in which the community lives."""

    sandbox: PlatformSandbox
    channel: str
    weight: float = 1.0
    """Share of newcomers, against the other places."""
    entrances: tuple[Entrance, ...] = ()
    talk: bool = True
    """False where members cannot write by themselves: they only react, vote and share."""


@dataclass(slots=True)
class SimulatedMember:
    """A simulated person in one or more places."""

    person: Person
    personality: Personality
    traits: Traits
    joined_at: datetime
    places: list[int]
    silent_from: datetime | None = None
    silent_until: datetime | None = None
    """None with `silent_from` set: for good."""
    left_at: datetime | None = None
    check_ins: int = 0
    checked_in_on: date | None = None
    refused: int = 0
    entrance: str = ""
    """Name of the one by which they came first."""

    def enthusiasm(self, now: datetime) -> float:
        """Give what is left of a newcomer's energy: 1 at first, later about 0.4; 0 while silent or gone."""
        if self.left_at is not None or self.refused >= _GIVE_UP:
            return 0.0
        begun = self.silent_from is not None and self.silent_from <= now
        if begun and (self.silent_until is None or now < self.silent_until):
            return 0.0
        days = (now - self.joined_at) / timedelta(days=1)
        return 0.4 + 0.6 * 0.95**days


@dataclass(slots=True)
class Said:
    """A message that members may answer, react to, share or vote in."""

    native_id: str
    author: str
    at: datetime
    weight: float
    choices: int = 0


@dataclass(slots=True)
class Room:
    """What is going on in one place."""

    place: Place
    recent: list[Said] = field(default_factory=list[Said])
    posts: list[Said] = field(default_factory=list[Said])
    """What the account under test published; not drowned by chatter."""
    known: set[str] = field(default_factory=set[str])
    touched: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])
    missing: set[str] = field(default_factory=set[str])
    """Acts that the platform does not have."""

    def hear(self, said: Said) -> None:
        """Take note of a message."""
        self.recent.append(said)
        del self.recent[:-_KEEP]

    def choose(self, rng: random.Random, person: str, now: datetime, *, act: str = "") -> Said | None:
        """Choose a message of somebody else: new ones, our account's and opinion leaders' come first."""
        since = now - _RECENT
        found = [
            said
            for said in (*self.posts, *self.recent)
            if said.author != person
            and said.at > since
            and (not act or (person, act, said.native_id) not in self.touched)
        ]
        if not found:
            return None
        weights = [
            said.weight * (0.9 if said.author else 0.97) ** ((now - said.at) / _HOUR) + 1e-9 for said in found
        ]
        return rng.choices(found, weights)[0]

    def look(self) -> None:
        """Notice what the account under test has published."""
        for message in reversed(self.place.sandbox.messages(self.place.channel, limit=30)):
            if message.by_account and not message.waiting_for_person and message.native_id not in self.known:
                self.known.add(message.native_id)
                self.posts.append(Said(message.native_id, "", message.at, 6.0, len(message.choices)))
        del self.posts[:-_KEEP_POSTS]
