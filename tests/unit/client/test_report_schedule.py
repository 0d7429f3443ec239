"""A weekly report: built from the days before, delivered once, with a picture where that can be had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, Cron
from shequn_sdk.client import report_schedule
from shequn_sdk.domain import DeliveryState, InteractionBatch
from shequn_sdk.errors import InvalidInput, MissingGlyphs, UnknownName
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.reports.model import Report
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.scheduling.models import RunState
from shequn_sdk.testing.sandbox.server import SandboxServer

START = datetime(2026, 3, 1, tzinfo=UTC)
MONDAY = Cron("0 9 * * mon", tz="Asia/Shanghai")


def talk(days: int) -> InteractionBatch:
    batch = InteractionBatch(platform="telegram")
    for day in range(days):
        for member in range(1 + day % 3):
            batch.append(
                id=f"{day}.{member}",
                kind="message",
                member=f"m{member}",
                occurred_at=START + timedelta(days=day, hours=3),
                message=f"{day}.{member}",
            )
    return batch


@pytest.fixture
async def scene():
    clock, plugins = ManualClock(START), load_plugins(only=["telegram"])
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as server:
        sandbox = server["telegram"]
        channel = sandbox.create_channel("健康养生社")
        account = server.account("telegram", name="bot")
        async with AsyncShequn.open(accounts=[account], plugins=plugins, clock=clock) as sq:
            events = await sq._workspace.events()
            await events.ensure_community("health", zone="Asia/Shanghai")
            await events.append(talk(20), community="health")
            yield sq, clock, sandbox, channel


async def test_it_is_delivered_with_a_picture_once_per_week(scene):
    sq, clock, sandbox, channel = scene
    made = await sq.schedules.report(to=[f"bot:{channel}"], when=MONDAY, name="weekly", title="健康 *周报*")
    for number in (1, 2):
        (following,) = await sq.schedules.upcoming(1)
        clock.move_to(following.due)
        assert await sq.deliver_due() == 1
        assert await sq.deliver_due() == 0
        assert len(sandbox.messages(channel)) == number
    deliveries = await sq.deliveries.list()
    assert {one.schedule_id for one in deliveries} == {made.id}
    assert {one.state for one in deliveries} == {DeliveryState.LANDED}
    message = max(sandbox.messages(channel), key=lambda message: message.at)
    said = message.text
    # the second Monday is the 9th: the week is the 2nd to the 8th
    assert "健康 *周报*" in said
    assert "2026年3月2日 – 2026年3月8日" in said
    assert message.attachments == 1


async def test_without_a_font_the_words_go_alone(scene, monkeypatch, caplog):
    sq, clock, sandbox, channel = scene

    def lack(self):
        raise MissingGlyphs("no font here draws '龘': install one", characters="龘")

    monkeypatch.setattr(Report, "overview", lack)
    await sq.schedules.report(to=[f"bot:{channel}"], when=MONDAY, language="en")
    (following,) = await sq.schedules.upcoming(1)
    clock.move_to(following.due)
    assert await sq.deliver_due() == 1
    (message,) = sandbox.messages(channel)
    assert "Mean daily active" in message.text
    assert "install one" in caplog.text


async def test_a_channel_that_takes_no_picture_gets_the_words(scene, monkeypatch):
    sq, clock, sandbox, channel = scene
    other = sandbox.create_channel("words only")
    takes = report_schedule._takes
    monkeypatch.setattr(
        report_schedule,
        "_takes",
        lambda publishing, content, ref: ref.native_id != other and takes(publishing, content, ref),
    )
    await sq.schedules.report(to=[f"bot:{channel}", f"bot:{other}"], when=MONDAY)
    (following,) = await sq.schedules.upcoming(1)
    clock.move_to(following.due)
    assert await sq.deliver_due() == 2
    (pictured,), (plain,) = sandbox.messages(channel), sandbox.messages(other)
    assert (pictured.attachments, plain.attachments) == (1, 0)
    assert "概览" not in plain.text
    assert "成员总数" in plain.text


async def test_the_same_occurrence_called_twice_is_delivered_once(scene):
    sq, clock, sandbox, channel = scene
    await sq.schedules.report(to=[f"bot:{channel}"], when=MONDAY)
    (following,) = await sq.schedules.upcoming(1)
    clock.move_to(following.due)
    await sq.schedules.tick()
    store = await sq._workspace.store()
    from sqlalchemy import text

    await store.write(
        lambda conn: conn.execute(
            text("update occurrence set state = 'pending', ended_at = null, attempts = 1")
        )
    )
    assert await sq.schedules.tick() == 1
    await sq.deliver_due()
    assert len(sandbox.messages(channel)) == 1


async def test_nothing_to_say_is_a_failure_that_waits_for_a_person(scene):
    sq, clock, _, channel = scene
    events = await sq._workspace.events()
    await events.ensure_community("empty", zone="UTC")
    await sq.schedules.report(to=[f"bot:{channel}"], when=MONDAY, community="empty", name="weekly")
    for _ in range(12):
        clock.advance(timedelta(days=1))
        await sq.deliver_due()
    runs = await sq.schedules.history("weekly")
    assert {run.state for run in runs} <= {RunState.FAILED, RunState.PENDING}
    assert any("no data yet" in (run.error or "") for run in runs)


async def test_what_cannot_be_is_refused_at_once(scene):
    sq, _, _, channel = scene
    with pytest.raises(UnknownName):
        await sq.schedules.report(to=["nobody:1"], when=MONDAY)
    with pytest.raises(InvalidInput, match="to"):
        await sq.schedules.report(to=[], when=MONDAY)
    with pytest.raises(InvalidInput, match="days"):
        await sq.schedules.report(to=[f"bot:{channel}"], when=MONDAY, days=0)
    with pytest.raises(InvalidInput):
        await sq.schedules.create("report", when=MONDAY, arguments={"to": ["bot:1"], "language": "fr"})
