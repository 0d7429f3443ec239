import logging
from datetime import timedelta

import httpx
import pytest
import respx

from shequn_sdk.errors import ConfigError, Landing, RateLimited, Unavailable
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart, HttpClient, Redactor

TOKEN = "123456:AAsecretsecret/+x"


class InstantClock:
    def __init__(self):
        self.slept = []

    def now(self):
        raise AssertionError("not needed")

    def monotonic(self):
        return 0.0

    async def sleep(self, seconds):
        self.slept.append(seconds)


@pytest.fixture
def clock():
    return InstantClock()


@pytest.fixture
async def client(clock):
    async with HttpClient(
        platform="echo",
        base_url=f"https://api.example/bot{TOKEN}/",
        context=AdapterContext(clock=clock),
        secrets=[TOKEN],
    ) as client:
        yield client


def too_many(response):
    if response.status == 429:
        raise RateLimited("slow down", platform="echo", retry_after=timedelta(seconds=7))
    if response.status >= 500:
        raise Unavailable("down", platform="echo")


@respx.mock
async def test_json_goes_out_as_utf8_without_escapes(client):
    route = respx.post(url__startswith="https://api.example/").respond(json={"ok": True})
    response = await client.request("POST", "/send", operation="send", json={"text": "早安"})
    assert response.json() == {"ok": True}
    assert route.calls[0].request.content == '{"text":"早安"}'.encode()
    assert route.calls[0].request.headers["content-type"] == "application/json"


@respx.mock
async def test_rate_limits_are_waited_for_only_when_repeating_is_safe(client, clock):
    route = respx.get(url__startswith="https://api.example/").mock(
        side_effect=[httpx.Response(429), httpx.Response(200, json=1)]
    )
    answer = await client.request("GET", "/me", operation="me", idempotent=True, check=too_many)
    assert answer.json() == 1
    assert len(route.calls) == 2
    assert 7 <= clock.slept[0] <= 7.3
    route.mock(side_effect=[httpx.Response(429)])
    with pytest.raises(RateLimited):
        await client.request("GET", "/me", operation="me", check=too_many)
    assert len(clock.slept) == 1


@respx.mock
async def test_a_rate_limit_longer_than_max_wait_is_raised_at_once(clock):
    respx.get("https://api.example/x").respond(429)
    context = AdapterContext(clock=clock)
    async with HttpClient(
        platform="e", base_url="https://api.example", context=context, max_wait=timedelta(seconds=5)
    ) as client:
        with pytest.raises(RateLimited):
            await client.request("GET", "/x", operation="x", idempotent=True, check=too_many)
    assert clock.slept == []


@pytest.mark.parametrize(
    ("failure", "landed"),
    [
        (httpx.ConnectError("refused"), Landing.SURELY_NOT),
        (httpx.ConnectTimeout("slow"), Landing.SURELY_NOT),
        (httpx.PoolTimeout("full"), Landing.SURELY_NOT),
        (httpx.ReadTimeout("slow"), Landing.PERHAPS),
        (httpx.RemoteProtocolError("reset"), Landing.PERHAPS),
        (httpx.WriteError("broken"), Landing.PERHAPS),
        (httpx.ReadError("reset"), Landing.PERHAPS),
    ],
)
@respx.mock
async def test_failures_say_whether_it_may_have_landed(client, failure, landed):
    route = respx.post(url__startswith="https://api.example/").mock(side_effect=failure)
    with pytest.raises(Unavailable) as caught:
        await client.request("POST", "/send", operation="send", json={})
    assert caught.value.landed is landed
    assert len(route.calls) == 1


@respx.mock
async def test_secrets_stay_out_of_errors_logs_and_reprs(client, caplog):
    caplog.set_level(logging.DEBUG, logger="shequn_sdk")
    respx.get(url__startswith="https://api.example/").mock(
        side_effect=httpx.ReadError(f"while reading /bot{TOKEN}/me")
    )
    with pytest.raises(Unavailable) as caught:
        await client.request("GET", "/me", operation="me", idempotent=True, attempts=2)
    shown = f"{caught.value!r} {caught.value} {client!r} {caplog.text} {client.redact!r}"
    assert "AAsecret" not in shown
    assert "***" in str(caught.value)


@respx.mock
async def test_nonsense_is_unavailable_and_perhaps_landed(client):
    respx.post(url__startswith="https://api.example/").respond(200, text="<html>busy</html>")
    response = await client.request("POST", "/send", operation="send")
    with pytest.raises(Unavailable, match="no JSON") as caught:
        response.json()
    assert caught.value.landed is Landing.PERHAPS
    respx.post(url__startswith="https://api.example/").respond(200, content=b"[" * 100_000)
    with pytest.raises(Unavailable):
        (await client.request("POST", "/send", operation="send")).json()


@respx.mock
async def test_multipart(client):
    route = respx.post(url__startswith="https://api.example/").respond(json={})
    await client.request(
        "POST",
        "/f",
        operation="f",
        form={"a": "b"},
        files={"photo": FilePart("图.png", b"\x89PNG", "image/png")},
    )
    body = route.calls[0].request.content
    assert b"\x89PNG" in body
    assert b'name="a"' in body


async def test_it_must_be_open_and_have_a_proper_base_url(clock):
    context = AdapterContext(clock=clock)
    with pytest.raises(ConfigError, match="http"):
        HttpClient(platform="e", base_url="api.example", context=context)
    with pytest.raises(ConfigError, match="not open"):
        await HttpClient(platform="e", base_url="https://api.example", context=context).request(
            "GET", "/", operation="x"
        )


async def test_a_refused_connection_surely_did_not_land(clock):
    async with HttpClient(
        platform="e", base_url="http://127.0.0.1:1", context=AdapterContext(clock=clock)
    ) as client:
        with pytest.raises(Unavailable) as caught:
            await client.request("POST", "/x", operation="x")
    assert caught.value.landed is Landing.SURELY_NOT


def test_the_redactor_knows_quoted_forms():
    redact = Redactor(["a b/c+d"])
    assert redact("x a b/c+d y a%20b%2Fc%2Bd z a+b%2Fc%2Bd") == "x *** y *** z ***"
    redact.add("abc")
    assert redact("abc") == "abc", "too short to be worth hiding"
