"""Schedules: fired once per occurrence, late and missed by their policies, never lost, never in silence."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from pydantic import BaseModel
from sqlalchemy import text

from shequn_sdk.domain import LatePolicy
from shequn_sdk.errors import InvalidInput, StoreBusy, UnknownName
from shequn_sdk.scheduling import book
from shequn_sdk.scheduling.chinese import WorkDays
from shequn_sdk.scheduling.clock import ManualClock, SystemClock
from shequn_sdk.scheduling.models import Overlapping, RunState, ScheduleState
from shequn_sdk.scheduling.scheduler import Scheduler
from shequn_sdk.scheduling.triggers import Cron, Every, Once, Quiet
from shequn_sdk.scheduling.worker import WorkerOptions
from shequn_sdk.stores.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURLY = Every(timedelta(hours=1))
DAILY = Cron("0 9 * * *", tz="UTC")


class Words(BaseModel):
    text: str


class Rig:
    def __init__(self, store, clock, **options):
        self.clock = clock
        self.store = store
        self.scheduler = Scheduler(store, clock=clock, **options)
        self.calls = []
        self.scheduler.handler("say", arguments=Words)(self.say)

    async def say(self, arguments, firing):
        self.calls.append((arguments.text, firing.nominal, firing.key, firing.attempt))

    async def make(self, when=HOURLY, **options):
        return await self.scheduler.create("say", when=when, arguments={"text": "hi"}, **options)

    def nominals(self):
        return [nominal for _, nominal, _, _ in self.calls]

    async def states(self):
        return [run.state for run in reversed(await self.scheduler.history())]


@pytest.fixture
async def rig(tmp_path):
    clock = ManualClock(START)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        yield Rig(store, clock)


async def test_fires_each_occurrence_once_with_its_own_key(rig):
    made = await rig.make(name="hello")
    assert made.next_due == START + timedelta(hours=1)
    assert await rig.scheduler.tick() == 0
    assert await rig.scheduler.drain(until=START + timedelta(hours=5)) == 5
    assert rig.nominals() == [START + timedelta(hours=number) for number in range(1, 6)]
    assert len({key for _, _, key, _ in rig.calls}) == 5
    assert await rig.states() == [RunState.DONE] * 5
    assert (await rig.scheduler.get("hello")).next_due == START + timedelta(hours=6)


async def test_a_year_is_rehearsed(rig):
    await rig.make(Cron("0 20 * * fri", tz="Asia/Shanghai"))
    await rig.scheduler.drain(until=START + timedelta(days=365))
    assert len(rig.calls) == 52


async def test_survives_a_restart(tmp_path):
    clock = ManualClock(START)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        await Rig(store, clock).make(name="hello")
    clock.advance(timedelta(hours=1))
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        rig = Rig(store, clock)
        assert await rig.scheduler.tick() == 1
        assert rig.calls[0][0] == "hi"


async def test_once_ends_its_schedule(rig):
    made = await rig.make(Once(START + timedelta(minutes=5)))
    await rig.scheduler.drain(until=START + timedelta(days=1))
    assert len(rig.calls) == 1
    assert (await rig.scheduler.get(made.id)).state is ScheduleState.ENDED
    assert await rig.scheduler.list() == []
    assert [one.id for one in await rig.scheduler.list(states=tuple(ScheduleState))] == [made.id]


async def test_of_missed_occurrences_the_latest_are_made_up_for(rig):
    await rig.make(catch_up=2)
    rig.clock.advance(timedelta(days=3, minutes=1))
    await rig.scheduler.tick()
    assert rig.nominals() == [START + timedelta(hours=71), START + timedelta(hours=72)]
    history = list(reversed(await rig.scheduler.history()))
    assert [run.state for run in history] == [
        RunState.SKIPPED,
        RunState.SKIPPED,
        RunState.DONE,
        RunState.DONE,
    ]
    assert "at most 2" in history[0].note
    assert "all until the next" in history[1].note
    (following,) = await rig.scheduler.upcoming(1)
    assert following.nominal == START + timedelta(hours=73)


async def test_a_single_missed_occurrence_is_made_up_for(rig):
    await rig.make(DAILY)
    rig.clock.move_to(START + timedelta(hours=20))
    await rig.scheduler.tick()
    assert rig.nominals() == [START + timedelta(hours=9)]


@pytest.mark.parametrize(
    ("late", "grace", "by", "state"),
    [
        (LatePolicy.SEND, None, timedelta(hours=20), RunState.DONE),
        (LatePolicy.SEND, timedelta(hours=1), timedelta(minutes=59), RunState.DONE),
        (LatePolicy.SEND, timedelta(hours=1), timedelta(hours=2), RunState.SKIPPED),
        (LatePolicy.SKIP, None, timedelta(seconds=30), RunState.DONE),
        (LatePolicy.SKIP, None, timedelta(minutes=2), RunState.SKIPPED),
        (LatePolicy.SKIP, timedelta(minutes=5), timedelta(minutes=2), RunState.DONE),
        (LatePolicy.ASK, None, timedelta(minutes=2), RunState.ASKING),
    ],
)
async def test_late_policies(rig, late, grace, by, state):
    await rig.make(DAILY, late=late, grace=grace)
    rig.clock.move_to(START + timedelta(hours=9) + by)
    await rig.scheduler.tick()
    assert await rig.states() == [state]
    assert len(rig.calls) == (state is RunState.DONE)
    (following,) = await rig.scheduler.upcoming(1)
    assert following.nominal == START + timedelta(days=1, hours=9)


async def test_what_was_asked_about_runs_when_a_person_says_so(rig):
    await rig.make(DAILY, late=LatePolicy.ASK)
    rig.clock.move_to(START + timedelta(hours=12))
    await rig.scheduler.tick()
    (letter,) = await rig.scheduler.dead_letters()
    assert letter.state is RunState.ASKING
    await rig.scheduler.retry(letter.id)
    await rig.scheduler.tick()
    assert rig.nominals() == [START + timedelta(hours=9)]
    assert await rig.scheduler.dead_letters() == []
    with pytest.raises(InvalidInput, match="is done"):
        await rig.scheduler.retry(letter.id)
    assert len(await rig.scheduler.upcoming(1)) == 1


async def test_a_vanished_handler_parks_and_is_shown(tmp_path):
    clock = ManualClock(START)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        await Rig(store, clock).make(name="hello")
        other = Scheduler(store, clock=clock)
        clock.advance(timedelta(hours=1))
        assert await other.tick() == 0, "another process may know it"
        await other.drain(until=clock.now() + timedelta(minutes=11))
        (letter,) = await other.dead_letters()
        assert (letter.state, letter.error_type) == (RunState.PARKED, "UnknownName")
        assert "'say'" in letter.error
        assert (await other.get("hello")).next_due == START + timedelta(hours=2)
        rig = Rig(store, clock)
        await rig.scheduler.retry(letter.id)
        await rig.scheduler.tick()
        assert rig.nominals() == [START + timedelta(hours=1)]
        (following,) = await rig.scheduler.upcoming(1)
        assert following.nominal == START + timedelta(hours=2)


async def test_processes_take_what_they_know(tmp_path):
    clock = ManualClock(START)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        rig, other = Rig(store, clock), Scheduler(store, clock=clock)
        heard = []
        other.handler("hear")(lambda arguments, firing: heard.append(firing.nominal))
        await rig.make()
        await other.create("hear", when=HOURLY)
        clock.advance(timedelta(hours=1))
        assert (await rig.scheduler.tick(), await other.tick()) == (1, 1)
        assert len(rig.calls) == len(heard) == 1


async def test_arguments_that_no_longer_fit_park(tmp_path):
    clock = ManualClock(START)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        await Rig(store, clock).make()

        class Other(BaseModel):
            words: str

        changed = Scheduler(store, clock=clock)
        changed.handler("say", arguments=Other)(lambda arguments, firing: None)
        clock.advance(timedelta(hours=1))
        await changed.tick()
        (letter,) = await changed.dead_letters()
        assert letter.state is RunState.PARKED
        assert "words" in letter.error
        await changed.dismiss(letter.id)
        assert await changed.dead_letters() == []
        (run,) = await changed.history()
        assert run.state is RunState.DISMISSED


async def test_a_trigger_that_cannot_be_read_parks_and_goes_on_when_it_can(rig):
    made = await rig.make()
    good = made.trigger.model_dump_json()

    def write(value):
        return lambda conn: conn.execute(text('update schedule set "trigger" = :value'), {"value": value})

    await rig.store.write(write('{"kind": "of a later version"}'))
    rig.clock.advance(timedelta(hours=1))
    assert len(await rig.scheduler.upcoming(5)) == 1
    await rig.scheduler.tick()
    (letter,) = await rig.scheduler.dead_letters()
    assert letter.state is RunState.PARKED
    await rig.store.write(write(good))
    await rig.scheduler.retry(letter.id)
    await rig.scheduler.tick()
    assert len(rig.calls) == 1
    assert [one.nominal for one in await rig.scheduler.upcoming(1)] == [START + timedelta(hours=2)]


async def test_failures_are_repeated_then_put_aside(rig):
    attempts = []

    async def fails(arguments, firing):
        attempts.append((rig.clock.now(), firing.attempt, firing.key))
        raise RuntimeError("the moon is down")

    rig.scheduler.handlers.add("fails", fails)
    await rig.scheduler.create("fails", when=DAILY)
    await rig.scheduler.drain(until=START + timedelta(hours=10))
    first = START + timedelta(hours=9)
    assert [at - first for at, _, _ in attempts] == [
        timedelta(),
        timedelta(seconds=10),
        timedelta(seconds=70),
    ]
    assert [number for _, number, _ in attempts] == [1, 2, 3]
    assert len({key for _, _, key in attempts}) == 1
    (letter,) = await rig.scheduler.dead_letters()
    assert (letter.state, letter.error, letter.error_type) == (
        RunState.FAILED,
        "the moon is down",
        "RuntimeError",
    )
    (following,) = await rig.scheduler.upcoming(1)
    assert following.nominal == START + timedelta(days=1, hours=9)


async def test_what_cannot_work_is_not_repeated(rig):
    async def refuses(arguments, firing):
        raise InvalidInput("no such channel")

    rig.scheduler.handlers.add("refuses", refuses)
    await rig.scheduler.create("refuses", when=DAILY)
    await rig.scheduler.drain(until=START + timedelta(hours=10))
    (letter,) = await rig.scheduler.dead_letters()
    assert letter.attempts == 1


@pytest.mark.parametrize(
    ("overlap", "nominals", "states"),
    [
        (Overlapping.QUEUE, [1, 4, 5], ["done", "skipped", "skipped", "done", "done"]),
        (Overlapping.SKIP, [1, 5], ["done", "skipped", "done"]),
    ],
)
async def test_overlap(rig, overlap, nominals, states):
    ran = []

    async def slow(arguments, firing):
        ran.append((firing.nominal - START) // timedelta(hours=1))
        if len(ran) == 1:
            rig.clock.advance(timedelta(hours=3, minutes=30))

    rig.scheduler.handlers.add("slow", slow)
    await rig.scheduler.create("slow", when=HOURLY, overlap=overlap)
    await rig.scheduler.drain(until=START + timedelta(hours=5))
    assert ran == nominals
    assert sorted(await rig.states()) == sorted(states)


async def test_parallel_occurrences_do_not_wait(rig):
    running, release = [], anyio.Event()

    async def slow(arguments, firing):
        running.append(firing.nominal)
        await release.wait()

    rig.scheduler.handlers.add("slow", slow)
    await rig.scheduler.create("slow", when=HOURLY, overlap=Overlapping.PARALLEL, catch_up=10)
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(rig.scheduler.run, stop)
        with anyio.fail_after(300):
            for number in (1, 2):
                rig.clock.move_to(START + timedelta(hours=number))
                while len(running) < number:
                    rig.clock.advance(timedelta(seconds=2))
                    await anyio.sleep(0.01)
        release.set()
        stop.set()
    assert await rig.states() == [RunState.DONE, RunState.DONE]


async def test_pause_resume_reschedule_cancel(rig):
    made = await rig.make(name="hello")
    assert (await rig.scheduler.pause("hello")).state is ScheduleState.PAUSED
    await rig.scheduler.drain(until=START + timedelta(hours=3, minutes=10))
    assert rig.calls == []
    resumed = await rig.scheduler.resume("hello")
    assert resumed.next_due == START + timedelta(hours=4), "the pause is not made up for"
    moved = await rig.scheduler.reschedule(made.id, when=DAILY)
    assert moved.next_due == START + timedelta(hours=9)
    await rig.scheduler.drain(until=START + timedelta(hours=10))
    assert rig.nominals() == [START + timedelta(hours=9)]
    gone = await rig.scheduler.cancel("hello")
    assert (gone.state, gone.next_due) == (ScheduleState.CANCELLED, None)
    assert await rig.scheduler.upcoming() == []
    with pytest.raises(InvalidInput, match="cancelled"):
        await rig.scheduler.resume(made.id)
    assert len(await rig.scheduler.history(schedule=made.id)) == 1
    await rig.make(name="hello")  # the name is free again
    assert (await rig.scheduler.get("hello")).id != made.id


async def test_cancelled_while_it_runs_nothing_follows(rig):
    async def cancels(arguments, firing):
        await rig.scheduler.cancel(firing.schedule)

    rig.scheduler.handlers.add("cancels", cancels)
    await rig.scheduler.create("cancels", when=HOURLY)
    await rig.scheduler.drain(until=START + timedelta(hours=5))
    assert await rig.states() == [RunState.DONE]
    assert await rig.scheduler.upcoming() == []


async def test_paused_between_two_attempts_it_does_not_fire(rig):
    async def fails(arguments, firing):
        rig.calls.append(firing)
        await rig.scheduler.pause(firing.schedule)
        raise RuntimeError("not now")

    rig.scheduler.handlers.add("fails", fails)
    await rig.scheduler.create("fails", when=HOURLY)
    await rig.scheduler.drain(until=START + timedelta(hours=5))
    assert len(rig.calls) == 1
    assert await rig.states() == [RunState.SKIPPED]


async def test_upcoming_mixes_schedules_by_time(rig):
    hourly = await rig.make(name="hourly")
    daily = await rig.make(DAILY, name="daily")
    found = await rig.scheduler.upcoming(11)
    assert [one.due for one in found] == sorted(one.due for one in found)
    assert [one.schedule for one in found].count(daily.id) == 1
    assert [one.schedule for one in found].count(hourly.id) == 10
    until = await rig.scheduler.upcoming(100, until=START + timedelta(hours=3))
    assert len(until) == 3


async def test_clock_jumps_both_ways(rig):
    await rig.make(catch_up=5)
    await rig.scheduler.drain(until=START + timedelta(hours=3))
    rig.clock.advance(timedelta(hours=-2))
    assert await rig.scheduler.tick() == 0
    await rig.scheduler.drain(until=START + timedelta(hours=4))
    assert rig.nominals() == [START + timedelta(hours=number) for number in (1, 2, 3, 4)]
    rig.clock.advance(timedelta(days=400))
    await rig.scheduler.tick()
    assert len(rig.nominals()) == len(set(rig.nominals())) == 9


async def test_two_schedulers_share_the_work(tmp_path):
    clock = ManualClock(START)
    async with (
        await Store.open(tmp_path / "s.db", clock=clock) as one,
        await Store.open(tmp_path / "s.db", clock=clock) as two,
    ):
        rigs = [Rig(one, clock), Rig(two, clock)]
        for number in range(60):
            await rigs[0].make(Once(START + timedelta(minutes=number % 7 + 1)))
        clock.advance(timedelta(minutes=10))
        async with anyio.create_task_group() as group:
            for rig in rigs:
                group.start_soon(rig.scheduler.tick)
        keys = [key for rig in rigs for _, _, key, _ in rig.calls]
        assert len(keys) == len(set(keys)) == 60


async def test_hosts_with_clocks_apart_fire_once(tmp_path):
    slow, fast = ManualClock(START), ManualClock(START + timedelta(seconds=20))
    async with (
        await Store.open(tmp_path / "s.db", clock=slow) as one,
        await Store.open(tmp_path / "s.db", clock=fast) as two,
    ):
        rigs = [Rig(one, slow), Rig(two, fast)]
        await rigs[0].make(Every(timedelta(seconds=10)), catch_up=100)
        for _ in range(30):
            for rig in rigs:
                rig.clock.advance(timedelta(seconds=5))
                await rig.scheduler.tick()
        keys = [key for rig in rigs for _, _, key, _ in rig.calls]
        assert len(keys) == len(set(keys)) == 17
        assert rigs[0].calls == [], "the fast one was always first"


async def test_what_a_dead_worker_held_is_taken_over(tmp_path):
    clock = ManualClock(START)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        rig = Rig(store, clock)
        await rig.make()
        clock.advance(timedelta(hours=1))
        lease = int((clock.now() + timedelta(seconds=30)).timestamp() * 1e6)
        taken = await store.write(
            lambda conn: book.claim(
                conn,
                owner="elsewhere:1:x",
                now=lease - 30_000_000,
                lease=lease,
                count=1,
                handlers=["say"],
                orphan=0,
            )
        )
        assert len(taken) == 1
        assert await rig.scheduler.tick() == 0, "its lease runs"
        clock.advance(timedelta(seconds=31))
        assert await rig.scheduler.tick() == 1
        assert [attempt for *_, attempt in rig.calls] == [2]
        assert not await store.write(lambda conn: book.release(conn, taken[0].entry, ready_at=lease))
        late = await store.write(
            lambda conn: book.settle(
                conn, taken[0].entry, state="done", note="", error="", error_type="", now=lease
            )
        )
        assert not late, "the frozen worker wakes, and its fence is old"


async def test_a_handler_that_takes_longer_than_a_lease_is_not_called_by_others(tmp_path):
    """Its worker prolongs the lease, by real time, for as long as the handler runs."""
    clock = ManualClock(START)
    options = WorkerOptions(lease=timedelta(seconds=0.3))
    async with (
        await Store.open(tmp_path / "s.db", clock=clock) as one,
        await Store.open(tmp_path / "s.db", clock=clock) as two,
    ):
        rig, other = Rig(one, clock, options=options), Rig(two, clock, options=options)
        begun, end = anyio.Event(), anyio.Event()

        async def long(arguments, firing):
            begun.set()
            await end.wait()
            rig.calls.append(firing.key)

        def lease(conn):
            return conn.execute(text("select max(lease_until) from occurrence")).scalar()

        for each in (rig, other):
            each.scheduler.handlers.add("long", long)
        await rig.scheduler.create("long", when=HOURLY)
        clock.advance(timedelta(hours=1))
        async with anyio.create_task_group() as group:
            group.start_soon(rig.scheduler.tick)
            await begun.wait()
            for _ in range(3):
                before = await one.read(lease)
                clock.advance(timedelta(seconds=0.25))
                with anyio.fail_after(300):
                    while await one.read(lease) <= before:  # noqa: ASYNC110 - the keeper gives no event
                        await anyio.sleep(0.02)
                assert await other.scheduler.tick() == 0
            end.set()
        assert len(rig.calls) == 1


async def test_provisional_occurrences_are_looked_at_now_and_then(tmp_path, monkeypatch):
    """Not at each look for what is due."""
    clock = ManualClock(START)
    looks = []
    real = book.provisional
    monkeypatch.setattr(book, "provisional", lambda conn: looks.append(clock.now()) or real(conn))
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        rig = Rig(store, clock, options=WorkerOptions(replan_every=timedelta(hours=6)))
        await rig.make()
        for _ in range(13):
            await rig.scheduler.tick()
            clock.advance(timedelta(hours=1))
    assert looks == [START, START + timedelta(hours=6), START + timedelta(hours=12)]


async def test_a_dead_worker_of_this_host_is_found_though_the_first_look_failed(tmp_path, monkeypatch):
    clock = ManualClock(START)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        rig = Rig(store, clock)
        await rig.make()
        clock.advance(timedelta(hours=1))
        now = int(clock.now().timestamp() * 1e6)
        dead = f"{store.host}:{2**22 + 1}:x"  # beyond the highest process id there is
        taken = await store.write(
            lambda conn: book.claim(
                conn, owner=dead, now=now, lease=now + 10**9, count=1, handlers=["say"], orphan=0
            )
        )
        assert len(taken) == 1

        async def away(fn):
            raise StoreBusy("locked")

        with monkeypatch.context() as patch:
            patch.setattr(store, "read", away)
            with pytest.raises(StoreBusy):
                await rig.scheduler.tick()
        assert await rig.scheduler.tick() == 1


async def test_runs_by_the_machines_clock(tmp_path):
    async with await Store.open(tmp_path / "s.db") as store:
        rig = Rig(store, SystemClock())
        stop = anyio.Event()

        async def done(arguments, firing):
            rig.calls.append(firing.due)
            if len(rig.calls) == 2:
                stop.set()

        rig.scheduler.handlers.add("done", done)
        async with anyio.create_task_group() as group:
            group.start_soon(rig.scheduler.run, stop)
            await rig.scheduler.create("done", when=Every(timedelta(seconds=1)))
            with anyio.fail_after(300):
                await stop.wait()
        assert all(due <= datetime.now(UTC) for due in rig.calls)


async def test_a_stopped_worker_gives_back_what_it_held(tmp_path):
    clock = ManualClock(START)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        rig = Rig(store, clock)
        begun = anyio.Event()

        async def endless(arguments, firing):
            begun.set()
            await anyio.sleep_forever()

        rig.scheduler.handlers.add("endless", endless)
        await rig.scheduler.create("endless", when=HOURLY)
        clock.advance(timedelta(hours=1))
        async with anyio.create_task_group() as group:
            group.start_soon(rig.scheduler.run)
            await begun.wait()
            group.cancel_scope.cancel()
        count = await store.read(
            lambda conn: conn.execute(
                text("select count(*) from occurrence where state = 'running'")
            ).scalar()
        )
        assert count == 0


async def test_blocking_handlers_run_on_threads(rig):
    import threading

    names = []
    rig.scheduler.handlers.add("blocks", lambda arguments, firing: names.append(threading.current_thread()))
    await rig.scheduler.create("blocks", when=HOURLY)
    await rig.scheduler.drain(until=START + timedelta(hours=1))
    assert names != [threading.main_thread()]
    assert len(names) == 1


async def test_making_it_again_under_the_same_key_gives_the_first(rig):
    first = await rig.make(idempotency_key="plan-7")
    again = await rig.make(DAILY, idempotency_key="plan-7")
    assert again == first
    assert len(await rig.scheduler.list()) == 1


async def test_pages(rig):
    made = [await rig.make() for _ in range(7)]
    first = await rig.scheduler.list(limit=3)
    second = await rig.scheduler.list(limit=3, after=first[-1])
    third = await rig.scheduler.list(limit=3, after=second[-1])
    assert {one.id for one in (*first, *second, *third)} == {one.id for one in made}


async def test_old_history_is_forgotten_and_dead_letters_are_not(rig):
    async def refuses(arguments, firing):
        raise InvalidInput("no")

    rig.scheduler.handlers.add("refuses", refuses)
    await rig.make()
    await rig.scheduler.create("refuses", when=HOURLY)
    await rig.scheduler.drain(until=START + timedelta(hours=5))
    assert await rig.scheduler.prune(before=START + timedelta(hours=4)) == 3
    assert len(await rig.scheduler.dead_letters()) == 5


async def test_provisional_occurrences_move_when_days_are_announced(tmp_path):
    clock = ManualClock(datetime(2031, 3, 11, 12, tzinfo=UTC))
    when = Cron("0 9 * * *", tz="Asia/Shanghai", only="workdays")
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        made = await Rig(store, clock).make(when)
        assert made.provisional
        assert made.next_due == datetime(2031, 3, 12, 1, tzinfo=UTC)
        path = Path(tmp_path / "workdays.toml")
        path.write_text("announced = [2031]\noff = [2031-03-12]\n", encoding="utf-8")
        rig = Rig(store, clock, days=WorkDays.load(path))
        assert await rig.scheduler.replan() == 1
        after = await rig.scheduler.get(made.id)
        assert (after.next_due, after.provisional) == (datetime(2031, 3, 13, 1, tzinfo=UTC), False)


async def test_a_provisional_day_that_turned_out_to_be_off_does_not_fire(tmp_path):
    clock = ManualClock(datetime(2031, 3, 11, 12, tzinfo=UTC))
    when = Cron("0 9 * * *", tz="Asia/Shanghai", only="workdays")
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        await Rig(store, clock).make(when)
        rig = Rig(store, clock, days=WorkDays(off=[datetime(2031, 3, 12).date()], announced=[2031]))
        clock.move_to(datetime(2031, 3, 12, 1, 0, 5, tzinfo=UTC))
        await rig.scheduler.tick()
        assert rig.calls == []
        assert await rig.states() == [RunState.SKIPPED]
        assert [one.nominal.day for one in await rig.scheduler.upcoming(1)] == [13]


async def test_quiet_hours_put_it_off(rig):
    await rig.make(Cron("30 23 * * *", tz="UTC", quiet=Quiet("22:00", "08:00")))
    await rig.scheduler.drain(until=START + timedelta(days=1, hours=7))
    assert rig.calls == []
    await rig.scheduler.drain(until=START + timedelta(days=1, hours=9))
    assert rig.nominals() == [START + timedelta(hours=23, minutes=30)]


async def wrong(rig, **options):
    return await rig.scheduler.create(
        options.pop("handler", "say"),
        when=options.pop("when", HOURLY),
        arguments=options.pop("arguments", {"text": "hi"}),
        **options,
    )


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"handler": "sya"}, UnknownName, "did you mean 'say'"),
        ({"arguments": {}}, InvalidInput, "text"),
        ({"arguments": {"text": {1, 2}}}, InvalidInput, "JSON"),
        ({"when": Once(START - timedelta(days=1))}, InvalidInput, "has passed"),
        (
            {"when": Cron("0 3 * * *", tz="UTC", quiet=Quiet("22:00", "8:00", then="skip"))},
            InvalidInput,
            "never",
        ),
        ({"catch_up": 0}, InvalidInput, "catch_up"),
        ({"grace": timedelta(seconds=-1)}, InvalidInput, "negative"),
    ],
)
async def test_nonsense_is_refused_at_once(rig, options, kind, says):
    with pytest.raises(kind, match=says):
        await wrong(rig, **options)
    assert await rig.scheduler.list() == []


async def test_names_are_unique_and_unknown_ones_are_said(rig):
    await rig.make(name="hello")
    with pytest.raises(InvalidInput, match="already"):
        await rig.make(name="hello")
    for call in (rig.scheduler.get, rig.scheduler.pause, rig.scheduler.cancel):
        with pytest.raises(UnknownName, match="nobody"):
            await call("nobody")
    with pytest.raises(UnknownName):
        await rig.scheduler.retry(4711)
    with pytest.raises(InvalidInput, match="two functions"):
        rig.scheduler.handlers.add("say", lambda arguments, firing: None)


async def test_only_a_clock_that_can_be_moved_is_rehearsed_with(tmp_path):
    async with await Store.open(tmp_path / "s.db") as store:
        with pytest.raises(InvalidInput, match="ManualClock"):
            await Scheduler(store).drain(until=START)


async def test_a_worker_outlives_a_locked_store(tmp_path, monkeypatch, caplog):
    clock = ManualClock(START)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        rig = Rig(store, clock, options=WorkerOptions(poll=0.01))
        await rig.make(Once(START + timedelta(minutes=1)))
        read, broken = store.read, [3]

        async def sometimes(fn):
            if broken[0]:
                broken[0] -= 1
                raise StoreBusy("locked")
            return await read(fn)

        monkeypatch.setattr(store, "read", sometimes)
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(rig.scheduler.run, stop)
            with anyio.fail_after(300):
                while not rig.calls:
                    clock.advance(timedelta(seconds=1))
                    await anyio.sleep(0.01)
            stop.set()
        assert len(rig.calls) == 1
        assert "cannot be used" in caplog.text


@pytest.mark.postgres
async def test_postgres_keeps_schedules_too(postgres_url):
    clock = ManualClock(START)
    async with await Store.open(postgres_url, clock=clock) as store:
        rig = Rig(store, clock)
        await rig.make(name="hello", catch_up=2)
        await rig.scheduler.drain(until=START + timedelta(hours=4))
        assert len(rig.calls) == 4
        clock.advance(timedelta(days=1))
        await rig.scheduler.tick()
        assert len(rig.calls) == 6
        assert (await rig.scheduler.pause("hello")).state is ScheduleState.PAUSED
        assert len(await rig.scheduler.list(handler="say")) == 1
        assert len(await rig.scheduler.history(states=[RunState.DONE, RunState.SKIPPED])) == 8
        with pytest.raises(InvalidInput, match="already"):
            await rig.make(name="hello")
