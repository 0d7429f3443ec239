"""Engagement and incentives over the platforms' own events: nothing is injected, all goes over real HTTP and websocket."""

from datetime import UTC, datetime, timedelta

import anyio

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.domain import ChannelRef, Poll
from shequn_sdk.engagement.draw import verify
from shequn_sdk.engagement.lotteries import Eligibility, Prize
from shequn_sdk.incentives.models import PointRule, PointRules
from shequn_sdk.incentives.tiers import Ladder, Tier
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

PLATFORMS = ("telegram", "discord")
PEOPLE = [Person(f"p{number}", f"成员{number}") for number in range(4)]
CHOICES = tuple(f"书目{number}" for number in range(1, 15))
"""More than a poll of either platform takes: counted by numbers."""


async def test_poll_check_in_points_tier_and_lottery_on_two_platforms(tmp_path):
    plugins = load_plugins()
    clock = ManualClock(datetime(2026, 3, 2, 4, tzinfo=UTC))
    async with SandboxServer([plugins.sandbox(name) for name in PLATFORMS], clock=clock) as sandbox:
        rooms = {name: sandbox.describe()[name]["channels"][0] for name in PLATFORMS}
        places = [f"{name}:{room}" for name, room in rooms.items()]
        community = Community(name="club", channels=tuple(map(ChannelRef.parse, places)))
        async with AsyncShequn.open(
            home=tmp_path,
            accounts=[sandbox.account(name) for name in PLATFORMS],
            communities=[community],
            clock=clock,
            plugins=plugins,
        ) as sq:
            poll = await sq.polls.open(Poll(question="读哪本？", choices=CHOICES), to=places)
            check_in = await sq.check_ins.open("打卡", to=places)
            await sq.points.set_rules(
                PointRules(rules=(PointRule(name="check-in", kind="check_in", points=10),))
            )
            tag = Tier(name="regular", title="常客", at_least=10, roles={places[0]: "tag:常客"})
            await sq.tiers.set_ladder(Ladder(tiers=(tag,)))
            lottery = await sq.lotteries.open(
                "抽奖",
                prizes=[Prize(name="书", count=2)],
                to=places,
                closes=timedelta(days=3),
                eligibility=Eligibility(check_ins=1),
            )

            async def until(true):
                for _ in range(6000):
                    if await true():
                        return
                    clock.advance(5.0)
                    await anyio.sleep(0.05)
                raise AssertionError("it did not come to that")

            async with anyio.create_task_group() as group:
                group.start_soon(sq.run)
                while not sandbox["discord"].hub.connected:  # noqa: ASYNC110 - watches a state
                    await anyio.sleep(0.02)
                for name in PLATFORMS:
                    for number, person in enumerate(PEOPLE):
                        sandbox[name].join(rooms[name], person)
                        sandbox[name].say(rooms[name], person, str(number + 11))
                        if number < 2:
                            sandbox[name].say(rooms[name], person, "打卡")
                        sandbox[name].say(rooms[name], person, "抽奖")

                async def all_heard():
                    tally = await sq.polls.get_result(poll.id)
                    drawn = await sq.lotteries.get_result(lottery.id)
                    board = await sq.leaderboards.get(period="all")
                    return (tally.voters, drawn.entrants, len(board.lines)) == (8, 8, 4)

                await until(all_heard)
                member = {name: f"{name}:{sandbox[name].member_id(PEOPLE[0])}" for name in PLATFORMS}

                async def promoted():
                    return (await sq.tiers.get_state(member["telegram"])).tier == "regular"

                await until(promoted)
                group.cancel_scope.cancel()

            tally = await sq.polls.close(poll.id)
            assert {one.choice: one.votes for one in tally.choices if one.votes} == {
                f"书目{number}": 2 for number in range(11, 15)
            }
            assert tally.by_platform == {"discord": 4, "telegram": 4}
            result = await sq.lotteries.close(lottery.id)
            assert (result.entrants, result.excluded) == (4, {"too few check-ins": 4})
            assert verify(await sq.lotteries.get_certificate(lottery.id)).ok
            assert (await sq.points.get_balance(member["discord"])).balance == 10
            state = await sq.tiers.get_state(member["telegram"])
            assert (state.title, state.notes) == ("常客", ())
            assert (await sq.check_ins.get_state(check_in.id, member["discord"])).streak.current == 1
            shown = await sq.accounts.adapter("telegram").get_member(
                rooms["telegram"], sandbox["telegram"].member_id(PEOPLE[0])
            )
            assert "常客" in str(shown.model_dump())
            assert (await sq.points.check()).ok
