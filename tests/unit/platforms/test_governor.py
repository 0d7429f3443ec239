"""The governor on a clock that is moved by hand."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shequn_sdk.domain import Priority
from shequn_sdk.errors import RateLimited
from shequn_sdk.platforms.budgets import make_budget
from shequn_sdk.platforms.governor import BucketReport, Governor
from shequn_sdk.platforms.learned import LearnedBucket
from shequn_sdk.platforms.manifest import Capability, Manifest, RateLimit, RateScope, RateShape
from shequn_sdk.scheduling.clock import ManualClock, SystemClock

START = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)


def limit(amount: int, seconds: float, **more) -> RateLimit:
    more.setdefault("scope", RateScope.ACCOUNT)
    return RateLimit(name="l", amount=amount, per=timedelta(seconds=seconds), **more)


def manifest(*limits: RateLimit) -> Manifest:
    return Manifest(platform="p", capabilities=frozenset({Capability.PUBLISH_TEXT}), rate_limits=limits)


async def ask(governor: Governor, one: Manifest, channel: str = "1", **more) -> float:
    return await governor.acquire("bot", one, channel, longest=0, **more)


async def test_counts_per_scope():
    governor = Governor(ManualClock(START))
    one = manifest(limit(1, 60, scope=RateScope.CHANNEL))
    assert await ask(governor, one, "1") == 0
    assert await ask(governor, one, "2") == 0
    # without an answer yet, it counts as if it were still on its way
    assert await ask(governor, one, "1") == pytest.approx(65, abs=0.2)
    governor.answered("bot", one, "1")
    assert await ask(governor, one, "1") == pytest.approx(60, abs=0.2)


async def test_retry_after_always_wins_and_knows_its_scope():
    clock = ManualClock(START)
    governor = Governor(clock)
    free = manifest()
    slow = RateLimited("x", retry_after=timedelta(seconds=40), scope="channel")
    assert governor.penalise("bot", free, "1", error=slow) == 40
    assert await ask(governor, free, "1") == pytest.approx(40)
    assert await ask(governor, free, "2") == 0
    governor.penalise("bot", free, "2", error=RateLimited("x", retry_after=timedelta(seconds=5), scope="app"))
    assert await ask(governor, free, "3") == pytest.approx(5)
    assert await governor.acquire("other", free, "3", longest=0) == pytest.approx(5)
    clock.advance(41)
    assert await ask(governor, free, "1") == 0


async def test_refusals_without_a_time_back_off():
    governor = Governor(ManualClock(START))
    waits = [governor.penalise("bot", manifest(), "1", error=RateLimited("x")) for _ in range(8)]
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == 60
    governor.answered("bot", manifest(), "1")
    assert governor.penalise("bot", manifest(), "1", error=RateLimited("x")) == 1


async def test_a_reserve_is_for_replies_only():
    governor = Governor(ManualClock(START))
    one = manifest(limit(10, 86_400, shape=RateShape.CALENDAR, reserve=0.2))
    assert [await ask(governor, one) for _ in range(8)] == [0] * 8
    assert await ask(governor, one) > 0
    assert await ask(governor, one, priority=Priority.REPLY, operation="reply") == 0


async def test_a_campaign_spreads_over_the_day_and_others_need_not():
    clock = ManualClock(START)  # midnight in Shanghai
    governor = Governor(clock)
    one = manifest(limit(24, 86_400, shape=RateShape.CALENDAR, zone="Asia/Shanghai"))
    sent = 0
    for _ in range(24):
        while await ask(governor, one, priority=Priority.CAMPAIGN) == 0:
            sent += 1
        clock.advance(timedelta(hours=1))
    assert sent == 24
    clock = ManualClock(START)
    governor = Governor(clock)
    assert [await ask(governor, one) for _ in range(24)] == [0] * 24
    assert await ask(governor, one) == pytest.approx(86_400, abs=1)


async def test_replies_first_then_the_longest_queue():
    governor = Governor(SystemClock())
    one = manifest(limit(1, 0.05))
    order: list[str] = []

    async def go(name: str, channel: str, **more) -> None:
        await governor.acquire("bot", one, channel, longest=10, **more)
        order.append(name)
        governor.answered("bot", one, channel)

    await governor.acquire("bot", one, "0")
    async with anyio.create_task_group() as group:
        for name, channel, more in [
            ("campaign", "1", {"priority": Priority.CAMPAIGN}),
            ("short", "2", {"queued": 1}),
            ("long", "3", {"queued": 9}),
            ("reply", "4", {"priority": Priority.REPLY, "operation": "reply"}),
        ]:
            group.start_soon(lambda name=name, channel=channel, more=more: go(name, channel, **more))
    assert order == ["reply", "long", "short", "campaign"]


async def test_a_wait_that_is_too_long_is_answered_at_once_and_counts_nothing():
    clock = ManualClock(START)
    governor = Governor(clock)
    one = manifest(limit(1, 60))
    assert await governor.acquire("bot", one, "1") == 0
    for _ in range(5):
        assert await governor.acquire("bot", one, "1", longest=5) > 50
    clock.advance(70)
    assert await governor.acquire("bot", one, "1") == 0


SHAPES = st.sampled_from([RateShape.SLIDING, RateShape.FIXED, RateShape.LEAKY])


@settings(max_examples=150, deadline=None)
@given(SHAPES, st.integers(1, 6), st.lists(st.floats(0, 3), min_size=1, max_size=40))
def test_no_stretch_ever_holds_more_than_allowed(shape, amount, gaps):
    budget = make_budget(limit(amount, 2, shape=shape))
    now, taken = 1_000_000.0, []
    for gap in gaps:
        now += gap
        if budget.wait(now, usable=amount, spread=False) <= 0:
            budget.take(now)
            budget.settle(now, now + 0.001)
            taken.append(now)
    allowed = amount if shape is RateShape.SLIDING else 2 * amount
    for start in taken:
        assert sum(start <= one < start + 2 for one in taken) <= allowed


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.integers(1, 6))
def test_waiting_as_told_is_enough_and_the_rate_is_near_the_limit(shape, amount):
    budget = make_budget(limit(amount, 2, shape=shape))
    now = start = 1_000_000.0
    for _ in range(amount * 20):
        wait = budget.wait(now, usable=amount, spread=False)
        now += wait
        assert budget.wait(now + 1e-6, usable=amount, spread=False) == 0
        budget.take(now + 1e-6)
        budget.settle(now + 1e-6, now + 0.002)
    assert now - start <= 20 * 2 * 1.03


def test_state_survives_dump_and_load():
    for shape in RateShape:
        one, two = make_budget(limit(2, 60, shape=shape)), make_budget(limit(2, 60, shape=shape))
        one.take(1_000_000.0)
        one.take(1_000_001.0)
        two.load(one.dump())
        assert (
            two.wait(1_000_002.0, usable=2, spread=False) == one.wait(1_000_002.0, usable=2, spread=False) > 0
        )


def test_a_clock_that_jumps_back_does_not_block_for_long():
    for shape in (RateShape.SLIDING, RateShape.FIXED, RateShape.LEAKY):
        budget = make_budget(limit(2, 60, shape=shape))
        for _ in range(2):
            budget.take(1_000_000.0)
        assert budget.wait(1_000_000.0 - 86_400, usable=2, spread=False) <= 130


@pytest.mark.parametrize("leaky", [True, False])
def test_learnt_buckets_tell_leaky_from_fixed(leaky):
    bucket = LearnedBucket("b")
    tokens, reset, now, at = 5.0, 0.0, 1000.0, 1000.0
    times: deque[float] = deque()
    for _ in range(30):
        now += bucket.wait(now) + 0.001
        if leaky:
            tokens = min(5.0, tokens + (now - at))
        elif now >= reset:
            tokens, reset = 5.0, now + 5
        at = now
        assert tokens >= 1, "refused"
        tokens -= 1
        times.append(now)
        bucket.take(now)
        bucket.observe(BucketReport("b", 5, int(tokens), (5 - tokens) if leaky else reset - now), now)
    assert bucket.leaky is leaky
    spent = times[-1] - times[0]
    assert spent <= (30 - 5) * 1.0 * 1.05 + (0 if leaky else 5)


async def test_observed_buckets_hold_requests_back():
    clock = ManualClock(START)
    governor = Governor(clock)
    governor.observe("bot", manifest(), "1", BucketReport("b", 5, 0, 3.0))
    assert await ask(governor, manifest(), "1") == pytest.approx(3, abs=0.1)
    assert await ask(governor, manifest(), "2") == 0
    clock.advance(4)
    assert await ask(governor, manifest(), "1") == 0


@pytest.mark.parametrize("shape", [RateShape.SLIDING, RateShape.LEAKY])
@given(trips=st.lists(st.floats(0.01, 0.0115), min_size=10, max_size=25), first=st.floats(0.02, 4.5))
def test_slow_requests_are_followed_by_none_that_is_early(shape, trips, first):
    """The platform counts arrivals: one that was late there leaves less room behind it."""
    per, burst = 1.0, 3 if shape is RateShape.LEAKY else 1
    budget = make_budget(limit(1, per, shape=shape, burst=3 if burst == 3 else None))
    now, tokens, last = 1_000_000.0, float(burst), 1_000_000.0
    for trip in [first, *trips]:
        now += budget.wait(now, usable=1, spread=False)
        taken = now
        budget.take(taken)
        arrival = taken + trip * 0.95
        tokens, last = min(tokens + (arrival - last) / per, burst), arrival
        assert tokens >= 1 - 1e-6, "refused"
        tokens -= 1
        now = taken + trip
        budget.settle(taken, now)


@given(answer=st.floats(0.01, 4.0))
def test_what_is_still_on_its_way_keeps_its_place(answer):
    """Two per second, started together: nothing goes while the earlier ones may arrive just now."""
    budget = make_budget(limit(2, 1))
    now = 1_000_000.0
    budget.take(now)
    budget.take(now)
    assert budget.wait(now + answer, usable=2, spread=False) >= 1.0
    budget.settle(now, now + answer)
    budget.settle(now, now + answer)
    assert budget.wait(now + answer, usable=2, spread=False) >= 1.0


async def test_preparations_are_granted_ahead_of_the_turn_and_leave_on_it():
    clock = ManualClock(START)
    governor = Governor(clock)
    one = manifest(limit(1, 10))
    left = []
    for _ in range(60):
        while wait := await ask(governor, one):
            clock.advance(wait)
        clock.advance(0.05)  # the intent is written
        await governor.depart("bot", "1")
        left.append(clock.now())
        governor.answered("bot", one, "1")
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(left)]
    assert min(gaps) >= 10.0, "never before its turn"
    assert gaps[0] == pytest.approx(10.07, abs=0.02)
    assert gaps[-1] == pytest.approx(10.02, abs=0.005), "the time for preparations is no longer lost"


async def test_a_request_without_an_answer_does_not_mix_up_the_next_one():
    clock = ManualClock(START)
    governor = Governor(clock)
    one = manifest(limit(1, 60))
    assert await ask(governor, one) == 0
    await governor.depart("bot", "1")
    governor.lost("bot", "1")
    clock.advance(70)
    assert await ask(governor, one) == 0
    await governor.depart("bot", "1")
    governor.answered("bot", one, "1")
    assert await ask(governor, one) == pytest.approx(60, abs=0.2)
