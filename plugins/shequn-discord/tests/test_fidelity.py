"""Facts of Discord's API that a stranger's client or server relies on."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from nacl.signing import SigningKey
from pydantic import SecretStr
from websockets.asyncio.server import ServerConnection, serve

from shequn_discord.adapter import DiscordAdapter
from shequn_discord.interactions import InteractionVerifier
from shequn_discord.render import render
from shequn_sdk.domain import Account, Link, Media, MediaKind, Piece
from shequn_sdk.errors import RateLimited
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.ports import RawEvent, WebhookRequest
from shequn_sdk.scheduling.clock import ManualClock, SystemClock

BOT = "1300000000000000001"
TOKEN = base64.b64encode(BOT.encode()).decode().rstrip("=") + ".Gabcde.token-only-for-tests-0"
CHANNEL = "1300000000000000020"
MESSAGE: dict[str, Any] = {
    "id": "1300000000000000099",
    "channel_id": CHANNEL,
    "author": {"id": "1300000000000000055", "username": "li", "global_name": None},
    "content": "hi",
    "timestamp": "2026-06-21T12:00:00.123000+00:00",
}


def _account(**options: Any) -> Account:
    return Account(
        name="club",
        platform="discord",
        base_url="http://d.test/api/v10",
        secrets={"token": SecretStr(TOKEN)},
        options=options,
    )


def _adapter(answer: Any, clock: Any = None, **options: Any) -> DiscordAdapter:
    clock = clock or ManualClock(datetime(2026, 6, 21, 12, tzinfo=UTC))
    return DiscordAdapter(
        _account(**options), AdapterContext(clock=clock, transport=httpx.MockTransport(answer))
    )


def _event(**data: Any) -> RawEvent:
    frame = {"op": 0, "s": 1, "t": "MESSAGE_CREATE", "d": {**MESSAGE, **data}}
    return RawEvent("e", json.dumps(frame).encode(), {})


# payloads


@pytest.mark.parametrize(
    "odd",
    [
        {"embeds": [{"title": None, "type": "rich"}]},
        {"attachments": None, "mentions": None},
        {"author": {**MESSAGE["author"], "bot": None}},
        {"type": 0.0},
    ],
)
async def test_an_odd_message_is_read_all_the_same(odd: dict[str, Any]):
    adapter = _adapter(lambda _: httpx.Response(500))
    (found,) = adapter.parse(_event(**odd)).interactions
    assert (found.text, found.member) == ("hi", "1300000000000000055")


async def test_half_a_character_is_replaced():
    adapter = _adapter(lambda _: httpx.Response(500))
    (found,) = adapter.parse(_event(content="h\ud83d")).interactions
    assert found.text == "h\ufffd"


async def test_answers_with_null_are_read():
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/bans"):
            return httpx.Response(200, json=None, content=b"null")
        if request.url.path.endswith(CHANNEL):
            return httpx.Response(
                200, json={"id": CHANNEL, "guild_id": "1", "type": 0, "recipients": None, "topic": None}
            )
        return httpx.Response(200, json={**MESSAGE, "reactions": None, "mention_everyone": None})

    async with _adapter(answer) as adapter:
        post = await adapter.publish(CHANNEL, Piece(text="hi"), idempotency_key="k")
        assert post.native_id == MESSAGE["id"]
        assert [ban async for ban in adapter.iter_bans(CHANNEL)] == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"1517888899999989760"}',
        b'{"id":1517888899999989760,"content":null,"timestamp":null,"author":null,"channel_id":null}',
        b'{"id":"1517888899999989760","content":"\\ud83d","timestamp":"soon","author":7,"attachments":[{"id":1}]}',
        b'{"id":"1517888899999989760","type":99,"poll":{"x":1},"components":[{"type":77}],"embeds":{}}',
    ],
)
async def test_a_message_that_stands_is_never_unknown_for_the_form_of_its_answer(body: bytes):
    async with _adapter(lambda _: httpx.Response(200, content=body)) as adapter:
        post = await adapter.publish(CHANNEL, Piece(text="hi"), idempotency_key="k")
    assert post.native_id == "1517888899999989760"
    assert post.channel.native_id == CHANNEL
    assert post.landed_at.year == 2026


async def test_a_bad_number_in_the_body_gives_way_to_the_header():
    def answer(_: httpx.Request) -> httpx.Response:
        body = {"message": "You are being rate limited.", "retry_after": -1, "global": False}
        return httpx.Response(429, json=body, headers={"Retry-After": "3"})

    async with _adapter(answer) as adapter:
        with pytest.raises(RateLimited, match="wait 3 s") as caught:
            await adapter.publish(CHANNEL, Piece(text="hi"), idempotency_key="k")
    assert caught.value.retry_after == timedelta(seconds=3)


# requests


async def test_attachments_have_text_ids_and_names_that_embeds_can_hold():
    picture = Media(kind=MediaKind.PHOTO, data=b"x", filename="图 1.png")
    piece = Piece(text="t", link=Link(url="https://example.org/", title="t", image=picture), media=(picture,))
    found = await render(piece)
    assert [item["id"] for item in found.body["attachments"]] == ["0", "1"]
    assert found.body["embeds"][0]["image"] == {"url": "attachment://__1.png"}
    assert found.files[0].filename == "__1.png"


async def test_the_reason_is_encoded_whole():
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("x-audit-log-reason", ""))
        return httpx.Response(200, json={"id": CHANNEL, "guild_id": "1", "type": 0})

    async with _adapter(answer) as adapter:
        await adapter.kick(CHANNEL, "1300000000000000055", reason=" spam 链接\n ")
    assert seen[-1] == "%20spam%20%E9%93%BE%E6%8E%A5%0A%20"


# HTTP interactions


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({"type": 1, "version": 1, "application_id": "1"}, 200, b'{"type":1}'),
        ({"type": 1, "id": "5", "token": "t", "version": 1}, 200, b'{"type":1}'),
        ({"type": 0, "version": 1, "application_id": "1"}, 204, b""),
    ],
)
def test_pings(body: dict[str, Any], status: int, answer: bytes):
    key = SigningKey.generate()
    raw, now = json.dumps(body).encode(), datetime(2026, 6, 21, 12, tzinfo=UTC)
    stamp = str(int(now.timestamp()))
    headers = {
        "x-signature-timestamp": stamp,
        "x-signature-ed25519": key.sign(stamp.encode() + raw).signature.hex(),
    }
    request = WebhookRequest(method="POST", path="/", query={}, headers=headers, body=raw, received_at=now)
    reply = InteractionVerifier(key.verify_key.encode().hex()).verify(request)
    assert (reply.status, reply.body) == (status, answer)


# the Gateway


class Server:
    """A Gateway written down from the documents; every connection plays the next script."""

    def __init__(self, *scripts: list[bytes]) -> None:
        self.scripts = list(scripts)
        self.heard: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.url = ""

    async def __call__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.paths.append(socket.request.path)
        deflate = zlib.compressobj()

        async def send(data: bytes) -> None:
            packed = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
            await socket.send(packed[:7])
            await socket.send(packed[7:])

        await send(b'{"op":10,"s":null,"t":null,"d":{"heartbeat_interval":41250.0}}')
        while (first := json.loads(await socket.recv()))[
            "op"
        ] == 1:  # a beat may come before it, an identify waits
            await send(b'{"op":11,"s":null,"t":null,"d":null}')
        self.heard.append(first)
        ready = {"v": 10, "session_id": "s", "resume_gateway_url": f"{self.url}/resume", "guilds": []}
        if first["op"] == 2:
            await send(json.dumps({"op": 0, "s": 1, "t": "READY", "d": ready}).encode())
        for frame in self.scripts.pop(0) if self.scripts else []:
            await send(frame)
        await socket.wait_closed()


async def _hear(server: Server, until: int) -> list[str]:
    async with serve(server, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}"
        where = {"url": server.url, "shards": 1, "session_start_limit": {"remaining": 9}}
        adapter = _adapter(lambda _: httpx.Response(200, json=where), SystemClock(), receive_wait=0.3)
        found: list[str] = []
        cursor = None
        async with adapter, asyncio.timeout(300):
            while len(found) < until:
                batch = await adapter.receive(cursor)
                cursor = batch.cursor
                for raw in batch.events:
                    found += [item.text for item in adapter.parse(raw).interactions]
        return found


def _frame(seq: int, text: str, number: int) -> bytes:
    data = {**MESSAGE, "id": str(number), "content": text}
    return json.dumps({"op": 0, "s": seq, "t": "MESSAGE_CREATE", "d": data}).encode()


async def test_events_and_opcodes_nobody_knows_are_passed_over():
    server = Server(
        [
            b'{"op":99,"d":{"x":1},"s":null,"t":null}',
            b'{"op":0,"s":2,"t":"BRAND_NEW","d":null}',
            b'{"op":0,"s":3,"t":"BRAND_NEW","d":{"a":1}}',
            _frame(4, "h\ud83d", 1300000000000000100),
            b'{"op":7,"d":null,"s":null,"t":null}',
        ],
        [_frame(5, "weiter", 1300000000000000101), b'{"op":0,"s":6,"t":"RESUMED","d":{}}'],
    )
    assert await _hear(server, 2) == ["h\ufffd", "weiter"]
    assert server.heard[1] == {"op": 6, "d": {"token": TOKEN, "session_id": "s", "seq": 4}}
    assert server.paths == [
        "/?v=10&encoding=json&compress=zlib-stream",
        "/resume?v=10&encoding=json&compress=zlib-stream",
    ]


async def test_a_frame_that_nobody_can_read_does_not_hold_up_the_rest_for_ever():
    broken = b'{"op":0,"s":2,"t":"MESSAGE_CREATE","d":{'
    server = Server([broken], [broken], [_frame(2, "wieder da", 1300000000000000100)])
    assert await _hear(server, 1) == ["wieder da"]
    assert [said["op"] for said in server.heard] == [2, 6, 2]


# the sandbox


async def test_private_threads_that_the_bot_is_in(discord_place):
    described = discord_place.sandbox.describe()
    headers = {"Authorization": f"Bot {described['token']}", "User-Agent": "DiscordBot (https://e.org, 1)"}
    async with httpx.AsyncClient(base_url=described["base_url"], headers=headers, trust_env=False) as http:
        channel = f"/channels/{described['named_channels']['general']}"
        made = [(await http.post(f"{channel}/threads", json={"name": name})).json() for name in "ab"]
        for thread in made:
            await http.patch(f"/channels/{thread['id']}", json={"archived": True})
        await http.delete(f"/channels/{made[1]['id']}/thread-members/@me")
        url = f"{channel}/users/@me/threads/archived/private"
        found = (await http.get(url)).json()
        assert [thread["name"] for thread in found["threads"]] == ["a"]
        assert (await http.get(url, params={"before": made[0]["id"]})).json()["threads"] == []
        assert (await http.get(f"/guilds/{described['guild_id']}/emojis")).json() == []
        assert (await http.get(f"/guilds/{described['guild_id']}/stickers")).json() == []


async def test_webhooks_are_served_without_an_agent_and_widgets_without_a_token(discord_place):
    described = discord_place.sandbox.describe()
    guild, token = described["guild_id"], {"Authorization": f"Bot {described['token']}"}
    async with httpx.AsyncClient(base_url=described["base_url"], trust_env=False) as http:
        sent = await http.post(described["webhook_url"], params={"wait": "true"}, json={"content": "x"})
        assert (sent.status_code, sent.json()["content"]) == (200, "x")
        number = described["webhook_url"].rstrip("/").split("/")[-2]
        assert (await http.get(f"/webhooks/{number}", headers=token)).status_code == 200
        assert (await http.get(f"/webhooks/{number}")).status_code == 401
        assert (await http.get("/users/@me", headers=token)).json()["code"] == 40333
        named = {"User-Agent": "DiscordBot (https://example.org, 1)"}
        assert (await http.get(f"/guilds/{guild}/widget.json", headers=named)).json()["code"] == 50004
        change = {"enabled": True, "channel_id": None}
        await http.patch(f"/guilds/{guild}/widget", headers=token | named, json=change)
        shown = (await http.get(f"/guilds/{guild}/widget.json", headers=named)).json()
        assert shown["id"] == guild


async def test_rows_of_odd_form_do_not_stop_a_listing():
    rows = [
        {**MESSAGE, "timestamp": "soon"},
        {**MESSAGE, "id": "x"},
        {**MESSAGE, "id": "1300000000000000100"},
    ]
    where = {"id": CHANNEL, "guild_id": "10", "type": 0, "name": "g"}

    invite = {"code": "aB3dE", "uses": 7, "expires_at": "soon", "channel": {"id": CHANNEL, "type": 0}}

    def answer(request: httpx.Request) -> httpx.Response:
        lists = {"messages": rows, "invites": [invite]}
        return httpx.Response(200, json=lists.get(request.url.path.rpartition("/")[2], where))

    async with _adapter(answer) as adapter:
        told = [item.message async for item in adapter.iter_history(CHANNEL)]
        assert told == ["1300000000000000099", "1300000000000000100"]
        assert [one.expires_at for one in await adapter.list_invites(CHANNEL)] == [None]
