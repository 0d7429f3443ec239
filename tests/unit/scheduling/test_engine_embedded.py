"""The embedded engine, and an engine that only carries wakes, under one contract."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime

import anyio

from shequn_sdk.scheduling.embedded import EmbeddedEngine
from shequn_sdk.scheduling.engine import DeliveryEngine, EngineCaps
from shequn_sdk.testing.engine_contract import EngineContract


class TestEmbedded(EngineContract):
    """SQLite's index is the queue."""

    def make_engine(self, source, clock):
        return EmbeddedEngine(source, clock=clock)


class HeapEngine:
    """The least that an engine may do: wakes in memory, lost with the process; the tests' stand-in for a server."""

    caps = EngineCaps(transactional_submit=False, delayed=True, cancel=False)

    def __init__(self):
        self.heap: list[tuple[datetime, int]] = []
        self.fails = 1

    async def submit(self, wakes, tx=None):
        for one in wakes:
            heapq.heappush(self.heap, (one.at, one.delivery))

    async def cancel(self, deliveries):
        pass

    async def run(self, handle, *, concurrency, stop):
        if self.fails:
            self.fails -= 1
            raise ConnectionError("the server restarted")
        slots = asyncio.Semaphore(concurrency)

        async def one(delivery):
            async with slots:
                if not stop.is_set():
                    again = await handle(delivery)
                    if again is not None:
                        heapq.heappush(self.heap, (again, delivery))

        async with anyio.create_task_group() as group:
            while not stop.is_set():
                while self.heap and self.heap[0][0] <= datetime.now(UTC):
                    group.start_soon(one, heapq.heappop(self.heap)[1])
                await anyio.sleep(0.005)


class TestHeap(EngineContract):
    """Wakes are only hints: with an engine that forgets and fails, everything still holds."""

    def make_engine(self, source, clock):
        engine = HeapEngine()
        assert isinstance(engine, DeliveryEngine)
        return engine
