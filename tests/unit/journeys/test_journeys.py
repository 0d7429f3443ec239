"""Journeys on a sandboxed platform: steps by day and event, quiet hours, caps, exits, tasks, hold-out."""

from datetime import UTC, date, datetime, timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shequn_sdk import Interaction, InteractionKind, InvalidInput
from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import UnknownName
from shequn_sdk.journeys import models as m
from shequn_sdk.journeys.looking import birthdays_on
from shequn_sdk.journeys.reaching import Place, filled, mention
from shequn_sdk.journeys.templates import TEMPLATES, template
from shequn_sdk.journeys.timing import after_caps, after_quiet, due_of, is_held_out, minute_after
from shequn_sdk.listening.events import Heard
from shequn_sdk.members import filters as f
from shequn_sdk.members.fields import FieldKind, FieldSpec
from shequn_sdk.members.models import Birthday

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
LOOSE = m.Policy(quiet=None, caps=())


def say(name, text, **more):
    return m.Step(name=name, do=m.Say(text=text, to="channel"), **more)


def journey(*steps, start=None, **more):
    return m.Journey(name="test", start=start or m.Joined(), steps=steps, **more)


def records(run):
    return [(one.step, one.state, one.form) for one in run.records]


async def test_a_newcomer_week_from_the_joining_to_the_task(town, clock):
    sq = town.sq
    await sq.journeys.save(template("welcome"))
    await sq.journeys.save(template("newcomer-week"))
    await town.join("lin")
    await sq.deliver_due()
    assert len(town.said()) == 1
    assert "欢迎 lin 加入读书会" in town.said()[0]
    await town.until(NOON + timedelta(days=2))
    # nobody wrote to the bot, so Telegram refuses the private message, and it becomes a mention in the group
    [run] = await sq.journeys.runs("newcomer-week")
    assert records(run)[0] == ("rules", "sent", "channel")
    assert "direct" in run.records[0].note
    assert sum("规则" in text for text in town.said()) == 1
    await town.say("lin", "大家好")
    await town.until(NOON + timedelta(days=8))
    [run] = await sq.journeys.runs("newcomer-week")
    assert records(run)[1:] == [("first-talk", "skipped", "none"), ("ask", "task", "task")]
    assert run.state == "finished"
    [task] = await sq.journeys.tasks()
    assert (task.title, str(task.member), task.name) == ("回访新人 lin", town.ref("lin"), "lin")
    await sq.journeys.done(task.id, actor="wang", note="聊得不错")
    assert await sq.journeys.tasks() == []
    assert [(one.state, one.actor) for one in await sq.journeys.tasks(every=True)] == [("done", "wang")]
    with pytest.raises(InvalidInput, match="done already"):
        await sq.journeys.drop(task.id, actor="wang")
    with pytest.raises(UnknownName):
        await sq.journeys.done(99, actor="wang")


async def test_joining_a_hundred_times_begins_once_and_again_begins_anew(town, clock):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    await sq.journeys.save(journey(say("hi", "hello"), again=timedelta(days=5)))
    for _ in range(20):
        await town.elsewhere("zz:1", "join")
    assert len(await sq.journeys.runs()) == 1
    clock.advance(timedelta(days=6))
    await town.elsewhere("zz:1", "join")
    assert len(await sq.journeys.runs()) == 2
    [first, second] = await sq.journeys.runs()
    assert [records(one) for one in (first, second)] == [[("hi", "task", "task")]] * 2
    tasks = await sq.journeys.tasks()
    assert [one.text for one in tasks] == ["hello", "hello"], "nobody is reached there, so a person has to"


async def test_two_accounts_of_one_person_go_on_once_after_a_merge(town):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    await sq.journeys.save(journey(say("hi", "hello", wait=m.After(delay=timedelta(days=1)))))
    await town.elsewhere("zz:1", "join")
    await town.elsewhere("yy:1", "join")
    await sq.members.merge("zz:1", "yy:1", reason="r", actor="a")
    await town.until(NOON + timedelta(days=2))
    assert len(await sq.journeys.tasks()) == 1
    [first, second] = await sq.journeys.runs()
    assert (first.state, second.state) == ("finished", "exited")
    assert "another account" in second.reason


async def test_the_same_event_heard_again_does_nothing(town):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    await sq.journeys.save(journey(say("hi", "hello"), again=timedelta()))
    await town.elsewhere("zz:1", "join")
    room = sq.journeys
    event = Interaction(
        id="e1", kind=InteractionKind.JOIN, platform="zz", member="1", occurred_at=town.clock.now()
    )
    for _ in range(3):
        await room._hear([Heard("member.joined", event, "club", "zz", 1)])
    assert len(await room.runs()) == 1
    assert len(await room.tasks()) == 1


