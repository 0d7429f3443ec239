"""Sandbox and adapters for the tests of the WeChat Work plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from shequn_sdk.domain import Account
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import SandboxServer
from shequn_wecom import shequn_sandboxes
from shequn_wecom.adapter import create
from shequn_wecom.sandbox import WecomSandbox

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


class Wecom:
    """A running sandbox with adapters in every mode."""

    def __init__(self, server: SandboxServer, clock: ManualClock, stack: AsyncExitStack) -> None:
        self.server = server
        self.clock = clock
        self.stack = stack
        sandbox = server["wecom"]
        assert isinstance(sandbox, WecomSandbox)
        self.sandbox = sandbox

    def account(self, mode: str, *, secrets: dict[str, str] | None = None, **options: Any) -> Account:
        ready = self.sandbox.describe()["accounts"][mode]
        return Account(
            name=f"my_{mode}",
            platform="wecom",
            base_url=ready["base_url"],
            secrets={k: SecretStr(v) for k, v in {**ready["secrets"], **(secrets or {})}.items()},
            options={**ready["options"], **options},
        )

    async def adapter(self, mode: str, *, secrets: dict[str, str] | None = None, **options: Any) -> Any:
        account = self.account(mode, secrets=secrets, **options)
        return await self.stack.enter_async_context(create(account, AdapterContext(clock=self.clock)))


@pytest.fixture
async def start_wecom() -> AsyncIterator[Callable[..., Awaitable[Wecom]]]:
    """Give a starter of sandboxes with options."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Wecom:
            clock = ManualClock(START)
            server = SandboxServer(shequn_sandboxes(), clock=clock, seed=7, options={"wecom": options})
            await stack.enter_async_context(server)
            return Wecom(server, clock, stack)

        yield start


@pytest.fixture
async def wecom(start_wecom: Callable[..., Awaitable[Wecom]]) -> Wecom:
    """Give a running sandbox."""
    return await start_wecom()
