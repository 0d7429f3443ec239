"""Gatherings: places, a waiting list that moves up, reminders, attendance."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk import InvalidInput
from shequn_sdk.engagement._rows import Act
from shequn_sdk.engagement.gatherings import fold_guests

HOUR = timedelta(hours=1)


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.integers(0, 9), st.sampled_from(["in", "out", "here"])), max_size=40
    )
)
def test_everybody_has_one_place_at_most(acts):
    rows = [
        Act(n, i, i % 3, f"t:{i}", "", "", at, what, "", "", "", "") for n, (i, at, what) in enumerate(acts)
    ]
    folded = fold_guests(rows)
    assert len(set(folded.order)) == len(folded.order)
    for person in range(3):
        mine = [
            one
            for one in sorted(rows, key=lambda one: (one.at, one.id))
            if one.person == person and one.act != "here"
        ]
        assert (person in folded.order) == (bool(mine) and mine[-1].act == "in")


async def test_from_the_invitation_to_the_attendance(scene):
    starts = scene.clock.now() + timedelta(days=2)
    opened = await scene.sq.gatherings.open(
        "线下爬山",
        to=scene.to,
        starts_at=starts,
        place="香山 东门",
        capacity=2,
        reminders=[HOUR, timedelta(days=9)],
    )
    assert "3月4日 12:00" in scene.said("telegram")[0]
    for member in ("telegram:1", "discord:2", "telegram:3", "telegram:4"):
        await scene.says(member, "报名")
        scene.clock.advance(2)
    found = await scene.sq.gatherings.get(opened.id)
    assert [one.member for one in found.guests] == ["telegram:1", "discord:2"]
    assert [one.member for one in found.waiting] == ["telegram:3", "telegram:4"]
    assert "成员3 进入候补，第 1 位。" in scene.said("telegram")
    await scene.says("telegram:1", "取消报名")
    scene.clock.advance(60)
    await scene.sq.drain()
    assert "有人退出，成员3 候补成功！" in scene.said("telegram")
    assert "有人退出，成员3 候补成功！" in scene.said("discord")
    # two members who turn out to be one person hold one place
    await scene.merge("discord:2", "telegram:3")
    found = await scene.sq.gatherings.get(opened.id)
    assert len(found.guests) == 2
    assert found.waiting == ()
    await scene.pass_time(timedelta(days=2) - HOUR)
    assert any("提醒：「线下爬山」" in text and "香山 东门" in text for text in scene.said("discord"))
    await scene.says("telegram:3", "签到")
    await scene.sq.gatherings.attend(opened.id, "telegram:9")
    found = await scene.sq.gatherings.get(opened.id)
    assert (found.attendance, found.walk_ins) == (0.5, 1)
    await scene.pass_time(2 * HOUR)
    await scene.says("telegram:5", "报名")  # it has begun
    await scene.pass_time(2 * HOUR)
    found = await scene.sq.gatherings.get(opened.id)
    assert (found.state, len(found.guests)) == ("closed", 2)
    with pytest.raises(InvalidInput, match="closed"):
        await scene.sq.gatherings.sign_up(opened.id, "telegram:7")


async def test_wrong_gatherings_and_one_called_off(scene):
    now = scene.clock.now()
    for wrong in ({"starts_at": now - HOUR}, {"starts_at": (now + HOUR).replace(tzinfo=None)}):
        with pytest.raises(InvalidInput, match="aware instant"):
            await scene.sq.gatherings.open("x", to=scene.to, **wrong)
    with pytest.raises(InvalidInput, match="capacity"):
        await scene.sq.gatherings.open("x", to=scene.to, starts_at=now + HOUR, capacity=0)
    opened = await scene.sq.gatherings.open("x", to=scene.to, starts_at=now + 3 * HOUR)
    await scene.sq.gatherings.sign_up(opened.id, "telegram:1")
    assert (await scene.sq.gatherings.cancel_sign_up(opened.id, "telegram:1")).guests == ()
    await scene.sq.gatherings.cancel(opened.id)
    said = len(scene.said("telegram"))
    await scene.pass_time(4 * HOUR)
    assert len(scene.said("telegram")) == said
