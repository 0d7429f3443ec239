"""An engine that ends, fails or hangs is started again."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from shequn_sdk.domain import Content, DeliveryState, Priority, ReceiptStatus
from shequn_sdk.errors import StoreBusy
from shequn_sdk.publishing import DeliveryOptions, Publishing
from shequn_sdk.publishing.dispatch import Dispatcher
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.scheduling.engine import EngineCaps
from shequn_sdk.stores.store import Store


class Moody:
    """Brings wakes from its second run on; how the first one goes is given."""

    caps = EngineCaps(transactional_submit=False, delayed=False, cancel=False)

    def __init__(self, mood):
        self.mood = mood
        self.runs = 0
        self.wakes = []

    async def submit(self, wakes, tx=None):
        if self.mood == "hangs in submit" and self.runs == 1:
            await anyio.sleep_forever()
        self.wakes += wakes

    async def cancel(self, deliveries):
        """Nothing."""

    async def run(self, handle, *, concurrency, stop):
        self.runs += 1
        if self.runs == 1:
            self.wakes.clear()
            if self.mood == "ends":
                return
            if self.mood == "fails":
                raise StoreBusy("away")
            if self.mood == "breaks":
                raise RuntimeError("a mistake")
            await anyio.sleep_forever()
        while not stop.is_set():
            wakes, self.wakes = self.wakes, []
            for wake in wakes:
                await handle(wake.delivery)
            await anyio.sleep(0.01)


@pytest.mark.parametrize("mood", ["ends", "fails", "breaks", "hangs", "hangs in submit"])
async def test_it_is_started_again(bench, tmp_path, mood):
    bench.account()
    engine = Moody(mood)
    async with await Store.open(tmp_path / "own.db", clock=SystemClock()) as store:
        publishing = Publishing(
            store,
            bench.accounts,
            engine=lambda source, clock: engine,
            options=DeliveryOptions(lease=timedelta(seconds=0.6)),
        )
        await publishing.plan(Content(text="x"), ["bot:1"])
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(publishing.run, stop)
            with anyio.fail_after(300):
                while not (await publishing.counts())[DeliveryState.LANDED]:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            stop.set()
    assert engine.runs == 2
    assert bench.wall.texts("1") == ["x"]


async def test_a_worker_waits_for_a_store_that_is_away_when_it_starts(bench, tmp_path, monkeypatch):
    bench.account()
    async with await Store.open(tmp_path / "own.db", clock=SystemClock()) as store:
        publishing = Publishing(store, bench.accounts)
        await publishing.plan(Content(text="x"), ["bot:1"])
        refused, write = [], store.write

        async def away(fn, **how):
            if len(refused) < 1:
                refused.append(fn)
                raise StoreBusy("the server restarts")
            return await write(fn, **how)

        monkeypatch.setattr(store, "write", away)
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(publishing.run, stop)
            with anyio.fail_after(300):
                while not (await publishing.counts())[DeliveryState.LANDED]:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            stop.set()
    assert refused
    assert bench.wall.texts("1") == ["x"]


async def test_publish_waits_for_a_store_that_is_away_for_a_moment(bench, tmp_path, monkeypatch):
    bench.account()
    async with await Store.open(tmp_path / "own.db", clock=SystemClock()) as store:
        publishing = Publishing(store, bench.accounts)
        read, away = store.read, [2]

        async def sometimes(fn):
            if away[0]:
                away[0] -= 1
                raise StoreBusy("the server restarts")
            return await read(fn)

        monkeypatch.setattr(store, "read", sometimes)
        (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"])
    assert not away[0]
    assert receipt.status == ReceiptStatus.LANDED
    assert bench.wall.texts("1") == ["x"]


async def test_what_was_written_is_pending_when_its_outcome_cannot_be_read(bench, tmp_path, monkeypatch):
    bench.account()
    async with await Store.open(tmp_path / "own.db", clock=SystemClock()) as store:
        publishing = Publishing(store, bench.accounts)

        async def away(fn):
            raise StoreBusy("the server restarts")

        with monkeypatch.context() as patch:
            patch.setattr(store, "read", away)
            (receipt,) = await publishing.publish(
                Content(text="x"), ["bot:1"], timeout=timedelta(seconds=0.2)
            )
        assert receipt.status == ReceiptStatus.PENDING
        assert await publishing.drain() == 1
    assert bench.wall.texts("1") == ["x"]


async def test_a_worker_ends_although_it_cannot_hand_back(bench, tmp_path, monkeypatch):
    bench.account()
    async with await Store.open(tmp_path / "own.db", clock=SystemClock()) as store:
        publishing = Publishing(store, bench.accounts)
        await publishing.plan_many((Content(text="x"), [f"bot:{n}"], None) for n in range(8))
        begun, stop = anyio.Event(), anyio.Event()

        async def hold(channel):
            begun.set()
            await stop.wait()

        async def away(self, deliveries):
            assert deliveries
            raise StoreBusy("the server restarts")

        bench.wall.before = hold
        monkeypatch.setattr(Dispatcher, "give_back", away)
        with anyio.fail_after(300):
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: publishing.run(stop, concurrency=1))
                await begun.wait()
                stop.set()
    assert len(bench.wall.posts) == 1


class Carrier(Moody):
    """Takes wakes in the ledger's transaction."""

    def __init__(self):
        super().__init__("")

    async def prepare(self):
        """Nothing."""

    def enlist(self, conn, wakes):
        self.wakes += wakes


async def test_a_channel_is_woken_once_for_what_may_go_at_once(bench):
    bench.account()
    engine = Carrier()
    publishing = Publishing(bench.store, bench.accounts, engine=lambda source, clock: engine)
    later = bench.clock.now() + timedelta(hours=1)
    await publishing.plan_many((Content(text=str(n)), [f"bot:{n % 2}"], None) for n in range(6))
    await publishing.plan_many((Content(text=str(n)), ["bot:0"], later) for n in range(2))
    await publishing.plan(Content(text="reply"), ["bot:0"], priority=Priority.REPLY)
    assert [(one.delivery, one.priority) for one in engine.wakes] == [(1, 1), (2, 1), (7, 1), (9, 0)]
    assert engine.wakes[2].at == later


async def test_one_wake_brings_all_that_waits_in_its_channel(bench, tmp_path):
    bench.account()
    engine = Carrier()
    engine.runs = 1  # brings wakes at once
    async with await Store.open(tmp_path / "own.db", clock=SystemClock()) as store:
        publishing = Publishing(
            store,
            bench.accounts,
            engine=lambda source, clock: engine,
            options=DeliveryOptions(lease=timedelta(hours=1)),
        )
        await publishing.plan_many((Content(text=str(n)), ["bot:1"], None) for n in range(20))
        assert len(engine.wakes) == 1
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(publishing.run, stop)
            with anyio.fail_after(300):  # less than a third of the lease: no sweep has helped
                while len(bench.wall.posts) < 20:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            stop.set()
    assert bench.wall.texts("1") == [str(n) for n in range(20)]
