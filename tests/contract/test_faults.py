"""Faults over store and engine: races, lost and late wakes, kill -9, a database that restarts, people who interfere."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text

from shequn_sdk.domain import Content, DeliveryState
from shequn_sdk.errors import InvalidInput, RateLimited
from shequn_sdk.stores.store import Store

_spec = importlib.util.spec_from_file_location("contract_cells", Path(__file__).parent / "cells.py")
assert _spec is not None
assert _spec.loader is not None
cells = importlib.util.module_from_spec(_spec)
sys.modules["contract_cells"] = cells  # dataclasses look their module up
_spec.loader.exec_module(cells)
Board, Cell = cells.Board, cells.Cell

ALL = ["sqlite+embedded", *(f"postgresql+{name}" for name in cells.ENGINES)]
SERVED = [name for name in ALL if name.startswith("postgresql")]
QUEUED = [name for name in SERVED if not name.endswith("embedded")]


@pytest.fixture
def cell(request, tmp_path):
    """The store and engine that a test asks for by parameter."""
    store, _, engine = request.param.partition("+")
    if engine in {"pgqueuer", "procrastinate"}:
        pytest.importorskip(f"shequn_{engine}.engine")
    url = (
        f"sqlite:///{tmp_path / 'store.db'}" if store == "sqlite" else request.getfixturevalue("postgres_url")
    )
    return Cell(engine=engine, url=url)


def over(names):
    return pytest.mark.parametrize(
        "cell",
        [pytest.param(one, marks=pytest.mark.postgres if one in SERVED else ()) for one in names],
        indirect=True,
    )


async def plan(publishing, number, *, channels, at=None):
    await publishing.plan_many(
        (Content(text=f"t{n:05}"), [f"bot:c{n % channels}"], at) for n in range(number)
    )


async def until(publishing, done, *, within=300.0):
    """Wait for `done(counts)`."""
    with anyio.fail_after(within):
        while True:
            try:
                counts = await publishing.counts()
            except Exception:
                counts = None  # the database is away
            if counts is not None and done(counts):
                return counts
            await asyncio.sleep(0.05)


def landed(number):
    return lambda counts: counts[DeliveryState.LANDED] >= number


def settled(counts):
    return not any(
        counts[state] for state in (DeliveryState.PLANNED, DeliveryState.CLAIMED, DeliveryState.ATTEMPTING)
    )


async def race(cell, number, channels):
    board = Board()
    stop = anyio.Event()
    async with cell.publishing(board) as one, cell.publishing(board) as two:
        await plan(one, number, channels=channels)
        async with anyio.create_task_group() as group:
            for each in (one, two):
                group.start_soon(lambda each=each: each.run(stop, concurrency=16))
            await until(one, landed(number), within=300 + number / 10)
            stop.set()
        workers = {step.actor for step in await steps(one, "attempting", limit=number)}
        for row in (await one.deliveries(limit=number))[::100]:
            trail = await one.history(row.id)
            # whichever way it was claimed, alone or with the outcome before it, and however often
            assert [step.old for step in trail] == [None, *(step.new for step in trail[:-1])]
            assert [step.new for step in trail[-3:]] == ["claimed", "attempting", "landed"]
    assert set(board.copies().values()) == {1}
    assert len(board.copies()) == number
    for channel in {where for where, _, _ in board.sent}:
        order = [what for where, what, _ in board.sent if where == channel]
        assert order == sorted(order)
    assert len(workers) == 2


async def steps(publishing, state, *, limit):
    rows = await publishing.deliveries(limit=limit)
    every = [await publishing.history(row.id) for row in rows[:: max(1, len(rows) // 50)]]
    return [step for trail in every for step in trail if str(step.new) == state]


@over(ALL)
async def test_two_workers_race_a_thousand_rows(cell):
    """Each is sent once, in the order of its channel, and both take part."""
    await race(cell, 1000, 250)


@pytest.mark.slow
@over(ALL)
async def test_two_workers_race_long_form(cell):
    await race(cell, 8000, 400)


@over(QUEUED)
async def test_wakes_that_were_lost_come_late_or_twice(cell):
    """Whatever happens to the queue, the ledger brings each delivery once, and none before its time."""
    board = Board()
    stop = anyio.Event()
    queue = cells.QUEUES[cell.engine]
    due = datetime.now(UTC) + timedelta(seconds=1.2)
    async with cell.publishing(board) as publishing:
        await plan(publishing, 20, channels=10)
        await publishing.plan(Content(text="later"), ["bot:later"], at=due)
        async with await Store.open(cell.url) as store:
            count = text(f"select count(*) from {queue}")
            wakes = await store.read(lambda conn: conn.execute(count).scalar())
            assert wakes == 11  # one for each channel: its outcome brings what waits there next
            await store.write(lambda conn: conn.execute(text(f"delete from {queue}")))  # lost
        await plan(publishing, 20, channels=10)  # these are there
        engine = cells.factory(cell.engine, cell.url)(None, publishing._clock)
        every = await publishing.deliveries()
        now = datetime.now(UTC)
        wakes = [cells_wake(row.id, now + timedelta(seconds=late)) for row in every for late in (0, 0.7)]
        await engine.submit(wakes)  # twice, for some of them early
        async with anyio.create_task_group() as group:
            group.start_soon(publishing.run, stop)
            await until(publishing, landed(41))
            stop.set()
    assert sum(board.copies().values()) == 41
    assert all(at >= due for _, what, at in board.sent if what == "later")


def cells_wake(delivery, at):
    from shequn_sdk.scheduling.engine import Wake

    return Wake(delivery, at)


@over(QUEUED)
async def test_a_wake_is_written_with_its_row_or_not_at_all(cell):
    async with cell.publishing(Board()) as publishing, await Store.open(cell.url) as store:
        await publishing.plan(Content(text="first"), ["bot:1"])
        queue = text(f"select count(*) from {cells.QUEUES[cell.engine]}")
        assert await store.read(lambda conn: conn.execute(queue).scalar()) == 1
        carrier = publishing._carrier
        assert carrier is not None

        def fails(conn):
            carrier.enlist(conn, [cells_wake(77, datetime.now(UTC))])
            raise KeyError("mine")

        with pytest.raises(KeyError):
            await store.write(fails)
        assert await store.read(lambda conn: conn.execute(queue).scalar()) == 1


@over(ALL)
async def test_kill_9_in_the_middle(cell, tmp_path):
    """Another worker, already running, takes over when the lease ends; every request is accounted for, none repeated."""
    cell.lease = 3.0
    log = tmp_path / "requests"
    board = Board(log=log)
    async with cell.publishing(board) as publishing:
        await plan(publishing, 30, channels=30)
        process = subprocess.Popen(
            [sys.executable, cells.__file__, cell.engine, cell.url, str(log), "900", str(cell.lease), "10"],
            stdout=subprocess.PIPE,
        )
        try:
            with anyio.fail_after(300):
                while not log.exists() or len(log.read_text().splitlines()) < 10:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            stop = anyio.Event()
            async with anyio.create_task_group() as group:
                group.start_soon(publishing.run, stop)
                await until(
                    publishing, landed(10)
                )  # the embedded engine holds ten more that it has not begun
                process.send_signal(signal.SIGKILL)
                killed = time.monotonic()
                await asyncio.to_thread(process.wait)
                counts = await until(publishing, settled)
                took = time.monotonic() - killed
                stop.set()
        finally:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()
            process.wait()
        assert (counts[DeliveryState.LANDED], counts[DeliveryState.UNKNOWN]) == (20, 10)
        for row in await publishing.deliveries(states=[DeliveryState.UNKNOWN]):
            assert "vanished" in row.error
    requests = Counter(log.read_text().splitlines())
    assert len(requests) == 30
    assert set(requests.values()) == {1}
    # a lease ends after one lease, and is noticed at the next sweep, a third of it later; the rest is for the machine
    assert took < 1.5 * cell.lease + 60


@over(ALL)
async def test_a_request_that_takes_longer_than_a_lease_stays_its_workers(cell):
    """Who works on a delivery prolongs its lease; the other worker leaves it alone."""
    cell.lease = 2.4
    board = Board(pause=4.0)
    stop = anyio.Event()
    async with cell.publishing(board) as one, cell.publishing(board) as two:
        await plan(one, 4, channels=4)
        async with anyio.create_task_group() as group:
            for each in (one, two):
                group.start_soon(each.run, stop)
            await until(one, landed(4))
            stop.set()
        trails = [await one.history(row.id) for row in await one.deliveries()]
    assert set(board.copies().values()) == {1}
    assert all(step.new != "unknown" for trail in trails for step in trail)


@contextlib.contextmanager
def left_behind():
    """Pass over errors of tasks of Procrastinate that nobody asks for when its connections break; all others count."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop, context):
        error = context.get("exception")
        if type(error).__module__.partition(".")[0] == "procrastinate":
            return
        (before or type(loop).default_exception_handler)(loop, context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)


