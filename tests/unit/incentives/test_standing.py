"""Badges, leaderboards and tiers: who stands where, and who does not want to be seen there."""

import random
from datetime import date, timedelta

import pytest

from shequn_sdk import InvalidInput
from shequn_sdk.errors import UnknownName
from shequn_sdk.incentives.badges import Badge
from shequn_sdk.incentives.leaderboards import bounds
from shequn_sdk.incentives.models import Award, PointRule, PointRules
from shequn_sdk.incentives.tiers import Ladder, Tier

DAY = timedelta(days=1)


async def award(club, **points):
    rows = [
        Award(member=one.replace("_", ":"), points=number, key=f"{one}/{next(club.numbers)}")
        for one, number in points.items()
    ]
    await club.sq.points.award_many(rows)


@pytest.mark.parametrize(
    ("period", "back", "wanted"),
    [
        ("day", 1, (date(2026, 2, 28), date(2026, 3, 1))),
        ("week", 0, (date(2026, 2, 23), date(2026, 3, 2))),
        ("month", 0, (date(2026, 3, 1), date(2026, 4, 1))),
        ("month", 3, (date(2025, 12, 1), date(2026, 1, 1))),
        ("all", 0, (None, None)),
    ],
)
def test_periods(period, back, wanted):
    assert bounds(period, date(2026, 3, 1), back) == wanted


async def test_leaderboards(club):
    await award(club, telegram_1=10, telegram_2=30, telegram_3=30, telegram_4=5, discord_5=20)
    board = await club.sq.leaderboards.get(limit=3)
    assert [(one.rank, one.member, one.points) for one in board.lines] == [
        (1, "telegram:2", 30),
        (1, "telegram:3", 30),
        (3, "discord:5", 20),
    ]
    await club.sq.leaderboards.opt_out("telegram:2")
    await club.sq.leaderboards.opt_out("telegram:2")
    await club.merge("telegram:1", "discord:5")
    board = await club.sq.leaderboards.get(limit=2)
    assert [(one.rank, one.points) for one in board.lines] == [(1, 30), (1, 30)]
    assert board.hidden == 1
    await club.sq.leaderboards.opt_in("telegram:2")
    assert (await club.sq.leaderboards.get()).hidden == 0
    club.clock.advance(7 * DAY)
    await award(club, telegram_4=1)
    assert [one.points for one in (await club.sq.leaderboards.get()).lines] == [1]
    assert len((await club.sq.leaderboards.get(back=1)).lines) == 4
    assert len((await club.sq.leaderboards.get(period="all")).lines) == 4
    with pytest.raises(InvalidInput, match="limit"):
        await club.sq.leaderboards.get(limit=0)
    with pytest.raises(UnknownName):
        await club.sq.leaderboards.opt_in("telegram:404")


async def test_the_week_is_the_communitys(club):
    """23:30 on Sunday in Shanghai and 00:30 on Monday are 15:30 and 16:30 UTC of one day."""
    club.clock.move_to(club.clock.now().replace(day=8, hour=15, minute=30))
    await award(club, telegram_1=1)
    club.clock.advance(timedelta(hours=1))
    await award(club, telegram_1=2)
    assert (await club.sq.leaderboards.get()).lines[0].points == 2
    assert (await club.sq.leaderboards.get(back=1)).lines[0].points == 1


async def test_a_review_of_what_is_new_finds_what_a_review_of_everything_finds(club):
    """Points come in parts, over several identities of one person, and are taken back, with reviews in between."""
    rng = random.Random(7)
    members = [f"{platform}:{number}" for platform in ("telegram", "discord") for number in range(6)]
    await club.sq.badges.define(Badge(name="some", title="some", by="points", at_least=20))
    await club.sq.badges.define(Badge(name="many", title="many", by="points", at_least=45))
    given = []
    for member in members:
        await club.sq.points.award(member, points=1, idempotency_key=member)
    for turn in range(40):
        member = rng.choice(members)
        await club.sq.points.award(member, points=rng.randint(1, 9), idempotency_key=f"a{turn}")
        if turn == 2:
            await club.merge("telegram:1", "discord:1")
        given += [(one.badge, one.member) for one in await club.sq.badges.review()]
    found = {(one.badge, one.member) for one in await club.sq.badges.list_awards()}
    assert found == set(given)
    assert len(given) == len(found) > 5
    assert not any(member == "discord:1" for _, member in found)  # whoever it was is telegram:1
    club.sq.badges._looks.clear()  # a process that has just begun looks at everybody
    assert await club.sq.badges.review() == []


async def test_who_reaches_a_badge_by_a_merge_gets_it_at_the_next_review(club):
    await club.sq.badges.define(Badge(name="b", title="b", by="points", at_least=20))
    await award(club, telegram_1=12, discord_1=12, telegram_2=5)
    assert await club.sq.badges.review() == []
    await club.sq.members.merge("telegram:1", "discord:1", reason="the same", actor="wang")
    assert [one.member for one in await club.sq.badges.review()] == ["telegram:1"]
    assert await club.sq.badges.review() == []


