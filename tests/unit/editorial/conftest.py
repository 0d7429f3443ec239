from datetime import UTC, datetime

import pytest

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing import ManualClock
from shequn_sdk.testing.sandbox.server import SandboxServer

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Monday noon in Shanghai."""


class Place:
    """A workspace on the Telegram sandbox, with a community of two groups."""

    def __init__(self, sq, sandbox, clock, groups):
        self.sq = sq
        self.platform = sandbox["telegram"]
        self.clock = clock
        self.one, self.two = (f"bot:{group}" for group in groups)

    def posts(self, channel):
        return [one.text for one in reversed(self.platform.messages(channel.partition(":")[2], limit=200))]

    async def pass_to(self, at):
        """Let time pass, with everything that happens on the way."""
        self.clock.move_to(at)
        while await self.sq.poll_once():
            await self.sq.process()
        await self.sq.deliver_due()


@pytest.fixture
async def place(tmp_path):
    clock = ManualClock(NOW)
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        groups = [sandbox["telegram"].create_channel(title) for title in ("健康养生社", "管理组")]
        refs = [f"bot:{group}" for group in groups]
        async with AsyncShequn.open(
            home=tmp_path,
            # an empty look at the platform comes back at once, not after a long poll of real seconds
            accounts=[
                sandbox.account("telegram", name="bot").model_copy(update={"options": {"poll_timeout": 0}})
            ],
            communities=[Community(name="health", title="健康养生社", channels=refs)],
            plugins=plugins,
            clock=clock,
        ) as sq:
            yield Place(sq, sandbox, clock, groups)
