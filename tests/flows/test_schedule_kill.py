"""kill -9 of a process that fires schedules: no occurrence is lost, none is posted twice, handlers keep their key."""

import random
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import anyio
import pytest

from shequn_sdk import AsyncShequn, Content, DeliveryState
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.models import RunState
from shequn_sdk.scheduling.triggers import Every
from shequn_sdk.testing.sandbox.server import SandboxServer

WORKER = textwrap.dedent(
    """
    import os, sys, anyio
    from shequn_sdk import AsyncShequn

    async def main(home):
        async with AsyncShequn.open(home=home) as sq:
            @sq.schedules.handler("note")
            async def note(arguments, firing):
                with open(f"{home}/notes.txt", "a") as file:
                    file.write(f"{firing.key}\\n")
                await anyio.sleep(0.2)
            await sq.deliver()

    anyio.run(main, sys.argv[1])
    """
)


def size(path):
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize(
    ("kills", "seed", "pause"),
    [(4, 1, 1), pytest.param(25, 2, 4, marks=pytest.mark.slow)],
    ids=["short", "long"],
)
async def test_schedules_survive_kills(tmp_path, monkeypatch, kills, seed, pause):
    """A chat takes 20 messages a minute, so that posts of every second (`pause`) pile up in the long form."""
    rng = random.Random(seed)
    plugins = load_plugins(only=["telegram"])
    async with SandboxServer([plugins.sandbox("telegram")]) as server:
        sandbox = server["telegram"]
        channel = sandbox.create_channel("健康养生社")
        account = server.account("telegram", name="bot")
        (tmp_path / "shequn.toml").write_text(
            f'[accounts.bot]\nplatform = "telegram"\nbase_url = "{account.base_url}"\n', encoding="utf-8"
        )
        monkeypatch.setenv("SHEQUN_BOT_TOKEN", account.secret("token"))
        async with AsyncShequn.open(home=tmp_path, plugins=plugins) as sq:
            sq.schedules.handler("note")(lambda arguments, firing: None)
            second = Every(timedelta(seconds=1))
            posts = await sq.schedule(
                Content(text="tick"),
                to=[f"bot:{channel}"],
                when=Every(timedelta(seconds=pause)),
                grace=timedelta(hours=1),
            )
            notes = await sq.schedules.create("note", when=second, catch_up=1000)
        for _ in range(kills):
            with subprocess.Popen(
                [sys.executable, "-c", WORKER, str(tmp_path)], stderr=subprocess.PIPE
            ) as worker:
                before = size(tmp_path / "notes.txt")
                with anyio.fail_after(300):
                    while size(tmp_path / "notes.txt") == before:  # it works: kill it now, somewhere
                        assert worker.poll() is None, worker.stderr.read().decode()
                        await anyio.sleep(0.05)
                await anyio.sleep(rng.uniform(0.0, 1.5))
                assert worker.poll() is None, worker.stderr.read().decode()
                worker.send_signal(signal.SIGKILL)

        async with AsyncShequn.open(home=tmp_path, plugins=plugins) as sq:
            again = []
            sq.schedules.handler("note")(lambda arguments, firing: again.append(firing.key))
            with anyio.fail_after(300):
                while True:
                    await sq.deliver_due()
                    counts = await sq.deliveries.counts()
                    if not any(
                        counts.get(state, 0)
                        for state in (
                            DeliveryState.PLANNED,
                            DeliveryState.CLAIMED,
                            DeliveryState.ATTEMPTING,
                            DeliveryState.DEFERRED,
                        )
                    ):
                        break
                    await anyio.sleep(0.2)
            await sq.schedules.cancel(posts.id)
            await sq.schedules.cancel(notes.id)
            await sq.deliver_due()
            published = await sq.schedules.history(posts.id, limit=10_000)
            noted = await sq.schedules.history(notes.id, limit=10_000)
            deliveries = await sq.deliveries.list(limit=10_000)
        done = [run for run in published if run.state is RunState.DONE]
        assert {run.state for run in published} <= {RunState.DONE, RunState.SKIPPED}
        assert len(deliveries) == len(done) >= 1, "one delivery per occurrence"
        landed = sum(one.state is DeliveryState.LANDED for one in deliveries)
        unknown = sum(one.state is DeliveryState.UNKNOWN for one in deliveries)
        on_platform = len(sandbox.messages(channel, limit=10_000))
        assert landed + unknown == len(deliveries)
        assert landed <= on_platform <= landed + unknown
        # every second from the first to the last is there: catch_up makes up for all of them
        nominals = sorted(run.nominal for run in noted)
        assert {run.state for run in noted} == {RunState.DONE}
        assert all(b - a == timedelta(seconds=1) for a, b in pairwise(nominals))
        lines = (tmp_path / "notes.txt").read_text(encoding="utf-8").split() + again
        expected = {f"{notes.id}@{nominal.isoformat()}" for nominal in nominals}
        assert set(lines) == expected, "each occurrence called its handler at least once, under its own key"
        assert sum(Counter(lines).values()) - len(expected) <= kills * 2
