"""Third-party clients, unchanged but for their addresses, against the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from datetime import timedelta

import pytest

from shequn_sdk.testing.sandbox import Person

pytestmark = pytest.mark.interop

LI = Person(id="li", name="小李", username="xiaoli")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_discord_py(discord_place, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        discord = pytest.importorskip("discord")
        import yarl
        from discord.gateway import DiscordWebSocket
        from discord.http import Route
    place, sandbox = discord_place, discord_place.sandbox
    monkeypatch.setattr(Route, "BASE", place.described["base_url"])
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(place.described["gateway_url"]))
    intents = discord.Intents.default()
    intents.message_content = True
    intents.members = True
    client = discord.Client(intents=intents)
    seen: asyncio.Queue = asyncio.Queue()

    @client.event
    async def on_ready():
        await seen.put(("ready", client.user.id))

    @client.event
    async def on_message(message):
        if message.author.id != client.user.id:
            await seen.put(("message", message.content))
            answer = await message.channel.send("收到", reference=message)
            await answer.add_reaction("🔥")

    @client.event
    async def on_raw_reaction_add(payload):
        await seen.put(("reaction", str(payload.emoji)))

    @client.event
    async def on_member_join(member):
        await seen.put(("join", member.display_name))

    running = asyncio.create_task(client.start(place.described["token"]))
    try:
        async with asyncio.timeout(300):
            assert await seen.get() == ("ready", int(place.described["bot_id"]))
            sandbox.join(place.channel, LI)
            assert await seen.get() == ("join", "小李")
            sandbox.say(place.channel, LI, "你好，机器人")
            assert await seen.get() == ("message", "你好，机器人")
            assert await seen.get() == ("reaction", "🔥")
            guild = client.get_guild(int(place.described["guild_id"]))
            assert {channel.name for channel in guild.channels} >= {"general", "announcements", "forum"}
            channel = guild.get_channel(int(place.channel))
            poll = discord.Poll("几点？", duration=timedelta(hours=2))
            poll.add_answer(text="八点")
            poll.add_answer(text="九点")
            sent = await channel.send("投票", poll=poll, embed=discord.Embed(title="规则"))
            assert sent.poll.question == "几点？"
            thread = await (await channel.send("Thema")).create_thread(name="Faden")
            await thread.send("drin")
            member = await guild.fetch_member(int(sandbox.member_id(LI)))
            await member.add_roles(discord.Object(int(place.described["roles"]["志愿者"])))
            await member.timeout(timedelta(minutes=5), reason="leise")
            invite = await channel.create_invite(max_age=60)
            assert invite.code in {item.code for item in await guild.invites()}
            history = [message.content async for message in channel.history(limit=50)]
            assert {"投票", "收到"} <= set(history)
            await channel.edit(slowmode_delay=5)
            with pytest.raises(discord.HTTPException):
                await channel.send("x" * 2001)
            await member.ban(reason="Werbung")
            await channel.purge(limit=3)
            hooks = await channel.webhooks()
            assert hooks
    finally:
        await client.close()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_hikari(discord_place):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        hikari = pytest.importorskip("hikari")
    place, sandbox = discord_place, discord_place.sandbox
    rest = hikari.RESTApp()
    await rest.start()
    try:
        async with rest.acquire(place.described["token"], "Bot") as client:
            client._rest_url = place.described["base_url"]
            me = await client.fetch_my_user()
            assert str(me.id) == place.described["bot_id"]
            sent = await client.create_message(int(place.channel), "von hikari", user_mentions=False)
            await client.add_reaction(int(place.channel), sent.id, "🔥")
            found = await client.fetch_message(int(place.channel), sent.id)
            assert found.reactions[0].count == 1
            guild = await client.fetch_guild(int(place.described["guild_id"]))
            assert guild.name == "读书会"
            channels = await client.fetch_guild_channels(guild.id)
            assert len(channels) == 4
    finally:
        await rest.close()
    assert sandbox.messages(place.channel)[0].text == "von hikari"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_hikari_gateway(discord_place):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        hikari = pytest.importorskip("hikari")
    place, sandbox = discord_place, discord_place.sandbox
    bot = hikari.GatewayBot(
        place.described["token"],
        intents=hikari.Intents.ALL_UNPRIVILEGED
        | hikari.Intents.MESSAGE_CONTENT
        | hikari.Intents.GUILD_MEMBERS,
        rest_url=place.described["base_url"],
        banner=None,
        logs=None,
        suppress_optimization_warning=True,
    )
    seen: asyncio.Queue = asyncio.Queue()

    @bot.listen(hikari.GuildMessageCreateEvent)
    async def on_message(event):
        if event.is_human:
            await seen.put(event.content)
            await event.message.respond("gehört")

    await bot.start(check_for_updates=False)
    try:
        async with asyncio.timeout(300):
            while place.sandbox.hub.connected < 1:  # noqa: ASYNC110 - watches a state
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.2)
            sandbox.say(place.channel, LI, "hallo hikari")
            assert await seen.get() == "hallo hikari"
            while not any(m.text == "gehört" for m in sandbox.messages(place.channel)):  # noqa: ASYNC110 - watches a state
                await asyncio.sleep(0.05)
    finally:
        await bot.close()
