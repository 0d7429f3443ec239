"""The Gateway client against the sandbox's: resume, zombies, close codes, op 7 and 9, compression, restarts."""

from __future__ import annotations

import asyncio
import json

import pytest

from shequn_discord import source
from shequn_discord.adapter import DiscordAdapter
from shequn_discord.gateway import Dispatch, _read_frame, gateway_url
from shequn_sdk.errors import AuthFailed, ConfigError, InvalidInput, PermissionDenied, Unavailable
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.testing.sandbox import FaultKind, FaultRule, Person

LI = Person(id="li", name="小李", username="xiaoli")


async def until(condition, seconds=300.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - watches a state
            await asyncio.sleep(0.02)


async def receive_thrice(adapter, cursor):
    for _ in range(3):
        await adapter.receive(cursor)


async def texts(place, count, cursor, *, adapter=None):
    adapter = adapter or place.adapter
    found = []
    for _ in range(30):
        batch = await adapter.receive(cursor)
        cursor = batch.cursor
        for raw in batch.events:
            parsed = adapter.parse(raw)
            found += [item.text for item in parsed.interactions if item.kind == "message"]
        if len(found) >= count:
            return found, cursor
    raise AssertionError(found)


@pytest.mark.parametrize("compress", [True, False])
async def test_resume_after_a_cut(discord_run, compress):
    async with discord_run(account_options={"compress": compress}) as place:
        cursor = (await place.adapter.receive(None)).cursor
        place.sandbox.say(place.channel, LI, "eins")
        found, cursor = await texts(place, 1, cursor)
        assert place.server.drop_websockets() == 1
        place.sandbox.say(place.channel, LI, "zwei")
        more, cursor = await texts(place, 1, cursor)
        assert (found, more) == (["eins"], ["zwei"])
        shard = place.adapter.gateway.shards[0]
        assert (shard.identifies, shard.resumes) == (1, 1)


async def test_unacknowledged_events_come_again(discord_place):
    place = discord_place
    cursor = (await place.adapter.receive(None)).cursor
    place.sandbox.say(place.channel, LI, "noch einmal")
    await until(lambda: place.adapter.gateway._held)
    first = await place.adapter.receive(cursor)
    again = await place.adapter.receive(cursor)
    ids = [raw.event_id for raw in first.events]
    assert ids
    assert [raw.event_id for raw in again.events][: len(ids)] == ids
    place.sandbox.say(place.channel, LI, "weiter")
    after = await place.adapter.receive(again.cursor)
    assert not set(ids) & {raw.event_id for raw in after.events}


async def test_a_restart_resumes_from_the_cursor(discord_place):
    place = discord_place
    cursor = (await place.adapter.receive(None)).cursor
    place.sandbox.say(place.channel, LI, "vor dem Neustart")
    _, cursor = await texts(place, 1, cursor)
    await place.adapter.__aexit__(None, None, None)
    await until(lambda: place.sandbox.hub.connected == 0)
    place.sandbox.say(place.channel, LI, "dazwischen")
    async with DiscordAdapter(place.account, AdapterContext(clock=SystemClock())) as second:
        found, _ = await texts(place, 1, cursor, adapter=second)
        assert found == ["dazwischen"]
        assert second.gateway.shards[0].identifies == 0
    await place.adapter.__aenter__()


async def test_zombie_is_noticed_and_resumed(discord_run):
    async with discord_run(options={"heartbeat_interval": 300}) as place:
        cursor = (await place.adapter.receive(None)).cursor
        place.sandbox.hub.silence()
        place.sandbox.say(place.channel, LI, "ungehört")
        found, _ = await texts(place, 1, cursor)
        shard = place.adapter.gateway.shards[0]
        assert found == ["ungehört"]
        assert shard.zombies == 1
        assert (shard.identifies, shard.resumes) == (1, 1)


async def test_reconnect_and_invalid_session(discord_place, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    place, shard = discord_place, None
    cursor = (await place.adapter.receive(None)).cursor
    shard = place.adapter.gateway.shards[0]
    place.sandbox.hub.demand_heartbeat()
    place.sandbox.hub.request_reconnect()
    await until(lambda: shard.resumes == 1)
    place.sandbox.hub.invalidate(resumable=True)
    await until(lambda: shard.resumes == 2)
    monkeypatch.setattr(place.adapter.gateway, "_last_identify", -1e9)
    place.sandbox.hub.invalidate()
    await until(lambda: shard.identifies == 2 and shard.connected.is_set())
    assert shard.lost_sessions == 1
    place.sandbox.say(place.channel, LI, "neue Sitzung")
    found, _ = await texts(place, 1, cursor)
    assert found == ["neue Sitzung"]


@pytest.mark.parametrize("code", [4000, 4001, 4002, 4005, 4008])
async def test_close_codes_that_resume(discord_place, code):
    await discord_place.adapter.receive(None)
    shard = discord_place.adapter.gateway.shards[0]
    discord_place.sandbox.hub.close_all(code)
    await until(lambda: shard.resumes == 1)
    assert shard.identifies == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (4004, AuthFailed),
        (4010, ConfigError),
        (4011, ConfigError),
        (4013, ConfigError),
        (4014, PermissionDenied),
    ],
)
async def test_close_codes_that_end(discord_place, code, kind):
    cursor = (await discord_place.adapter.receive(None)).cursor
    discord_place.sandbox.hub.close_all(code)
    with pytest.raises(kind):
        await receive_thrice(discord_place.adapter, cursor)


