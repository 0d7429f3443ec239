"""Sets of items that share a transaction."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from shequn_sdk.stores.together import Together


class Slow:
    """A store whose transactions take a moment each, and notes how many ran at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def write(self, fn, **how):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        return fn(None)


def together(flights: int = 2, most: int = 128) -> tuple[Together[int, int], list[int], Slow]:
    sets: list[int] = []
    store = Slow()

    def work(conn, items):
        sets.append(len(items))
        return [-item for item in items]

    return Together(cast("Any", store), work, flights=flights, most=most), sets, store


@pytest.mark.parametrize("flights", [1, 2, 3])
async def test_nothing_waits_for_a_flight_that_has_just_ended(flights):
    """Whoever asks in the moment in which the last flight ends got no flight, and waited for the next who asked."""
    desk, _, _ = together(flights)

    async def one_by_one(start: int) -> list[int]:
        return [await desk.do(start + n) for n in range(20)]

    async with asyncio.timeout(10):
        found = await asyncio.gather(*(one_by_one(1000 * n) for n in range(flights)))
    assert found == [[-(1000 * k + n) for n in range(20)] for k in range(flights)]


async def test_many_at_once_are_parted_among_the_flights():
    desk, sets, store = together()
    assert await asyncio.gather(*map(desk.do, range(64))) == [-n for n in range(64)]
    assert sets == [32, 32]
    assert store.most == 2


async def test_few_go_together():
    desk, sets, _ = together()
    await asyncio.gather(*map(desk.do, range(10)))
    assert sets == [10]


async def test_a_set_has_its_largest_size():
    desk, sets, _ = together(most=20)
    await asyncio.gather(*map(desk.do, range(100)))
    assert max(sets) == 20
    assert sum(sets) == 100
