import asyncio
import contextlib
import gzip
import logging
import socket
import ssl
import struct
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import httpx
import pytest
import respx

from shequn_sdk.errors import ConfigError, Landing, RateLimited, Unavailable
from shequn_sdk.platforms import seams
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart, HttpClient, Redactor
from shequn_sdk.scheduling.clock import SystemClock

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


# who may say that nothing was sent: against raw servers, with both kinds of connections


class RawServer:
    """A TCP server that notes what it read and misbehaves as it is told."""

    def __init__(self, behave):
        self.behave = behave
        self.read = b""
        self.connections = 0

    async def __aenter__(self):
        self._writers = []
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        self.connections += 1
        self._writers.append(writer)
        await self.behave(self, reader, writer)

    async def request(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            ),
            0,
        )
        whole = head + await reader.readexactly(length)
        self.read += whole
        return whole


def reset(writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def close_unread(server, reader, writer):
    reset(writer)


async def read_then_reset(server, reader, writer):
    await server.request(reader)
    reset(writer)


async def read_then_close(server, reader, writer):
    await server.request(reader)
    writer.close()


async def half_an_answer(server, reader, writer):
    await server.request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.02)
    reset(writer)


async def no_http(server, reader, writer):
    await server.request(reader)
    writer.write(b"SSH-2.0-OpenSSH_9\r\n\r\n")
    await writer.drain()


async def never(server, reader, writer):
    await server.request(reader)


async def first_good_then_reset(server, reader, writer):
    await server.request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    await writer.drain()
    await server.request(reader)
    reset(writer)


@pytest.fixture(params=["httpx", "aiohttp", "bare httpx-aiohttp"])
async def network(request):
    """Give a context that reaches the real network by one kind of connections."""

    def context(**more):
        if request.param == "httpx":
            transport = httpx.AsyncHTTPTransport(trust_env=False)
        elif request.param == "aiohttp":
            transport = pytest.importorskip("shequn_sdk.platforms.fast").FastTransport()
        else:
            transport = pytest.importorskip("httpx_aiohttp").AiohttpTransport(trust_env=False)
        return AdapterContext(clock=SystemClock(), transport=transport, **more)

    return context


async def fails(base_url, context, method="POST", **more):
    async with HttpClient(platform="e", base_url=base_url, context=context) as client:
        with pytest.raises(Unavailable) as caught:
            await client.request(method, "/x", operation="x", **({"json": {"text": "hello"}} | more))
    return caught.value


@pytest.mark.parametrize(
    "behave", [close_unread, read_then_reset, read_then_close, half_an_answer, no_http, never]
)
async def test_what_was_connected_has_perhaps_landed(network, behave, request):
    if behave is no_http and "bare" in request.node.callspec.id:
        pytest.skip("the bare library lets an error of aiohttp's own through")
    async with RawServer(behave) as server:
        error = await fails(server.url, network(timeout=1.5 if behave is never else 60.0))
    assert error.landed is Landing.PERHAPS
    assert server.connections == 1
    assert bool(server.read) is (behave is not close_unread)


async def test_a_reset_of_a_kept_connection_has_perhaps_landed(network):
    async with (
        RawServer(first_good_then_reset) as server,
        HttpClient(platform="e", base_url=server.url, context=network()) as client,
    ):
        assert (await client.request("POST", "/x", operation="x", json={})).json() == {}
        with pytest.raises(Unavailable) as caught:
            await client.request("POST", "/x", operation="x", json={})
    assert caught.value.landed is Landing.PERHAPS
    assert server.connections == 1


async def test_a_repeated_connect_does_not_hide_that_the_first_one_sent(network):
    """A library that repeats GET and PUT by itself must not end with "not reached" after it had sent."""

    async def once(server, reader, writer):
        await first_good_then_reset(server, reader, writer)

    async with RawServer(once) as server:
        context = network(timeout=30.0)
        async with HttpClient(platform="e", base_url=server.url, context=context) as client:
            await client.request("PUT", "/x", operation="x")
            server._server.close()
            with pytest.raises(Unavailable) as caught:
                await client.request("PUT", "/x", operation="x")
    if type(context.transport).__module__.startswith("httpx_aiohttp"):
        pytest.skip("the bare library cannot tell; HttpClient never uses it bare")
    assert caught.value.landed is Landing.PERHAPS


async def test_a_refused_connection_was_surely_not_used(network):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: refused for sure
        error = await fails(f"http://127.0.0.1:{held.getsockname()[1]}", network())
    assert error.landed is Landing.SURELY_NOT


async def test_a_name_that_is_unknown_was_surely_not_reached(network):
    error = await fails("http://no-such-host.invalid", network(timeout=30.0))
    assert error.landed is Landing.SURELY_NOT


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops the SYN when the backlog is full")
async def test_a_connect_that_nobody_answers_was_surely_not_used(network):
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        error = await fails(f"http://127.0.0.1:{deaf.getsockname()[1]}", network(timeout=0.4))
    assert error.landed is Landing.SURELY_NOT


