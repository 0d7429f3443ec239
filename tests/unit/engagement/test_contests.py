"""Contests: one entry per person, votes over platforms, ties and votes for oneself by rules that are stated."""

from datetime import timedelta

import pytest

from shequn_sdk import InvalidInput
from shequn_sdk.engagement._rows import Act
from shequn_sdk.engagement.contests import count_contest

DAY = timedelta(days=1)


def act(number, person, at, what, value="", message=""):
    return Act(number, person, person, f"t:{person}", "", "", at, what, value, "t", "c", message)


def count(acts, **more):
    rules = {"enter_until": 10, "closes_at": 20, "votes_each": 1, "self_votes": "refused"}
    return count_contest(acts, **{**rules, **more})


def test_votes_are_counted_as_stated():
    acts = [
        act(1, 1, 1, "entry", message="m1"),
        act(2, 2, 2, "entry", message="m2"),
        act(3, 1, 3, "entry", message="m3"),
        act(4, 9, 10, "entry", message="m4"),
        act(5, 5, 4, "vote", "c/m1"),
        act(6, 5, 5, "vote", "c/m2"),  # changes their mind
        act(7, 1, 6, "vote", "c/m1"),
        act(8, 6, 7, "vote", "2"),
        act(9, 6, 8, "unvote", "2"),
        act(10, 7, 20, "vote", "1"),
        act(11, 8, 9, "vote", "99"),
    ]
    counted = count(acts)
    assert {number: len(voters) for number, voters in counted.votes.items()} == {1: 0, 2: 1}
    assert counted.refused == {
        "entry too late": 1,
        "second entry of a person": 1,
        "vote for oneself": 1,
        "vote too late": 1,
    }
    both = count(acts, votes_each=2, self_votes="counted")
    assert {number: len(voters) for number, voters in both.votes.items()} == {1: 2, 2: 1}


async def test_a_contest_by_reactions(scene):
    opened = await scene.sq.contests.open(
        "健康餐", to=scene.to, hashtag="#健康餐", enter_for=DAY, vote_for=2 * DAY, media="required"
    )
    assert "票数相同并列" in scene.said("telegram")[0]
    first = await scene.says("telegram:1", "#健康餐 三文鱼", attrs={"media": "photo"})
    second = await scene.says("discord:2", "我的 #健康餐", attrs={"attachments": 1})
    await scene.says("telegram:3", "#健康餐 没有图")
    for who in ("telegram:4", "telegram:5"):
        await scene.hear(scene.event(who, "reaction", message=first.message, attrs={"emoji": "👍"}))
    for who in ("discord:6", "discord:7", "discord:2"):
        await scene.hear(scene.event(who, "reaction", message=second.message, text="👍"))
    await scene.pass_time(DAY)
    assert "1. 成员1" in scene.said("telegram")[-1]
    await scene.pass_time(DAY)
    found = await scene.sq.contests.get_result(opened.id)
    assert [(one.rank, one.member, one.votes) for one in found.entries] == [
        (1, "telegram:1", 2),
        (1, "discord:2", 2),
    ]
    assert found.refused == {"vote for oneself": 1}
    assert "第 1 名 成员2（2 票）" in scene.said("discord")[-1]
    assert await scene.sq.contests.close(opened.id) == found


async def test_a_contest_by_numbers_and_wrong_ones(scene):
    opened = await scene.sq.contests.open(
        "晒图", to=scene.to, hashtag="晒图", enter_for=DAY, vote_for=2 * DAY, votes="number", ties="earliest"
    )
    await scene.says("telegram:1", "#晒图 a")
    await scene.says("telegram:2", "#晒图 b")
    for who, said in (
        ("telegram:3", "2"),
        ("telegram:4", "投1号"),
        ("telegram:5", "3"),
        ("telegram:5", "1 2"),
    ):
        await scene.says(who, said)
    await scene.merge("telegram:3", "telegram:4")  # the later vote counts
    found = await scene.sq.contests.get_result(opened.id)
    assert [(one.rank, one.number, one.votes) for one in found.entries] == [(1, 1, 1), (2, 2, 0)]
    await scene.sq.contests.cancel(opened.id)
    with pytest.raises(InvalidInput, match="cancelled"):
        await scene.sq.contests.close(opened.id)
    with pytest.raises(InvalidInput, match="in this order"):
        await scene.sq.contests.open("x", to=scene.to, hashtag="x", enter_for=2 * DAY, vote_for=DAY)
    with pytest.raises(InvalidInput, match="one word"):
        await scene.sq.contests.open("x", to=scene.to, hashtag="a b", enter_for=DAY, vote_for=DAY)
