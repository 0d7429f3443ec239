"""Killed at any moment between hearing and storing: nothing acknowledged is lost, half-written, or there twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shequn_sdk.metrics import DuckDBEventStore

PER_BATCH = 150
LISTENER = """
import json, sys
from datetime import datetime, timedelta, UTC
from pathlib import Path
import anyio
from shequn_sdk.domain import Interaction
from shequn_sdk.listening.dispatch import Dispatcher
from shequn_sdk.listening.inbox import Inbox
from shequn_sdk.metrics import AsyncEventStore, DuckDBEventStore
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import Parsed, RawEvent
from shequn_sdk.scheduling.clock import SystemClock

START = datetime(2026, 3, 1, tzinfo=UTC)

class Adapter:
    platform = "alpha"
    manifest = Manifest(platform="alpha", capabilities=frozenset({Capability.POLL_EVENTS}))
    async def __aenter__(self): return self
    async def __aexit__(self, *_): return None
    async def check(self): return "alpha"
    async def receive(self, cursor): raise NotImplementedError
    def verify(self, request): raise NotImplementedError
    def parse(self, raw):
        number = int(raw.payload)
        return Parsed("message", (Interaction(
            id=f"message:{number}", kind="message" if number % 3 else "reaction", platform="alpha", channel="c",
            member=str(number % 40), message=f"m{number % 700}", occurred_at=START + timedelta(seconds=number * 7)),))

class Accounts:
    adapters = {"bot": Adapter()}
    def names(self): return ("bot",)
    def adapter(self, name): return self.adapters[name]
    def manifest(self, name): return Adapter.manifest
    def platform(self, name): return "alpha"

async def main(home, first, batches, size):
    store = AsyncEventStore(DuckDBEventStore(home / "events.duckdb", timeout=300, idle=0.05))
    await store.ensure_community("unassigned")
    async with await Inbox.open(home / "inbox.db") as inbox, anyio.create_task_group() as group:
        dispatcher = Dispatcher(Accounts(), inbox, clock=SystemClock(), append=lambda b, c: store.append(b, community=c),
                                forward_batch=400)
        async def forward():
            while True:
                await dispatcher.forward_pending()
                await anyio.sleep(0.005)
        group.start_soon(forward)
        print("ready", flush=True)
        for number in range(first, first + batches):
            await inbox.add("bot", [RawEvent(f"e{n}", str(n).encode()) for n in range(number * size, (number + 1) * size)])
            print(number, flush=True)
            await anyio.sleep(0.02)
        while any(one.lag for one in (await inbox.stats()).consumers if one.name == "events"):
            await anyio.sleep(0.02)
        group.cancel_scope.cancel()
    await store.aclose()

anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
"""


def listen(home: Path, first: int, batches: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LISTENER, str(home), str(first), str(batches), str(PER_BATCH)],
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_the_listener(home: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    acknowledged: set[int] = set()
    following = 0
    for _ in range(kills):
        # the last batches come again, as from a platform that saw no acknowledgement
        listener = listen(home, max(0, following - rng.randint(0, 3)), 500)
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        for _ in range(rng.randint(0, 5)):
            acknowledged.add(int(listener.stdout.readline()))
        time.sleep(rng.random() * 0.06)
        listener.send_signal(signal.SIGKILL)
        rest, _ = listener.communicate()
        acknowledged.update(int(line) for line in rest.split() if line.isdigit())
        following = max(acknowledged, default=-1) + 1
        with DuckDBEventStore(home / "events.duckdb", timeout=300, idle=0) as store, store.read() as session:
            total, distinct = session.rows("select count(*), count(distinct event_id) from events")[1][0]
            assert total == distinct, "an event is there twice"
            assert session.rows("select coalesce(sum(actions), 0) from member_day")[1] == [(total,)]
            assert session.rows("select coalesce(sum(events), 0) from ingest_stats")[1] == [(total,)]
    last = listen(home, following, 1)
    rest, _ = last.communicate(timeout=600)
    assert last.returncode == 0
    acknowledged.add(following)
    with DuckDBEventStore(home / "events.duckdb") as store, store.read() as session:
        # the id of an event is not kept, its time is: one event every seven seconds
        seconds = "cast(date_diff('second', timestamp '2026-03-01', ts) / 7 as integer)"
        found = {row[0] for row in session.rows(f"select {seconds} from events")[1]}
        assert session.rows("select count(*) from events")[1] == [(len(found),)]
        lost = {
            n for batch in acknowledged for n in range(batch * PER_BATCH, (batch + 1) * PER_BATCH)
        } - found
        assert not lost, f"{len(lost)} acknowledged events are lost"
        assert session.rows("select count(*), max(member_no) from members")[1] == [(40, 40)]


def test_a_killed_listener_loses_nothing(tmp_path):
    kill_the_listener(tmp_path, kills=3, seed=11)


@pytest.mark.slow
def test_fifty_kills_between_hearing_and_storing(tmp_path):
    kill_the_listener(tmp_path, kills=50, seed=12)
