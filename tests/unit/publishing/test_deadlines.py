"""One timer for many requests."""

from __future__ import annotations

import asyncio
import contextlib

import anyio
import pytest

from shequn_sdk.publishing.deadlines import Deadlines


async def test_what_ends_in_time_is_left_alone_and_what_does_not_is_ended():
    deadlines = Deadlines(0.2)
    ended: list[int] = []

    async def request(number: int) -> None:
        try:
            with deadlines.watch():
                await asyncio.sleep(30 if number % 3 == 0 else 0.001)
        except TimeoutError:
            ended.append(number)
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()

    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(request(number))
            await asyncio.sleep(0.01)
    assert ended == [0, 3, 6, 9]
    assert loop.time() - begun >= 0.09 + 0.2
    assert not deadlines._open


async def test_each_has_the_whole_limit_although_the_timer_is_that_of_the_first():
    deadlines = Deadlines(0.3)
    loop = asyncio.get_running_loop()

    async def request(seconds: float) -> float:
        begun = loop.time()
        try:
            with deadlines.watch():
                await asyncio.sleep(seconds)
        except TimeoutError:
            return loop.time() - begun
        return 0.0

    first = asyncio.create_task(request(0.01))
    await asyncio.sleep(0.2)
    second = asyncio.create_task(request(30))
    assert await first == 0.0
    assert await second >= 0.3
    assert await request(0) == 0.0
    assert await request(30) >= 0.3


async def test_errors_and_answers_pass():
    with pytest.raises(TimeoutError) as late, Deadlines(0.01).watch():
        await asyncio.sleep(30)
    assert isinstance(late.value.__cause__, asyncio.CancelledError)
    deadlines = Deadlines(30)
    with pytest.raises(KeyError), deadlines.watch():
        raise KeyError("mine")
    with deadlines.watch():
        pass
    assert not deadlines._open


async def test_who_cancels_the_task_comes_first():
    deadlines = Deadlines(0.05)
    told: list[BaseException] = []

    async def request() -> None:
        try:
            with deadlines.watch():
                try:
                    await asyncio.sleep(30)
                finally:
                    task.cancel()  # while the deadline's own is on its way
        except BaseException as error:
            told.append(error)
            raise

    task = asyncio.create_task(request())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(told[0], asyncio.CancelledError)

    with anyio.move_on_after(0.05) as scope, Deadlines(30).watch():
        await anyio.sleep(30)
    assert scope.cancelled_caught


async def test_a_block_that_swallows_its_end_is_ended_all_the_same():
    deadlines = Deadlines(0.02)
    with deadlines.watch(), contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(30)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
