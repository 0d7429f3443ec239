"""The embedded engine beside APScheduler 3 (SQLAlchemyJobStore) and Huey (SqliteHuey, fsync), in one run.

Run: python benchmarks/delivery.py [--jobs 5000] [--only ours,aps,huey,latency,idle]. Each part runs in a process of its
own on a fresh SQLite file. Ours does more per job: intent, outcome and audit trail are durable.

Enqueueing is bound by the disk, which other work on the machine makes faster and slower by ten times. So the processes
take turns, a few jobs each, and what is told is the median of the ratios of the rounds. Drains take turns as well, each
round from copies of the same files. What was imported is kept from the garbage collector while enqueueing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

JOBS = 5000
ROUNDS = 40
SLICE = 25
"""Jobs that one process enqueues before it is the next one's turn."""
BATCHES = 5
DRAINS = 5
done = 0
finished = threading.Event()
goal = 0


def turns() -> Iterator[tuple[str, int]]:
    """Give what the parent asks for, until it has enough."""
    gc.collect()
    gc.freeze()
    tell(0.0)
    for line in sys.stdin:
        kind, count = line.split()
        yield kind, int(count)


def tell(seconds: float) -> None:
    print(seconds, flush=True)


def noop(number: int = 0) -> None:
    """The job of the peers."""
    global done  # noqa: PLW0603
    done += 1
    if done >= goal:
        finished.set()


def adapter_and_accounts(on_publish):
    from shequn_sdk.domain import ChannelRef, Post
    from shequn_sdk.platforms.manifest import Capability, Manifest

    class Null:
        platform = "null"
        manifest = Manifest(
            platform="null", capabilities=frozenset({Capability.PUBLISH_TEXT}), max_concurrency=256
        )

        async def publish(self, channel, piece, *, idempotency_key):
            on_publish(piece.text)
            return Post(
                channel=ChannelRef(account="bot", native_id=channel),
                native_id="1",
                landed_at=datetime.now(UTC),
            )

    class Accounts:
        one = Null()

        def adapter(self, name):
            return self.one

        def manifest(self, name):
            return self.one.manifest

        def platform(self, name) -> str:
            return "null"

        def names(self) -> tuple[str, ...]:
            return ("bot",)

    return Accounts()


async def ours_enqueue(path: str) -> None:
    from shequn_sdk.domain import Content
    from shequn_sdk.publishing import Publishing
    from shequn_sdk.stores.store import Store

    async with await Store.open(path) as store:
        publishing = Publishing(store, adapter_and_accounts(lambda text: None))
        later = datetime.now(UTC) + timedelta(days=1)
        planned = 0
        for kind, count in turns():
            begun = time.perf_counter()
            if kind == "single":
                for number in range(planned, planned + count):
                    await publishing.plan(Content(text="x"), [f"bot:{number}"], at=later)
                planned += count
            else:
                await publishing.plan_many(
                    (Content(text="x"), [f"bot:{number % 200}"], None) for number in range(count)
                )
            tell(time.perf_counter() - begun)


async def ours_drain(path: str, jobs: int) -> dict[str, float]:
    import anyio

    from shequn_sdk.publishing import Publishing
    from shequn_sdk.stores.store import Store

    stop = anyio.Event()
    count = 0

    def seen(text: str) -> None:
        nonlocal count
        count += 1
        if count >= jobs:
            stop.set()

    store = await Store.open(path)
    publishing = Publishing(store, adapter_and_accounts(seen))
    begun = time.perf_counter()
    await publishing.run(stop, concurrency=256)
    took = time.perf_counter() - begun
    await store.aclose()
    return {"rate": jobs / took, "seconds": took}


