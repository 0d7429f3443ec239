"""A sandbox with a clock that is moved by hand, and adapters on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from shequn_sdk.domain import Account
from shequn_sdk.platforms.hooks import AdapterContext, SandboxSpec
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import Person, SandboxServer
from shequn_telegram import shequn_sandboxes
from shequn_telegram.adapter import TelegramAdapter
from shequn_telegram.sandbox import TelegramSandbox

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LI = Person(id="li", name="李雷", username="li_sandbox")
HAN = Person(id="han", name="韩梅梅", username="han_sandbox")
NEW = Person(id="new", name="新人", username="newbie")
TOKEN = "7000000009:AAF-token-only-for-tests-000"


class Place:
    """A running sandbox with an adapter."""

    def __init__(self, server: SandboxServer, clock: ManualClock, adapter: TelegramAdapter) -> None:
        self.server = server
        self.clock = clock
        self.adapter = adapter
        self.sandbox: TelegramSandbox = server["telegram"]  # type: ignore[assignment]
        named = self.sandbox.describe()["named_channels"]
        self.group: str = named["supergroup"]
        self.basic: str = named["group"]
        self.channel: str = named["channel"]
        self.forum: str = named["forum"]
        self.discussion: str = named["discussion"]
        self.cursor: str | None = None

    async def hear(self) -> list:
        """Receive once and read everything."""
        batch = await self.adapter.receive(self.cursor)
        self.cursor = batch.cursor or None
        return [i for raw in batch.events for i in self.adapter.parse(raw).interactions]


def tg_specs() -> list[SandboxSpec]:
    return list(shequn_sandboxes())


@pytest.fixture
async def tg(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    options = getattr(request, "param", {})
    clock = ManualClock(NOW)
    async with SandboxServer(tg_specs(), clock=clock, seed=7, options={"telegram": options}) as server:
        account = server.account("telegram", name="health_bot")
        account = account.model_copy(update={"options": {"poll_timeout": 0}})
        async with TelegramAdapter(account, AdapterContext(clock=clock)) as adapter:
            place = Place(server, clock, adapter)
            await place.hear()  # sets allowed_updates
            yield place


def tg_account(base_url: str = "http://tg.test") -> Account:
    return Account(
        name="health_bot",
        platform="telegram",
        base_url=base_url,
        secrets={"token": SecretStr(TOKEN), "webhook_secret": SecretStr("s3cret-token")},
    )
