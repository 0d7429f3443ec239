"""Check in each day, earn points, climb to a tier with a tag on the platform, redeem. Runs on the local sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from shequn_sdk import AsyncShequn, Community, InteractionKind
from shequn_sdk.domain import ChannelRef
from shequn_sdk.incentives.models import PointRule, PointRules
from shequn_sdk.incentives.rewards import Reward
from shequn_sdk.incentives.tiers import Ladder, Tier
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

LIN = Person("lin", "林小满")


async def main() -> None:
    plugins = load_plugins()
    clock = ManualClock(datetime(2026, 3, 2, 12, tzinfo=UTC))
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        platform = sandbox["telegram"]
        channel = platform.create_channel("健康养生社")
        place = f"health_bot:{channel}"
        account = sandbox.account("telegram", name="health_bot")
        community = Community(name="health", channels=(ChannelRef.parse(place),))
        member = f"telegram:{platform.member_id(LIN)}"
        async with AsyncShequn.open(
            accounts=[account], communities=[community], plugins=plugins, clock=clock
        ) as sq:
            await sq.check_ins.open("早起打卡", to=[place], milestones={3: "奖励一杯豆浆！"})
            await sq.points.set_rules(
                PointRules(
                    rules=(
                        PointRule(name="check-in", kind=InteractionKind.CHECK_IN, points=10),
                        PointRule(
                            name="talk", kind=InteractionKind.MESSAGE, points=1, per_day=3, min_letters=4
                        ),
                    )
                )
            )
            silver = Tier(
                name="silver", title="银牌会员", at_least=30, benefits=("生日礼",), roles={place: "tag:银牌"}
            )
            await sq.tiers.set_ladder(Ladder(tiers=(silver,), announce=(community.channels[0],)))
            await sq.rewards.offer(Reward(name="milk", title="豆浆券", cost=25, stock=1))

            platform.join(channel, LIN)
            for _ in range(4):
                platform.say(channel, LIN, "打卡 六点起床")
                await sq.poll_once()
                await sq.drain()
                await sq.drain()  # points for the check-in that was recorded
                clock.advance(timedelta(days=1))

            await sq.drain()  # tiers are reviewed every ten minutes
            state = await sq.tiers.get_state(member)
            print(f"{state.points} points, tier {state.title}", *state.notes)
            made = await sq.rewards.redeem("milk", member, idempotency_key="milk/lin")
            print(f"redeemed {made.reward}, {(await sq.points.get_balance(member)).balance} points left")
            print("the ledger agrees:", (await sq.points.check()).ok)
        for message in reversed(platform.messages(channel)):
            print(f"{message.author_name}: {message.text}")


if __name__ == "__main__":
    anyio.run(main)
