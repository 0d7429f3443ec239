"""The main job: members live on the sandbox, and what is measured equals what they did."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shequn_sdk import AsyncShequn, ChannelRef, Community, Content, InteractionKind
from shequn_sdk.cli._app import app
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.server import SandboxServer
from shequn_sdk.testing.simulate import Place, SimulatedCommunity
from shequn_sdk.testing.world import World

KINDS = {
    InteractionKind.MESSAGE, InteractionKind.REACTION, InteractionKind.SHARE, InteractionKind.VOTE,
    InteractionKind.COMMENT,
}  # fmt: skip


@pytest.fixture
async def lived(tmp_path):
    """Let sixty people live ten days; gives the client and the ground truth."""
    plugins = load_plugins(only=["telegram"])
    clock = ManualClock(datetime(2026, 3, 2, tzinfo=UTC))
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock, seed=11) as server:
        sandbox = server["telegram"]
        ref = ChannelRef(account="bot", native_id=sandbox.create_channel("健康养生社"))
        account = server.account("telegram", name="bot")
        account = account.model_copy(update={"options": {**account.options, "poll_timeout": 0}})
        community = Community(name="health", zone="UTC", channels=(ref,))
        async with AsyncShequn.open(
            home=tmp_path, accounts=[account], communities=[community], clock=clock, plugins=plugins
        ) as sq:
            life = SimulatedCommunity(
                World(clock, seed=11, zone="UTC"), [Place(sandbox, ref.native_id)], size=60, days=10
            )
            start = clock.now()
            for hour in range(1, 240):
                life.live_until(start + timedelta(hours=hour))
                if hour % 24 == 8:
                    day = f"day {hour // 24}"
                    receipts = await sq.publish(
                        Content(id=day, text=f"**早安** {day}"), to=[ref], idempotency_key=day
                    )
                    assert receipts[0].landed, receipts
                while await sq.poll_once():
                    await sq.process()
            await sq.collect()
            yield sq, life.truth


async def test_what_is_measured_equals_what_was_done(lived):
    sq, truth = lived
    dau = await sq.metrics.compute("active_members.dau")
    expected = {str(day): count for day, count in truth.active_per_day().items()}
    assert {point.bucket: point.value for point in dau.points if point.value} == expected
    joined = await sq.metrics.compute("members.joined")
    assert sum(point.value for point in joined.points) == truth.counts()[InteractionKind.JOIN]
    left = await sq.metrics.compute("members.left")
    assert sum(point.value for point in left.points) == truth.counts().get(InteractionKind.LEAVE, 0)
    total = await sq.metrics.compute("members.total")
    assert total.points[-1].value == truth.members()
    counted = Counter()
    for kind in KINDS:
        result = await sq.metrics.compute("activity.interactions", grain="total", params={"kinds": [kind]})
        counted[kind] = sum(point.value for point in result.points)
    done = Counter({kind: count for kind, count in truth.counts().items() if kind in KINDS})
    taken_back = truth.counts().get(InteractionKind.RETRACT, 0)
    assert counted[InteractionKind.REACTION] == done[InteractionKind.REACTION] - taken_back
    del counted[InteractionKind.REACTION], done[InteractionKind.REACTION]
    assert {kind: count for kind, count in counted.items() if count} == done


def test_the_demo_gives_the_same_numbers_for_the_same_seed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []
    for _ in range(2):
        done = CliRunner().invoke(
            app, ["demo", "--days", "4", "--members", "25", "--json"], catch_exceptions=False
        )
        assert done.exit_code == 0, done.stderr
        seen.append(json.loads(done.stdout))
    assert seen[0] == seen[1]
    assert seen[0]["landed"] > 0
    assert (seen[0]["refused"], seen[0]["unknown"]) == (0, 0)
    page = Path("demo/reports/report.html").read_text(encoding="utf-8")
    assert "健康养生社" in page


def test_the_demo_does_not_overwrite_something_else(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me", encoding="utf-8")
    done = CliRunner().invoke(app, ["demo", "--days", "1", "--home", str(tmp_path)])
    assert done.exit_code == 2
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "keep me"
