"""Check-ins: one a day, by the community's day, whatever clocks and floods do."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from shequn_sdk import InvalidInput
from shequn_sdk.errors import UnknownName

DAY = timedelta(days=1)


async def test_days_in_a_row(scene):
    opened = await scene.sq.check_ins.open(
        "早起", to=scene.to, milestones={3: "送你一枚徽章。"}, button="shown"
    )
    assert "发送「打卡」打卡" in scene.said("telegram")[0]
    heard = []

    @scene.sq.on("check_in")
    async def note(event):
        heard.append(event.interaction)

    for number in range(4):
        await scene.says("telegram:1", ["打卡", "打卡 跑步 5 公里", "/打卡", "#打卡 今天下雨"][number])
        scene.clock.advance(DAY)
    state = await scene.sq.check_ins.get_state(opened.id, "telegram:1")
    assert state.streak.current == 4
    said = scene.said("telegram")[1:]
    assert said[0] == "成员1 打卡成功，连续 1 天，累计 1 天。"
    assert said[2] == "恭喜 成员1 连续打卡 3 天！送你一枚徽章。"
    assert [one.attrs["day"] for one in heard] == [f"2026-03-0{n}" for n in (2, 3, 4, 5)]
    scene.clock.advance(DAY)
    state = await scene.sq.check_ins.get_state(opened.id, "telegram:1")
    assert (state.streak.current, state.streak.longest) == (0, 4)


async def test_what_is_no_check_in(scene):
    opened = await scene.sq.check_ins.open("早起", to=scene.to, words=("打卡", "done"))
    for text in ("打卡机坏了", "今天打卡了吗", "donext", "", "👍" * 300):
        await scene.says("telegram:1", text)
    await scene.hear(scene.event("telegram:1", "reaction", text="打卡"))
    assert (await scene.sq.check_ins.get_state(opened.id, "telegram:1")).streak.total == 0
    await scene.says("telegram:1", "Done!")
    await scene.hear(scene.event("telegram:2", "button", attrs={"data": "打卡"}))
    assert (await scene.sq.check_ins.get_state(opened.id, "telegram:1")).streak.total == 1
    assert (await scene.sq.check_ins.get_state(opened.id, "telegram:2")).streak.total == 1


async def test_a_flood_is_one_check_in_and_three_answers(scene):
    opened = await scene.sq.check_ins.open("早起", to=scene.to)
    heard = []

    @scene.sq.on("check_in")
    async def note(event):
        heard.append(event.interaction.id)

    flood = [scene.event("telegram:1", text="打卡" + "🎉" * 50) for _ in range(60)]
    await scene.hear(*flood)
    await scene.hear(*flood)  # delivered again
    assert (await scene.sq.check_ins.get_state(opened.id, "telegram:1")).streak.total == 1
    assert len(heard) == 1
    planned = await scene.sq.deliveries.list()
    assert sum(one.channel.account == "telegram" for one in planned) == 1 + 3


async def test_the_platforms_time_decides_not_our_clock(scene):
    """Our clock is set back over midnight; the member's message is of the next day all the same."""
    opened = await scene.sq.check_ins.open("早起", to=scene.to, day_begins=time(4))
    await scene.says("telegram:1", "打卡", at=datetime(2026, 3, 2, 15, tzinfo=UTC))
    scene.clock.advance(-timedelta(hours=3))
    await scene.says("telegram:1", "打卡", at=datetime(2026, 3, 2, 19, 59, tzinfo=UTC))  # 03:59, still Monday
    await scene.says("telegram:1", "打卡", at=datetime(2026, 3, 2, 20, tzinfo=UTC))
    state = await scene.sq.check_ins.get_state(opened.id, "telegram:1")
    assert state.days == (date(2026, 3, 2), date(2026, 3, 3))


async def test_daylight_saving_on_the_day_of_the_check_in(scene):
    opened = await scene.sq.check_ins.open("run", to=scene.to, zone="Europe/Berlin")
    scene.clock.move_to(datetime(2026, 3, 28, 22, 30, tzinfo=UTC))  # 23:30 on Saturday
    await scene.says("discord:1", "打卡")
    scene.clock.move_to(datetime(2026, 3, 28, 23, 30, tzinfo=UTC))  # 00:30 on Sunday, a day of 23 hours
    await scene.says("discord:1", "打卡")
    scene.clock.move_to(datetime(2026, 3, 29, 22, 30, tzinfo=UTC))  # 00:30 on Monday, summer time
    await scene.says("discord:1", "打卡")
    assert (await scene.sq.check_ins.get_state(opened.id, "discord:1")).streak.current == 3


