"""What a stranger gets wrong about schedules, and what a store may hold: said at once, shown, and nothing stops."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel
from sqlalchemy import text

from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.scheduling import book
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.scheduling.handlers import Handlers
from shequn_sdk.scheduling.models import RunState, ScheduleState
from shequn_sdk.scheduling.scheduler import Scheduler
from shequn_sdk.scheduling.triggers import Cron, Every, LunarDate, Once, RRule, Unreadable
from shequn_sdk.stores.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOURLY = Every(timedelta(hours=1))


class Words(BaseModel):
    text: str


@pytest.fixture
async def scheduler(tmp_path):
    clock = ManualClock(NOW)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        made = Scheduler(store, clock=clock)
        made.calls = []

        @made.handler("say", arguments=Words)
        async def say(arguments, firing):
            made.calls.append(firing.name)

        yield made


def make(scheduler, **given):
    options = {"when": HOURLY, "arguments": {"text": "hi"}} | given
    return scheduler.create("say", **options)


WRONG = [
    ({"when": None}, "when must be a trigger"),
    ({"when": "0 9 * * *"}, "when must be a trigger, such as Cron"),
    ({"when": {"kind": "cron"}}, "not dict"),
    ({"arguments": ["a"]}, "a dictionary or a model, not list"),
    ({"arguments": "text"}, "not str"),
    ({"arguments": {"text": "\ud800"}}, "must be JSON"),
    ({"arguments": {"text": NOW}}, "must be JSON"),
    ({"name": None}, "name must be text"),
    ({"name": 5}, "name must be text"),
    ({"name": "a\0"}, "cannot be kept"),
    ({"name": "\ud800"}, "cannot be kept"),
    ({"name": "two\nlines"}, "on one line"),
    ({"name": "x" * 201}, "at most 200"),
    ({"late": "sometimes"}, "late: 'sometimes' must be one of send, skip, ask"),
    ({"overlap": "never"}, "one of queue, skip, parallel"),
    ({"grace": 5}, "must be a timedelta"),
    ({"grace": timedelta.max}, "at most a hundred years"),
    ({"catch_up": "2"}, "at least 1"),
    ({"catch_up": 1.5}, "at least 1"),
    ({"catch_up": 10**20}, "at most 20,000"),
    ({"idempotency_key": ""}, "must not be empty"),
    ({"when": Once(NOW)}, "its last time has passed"),
    ({"when": RRule("FREQ=DAILY;UNTIL=20251231", start=NOW - timedelta(days=300), tz="UTC")}, "has passed"),
    ({"when": RRule("FREQ=DAILY;COUNT=2", start=datetime(1960, 1, 1), tz="UTC")}, "nothing of its trigger"),
    (
        {"when": LunarDate(9, 30, tz="UTC", leap=True, leap_absent="skip", day_absent="skip")},
        "as far as one looks",
    ),
    ({"when": LunarDate(1, 1, tz="Asia/Shanghai", only="workdays")}, "`only` and quiet hours"),
    ({"when": Every(timedelta.max)}, "nothing of its trigger"),
]


@pytest.mark.parametrize(("given", "says"), WRONG, ids=range(len(WRONG)))
async def test_wrong_arguments_are_said_before_anything_is_written(scheduler, given, says):
    with pytest.raises(InvalidInput, match=says):
        await make(scheduler, **given)
    assert await scheduler.list() == []


async def test_policies_by_their_words(scheduler):
    made = await make(scheduler, late="ask", overlap="parallel", name=" once a day ")
    assert (made.late, made.overlap, made.name) == ("ask", "parallel", "once a day")
    assert [one.id for one in await scheduler.list(states=("active",))] == [made.id]


async def test_two_of_one_batch_cannot_have_one_name(scheduler):
    one = ("say", HOURLY, {"text": "a"}, "same")
    with pytest.raises(InvalidInput, match="two of the schedules are named 'same'"):
        await scheduler.create_many([one, one])
    assert await scheduler.list() == []


async def test_a_name_that_another_host_took_in_the_same_moment(scheduler, monkeypatch):
    await make(scheduler, name="mine")
    real, looks = book.is_taken, []

    def late(conn, name):
        looks.append(name)
        return len(looks) > 1 and real(conn, name)

    monkeypatch.setattr(book, "is_taken", late)
    with pytest.raises(InvalidInput, match="named 'mine' already"):
        await make(scheduler, name="mine")
    assert looks == ["mine", "mine"]


async def test_wrong_questions(scheduler):
    await make(scheduler, name="a")
    naive = datetime(2026, 2, 1)
    for ask, says in (
        (lambda: scheduler.list(limit=-1), "limit must not be negative"),
        (lambda: scheduler.history(limit=-1), "limit must not be negative"),
        (lambda: scheduler.upcoming(-1), "count must not be negative"),
        (lambda: scheduler.upcoming(3, until=naive), "until must be aware"),
        (lambda: scheduler.list(states=("asleep",)), "one of active, paused, ended, cancelled"),
        (lambda: scheduler.prune(before=naive), "before must be aware"),
        (lambda: scheduler.drain(until=naive), "until must be aware"),
        (lambda: scheduler.reschedule("a", when=None), "when must be a trigger"),
    ):
        with pytest.raises(InvalidInput, match=says):
            await ask()
    for run in (10**30, -1, "x"):
        with pytest.raises(UnknownName):
            await scheduler.retry(run)
    assert len(await scheduler.upcoming(10**20, until=NOW + timedelta(hours=3))) == 3


def test_what_is_no_handler():
    handlers = Handlers()
    with pytest.raises(InvalidInput, match="must be a function, not int"):
        handlers.add("x", 5)
    with pytest.raises(InvalidInput, match="must be a pydantic model"):
        handlers.add("x", print, arguments=dict)


STORED = [
    ("trigger", "{", "the trigger cannot be read"),
    ("trigger", '{"kind": "of a later version"}', "the trigger cannot be read"),
    (
        "trigger",
        '{"kind": "rrule", "tz": "UTC", "rule": "FREQ=WEEKLY;BYDAY=1MO", "start": "2026-01-01T00:00:00"}',
        "it needs FREQ=MONTHLY",
    ),
    ("late", "perhaps", "late: 'perhaps' is unknown here"),
    ("arguments", "[", "the arguments cannot be read"),
]


@pytest.mark.parametrize(("column", "value", "says"), STORED, ids=range(len(STORED)))
async def test_what_cannot_be_read_is_shown_and_parked_and_stops_nobody(scheduler, column, value, says):
    bad, good = await make(scheduler, name="bad"), await make(scheduler, name="good")
    await scheduler._store.write(
        lambda conn: conn.execute(
            text(f'update schedule set "{column}" = :value where id = :id'), {"value": value, "id": bad.id}
        )
    )
    assert says in (await scheduler.get("bad")).note
    assert {one.name: bool(one.note) for one in await scheduler.list()} == {"bad": True, "good": False}
    scheduler._clock.advance(timedelta(hours=1))
    await scheduler.tick()
    assert scheduler.calls == ["good"]
    assert [(one.name, one.state) for one in await scheduler.dead_letters()] == [("bad", RunState.PARKED)]
    assert (await scheduler.pause("bad")).state is ScheduleState.PAUSED
    if column == "trigger":
        assert isinstance((await scheduler.get("bad")).trigger, Unreadable)
        with pytest.raises(InvalidInput):
            await scheduler.resume("bad")
        await scheduler.reschedule("bad", when=Cron("0 9 * * *", tz="UTC"))
        assert (await scheduler.resume("bad")).note == ""
    assert (await scheduler.cancel("bad")).state is ScheduleState.CANCELLED
    assert good.id in {one.schedule for one in await scheduler.upcoming(1)}


async def test_an_unreadable_trigger_is_none_that_can_be_given(scheduler):
    with pytest.raises(InvalidInput, match="cannot be read"):
        await make(scheduler, when=Unreadable("{", reason="no JSON"))


async def test_paused_over_its_only_time(scheduler):
    await make(scheduler, name="once", when=Once(NOW + timedelta(hours=1)))
    await scheduler.pause("once")
    scheduler._clock.advance(timedelta(hours=2))
    with pytest.raises(InvalidInput, match="its last time has passed"):
        await scheduler.resume("once")
    moved = await scheduler.reschedule("once", when=Once(NOW + timedelta(hours=5)))
    assert moved.state is ScheduleState.PAUSED
    assert (await scheduler.resume("once")).next_due == NOW + timedelta(hours=5)
