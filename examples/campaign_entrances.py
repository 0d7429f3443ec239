"""A campaign with named entrances: who came by which link, who bought, and what partners brought. Needs no account."""

from __future__ import annotations

import anyio

from shequn_sdk import AsyncShequn, Community, Content
from shequn_sdk.links.model import Source
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox import Person, SandboxServer


async def main() -> None:
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        platform = sandbox["telegram"]
        native = platform.create_channel("健康养生社")
        account = sandbox.account("telegram", name="bot")
        account = account.model_copy(update={"options": {**account.options, "poll_timeout": 0}})
        channel = f"bot:{native}"
        club = Community(name="health", channels=(channel,))
        async with AsyncShequn.open(accounts=[account], communities=[club], plugins=plugins) as sq:
            await sq.poll_once()
            await sq.partners.add("gym", title="力量健身", kind="brand")
            ways = {
                "poster": Source(campaign="spring", partner="gym", place="门店海报"),
                "article": Source(campaign="spring", content="春季早睡指南", medium="article"),
            }
            entrances = {
                name: await sq.entrances.open(name, channel=channel, source=source)
                for name, source in ways.items()
            }
            short = await sq.links.shorten(entrances["poster"].url, entrance="poster", source=ways["poster"])
            print("on the poster:", f"https://go.example/{short.code}")
            await sq.publish(Content(text="春季早睡挑战，明天开始！"), to=[channel])

            for number in range(5):
                way = entrances["poster" if number < 3 else "article"]
                platform.join(native, Person(id=f"p{number}", name=f"新朋友{number}"), invite=way.url)
            platform.join(native, Person(id="p9", name="路人"))
            platform.say(native, Person(id="p0", name="新朋友0"), "怎么报名？")
            while await sq.poll_once():
                await sq.drain()
            await sq.drain()

            for number, amount in ((0, "99.00"), (3, "99.00"), (3, "29.90")):
                member = f"telegram:{platform.member_id(Person(id=f'p{number}', name=''))}"
                await sq.shop.record_order(f"order-{number}-{amount}", amount=amount, member=member)
            await sq.drain()

            for line in await sq.conversion.funnel():
                print(
                    f"{line.name or '(none)'}: {line.joined} joined, {line.active} active, {line.bought} bought"
                )
            for owed in await sq.conversion.revenue(by="campaign", model="position"):
                print(f"campaign {owed.name or '(unexplained)'}: {owed.revenue} {owed.currency}")
            result = await sq.partners.result("gym")
            print("the gym brought", result.joined, "members, of whom", result.active, "did something")


if __name__ == "__main__":
    anyio.run(main)
