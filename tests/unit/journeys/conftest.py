"""A community on a sandboxed Telegram and on a platform without any account, with a clock that is moved by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shequn_sdk import AsyncShequn, Community, Interaction, InteractionKind
from shequn_sdk.domain import ChannelRef
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

START = datetime(2026, 3, 2, 4, tzinfo=UTC)  # a Monday, 12:00 in Shanghai


class Town:
    """A group on Telegram, and people who act in it or elsewhere."""

    def __init__(self, sq, clock, sandbox, channel):
        self.sq, self.clock, self.sandbox, self.channel, self.number = sq, clock, sandbox, channel, 0

    def person(self, name):
        return Person(id=name, name=name)

    def ref(self, name):
        return f"telegram:{self.sandbox.member_id(self.person(name))}"

    async def listen(self):
        while await self.sq.poll_once():
            await self.sq.process()

    async def join(self, name):
        self.sandbox.join(self.channel, self.person(name))
        await self.listen()

    async def say(self, name, text):
        self.sandbox.say(self.channel, self.person(name), text)
        await self.listen()

    async def elsewhere(self, member, kind="message", text=""):
        """Somebody acts on a platform on which we have no account."""
        platform, _, native = member.partition(":")
        self.number += 1
        event = Interaction(
            id=f"e{self.number}",
            kind=InteractionKind(kind),
            platform=platform,
            member=native,
            member_name=native,
            occurred_at=self.clock.now(),
            text=text,
        )
        await self.sq._workspace.record([event], community="club")
        await self.sq.process()

    async def until(self, instant):
        """Let time pass: schedules fire, deliveries land."""
        scheduler = await self.sq._workspace.scheduler()
        while (following := await scheduler.next_due()) is not None and following <= instant:
            self.clock.move_to(max(following, self.clock.now()))
            await self.sq.deliver_due()
        self.clock.move_to(max(instant, self.clock.now()))
        await self.sq.deliver_due()

    def said(self, channel=None):
        """What we said, oldest first."""
        return [
            one.text for one in reversed(self.sandbox.messages(channel or self.channel)) if one.by_account
        ]


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
async def town(tmp_path, clock):
    plugins = load_plugins(only=["telegram"])
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as server:
        sandbox = server["telegram"]
        channel = sandbox.create_channel("读书会")
        account = server.account("telegram", name="bot")
        community = Community(
            name="club", title="读书会", channels=(ChannelRef(account="bot", native_id=channel),)
        )
        async with AsyncShequn.open(
            home=tmp_path, accounts=[account], communities=[community], plugins=plugins, clock=clock
        ) as sq:
            yield Town(sq, clock, sandbox, channel)
