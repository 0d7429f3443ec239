"""The contract of delivery engines as tests: subclass it, say how the engine is made, and run pytest.

```python
class TestEmbedded(EngineContract):
    def make_engine(self, source, clock):
        return EmbeddedEngine(source, clock=clock)
```

The suite runs at the machine's clock on an SQLite store; override `open_store` for another store. Its test methods
need pytest with anyio's plugin and the fixture `tmp_path`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from shequn_sdk.domain import ChannelRef, Clock, Content, Delivery, DeliveryState, Piece, Post
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.publishing import DeliveryOptions, Publishing
from shequn_sdk.scheduling.engine import DeliveryEngine, EngineCaps, Handle, Wake, WakeSource
from shequn_sdk.stores.store import Store

__all__ = ["EngineContract"]

_OPTIONS = DeliveryOptions(lease=timedelta(seconds=1.5), backoff_first=timedelta(milliseconds=50))


class _Recorder:
    """An adapter that remembers what was sent when."""

    platform = "recorder"
    manifest = Manifest(
        platform="recorder", capabilities=frozenset({Capability.PUBLISH_TEXT}), max_concurrency=64
    )

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, datetime]] = []
        self.pause = 0.0

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        self.sent.append((channel, piece.text, datetime.now(UTC)))
        await anyio.sleep(self.pause)
        return Post(
            channel=ChannelRef(account="bot", native_id=channel),
            native_id=str(len(self.sent)),
            landed_at=datetime.now(UTC),
        )

    def texts(self) -> list[str]:
        return [text for _, text, _ in self.sent]


class _Book:
    def __init__(self, recorder: _Recorder) -> None:
        self._recorder = recorder

    def adapter(self, name: str) -> Any:
        return self._recorder

    def manifest(self, name: str) -> Manifest:
        return self._recorder.manifest

    def platform(self, name: str) -> str:
        return self._recorder.platform

    def names(self) -> tuple[str, ...]:
        return ("bot",)


class _Distorted:
    """Passes wakes on in the way that a bad network would: `copies` times each, or never."""

    def __init__(self, inner: DeliveryEngine, *, copies: int, early: timedelta) -> None:
        self._inner = inner
        self._copies = copies
        self._early = early

    @property
    def caps(self) -> EngineCaps:
        return self._inner.caps

    async def submit(self, wakes: Sequence[Wake], tx: Any = None) -> None:
        for _ in range(self._copies):
            await self._inner.submit([Wake(one.delivery, one.at - self._early) for one in wakes], tx)

    async def cancel(self, deliveries: Sequence[int]) -> None:
        await self._inner.cancel(deliveries)

    async def run(self, handle: Handle, *, concurrency: int, stop: anyio.Event) -> None:
        await self._inner.run(handle, concurrency=concurrency, stop=stop)


class EngineContract:
    """What every engine must do (see `shequn_sdk.scheduling.engine`)."""

    within = 10.0
    """Seconds after which a delivery counts as never sent."""

    def make_engine(self, source: WakeSource, clock: Clock) -> DeliveryEngine:
        """Make the engine under test."""
        raise AssertionError("say how the engine is made")

    async def open_store(self, tmp_path: Path) -> Store:
        """Open the store of one test; called again for the same test it opens the same one."""
        return await Store.open(tmp_path / "store.db")

    def _publishing(
        self, store: Store, recorder: _Recorder, *, copies: int = 1, early: timedelta = timedelta(0)
    ) -> Publishing:
        def make(source: WakeSource, clock: Clock) -> DeliveryEngine:
            engine = self.make_engine(source, clock)
            if copies == 1 and not early:
                return engine
            return _Distorted(engine, copies=copies, early=early)

        return Publishing(store, _Book(recorder), options=_OPTIONS, engine=make)

    async def _until_landed(self, publishing: Publishing, number: int) -> None:
        with anyio.fail_after(self.within):
            while (await publishing.counts())[DeliveryState.LANDED] < number:  # noqa: ASYNC110 - another process may do it
                await anyio.sleep(0.02)

    async def _work(
        self, publishing: Publishing, number: int, during: Sequence[tuple[str, datetime | None]] = ()
    ) -> list[Delivery]:
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(publishing.run, stop)
            await anyio.sleep(0.1)
            for index, (text, at) in enumerate(during):
                await publishing.plan(Content(text=text), [f"bot:d{index}"], at=at)
            await self._until_landed(publishing, number)
            stop.set()
        return await publishing.deliveries()

    async def test_delivers_what_waited_and_what_comes(self, tmp_path: Path) -> None:
        """Rows from before the start and rows planned while running, each once."""
        recorder = _Recorder()
        async with await self.open_store(tmp_path) as store:
            publishing = self._publishing(store, recorder)
            for number in range(20):
                await publishing.plan(Content(text=f"a{number}"), [f"bot:{number % 4}"])
            await self._work(publishing, 40, [(f"b{number}", None) for number in range(20)])
        assert sorted(recorder.texts()) == sorted([f"{kind}{n}" for kind in "ab" for n in range(20)])

    async def test_never_before_its_time(self, tmp_path: Path) -> None:
        """Neither by its own clock nor because a wake came early."""
        recorder = _Recorder()
        async with await self.open_store(tmp_path) as store:
            publishing = self._publishing(store, recorder, early=timedelta(seconds=5))
            due = {
                f"t{number}": datetime.now(UTC) + timedelta(seconds=0.3 + number / 10) for number in range(5)
            }
            await self._work(publishing, 5, list(due.items()))
        assert len(recorder.sent) == 5
        assert all(at >= due[text] for _, text, at in recorder.sent)

    async def test_wakes_that_come_twice_send_once(self, tmp_path: Path) -> None:
        """The ledger's claim decides."""
        recorder = _Recorder()
        recorder.pause = 0.02
        async with await self.open_store(tmp_path) as store:
            publishing = self._publishing(store, recorder, copies=3)
            await self._work(publishing, 15, [(f"t{number}", None) for number in range(15)])
        assert sorted(recorder.texts()) == sorted(f"t{number}" for number in range(15))

    async def test_wakes_that_never_come_are_made_good(self, tmp_path: Path) -> None:
        """By the sweep of the worker."""
        recorder = _Recorder()
        async with await self.open_store(tmp_path) as store:
            planner = self._publishing(store, recorder)
            for number in range(10):
                await planner.plan(Content(text=f"t{number}"), [f"bot:{number}"])
            await self._work(self._publishing(store, recorder), 10)
        assert len(recorder.sent) == 10

    async def test_order_in_a_channel(self, tmp_path: Path) -> None:
        """One after another, in the order of their times."""
        recorder = _Recorder()
        async with await self.open_store(tmp_path) as store:
            publishing = self._publishing(store, recorder)
            for number in range(30):
                await publishing.plan(Content(text=f"{number:02}"), [f"bot:{number % 3}"])
            await self._work(publishing, 30)
        for channel in "012":
            texts = [text for where, text, _ in recorder.sent if where == channel]
            assert texts == sorted(texts)

    async def test_two_workers_share_the_work(self, tmp_path: Path) -> None:
        """And send nothing twice."""
        recorder = _Recorder()
        recorder.pause = 0.005
        stop = anyio.Event()
        async with await self.open_store(tmp_path) as one, await self.open_store(tmp_path) as two:
            first, second = self._publishing(one, recorder), self._publishing(two, recorder)
            for number in range(100):
                await first.plan(Content(text=f"t{number}"), [f"bot:{number % 25}"])
            async with anyio.create_task_group() as group:
                group.start_soon(first.run, stop)
                group.start_soon(second.run, stop)
                await self._until_landed(first, 100)
                stop.set()
        assert len(recorder.sent) == len(set(recorder.texts())) == 100

    async def test_stop_finishes_what_is_under_way(self, tmp_path: Path) -> None:
        """And begins nothing new; the rest waits in the ledger."""
        recorder = _Recorder()
        recorder.pause = 0.1
        stop = anyio.Event()
        async with await self.open_store(tmp_path) as store:
            publishing = self._publishing(store, recorder)
            for number in range(40):
                await publishing.plan(Content(text=f"t{number}"), [f"bot:{number}"])
            with anyio.fail_after(self.within):
                async with anyio.create_task_group() as group:
                    group.start_soon(lambda: publishing.run(stop, concurrency=4))
                    while not recorder.sent:  # noqa: ASYNC110 - the engine gives no event
                        await anyio.sleep(0.01)
                    stop.set()
            counts = await publishing.counts()
        assert counts[DeliveryState.LANDED] == len(recorder.sent)
        assert counts[DeliveryState.LANDED] + counts[DeliveryState.PLANNED] == 40
        assert counts[DeliveryState.PLANNED] > 0

    async def test_a_cancelled_delivery_is_not_sent(self, tmp_path: Path) -> None:
        """Even though its wake still comes."""
        recorder = _Recorder()
        async with await self.open_store(tmp_path) as store:
            publishing = self._publishing(store, recorder)
            at = datetime.now(UTC) + timedelta(seconds=0.4)
            (gone,) = await publishing.plan(Content(text="gone"), ["bot:1"], at=at)
            await publishing.cancel(gone.deliveries[0])
            await self._work(publishing, 1, [("kept", at)])
        assert recorder.texts() == ["kept"]
