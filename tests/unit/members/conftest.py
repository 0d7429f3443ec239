"""A workspace with a community over two made-up platforms, and what happens in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shequn_sdk import AsyncShequn, Community, Interaction, InteractionKind
from shequn_sdk.scheduling.clock import ManualClock

START = datetime(2026, 3, 1, 4, tzinfo=UTC)


class Club:
    """Lets members act, and processes it."""

    def __init__(self, sq: AsyncShequn, clock: ManualClock) -> None:
        self.sq, self.clock, self.number = sq, clock, 0

    async def act(self, member, kind="message", *, text="", name=None, at=None, community="club", **more):
        platform, _, native = member.partition(":")
        self.number += 1
        event = Interaction(
            id=more.pop("id", f"e{self.number}"),
            kind=InteractionKind(kind),
            platform=platform,
            member=native,
            member_name=native if name is None else name,
            occurred_at=at or self.clock.now(),
            text=text,
            channel=more.pop("channel", f"c-{platform}"),
            account=platform,
            **more,
        )
        await self.sq._workspace.record([event], community=community)
        await self.sq.process()
        return event


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
async def club(tmp_path, clock):
    async with AsyncShequn.open(
        home=tmp_path, communities=[Community(name="club", title="读书会")], clock=clock
    ) as sq:
        yield Club(sq, clock)
