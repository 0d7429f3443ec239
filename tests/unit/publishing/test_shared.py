"""Limits that two processes share; two instances with governors of their own stand for them."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

import pytest

from shequn_sdk.domain import Content, DeliveryState
from shequn_sdk.errors import RateLimited
from shequn_sdk.platforms.manifest import RateLimit, RateScope, RateShape
from shequn_sdk.publishing import Publishing


def two(bench):
    return [
        Publishing(bench.store, bench.accounts, worker=name, share_limits=True) for name in ("one", "two")
    ]


@pytest.mark.parametrize("shape", list(RateShape))
async def test_together_they_stay_within_the_limit(bench, shape):
    limit = RateLimit(name="l", amount=5, per=timedelta(hours=1), scope=RateScope.ACCOUNT, shape=shape)
    bench.account(rate_limits=(limit,))
    pair = two(bench)
    for number in range(12):
        await pair[0].plan(Content(text=str(number)), [f"bot:{number}"])
    for publishing in (*pair, *pair):
        await publishing.drain()
    assert bench.wall.requests == 5
    bench.clock.advance(timedelta(minutes=75))
    for publishing in (*pair, *pair):
        await publishing.drain()
    assert bench.wall.requests == 10
    assert {one.attempts for one in await pair[0].deliveries(states=[DeliveryState.LANDED])} == {1}


async def test_retry_after_of_one_holds_the_other(bench):
    bench.account()
    pair = two(bench)
    bench.wall.script["1"] = deque([RateLimited("slow", retry_after=timedelta(minutes=5), scope="account")])
    await pair[0].publish(Content(text="a"), ["bot:1"])
    await pair[1].publish(Content(text="b"), ["bot:2"])
    assert bench.wall.requests == 1
    bench.clock.advance(timedelta(minutes=6))
    await pair[1].drain()
    assert bench.wall.requests == 3
    assert (await pair[0].counts())[DeliveryState.LANDED] == 2


async def test_alone_nothing_is_written_for_limits(bench):
    limit = RateLimit(name="l", amount=5, per=timedelta(hours=1), scope=RateScope.ACCOUNT)
    bench.account(rate_limits=(limit,))
    await Publishing(bench.store, bench.accounts).publish(Content(text="a"), ["bot:1"])
    count = await bench.store.read(lambda conn: conn.exec_driver_sql("select count(*) from bucket").scalar())
    assert count == 0
