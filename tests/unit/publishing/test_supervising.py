"""An engine that ends, fails or hangs is started again."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from shequn_sdk.domain import Content, DeliveryState
from shequn_sdk.errors import StoreBusy
from shequn_sdk.publishing import DeliveryOptions, Publishing
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
            with anyio.fail_after(30):
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

        async def away(fn):
            if len(refused) < 1:
                refused.append(fn)
                raise StoreBusy("the server restarts")
            return await write(fn)

        monkeypatch.setattr(store, "write", away)
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(publishing.run, stop)
            with anyio.fail_after(30):
                while not (await publishing.counts())[DeliveryState.LANDED]:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            stop.set()
    assert refused
    assert bench.wall.texts("1") == ["x"]