async def ours_latency(path: str, pending: int) -> dict[str, float]:
    import anyio

    from shequn_sdk.domain import Content
    from shequn_sdk.publishing import Publishing
    from shequn_sdk.stores.store import Store

    delays: list[float] = []
    stop = anyio.Event()
    store = await Store.open(path)
    planned: dict[str, datetime] = {}

    def seen(text: str) -> None:
        delays.append((datetime.now(UTC) - planned[text]).total_seconds() * 1000)
        if len(delays) >= 200:
            stop.set()

    publishing = Publishing(store, adapter_and_accounts(seen))
    far = datetime.now(UTC) + timedelta(days=1)
    await publishing.plan_many((Content(text="x"), [f"bot:{number}"], far) for number in range(pending))
    start = datetime.now(UTC) + timedelta(seconds=1)
    planned.update({f"t{number}": start + timedelta(seconds=number / 20) for number in range(200)})
    await publishing.plan_many((Content(text=text), [f"bot:due{text}"], at) for text, at in planned.items())
    await publishing.run(stop)
    await store.aclose()
    delays.sort()
    return {
        "p50": statistics.median(delays),
        "p99": delays[int(len(delays) * 0.99) - 1],
        "max": delays[-1],
        "early": float(delays[0] < 0),
    }


async def ours_idle(path: str, seconds: float) -> dict[str, float]:
    import anyio

    from shequn_sdk.domain import Content
    from shequn_sdk.publishing import Publishing
    from shequn_sdk.stores.store import Store

    store = await Store.open(path)
    publishing = Publishing(store, adapter_and_accounts(lambda text: None))
    far = datetime.now(UTC) + timedelta(days=1)
    await publishing.plan_many((Content(text="x"), [f"bot:{number}"], far) for number in range(10_000))
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(publishing.run, stop)
        await anyio.sleep(1)
        cpu = time.process_time()
        await anyio.sleep(seconds)
        share = (time.process_time() - cpu) / seconds
        stop.set()
    await store.aclose()
    return {"cpu": share}


def aps_enqueue(path: str) -> None:
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = BackgroundScheduler(jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{path}")})
    scheduler.start(paused=True)
    later = datetime.now(UTC) + timedelta(days=1)
    for kind, count in turns():
        begun = time.perf_counter()
        if kind == "single":
            for number in range(count):
                scheduler.add_job(noop, "date", run_date=later, args=[number])
        else:  # due now, to be drained
            scheduler.remove_all_jobs()
            soon = datetime.now(UTC)
            for number in range(count):
                scheduler.add_job(noop, "date", run_date=soon, args=[number], misfire_grace_time=None)
        tell(time.perf_counter() - begun)


def aps_drain(path: str, jobs: int) -> dict[str, float]:
    global goal  # noqa: PLW0603
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    goal = jobs
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{path}")},
        job_defaults={"misfire_grace_time": None},
    )
    begun = time.perf_counter()
    scheduler.start()
    finished.wait(120)
    took = time.perf_counter() - begun
    scheduler.shutdown()
    return {"rate": done / took, "seconds": took}


def _huey(path: str):
    from huey import SqliteHuey

    return SqliteHuey(filename=path, fsync=True)


def huey_enqueue(path: str) -> None:
    queue = _huey(path)
    task = queue.task()(noop)
    for _, count in turns():
        begun = time.perf_counter()
        for number in range(count):
            task(number)
        tell(time.perf_counter() - begun)


def huey_drain(path: str, jobs: int) -> dict[str, float]:
    global goal  # noqa: PLW0603
    goal = jobs
    queue = _huey(path)
    queue.task()(noop)
    consumer = queue.create_consumer(workers=1, periodic=False, initial_delay=0.01, check_worker_health=False)
    begun = time.perf_counter()
    consumer.start()
    finished.wait(120)
    took = time.perf_counter() - begun
    consumer.stop()
    return {"rate": done / took, "seconds": took}


