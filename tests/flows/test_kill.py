"""kill -9 at random points: nothing acknowledged is lost, nothing is counted or posted twice."""

import json
import random
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from shequn_sdk import AsyncShequn, Content, DeliveryState
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

WORKER = textwrap.dedent(
    """
    import sys, anyio
    from shequn_sdk import AsyncShequn

    async def main(home):
        async with AsyncShequn.open(home=home) as sq:
            await sq.run()

    anyio.run(main, *sys.argv[1:])
    """
)


@pytest.mark.parametrize(
    ("kills", "seed"), [(4, 1), pytest.param(30, 2, marks=pytest.mark.slow, id="long")], ids=["short", "long"]
)
async def test_a_running_workspace_survives_kills(tmp_path, monkeypatch, kills, seed):
    rng = random.Random(seed)
    plugins = load_plugins(only=["telegram"])
    async with SandboxServer([plugins.sandbox("telegram")]) as server:
        sandbox = server["telegram"]
        channel = sandbox.create_channel("健康养生社")
        account = server.account("telegram", name="bot")
        home = tmp_path / "home"
        home.mkdir()
        (home / "shequn.toml").write_text(
            f"""
            [communities.health]
            zone = "UTC"
            channels = ["bot:{channel}"]
            [accounts.bot]
            platform = "telegram"
            base_url = "{account.base_url}"
            [accounts.bot.options]
            poll_timeout = 1
            """,
            encoding="utf-8",
        )
        monkeypatch.setenv("SHEQUN_BOT_TOKEN", account.secret("token"))
        person, said, number = Person(id="lin", name="林小满"), 0, 12
        sandbox.join(channel, person)
        command = [sys.executable, "-c", WORKER, str(home)]
        async with AsyncShequn.open(home=home, plugins=plugins) as sq:
            soon = datetime.now(UTC) + timedelta(seconds=1)
            for index in range(number):
                await sq.publish(
                    Content(id=f"c{index}", text=f"post {index}"),
                    to=[f"bot:{channel}"],
                    at=soon,
                    idempotency_key=f"c{index}",
                )
        for _ in range(kills):
            with subprocess.Popen(command, stderr=subprocess.PIPE) as worker:
                for _ in range(rng.randint(3, 9)):
                    sandbox.say(channel, person, f"message {said}")
                    said += 1
                    await anyio.sleep(rng.uniform(0.1, 0.6))
                assert worker.poll() is None, worker.stderr.read().decode()
                worker.send_signal(signal.SIGKILL)

        async with AsyncShequn.open(
            home=tmp_path / "home", plugins=plugins, accounts=[], communities=[]
        ) as sq:
            # leases of killed workers end by themselves, or are seen to be of a dead process at once
            with anyio.fail_after(300):
                while True:
                    await sq.poll_once()
                    await sq.drain()
                    counts = await sq.deliveries.counts()
                    open_ = sum(
                        counts.get(state, 0)
                        for state in (
                            DeliveryState.PLANNED,
                            DeliveryState.CLAIMED,
                            DeliveryState.ATTEMPTING,
                            DeliveryState.DEFERRED,
                        )
                    )
                    if not open_ and not await sq.poll_once():
                        break
                    await anyio.sleep(0.3)
            deliveries = await sq.deliveries.list(limit=1000)
            heard = await sq.metrics.compute("activity.interactions", community="health", grain="total")
        posted = Counter(
            message.text for message in sandbox.messages(channel, limit=10_000) if message.by_account
        )
        assert all(times == 1 for times in posted.values()), f"posted twice: {posted}"
        assert len(deliveries) == number
        for delivery in deliveries:
            assert delivery.state in {DeliveryState.LANDED, DeliveryState.UNKNOWN}, delivery
            if delivery.state is DeliveryState.LANDED:
                assert posted[delivery.text] == 1
        assert sum(delivery.state is DeliveryState.UNKNOWN for delivery in deliveries) <= kills
        assert [point.value for point in heard.points] == [said], "each message is counted exactly once"


def _import(home, file):
    return [
        sys.executable,
        "-m",
        "shequn_sdk.cli",
        "import",
        "edges",
        str(file),
        "--home",
        str(home),
        "--json",
        "--option",
        "batch_rows=500",
    ]


@pytest.mark.parametrize(
    ("kills", "seed"), [(5, 3), pytest.param(30, 4, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_an_import_survives_kills(tmp_path, kills, seed):
    rng = random.Random(seed)
    rows = [(rng.randrange(500), rng.randrange(500), 1_082_040_961 + index * 7) for index in range(20_000)]
    file = tmp_path / "log.txt"
    file.write_text("src dst time\n" + "".join(f"{a} {b} {t}\n" for a, b, t in rows), encoding="utf-8")
    home = tmp_path / "home"
    for _ in range(kills):
        with subprocess.Popen(
            _import(home, file), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as worker:
            try:
                worker.wait(timeout=rng.uniform(0.9, 2.2))
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGKILL)
    done = subprocess.run(_import(home, file), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["complete"]
    again = json.loads(subprocess.run(_import(home, file), capture_output=True, text=True, check=True).stdout)
    assert (again["added"], again["duplicates"]) == (0, len(rows))
    measured = subprocess.run(
        [
            sys.executable,
            "-m",
            "shequn_sdk.cli",
            "metrics",
            "activity.interactions",
            "--grain",
            "total",
            "--home",
            str(home),
            "--json",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [point["value"] for point in json.loads(measured.stdout)["points"]] == [len(rows)]
