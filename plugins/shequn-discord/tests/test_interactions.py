"""HTTP interactions: signatures, age, size, and the round trip with the sandbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from nacl.signing import SigningKey

from shequn_discord.interactions import InteractionVerifier
from shequn_sdk.domain import Button, InteractionKind, Piece
from shequn_sdk.errors import ConfigError, VerificationFailed
from shequn_sdk.platforms.ports import WebhookRequest
from shequn_sdk.testing.sandbox import Person

NOW = datetime(2026, 6, 21, 12, tzinfo=UTC)
KEY = SigningKey(b"7" * 32)
VERIFIER = InteractionVerifier(KEY.verify_key.encode().hex())


def request(body: bytes, *, key=KEY, at=NOW, received=NOW, **headers) -> WebhookRequest:
    stamp = str(int(at.timestamp()))
    found = {
        "x-signature-ed25519": key.sign(stamp.encode() + body).signature.hex(),
        "x-signature-timestamp": stamp,
    }
    return WebhookRequest("POST", "/", {}, found | headers, body, received)


def interaction(**facts) -> bytes:
    return json.dumps(
        {"id": "1300000000000000500", "application_id": "1", "token": "t", "type": 3, **facts}
    ).encode()


def test_ping():
    reply = VERIFIER.verify(request(b'{"type":1,"id":"5"}'))
    assert (reply.status, json.loads(reply.body), reply.content_type) == (
        200,
        {"type": 1},
        "application/json",
    )
    assert not reply.events
    assert VERIFIER.verify(request(b'{"version":1,"application_id":"1","type":0}')).status == 204


def test_component_command_autocomplete():
    reply = VERIFIER.verify(request(interaction()))
    assert json.loads(reply.body) == {"type": 6}
    assert reply.events[0].event_id == "interaction:1300000000000000500"
    assert json.loads(VERIFIER.verify(request(interaction(type=2))).body)["type"] == 5
    reply = VERIFIER.verify(request(interaction(type=4)))
    assert (json.loads(reply.body)["type"], reply.events) == (8, ())


def test_app_event():
    body = json.dumps(
        {
            "version": 1,
            "application_id": "1",
            "type": 1,
            "event": {"type": "ENTITLEMENT_CREATE", "timestamp": "2024-10-18T18:41:21", "data": {"id": "7"}},
        }
    ).encode()
    reply = VERIFIER.verify(request(body))
    assert (reply.status, len(reply.events)) == (204, 1)
    assert reply.events[0].event_id == VERIFIER.verify(request(body)).events[0].event_id


@pytest.mark.parametrize(
    "bad",
    [
        request(interaction(), key=SigningKey(b"8" * 32)),
        request(interaction(), **{"x-signature-ed25519": "zz"}),
        request(interaction(), **{"x-signature-ed25519": ""}),
        request(interaction(), **{"x-signature-ed25519": "ab" * 70}),
        request(interaction(), **{"x-signature-timestamp": str(int(NOW.timestamp()) + 1)}),
        request(interaction(), at=NOW - timedelta(minutes=6)),
        request(interaction(), at=NOW + timedelta(minutes=6)),
        request(b"not json"),
        request(b"[" * 100_000),
        request(b"[]"),
        request(b'{"type":3}'),
        request(b'{"type":"x","id":"1"}'),
        request(b" " * (1024 * 1024 + 1)),
        WebhookRequest("POST", "/", {}, {}, b"{}", NOW),
    ],
)
def test_refused(bad):
    with pytest.raises(VerificationFailed):
        VERIFIER.verify(bad)


def test_key_must_be_a_key():
    for key in ("", "abc", "zz" * 32, "00" * 31):
        with pytest.raises(ConfigError):
            InteractionVerifier(key)


async def test_round_trip_over_http(discord_run):
    """A button pressed in the sandbox arrives signed, is acknowledged in line and answered later."""
    events = []
    async with discord_run() as place:

        async def app(scope, receive, send):
            body = b""
            while True:
                part = await receive()
                body += part.get("body", b"")
                if not part.get("more_body"):
                    break
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            inbound = WebhookRequest("POST", scope["path"], {}, headers, body, datetime.now(UTC))
            try:
                reply = place.adapter.verify(inbound)
            except VerificationFailed:
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            events.extend(reply.events)
            kind = [(b"content-type", reply.content_type.encode())]
            await send({"type": "http.response.start", "status": reply.status, "headers": kind})
            await send({"type": "http.response.body", "body": reply.body})

        server, task, url = await _serve(app)
        try:
            await place.adapter._api.call(
                "PATCH", "/applications/@me", operation="edit", json={"interactions_endpoint_url": url}
            )
            rows = ((Button(label="打卡", data="in"),),)
            landed = await place.adapter.publish(
                place.channel, Piece(text="x", buttons=rows), idempotency_key="b"
            )
            place.sandbox.press(place.channel, Person(id="li", name="李"), landed.native_id, "in")
            await _until(lambda: events)
            await _until(lambda: not place.sandbox._tasks)
            pressed = place.adapter.parse(events[0]).interactions[0]
            assert (pressed.kind, pressed.text) == (InteractionKind.BUTTON, "in")
            await place.adapter.answer_button(pressed, "好的")
            assert place.sandbox.messages(place.channel)[0].text == "好的"

            await place.adapter.set_commands({"checkin": "打卡"})
            place.sandbox.command(place.channel, Person(id="li", name="李"), "checkin")
            await _until(lambda: len(events) == 2 and not place.sandbox._tasks)
            called = place.adapter.parse(events[1]).interactions[0]
            await place.adapter.answer_button(called, "记下了")
            assert place.sandbox.messages(place.channel)[0].text == "记下了"
        finally:
            server.should_exit = True
            await task


async def test_endpoint_without_checks_is_refused(discord_run):
    from shequn_sdk.errors import InvalidContent

    async with discord_run() as place:

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b'{"type":1}'})

        server, task, url = await _serve(app)
        try:
            with pytest.raises(InvalidContent, match="could not be verified"):
                await place.adapter._api.call(
                    "PATCH", "/applications/@me", operation="edit", json={"interactions_endpoint_url": url}
                )
        finally:
            server.should_exit = True
            await task


async def _serve(app):
    import asyncio
    import socket

    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server._serve([sock]))
    while not server.started:  # noqa: ASYNC110 - watches a state
        await asyncio.sleep(0.01)
    return server, task, f"http://127.0.0.1:{sock.getsockname()[1]}/hook"


async def _until(condition):
    import asyncio

    async with asyncio.timeout(300):
        while not condition():  # noqa: ASYNC110 - watches a state
            await asyncio.sleep(0.02)
