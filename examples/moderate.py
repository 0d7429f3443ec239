"""Keep order: rules, a dry run, what is done to an advert, the queue, and an appeal."""

from __future__ import annotations

import anyio

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.domain import ChannelRef
from shequn_sdk.moderation.rules import Effects, Rule, standard_rules
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer


async def main() -> None:
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        platform = sandbox["telegram"]
        group = platform.create_channel("健康养生社")
        community = Community(name="health", channels=(ChannelRef(account="bot", native_id=group),))
        account = sandbox.account("telegram", name="bot")
        async with AsyncShequn.open(accounts=[account], plugins=plugins, communities=[community]) as sq:
            standard = standard_rules()
            own = Rule(
                name="bargains",
                title="砍价链接",
                keywords=("砍一刀",),
                then=Effects(delete=True, strike=True),
            )
            await sq.moderation.set_rules(standard.model_copy(update={"rules": (own, *standard.rules)}))

            found = await sq.moderation.dry_run("帮我 砍 一 刀，谢谢")
            print("dry run:", found.explain())

            member = Person(id="wang", name="小王")
            platform.join(group, member)
            for text in (
                "大家早，今天继续打卡",
                "加 V 芯：ab12345 领优惠券，名额有限",
                "家里闲置跑步机转让",
            ):
                platform.say(group, member, text)
            while await sq.poll_once():
                await sq.drain()

            for case in reversed(await sq.moderation.cases()):
                words = ", ".join(one.word for one in case.decision.evidence)
                print(f"case {case.id}: {case.rule} {case.state} because of {words}")
            for waiting in await sq.moderation.queue():
                print(
                    "overruled:", (await sq.moderation.overrule(waiting.id, actor="lin")).state == "overruled"
                )

            who = f"telegram:{platform.member_id(member)}"
            print("strikes:", await sq.moderation.strikes(who))
            await sq.moderation.appeal(1, text="这是我自己的读书笔记群")
            await sq.moderation.decide(1, grant=True, actor="lin", note="misunderstood")
            print("strikes after the appeal:", await sq.moderation.strikes(who))
            await sq.drain()
        for message in reversed(platform.messages(group)):
            print(f"{message.author_name}: {message.text}")


if __name__ == "__main__":
    anyio.run(main)
