"""Edges of REST, answered by a scripted transport: what was sent, and what each answer means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx
from pydantic import SecretStr

from shequn_discord.adapter import DiscordAdapter, create
from shequn_discord.errors import CODES, error_for
from shequn_discord.manifest import BOT, WEBHOOK, manifest_for
from shequn_discord.render import nonce_for
from shequn_sdk.domain import Account, Button, Media, MediaKind, Piece, Poll
from shequn_sdk.errors import (
    AuthFailed,
    ConfigError,
    ContentRejected,
    InvalidContent,
    InvalidInput,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpResponse
from shequn_sdk.scheduling.clock import ManualClock

TOKEN = "MTMwMDAwMDAwMDAwMDAwMDAwMQ.Sandbx.abcdefghijklmnopqrstuvwxyz1"
BASE = "https://discord.test/api/v10"
CHANNEL = "1300000000000000020"
MESSAGES = f"{BASE}/channels/{CHANNEL}/messages"
MESSAGE = {
    "id": "1300000000000000099",
    "channel_id": CHANNEL,
    "author": {"id": "1300000000000000001", "username": "bot"},
    "content": "hallo",
    "timestamp": "2026-06-21T12:00:00.123000+00:00",
}


class Clock(ManualClock):
    """Sleeping moves it."""

    def __init__(self) -> None:
        super().__init__(datetime(2026, 6, 21, 12, tzinfo=UTC))
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(max(0.0, seconds))


def account(**options) -> Account:
    return Account(
        name="club", platform="discord", base_url=BASE, secrets={"token": SecretStr(TOKEN)}, options=options
    )


@pytest.fixture
async def discord_bot():
    clock = Clock()
    async with DiscordAdapter(account(), AdapterContext(clock=clock)) as adapter:
        adapter.clock = clock
        yield adapter


def publish(adapter, text="hallo", **more):
    return adapter.publish(CHANNEL, Piece(text=text, **more), idempotency_key="delivery-1")


@respx.mock
async def test_what_is_sent(discord_bot):
    route = respx.post(MESSAGES).respond(json=MESSAGE)
    rows = ((Button(label="打卡", data="in"), Button(label="网", url="https://example.org/")),)
    post = await publish(
        discord_bot, "hallo <@55> \\<@66> <@&77> @everyone", buttons=rows, silent=True, reply_to="5"
    )
    request = route.calls.last.request
    assert request.headers["authorization"] == f"Bot {TOKEN}"
    assert request.headers["user-agent"].startswith("DiscordBot (")
    assert request.headers["content-type"] == "application/json"
    body = json.loads(request.content)
    assert body["nonce"] == "delivery-1"
    assert body["enforce_nonce"] is True
    assert body["allowed_mentions"] == {"parse": [], "users": ["55"], "roles": ["77"]}
    assert body["flags"] == 4096
    assert body["message_reference"] == {"type": 0, "message_id": "5"}
    assert [item["style"] for item in body["components"][0]["components"]] == [1, 5]
    assert (post.native_id, str(post.channel)) == (MESSAGE["id"], f"club:{CHANNEL}")


@respx.mock
async def test_files_are_multipart(discord_bot, tmp_path):
    route = respx.post(MESSAGES).respond(json=MESSAGE)
    path = tmp_path / "图.png"
    path.write_bytes(b"png")
    media = (
        Media(kind=MediaKind.PHOTO, path=path, alt="图"),
        Media(kind=MediaKind.AUDIO, data=b"mp3", mime="audio/mpeg"),
    )
    await publish(discord_bot, "zwei", media=media)
    content = route.calls.last.request.content
    assert b'name="payload_json"\r\n' in content
    assert b'name="files[0]"; filename=' in content
    assert b'name="files[1]"' in content
    with pytest.raises(InvalidContent, match="cannot be read"):
        await publish(discord_bot, media=(Media(kind=MediaKind.PHOTO, path=tmp_path / "nix.png"),))
    with pytest.raises(InvalidContent, match="native_id"):
        await publish(discord_bot, media=(Media(kind=MediaKind.PHOTO, native_id="5"),))
    assert route.call_count == 1


@respx.mock
async def test_poll_form(discord_bot):
    route = respx.post(MESSAGES).respond(json=MESSAGE)
    await publish(
        discord_bot,
        "",
        poll=Poll(question="?", choices=("a", "b"), duration=timedelta(minutes=61), multiple=True),
    )
    poll = json.loads(route.calls.last.request.content)["poll"]
    assert (poll["duration"], poll["allow_multiselect"]) == (2, True)


@respx.mock
async def test_audit_reason(discord_bot):
    respx.get(f"{BASE}/channels/{CHANNEL}").respond(json={"id": CHANNEL, "type": 0, "guild_id": "10"})
    route = respx.put(f"{BASE}/guilds/10/bans/55").respond(204)
    await discord_bot.ban(CHANNEL, "55", reason="广告 " + "x" * 600)
    reason = route.calls.last.request.headers["x-audit-log-reason"]
    assert reason.startswith("%E5%B9%BF%E5%91%8A")
    assert "\n" not in reason


LIMITED = {"message": "You are being rate limited.", "retry_after": 64.57, "global": False}


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "landed"),
    [
        (400, {"code": 50035, "message": "Invalid Form Body"}, {}, InvalidContent, Landing.SURELY_NOT),
        (400, {"code": 200000, "message": "x"}, {}, ContentRejected, Landing.SURELY_NOT),
        (401, {"code": 0, "message": "401: Unauthorized"}, {}, AuthFailed, Landing.SURELY_NOT),
        (403, {"code": 50013, "message": "Missing Permissions"}, {}, PermissionDenied, Landing.SURELY_NOT),
        (403, {"code": 123456, "message": "new"}, {}, PermissionDenied, Landing.SURELY_NOT),
        (404, {"code": 10003, "message": "Unknown Channel"}, {}, TargetNotFound, Landing.SURELY_NOT),
        (404, {"code": 0, "message": "404: Not Found"}, {}, TargetNotFound, Landing.SURELY_NOT),
        (429, LIMITED, {"via": "1.1 google"}, RateLimited, Landing.SURELY_NOT),
        (418, {"code": 0}, {}, Unavailable, Landing.SURELY_NOT),
        (500, {"code": 0}, {}, Unavailable, Landing.PERHAPS),
        (502, None, {}, Unavailable, Landing.PERHAPS),
        (503, {"code": 130000}, {}, Unavailable, Landing.PERHAPS),
    ],
)
@respx.mock
async def test_refusals(discord_bot, status, body, headers, kind, landed):
    content = json.dumps(body).encode() if body is not None else b"<html>bad gateway</html>"
    route = respx.post(MESSAGES).respond(status, headers=headers, content=content)
    with pytest.raises(kind) as caught:
        await publish(discord_bot)
    assert type(caught.value) is kind
    assert caught.value.landed is landed
    assert TOKEN not in str(caught.value)
    assert caught.value.platform == "discord"
    assert route.call_count == 1  # a request that can post is never repeated here


@respx.mock
async def test_malformed_success_is_perhaps(discord_bot):
    respx.post(MESSAGES).respond(200, content=b'{"id": "13')
    with pytest.raises(Unavailable) as caught:
        await publish(discord_bot)
    assert caught.value.landed is Landing.PERHAPS


@respx.mock
async def test_network_failures(discord_bot):
    respx.post(MESSAGES).mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(Unavailable) as caught:
        await publish(discord_bot)
    assert caught.value.landed is Landing.SURELY_NOT
    respx.post(MESSAGES).mock(side_effect=httpx.ReadTimeout("slow"))
    with pytest.raises(Unavailable) as caught:
        await publish(discord_bot)
    assert caught.value.landed is Landing.PERHAPS


@respx.mock
async def test_reads_are_repeated(discord_bot):
    route = respx.get(f"{BASE}/users/@me").mock(
        side_effect=[
            httpx.Response(502),
            httpx.ReadTimeout("x"),
            httpx.Response(200, json={"id": "1", "username": "b"}),
        ]
    )
    assert "b" in await discord_bot.check()
    assert route.call_count == 3


@pytest.mark.parametrize(
    ("scope", "expected"), [("user", "endpoint"), ("shared", "channel"), ("global", "account")]
)
@respx.mock
async def test_rate_limit_scopes(discord_bot, scope, expected):
    headers = {"x-ratelimit-scope": scope, "retry-after": "65", "via": "1.1 google"}
    respx.post(MESSAGES).respond(429, json=LIMITED | {"global": scope == "global"}, headers=headers)
    with pytest.raises(RateLimited) as caught:
        await publish(discord_bot)
    assert caught.value.scope == expected
    assert caught.value.retry_after == timedelta(seconds=64.57)
    with pytest.raises(RateLimited, match="nothing was sent"):
        await publish(discord_bot)
    assert discord_bot._api.buckets.refused == (0 if scope == "shared" else 1)
    assert respx.calls.call_count == 1
    discord_bot.clock.advance(65)
    respx.post(MESSAGES).respond(json=MESSAGE)
    assert (await publish(discord_bot)).native_id == MESSAGE["id"]


@respx.mock
async def test_cloudflare_ban(discord_bot):
    respx.post(MESSAGES).respond(429, text="<!DOCTYPE html>Access denied", headers={"retry-after": "900"})
    with pytest.raises(RateLimited, match="Cloudflare") as caught:
        await publish(discord_bot)
    assert (caught.value.scope, caught.value.retry_after) == ("app", timedelta(seconds=900))


@respx.mock
async def test_a_refused_token_is_not_tried_again_at_once(discord_bot):
    route = respx.post(MESSAGES).respond(401, json={"code": 0, "message": "401: Unauthorized"})
    for _ in range(3):
        with pytest.raises(AuthFailed):
            await publish(discord_bot)
    assert route.call_count == 1
    discord_bot.clock.advance(61)
    with pytest.raises(AuthFailed):
        await publish(discord_bot)
    assert route.call_count == 2


@respx.mock
async def test_form_errors_say_where(discord_bot):
    errors = {
        "embeds": {
            "0": {
                "fields": {
                    "1": {
                        "name": {
                            "_errors": [{"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}]
                        }
                    }
                }
            }
        }
    }
    respx.post(MESSAGES).respond(400, json={"code": 50035, "message": "Invalid Form Body", "errors": errors})
    with pytest.raises(InvalidContent, match=r"embeds\.0\.fields\.1\.name: This field is required"):
        await publish(discord_bot)
    gone = {
        "message_reference": {"_errors": [{"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}]}
    }
    respx.post(MESSAGES).respond(400, json={"code": 50035, "message": "Invalid Form Body", "errors": gone})
    with pytest.raises(TargetNotFound):
        await publish(discord_bot, reply_to="5")


@respx.mock
async def test_a_leaky_bucket_gives_single_tokens_back():
    """The reset moves later with each request: then one token's time is enough."""
    clock = Clock()
    async with DiscordAdapter(account(), AdapterContext(clock=clock)) as bot:
        answers = [
            httpx.Response(200, json=MESSAGE, headers=_headers(remaining, (5 - remaining) * 1.0))
            for remaining in (4, 3, 2, 1, 0, 0)
        ]
        respx.post(MESSAGES).mock(side_effect=answers)
        for _ in range(5):
            await publish(bot)
        assert clock.slept == []
        await publish(bot)
        assert sum(clock.slept) == pytest.approx(1.0, abs=0.05)


