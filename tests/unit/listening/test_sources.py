from __future__ import annotations

import random
from datetime import timedelta

import anyio
import pytest

from shequn_sdk.errors import AuthFailed, Conflict, NotSupported, RateLimited, StoreFull, Unavailable
from shequn_sdk.listening.inbox import Added
from shequn_sdk.listening.sources import SourceRunner, SourceState
from shequn_sdk.platforms.ports import RawBatch

from .conftest import EchoAdapter, FakeAccounts, raw


async def settle() -> None:
    for _ in range(20):
        await anyio.sleep(0.005)


async def until(condition, seconds: float = 300.0) -> None:
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - any condition
            await anyio.sleep(0.005)


async def test_poll_once_stores_before_it_acknowledges(inbox, manual_clock):
    adapter = EchoAdapter([RawBatch([raw(1), raw(2)], "3"), RawBatch([raw(2), raw(3)], "4")])
    runner = SourceRunner(FakeAccounts(bot=adapter), inbox, clock=manual_clock)
    assert await runner.poll_once("bot") == Added(new=2)
    assert await runner.poll_once("bot") == Added(new=1, duplicates=1)
    assert adapter.cursors == [None, "3"]
    assert await inbox.cursor("bot") == "4"
    health = runner.health()["bot"]
    assert (health.events, health.duplicates, health.batches) == (3, 1, 2)


async def test_a_batch_that_cannot_be_stored_is_not_acknowledged(inbox, manual_clock, monkeypatch):
    adapter = EchoAdapter([RawBatch([raw(1)], "2"), RawBatch([raw(1)], "2")])
    runner = SourceRunner(FakeAccounts(bot=adapter), inbox, clock=manual_clock)
    add = inbox.add

    async def full(*_: object, **__: object) -> Added:
        raise StoreFull("no space")

    monkeypatch.setattr(inbox, "add", full)
    with pytest.raises(StoreFull):
        await runner.poll_once("bot")
    monkeypatch.setattr(inbox, "add", add)
    await runner.poll_once("bot")
    assert adapter.cursors == [None, None]


async def test_a_failing_source_waits_and_the_others_go_on(inbox, manual_clock):
    good = EchoAdapter([RawBatch([raw(n)], str(n)) for n in range(3)])
    limited = EchoAdapter(
        [RateLimited("slow down", retry_after=timedelta(seconds=40)), RawBatch([raw(9)], "9")]
    )
    revoked = EchoAdapter([AuthFailed("token revoked"), RawBatch([raw(8)], "8")])
    buggy = EchoAdapter([KeyError("oops"), RawBatch([raw(7)], "7")])
    accounts = FakeAccounts(good=good, limited=limited, revoked=revoked, buggy=buggy)
    runner = SourceRunner(accounts, inbox, clock=manual_clock)
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        await until(lambda: runner.health().get("good", None) and runner.health()["good"].events == 3)
        await until(lambda: runner.health()["buggy"].state is SourceState.BACKING_OFF)
        health = runner.health()
        assert health["limited"].state is SourceState.BACKING_OFF
        assert health["limited"].retry_at == manual_clock.now() + timedelta(seconds=40)
        assert health["revoked"].state is SourceState.FAILED
        assert (health["revoked"].error_type, health["revoked"].error) == ("AuthFailed", "token revoked")
        assert health["buggy"].error == "KeyError", (
            "a bug's text may hold anything, so only its type is shown"
        )
        manual_clock.advance(10)
        await until(lambda: runner.health()["buggy"].events == 1)
        assert runner.health()["limited"].events == 0
        manual_clock.advance(31)
        await until(lambda: runner.health()["limited"].events == 1)
        assert runner.health()["limited"].failures == 0
        group.cancel_scope.cancel()
    states = {name: one.state for name, one in runner.health().items()}
    assert states == {
        "good": SourceState.STOPPED,
        "limited": SourceState.STOPPED,
        "buggy": SourceState.STOPPED,
        "revoked": SourceState.FAILED,
    }
    assert revoked.cursors == [None]


async def test_budgeted_polling_keeps_its_interval(inbox, manual_clock):
    adapter = EchoAdapter(
        [RawBatch([raw(n)], str(n)) for n in range(3)], min_poll_interval=timedelta(seconds=60)
    )
    runner = SourceRunner(FakeAccounts(bot=adapter), inbox, clock=manual_clock)
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        await until(lambda: len(adapter.cursors) == 1)
        await settle()
        assert len(adapter.cursors) == 1
        manual_clock.advance(59)
        await settle()
        assert len(adapter.cursors) == 1
        manual_clock.advance(1)
        await until(lambda: len(adapter.cursors) == 2)
        group.cancel_scope.cancel()


def test_delays():
    runner = SourceRunner(FakeAccounts(), None, clock=None, rng=random.Random(1))  # type: ignore[arg-type]
    assert runner.delay(RateLimited("", retry_after=timedelta(seconds=7)), 5) == 7
    doubling = [runner.delay(Unavailable(""), n) for n in range(1, 12)]
    assert all(0.9 * 2**n <= seconds <= 1.1 * 2**n for n, seconds in enumerate(doubling[:7]))
    assert max(doubling) <= 132
    assert 27 <= runner.delay(Conflict(""), 1) <= 33


async def test_polling_what_cannot_be_polled(inbox, manual_clock):
    class Mute:
        platform = "mute"

    runner = SourceRunner(FakeAccounts(bot=Mute()), inbox, clock=manual_clock)  # type: ignore[arg-type]
    with pytest.raises(NotSupported, match="no source"):
        await runner.poll_once("bot")


async def test_an_account_without_plugin_is_reported_not_fatal(inbox, manual_clock):
    broken = EchoAdapter()
    broken.platform = "broken"
    runner = SourceRunner(FakeAccounts(good=EchoAdapter(), broken=broken), inbox, clock=manual_clock)
    assert runner.names() == ("good",)
    assert runner.health()["broken"].state is SourceState.FAILED
