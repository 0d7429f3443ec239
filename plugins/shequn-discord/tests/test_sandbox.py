"""The sandbox itself, over plain HTTP: shapes of refusals, permissions, limits, faults, time."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shequn_sdk.errors import PermissionDenied, PlatformError
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import FaultKind, FaultRule, Person

LI = Person(id="li", name="小李", username="xiaoli")


@asynccontextmanager
async def opened(discord_run, *, clock=None, **options):
    async with discord_run(clock=clock, options=options) as place:
        headers = {
            "Authorization": f"Bot {place.described['token']}",
            "User-Agent": "DiscordBot (https://x, 1)",
        }
        async with httpx.AsyncClient(base_url=place.described["base_url"], headers=headers) as client:
            place.http = client
            place.messages = f"/channels/{place.channel}/messages"
            yield place


@pytest.fixture
async def discord_api(discord_run):
    async with opened(discord_run, strict_limits=False) as place:
        yield place


async def send(place, **body):
    return await place.http.post(place.messages, json=body)


async def test_headers_and_content_type(discord_api):
    answer = await send(discord_api, content="hallo")
    assert answer.headers["content-type"] == "application/json"
    assert {
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-reset-after",
        "x-ratelimit-bucket",
        "via",
    } <= set(answer.headers)
    body = answer.json()
    assert isinstance(body["id"], str)
    assert body["edited_timestamp"] is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/users/@me", None, 401, 0),
        ("GET", "/nothing/here", None, 404, 0),
        ("PUT", "/users/@me", None, 405, 0),
        ("GET", "/channels/1300000000000000020", None, 404, 10003),
        ("GET", "/guilds/1300000000000000020", None, 404, 10004),
        ("GET", "/users/1300000000000000020", None, 404, 10013),
        ("GET", "/invites/nope", None, 404, 10006),
        ("GET", "{messages}/1", None, 404, 10008),
        ("POST", "{messages}", {}, 400, 50006),
        ("POST", "{messages}", {"content": "   "}, 400, 50006),
        ("POST", "{messages}", [], 400, 50035),
        ("POST", "{messages}/bulk-delete", {"messages": ["1"]}, 400, 50016),
        ("POST", "{messages}/bulk-delete", {"messages": ["1", "2"]}, 400, 50034),
        ("PUT", "{messages}/1/reactions/x/@me", None, 404, 10008),
        ("POST", "/users/@me/channels", {"recipient_id": "5"}, 400, 50033),
    ],
)
async def test_refusals(discord_api, method, path, body, status, code):
    headers = {"Authorization": "Bot wrong"} if status == 401 else {}
    answer = await discord_api.http.request(
        method, path.format(messages=discord_api.messages), json=body, headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]


async def test_form_error_trees(discord_api):
    answer = await send(discord_api, content="x" * 2001)
    assert answer.json() == {
        "message": "Invalid Form Body",
        "code": 50035,
        "errors": {
            "content": {
                "_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}]
            }
        },
    }
    answer = await send(
        discord_api, embeds=[{"title": "t", "fields": [{"name": "a", "value": "b"}, {"value": "c"}]}]
    )
    assert (
        answer.json()["errors"]["embeds"]["0"]["fields"]["1"]["name"]["_errors"][0]["code"]
        == "BASE_TYPE_REQUIRED"
    )
    answer = await send(discord_api, embeds=[{"description": "x" * 4000}, {"description": "y" * 2001}])
    assert answer.json()["errors"]["embeds"]["_errors"][0]["code"] == "MAX_EMBED_SIZE_EXCEEDED"
    answer = await send(discord_api, content="x", nonce="n" * 26)
    assert "nonce" in answer.json()["errors"]
    answer = await send(discord_api, content="x", allowed_mentions={"parse": ["users"], "users": ["1"]})
    assert "allowed_mentions" in answer.json()["errors"]
    answer = await send(discord_api, poll={"question": {"text": "q" * 301}, "answers": []})
    assert answer.status_code == 400
    answer = await discord_api.http.get(discord_api.messages, params={"limit": 101})
    assert answer.json()["errors"]["limit"]["_errors"][0]["code"] == "NUMBER_TYPE_MAX"


async def test_limits_count_code_points(discord_api):
    for text in ("汉" * 2000, "😀" * 2000, " " + "x" * 2000 + "\n"):
        assert (await send(discord_api, content=text)).status_code == 200
    assert (await send(discord_api, content="😀" * 2001)).status_code == 400


async def test_bad_bodies(discord_api):
    post = discord_api.http.post
    answer = await post(discord_api.messages, content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, 50109)
    answer = await post(
        discord_api.messages, content=b"[" * 100_000, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, 50109)
    answer = await post(discord_api.messages, content=b"x", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (400, 50035)
    answer = await post(discord_api.messages, content=b"x" * (25 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, 40005)
    big = {"files[0]": ("a.bin", b"x" * (10 * 1024 * 1024 + 1))}
    assert (await post(discord_api.messages, data={"payload_json": "{}"}, files=big)).status_code == 413
    answer = await post(discord_api.messages, json={"content": "x"}, headers={"User-Agent": "python"})
    assert (answer.status_code, answer.json()["code"]) == (403, 40333)


async def test_nonce(discord_api):
    first = (await send(discord_api, content="a", nonce="1", enforce_nonce=True)).json()
    assert (await send(discord_api, content="b", nonce="1", enforce_nonce=True)).json()["id"] == first["id"]
    assert (await send(discord_api, content="b", nonce="1")).json()["id"] != first["id"]


async def test_nonce_is_forgotten_after_minutes(discord_run):
    clock = ManualClock(datetime(2026, 6, 21, 12, tzinfo=UTC))
    async with opened(discord_run, clock=clock) as place:
        first = (await send(place, content="a", nonce="1", enforce_nonce=True)).json()
        clock.advance(timedelta(minutes=6))
        second = (await send(place, content="a", nonce="1", enforce_nonce=True)).json()
        assert int(second["id"]) > int(first["id"])
        assert second["timestamp"] == "2026-06-21T12:06:00+00:00"


async def test_permissions_and_overwrites(discord_api):
    place = discord_api
    path = f"/channels/{place.channel}/permissions/{place.described['bot_id']}"
    deny = {"type": 1, "allow": "0", "deny": str(1 << 11)}
    assert (await place.http.put(path, json=deny)).status_code == 204
    answer = await send(place, content="x")
    assert (answer.status_code, answer.json()) == (403, {"message": "Missing Permissions", "code": 50013})
    assert (await place.http.delete(path)).status_code == 204
    assert (await send(place, content="x")).status_code == 200
    everyone = f"/channels/{place.channel}/permissions/{place.described['guild_id']}"
    await place.http.put(everyone, json={"type": 0, "deny": str(1 << 14)})
    assert (
        await send(place, embeds=[{"title": "x"}])
    ).status_code == 403  # it is taken from the roles' rights too
    role = f"/channels/{place.channel}/permissions/{place.described['roles']['shequn']}"
    await place.http.put(role, json={"type": 0, "allow": str(1 << 14)})
    assert (await send(place, embeds=[{"title": "x"}])).status_code == 200
    await place.http.put(path, json={"type": 1, "deny": str(1 << 10)})
    assert (await send(place, content="x")).json()["code"] == 50001


async def test_bot_without_rights(discord_run):
    async with opened(discord_run, bot_permissions=0) as place:
        guild, member = place.described["guild_id"], place.described["named_members"]["lilei"]
        for method, path, body in [
            ("DELETE", f"/guilds/{guild}/members/{member}", None),
            ("PUT", f"/guilds/{guild}/bans/{member}", {}),
            ("PATCH", f"/channels/{place.channel}", {"rate_limit_per_user": 5}),
            ("GET", f"/guilds/{guild}/invites", None),
            ("POST", f"/guilds/{guild}/auto-moderation/rules", {}),
            ("POST", f"/guilds/{guild}/scheduled-events", {}),
            ("POST", f"/channels/{place.channel}/webhooks", {"name": "x"}),
            ("PATCH", f"/guilds/{guild}/members/{member}", {"communication_disabled_until": None}),
        ]:
            answer = await place.http.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, 50013), path
        assert (await send(place, content="reden darf jeder")).status_code == 200


@pytest.mark.parametrize(("shape", "free"), [("fixed", 0), ("leaky", 1)])
async def test_buckets(discord_run, shape, free):
    clock = ManualClock(datetime(2026, 6, 21, 12, tzinfo=UTC))
    async with opened(discord_run, clock=clock, bucket_shape=shape) as place:
        for left in (4, 3, 2, 1, 0):
            answer = await send(place, content="x")
            assert answer.headers["x-ratelimit-remaining"] == str(left)
        refused = await send(place, content="x")
        assert refused.status_code == 429
        assert refused.headers["x-ratelimit-scope"] == "user"
        assert refused.headers["via"]
        assert set(refused.json()) == {"message", "retry_after", "global"}
        clock.advance(1.0)
        assert [(await send(place, content="x")).status_code for _ in range(2)] == ([200] * free + [429] * 2)[
            :2
        ]
        clock.advance(5.0)
        assert (await send(place, content="x")).status_code == 200
        other = place.described["named_channels"]["announcements"]
        assert (
            await place.http.post(f"/channels/{other}/messages", json={"content": "x"})
        ).status_code == 200


@pytest.mark.parametrize("scope", ["user", "shared", "global"])
async def test_scripted_limits(discord_api, scope):
    discord_api.sandbox.limiter.script(scope, 64.57)
    answer = await send(discord_api, content="x")
    assert (answer.status_code, answer.json()["retry_after"]) == (429, 64.57)
    assert answer.json()["global"] is (scope == "global")
    assert answer.headers["x-ratelimit-scope"] == scope
    assert ("x-ratelimit-global" in answer.headers) is (scope == "global")
    assert (await send(discord_api, content="x")).status_code == 200


async def test_too_many_refusals_ban_the_address(discord_api):
    discord_api.sandbox.limiter._invalid.extend([discord_api.sandbox.now().timestamp()] * 10_000)
    answer = await send(discord_api, content="x")
    assert answer.status_code == 429
    assert "text/html" in answer.headers["content-type"]
    assert "via" not in answer.headers


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.RATE_LIMIT,
        FaultKind.SERVER_ERROR,
        FaultKind.SERVER_ERROR_AFTER,
        FaultKind.RESET_BEFORE,
        FaultKind.RESET_AFTER,
        FaultKind.MALFORMED,
    ],
)
async def test_faults_while_publishing_never_post_twice(discord_api, kind):
    from shequn_sdk.domain import Piece

    place = discord_api
    place.server.faults.set([FaultRule(kind, operation="publish", times=1, delay=0.01)])
    since = datetime.now(UTC)
    piece = Piece(text="genau einmal")
    with pytest.raises(PlatformError) as caught:
        await place.adapter.publish(place.channel, piece, idempotency_key="k")
    stands = [m.text for m in place.sandbox.messages(place.channel)].count("genau einmal")
    after = {FaultKind.SERVER_ERROR_AFTER, FaultKind.RESET_AFTER, FaultKind.MALFORMED}
    assert stands == (1 if kind in after else 0)
    if stands:
        assert caught.value.landed == "perhaps"
        found = await place.adapter.find_landed(place.channel, piece, idempotency_key="k", since=since)
        assert found is not None
    await place.adapter.publish(place.channel, piece, idempotency_key="k")
    assert [m.text for m in place.sandbox.messages(place.channel)].count("genau einmal") == 1


async def test_events_run_by_themselves(discord_run):
    clock = ManualClock(datetime(2026, 6, 21, 12, tzinfo=UTC))
    async with opened(discord_run, clock=clock) as place:
        guild = place.described["guild_id"]
        body = {
            "name": "读书会",
            "privacy_level": 2,
            "entity_type": 3,
            "entity_metadata": {"location": "https://meet.example.org/x"},
            "scheduled_start_time": "2026-07-01T12:00:00Z",
            "scheduled_end_time": "2026-07-01T13:00:00Z",
        }
        event = (await place.http.post(f"/guilds/{guild}/scheduled-events", json=body)).json()
        path = f"/guilds/{guild}/scheduled-events/{event['id']}"
        for at, status in ((1, 1), (24 * 10, 2), (24 * 10 + 2, 3)):
            clock.move_to(datetime(2026, 6, 21, 12, tzinfo=UTC) + timedelta(hours=at))
            assert (await place.http.get(path)).json()["status"] == status
        assert (await place.http.patch(path, json={"status": 1})).json()["code"] == 180000


async def test_polls_end_by_themselves(discord_run):
    clock = ManualClock(datetime(2026, 6, 21, 12, tzinfo=UTC))
    async with opened(discord_run, clock=clock) as place:
        poll = {"question": {"text": "?"}, "answers": [{"poll_media": {"text": "a"}}], "duration": 1}
        message = (await send(place, poll=poll)).json()
        clock.advance(timedelta(hours=1))
        found = (await place.http.get(f"{place.messages}/{message['id']}")).json()
        assert found["poll"]["results"]["is_finalized"] is True
        assert (await place.http.get(place.messages)).json()[0]["type"] == 46


async def test_members_act_within_the_rules(discord_api):
    place, sandbox = discord_api, discord_api.sandbox
    said = sandbox.say(place.channel, LI, "hallo")
    forwarded = sandbox.share(place.channel, LI, said)
    data = (await place.http.get(f"{place.messages}/{forwarded}")).json()
    assert data["message_reference"]["type"] == 1
    assert data["message_snapshots"][0]["message"]["content"] == "hallo"
    await place.http.put(
        f"/channels/{place.channel}/permissions/{place.described['guild_id']}",
        json={"type": 0, "deny": str(1 << 11)},
    )
    with pytest.raises(PermissionDenied):
        sandbox.say(place.channel, LI, "stumm")


async def test_describe_is_json_and_complete(discord_api):
    found = json.loads(json.dumps(discord_api.described))
    assert found["base_url"].endswith("/discord/api/v10")
    assert found["gateway_url"].endswith("/discord/gateway")
    assert {"token", "public_key"} <= set(found["secrets"])
    assert {"general", "announcements", "forum"} <= set(found["named_channels"])
    v9 = found["base_url"].replace("v10", "v9")
    assert (await discord_api.http.get(f"{v9}/users/@me")).status_code == 200
    gateway = (await discord_api.http.get("/gateway/bot")).json()
    assert gateway["session_start_limit"]["total"] == 1000
    assert gateway["url"] == found["gateway_url"]


async def test_new_channels_have_their_own_members(discord_api):
    sandbox = discord_api.sandbox
    channel = sandbox.create_channel("训练营")
    sandbox.join(channel, LI)
    assert sandbox.member_id(LI) in sandbox.world.guilds[channel].members
    assert sandbox.member_id(LI) not in sandbox.world.guilds[discord_api.described["guild_id"]].members


async def test_settings_routes(discord_api):
    http, guild = discord_api.http, discord_api.described["guild_id"]
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    incidents = await http.put(f"/guilds/{guild}/incident-actions", json={"invites_disabled_until": until})
    assert incidents.json()["invites_disabled_until"] == until
    late = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    refused = await http.put(f"/guilds/{guild}/incident-actions", json={"dms_disabled_until": late})
    assert refused.json()["code"] == 50035
    welcome = {"description": "欢迎", "welcome_channels": []}
    assert (await http.patch(f"/guilds/{guild}/welcome-screen", json=welcome)).json()["description"] == "欢迎"
    assert (await http.get(f"/guilds/{guild}/welcome-screen")).json()["description"] == "欢迎"
    assert (await http.put(f"/guilds/{guild}/onboarding", json={"enabled": True})).json()["enabled"] is True
    assert (await http.get(f"/guilds/{guild}/onboarding")).json()["enabled"] is True
    assert (await http.get(f"/guilds/{guild}/widget")).json()["enabled"] is False
    role = discord_api.described["roles"]["志愿者"]
    assert (await http.patch(f"/guilds/{guild}/roles", json=[{"id": role, "position": 1}])).status_code == 200
    high = await http.patch(f"/guilds/{guild}/roles", json=[{"id": role, "position": 99}])
    assert high.json()["code"] == 50013
    await http.post(f"/channels/{discord_api.channel}/threads", json={"name": "Suche", "type": 11})
    found = (
        await http.get(f"/channels/{discord_api.channel}/threads/search", params={"name": "such"})
    ).json()
    assert [thread["name"] for thread in found["threads"]] == ["Suche"]


async def test_unversioned_webhook_address(discord_api):
    hook = (
        await discord_api.http.post(f"/channels/{discord_api.channel}/webhooks", json={"name": "x"})
    ).json()
    assert "/api/webhooks/" in hook["url"]
    answer = await discord_api.http.post(hook["url"], params={"wait": "true"}, json={"content": "von außen"})
    assert answer.json()["webhook_id"] == hook["id"]
    assert (await discord_api.http.get(hook["url"].replace("/api/", "/api/v6/"))).status_code == 404
