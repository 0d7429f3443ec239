"""Engagement on PostgreSQL: what members did is noted once, and closing counts it once."""

from datetime import timedelta

import anyio

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.domain import Poll
from shequn_sdk.engagement.draw import verify
from shequn_sdk.engagement.lotteries import Prize
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.server import SandboxServer


async def test_polls_check_ins_and_a_lottery(tmp_path, postgres_url):
    (tmp_path / "shequn.toml").write_text(f'store = "{postgres_url}"\n', encoding="utf-8")
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        channel = sandbox["telegram"].create_channel("健康养生社")
        to = [f"telegram:{channel}"]
        async with AsyncShequn.open(
            home=tmp_path,
            accounts=[sandbox.account("telegram")],
            communities=[Community(name="club", channels=to)],
            plugins=plugins,
        ) as sq:
            poll = await sq.polls.open(
                Poll(question="几点？", choices=("八点", "九点")), to=to, results="keep"
            )
            check_in = await sq.check_ins.open("打卡", to=to, cards=1)
            lottery = await sq.lotteries.open(
                "抽奖", prizes=[Prize(name="书", count=2)], to=to, closes=timedelta(days=1)
            )
            members = [f"telegram:{number}" for number in range(6)]
            async with anyio.create_task_group() as group:
                for number, member in enumerate(members):
                    group.start_soon(
                        lambda m=member, n=number: sq.polls.vote(poll.id, m, choices=[n % 2 + 1])
                    )
                    group.start_soon(sq.check_ins.check_in, check_in.id, member)
                    group.start_soon(sq.check_ins.check_in, check_in.id, member)
                    group.start_soon(sq.lotteries.enter, lottery.id, member)
            results = []

            async def close():
                results.append(await sq.polls.close(poll.id))

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(close)
            assert results[0] == results[1] == results[2]
            assert [one.votes for one in results[0].choices] == [3, 3]
            assert [line.score for line in await sq.check_ins.get_ranking(check_in.id)] == [1] * 6
            drawn = await sq.lotteries.close(lottery.id)
            assert (drawn.entrants, len(drawn.winners)) == (6, 2)
            assert verify(await sq.lotteries.get_certificate(lottery.id)).ok
            assert (await sq.check_ins.get_state(check_in.id, members[0])).cards == 1