async def test_private_messages_where_the_member_wrote_first(town):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    await sq.journeys.save(journey(m.Step(name="hi", do=m.Say(text="hello {name}"))))
    private = town.sandbox.member_id(town.person("lin"))
    town.sandbox.say(private, town.person("lin"), "/start")
    await town.join("lin")
    await town.until(NOON + timedelta(minutes=5))
    [run] = await sq.journeys.runs()
    assert records(run) == [("hi", "sent", "direct")]
    assert town.said() == []
    assert town.said(private) == ["hello lin"]


async def test_events_bring_steps_on_and_end_journeys(town):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    await sq.journeys.save(
        journey(
            say("ask", "talk to us"),
            say("thanks", "thanks", wait=m.Until(event="message", within=timedelta(days=3))),
            say("late", "bye", wait=m.After(delay=timedelta(days=30))),
            exit_on=("member.left", "purchase"),
        )
    )
    await town.elsewhere("zz:1", "join")
    await town.elsewhere("zz:2", "join")
    await town.elsewhere("zz:1")
    assert [one.text for one in await sq.journeys.tasks()] == ["talk to us", "talk to us", "thanks"]
    await town.until(NOON + timedelta(days=4))
    assert [one.text for one in await sq.journeys.tasks()].count("thanks") == 2, (
        "at the latest after three days"
    )
    await town.elsewhere("zz:1", "purchase")
    await town.elsewhere("zz:2", "leave")
    assert {(one.state, one.reason) for one in await sq.journeys.runs()} == {
        ("exited", "they did: purchase"),
        ("exited", "they did: member.left"),
    }
    await town.until(NOON + timedelta(days=40))
    assert "bye" not in [one.text for one in await sq.journeys.tasks()]


async def test_quiet_hours_and_caps_hold_over_all_journeys(town, clock):
    sq = town.sq
    await sq.journeys.set_policy(
        m.Policy(
            quiet=m.QuietHours(start="22:00", end="08:00"), caps=(m.Cap(number=1, per=timedelta(days=1)),)
        )
    )
    await sq.journeys.save(journey(say("one", "one")))
    await sq.journeys.save(journey(say("two", "two")).model_copy(update={"name": "other"}))
    clock.move_to(datetime(2026, 3, 2, 15, tzinfo=UTC))  # 23:00 in Shanghai
    await town.join("lin")
    await sq.deliver_due()
    assert town.said() == []
    await town.until(datetime(2026, 3, 3, 0, 5, tzinfo=UTC))  # 08:05
    assert len(town.said()) == 1
    await town.until(datetime(2026, 3, 3, 20, tzinfo=UTC))
    assert len(town.said()) == 1
    waiting = [one for one in await sq.journeys.runs() if one.state == "running"]
    assert "caps" in waiting[0].reason
    await town.until(datetime(2026, 3, 4, 0, 30, tzinfo=UTC))
    assert len(town.said()) == 2


async def test_no_marketing_without_consent(town):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    await sq.journeys.save(
        journey(
            m.Step(name="offer", do=m.Say(text="buy", purpose="marketing")),
            m.Step(
                name="later",
                wait=m.After(delay=timedelta(hours=1)),
                do=m.Say(text="buy", purpose="marketing"),
            ),
        )
    )
    await town.elsewhere("zz:1", "join")
    await sq.members.set_consent("zz:1", "marketing", allowed=True, source="form")
    await town.until(NOON + timedelta(hours=2))
    [run] = await sq.journeys.runs()
    assert records(run) == [("offer", "skipped", "none"), ("later", "task", "task")]
    assert "unless the member says otherwise" in run.records[0].note


