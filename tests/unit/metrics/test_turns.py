"""Several processes use one file in turns; a killed one leaves nothing half-done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shequn_sdk.domain import InteractionBatch
from shequn_sdk.errors import StoreBusy
from shequn_sdk.metrics import DuckDBEventStore
from shequn_sdk.metrics.store.turns import Turn

WRITER = """
import sys
from shequn_sdk.domain import InteractionBatch
from shequn_sdk.metrics import DuckDBEventStore

store = DuckDBEventStore(sys.argv[1], timeout=300, idle=float(sys.argv[4]))
first, batches = int(sys.argv[2]), int(sys.argv[3])

def make(number):
    batch = InteractionBatch(platform="alpha")
    for row in range(200):
        batch.append(id=f"{number}.{row}", kind="message", occurred_at=1772000000000000 + number * 1000000 + row,
                     member=str(row % 50))
    return batch

numbers = range(first, first + batches)
if sys.argv[5] == "append_all":
    done = store.append_all(map(make, numbers), community="health")
else:
    done = (store.append(make(number), community="health") for number in numbers)
for number, _ in zip(numbers, done):
    print(number, flush=True)
store.close()
"""


def start_writer(
    path: Path, first: int, batches: int, idle: float = 0.2, way: str = "append"
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first), str(batches), str(idle), way],
        stdout=subprocess.PIPE,
        text=True,
    )


def count(store: DuckDBEventStore, sql: str = "select count(*) from events") -> int:
    with store.read() as session:
        return session.rows(sql)[1][0][0]


def make_store(path: Path) -> DuckDBEventStore:
    store = DuckDBEventStore(path, timeout=300, idle=0)
    store.ensure_community("health")
    return store


def test_a_reader_gets_its_turn_beside_a_busy_writer(tmp_path):
    path = tmp_path / "events.duckdb"
    store = make_store(path)
    writer = start_writer(path, 0, 12, idle=5.0)
    seen: list[int] = []
    while writer.poll() is None:
        seen.append(count(store))
        time.sleep(0.02)
    assert writer.wait() == 0
    assert writer.stdout is not None
    writer.stdout.close()
    assert count(store) == 12 * 200
    assert all(number % 200 == 0 for number in seen), "a reader saw half a batch"
    assert seen == sorted(seen)


def test_two_writers_lose_nothing(tmp_path):
    path = tmp_path / "events.duckdb"
    store = make_store(path)
    writers = [start_writer(path, 0, 6), start_writer(path, 3, 6)]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert count(store) == 9 * 200
    assert count(store, "select count(*) from members") == 50


def test_who_waits_too_long_is_told_by_whom_it_was_kept(tmp_path):
    lock = tmp_path / "events.duckdb.lock"
    holder = Turn(lock)
    holder.take(purpose="weekly report", timeout=1)
    store = DuckDBEventStore(tmp_path / "events.duckdb", timeout=0.1)
    with pytest.raises(StoreBusy, match="weekly report") as caught:
        store.communities()
    assert str(os.getpid()) in caught.value.owner
    holder.release()
    assert store.communities() == []
    store.close()


def test_a_waiting_process_comes_before_the_owner_that_lets_go(tmp_path):
    owner, waiter = Turn(tmp_path / "lock"), Turn(tmp_path / "lock")
    owner.take(purpose="owner", timeout=1)
    order: list[str] = []

    def wait() -> None:
        waiter.take(purpose="waiter", timeout=300)
        order.append("waiter")
        waiter.release()

    thread = threading.Thread(target=wait)
    thread.start()
    while not owner.wanted():
        time.sleep(0.001)
    owner.release()
    owner.take(purpose="owner", timeout=300)
    order.append("owner")
    owner.release()
    thread.join()
    assert order == ["waiter", "owner"]


def test_threads_share_one_store(tmp_path):
    store = DuckDBEventStore(tmp_path / "events.duckdb", idle=0.02)
    store.ensure_community("health")

    def append(worker: int) -> None:
        for number in range(5):
            batch = InteractionBatch(platform="alpha")
            batch.append(
                id=f"{worker}.{number}",
                kind="message",
                occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
                member="1",
            )
            store.append(batch, community="health")

    threads = [threading.Thread(target=append, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(store) == 20
    store.close()


def kill_at_random(tmp_path: Path, kills: int, seed: int) -> None:
    path = tmp_path / "events.duckdb"
    store = make_store(path)
    rng = random.Random(seed)
    acknowledged: set[int] = set()
    for attempt in range(kills):
        # overlaps the one before: what it did not finish comes again
        way = ("append", "append_all")[attempt % 2]
        writer = start_writer(path, attempt * 5, 400, way=way)
        assert writer.stdout is not None
        wanted = rng.randint(0, 6)
        for _ in range(wanted):
            line = writer.stdout.readline()
            acknowledged.add(int(line))
        time.sleep(rng.random() * 0.03)
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        acknowledged.update(int(line) for line in rest.split() if line.isdigit())
        total = count(store)
        assert total % 200 == 0, "half a batch was kept"
        assert total >= len(acknowledged) * 200, "an acknowledged batch was lost"
        assert total == count(store, "select count(distinct event_id) from events"), "an event is there twice"
        assert total == count(store, "select coalesce(sum(actions), 0) from member_day")


def test_kill_nine_loses_nothing_acknowledged(tmp_path):
    kill_at_random(tmp_path, kills=4, seed=3)


@pytest.mark.slow
def test_fifty_kills(tmp_path):
    kill_at_random(tmp_path, kills=50, seed=7)


def test_a_full_disk_is_named_and_rolled_back(tmp_path):
    path = tmp_path / "events.duckdb"
    store = make_store(path)
    small = InteractionBatch(platform="alpha")
    small.append(id="first", kind="message", occurred_at=datetime(2026, 3, 1, tzinfo=UTC), member="1")
    store.append(small, community="health")
    big = InteractionBatch(platform="alpha")
    for row in range(60_000):
        big.append(
            id=f"row {row}",
            kind="message",
            occurred_at=datetime(2026, 3, 2, tzinfo=UTC),
            member=f"member {row}",
        )
    # A limit on the size of files makes the system refuse to write further, as a full disk does.
    script = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.dont_write_bytecode = True  # Python itself leaves halves of it
resource.setrlimit(resource.RLIMIT_FSIZE, ({path.stat().st_size + 200_000}, resource.RLIM_INFINITY))
from shequn_sdk.domain import InteractionBatch
from shequn_sdk.metrics import DuckDBEventStore
from shequn_sdk.errors import StoreFull
store = DuckDBEventStore({str(path)!r})
big = InteractionBatch(platform="alpha")
for row in range(60_000):
    big.append(id=f"row {{row}}", kind="message", occurred_at=1772000000000000 + row, member=f"member {{row}}")
try:
    store.append(big, community="health")
except StoreFull as error:
    print("full:", error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("full:"), done.stderr[-2000:]
    assert count(store) == 1
    assert store.append(big, community="health").new == 60_000


def test_a_community_that_another_process_added_between_two_turns_is_taken_as_it_is(tmp_path, monkeypatch):
    from shequn_sdk.metrics import DuckDBEventStore

    path = tmp_path / "events.duckdb"
    first, second = DuckDBEventStore(path, idle=0), DuckDBEventStore(path, idle=0)
    write = first._write

    def late(purpose):
        second.ensure_community("health", zone="UTC")
        return write(purpose)

    monkeypatch.setattr(first, "_write", late)
    assert first.ensure_community("health", zone="Asia/Shanghai").zone == "UTC"
    first.close()
    second.close()