class Turns:
    """A process that enqueues when it is asked to."""

    def __init__(self, name: str, path: Path) -> None:
        command = [sys.executable, "-W", "ignore", __file__, "--part", name, str(path), "0"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        )
        self._answer()

    def take(self, kind: str, count: int) -> float:
        """Let it do so many jobs; gives the jobs per second."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind} {count}\n")
        self._process.stdin.flush()
        return count / self._answer()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args[4]} ended early")
        return float(line)


def enqueue(engines: list[str], folder: Path, jobs: int) -> None:
    """Enqueue in turns, then what is to be drained; prints rates and ratios."""
    children = {engine: Turns(f"{engine}_enqueue", folder / f"{engine}.db") for engine in engines}
    rounds: list[dict[str, float]] = []
    for number in range(ROUNDS):
        found = {engine: child.take("single", SLICE) for engine, child in children.items()}
        if "ours" in children and number % (ROUNDS // BATCHES) == 0:
            found["batch"] = children["ours"].take("batch", jobs // BATCHES)
        rounds.append(found)
    for engine, child in children.items():
        if engine == "aps":
            child.take("due", jobs)
        elif engine == "huey":
            child.take("single", max(jobs - ROUNDS * SLICE, 1))
        child.end()
    for name in (*children, "batch"):
        rates = [found[name] for found in rounds if name in found]
        if rates:
            print(f"{name} enqueue, per s: median {statistics.median(rates):.0f}", flush=True)
    if "ours" in children and "aps" in children:
        singles = [found["ours"] / found["aps"] for found in rounds]
        batches = [found["batch"] / found["aps"] for found in rounds if "batch" in found]
        low, middle, high = statistics.quantiles(singles)
        print(f"enqueue one by one / APScheduler {middle:.2f} (half of the rounds {low:.2f} to {high:.2f})")
        print(f"enqueue in batches / APScheduler {statistics.median(batches):.1f}")


def drain(engines: list[str], folder: Path, jobs: int) -> None:
    """Drain in turns; prints rates and ratios."""
    rounds: list[dict[str, float]] = []
    for number in range(DRAINS):
        rounds.append({})
        for engine in engines if number % 2 else reversed(engines):
            copy = folder / f"{engine}{number}.db"
            shutil.copy(folder / f"{engine}.db", copy)
            rounds[-1][engine] = part(f"{engine}_drain", copy, jobs)["rate"]
    for engine in engines:
        rates = sorted(found[engine] for found in rounds)
        print(
            f"{engine} drain, per s: median {statistics.median(rates):.0f} ({rates[0]:.0f} to {rates[-1]:.0f})"
        )
    for peer in engines:
        if peer != "ours" and "ours" in engines:
            ratios = sorted(found["ours"] / found[peer] for found in rounds)
            print(
                f"drain / {peer}: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                flush=True,
            )


def part(name: str, path: Path, number: float) -> dict[str, float]:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--part", name, str(path), str(number)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    if result.returncode:
        raise SystemExit(result.stderr)
    return json.loads(result.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", nargs=3)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    if arguments.part:
        import delivery

        name, path, number = arguments.part
        value = () if "enqueue" in name else (float(number) if "idle" in name else int(float(number)),)
        result = getattr(delivery, name)(path, *value)
        result = asyncio.run(result) if asyncio.iscoroutine(result) else result
        if result is not None:
            print(json.dumps(result))
        return
    folder = Path(tempfile.mkdtemp())

    def run(name: str, file: str, number: float, label: str = "") -> None:
        found = part(name, folder / file, number)
        print(label or name, {key: round(value, 4) for key, value in found.items()}, flush=True)

    wanted = arguments.only.split(",") if arguments.only else ["ours", "aps", "huey", "latency", "idle"]
    engines = [engine for engine in ("ours", "aps", "huey") if engine in wanted]
    if engines:
        enqueue(engines, folder, arguments.jobs)
        drain(engines, folder, arguments.jobs)
    if "latency" in wanted:
        run("ours_latency", "latency.db", 10_000, "latency, 10,000 pending")
        run("ours_latency", "latency2.db", 100_000, "latency, 100,000 pending")
    if "idle" in wanted:
        run("ours_idle", "idle.db", 10)


if __name__ == "__main__":
    main()
