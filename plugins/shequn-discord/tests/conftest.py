from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from shequn_discord import shequn_sandboxes
from shequn_discord.adapter import DiscordAdapter
from shequn_sdk.domain import Account
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.testing.sandbox import SandboxServer


class Place:
    """A running sandbox and a bot on it."""

    def __init__(self, server: SandboxServer, adapter: DiscordAdapter, account: Account) -> None:
        self.server = server
        self.sandbox = server["discord"]
        self.adapter = adapter
        self.account = account
        self.described = self.sandbox.describe()
        self.channel = self.described["named_channels"]["general"]


@asynccontextmanager
async def run(clock=None, options=None, account_options=None, secrets=None) -> AsyncIterator[Place]:
    clock = clock or SystemClock()
    async with SandboxServer(
        shequn_sandboxes(), clock=clock, seed=5, options={"discord": options or {}}
    ) as server:
        account = server.account("discord", name="club")
        account = account.model_copy(
            update={"options": {**account.options, "receive_wait": 3.0, **(account_options or {})}}
        )
        async with DiscordAdapter(account, AdapterContext(clock=clock, timeout=5.0)) as adapter:
            yield Place(server, adapter, account)


@pytest.fixture
async def discord_place() -> AsyncIterator[Place]:
    async with run(options={"strict_limits": False}) as place:
        yield place


@pytest.fixture
def discord_noon() -> datetime:
    return datetime(2026, 6, 21, 12, tzinfo=UTC)


@pytest.fixture
def discord_run():
    return run
