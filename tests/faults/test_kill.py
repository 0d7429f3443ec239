"""Workers are killed, frozen and raced; nothing is lost, nothing lands twice, every unknown is explained."""

from __future__ import annotations

import importlib.util
import random
import signal
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from shequn_sdk.domain import Content, DeliveryState
from shequn_sdk.publishing import DeliveryOptions, Publishing, failpoints
from shequn_sdk.stores.store import Store

_spec = importlib.util.spec_from_file_location("fault_worker", Path(__file__).parent / "worker.py")
assert _spec is not None
assert _spec.loader is not None
worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worker)

PATIENCE = 300.0
"""Seconds for what comes in seconds where nothing else runs."""
UNDER_WAY = {"planned", "claimed", "attempting", "deferred"}


async def plan(path: Path, texts: int, channels: int, mode: str) -> None:
    """Write `texts` deliveries over `channels` into a store."""
    async with await Store.open(path) as store:
        adapter = worker.WallAdapter("http://127.0.0.1:9", worker.idempotency(mode))
        publishing = Publishing(store, worker.OneAccount(adapter))
        await publishing.plan_many(
            (Content(text=f"t{number:04}"), [f"bot:c{number % channels}"], None) for number in range(texts)
        )
        await adapter.client.aclose()


async def states(path: Path) -> dict[str, str]:
    """Give the state of each text."""
    async with await Store.open(path) as store:
        publishing = Publishing(store, worker.OneAccount(None))
        return {one.text: str(one.state) for one in await publishing.deliveries(limit=100_000)}


async def ever_unknown(path: Path) -> frozenset[str]:
    """Give the texts whose fate was not known at some time."""
    async with await Store.open(path) as store:
        publishing = Publishing(store, worker.OneAccount(None))
        rows = await publishing.deliveries(limit=100_000)
        return frozenset(
            [
                row.text
                for row in rows
                if any(step.new is DeliveryState.UNKNOWN for step in await publishing.history(row.id))
            ]
        )


def _open(conn: Any) -> int:
    states = ", ".join(f"'{state}'" for state in sorted(UNDER_WAY))
    query = f"select count(*) from delivery where check_at > 0 or state in ({states})"
    return conn.exec_driver_sql(query).scalar()


async def settle(workers: Any, **settings: Any) -> dict[str, str]:
    """Let a fresh worker run until nothing is under way any more."""
    process = workers.start(**settings)
    async with await Store.open(workers.store) as store:
        publishing = Publishing(store, worker.OneAccount(None))
        with anyio.fail_after(PATIENCE):
            # one question: what is unknown when the rows are read may be looked up before its look-up is counted
            while await store.read(_open):  # noqa: ASYNC110
                await anyio.sleep(0.05)
        rows = await publishing.deliveries(limit=100_000)
        for row in rows:
            if row.state is DeliveryState.UNKNOWN:
                steps = await publishing.history(row.id)
                assert steps[-1].cause
                assert row.error
                unsure = settings.get("mode", "none") == "none"
                assert unsure, f"{row.text}: {[(step.at, step.new, step.cause) for step in steps]}"
    workers.end(process, signal.SIGTERM)
    return {one.text: str(one.state) for one in rows}


def judge(
    found: dict[str, str], wall: Any, mode: str, total: int, channels: int, late: frozenset[str] = frozenset()
) -> None:
    """Nothing lost, nothing twice, no false report, order kept; `late` may stand out of order."""
    assert len(found) == total
    copies = wall.copies()
    twice = {place: number for place, number in copies.items() if number > 1}
    assert not twice
    by_text = {text for _, text in copies}
    for text, state in found.items():
        if state == "landed":
            assert text in by_text
        elif state == "refused":
            assert text not in by_text
        else:
            assert state == "unknown"
            assert mode == "none"
    for channel in {f"c{number}" for number in range(channels)}:
        order = [text for where, text, _ in wall.landed if where == channel and text not in late]
        assert order == sorted(order)


POINTS = ["claimed:1", "intent_written:5", "request_done:5", "outcome_written:5", "unknown_written:1"]
SHORT = list(zip(POINTS, ["none", "native", "none", "reconcile", "reconcile"], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["none", "native", "reconcile"])
@pytest.mark.parametrize("point", POINTS)
async def test_kill_at_each_point_in_each_mode(workers, wall, tmp_path, mode, point):
    await kill_at(workers, wall, tmp_path, mode, point)


@pytest.mark.parametrize(("point", "mode"), SHORT)
async def test_kill_at_each_point(workers, wall, tmp_path, mode, point):
    await kill_at(workers, wall, tmp_path, mode, point)


async def kill_at(workers: Any, wall: Any, tmp_path: Path, mode: str, point: str) -> None:
    """Kill a worker at a point, start another, judge."""
    wall.native_key = mode == "native"
    await plan(tmp_path / "store.db", 24, 4, mode)
    wall.faults = {
        "t0005": ["reset_after"],
        "t0006": ["reset_before"],
        "t0009": ["429"],
        "t0010": ["nonsense"],
    }
    first = workers.start(failpoint=point, mode=mode)
    assert first.wait(PATIENCE) == -signal.SIGKILL
    workers.end(first)
    found = await settle(workers, mode=mode)
    judge(found, wall, mode, 24, 4)


@pytest.mark.parametrize(("mode", "sets"), [("none", 6), ("none", 1), ("reconcile", 1)])
async def test_kill_at_random_moments(workers, wall, tmp_path, mode, sets):
    """Also where all outcomes go in sets, which only a busy worker writes."""
    rng = random.Random(7)
    await plan(tmp_path / "store.db", 120, 12, mode)
    wall.delay = 0.01
    wall.faults = {
        f"t{number:04}": [rng.choice(["reset_after", "reset_before", "429"])] for number in range(0, 120, 9)
    }
    for _ in range(3):
        process = workers.start(mode=mode, sets=sets)
        assert process.stdout is not None
        process.stdout.readline()
        await anyio.sleep(rng.uniform(0.02, 0.25))
        workers.end(process)
    judge(await settle(workers, mode=mode, sets=sets), wall, mode, 120, 12)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["none", "native", "reconcile"])
