"""The embedded engine beside APScheduler 3 (SQLAlchemyJobStore) and Huey (SqliteHuey, fsync), in one run.

Run: python benchmarks/delivery.py [--jobs 5000] [--only ours|aps|huey|latency|idle]. Each part runs in a process of its
own on a fresh SQLite file. Ours does more per job: intent, outcome and audit trail are durable.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

JOBS = 5000
ENQUEUE = 1000
done = 0
finished = threading.Event()
goal = 0


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


async def ours_enqueue(path: str, jobs: int) -> dict[str, float]:
    from shequn_sdk.domain import Content
    from shequn_sdk.publishing import Publishing
    from shequn_sdk.stores.store import Store

    publishing_store = await Store.open(path)
    publishing = Publishing(publishing_store, adapter_and_accounts(lambda text: None))
    later = datetime.now(UTC) + timedelta(days=1)
    begun = time.perf_counter()
    for number in range(ENQUEUE):
        await publishing.plan(Content(text="x"), [f"bot:{number}"], at=later)
    single = ENQUEUE / (time.perf_counter() - begun)
    begun = time.perf_counter()
    await publishing.plan_many((Content(text="x"), [f"bot:{number % 200}"], None) for number in range(jobs))
    batch = jobs / (time.perf_counter() - begun)
    await publishing_store.aclose()
    return {"single": single, "batch": batch}


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


def aps_enqueue(path: str, jobs: int) -> dict[str, float]:
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = BackgroundScheduler(jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{path}")})
    scheduler.start(paused=True)
    later = datetime.now(UTC) + timedelta(days=1)
    begun = time.perf_counter()
    for number in range(ENQUEUE):
        scheduler.add_job(noop, "date", run_date=later, args=[number])
    single = ENQUEUE / (time.perf_counter() - begun)
    scheduler.remove_all_jobs()
    soon = datetime.now(UTC)
    for number in range(jobs):
        scheduler.add_job(noop, "date", run_date=soon, args=[number], misfire_grace_time=None)
    scheduler.shutdown()
    return {"single": single}


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


def huey_enqueue(path: str, jobs: int) -> dict[str, float]:
    queue = _huey(path)
    task = queue.task()(noop)
    begun = time.perf_counter()
    for number in range(ENQUEUE):
        task(number)
    single = ENQUEUE / (time.perf_counter() - begun)
    for number in range(jobs - ENQUEUE):
        task(number)
    return {"single": single}


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


PARTS = {
    "ours_enqueue": ours_enqueue,
    "ours_drain": ours_drain,
    "ours_latency": ours_latency,
    "ours_idle": ours_idle,
    "aps_enqueue": aps_enqueue,
    "aps_drain": aps_drain,
    "huey_enqueue": huey_enqueue,
    "huey_drain": huey_drain,
}


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
        value = float(number) if "idle" in name else int(float(number))
        result = getattr(delivery, name)(path, value)
        print(json.dumps(asyncio.run(result) if asyncio.iscoroutine(result) else result))
        return
    folder = Path(tempfile.mkdtemp())
    found: dict[str, dict[str, float]] = {}

    def run(name: str, file: str, number: float, label: str = "") -> None:
        found[label or name] = part(name, folder / file, number)
        print(
            label or name, {key: round(value, 4) for key, value in found[label or name].items()}, flush=True
        )

    wanted = arguments.only.split(",") if arguments.only else ["ours", "aps", "huey", "latency", "idle"]
    for engine in ("ours", "aps", "huey"):
        if engine in wanted:
            run(f"{engine}_enqueue", f"{engine}.db", arguments.jobs)
            run(f"{engine}_drain", f"{engine}.db", arguments.jobs)
    if "latency" in wanted:
        run("ours_latency", "latency.db", 10_000, "latency, 10,000 pending")
        run("ours_latency", "latency2.db", 100_000, "latency, 100,000 pending")
    if "idle" in wanted:
        run("ours_idle", "idle.db", 10)
    if "aps" in wanted and "ours" in wanted:
        ours, aps = found["ours_enqueue"], found["aps_enqueue"]
        print(f"enqueue one by one / APScheduler {ours['single'] / aps['single']:.2f}")
        print(f"enqueue in batches / APScheduler {ours['batch'] / aps['single']:.1f}")
        print(f"drain / APScheduler {found['ours_drain']['rate'] / found['aps_drain']['rate']:.2f}")
    if "huey" in wanted and "ours" in wanted:
        print(f"drain / Huey {found['ours_drain']['rate'] / found['huey_drain']['rate']:.2f}")


if __name__ == "__main__":
    main()
