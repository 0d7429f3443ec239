"""Feedback is taken once from everywhere, due when it was promised, told of when overdue, and public without names."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk import AsyncShequn, Community, Interaction, InteractionKind, InvalidInput, Weekly
from shequn_sdk.engagement.duty import Hours, Shift
from shequn_sdk.errors import UnknownName
from shequn_sdk.feedback.intake import _kind_of
from shequn_sdk.feedback.model import FeedbackDesk, FeedbackKind, FeedbackState, Source, Urgency
from shequn_sdk.feedback.numbers import _pairs
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing import ManualClock
from shequn_sdk.testing.sandbox import Person, SandboxServer

NOW = datetime(2026, 3, 6, 8, tzinfo=UTC)  # a Friday, 16:00 in Shanghai
OFFICE = (Hours(days=(0, 1, 2, 3, 4), start=time(9), end=time(18)),)


@pytest.fixture
async def stage(tmp_path):
    plugins = load_plugins()
    clock = ManualClock(NOW)
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        telegram = sandbox["telegram"]
        room, staff = telegram.create_channel("健康养生社"), telegram.create_channel("值班群")
        account = sandbox.account("telegram", name="bot")
        account = account.model_copy(update={"options": {**account.options, "poll_timeout": 0}})
        club = Community(name="club", channels=[f"bot:{room}"])
        async with AsyncShequn.open(
            home=tmp_path, accounts=[account], communities=[club], clock=clock, plugins=plugins
        ) as sq:
            await sq.poll_once()
            yield sq, clock, telegram, room, staff


async def hear(sq):
    while await sq.poll_once():
        await sq.drain()
    await sq.drain()


async def test_from_message_to_digest(stage):
    sq, clock, telegram, room, staff = stage
    shifts = (Shift(person="小满", days=(4,), start=time(9), end=time(18)),)
    await sq.feedback.open(
        FeedbackDesk(promise=timedelta(hours=4), hours=OFFICE, shifts=shifts, notify=[f"bot:{staff}"])
    )
    lin = Person(id="lin", name="林小满")
    telegram.join(room, lin)
    asked = telegram.say(room, lin, "建议加一个目录，找文章太难了")
    telegram.say(room, lin, "今天天气不错")
    telegram.say(room, lin, "紧急：被重复扣费了，要投诉！")
    await hear(sq)
    urgent, idea = await sq.feedback.list()
    assert (idea.kind, idea.urgency, idea.source) == (FeedbackKind.IDEA, Urgency.NORMAL, Source.MESSAGE)
    assert (idea.state, idea.assignee, idea.message) == (FeedbackState.ASSIGNED, "小满", asked)
    # two hours of business are left on Friday, two more on Monday
    assert idea.due_at == datetime(2026, 3, 9, 3, tzinfo=UTC)
    assert (urgent.kind, urgent.urgency) == (FeedbackKind.COMPLAINT, Urgency.HIGH)
    assert urgent.due_at == NOW + timedelta(hours=1)
    told = [one.text for one in telegram.messages(staff)]
    assert len(told) == 1
    assert "紧急反馈" in told[0]

    clock.advance(timedelta(hours=2))
    for _ in range(3):
        await sq.deliver_due()
        clock.advance(timedelta(minutes=6))
    assert sum("超时" in one.text for one in telegram.messages(staff)) == 1
    assert [one.id for one in await sq.feedback.list(overdue=True)] == [urgent.id]

    for _ in range(2):
        answered = await sq.feedback.answer(idea.id, "谢谢，下周加上。", by="阿泽")
    await sq.deliver_due()
    replies = [one for one in telegram.messages(room) if one.by_account]
    assert [one.text for one in replies] == ["谢谢，下周加上。"]
    assert answered.state is FeedbackState.ANSWERED
    done = await sq.feedback.settle(idea.id, "群文件增加了目录", public=True)
    assert done.state is FeedbackState.DONE
    assert (await sq.feedback.settle(idea.id, "群文件增加了目录", public=True)).id == idea.id
    with pytest.raises(InvalidInput, match="settled already"):
        await sq.feedback.settle(idea.id, "不做", done=False)
    await sq.feedback.settle(urgent.id, "已退款", by="小满")
    digest = await sq.feedback.digest()
    assert "群文件增加了目录" in digest.text
    assert "林小满" not in digest.text
    assert "退款" not in digest.text
    await sq.feedback.schedule_digest(to=[f"bot:{room}"], when=Weekly(["sun 19:30"], tz="Asia/Shanghai"))
    clock.move_to(datetime(2026, 3, 22, tzinfo=UTC))
    await sq.deliver_due()
    clock.advance(timedelta(hours=1))
    await sq.deliver_due()
    assert sum("你们说" in one.text for one in telegram.messages(room)) == 1
    assert await sq.feedback.digest() is None
    report = await sq.feedback.report()
    assert (report.items, report.open, report.overdue, report.answered) == (2, 0, 0, 1)
    assert report.in_time == 0.5


async def test_the_same_thing_is_taken_once_and_counted(stage):
    sq, *_ = stage
    with pytest.raises(InvalidInput, match="takes no feedback yet"):
        await sq.feedback.submit("打不开")
    await sq.feedback.open()
    first = await sq.feedback.submit("网页打不开，报错", member="telegram:7", key="mail-1")
    assert await sq.feedback.submit("网页打不开，报错", member="telegram:7", key="mail-1") == first
    assert first.kind is FeedbackKind.PROBLEM
    event = Interaction(
        id="r1", kind=InteractionKind.REACTION, platform="telegram", member="8", text="👎", message="55", occurred_at=NOW,
    )  # fmt: skip
    house = sq._workspace
    await house.record([event, event.model_copy(update={"id": "r2", "text": "👍"})], community="club")
    await sq.drain()
    items = await sq.feedback.list()
    assert sorted(one.source for one in items) == [Source.FORM, Source.REACTION]
    counted = await sq.metrics.compute(
        "activity.interactions",
        start=NOW.date(),
        end=NOW.date(),
        grain="total",
        params={"kinds": ["feedback"]},
    )
    assert sum(point.value for point in counted.points) == 2
    await sq.feedback.triage(first.id, kind="idea", urgency="low", assignee="小满")
    assert (await sq.feedback.get(first.id)).assignee == "小满"
    with pytest.raises(UnknownName):
        await sq.feedback.get(999)
    await sq.members.erase("telegram:7", actor="test")
    assert (await sq.feedback.get(first.id)).text == ""
    assert (await sq.feedback.get(first.id)).member is None


async def test_themes_are_counted_against_before(stage):
    sq, clock, *_ = stage
    await sq.feedback.open()
    await sq.feedback.submit("refund was slow")
    clock.advance(timedelta(days=31))
    for text in ("refund please", "refund refund", "the schedule is broken"):
        await sq.feedback.submit(text)
    themes = {one.word: one for one in await sq.feedback.themes()}
    assert (themes["refund"].items, themes["refund"].before) == (2, 1)
    assert themes["schedule"].items == 1


async def test_wrong_input(stage):
    sq, *_ = stage
    with pytest.raises(InvalidInput, match="promise"):
        await sq.feedback.open(FeedbackDesk(promise=timedelta(0)))
    with pytest.raises(UnknownName):
        await sq.feedback.open(FeedbackDesk(notify=["nobody:1"]))
    await sq.feedback.open()
    for text in ("", "  ", "x" * 20_001):
        with pytest.raises(InvalidInput):
            await sq.feedback.submit(text)
    item = await sq.feedback.submit("x" * 5000)
    assert len(item.text) == 1000
    with pytest.raises(InvalidInput, match="say what is answered"):
        await sq.feedback.answer(item.id, " ")
    with pytest.raises(InvalidInput, match="say what was done"):
        await sq.feedback.settle(item.id, "")
    with pytest.raises(InvalidInput, match="say where"):
        await sq.feedback.schedule_digest(to=[], when=Weekly(["sun 19:30"], tz="UTC"))
    await sq.feedback.close()
    assert await sq.feedback.desk() is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_words(text):
    assert _kind_of(text, FeedbackDesk()) in {None, *FeedbackKind}
    for word in _pairs(text):
        assert word
