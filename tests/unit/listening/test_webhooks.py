from __future__ import annotations

import httpx
import pytest

from shequn_sdk.errors import StoreFull
from shequn_sdk.listening.webhooks import WebhookApp, webhook_app

from .conftest import EchoAdapter, FakeAccounts

GOOD = {"x-secret": "s3cret"}


@pytest.fixture
def app(inbox, manual_clock) -> WebhookApp:
    deaf = EchoAdapter()
    deaf.manifest = deaf.manifest.model_copy(update={"capabilities": frozenset()})
    return webhook_app(FakeAccounts(bot=EchoAdapter(), deaf=deaf), inbox, clock=manual_clock, max_body=200)


@pytest.fixture
async def web(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://web") as client:
        yield client


async def test_verified_events_are_stored_then_answered(web, inbox, app):
    answer = await web.post("/hooks/bot", headers=GOOD, json={"number": 4})
    assert (answer.status_code, answer.content) == (200, b"success")
    (stored,) = await inbox.read("dispatch")
    assert (stored.account, stored.event_id) == ("bot", "e4")
    replay = await web.post("/hooks/bot", headers=GOOD, json={"number": 4})
    assert replay.status_code == 200
    assert len(await inbox.read("dispatch")) == 1
    counts = app.counts["bot"]
    assert (counts.accepted, counts.events, counts.duplicates) == (2, 1, 1)


async def test_url_verification_answers_the_platforms_echo(web):
    answer = await web.get("/hooks/bot", headers=GOOD, params={"echostr": "12345"})
    assert answer.text == "12345"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("POST", "/hooks/bot", {}, b"{}", 401),
        ("POST", "/hooks/bot", GOOD, b"no json", 400),
        ("POST", "/hooks/bot", GOOD, b"x" * 201, 413),
        ("PUT", "/hooks/bot", GOOD, b"{}", 405),
        ("POST", "/hooks/nobody", GOOD, b"{}", 404),
        ("POST", "/hooks/deaf", GOOD, b"{}", 404),
        ("POST", "/hooks/bot/more", GOOD, b"{}", 404),
        ("POST", "/elsewhere", GOOD, b"{}", 404),
    ],
)
async def test_refusals_tell_nothing(web, inbox, method, path, headers, body, status):
    answer = await web.request(method, path, headers=headers, content=body)
    assert answer.status_code == status
    assert b"s3cret" not in answer.content
    assert b"number" not in answer.content
    assert await inbox.read("dispatch") == []


async def test_a_body_without_length_is_limited_too(web, app):
    async def endless():
        for _ in range(50):
            yield b"x" * 10

    answer = await web.post("/hooks/bot", headers=GOOD, content=endless())
    assert answer.status_code == 413
    assert app.counts["bot"].too_large == 1


async def test_what_cannot_be_stored_is_not_acknowledged(web, inbox, monkeypatch):
    async def full(*_: object, **__: object) -> None:
        raise StoreFull("inbox inbox.db is full")

    monkeypatch.setattr(inbox, "add", full)
    answer = await web.post("/hooks/bot", headers=GOOD, json={"number": 1})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert b"inbox" not in answer.content


async def test_a_bug_is_500_without_a_trace(web, monkeypatch):
    def bug(*_: object) -> None:
        raise KeyError("s3cret")

    monkeypatch.setattr(EchoAdapter, "verify", bug)
    answer = await web.post("/hooks/bot", headers=GOOD, json={"number": 1})
    assert (answer.status_code, answer.content) == (500, b"internal error")


async def test_it_mounts_under_another_application(app):
    starlette = pytest.importorskip("starlette.applications")
    from starlette.routing import Mount

    outer = starlette.Starlette(routes=[Mount("/community", app)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://web") as client:
        answer = await client.post("/community/hooks/bot", headers=GOOD, json={"number": 2})
    assert answer.status_code == 200


async def test_lifespan_and_hang_up(app):
    said: list[str] = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    async def send(message):
        said.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    said.clear()
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    scope = {"type": "http", "method": "POST", "path": "/hooks/bot", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert said == []
    assert app.counts["bot"].bad == 1
