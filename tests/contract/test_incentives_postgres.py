"""Engagement and incentives on PostgreSQL: the same calls, and several processes at once."""

import anyio

from shequn_sdk import AsyncShequn, Community, Interaction, InteractionKind, InvalidInput
from shequn_sdk.incentives.badges import Badge
from shequn_sdk.incentives.models import Award, Decay, PointRule, PointRules
from shequn_sdk.incentives.rewards import Reward
from shequn_sdk.incentives.tiers import Ladder, Tier

MEMBERS = [f"telegram:{number}" for number in range(20)]


def talk(number: int, member: str, at) -> Interaction:
    return Interaction(
        id=f"m{number}",
        kind=InteractionKind.MESSAGE,
        platform="telegram",
        channel="1",
        member=member,
        member_name=f"成员{member}",
        message=str(number),
        occurred_at=at,
        text="你好大家",
    )


async def test_ledger_and_rewards_with_two_processes(tmp_path, postgres_url):
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
        (home / "shequn.toml").write_text(f'store = "{postgres_url}"\n', encoding="utf-8")
    clubs = [Community(name="club")]
    async with (
        AsyncShequn.open(home=homes[0], communities=clubs) as one,
        AsyncShequn.open(home=homes[1], communities=clubs) as two,
    ):
        both = (one, two)
        rules = PointRules(
            rules=(PointRule(name="talk", kind="message", points=1, per_day=3),), decay=Decay(percent=5)
        )
        await one.points.set_rules(rules)
        awards = [Award(member=member, points=100, key=member) for member in MEMBERS]
        async with anyio.create_task_group() as group:
            for sq in (*both, *both):  # the same awards, four times at once
                group.start_soon(sq.points.award_many, awards)
        store = await one._workspace.store()
        now = store.clock.now()
        for number in range(5):
            await one._workspace.record([talk(number, "1", now)], community="club")
        await one.process()
        assert (await two.points.get_balance("telegram:1")).balance == 103
        await one.rewards.offer(Reward(name="cup", title="杯", cost=60, stock=7))
        sold = []

        async def buy(sq, member):
            try:
                sold.append((await sq.rewards.redeem("cup", member, idempotency_key=member)).id)
            except InvalidInput:
                return

        async with anyio.create_task_group() as group:
            for number, member in enumerate(MEMBERS):
                group.start_soon(buy, both[number % 2], member)
        assert len(set(sold)) == 7
        assert (await two.rewards.list())[0].stock == 0
        await two.rewards.refund(sold[0])
        check = await one.points.check()
        assert check.ok
        assert sum([(await one.points.get_balance(member)).balance for member in MEMBERS]) == 2003 - 6 * 60
        await one.badges.define(Badge(name="talker", title="话", by="awards", rule="talk", at_least=3))
        assert [badge.member for badge in await one.badges.review()] == ["telegram:1"]
        await one.tiers.set_ladder(Ladder(tiers=(Tier(name="gold", title="金", at_least=100),)))
        assert len(await one.tiers.review()) == 20
        assert len((await two.leaderboards.get(limit=1)).lines) == 1
        assert await two.points.find_signals() == []
        assert await two.points.expire() == 0