async def test_disallowed_intents_say_what_to_do(discord_run):
    async with discord_run(options={"allowed_intents": 0}) as place:
        with pytest.raises(PermissionDenied, match="developer portal"):
            await place.adapter.receive(None)
    async with discord_run(options={"allowed_intents": 0}, account_options={"intents": 513}) as place:
        cursor = (await place.adapter.receive(None)).cursor
        place.sandbox.say(place.channel, LI, "unsichtbar")
        batch = await place.adapter.receive(cursor)
        items = [item for raw in batch.events for item in place.adapter.parse(raw).interactions]
        assert [item.text for item in items] == [""]


async def test_wrong_token(discord_place):
    token = discord_place.described["token"][:-3] + "xyz"
    account = discord_place.account.model_copy(update={"secrets": {"token": _secret(token)}})
    async with DiscordAdapter(account, AdapterContext(clock=SystemClock())) as other:
        with pytest.raises(AuthFailed) as caught:
            await other.receive(None)
        assert token not in str(caught.value)
        with pytest.raises(AuthFailed):
            await other.check()
    assert len(discord_place.sandbox.limiter._invalid) == 1  # the second call was not sent


def _secret(text):
    from pydantic import SecretStr

    return SecretStr(text)


async def test_unreachable_gateway(discord_run):
    async with discord_run(account_options={"gateway_url": "ws://127.0.0.1:9/x"}) as place:
        with pytest.raises(Unavailable):
            await receive_thrice(place.adapter, None)


async def test_bad_cursor(discord_place):
    with pytest.raises(InvalidInput):
        await discord_place.adapter.receive("{nonsense")


async def test_duplicate_and_late_events(discord_place):
    place = discord_place
    cursor = (await place.adapter.receive(None)).cursor
    place.server.faults.set(
        [FaultRule(FaultKind.DUPLICATE_EVENT, times=1), FaultRule(FaultKind.LATE_EVENT, times=1)]
    )
    for word in ("a", "b", "c"):
        place.sandbox.say(place.channel, LI, word)
    found, _ = await texts(place, 3, cursor)
    assert sorted(found) == ["a", "b", "c"]


async def test_sharding(discord_run):
    async with discord_run(options={"shards": 2}) as place:
        cursor = (await place.adapter.receive(None)).cursor
        await until(lambda: place.sandbox.hub.connected == 2)
        assert [shard.number for shard in place.adapter.gateway.shards] == [0, 1]
        place.sandbox.say(place.channel, LI, "verteilt")
        found, cursor = await texts(place, 1, cursor)
        assert found == ["verteilt"]
        assert set(json.loads(cursor)["shards"]) == {"0", "1"}