async def test_a_certificate_that_nobody_signed_is_not_spoken_to(network, tmp_path):
    certificate = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    said = []

    async def serve(reader, writer):
        with contextlib.suppress(OSError):
            said.append(await reader.read(100))
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        error = await fails(
            f"https://localhost:{server.sockets[0].getsockname()[1]}".replace("localhost", "127.0.0.1"),
            network(),
        )
    assert error.landed is Landing.SURELY_NOT
    assert not any(said)


def self_signed(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem, secret


async def test_tls_bodies_uploads_and_redirects_are_the_same_on_every_connection(network, tmp_path):
    """What goes out and what comes back does not depend on the library below."""
    seen = []

    async def answer(server, reader, writer):
        while True:
            try:
                seen.append(await server.request(reader))
            except asyncio.IncompleteReadError:
                return
            where = seen[-1].split(b" ")[1]
            if where == b"/moved":
                writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
            elif where == b"/zip":
                body = gzip.compress('{"甲":1}'.encode())
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nSet-Cookie: a=b\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
                )
            else:
                writer.write(b"HTTP/1.1 201 Created\r\nX-Limit: 7\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()

    async with (
        RawServer(answer) as server,
        HttpClient(platform="e", base_url=server.url, context=network(), headers={"X-App": "1"}) as client,
    ):
        made = await client.request("PUT", "/a%2Fb/%E7%94%B2?q=%2B1", operation="x", json={"文": "字"})
        assert (made.status, made.headers["x-limit"], made.json()) == (201, "7", {})
        moved = await client.request("GET", "/moved", operation="x")
        assert (moved.status, moved.headers["location"]) == (302, "/elsewhere")
        assert (await client.request("GET", "/zip", operation="x")).json() == {"甲": 1}
        large = bytes(range(256)) * 4096
        await client.request(
            "POST", "/f", operation="x", form={"a": "b"}, files={"p": FilePart("图.bin", large, "image/png")}
        )
        await client.request("POST", "/raw", operation="x", content=b"z" * 100_000)
    assert seen[0].startswith(b"PUT /a%2Fb/%E7%94%B2?q=%2B1 HTTP/1.1\r\n")
    assert seen[0].endswith('\r\n\r\n{"文":"字"}'.encode())
    assert b"x-app: 1" in seen[0].lower()
    assert large in seen[3]
    assert seen[4].endswith(b"z" * 100_000)


async def test_an_endless_answer_is_cut_off(network, monkeypatch):
    monkeypatch.setattr("shequn_sdk.platforms.http.MAX_RESPONSE_BYTES", 100_000)

    async def endless(server, reader, writer):
        await server.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"x" * 10_000)
                await writer.drain()

    async with RawServer(endless) as server:
        error = await fails(server.url, network())
    assert error.landed is Landing.PERHAPS
    assert "more than 100000 bytes" in str(error)


async def test_many_at_once_wait_for_a_free_connection(network):
    async def slowly(server, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await server.request(reader)
                await asyncio.sleep(0.005)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with (
        RawServer(slowly) as server,
        HttpClient(platform="e", base_url=server.url, context=network()) as client,
    ):
        answers = await asyncio.gather(
            *(client.request("POST", "/x", operation="x", json=number) for number in range(60))
        )
    assert [answer.status for answer in answers] == [200] * 60


async def test_a_request_that_waits_in_vain_for_a_connection_was_surely_not_sent():
    fast = pytest.importorskip("shequn_sdk.platforms.fast")
    for transport in (
        fast.FastTransport(limits=httpx.Limits(max_connections=1)),
        httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=1)),
    ):
        context = AdapterContext(clock=SystemClock(), transport=transport, timeout=0.3)
        async with (
            RawServer(never) as server,
            HttpClient(platform="e", base_url=server.url, context=context) as client,
        ):

            async def landed(delay, client=client):
                await asyncio.sleep(delay)
                with pytest.raises(Unavailable) as caught:
                    await client.request(
                        "POST", "/x", operation="x", json={}, timeout=1.0 if not delay else 0.2
                    )
                return caught.value.landed

            assert await asyncio.gather(landed(0), landed(0.1)) == [Landing.PERHAPS, Landing.SURELY_NOT]
        assert server.read.count(b"POST") == 1


async def test_the_fast_connections_are_taken_unless_tests_forbid_it(clock, monkeypatch):
    fast = pytest.importorskip("shequn_sdk.platforms.fast")

    async def transport_of(**more):
        context = AdapterContext(clock=clock, **more)
        async with HttpClient(platform="e", base_url="http://127.0.0.1:1", context=context) as client:
            with pytest.raises(Unavailable):
                await client.request("GET", "/", operation="x")
            return client._client._transport

    assert type(await transport_of()) is httpx.AsyncHTTPTransport, "respx must work in every pytest run"
    monkeypatch.setattr(seams, "use_fast_transport", True)
    assert type(await transport_of()) is fast.FastTransport
    assert type(await transport_of(transport=httpx.AsyncHTTPTransport())) is httpx.AsyncHTTPTransport
    monkeypatch.setitem(sys.modules, "shequn_sdk.platforms.fast", None)
    assert type(await transport_of()) is httpx.AsyncHTTPTransport
