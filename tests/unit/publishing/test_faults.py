"""What runs under faults have found, each as a small test."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pytest

from shequn_sdk.domain import Content, DeliveryState, Post
from shequn_sdk.errors import ContentRejected, Landing, RateLimited, Unavailable
from shequn_sdk.platforms.dates import note_date
from shequn_sdk.platforms.gate import pass_gate
from shequn_sdk.platforms.manifest import Idempotency
from shequn_sdk.publishing import DeliveryOptions, Publishing, failpoints
from shequn_sdk.scheduling.clock import ManualClock, SystemClock
from shequn_sdk.stores.store import Store


async def test_a_clock_set_back_does_not_hide_that_a_worker_stood_still(bench, kinds, tmp_path):
    """It stood still for longer than its lease, and then the wall clock went back by more."""

    class Machine(ManualClock):
        stood = 0.0

        def monotonic(self) -> float:
            return self.stood

    clock = Machine(kinds.start)
    async with await Store.open(tmp_path / "other.db", clock=clock) as store:
        bench.account()
        publishing = Publishing(store, bench.accounts)
        (receipt,) = await publishing.plan(Content(text="x"), ["bot:1"])

        def freeze(point: str) -> None:
            if point == "intent_written":
                failpoints.install(None)
                clock.stood += 60
                clock.advance(-3600)

        failpoints.install(freeze)
        try:
            await publishing.drain()
        finally:
            failpoints.install(None)
        causes = [step.cause for step in await publishing.history(receipt.deliveries[0])]
        assert any("stood still" in cause for cause in causes)


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (ContentRejected("no"), DeliveryState.REFUSED),
        (RateLimited("slow down", retry_after=timedelta(seconds=5)), DeliveryState.LANDED),
    ],
)
async def test_a_late_no_ends_an_unknown(bench, answer, after):
    """The lease ended while the request was under way; then the platform's certain answer came."""
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.plan(Content(text="x"), ["bot:1"])

    async def slow() -> None:
        bench.clock.advance(timedelta(minutes=1))
        await Publishing(bench.store, bench.accounts, worker="second").drain()
        assert (await publishing.get(receipt.deliveries[0])).state is DeliveryState.UNKNOWN

    bench.wall.before = lambda channel: slow() if bench.wall.requests == 1 else None
    bench.wall.script["1"].append(answer)
    await publishing.drain()
    bench.clock.advance(timedelta(seconds=10))
    await publishing.drain()
    done = await publishing.get(receipt.deliveries[0])
    assert done.state is after
    assert len(bench.wall.texts("1")) == (after is DeliveryState.LANDED)


async def test_an_outcome_waits_for_room_on_the_disk(bench, tmp_path):
    """What the platform has said is not forgotten because the disk was full for a moment."""
    bench.account()
    async with await Store.open(tmp_path / "other.db", clock=SystemClock()) as store:
        publishing = Publishing(store, bench.accounts, options=DeliveryOptions(lease=timedelta(seconds=5)))

        async def allow(pages: int) -> None:
            await store.write(lambda conn: conn.exec_driver_sql(f"pragma max_page_count={pages}"))

        await publishing.plan_many(
            (Content(text=f"{number:03}" * 300), ["bot:1"], None) for number in range(40)
        )
        full = anyio.Event()

        async def fill(channel: str) -> None:
            if not full.is_set():
                full.set()
                await allow(1)

        bench.wall.before = fill
        async with anyio.create_task_group() as group:
            group.start_soon(publishing.drain)
            await full.wait()
            await anyio.sleep(0.6)
            await allow(1 << 30)
        rows = await publishing.deliveries()
        steps = [step.new for row in rows for step in await publishing.history(row.id)]
    assert {row.state for row in rows} == {DeliveryState.LANDED}
    assert DeliveryState.UNKNOWN not in steps
    assert bench.wall.requests == 40