async def test_one_person_on_two_platforms(scene):
    opened = await scene.sq.check_ins.open("早起", to=scene.to)
    heard = []

    @scene.sq.on("check_in")
    async def note(event):
        heard.append(event.interaction.member)

    await scene.says("telegram:1", "打卡")
    scene.clock.advance(DAY)
    await scene.says("discord:2", "打卡")
    assert (await scene.sq.check_ins.get_state(opened.id, "telegram:1")).streak.total == 1
    await scene.merge("telegram:1", "discord:2")
    await scene.says("telegram:1", "打卡")  # the same day as on Discord
    state = await scene.sq.check_ins.get_state(opened.id, "discord:2")
    assert (state.streak.current, state.streak.total) == (2, 2)
    assert heard == ["1", "2"]
    (line,) = await scene.sq.check_ins.get_ranking(opened.id)
    assert (line.member, line.score) == ("discord:2", 2)


async def test_make_up_cards(scene):
    opened = await scene.sq.check_ins.open("早起", to=scene.to, cards=1, make_up_within=3)
    await scene.says("telegram:1", "打卡")
    scene.clock.advance(2 * DAY)
    await scene.says("telegram:1", "打卡")
    state = await scene.sq.check_ins.make_up(opened.id, "telegram:1", day=date(2026, 3, 3))
    assert (state.streak.current, state.cards, state.made_up) == (3, 0, (date(2026, 3, 3),))
    again = await scene.sq.check_ins.make_up(opened.id, "telegram:1", day=date(2026, 3, 3))
    assert again == state
    scene.clock.advance(2 * DAY)
    with pytest.raises(InvalidInput, match="no make-up card"):
        await scene.sq.check_ins.make_up(opened.id, "telegram:1", day=date(2026, 3, 5))
    await scene.sq.check_ins.grant_cards(opened.id, "telegram:1", idempotency_key="gift")
    await scene.sq.check_ins.grant_cards(opened.id, "telegram:1", idempotency_key="gift")
    state = await scene.sq.check_ins.make_up(opened.id, "telegram:1", day=date(2026, 3, 5))
    assert (state.streak.current, state.cards) == (4, 0)
    for day in (date(2026, 3, 6), date(2026, 3, 1), date(2026, 2, 1)):
        with pytest.raises(InvalidInput, match="cannot be made up"):
            await scene.sq.check_ins.make_up(opened.id, "telegram:1", day=day)


async def test_a_challenge_ends(scene):
    opened = await scene.sq.check_ins.open("七天挑战", to=scene.to, closes=7 * DAY)
    for _ in range(9):
        await scene.says("telegram:1", "打卡")
        await scene.pass_time(DAY)
    assert (await scene.sq.check_ins.get_state(opened.id, "telegram:1")).streak.longest == 7
    assert [one.state for one in await scene.sq.check_ins.list(state="closed")] == ["closed"]
    with pytest.raises(InvalidInput, match="closed"):
        await scene.sq.check_ins.check_in(opened.id, "telegram:1")


async def test_by_hand_and_wrong(scene):
    opened = await scene.sq.check_ins.open("早起", to=scene.to)
    scene.clock.advance(DAY)
    state = await scene.sq.check_ins.check_in(
        opened.id, "telegram:9", at=scene.clock.now() - timedelta(hours=2)
    )
    state = await scene.sq.check_ins.check_in(opened.id, "telegram:9")
    assert state.streak.total == 1
    with pytest.raises(InvalidInput, match="takes no check-in"):
        await scene.sq.check_ins.check_in(opened.id, "telegram:9", at=scene.clock.now() + DAY)
    with pytest.raises(UnknownName):
        await scene.sq.check_ins.get_state("none", "telegram:1")
    with pytest.raises(InvalidInput, match="needs a word"):
        await scene.sq.check_ins.open("x", to=scene.to, words=[" "])
    assert (await scene.sq.check_ins.get_state(opened.id, "telegram:404")).streak.total == 0
