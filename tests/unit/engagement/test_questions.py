"""Questions: hours of business, who is on duty, what was promised and what came of it."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk import InvalidInput
from shequn_sdk.engagement.duty import Hours, Shift, due_after, minutes_between, on_duty
from shequn_sdk.errors import UnknownName

OFFICE = (Hours(days=(0, 1, 2, 3, 4), start=time(9), end=time(18)),)
NIGHT = (Hours(days=(5, 6), start=time(22), end=time(2)),)


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.integers(1, 3000),
    st.sampled_from([OFFICE, NIGHT, OFFICE + NIGHT, ()]),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York"]),
)
def test_what_is_due_lies_so_many_minutes_of_business_ahead(asked, minutes, hours, zone):
    due = due_after(asked, timedelta(minutes=minutes), hours=hours, zone=zone)
    assert due > asked
    assert abs(minutes_between(asked, due, hours=hours, zone=zone) - minutes) < 1e-6


def test_the_roster():
    zone = "Asia/Shanghai"
    roster = (
        Shift(person="小王", days=(0, 1, 2, 3, 4), start=time(9), end=time(13)),
        Shift(person="Anna", days=(0, 1, 2, 3, 4), start=time(9), end=time(18), zone="Europe/Berlin"),
        Shift(person="小夜", days=(6,), start=time(22), end=time(2)),
    )

    def who(*at):
        found = on_duty(roster, datetime(*at, tzinfo=ZoneInfo(zone)), zone=zone)
        return found.person if found else None

    assert who(2026, 3, 2, 9, 0) == "小王"
    assert who(2026, 3, 2, 13, 0) is None
    assert who(2026, 3, 2, 16, 0) == "Anna"  # nine in Berlin
    assert who(2026, 3, 2, 1, 59) == "小夜"
    assert who(2026, 3, 2, 2, 0) is None


async def test_asked_reminded_and_answered(scene):
    staff = Shift(person="小王", members=("telegram:900",), days=(0, 1, 2, 3, 4), start=time(9), end=time(18))
    desk = await scene.sq.questions.open_desk(
        "答疑",
        to=[scene.to[0]],
        promise=timedelta(minutes=30),
        hours=OFFICE,
        shifts=[staff],
        remind_to=[scene.to[1]],
        keywords=["怎么"],
    )
    assert scene.said("telegram") == []
    heard = []

    @scene.sq.on("question", "answer")
    async def note(event):
        heard.append(str(event.interaction.kind))

    first = await scene.says("telegram:1", "每天走多少步合适？")
    await scene.hear(first)  # delivered again
    await scene.says("telegram:2", "怎么报名")
    await scene.says("telegram:3", "早上好")
    await scene.says("telegram:900", "大家还有问题吗？")  # staff
    assert [one.text for one in await scene.sq.questions.list()] == ["每天走多少步合适？", "怎么报名"]
    assert (await scene.sq.questions.list())[0].assignee == "小王"
    scene.clock.advance(600)
    await scene.says("telegram:3", "我也想知道", parent=first.message)  # no staff
    await scene.says("telegram:900", "六千步就好", parent=first.message)
    (waiting,) = await scene.sq.questions.list()
    (answered,) = await scene.sq.questions.list(state="answered")
    assert (answered.settled_by, answered.text) == ("telegram:900", "")
    await scene.pass_time(timedelta(minutes=25))
    assert [one.id for one in await scene.sq.questions.list(state="overdue")] == [waiting.id]
    assert scene.said("discord") == ["小王：还有 1 个问题等待回答，最早的已等 30 分钟。"]
    report = await scene.sq.questions.report(desk.id)
    assert (report.asked, report.answered, report.overdue, report.in_time) == (2, 1, 1, 0.5)
    assert report.median_minutes == 10
    await scene.sq.questions.answer(waiting.id, "发送「报名」即可", by="小王")
    await scene.sq.drain()
    assert scene.said("telegram")[-1] == "发送「报名」即可"
    with pytest.raises(InvalidInput, match="answered already"):
        await scene.sq.questions.answer(waiting.id, "再答一次")
    assert sorted(heard) == ["answer", "question", "question"]


async def test_hand_over_and_administrators(scene):
    desk = await scene.sq.questions.open_desk("答疑", to=[scene.to[0]], commands=("ask",))
    assert await scene.sq.questions.get_on_duty(desk.id) == ""
    until = scene.clock.now() + timedelta(hours=2)
    await scene.sq.questions.hand_over(desk.id, person="小李", until=until)
    assert await scene.sq.questions.get_on_duty(desk.id) == "小李"
    assert await scene.sq.questions.get_on_duty(desk.id, at=until) == ""
    await scene.says("telegram:1", "好吗？")
    (one,) = await scene.sq.questions.list(desk=desk.id)
    assert one.assignee == "小李"
    assert (await scene.sq.questions.dismiss(one.id)).state == "dismissed"
    await scene.sq.questions.close_desk(desk.id)
    await scene.says("telegram:1", "还在吗？")
    assert await scene.sq.questions.list() == []
    assert await scene.sq.questions.list_desks() == []
    with pytest.raises(UnknownName):
        await scene.sq.questions.dismiss(999)
    with pytest.raises(InvalidInput, match="to come"):
        await scene.sq.questions.hand_over(desk.id, person="x", until=scene.clock.now())
    with pytest.raises(InvalidInput, match="promise"):
        await scene.sq.questions.open_desk("x", to=[scene.to[0]], promise=timedelta(0))