async def test_all_members_in_chunks(discord_place):
    place = discord_place
    for number in range(1100):
        place.sandbox.join(place.channel, Person(id=f"p{number}", name=f"人{number}"))
    await place.adapter.receive(None)
    members = await place.adapter.gateway.all_members(place.described["guild_id"])
    assert len(members) == len(place.sandbox.world.guilds[place.described["guild_id"]].members)


def test_event_ids_do_not_depend_on_the_session():
    def dispatch(session, seq, kind, data):
        return Dispatch(0, session, seq, kind, json.dumps(data).encode(), b"")

    message = {"id": "5", "channel_id": "1"}
    assert source.event_id(dispatch("a", 1, "MESSAGE_CREATE", message)) == source.event_id(
        dispatch("b", 9, "MESSAGE_CREATE", message)
    )
    join = {"guild_id": "1", "user": {"id": "2"}, "joined_at": "2026-01-01T00:00:00+00:00"}
    assert source.event_id(dispatch("a", 1, "GUILD_MEMBER_ADD", join)) == source.event_id(
        dispatch("b", 3, "GUILD_MEMBER_ADD", join)
    )
    reaction = {"message_id": "5", "user_id": "2"}
    assert source.event_id(dispatch("a", 1, "MESSAGE_REACTION_ADD", reaction)) != source.event_id(
        dispatch("a", 2, "MESSAGE_REACTION_ADD", reaction)
    )


def test_gateway_url():
    assert gateway_url("wss://gateway.discord.gg", compress=True) == (
        "wss://gateway.discord.gg/?v=10&encoding=json&compress=zlib-stream"
    )


async def test_frames_with_the_token_are_not_logged(discord_run, caplog):
    import logging

    caplog.set_level(logging.DEBUG, logger="shequn_discord")
    caplog.set_level(logging.DEBUG, logger="websockets")
    async with discord_run(account_options={"compress": False}) as place:
        cursor = (await place.adapter.receive(None)).cursor
        place.sandbox.say(place.channel, LI, "leise")
        await texts(place, 1, cursor)
        ours = [
            record for record in caplog.records if record.name.startswith(("shequn_discord", "websockets"))
        ]
        assert all(place.described["token"][:20] not in record.getMessage() for record in ours)
        assert place.described["token"] not in repr(place.adapter.gateway) + repr(
            place.adapter.gateway.shards
        )


async def test_identify_limit_is_minded(discord_run):
    from shequn_sdk.errors import RateLimited

    async with discord_run(options={"identify_limit": 0}) as place:
        with pytest.raises(RateLimited, match="identify 0 more times"):
            await place.adapter.receive(None)
        assert place.sandbox.hub.connected == 0


def test_a_frame_nested_beyond_any_decoder_is_read_as_an_envelope():
    deep = b"[" * 100_000 + b"]" * 100_000
    frame = _read_frame(b'{"t":"MESSAGE_CREATE","s":7,"op":0,"d":{"id":"5","embeds":%b}}' % deep)
    assert (frame.t, frame.s, frame.op) == ("MESSAGE_CREATE", 7, 0)
    assert bytes(frame.d) == b'{"id":"5","embeds":%b}' % deep
    with pytest.raises(ValueError, match="early"):
        _read_frame(b'{"op":0,"d":%b' % deep)


async def glance(adapter, cursor=None):
    async with asyncio.timeout(50):  # less than an account here waits for news
        batch = await adapter.receive_now(cursor)
    found = [item.text for raw in batch.events for item in adapter.parse(raw).interactions]
    return [text for text in found if text], batch.cursor