@respx.mock
async def test_a_fixed_window_is_waited_for():
    clock = Clock()
    async with DiscordAdapter(account(), AdapterContext(clock=clock)) as bot:
        answers = [httpx.Response(200, json=MESSAGE, headers=_headers(left, 4.0)) for left in (1, 0, 1)]
        respx.post(MESSAGES).mock(side_effect=answers)
        for _ in range(3):
            await publish(bot)
        assert sum(clock.slept) == pytest.approx(4.0, abs=0.05)


def _headers(remaining, after):
    return {
        "x-ratelimit-limit": "5",
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset-after": str(after),
        "x-ratelimit-bucket": "abc",
    }


@respx.mock
async def test_too_many_refused_requests_stop_by_themselves(discord_bot):
    respx.post(MESSAGES).respond(403, json={"code": 50013, "message": "Missing Permissions"})
    discord_bot._api.buckets._invalid.extend([discord_bot.clock.monotonic()] * 9_500)
    with pytest.raises(RateLimited, match="10000") as caught:
        await publish(discord_bot)
    assert caught.value.scope == "app"
    assert respx.calls.call_count == 0


@pytest.mark.parametrize("channel", ["../guilds/1", "1/2", "", "a", "1?x=1", "１"])
async def test_ids_cannot_change_the_path(discord_bot, channel):
    with pytest.raises(InvalidInput):
        await discord_bot.publish(channel, Piece(text="x"), idempotency_key="k")


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_its_error_and_advice(code):
    kind, hint = CODES[code]
    assert issubclass(kind, PlatformError)
    assert len(hint) > 8
    status = 429 if kind is RateLimited else 503 if kind is Unavailable else 400
    body = json.dumps({"code": code, "message": "m"}).encode()
    error = error_for(HttpResponse(status, {}, body, "discord", "op"))
    assert type(error) is kind
    assert error.code == str(code)
    assert hint in str(error)