async def test_a_badge_that_becomes_easier_is_given_at_the_next_review(club):
    await award(club, telegram_1=10)
    await club.sq.badges.define(Badge(name="b", title="b", by="points", at_least=20))
    assert await club.sq.badges.review() == []
    await club.sq.badges.define(Badge(name="b", title="b", by="points", at_least=10))
    assert [one.member for one in await club.sq.badges.review()] == ["telegram:1"]


async def test_badges_are_given_once_and_kept(club):
    await club.sq.points.set_rules(PointRules(rules=(PointRule(name="talk", kind="message", points=1),)))
    await club.sq.badges.define(Badge(name="talker", title="话题之星", by="awards", rule="talk", at_least=3))
    await club.sq.badges.define(Badge(name="rich", title="富翁", by="points", at_least=100))
    await club.sq.badges.define(Badge(name="kind", title="热心人"))
    await club.hear(
        *(club.event("telegram:1", text="你好") for _ in range(2)), club.event("discord:1", text="你好")
    )
    assert await club.sq.badges.review() == []
    await club.merge("telegram:1", "discord:1")
    await club.pass_time(timedelta(minutes=10))
    (mine,) = await club.sq.badges.list_awards(member="discord:1")
    assert (mine.title, mine.member) == ("话题之星", "telegram:1")
    assert await club.sq.badges.review() == []
    given = await club.sq.badges.give("kind", "telegram:9", note="帮新人")
    club.clock.advance(60)
    assert await club.sq.badges.give("kind", "telegram:9") == given
    assert len(await club.sq.badges.list_awards()) == 2
    assert await club.sq.badges.revoke("kind", "telegram:9")
    assert not await club.sq.badges.revoke("kind", "telegram:9")
    await club.sq.badges.remove("talker")
    assert [one.title for one in await club.sq.badges.list_awards()] == ["talker"]
    assert [one.name for one in await club.sq.badges.list()] == ["kind", "rich"]
    for wrong in (club.sq.badges.remove("talker"), club.sq.badges.give("talker", "telegram:1")):
        with pytest.raises(UnknownName):
            await wrong
    with pytest.raises(InvalidInput, match="which rule"):
        await club.sq.badges.define(Badge(name="x", title="x", by="awards"))


LADDER = Ladder(
    tiers=(
        Tier(name="silver", title="银牌", at_least=50, benefits=("生日礼",)),
        Tier(name="gold", title="金牌", at_least=100, benefits=("生日礼", "九折")),
    ),
    window=30 * DAY,
    grace=7 * DAY,
)


async def test_climbing_at_once_and_falling_after_a_grace(club):
    await club.sq.tiers.set_ladder(LADDER.model_copy(update={"window": 5 * DAY, "grace": 2 * DAY}))
    await award(club, telegram_1=60, telegram_2=120, telegram_3=10)
    changes = await club.sq.tiers.review()
    assert {(one.member, one.old, one.new) for one in changes} == {
        ("telegram:1", "", "silver"),
        ("telegram:2", "", "gold"),
    }
    assert await club.sq.tiers.review() == []
    state = await club.sq.tiers.get_state("telegram:1")
    assert (state.title, state.next_tier, state.missing) == ("银牌", "gold", 40)
    assert (await club.sq.tiers.get_state("telegram:3")).tier == ""
    await club.pass_time(6 * DAY)  # what was earned is out of the window
    state = await club.sq.tiers.get_state("telegram:2")
    assert state.tier == "gold"
    assert timedelta() < state.falls_at - club.clock.now() < 2 * DAY
    await award(club, telegram_2=100)  # in time
    await club.pass_time(3 * DAY)
    assert [(one.member, one.tier) for one in await club.sq.tiers.list()][:1] == [("telegram:2", "gold")]
    assert (await club.sq.tiers.get_state("telegram:2")).falls_at is None
    assert (await club.sq.tiers.get_state("telegram:1")).tier == ""
    assert len(await club.sq.tiers.list(tier="gold")) == 1


async def test_merged_members_stand_where_the_higher_one_stood(club):
    await club.sq.tiers.set_ladder(LADDER.model_copy(update={"window": None}))
    await award(club, telegram_1=60, discord_1=45)
    await club.sq.tiers.review()
    assert (await club.sq.tiers.get_state("discord:1")).tier == ""
    await club.merge("telegram:1", "discord:1")
    (change,) = await club.sq.tiers.review()
    assert (change.old, change.new) == ("silver", "gold")
    assert (await club.sq.tiers.get_state("discord:1")).points == 105


async def test_wrong_ladders(club):
    silver = LADDER.tiers[0]
    with pytest.raises(InvalidInput, match="no tiers"):
        await club.sq.tiers.get_state("telegram:1")
    with pytest.raises(InvalidInput, match="differ"):
        await club.sq.tiers.set_ladder(Ladder(tiers=(silver, silver.model_copy(update={"name": "x"}))))
    with pytest.raises(InvalidInput, match="no window"):
        await club.sq.tiers.set_ladder(Ladder(tiers=(silver,), measure="balance", window=DAY))
    with pytest.raises(UnknownName):
        await club.sq.tiers.set_ladder(
            Ladder(tiers=(silver.model_copy(update={"roles": {"nobody:1": "x"}}),))
        )
    await club.sq.tiers.set_ladder(Ladder(tiers=(silver,), measure="balance"))
    assert (await club.sq.tiers.get_state("telegram:404")).tier == ""
