"""Everybody who comes has a source: entrances on Telegram and Discord, clicks, orders, and what they are owed to."""

from datetime import timedelta
from decimal import Decimal

import httpx

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.links.model import Source
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox import Person, SandboxServer


async def settle(sq):
    """Hear what waits."""
    while await sq.poll_once():
        pass
    await sq.drain()


async def test_who_came_by_what_and_what_it_was_worth(tmp_path):
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram"), plugins.sandbox("discord")]) as sandbox:
        rooms = {name: sandbox[name].create_channel("健康养生社") for name in ("telegram", "discord")}
        accounts = [sandbox.account(name, name=f"{name}_bot") for name in rooms]
        channels = [f"{name}_bot:{room}" for name, room in rooms.items()]
        club = Community(name="club", channels=channels)
        async with AsyncShequn.open(
            home=tmp_path, accounts=accounts, communities=[club], plugins=plugins
        ) as sq:
            await settle(sq)
            spring = await sq.entrances.open(
                "spring", channel=channels[0], source=Source(campaign="spring", partner="gym")
            )
            poster = await sq.entrances.open(
                "poster", channel=channels[1], source=Source(campaign="spring", place="shop")
            )
            assert await sq.entrances.open("spring", channel=channels[0]) == spring
            link = await sq.links.shorten(spring.url, entrance="spring", source=Source(partner="gym"))
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app=sq.links.app()), base_url="https://go.example"
            ) as web:
                for _ in range(3):
                    await web.get(f"/{link.code}", headers={"user-agent": "Mozilla/5.0 (iPhone)"})

            def invite(entrance):
                return entrance.url.rpartition("/")[2] if "discord" in entrance.url else entrance.url

            telegram, discord = sandbox["telegram"], sandbox["discord"]
            people = {}
            for number in range(3):
                people[number] = Person(id=f"t{number}", name=f"电报{number}")
                telegram.join(rooms["telegram"], people[number], invite=spring.url)
            await settle(sq)
            for number in (3, 4):
                people[number] = Person(id=f"d{number}", name=f"盘{number}")
                discord.join(rooms["discord"], people[number], invite=invite(poster))
                await settle(sq)
            stranger = Person(id="d9", name="路人")
            discord.join(rooms["discord"], stranger)
            telegram.say(rooms["telegram"], people[0], "大家好")
            await settle(sq)

            results = {one.name: one for one in await sq.entrances.results()}
            assert (results["spring"].clicks, results["spring"].joined, results["spring"].active) == (3, 3, 1)
            assert (results["poster"].clicks, results["poster"].joined) == (None, 2)
            assert results[""].joined >= 1
            assert (await sq.entrances.close("poster")).closed_at is not None
            assert [one.name for one in await sq.entrances.list()] == ["spring"]

            members = {one.display_name: one.ref for one in await _identities(sq)}
            await sq.shop.record_order("o1", amount="100", member=members["电报0"])
            await sq.shop.record_order("o2", amount="50.5", member=members["盘3"])
            await sq.shop.record_order("o3", amount="7", member=members["盘3"])
            await sq.shop.record_order("o4", amount="1")
            await sq.drain()
            money = {one.name: one for one in await sq.conversion.revenue(window=timedelta(days=1))}
            assert money["spring"].revenue == 100
            assert money["poster"].revenue == Decimal("57.5")
            assert money["poster"].buyers == 1
            assert money[""].revenue == 1
            assert sum(one.revenue for one in money.values()) == Decimal("158.5")
            by_partner = {one.name: one.revenue for one in await sq.conversion.revenue(by="partner")}
            assert by_partner == {"gym": 100, "": Decimal("58.5")}
            funnel = {one.name: one for one in await sq.conversion.funnel(by="campaign")}
            line = funnel["spring"]
            assert (line.joined, line.active, line.bought, line.bought_again) == (5, 2, 2, 1)

            friend_way = await sq.conversion.referral(members["电报0"], channel=channels[0])
            telegram.join(rooms["telegram"], Person(id="t7", name="朋友"), invite=friend_way.url)
            await settle(sq)
            assert {one.name: one.referred for one in await sq.conversion.funnel()}["spring"] == 1


async def _identities(sq):
    from sqlalchemy import select

    from shequn_sdk.domain import Identity, MemberRef
    from shequn_sdk.stores.tables.members import identity

    store = await sq._workspace.store()
    return await store.read(
        lambda conn: [
            Identity(
                ref=MemberRef(platform=row.platform, native_id=row.native_id), display_name=row.display_name
            )
            for row in conn.execute(select(identity))
        ]
    )
