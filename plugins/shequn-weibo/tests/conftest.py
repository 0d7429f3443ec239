"""Sandbox and adapters for the tests of the Weibo plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import Person, SandboxServer
from shequn_weibo import shequn_sandboxes
from shequn_weibo.adapter import WeiboAdapter
from shequn_weibo.sandbox import WeiboSandbox

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
LINK = "https://club.example.com/d7"


class Weibo:
    """A running sandbox, and adapters for it."""

    def __init__(self, server: SandboxServer, clock: ManualClock, stack: AsyncExitStack) -> None:
        self.server = server
        self.clock = clock
        self.stack = stack
        sandbox = server["weibo"]
        assert isinstance(sandbox, WeiboSandbox)
        self.sandbox = sandbox
        self.uid = sandbox.describe()["uid"]

    async def adapter(self, **options: Any) -> WeiboAdapter:
        account = self.server.account("weibo", name="club")
        account = account.model_copy(update={"options": {**account.options, **options}})
        return await self.stack.enter_async_context(WeiboAdapter(account, AdapterContext(clock=self.clock)))

    def person(self, number: int = 0) -> Person:
        return Person(id=f"p{number}", name=f"成员{number}")


@pytest.fixture
async def start_weibo() -> AsyncIterator[Callable[..., Awaitable[Weibo]]]:
    """Give a starter of sandboxes with options."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Weibo:
            clock = ManualClock(START)
            server = SandboxServer(shequn_sandboxes(), clock=clock, seed=7, options={"weibo": options})
            await stack.enter_async_context(server)
            return Weibo(server, clock, stack)

        yield start


@pytest.fixture
async def weibo(start_weibo: Callable[..., Awaitable[Weibo]]) -> Weibo:
    """Give a running sandbox."""
    return await start_weibo()