def test_nonce_is_short_and_stable():
    assert nonce_for("short") == "short"
    long = nonce_for("x" * 200)
    assert len(long) <= 25
    assert long == nonce_for("x" * 200) != nonce_for("x" * 201)
    assert len(nonce_for("投递")) <= 25


@pytest.mark.parametrize(
    ("secrets", "options", "match"),
    [
        ({}, {}, "token is missing"),
        ({"token": "not a token"}, {}, "no bot token"),
        ({"token": TOKEN}, {"intents": "all"}, "intents"),
        ({"token": TOKEN}, {"shards": 0}, "shards"),
        ({"token": TOKEN}, {"shard_ids": ["x"]}, "shard_ids"),
        ({"token": TOKEN}, {"guild_channels": []}, "guild_channels"),
        ({"token": TOKEN}, {"gateway_url": "http://x"}, "gateway_url"),
        ({"token": TOKEN}, {"mode": "user"}, "mode"),
        ({"token": TOKEN, "public_key": "xyz"}, {}, "public_key"),
        ({}, {"mode": "webhook"}, "webhook_url"),
        ({"webhook_url": "https://example.org/x"}, {"mode": "webhook"}, "webhook_url"),
    ],
)
def test_wrong_settings(secrets, options, match):
    found = Account(
        name="club",
        platform="discord",
        secrets={key: SecretStr(value) for key, value in secrets.items()},
        options=options,
    )
    with pytest.raises(ConfigError, match=match) as caught:
        create(found, AdapterContext(clock=Clock()))
    assert TOKEN not in str(caught.value)