async def test_conditions_tags_calls_and_exits_by_filter(town):
    sq = town.sq
    calls = []
    await sq.journeys.set_policy(LOOSE)
    await sq.journeys.save(
        journey(
            m.Step(name="mark", do=m.AddTags(tags=("新人",))),
            m.Step(
                name="branch",
                when=f.Tagged(tag="gold"),
                do=m.Call(handler="gold"),
                otherwise=m.Call(handler="plain"),
            ),
            say("talk", "hi", when=f.Tagged(tag="gold")),
            say("end", "never", wait=m.After(delay=timedelta(days=2))),
            exit_when=f.Tagged(tag="stop"),
        )
    )
    await town.elsewhere("zz:1", "join")
    [run] = await sq.journeys.runs()
    assert run.next_step == "branch"
    assert "not registered" in run.reason

    @sq.journeys.handler("plain")
    async def plain(call):
        calls.append((call.step, str(call.member), call.key))

    await town.until(NOON + timedelta(hours=1))
    assert calls == [("branch", "zz:1", f"journey/{run.id}/branch")]
    assert (await sq.members.get("zz:1")).memberships[0].tags == ("新人",)
    await sq.members.tag("zz:1", "stop", actor="lin")
    await town.until(NOON + timedelta(days=3))
    [run] = await sq.journeys.runs()
    assert records(run) == [("mark", "done", "tag"), ("branch", "done", "call"), ("talk", "skipped", "none")]
    assert (run.state, run.reason) == ("exited", "before end: its exit condition holds")
    with pytest.raises(InvalidInput, match="another name"):
        sq.journeys.handler("plain")(print)


async def test_a_failing_function_is_said_and_the_journey_goes_on(town):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)

    @sq.journeys.handler("bad")
    def bad(call):
        raise ValueError("no")

    await sq.journeys.save(journey(m.Step(name="call", do=m.Call(handler="bad")), say("then", "hi")))
    await town.elsewhere("zz:1", "join")
    [run] = await sq.journeys.runs()
    first = run.records[0]
    assert (first.step, first.state, first.note) == ("call", "failed", "ValueError: no")
    assert run.state == "finished"


async def test_birthdays_by_both_calendars_and_festivals(town, clock):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    for member in ("zz:solar", "zz:lunar", "zz:none"):
        await town.elsewhere(member)
    await sq.members.set_birthday("zz:solar", Birthday(month=3, day=5, year=1990))
    await sq.members.set_birthday("zz:lunar", Birthday(month=1, day=20, lunar=True))  # 8 March 2026
    await sq.journeys.save(template("birthday"))
    await sq.journeys.save(template("festivals").model_copy(update={"only": None}))
    await town.until(NOON + timedelta(days=10))
    wishes = [(str(one.member), one.journey) for one in await sq.journeys.tasks()]
    assert ("zz:solar", "birthday") in wishes
    assert ("zz:lunar", "birthday") in wishes
    lantern = datetime(2026, 3, 3, tzinfo=UTC)  # the Lantern Festival
    assert sorted(member for member, name in wishes if name == "festivals") == [
        "zz:lunar",
        "zz:none",
        "zz:solar",
    ]
    assert lantern.date() == date(2026, 3, 3)
    runs = await sq.journeys.runs("birthday")
    local = [(one.anchor + timedelta(hours=8)).isoformat()[:16] for one in runs]
    assert local == ["2026-03-05T09:00", "2026-03-08T09:00"]
    await sq.journeys.look("birthday")
    assert len(await sq.journeys.runs("birthday")) == 2


async def test_the_silent_are_woken_once_per_silence(town, clock):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    await town.elsewhere("zz:1")
    await sq.journeys.save(template("wake-the-silent"))
    await town.until(NOON + timedelta(days=29))
    assert await sq.journeys.runs() == []
    await town.until(NOON + timedelta(days=33))
    assert len(await sq.journeys.runs()) == 1
    await town.elsewhere("zz:1")
    [run] = await sq.journeys.runs()
    assert (run.state, run.reason) == ("exited", "they did: message")
    await town.until(NOON + timedelta(days=70))
    assert len(await sq.journeys.runs()) == 2


async def test_renewal_by_a_declared_date_or_a_source(town, clock):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    start = m.BeforeDate(source="term_ends", days_before=7, at="10:00")
    renewal = template("renewal").model_copy(update={"start": start})
    await town.elsewhere("zz:1")
    await town.elsewhere("zz:2")
    await sq.journeys.save(renewal)
    with pytest.raises(UnknownName, match="term_ends"):
        await sq.journeys.look("renewal")
    await sq.members.declare_field(FieldSpec(name="term_ends", kind=FieldKind.DATE))
    await sq.members.set_fields("zz:1", {"term_ends": "2026-03-20"})
    await sq.journeys.save(renewal)
    await town.until(NOON + timedelta(days=20))
    runs = await sq.journeys.runs()
    assert [str(one.member) for one in runs] == ["zz:1"]
    assert records(runs[0]) == [("week", "task", "task"), ("last-day", "task", "task")]

    async def ends(community):
        return {MemberRef.parse("zz:2"): clock.now() + timedelta(days=7)}

    sq.journeys.add_dates("term_ends", ends)
    assert await sq.journeys.look("renewal") == 1