def listening(bench: Any, kind: Any) -> list[datetime]:
    """Give the bot an adapter of a kind that looks up; the list tells where each look-up began."""
    asked: list[datetime] = []

    class Listening(kind):
        async def find_landed(
            self, channel: str, piece: Any, *, idempotency_key: str, since: datetime
        ) -> Post | None:
            asked.append(since)
            return await super().find_landed(channel, piece, idempotency_key=idempotency_key, since=since)

    bench.account(kind=Listening, idempotency=Idempotency(reconcile=True))
    return asked


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(minutes=-2)])
async def test_a_look_up_begins_at_the_post_before_and_not_where_a_wrong_clock_says(bench, kinds, ahead):
    """Else a clock that is ahead looks for the post where it cannot be yet, and sends it again."""
    asked = listening(bench, kinds.looking)
    publishing = Publishing(bench.store, bench.accounts)
    await publishing.publish(Content(text="first"), ["bot:1"])
    stands = bench.clock.now()
    bench.clock.advance(ahead)
    bench.wall.script["1"].append(("landed", Unavailable("no answer", landed=Landing.PERHAPS)))
    (receipt,) = await publishing.plan(Content(text="second"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=1))
    assert (await publishing.get(receipt.deliveries[0])).state is DeliveryState.LANDED
    assert bench.wall.texts("1") == ["first", "second"]
    assert asked
    assert asked[0] <= stands + timedelta(seconds=1)


async def test_a_look_up_after_the_clock_was_set_back_begins_at_the_last_post(bench, kinds):
    """Else platforms that show few posts cannot tell: by the ledger, those of before stand in the future."""
    wrong = timedelta(minutes=1)

    class Behind(kinds.looking):
        def _post(self, channel: str, index: int, text: str) -> Post:
            post = super()._post(channel, index, text)
            return post.model_copy(update={"landed_at": post.landed_at - wrong})

    asked = listening(bench, Behind)
    publishing = Publishing(bench.store, bench.accounts)
    for number in range(3):
        await publishing.publish(Content(text=f"{number}"), ["bot:1"])
        bench.clock.advance(5)
    last = bench.clock.now() - timedelta(seconds=5) - wrong
    bench.clock.advance(timedelta(seconds=1) - wrong)
    wrong = timedelta()
    bench.wall.script["1"].append(("landed", Unavailable("no answer", landed=Landing.PERHAPS)))
    await publishing.plan(Content(text="after"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=1))
    assert bench.wall.texts("1") == ["0", "1", "2", "after"]
    assert asked == [last]


@pytest.mark.parametrize(
    ("told", "looks"), [(timedelta(minutes=-40), 2), (timedelta(minutes=40), 1), (None, 1), (timedelta(), 1)]
)
async def test_the_platforms_date_puts_a_wrong_clock_right(bench, kinds, told, looks):
    """For the first post of a channel, before which nothing says where to begin."""
    away = told or timedelta()

    class Dated(kinds.looking):
        async def find_landed(
            self, channel: str, piece: Any, *, idempotency_key: str, since: datetime
        ) -> Post | None:
            now = self.clock.now() + away
            note_date({} if told is None else {"date": format_datetime(now)})
            if since > sent + away:
                return None
            return await super().find_landed(channel, piece, idempotency_key=idempotency_key, since=since)

    asked = listening(bench, Dated)
    sent = bench.clock.now()
    publishing = Publishing(bench.store, bench.accounts)
    bench.wall.script["1"].append(("landed", Unavailable("no answer", landed=Landing.PERHAPS)))
    (receipt,) = await publishing.plan(Content(text="first"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=1))
    assert (await publishing.get(receipt.deliveries[0])).state is DeliveryState.LANDED
    assert bench.wall.texts("1") == ["first"]
    assert len(asked) == looks


@pytest.mark.parametrize("native", ["77", None])
async def test_a_look_up_does_not_begin_where_a_person_says_it_landed(bench, kinds, native):
    """What they resolve has its instant from our clock, which may be ahead of the platform's."""
    asked = listening(bench, kinds.looking)
    publishing = Publishing(bench.store, bench.accounts, options=DeliveryOptions(max_checks=1))
    await publishing.publish(Content(text="first"), ["bot:1"])
    stands = bench.clock.now()
    bench.clock.advance(60)
    lost = Unavailable("no answer", landed=Landing.PERHAPS)
    bench.wall.lookup = deque([lost])
    bench.wall.script["1"].extend([("landed", lost), ("landed", lost)])
    (held,) = await publishing.plan(Content(text="second"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=1))
    await publishing.resolve(held.deliveries[0], landed=True, native_id=native)
    await publishing.publish(Content(text="third"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=1))
    assert bench.wall.texts("1") == ["first", "second", "third"]
    assert asked == [stands, stands]


