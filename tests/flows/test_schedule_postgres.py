"""A workspace on PostgreSQL: its schedules go by the server's clock, and several processes share them."""

import random
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import anyio
import pytest

from shequn_sdk import AsyncShequn, Content, DeliveryState
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling import clock as clocks
from shequn_sdk.scheduling.models import RunState, ScheduleState
from shequn_sdk.scheduling.triggers import Every, Once
from shequn_sdk.stores.server_clock import ServerClock
from shequn_sdk.testing.sandbox.server import SandboxServer

pytestmark = pytest.mark.postgres

WORKER = """
import os, sys, anyio
from shequn_sdk import AsyncShequn

async def main(home, name):
    async with AsyncShequn.open(home=home) as sq:
        @sq.schedules.handler("note")
        async def note(arguments, firing):
            with open(f"{home}/notes.txt", "a") as file:
                file.write(f"{name} {firing.key}\\n")
            await anyio.sleep(0.2)
        await sq.deliver()

anyio.run(main, sys.argv[1], sys.argv[2])
"""
OPEN = (DeliveryState.PLANNED, DeliveryState.CLAIMED, DeliveryState.ATTEMPTING, DeliveryState.DEFERRED)


def settings(home, server, url, *, engine=""):
    account = server.account("telegram", name="bot")
    (home / "shequn.toml").write_text(
        'store = "env:SHEQUN_STORE"\n'
        + (f'[delivery]\nengine = "{engine}"\n' if engine else "")
        + f'[accounts.bot]\nplatform = "telegram"\nbase_url = "{account.base_url}"\n',
        encoding="utf-8",
    )
    return {"SHEQUN_BOT_TOKEN": account.secret("token"), "SHEQUN_STORE": url}


def noted(home):
    path = home / "notes.txt"
    return (
        [line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
        if path.exists()
        else []
    )


def start(home, name):
    return subprocess.Popen([sys.executable, "-c", WORKER, str(home), name])


@pytest.mark.parametrize("engine", ["", "pgqueuer"], ids=["embedded", "pgqueuer"])
@pytest.mark.parametrize(
    ("kills", "seed"), [(2, 3), pytest.param(15, 4, marks=pytest.mark.slow)], ids=["short", "long"]
)
async def test_two_processes_share_schedules_and_one_is_killed(
    tmp_path, monkeypatch, postgres_url, kills, seed, engine
):
    """The other goes on: no occurrence is lost, each is posted once, and both take part."""
    if engine:
        pytest.importorskip(f"shequn_{engine}.engine")
    rng = random.Random(seed)
    plugins = load_plugins(only=["telegram"] + ([engine] if engine else []))
    async with SandboxServer([plugins.sandbox("telegram")]) as server:
        sandbox = server["telegram"]
        channel = sandbox.create_channel("健康养生社")
        for name, value in settings(tmp_path, server, postgres_url, engine=engine).items():
            monkeypatch.setenv(name, value)
        async with AsyncShequn.open(home=tmp_path, plugins=plugins) as sq:
            sq.schedules.handler("note")(lambda arguments, firing: None)
            second = Every(timedelta(seconds=1))
            posts = await sq.schedule(
                Content(text="tick"),
                to=[f"bot:{channel}"],
                when=Every(timedelta(seconds=4)),
                grace=timedelta(hours=1),
            )
            notes = [await sq.schedules.create("note", when=second, catch_up=1000) for _ in range(6)]
            workers = {name: start(tmp_path, name) for name in ("one", "two")}
            dead = []
            try:
                for number in range(kills):
                    with anyio.fail_after(300):  # both work: kill one, somewhere
                        while not set(workers) <= {name for name, _ in noted(tmp_path)}:  # noqa: ASYNC110
                            await anyio.sleep(0.05)
                    await anyio.sleep(rng.uniform(0.0, 1.0))
                    victim = rng.choice(sorted(workers))
                    assert workers[victim].poll() is None
                    dead.append(workers.pop(victim))
                    dead[-1].send_signal(signal.SIGKILL)
                    # who starts on the same host sees at once what the dead one held
                    workers[f"more{number}"] = start(tmp_path, f"more{number}")
                await sq.schedules.pause(posts.id)
                for one in notes:
                    await sq.schedules.pause(one.id)
                with anyio.fail_after(300):
                    while True:
                        counts = await sq.deliveries.counts()
                        runs = await sq.schedules.history(limit=10_000)
                        busy = any(run.state in {RunState.PENDING, RunState.RUNNING} for run in runs)
                        if not busy and not any(counts.get(state, 0) for state in OPEN):
                            break
                        await anyio.sleep(0.2)
            finally:
                for process in (*workers.values(), *dead):
                    process.kill()
                    process.wait()
            published = await sq.schedules.history(posts.id, limit=10_000)
            called = {one.id: await sq.schedules.history(one.id, limit=10_000) for one in notes}
            deliveries = await sq.deliveries.list(limit=10_000)
        done = [run for run in published if run.state is RunState.DONE]
        assert len(deliveries) == len(done) >= 1, "one delivery per occurrence"
        landed = sum(one.state is DeliveryState.LANDED for one in deliveries)
        unknown = sum(one.state is DeliveryState.UNKNOWN for one in deliveries)
        assert landed + unknown == len(deliveries)
        assert landed <= len(sandbox.messages(channel, limit=10_000)) <= landed + unknown
        expected = set()
        for schedule, runs in called.items():
            # one may have been due at the very moment of the pause
            cut = [run for run in runs if run.state is RunState.SKIPPED and "paused" in run.note]
            assert {run.state for run in runs if run not in cut} == {RunState.DONE}
            nominals = sorted(run.nominal for run in runs if run not in cut)
            assert all(b - a == timedelta(seconds=1) for a, b in pairwise(nominals))
            expected |= {f"{schedule}@{nominal.isoformat()}" for nominal in nominals}
        keys = Counter(key for _, key in noted(tmp_path))
        assert expected <= set(keys)
        # what a killed process had begun, and nobody again before the pause
        assert len(set(keys) - expected) <= kills * 8
        assert keys.total() - len(keys) <= kills * 8, "only what a killed process had begun is begun again"
        assert {"one", "two"} <= {name for name, _ in noted(tmp_path)}


async def test_schedules_go_by_the_servers_clock(tmp_path, monkeypatch, postgres_url):
    """A machine whose clock is an hour ahead neither fires early nor sends early."""
    plugins = load_plugins(only=["telegram"])
    ahead = timedelta(hours=1)
    real = datetime.now

    async with SandboxServer([plugins.sandbox("telegram")]) as server:
        channel = server["telegram"].create_channel("健康养生社")
        for name, value in settings(tmp_path, server, postgres_url).items():
            monkeypatch.setenv(name, value)

        class Wrong(datetime):
            @classmethod
            def now(cls, tz=None):
                return real(tz) + ahead

        monkeypatch.setattr(clocks, "datetime", Wrong)
        assert clocks.SystemClock().now() > real(UTC) + timedelta(minutes=59)
        async with AsyncShequn.open(home=tmp_path, plugins=plugins) as sq:
            scheduler = await sq._workspace.scheduler()
            assert isinstance(scheduler._clock, ServerClock)
            soon = real(UTC) + timedelta(minutes=30)
            once = await sq.schedule(Content(text="later"), to=[f"bot:{channel}"], when=Once(soon))
            await sq.deliver_due()
            assert (await sq.schedules.get(once.id)).state is ScheduleState.ACTIVE
            assert await sq.deliveries.list() == []