async def test_hold_out_leaves_the_same_people_out(town):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    one = journey(say("hi", "hello"), hold_out=0.5, seed=3)
    await sq.journeys.save(one)
    for number in range(40):
        await town.elsewhere(f"zz:{number}", "join")
    runs = await sq.journeys.runs(limit=100)
    out = {str(run.member) for run in runs if run.state == "held_out"}
    assert out == {f"zz:{n}" for n in range(40) if is_held_out(one, f"zz:{n}")}
    assert 5 < len(out) < 35
    assert len(await sq.journeys.tasks(limit=100)) == 40 - len(out)


async def test_preview_says_when_how_and_why_not(town):
    sq = town.sq
    await town.join("lin")
    steps = await sq.journeys.preview(template("newcomer-week"), town.ref("lin"))
    assert [(one.step, one.form, one.runs) for one in steps] == [
        ("rules", "direct", True),
        ("first-talk", "direct", True),
        ("ask", "task", True),
    ]
    assert steps[0].due == datetime(2026, 3, 3, 2, tzinfo=UTC)
    assert "lin" in steps[0].text
    await town.elsewhere("zz:1")
    night = journey(
        m.Step(name="offer", do=m.Say(text="buy", purpose="marketing")),
        m.Step(name="late", wait=m.OnDay(day=0, at="23:00"), do=m.Say(text="hi {days}")),
    )
    [offer, late] = await sq.journeys.preview(night, "zz:1")
    assert (offer.runs, offer.form) == (False, "task")
    assert late.due == datetime(2026, 3, 3, 0, tzinfo=UTC)
    assert any("quiet" in note for note in late.notes)
    assert await sq.journeys.runs() == []
    assert town.said() == []


async def test_pausing_ending_and_enrolling_by_hand(town, clock):
    sq = town.sq
    await sq.journeys.set_policy(LOOSE)
    await town.elsewhere("zz:1")
    await sq.journeys.save(journey(say("a", "a"), say("b", "b", wait=m.After(delay=timedelta(days=1)))))
    run = await sq.journeys.enrol("test", "zz:1")
    assert run.next_step == "b"
    assert await sq.journeys.enrol("test", "zz:1") is None
    await sq.journeys.pause("test")
    await town.until(NOON + timedelta(days=2))
    assert [one.text for one in await sq.journeys.tasks()] == ["a"]
    await sq.journeys.resume("test")
    await town.until(NOON + timedelta(days=2, minutes=5))
    assert [one.text for one in await sq.journeys.tasks()] == ["a", "b"]
    await town.elsewhere("zz:2", "join")
    assert await sq.journeys.end("test", reason="over") == 1
    assert (await sq.journeys.states())["test"] == "ended"
    with pytest.raises(InvalidInput, match="ended"):
        await sq.journeys.enrol("test", "zz:1")
    with pytest.raises(UnknownName, match="tset"):
        await sq.journeys.get("tset")


async def test_words_that_cannot_be_filled_in_are_refused(town):
    for text in ("hi {nmae}", "{field.phone}", "{name.__class__}"):
        with pytest.raises(InvalidInput, match="cannot be filled in"):
            await town.sq.journeys.save(journey(say("a", text)))
    with pytest.raises(UnknownName):
        await town.sq.journeys.save(journey(m.Step(name="a", do=m.Notify(text="x", channel="nobody:1"))))


def test_what_members_call_themselves_cannot_become_markup():
    name = "**[x](http://e.vil)** {days}\u202e"
    text = filled("hi {name}", name=name, community="c", days=1, fields={})
    assert "**" not in text.replace("\\*", "")
    assert "{days}" in text
    place = Place("telegram", "5", "](http://e.vil)", "bot", None)
    assert mention(place).endswith("](member:telegram:5)")
    assert "\\]\\(" in mention(place)


def test_malformed_journeys_are_refused():
    good = say("a", "x")
    for bad in (
        {"steps": ()},
        {"steps": (good, good)},
        {"exit_on": ("member.lefft",)},
        {"hold_out": 1.0},
        {"start": m.Joined().model_copy(update={"kind": "nothing"}).model_dump()},
    ):
        with pytest.raises((ValidationError, InvalidInput)):
            m.Journey.model_validate({"name": "x", "start": m.Joined(), "steps": (good,)} | bad)
    with pytest.raises((ValidationError, InvalidInput)):
        m.Birthday(at="25:00")
    with pytest.raises((ValidationError, InvalidInput)):
        m.Until(event="mesage", within=timedelta(days=1))


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_are_journeys(name):
    one = template(name)
    assert m.Journey.model_validate_json(one.model_dump_json()) == one
    with pytest.raises(UnknownName):
        template(name + "x")


moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
zones = st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/London", "Australia/Lord_Howe"])


@given(moments, zones, st.integers(0, 20), st.integers(0, 23), st.integers(0, 59))
def test_steps_never_come_before_the_one_before(anchor, zone, day, hour, minute):
    step = say("a", "x", wait=m.OnDay(day=day, at=f"{hour:02}:{minute:02}"))
    reached = anchor + timedelta(hours=5)
    due = due_of(step, anchor=anchor, reached=reached, zone=zone)
    assert due >= reached
    assert due <= max(reached, anchor + timedelta(days=day + 2))


@given(moments, zones)
def test_after_quiet_hours_it_is_not_quiet(at, zone):
    quiet = m.QuietHours(start="22:00", end="08:00")
    moved = after_quiet(at, quiet, zone)
    assert moved >= at
    assert after_quiet(moved, quiet, zone) == moved
    assert moved - at <= timedelta(hours=11)


@given(moments, st.lists(st.integers(-20_000, 20_000), max_size=12))
def test_caps_hold_at_the_instant_found(at, minutes):
    policy = m.Policy(caps=(m.Cap(number=2, per=timedelta(days=1)), m.Cap(number=3, per=timedelta(days=7))))
    contacts = [at + timedelta(minutes=one) for one in minutes]
    free = after_caps(at, policy, contacts)
    assert free >= at
    for cap in policy.caps:
        assert sum(free - cap.per < one <= free for one in contacts) < cap.number


@given(moments)
def test_minutes_end_after_what_is_in_them(at):
    assert timedelta() <= minute_after(at) - at < timedelta(minutes=1)


def test_birthdays_that_a_year_lacks():
    leapling = [(1, (2, 29, False, False))]
    assert birthdays_on(leapling, date(2026, 2, 28)) == [1]
    assert birthdays_on(leapling, date(2028, 2, 28)) == []
    assert birthdays_on(leapling, date(2028, 2, 29)) == [1]
    spring = [(2, (1, 1, True, False))]
    assert birthdays_on(spring, date(2026, 2, 17)) == [2]
    assert birthdays_on(spring, date(2026, 2, 18)) == []


def test_hold_out_is_a_share():
    one = journey(say("a", "x"), hold_out=0.2)
    share = sum(is_held_out(one, f"p:{n}") for n in range(5000)) / 5000
    assert abs(share - 0.2) < 0.03
    assert not any(is_held_out(journey(say("a", "x")), f"p:{n}") for n in range(50))


async def test_wakes_that_come_at_once_do_each_step_once(town, clock, monkeypatch):
    sq = town.sq
    await sq.journeys.save(
        journey(say("one", "第一步"), say("two", "第二步", wait=m.After(delay=timedelta(days=1))))
    )
    await town.join("lin")
    await sq.deliver_due()
    clock.advance(timedelta(days=2))
    planned = []
    publishing = await sq._workspace.publishing()
    plan = publishing.plan

    async def noted(*args, **options):
        planned.append(options["idempotency_key"])
        return await plan(*args, **options)

    monkeypatch.setattr(publishing, "plan", noted)
    done = []

    async def wake():
        done.append(await sq.journeys.work())

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(wake)
    assert sorted(done) == [0, 0, 0, 0, 1]
    assert len(planned) == 1
    await sq.deliver_due()
    assert sum("第二步" in text for text in town.said()) == 1
    assert await sq.journeys.work() == 0


async def test_a_function_of_a_step_may_ask_for_what_is_due(town):
    sq = town.sq
    asked = []

    @sq.journeys.handler("ask")
    async def ask(call):
        asked.append(await sq.journeys.work())

    await sq.journeys.save(journey(m.Step(name="call", do=m.Call(handler="ask"))))
    with anyio.fail_after(300):
        await town.join("lin")
        await town.until(NOON + timedelta(hours=1))
    assert asked == [0]


async def test_a_report_tells_refusals_that_were_expected_apart(town):
    from shequn_sdk.client import reporting
    from shequn_sdk.domain import Content

    await town.sq.journeys.save(template("newcomer-week"))
    await town.join("lin")
    await town.until(NOON + timedelta(days=2))
    await town.sq.publish(Content(text="to nobody"), to=["bot:-1009999"])
    await town.sq.deliver_due()
    counts = await reporting._deliveries(town.sq._workspace)
    assert counts is not None
    assert (counts.untaken, counts.refused) == (1, 1)
