"""Schedules beside APScheduler 3 (SQLAlchemyJobStore), in one run.

Run: python benchmarks/scheduling.py [--schedules 100000] [--peer 5000] [--due 2000]. Each part has a fresh SQLite file.
APScheduler answers "what comes next" by loading every job, so it is measured with fewer and said so.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

START = datetime(2026, 1, 1, tzinfo=UTC)


def noop(number: int = 0) -> None:
    """The job of the peer."""


def milliseconds(values: list[float]) -> str:
    values = sorted(values)
    return f"p50 {statistics.median(values) * 1e3:.2f} ms, worst {values[-1] * 1e3:.2f} ms of {len(values)}"


async def ours(folder: Path, schedules: int, due: int) -> dict[str, float]:
    from shequn_sdk.scheduling.clock import ManualClock, SystemClock
    from shequn_sdk.scheduling.scheduler import Scheduler
    from shequn_sdk.scheduling.triggers import Cron, Once
    from shequn_sdk.stores.store import Store

    clock = ManualClock(START)
    calls = 0
    async with await Store.open(folder / "ours.db", clock=clock) as store:
        scheduler = Scheduler(store)

        async def count(arguments: None, firing: object) -> None:
            nonlocal calls
            calls += 1

        scheduler.handlers.add("count", count)
        begun = time.perf_counter()
        for first in range(0, schedules, 2000):
            batch = [
                (
                    "count",
                    Cron(f"{number % 60} {number // 60 % 24} * * {number // 1440 % 7}", tz="Asia/Shanghai"),
                    None,
                    f"s{number}",
                )
                for number in range(first, min(first + 2000, schedules))
            ]
            await scheduler.create_many(batch)
        made = time.perf_counter() - begun
        print(f"ours: {schedules} schedules made in batches: {schedules / made:,.0f}/s")
        one: list[float] = []
        for number in range(200):
            begun = time.perf_counter()
            await scheduler.create("count", when=Once(START + timedelta(days=900, seconds=number)))
            one.append(time.perf_counter() - begun)
        print(f"ours: {1 / statistics.mean(one):,.0f}/s made one by one, each durable")
        timings: dict[str, list[float]] = {
            "upcoming(20)": [],
            "history(100)": [],
            "get(name)": [],
            "list(100)": [],
        }
        for number in range(30):
            for name, call in (
                ("upcoming(20)", lambda: scheduler.upcoming(20)),
                ("history(100)", lambda: scheduler.history(limit=100)),
                ("get(name)", lambda number=number: scheduler.get(f"s{number * 3001 % schedules}")),
                ("list(100)", lambda: scheduler.list(limit=100)),
            ):
                begun = time.perf_counter()
                await call()
                timings[name].append(time.perf_counter() - begun)
        for name, values in timings.items():
            print(f"ours: {name} with {schedules} schedules: {milliseconds(values)}")

    async with await Store.open(folder / "due.db", clock=clock) as store:
        scheduler = Scheduler(store)
        scheduler.handlers.add("count", count)
        await scheduler.create_many(
            [("count", Once(START + timedelta(seconds=1)), None, "") for _ in range(due)]
        )
        clock.move_to(START + timedelta(seconds=2))
        calls, begun = 0, time.perf_counter()
        await scheduler.tick()
        fired = time.perf_counter() - begun
        assert calls == due
        print(f"ours: {due} due occurrences fired and written down: {due / fired:,.0f}/s")

    async with await Store.open(folder / "year.db", clock=ManualClock(START)) as store:
        scheduler = Scheduler(store)
        scheduler.handlers.add("count", count)
        await scheduler.create("count", when=Cron("0 20 * * fri", tz="Asia/Shanghai"))
        begun = time.perf_counter()
        await scheduler.drain(until=START + timedelta(days=365))
        print(f"ours: a year of a weekly schedule is rehearsed in {time.perf_counter() - begun:.2f} s")

    class Running(SystemClock):
        """Real time, from the start of the benchmark's year: nothing is due for a minute."""

        def now(self) -> datetime:
            return START + (super().now() - zero)

    zero = datetime.now(UTC)
    async with await Store.open(folder / "ours.db", clock=Running()) as store:
        scheduler = Scheduler(store)
        scheduler.handlers.add("count", count)
        used = resource.getrusage(resource.RUSAGE_SELF)
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(scheduler.run, stop)
            await anyio.sleep(10)
            stop.set()
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = (after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime) / 10
        print(f"ours: idle with {schedules} schedules: {cpu:.1%} of a CPU")
    return {
        "one": 1 / statistics.mean(one),
        "fired": due / fired,
        "upcoming": statistics.median(timings["upcoming(20)"]),
    }


def peer(folder: Path, count: int, due: int) -> dict[str, float]:
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.cron import CronTrigger

    def scheduler(name: str) -> BackgroundScheduler:
        return BackgroundScheduler(
            jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{folder / name}")},
            executors={"default": ThreadPoolExecutor(20)},
            timezone="Asia/Shanghai",
        )

    jobs = scheduler("aps.db")
    jobs.start(paused=True)
    begun = time.perf_counter()
    for number in range(count):
        jobs.add_job(
            noop, CronTrigger(minute=number % 60, hour=number // 60 % 24, day_of_week=number // 1440 % 7)
        )
    one = count / (time.perf_counter() - begun)
    print(f"APScheduler: {one:,.0f}/s made one by one")
    values: list[float] = []
    for _ in range(3):
        begun = time.perf_counter()
        sorted(jobs.get_jobs(), key=lambda job: job.next_run_time)[:20]
        values.append(time.perf_counter() - begun)
    print(f"APScheduler: the next 20 of {count} jobs: {milliseconds(values)}")
    jobs.shutdown()

    jobs = scheduler("aps-due.db")
    fired = 0

    def seen(event: object) -> None:
        nonlocal fired
        fired += 1

    from apscheduler.events import EVENT_JOB_EXECUTED

    jobs.add_listener(seen, EVENT_JOB_EXECUTED)
    jobs.start(paused=True)
    for _ in range(due):
        jobs.add_job(noop, "date", run_date=datetime.now(UTC), misfire_grace_time=None)
    begun = time.perf_counter()
    jobs.resume()
    while fired < due and time.perf_counter() - begun < 120:
        time.sleep(0.005)
    spent = time.perf_counter() - begun
    print(f"APScheduler: {fired} due jobs run: {fired / spent:,.0f}/s")
    jobs.shutdown()
    return {"one": one, "fired": fired / spent, "upcoming": statistics.median(values)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--peer", type=int, default=5_000)
    parser.add_argument("--due", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        us = asyncio.run(ours(Path(folder), options.schedules, options.due))
        them = peer(Path(folder), options.peer, options.due)
    print(f"ratio: made one by one {us['one'] / them['one']:.1f}x, fired {us['fired'] / them['fired']:.1f}x")
    print(
        f"ratio: the next 20 in {them['upcoming'] / us['upcoming']:,.0f} times less, "
        f"with {options.schedules / options.peer:.0f} times as many"
    )


if __name__ == "__main__":
    main()
