"""A community on two sandboxes whose members do what a test says, without waiting for the platforms' events."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel
import pytest

from shequn_sdk import AsyncShequn, Community, Interaction, InteractionKind
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

START = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Monday, noon in Shanghai."""


class PassingClock(ManualClock):
    """Lets time pass where an adapter waits for a platform's limit: nobody else would move it meanwhile."""

    async def sleep(self, seconds: float) -> None:
        if seconds > 10:
            await super().sleep(seconds)
        else:
            await anyio.lowlevel.checkpoint()
            self.advance(seconds)


@dataclass
class Scene:
    """A workspace, its two channels, and members who act in them."""

    sq: AsyncShequn
    clock: ManualClock
    sandbox: SandboxServer
    channels: dict[str, str]
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    joined: set[tuple[str, str]] = field(default_factory=set)

    @property
    def to(self) -> list[str]:
        return [f"{name}:{channel}" for name, channel in self.channels.items()]

    def event(self, member: str, kind: str = "message", *, at=None, **more) -> Interaction:
        """What `platform:id` does; a fresh id each time unless one is given."""
        platform, _, native = member.partition(":")
        number = next(self.numbers)
        if kind == "message" and "message" not in more and platform in self.channels:
            # stands there really, so that it can be answered
            person = Person(native, more.get("name", f"成员{native}"))
            room = self.sandbox[platform]
            if (platform, native) not in self.joined:
                room.join(self.channels[platform], person)
                self.joined.add((platform, native))
            more["message"] = room.say(self.channels[platform], person, "…")
        base = {
            "id": f"event:{number}",
            "kind": InteractionKind(kind),
            "platform": platform,
            "account": platform,
            "channel": self.channels[platform],
            "member": native,
            "member_name": more.pop("name", f"成员{native}"),
            "occurred_at": at or self.clock.now(),
            "message": f"m{number}",
        }
        return Interaction(**{**base, **more})

    async def hear(self, *events: Interaction) -> None:
        """Let what members did be heard and handled, and what follows be said."""
        await self.sq._workspace.record(events, community="club")
        await self.sq.drain()

    async def says(self, member: str, text: str, **more) -> Interaction:
        event = self.event(member, text=text, **more)
        await self.hear(event)
        return event

    async def pass_time(self, span: timedelta) -> None:
        """Let time pass, and do what becomes due on the way."""
        scheduler = await self.sq._workspace.scheduler()
        await scheduler.drain(until=self.clock.now() + span)
        await self.sq.drain()

    def said(self, platform: str) -> list[str]:
        """What our account said on a platform, oldest first."""
        messages = self.sandbox[platform].messages(self.channels[platform], limit=200)
        return [one.text for one in reversed(messages) if one.by_account]

    async def merge(self, first: str, second: str) -> None:
        """Make two members one person, in the store itself: the rooms read only `identity.person_id`."""
        from sqlalchemy import update

        from shequn_sdk.stores.tables.members import identity

        store = await self.sq._workspace.store()
        person = await self.sq.members.person_of(first)
        platform, _, native = second.partition(":")
        await store.write(
            lambda conn: conn.execute(
                update(identity)
                .where(identity.c.platform == platform, identity.c.native_id == native)
                .values(person_id=person)
            )
        )


@pytest.fixture
async def scene(tmp_path) -> AsyncIterator[Scene]:
    plugins = load_plugins()
    clock = PassingClock(START)
    specs = [plugins.sandbox(name) for name in ("telegram", "discord")]
    async with SandboxServer(specs, clock=clock) as sandbox:
        channels = {name: sandbox[name].create_channel("健康养生社") for name in ("telegram", "discord")}
        community = Community(
            name="club", title="健康养生社", channels=[f"{name}:{one}" for name, one in channels.items()]
        )
        async with AsyncShequn.open(
            home=tmp_path,
            accounts=[sandbox.account(name) for name in channels],
            communities=[community],
            clock=clock,
            plugins=plugins,
        ) as sq:
            yield Scene(sq, clock, sandbox, channels)