async def test_a_clock_set_back_makes_nobody_wait_for_it(bench, kinds, tmp_path):
    """A wait of seconds stays one of seconds, and what is published later does not overtake."""

    class Machine(ManualClock):
        passed = 0.0

        def monotonic(self) -> float:
            return self.passed

    clock = Machine(kinds.start)
    async with await Store.open(tmp_path / "other.db", clock=clock) as store:
        bench.account()
        publishing = Publishing(store, bench.accounts)
        dispatcher = publishing._dispatcher(patient=False)
        clock.advance(3600)
        await dispatcher.tick()
        bench.wall.script["1"].append(
            RateLimited("slow down", retry_after=timedelta(seconds=5), scope="channel")
        )
        await publishing.plan(Content(text="first"), ["bot:1"])
        await publishing.plan(Content(text="later"), ["bot:2"], at=clock.now() + timedelta(hours=2))
        await publishing.drain()
        clock.advance(-3600)
        clock.passed += 1
        await dispatcher.tick()
        await dispatcher.tick()
        await publishing.plan(Content(text="second"), ["bot:1"])
        clock.advance(6)
        fresh = Publishing(store, bench.accounts)  # whose governor does not know of the wait
        await fresh.drain()
        later = (await fresh.deliveries(channel="bot:2"))[0]
    assert bench.wall.texts("1") == ["first", "second"]
    assert later.due == kinds.start + timedelta(hours=3)
    assert bench.wall.texts("2") == []


async def test_the_lease_of_a_request_under_way_is_prolonged(bench, tmp_path):
    """Also for the requests that follow in the same publish: the gate goes by the lease as it is now."""
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    dispatcher = publishing._dispatcher(patient=False)
    passed = []

    async def slow(channel: str) -> None:
        for _ in range(6):
            bench.clock.advance(dispatcher.tick_every)
            await dispatcher.tick()
            other = Publishing(bench.store, bench.accounts, worker="elsewhere:1:x")
            await other._dispatcher(patient=False).tick()
        passed.append(pass_gate())

    bench.wall.before = slow
    (receipt,) = await publishing.plan(Content(text="x"), ["bot:1"])
    (taken,) = await dispatcher.take(8)
    await dispatcher.handle(taken)
    assert passed == [None]
    steps = [step.new for step in await publishing.history(receipt.deliveries[0])]
    assert steps == ["planned", "claimed", "attempting", "landed"]


async def test_a_wake_that_meets_a_busy_channel_comes_again(bench):
    """As long as its row is the first that waits there; else whoever is first comes."""
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    busy = Publishing(bench.store, bench.accounts, worker="elsewhere:1:x")._dispatcher(patient=False)
    mine = publishing._dispatcher(patient=False)
    texts = ("first", "second", "third")
    rows = [(await publishing.plan(Content(text=text), ["bot:1"]))[0].deliveries[0] for text in texts]
    assert list(await busy.take(1)) == rows[:1]
    now = bench.clock.now()
    again = await mine.handle(rows[1])
    assert again is not None
    assert timedelta(seconds=0.25) <= again - now < timedelta(seconds=0.26)
    assert await mine.handle(rows[2]) is None
    await busy.handle(rows[0])
    assert bench.wall.texts("1") == list(texts)


async def test_a_wake_carries_on_for_the_row_that_a_platform_put_off(bench):
    """Whichever row of the channel it was for."""
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    dispatcher = publishing._dispatcher(patient=False)
    wait = timedelta(seconds=5)
    bench.wall.script["1"].append(RateLimited("slow down", retry_after=wait, scope="channel"))
    texts = ("first", "second")
    rows = [(await publishing.plan(Content(text=text), ["bot:1"]))[0].deliveries[0] for text in texts]
    again = await dispatcher.handle(rows[1])
    first = await publishing.get(rows[0])
    assert again == first.not_before
    assert again is not None
    assert again >= bench.clock.now() + wait
    bench.clock.move_to(again + timedelta(seconds=1))
    while again is not None:
        again = await dispatcher.handle(rows[1])
        bench.clock.advance(1)
    assert bench.wall.texts("1") == list(texts)


async def test_a_claim_that_nobody_works_on_is_not_prolonged(bench, monkeypatch):
    """Its worker lives and ticks, but the task that had it has failed."""
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.plan(Content(text="x"), ["bot:1"])
    dispatcher = publishing._dispatcher(patient=False)

    async def broken(*args: Any, **named: Any) -> float:
        raise RuntimeError("a mistake in the worker")

    (taken,) = await dispatcher.take(8)
    with monkeypatch.context() as patch:
        patch.setattr(publishing.governor, "acquire", broken)
        with pytest.raises(RuntimeError):
            await dispatcher.handle(taken)
    for _ in range(6):
        bench.clock.advance(dispatcher.tick_every)
        await dispatcher.tick()
    assert (await publishing.get(receipt.deliveries[0])).state is DeliveryState.PLANNED
    await publishing.drain()
    assert bench.wall.texts("1") == ["x"]
