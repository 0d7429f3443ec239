"""Stages and prunes, called as any other client may."""

from __future__ import annotations

from contextlib import asynccontextmanager

import httpx

from shequn_sdk.testing.sandbox import Person

ANNA = Person(id="anna", name="安娜")


@asynccontextmanager
async def opened(discord_run):
    async with discord_run(options={"strict_limits": False}) as place:
        headers = {
            "Authorization": f"Bot {place.account.secret('token')}",
            "User-Agent": "DiscordBot (https://example.com, 1)",
        }
        async with httpx.AsyncClient(base_url=place.account.base_url, headers=headers) as http:

            async def call(method, path, **body):
                answer = await http.request(method, path, json=body or None)
                return answer.status_code, answer.json() if answer.content else None

            yield place, call


async def test_a_stage_begins_changes_and_ends(discord_run):
    async with opened(discord_run) as (place, call):
        guild = place.described["guild_id"]
        _, channel = await call("POST", f"/guilds/{guild}/channels", name="直播", type=13)
        number = channel["id"]
        assert (await call("GET", f"/stage-instances/{number}"))[1]["code"] == 10067
        status, stage = await call("POST", "/stage-instances", channel_id=number, topic="共读")
        assert (status, stage["topic"], stage["privacy_level"]) == (200, "共读", 2)
        assert (await call("POST", "/stage-instances", channel_id=number, topic="共读"))[1]["code"] == 150006
        assert (await call("PATCH", f"/stage-instances/{number}", topic="问答"))[1]["topic"] == "问答"
        assert (await call("GET", f"/stage-instances/{number}"))[1]["topic"] == "问答"
        assert await call("DELETE", f"/stage-instances/{number}") == (204, None)
        assert (await call("DELETE", f"/stage-instances/{number}"))[1]["code"] == 10067
        await call("POST", "/stage-instances", channel_id=number, topic="共读")
        await call("DELETE", f"/channels/{number}")
        assert place.sandbox.world.guilds[guild].stages == {}, "a stage ends with its channel"


async def test_what_is_no_stage(discord_run):
    async with opened(discord_run) as (place, call):
        wrong = await call("POST", "/stage-instances", channel_id=place.channel, topic="x")
        assert (wrong[0], wrong[1]["code"]) == (400, 50024)
        _, bad = await call("POST", "/stage-instances", channel_id=place.channel, topic="x" * 121)
        assert bad["errors"]["topic"]["_errors"][0]["code"] == "BASE_TYPE_BAD_LENGTH"
        _, bare = await call("POST", "/stage-instances", privacy_level=5)
        assert set(bare["errors"]) == {"channel_id", "topic", "privacy_level"}


async def test_a_prune_takes_who_is_silent(discord_run):
    async with opened(discord_run) as (place, call):
        guild = place.described["guild_id"]
        place.sandbox.join(place.channel, ANNA)
        for days in (0, 31, "x"):
            status, body = await call("POST", f"/guilds/{guild}/prune", days=days)
            assert (status, "days" in body["errors"]) == (400, True)
        _, counted = await call("GET", f"/guilds/{guild}/prune")
        assert counted["pruned"] >= 1
        before = len(place.sandbox.world.guilds[guild].members)
        status, done = await call("POST", f"/guilds/{guild}/prune", days=7, compute_prune_count=False)
        assert (status, done) == (200, {"pruned": None})
        assert before - len(place.sandbox.world.guilds[guild].members) == counted["pruned"]