def test_manifests():
    assert manifest_for(account()) is BOT
    assert manifest_for(account(mode="webhook")) is WEBHOOK
    without = manifest_for(account(members_intent=False))
    assert "list_members" not in without.capabilities
    assert "Server Members" in without.explain(next(c for c in BOT.capabilities if c == "list_members"))
    for manifest in (BOT, WEBHOOK):
        assert not manifest.capabilities & set(manifest.missing)


@respx.mock
async def test_webhook_urls():
    url = "https://discord.com/api/webhooks/1300000000000000300/tok-en_1"
    found = Account(
        name="w", platform="discord", secrets={"webhook_url": SecretStr(url)}, options={"mode": "webhook"}
    )
    hook = "https://discord.com/api/v10/webhooks/1300000000000000300/tok-en_1"
    respx.get(hook).respond(json={"id": "1300000000000000300", "channel_id": CHANNEL, "name": "公告"})
    route = respx.post(hook).respond(json=MESSAGE)
    async with create(found, AdapterContext(clock=Clock())) as adapter:
        assert "公告" in await adapter.check()
        await adapter.publish(CHANNEL, Piece(text="x"), idempotency_key="k")
        assert route.calls.last.request.url.params["wait"] == "true"
        assert "authorization" not in route.calls.last.request.headers
        await adapter.publish("1300000000000000777", Piece(text="x"), idempotency_key="k")
        assert route.calls.last.request.url.params["thread_id"] == "1300000000000000777"
        assert "tok-en_1" not in repr(adapter) + repr(adapter._api) + repr(adapter._api.http)
        respx.post(hook).respond(404, json={"code": 10015, "message": "Unknown Webhook"})
        with pytest.raises(TargetNotFound) as caught:
            await adapter.publish(CHANNEL, Piece(text="x"), idempotency_key="k")
        assert "tok-en_1" not in str(caught.value)