async def test_kill_at_random_moments_long_form(workers, wall, tmp_path, mode):
    """2,000 deliveries, two workers at a time, 30 kills; all outcomes go in sets."""
    rng = random.Random(11)
    wall.native_key = mode == "native"
    total, channels = 2000, 80
    await plan(tmp_path / "store.db", total, channels, mode)
    wall.delay = 0.02
    kinds = ["reset_after", "reset_before", "429", "nonsense", "refuse"]
    wall.faults = {f"t{number:04}": [rng.choice(kinds)] for number in range(0, total, 10)}
    pair = [workers.start(mode=mode, sets=1) for _ in range(2)]
    for turn in range(30):
        await anyio.sleep(rng.uniform(0.2, 0.8))
        workers.end(pair[turn % 2])
        pair[turn % 2] = workers.start(mode=mode, sets=1)
    for process in pair:
        workers.end(process)
    judge(await settle(workers, mode=mode, sets=1), wall, mode, total, channels)


async def test_two_workers_race_and_nothing_is_sent_twice(workers, wall, tmp_path):
    await plan(tmp_path / "store.db", 200, 40, "none")
    second = workers.start(lease=120)
    found = await settle(workers, lease=120)
    workers.end(second, signal.SIGTERM)
    judge(found, wall, "none", 200, 40)
    assert set(found.values()) == {"landed"}
    assert len(wall.requests) == 200


async def test_a_frozen_worker_that_wakes_late_does_no_harm(workers, wall, tmp_path):
    """It wakes with a claim that another worker has taken over, and with an answer nobody waits for any more."""
    await plan(tmp_path / "store.db", 40, 8, "none")
    wall.delay = 0.03
    frozen = workers.start(lease=0.6)
    assert frozen.stdout is not None
    frozen.stdout.readline()
    deadline = time.monotonic() + PATIENCE
    while not wall.requests and time.monotonic() < deadline:  # noqa: ASYNC110
        await anyio.sleep(0.005)
    frozen.send_signal(signal.SIGSTOP)
    try:
        await settle(workers, lease=0.6)
    finally:
        frozen.send_signal(signal.SIGCONT)
    await anyio.sleep(0.5)
    workers.end(frozen, signal.SIGTERM)
    # Others go on after a held unknown, so the request of a woken worker may arrive after theirs.
    judge(
        await states(tmp_path / "store.db"),
        wall,
        "none",
        40,
        8,
        late=await ever_unknown(tmp_path / "store.db"),
    )


@pytest.mark.parametrize("point", ["intent_written:1", "departing:1", "departing:2"])
async def test_a_worker_frozen_before_its_request_leaves_sends_nothing_late(workers, wall, tmp_path, point):
    """It stops between the intent and the request, also after its first look at the lease, and wakes after its end."""
    wall.native_key = False  # so that the platform would show a second request as a second post
    await plan(tmp_path / "store.db", 1, 1, "native")
    frozen = workers.start(freeze=point, mode="native", lease=3, concurrency=1)
    with anyio.fail_after(PATIENCE):
        while stat(frozen.pid) != "T":  # noqa: ASYNC110
            await anyio.sleep(0.01)
    try:
        found = await settle(workers, mode="native", lease=3)
    finally:
        frozen.send_signal(signal.SIGCONT)
    workers.end(frozen, signal.SIGTERM)
    assert set(found.values()) == {"landed"}
    assert len(wall.requests) == 1
    assert set((await states(tmp_path / "store.db")).values()) == {"landed"}


def stat(pid: int) -> str:
    """Give the letter of a process's state."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


async def test_sigterm_finishes_what_is_under_way(workers, wall, tmp_path):
    await plan(tmp_path / "store.db", 60, 20, "none")
    wall.delay = 0.05
    process = workers.start()
    deadline = time.monotonic() + PATIENCE
    while len(wall.requests) < 5 and time.monotonic() < deadline:  # noqa: ASYNC110
        await anyio.sleep(0.005)
    workers.end(process, signal.SIGTERM)
    found = await states(tmp_path / "store.db")
    assert set(found.values()) <= {"landed", "planned"}
    assert sum(state == "landed" for state in found.values()) == len(wall.requests)


async def test_a_restart_takes_over_from_a_dead_process_at_once(workers, wall, tmp_path):
    """The lease is long, but the process is known to be gone."""
    await plan(tmp_path / "store.db", 8, 8, "reconcile")
    first = workers.start(failpoint="intent_written:3", mode="reconcile", lease=3600)
    first.wait(PATIENCE)
    workers.end(first)
    found = await settle(workers, mode="reconcile", lease=3600)  # is patient for less than a lease
    assert set(found.values()) == {"landed"}


async def test_failpoints_do_nothing_by_default():
    seen: list[str] = []
    failpoints.hit("claimed")
    failpoints.install(seen.append)
    failpoints.hit("claimed")
    failpoints.install(None)
    failpoints.hit("claimed")
    assert seen == ["claimed"]
    assert DeliveryOptions().lease.total_seconds() <= 30