async def test_a_silent_gateway_is_asked_once_without_waiting(discord_run):
    async with discord_run(account_options={"receive_wait": 60.0}) as place:
        found, cursor = await glance(place.adapter)
        for _ in range(3):
            assert (await glance(place.adapter, cursor))[0] == found == []
        for number in range(3):
            place.sandbox.say(place.channel, LI, f"eins-{number}")
        found, cursor = await glance(place.adapter, cursor)
        assert found == ["eins-0", "eins-1", "eins-2"]
        assert (await glance(place.adapter, cursor))[0] == []
        shard = place.adapter.gateway.shards[0]
        assert (shard.identifies, shard.zombies) == (1, 0)


async def test_one_glance_after_a_restart_gives_what_was_missed(discord_run):
    async with discord_run(account_options={"receive_wait": 60.0}) as place:
        _, cursor = await glance(place.adapter)
        await place.adapter.gateway.aclose()
        for number in range(3):
            place.sandbox.say(place.channel, LI, f"missed-{number}")
        found, cursor = await glance(place.adapter, cursor)
        assert found == ["missed-0", "missed-1", "missed-2"]
        assert place.server.drop_websockets() == 1
        place.sandbox.say(place.channel, LI, "after a cut")
        while not (found := (await glance(place.adapter, cursor))[0]):
            pass
        assert found == ["after a cut"]


async def test_many_glances_do_not_flood_the_gateway(discord_run):
    async with discord_run(account_options={"receive_wait": 0.01}) as place:
        cursor = None
        for _ in range(150):  # the sandbox closes at 120 sends a minute
            _, cursor = await glance(place.adapter, cursor)
        place.sandbox.say(place.channel, LI, "still here")
        async with asyncio.timeout(300):
            while not (found := (await glance(place.adapter, cursor))[0]):
                pass
        assert found == ["still here"]
        shard = place.adapter.gateway.shards[0]
        assert (shard.identifies, shard.resumes) == (1, 0)


async def test_a_glance_tells_why_nothing_comes(discord_run):
    wrong = {"gateway_url": "ws://127.0.0.1:9/"}
    async with discord_run(account_options={"receive_wait": 60.0, **wrong}) as place:
        with pytest.raises(Unavailable, match="not reached"):
            await glance(place.adapter)
    async with discord_run(account_options={"intents": 1 << 1 | 1}, options={"allowed_intents": 0}) as place:
        with pytest.raises(PermissionDenied, match="4014"):
            await glance(place.adapter)


async def moves(adapter, cursor):
    batch = await adapter.receive_now(cursor)
    found = [item for raw in batch.events for item in adapter.parse(raw).interactions]
    return [(item.kind, item.attrs.get("action"), item.member) for item in found], batch.cursor


@pytest.mark.parametrize("restart", [False, True])
async def test_who_comes_through_screening_is_told_once(discord_run, restart):
    async with discord_run(options={"screening": True}, account_options={"receive_wait": 60.0}) as place:
        adapter, sandbox = place.adapter, place.sandbox
        _, cursor = await moves(adapter, None)
        sandbox.join(place.channel, LI)
        with pytest.raises(PermissionDenied, match="rules"):
            sandbox.say(place.channel, LI, "too early")
        sandbox.rename(place.channel, LI, "小李")
        who = sandbox.member_id(LI)
        found, cursor = await moves(adapter, cursor)
        assert found == [("join", None, who)]
        if restart:
            await adapter.gateway.aclose()
        sandbox.accept_rules(place.channel, LI)
        found, _ = await moves(adapter, cursor)
        again, cursor = await moves(adapter, cursor)  # not acknowledged, so it comes again
        assert found == again == [("role_changed", "screened", who)]
        sandbox.rename(place.channel, LI, "李")
        assert (await moves(adapter, cursor))[0] == []
        assert sandbox.say(place.channel, LI, "now I may")


async def test_members_without_screening_are_not_told_to_have_come_through(discord_run):
    async with discord_run(account_options={"receive_wait": 60.0}) as place:
        _, cursor = await moves(place.adapter, None)
        place.sandbox.join(place.channel, LI)
        place.sandbox.rename(place.channel, LI, "小李")
        assert [kind for kind, *_ in (await moves(place.adapter, cursor))[0]] == ["join"]
