"""Steps of many deliveries in one statement: names of every kind, what waits in a channel, and wakes on their way."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from shequn_sdk.domain import Content, DeliveryState
from shequn_sdk.publishing import DeliveryOptions, Publishing, bulk
from shequn_sdk.stores.fast import Fast, one_trip
from shequn_sdk.stores.store import Store

_spec = importlib.util.spec_from_file_location("contract_cells_sets", Path(__file__).parent / "cells.py")
assert _spec is not None
assert _spec.loader is not None
cells = importlib.util.module_from_spec(_spec)
sys.modules["contract_cells_sets"] = cells
_spec.loader.exec_module(cells)

pytestmark = pytest.mark.postgres

ODD = ("plain", "a b", 'q"uote', "back\\slash", "{curly,}", "NULL", "'; drop", "线上", '\\"', "%s :name")


async def test_channels_of_every_name_keep_their_order(postgres_url):
    board = cells.Board()
    async with await Store.open(postgres_url) as store:
        publishing = Publishing(store, board)
        contents = [
            (Content(text=f"{k}/{n}"), [f"bot:{name}"], None) for n in range(4) for k, name in enumerate(ODD)
        ]
        await publishing.plan_many(contents)
        ids = [one.id for one in await publishing.deliveries()]
        dispatcher = publishing._dispatcher()
        async with anyio.create_task_group() as group:
            for number in ids:
                group.start_soon(dispatcher.handle, number)
        await publishing.drain()
        landed = await publishing.deliveries(states=[DeliveryState.LANDED])
        assert len(landed) == len(contents)
        assert {one.post.channel.native_id for one in landed} == set(ODD)
    for k, name in enumerate(ODD):
        assert [text for channel, text, _ in board.sent if channel == name] == [f"{k}/{n}" for n in range(4)]


async def test_an_error_of_a_trip_is_the_first_ones(postgres_url):
    """And the connection can be used afterwards."""
    wrong, right = Fast("select 1 / :zero::int"), Fast("select 2")

    def both(conn):
        with one_trip(conn):
            right.ask(conn)
            wrong.ask(conn, {"zero": 0})
            right.ask(conn)

    async with await Store.open(postgres_url) as store:
        with pytest.raises(Exception, match="division by zero"):
            await store.write(both)
        assert await store.write(right.all) == [(2,)]


async def test_what_landed_says_whether_its_channel_goes_on(postgres_url):
    board = cells.Board()
    asked = []
    through = bulk.claim

    def claim(conn, lanes, **options):
        asked.append(set(lanes))
        return through(conn, lanes, **options)

    async with await Store.open(postgres_url) as store:
        publishing = Publishing(store, board)
        later = datetime.now(UTC) + timedelta(days=1)
        for channel, at in (("more", None), ("more", None), ("alone", None), ("alone", later)):
            await publishing.plan(Content(text="x"), [f"bot:{channel}"], at=at)
        ids = [one.id for one in await publishing.deliveries()]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bulk, "claim", claim)
            dispatcher = publishing._dispatcher()
            for number in ids:
                await dispatcher.handle(number)
        states = [one.state for one in await publishing.deliveries()]
    assert states == [DeliveryState.LANDED] * 3 + [DeliveryState.PLANNED]
    # one claim per wake, and one with the first outcome of the channel that goes on
    assert sum(lanes == {("bot", "more")} for lanes in asked) == 3
    assert sum(lanes == {("bot", "alone")} for lanes in asked) == 2


async def test_wakes_on_their_way_are_not_forgotten_ones(postgres_url):
    async with await Store.open(postgres_url) as store:
        publishing = Publishing(store, cells.Board(), options=DeliveryOptions(lease=timedelta(seconds=3)))
        dispatcher = publishing._dispatcher()
        await publishing.plan(Content(text="x"), ["bot:1"])
        assert await dispatcher.forgotten() == []
        await anyio.sleep(1.1)
        assert len(await dispatcher.forgotten()) == 1