async def restart(cell, cluster, *, number, pause, times):
    with left_behind():
        await restart_within(cell, cluster, number=number, pause=pause, times=times)


async def restart_within(cell, cluster, *, number, pause, times):
    board = Board(pause=pause)
    stop = anyio.Event()
    rng = random.Random(5)
    async with cell.publishing(board) as one, cell.publishing(board) as two:
        await plan(one, number, channels=40)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: one.run(stop, concurrency=8))
            group.start_soon(lambda: two.run(stop, concurrency=8))
            for turn in range(times):
                await until(one, landed(number * (turn + 1) // (times + 2)))
                await asyncio.sleep(rng.uniform(0, 0.2))
                await asyncio.to_thread(cluster.stop, mode="immediate")
                await asyncio.sleep(0.5)
                await asyncio.to_thread(cluster.start)
            at_rest = (DeliveryState.LANDED, DeliveryState.UNKNOWN)
            await until(one, lambda counts: sum(counts[state] for state in at_rest) == number)
            counts = await one.counts()
            stop.set()
    assert counts[DeliveryState.LANDED] == number
    assert set(board.copies().values()) == {1}
    assert len(board.copies()) == number


# Procrastinate leaves tasks behind whose errors nobody asks for when its connections break
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@over(SERVED)
async def test_the_database_restarts_in_the_middle(cell, postgres_cluster):
    """Everything lands once; outcomes wait in memory until they can be written."""
    cell.lease = (
        40.0  # a slow machine needs seconds for the restart, and what it holds is its workers' until then
    )
    await restart(cell, postgres_cluster, number=240, pause=0.02, times=1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@over(SERVED)
async def test_the_database_restarts_long_form(cell, postgres_cluster):
    cell.lease = 6.0
    await restart(cell, postgres_cluster, number=3000, pause=0.02, times=6)


@over(ALL)
async def test_cancelling_races_the_claim(cell):
    """What was cancelled is never sent; what was sent cannot be cancelled."""
    board = Board(pause=0.01)
    stop = anyio.Event()
    gone: set[str] = set()
    async with cell.publishing(board) as publishing:
        await plan(publishing, 60, channels=60)
        rows = await publishing.deliveries()

        async def cancel():
            for row in reversed(rows):
                with contextlib.suppress(InvalidInput):
                    gone.add((await publishing.cancel(row.id)).text)
                await asyncio.sleep(0)

        async with anyio.create_task_group() as group:
            group.start_soon(lambda: publishing.run(stop, concurrency=4))
            await cancel()
            await until(publishing, landed(60 - len(gone)))
            stop.set()
        counts = await publishing.counts()
    assert counts[DeliveryState.CANCELLED] == len(gone)
    assert counts[DeliveryState.LANDED] == 60 - len(gone)
    assert gone.isdisjoint(board.copies())
    assert set(board.copies().values()) <= {1}


@over(ALL)
async def test_retry_after_holds_the_other_worker(cell):
    """What the platform told one worker keeps the other from asking."""
    wait = timedelta(seconds=1.5)
    told = RateLimited("slow down", retry_after=wait, scope="account")
    refused, stop = anyio.Event(), anyio.Event()

    def refuse(number: int) -> RateLimited:
        refused.set()
        return told

    first, second = Board(refuse=refuse), Board()
    async with (
        cell.publishing(first, share_limits=True) as one,
        cell.publishing(second, share_limits=True) as two,
    ):
        await one.plan(Content(text="a"), ["bot:1"])
        await one.run(refused)  # ends with what it has under way
        assert len(first.sent) == 1
        await plan(one, 6, channels=6)
        async with anyio.create_task_group() as group:
            group.start_soon(two.run, stop)
            await until(two, landed(7))
            stop.set()
    assert len(second.sent) == 7
    # a server's clock is known to a fraction of a round trip, and these instants are by the machine's
    assert min(at for _, _, at in second.sent) >= first.sent[0][2] + wait - timedelta(milliseconds=20)
