"""kill -9 of a process that carries members along a journey: no step is lost, none is done twice."""

import random
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from shequn_sdk import AsyncShequn, DeliveryState, Interaction, InteractionKind
from shequn_sdk.journeys import models as j
from shequn_sdk.members.filters import Tagged
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.server import SandboxServer

WORKER = textwrap.dedent(
    """
    import sys, anyio
    from shequn_sdk import AsyncShequn

    async def main(home):
        async with AsyncShequn.open(home=home) as sq:
            @sq.journeys.handler("note")
            async def note(call):
                with open(f"{home}/notes.txt", "a") as file:
                    file.write(f"{call.key}\\n")
                await anyio.sleep(0.02)
            while True:
                await sq.process()
                await sq.journeys.work()
                await sq.deliver_due()
                await anyio.sleep(0.05)

    anyio.run(main, sys.argv[1])
    """
)


def size(path):
    return path.stat().st_size if path.exists() else 0


def joined(number):
    return Interaction(
        id=f"join/{number}",
        kind=InteractionKind.JOIN,
        platform="telegram",
        member=str(5000 + number),
        member_name=f"m{number}",
        occurred_at=datetime.now(UTC),
    )


@pytest.mark.parametrize(
    ("members", "kills", "seed"),
    [(25, 4, 1), pytest.param(150, 25, 2, marks=pytest.mark.slow)],
    ids=["short", "long"],
)
async def test_journeys_survive_kills(tmp_path, monkeypatch, members, kills, seed):
    rng = random.Random(seed)
    plugins = load_plugins(only=["telegram"])
    async with SandboxServer([plugins.sandbox("telegram")]) as server:
        sandbox = server["telegram"]
        channel = sandbox.create_channel("健康养生社")
        account = server.account("telegram", name="bot")
        (tmp_path / "shequn.toml").write_text(
            f'rooms = ["members", "segments", "journeys"]\n[accounts.bot]\nplatform = "telegram"\n'
            f'base_url = "{account.base_url}"\n[communities.club]\nchannels = ["bot:{channel}"]\n',
            encoding="utf-8",
        )
        monkeypatch.setenv("SHEQUN_BOT_TOKEN", account.secret("token"))
        journey = j.Journey(
            name="week",
            start=j.Joined(),
            steps=(
                j.Step(name="call", do=j.Call(handler="note")),
                j.Step(name="tell", do=j.Notify(text="{name} is here", channel=f"bot:{channel}")),
                j.Step(
                    name="task",
                    wait=j.After(delay=timedelta(seconds=1)),
                    do=j.CreateTask(title="call {name}"),
                ),
                j.Step(name="tag", do=j.AddTags(tags=("done",))),
            ),
        )
        async with AsyncShequn.open(home=tmp_path, plugins=plugins) as sq:
            await sq.journeys.save(journey)
            await sq.journeys.set_policy(j.Policy(quiet=None, caps=()))
            await sq._workspace.record([joined(number) for number in range(members)], community="club")
        notes = tmp_path / "notes.txt"
        for _ in range(kills):
            with subprocess.Popen(
                [sys.executable, "-c", WORKER, str(tmp_path)], stderr=subprocess.PIPE
            ) as worker:
                before = size(notes)
                called = len(set(notes.read_text(encoding="utf-8").split())) if before else 0
                with anyio.fail_after(300):  # kill it while it works, or somewhere when all calls were made
                    while called < members and size(notes) == before:
                        assert worker.poll() is None, worker.stderr.read().decode()
                        await anyio.sleep(0.05)
                await anyio.sleep(rng.uniform(0.0, 1.0) if called < members else rng.uniform(0.5, 3.0))
                assert worker.poll() is None, worker.stderr.read().decode()
                worker.send_signal(signal.SIGKILL)

        async with AsyncShequn.open(home=tmp_path, plugins=plugins) as sq:
            again = []
            sq.journeys.handler("note")(lambda call: again.append(call.key))
            open_states = (
                DeliveryState.PLANNED,
                DeliveryState.CLAIMED,
                DeliveryState.ATTEMPTING,
                DeliveryState.DEFERRED,
            )
            # one group takes 20 messages a minute
            with anyio.fail_after(300 + 3 * members):
                while True:
                    await sq.process()
                    await sq.journeys.work()
                    await sq.deliver_due()
                    runs = await sq.journeys.runs(limit=1000)
                    counts = await sq.deliveries.counts()
                    ended = [one for one in runs if one.state == "finished"]
                    if len(ended) == members and not any(counts.get(state, 0) for state in open_states):
                        break
                    await anyio.sleep(0.2)
            tasks = await sq.journeys.tasks(every=True, limit=1000)
            deliveries = await sq.deliveries.list(limit=1000)
            tagged = await sq.segments.count(Tagged(tag="done"))
        assert Counter(str(one.member) for one in runs) == Counter(
            f"telegram:{5000 + n}" for n in range(members)
        )
        assert all([one.step for one in run.records] == ["call", "tell", "task", "tag"] for run in runs)
        assert sorted(one.title for one in tasks) == sorted(f"call m{n}" for n in range(members)), (
            "one task each"
        )
        assert tagged == members
        calls = [*notes.read_text(encoding="utf-8").split(), *again]
        assert set(calls) == {f"journey/{run.id}/call" for run in runs}, "each was called, under its own key"
        assert len(calls) - members <= kills, "again only what was under way when it was killed"
        assert len(deliveries) == members
        landed = sum(one.state is DeliveryState.LANDED for one in deliveries)
        unknown = sum(one.state is DeliveryState.UNKNOWN for one in deliveries)
        texts = Counter(one.text for one in sandbox.messages(channel, limit=10_000))
        assert landed + unknown == members
        assert landed <= sum(texts.values()) <= members
        assert all(number == 1 for number in texts.values()), "nothing was said twice"
