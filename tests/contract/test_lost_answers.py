"""A commit whose answer is lost: what was written counts, nothing is sent twice, and nothing becomes unknown by it."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from shequn_sdk.domain import Content, DeliveryState
from shequn_sdk.errors import StoreBusy
from shequn_sdk.platforms.manifest import RateLimit, RateScope
from shequn_sdk.publishing import DeliveryOptions, Publishing
from shequn_sdk.publishing.desk import Begin, Claim, Finish
from shequn_sdk.stores.store import Store
from shequn_sdk.stores.together import Together

_spec = importlib.util.spec_from_file_location("contract_cells_lost", Path(__file__).parent / "cells.py")
assert _spec is not None
assert _spec.loader is not None
cells = importlib.util.module_from_spec(_spec)
sys.modules["contract_cells_lost"] = cells
_spec.loader.exec_module(cells)

pytestmark = pytest.mark.postgres


async def drain(publishing, ids):
    """Wake each delivery, as an engine does, until nobody wants to be woken again."""
    dispatcher = publishing._dispatcher()
    async with anyio.create_task_group() as group:
        for number in ids:
            group.start_soon(wake, dispatcher, publishing, number)


async def wake(dispatcher, publishing, number):
    again = publishing._clock.now()
    while again is not None:
        await anyio.sleep(max((again - publishing._clock.now()) / timedelta(seconds=1), 0))
        again = await dispatcher.handle(number)


@pytest.mark.parametrize("kind", [Claim, Begin, Finish])
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
async def test_the_answer_of_a_set_is_lost(postgres_url, monkeypatch, kind, committed):
    """The connection breaks at the first, third and fifth set that holds such a step."""
    board = cells.Board()
    seen = Counter()
    through = Together.do

    async def breaks(self, item):
        if isinstance(item, kind):
            seen["sets"] += 1
            if seen["sets"] in {1, 3, 5}:
                if committed:
                    await through(self, item)
                raise StoreBusy("the connection was closed")
        return await through(self, item)

    monkeypatch.setattr(Together, "do", breaks)
    async with await Store.open(postgres_url) as store:
        publishing = Publishing(store, board, options=DeliveryOptions(lease=timedelta(seconds=30)))
        ids = []
        for number in range(24):
            (receipt,) = await publishing.plan(Content(text=f"t{number:02}"), [f"bot:c{number % 6}"])
            ids += receipt.deliveries
        with anyio.fail_after(300):
            await drain(publishing, ids)
        counts = await publishing.counts()
        every = [step for row in ids for step in await publishing.history(row)]
    assert seen["sets"] >= 5
    assert counts[DeliveryState.LANDED] == 24
    assert set(board.copies().values()) == {1}
    for channel in {where for where, _, _ in board.sent}:
        order = [what for where, what, _ in board.sent if where == channel]
        assert order == sorted(order)
    assert not [step for step in every if step.new is DeliveryState.UNKNOWN]


async def test_an_intent_that_was_written_and_counted_does_not_wait_for_its_own_limit(
    postgres_url, monkeypatch
):
    """The repeated step finds the limit used up, by the request that it asks for."""
    limit = RateLimit(name="l", amount=1, per=timedelta(seconds=1), scope=RateScope.CHANNEL)
    board = cells.Board()
    manifest = board.manifest_.model_copy(update={"rate_limits": (limit,)})
    monkeypatch.setattr(board, "manifest", lambda name: manifest)
    through, lost = Together.do, []

    async def breaks(self, item):
        answer = await through(self, item)
        if isinstance(item, Begin) and not lost:
            lost.append(answer)
            raise StoreBusy("the connection was closed")
        return answer

    monkeypatch.setattr(Together, "do", breaks)
    async with await Store.open(postgres_url) as store:
        publishing = Publishing(store, board, share_limits=True)
        (receipt,) = await publishing.plan(Content(text="x"), ["bot:1"])
        with anyio.fail_after(300):
            await drain(publishing, receipt.deliveries)
        counts = await publishing.counts()
    assert lost
    assert counts[DeliveryState.LANDED] == 1
    assert board.copies() == {"x": 1}


async def test_one_bad_wake_takes_no_other_with_it(postgres_url):
    """A delivery that does not exist is an error of its own wake."""
    from shequn_sdk.errors import InvalidInput

    board = cells.Board()
    async with await Store.open(postgres_url) as store:
        publishing = Publishing(store, board)
        (receipt,) = await publishing.plan(Content(text="x"), ["bot:1"])
        dispatcher = publishing._dispatcher()
        failed = []

        async def missing():
            try:
                await dispatcher.handle(999_999)
            except InvalidInput as error:
                failed.append(str(error))

        async with anyio.create_task_group() as group:
            group.start_soon(missing)
            group.start_soon(dispatcher.handle, receipt.deliveries[0])
    assert len(failed) == 1
    assert "999999" in failed[0]
    assert board.copies() == {"x": 1}


async def test_a_step_that_fails_leaves_the_others_of_its_set(postgres_url):
    """The set is done again one by one."""
    async with await Store.open(postgres_url) as store:

        def work(conn, items):
            if "bad" in items:
                raise ValueError("bad")
            return [f"{one}!" for one in items]

        together = Together(store, work)
        answers = {}

        async def ask(item):
            try:
                answers[item] = await together.do(item)
            except ValueError as error:
                answers[item] = str(error)

        async with anyio.create_task_group() as group:
            for item in ("one", "bad", "two"):
                group.start_soon(ask, item)
    assert answers == {"one": "one!", "bad": "bad", "two": "two!"}
