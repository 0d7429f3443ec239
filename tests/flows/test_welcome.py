"""The welcome ceremony on WeChat Work: the platform's own welcome while its 20 seconds run, else another way."""

from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, ChannelRef, Community
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.ports import RawEvent
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

START = datetime(2026, 3, 2, 15, tzinfo=UTC)  # 23:00 in Shanghai: a welcome does not wait for the morning


@pytest.fixture
async def shop(tmp_path):
    plugins = load_plugins(only=["wecom"])
    clock = ManualClock(START)
    options = {"wecom": {"mode": "customer", "no_customers": True}}
    async with SandboxServer([plugins.sandbox("wecom")], clock=clock, options=options) as server:
        sandbox = server["wecom"]
        ready = sandbox.describe()["accounts"]["customer"]
        account = server.account("wecom", name="shop").model_copy(
            update={
                "options": ready["options"],
                "secrets": {key: _secret(value) for key, value in ready["secrets"].items()},
            }
        )
        club = Community(
            name="club", title="读书会", channels=(ChannelRef(account="shop", native_id="customers"),)
        )
        async with AsyncShequn.open(
            home=tmp_path, accounts=[account], communities=[club], plugins=plugins, clock=clock
        ) as sq:
            await sq.journeys.save(sq.journeys.template("welcome"))
            yield sq, sandbox, clock


def _secret(value):
    from pydantic import SecretStr

    return SecretStr(value)


async def hear(sq, sandbox, *, times=1):
    """What the platform would call back with, as the webhook stores it once it is verified."""
    inbox = await sq._workspace.inbox()
    for number, plain in enumerate(list(sandbox.callbacks.waiting)):
        for time in range(times):
            await inbox.add("shop", [RawEvent(f"event/{number}/{time}/{hash(plain)}", plain.encode())])
    await sq.process()


async def test_welcomed_by_the_platforms_own_welcome_once(shop):
    sq, sandbox, _ = shop
    sandbox.join("customers", Person(id="anna", name="安娜"))
    await hear(sq, sandbox, times=2)
    [(who, body)] = sandbox.world.welcomed
    assert "加入读书会" in body["text"]["content"]
    [run] = await sq.journeys.runs("welcome")
    assert run.member.native_id == who
    assert [(one.state, one.form) for one in run.records] == [("sent", "welcome")]
    assert await sq.deliveries.list() == []


async def test_too_late_for_it_another_way_is_taken(shop):
    sq, sandbox, clock = shop
    sandbox.join("customers", Person(id="bo", name="阿波"))
    clock.advance(timedelta(seconds=25))
    await hear(sq, sandbox)
    assert sandbox.world.welcomed == []
    [run] = await sq.journeys.runs("welcome")
    [record] = run.records
    assert record.form in {"channel", "task"}
    assert "20 s" in record.note
