"""Schedules of a workspace, with both faces."""

from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, Content, Cron, Shequn
from shequn_sdk.domain import DeliveryState, LatePolicy
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.scheduling.models import RunState
from shequn_sdk.scheduling.triggers import Every, Once
from shequn_sdk.testing.sandbox.server import SandboxServer

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def scene():
    clock, plugins = ManualClock(START), load_plugins(only=["telegram"])
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as server:
        sandbox = server["telegram"]
        channel = sandbox.create_channel("健康养生社")
        account = server.account("telegram", name="bot")
        async with AsyncShequn.open(accounts=[account], plugins=plugins, clock=clock) as sq:
            yield sq, clock, sandbox, channel


async def test_a_scheduled_content_is_posted_once_per_occurrence(scene):
    sq, clock, sandbox, channel = scene
    made = await sq.schedule(
        Content(text="今晚八点直播"),
        to=[f"bot:{channel}"],
        when=Cron("0 20 * * fri", tz="Asia/Shanghai"),
        name="live",
    )
    for _ in range(3):
        (following,) = await sq.schedules.upcoming(1)
        clock.move_to(following.due)
        assert await sq.deliver_due() == 1
        assert await sq.deliver_due() == 0
    assert len(sandbox.messages(channel)) == 3
    deliveries = await sq.deliveries.list()
    assert {one.schedule_id for one in deliveries} == {made.id}
    assert {one.state for one in deliveries} == {DeliveryState.LANDED}
    assert len({one.idempotency_key for one in deliveries}) == 3


async def test_the_same_occurrence_called_twice_is_posted_once(scene):
    sq, clock, sandbox, channel = scene
    await sq.schedule(
        Content(text="hi"), to=[f"bot:{channel}"], when=Once(START + timedelta(hours=1)), name="x"
    )
    clock.advance(timedelta(hours=1))
    await sq.schedules.tick()
    store = await sq._workspace.store()
    from sqlalchemy import text

    # as after a kill between the handler's effect and its entry in the history
    await store.write(
        lambda conn: conn.execute(
            text("update occurrence set state = 'pending', ended_at = null, attempts = 1")
        )
    )
    assert await sq.schedules.tick() == 1
    await sq.deliver_due()
    assert len(sandbox.messages(channel)) == 1


async def test_settings_say_what_is_too_late(scene):
    sq, clock, _, channel = scene
    to = [f"bot:{channel}"]
    daily = Cron("0 9 * * *", tz="UTC")
    one = await sq.schedule(Content(text="a"), to=to, when=daily)
    assert (one.late, one.grace) == (LatePolicy.SEND, timedelta(days=1))
    other = await sq.schedule(Content(text="b"), to=to, when=daily, late=LatePolicy.SKIP)
    assert (other.late, other.grace) == (LatePolicy.SKIP, None)
    clock.move_to(START + timedelta(hours=10))
    await sq.deliver_due()
    (run,) = await sq.schedules.history(other.id)
    assert run.state is RunState.SKIPPED


async def test_an_account_that_vanished_is_a_dead_letter(scene, monkeypatch):
    sq, clock, _, channel = scene
    await sq.schedule(Content(text="hi"), to=[f"bot:{channel}"], when=Every(timedelta(hours=1)))
    clock.advance(timedelta(hours=1))
    publishing = await sq._workspace.publishing()

    async def gone(*args, **options):
        raise UnknownName("account", "bot")

    monkeypatch.setattr(publishing, "plan", gone)
    await sq.deliver_due()
    (letter,) = await sq.schedules.dead_letters()
    assert (letter.state, letter.error_type) == (RunState.FAILED, "UnknownName")
    monkeypatch.undo()
    await sq.schedules.retry(letter.id)
    assert await sq.deliver_due() == 1


@pytest.mark.parametrize(
    ("to", "content", "when", "kind"),
    [
        (["nobody:1"], Content(text="hi"), None, UnknownName),
        ([], Content(text="hi"), None, InvalidInput),
        (["bot"], Content(text="hi"), None, InvalidInput),
        (["bot:1"], Content(text="hi"), Once(START - timedelta(days=1)), InvalidInput),
    ],
)
async def test_what_cannot_work_is_refused_when_it_is_planned(scene, to, content, when, kind):
    sq, *_ = scene
    with pytest.raises(kind):
        await sq.schedule(content, to=to, when=when or Every(timedelta(hours=1)))
    assert await sq.schedules.list() == []


async def test_handlers_of_ones_own(scene):
    sq, clock, *_ = scene
    seen = []

    @sq.schedules.handler("note")
    async def note(arguments, firing):
        seen.append(firing.nominal)

    await sq.schedules.create("note", when=Every(timedelta(hours=1)), overlap="skip")
    clock.advance(timedelta(hours=1))
    await sq.schedules.tick()
    assert seen == [START + timedelta(hours=1)]


def test_the_blocking_twin_schedules(tmp_path):
    clock = ManualClock(START)
    with Shequn.open(home=tmp_path, clock=clock, plugins=load_plugins(only=["telegram"])) as sq:
        seen = []
        sq.schedules.handler("note")(lambda arguments, firing: seen.append(firing.nominal))
        made = sq.schedules.create("note", when=Every(timedelta(hours=1)), name="hourly")
        assert [one.id for one in sq.schedules.list()] == [made.id]
        clock.advance(timedelta(hours=1))
        assert sq.schedules.tick() == 1
        assert len(seen) == len(sq.schedules.history("hourly")) == 1
        sq.schedules.pause("hourly")
        assert sq.schedules.upcoming() == []
        sq.schedules.resume("hourly")
        sq.schedules.reschedule("hourly", when=Every(timedelta(hours=2)))
        assert len(sq.schedules.upcoming(3)) == 3
        assert sq.schedules.get("hourly").id == made.id
        sq.schedules.cancel("hourly")
        assert sq.schedules.dead_letters() == []


async def test_a_workspace_brings_its_own_days_off(tmp_path):
    (tmp_path / "workdays.toml").write_text("announced = [2031]\noff = [2031-03-12]\n", encoding="utf-8")
    clock = ManualClock(datetime(2031, 3, 11, 12, tzinfo=UTC))
    async with AsyncShequn.open(home=tmp_path, clock=clock, plugins=load_plugins(only=["telegram"])) as sq:
        sq.schedules.handler("note")(lambda arguments, firing: None)
        made = await sq.schedules.create("note", when=Cron("0 9 * * *", tz="Asia/Shanghai", only="workdays"))
        assert (made.next_due, made.provisional) == (datetime(2031, 3, 13, 1, tzinfo=UTC), False)
