"""Reading what strangers publish."""

from __future__ import annotations

import gzip
import zlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shequn_sdk.errors import InvalidInput, Unavailable
from shequn_sdk.platforms.fetch import Fetcher, host_of, retry_after

PUBLIC = "93.184.216.34"
NAMES = {
    "good.example": [PUBLIC],
    "other.example": [PUBLIC],
    "inside.example": ["10.0.0.7"],
    "both.example": [PUBLIC, "127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat.example": ["64:ff9b::a9fe:a9fe"],
    "sixto4.example": ["2002:7f00:1::"],
    "link.example": ["fe80::1%eth0"],
    "v6.example": ["2606:2800:220:1:248:1893:25c8:1946"],
    "localhost": ["127.0.0.1"],
    "127.0.0.1": ["127.0.0.1"],
    "2130706433": ["127.0.0.1"],
    "169.254.169.254": ["169.254.169.254"],
    "::1": ["::1"],
    "0.0.0.0": ["0.0.0.0"],
    "metadata": ["100.100.100.200"],
    "cast.example": ["224.0.0.1"],
}


async def resolve(host, port):
    if host not in NAMES:
        raise OSError("unknown")
    return NAMES[host]


class Web:
    """Answers by host and path, and remembers what it was asked."""

    def __init__(self, pages) -> None:
        self.pages = pages
        self.asked: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.pages[f"{request.headers['host']}{request.url.path}"]
        return answer(request) if callable(answer) else answer


def fetcher(pages, **options) -> tuple[Fetcher, Web]:
    web = Web(pages)
    return Fetcher(resolver=resolve, transport=httpx.MockTransport(web), **options), web


def to(url: str, status: int = 302) -> httpx.Response:
    return httpx.Response(status, headers={"location": url})


async def test_the_checked_address_is_the_one_that_is_connected_to():
    one, web = fetcher(
        {"good.example/feed": httpx.Response(200, stream=Chunks(b"hi"), headers={"ETag": '"1"'})}
    )
    async with one:
        found = await one.get("https://good.example/feed", headers={"If-None-Match": '"0"'})
    assert (found.status, found.body, found.headers["etag"], found.moved_to) == (200, b"hi", '"1"', "")
    [asked] = web.asked
    assert asked.url.host == PUBLIC
    assert asked.headers["host"] == "good.example"
    assert asked.extensions["sni_hostname"] == "good.example"
    assert asked.headers["if-none-match"] == '"0"'


@pytest.mark.parametrize(
    "host",
    [
        name if ":" not in name else f"[{name}]"
        for name in NAMES
        if name not in {"good.example", "other.example", "v6.example"}
    ],
)
@pytest.mark.parametrize("redirected", [False, True])
async def test_private_addresses_are_not_reached(host, redirected):
    url = f"http://{host}/secret"
    one, web = fetcher({"good.example/feed": to(url)})
    async with one:
        with pytest.raises(InvalidInput, match="private"):
            await one.get("http://good.example/feed" if redirected else url)
    assert [asked.headers["host"] for asked in web.asked] == (["good.example"] if redirected else [])


async def test_a_name_that_changes_between_check_and_connection_gains_nothing():
    turns = iter([[PUBLIC], ["127.0.0.1"]])

    async def turning(host, port):
        return next(turns)

    web = Web({"good.example/feed": to("http://good.example/next", 302)})
    async with Fetcher(resolver=turning, transport=httpx.MockTransport(web)) as one:
        with pytest.raises(InvalidInput, match="private"):
            await one.get("http://good.example/feed")
    assert [asked.url.host for asked in web.asked] == [PUBLIC]


async def test_what_is_named_private_is_reached_and_nothing_beside_it():
    named = frozenset({host_of("http://localhost:8080/feed")})
    pages = {
        "localhost:8080/feed": httpx.Response(200, stream=Chunks(b"mine")),
        "localhost:8080/away": to("http://localhost:9090/admin"),
    }
    one, _ = fetcher(pages)
    async with one:
        assert (await one.get("http://localhost:8080/feed", private=named)).body == b"mine"
        with pytest.raises(InvalidInput, match="private"):
            await one.get("http://localhost:8080/away", private=named)
        with pytest.raises(InvalidInput, match="private"):
            await one.get("http://localhost:8080/feed")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://good.example/",
        "gopher://good.example/",
        "//good.example",
        "good.example",
        "",
        "http://",
        "http://a:b@good.example/",
        "http://good.example:22/",
        "http://good.example:25/x",
        "http://good.example:99999/",
        "http://good example/",
        "javascript:alert(1)",
    ],
)
async def test_addresses_that_are_not_fetched(url):
    one, web = fetcher({"good.example/": to(url)})
    async with one:
        with pytest.raises((InvalidInput, Unavailable)):
            await one.get(url)
    assert not web.asked


async def test_redirects_for_good_and_for_now():
    pages = {
        "good.example/1": to("/2", 301),
        "good.example/2": to("https://other.example/3", 308),
        "other.example/3": lambda _: httpx.Response(200, stream=Chunks(b"x")),
        "good.example/now": to("/1", 302),
        "good.example/round": to("/round"),
        "good.example/ftp": to("ftp://good.example/"),
    }
    one, web = fetcher(pages)
    async with one:
        found = await one.get("http://good.example/1")
        assert (found.url, found.moved_to) == ("https://other.example/3",) * 2
        assert (await one.get("http://good.example/now")).moved_to == ""
        with pytest.raises(Unavailable, match="redirects more than"):
            await one.get("http://good.example/round")
        with pytest.raises(InvalidInput):
            await one.get("http://good.example/ftp")
    assert len(web.asked) < 20


def packed(data: bytes) -> httpx.Response:
    return httpx.Response(200, stream=Chunks(gzip.compress(data)), headers={"content-encoding": "gzip"})


class Chunks(httpx.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.given = 0

    async def __aiter__(self):
        for at in range(0, len(self.data), 4096):
            self.given += 1
            yield self.data[at : at + 4096]


async def test_size_is_counted_unpacked_and_while_reading():
    stream = Chunks(b"x" * 10_000_000)
    pages = {
        "good.example/ok": packed(b"a" * 900),
        "good.example/bomb": packed(b"\0" * 50_000_000),
        "good.example/long": httpx.Response(200, stream=stream),
        "good.example/bad": httpx.Response(
            200, stream=Chunks(b"no gzip"), headers={"content-encoding": "gzip"}
        ),
        "good.example/br": httpx.Response(200, stream=Chunks(b"?"), headers={"content-encoding": "br"}),
        "good.example/deflate": httpx.Response(
            200, stream=Chunks(zlib.compress(b"hi")), headers={"content-encoding": "deflate"}
        ),
    }
    one, _ = fetcher(pages, most_bytes=1000)
    async with one:
        assert (await one.get("http://good.example/ok")).body == b"a" * 900
        assert (await one.get("http://good.example/deflate")).body == b"hi"
        for path, words in (("bomb", "larger"), ("long", "larger"), ("bad", "unpacked"), ("br", "packed")):
            with pytest.raises(Unavailable, match=words):
                await one.get(f"http://good.example/{path}")
    assert stream.given < 5


async def test_slow_servers_and_unknown_hosts():
    import anyio

    async def slow(request):
        await anyio.sleep(30)

    async with Fetcher(
        resolver=resolve, transport=httpx.MockTransport(slow), timeout=timedelta(seconds=0.1)
    ) as one:
        with pytest.raises(Unavailable, match="did not answer"):
            await one.get("http://good.example/feed?key=secret")
        with pytest.raises(Unavailable, match="not known") as caught:
            await one.get("http://nowhere.example/?key=secret")
    assert "secret" not in str(caught.value)


def test_how_long_a_server_asks_to_wait():
    now = datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert retry_after({"retry-after": "120"}, now=now) == timedelta(minutes=2)
    assert retry_after({"retry-after": "Sat, 21 Nov 2026 08:05:00 GMT"}, now=now) == timedelta(minutes=5)
    assert retry_after({"retry-after": "Sat, 21 Nov 2020 08:05:00 GMT"}, now=now) == timedelta(0)
    for value in ("", "soon", "-5", "9" * 40):
        assert retry_after({"retry-after": value}, now=now) is None


@pytest.fixture
def tls(tmp_path):
    """Give a starter of HTTPS servers with a certificate for one name, and what trusts them."""
    import ssl
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.headers["Host"].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    running = []

    def start(name: str):
        key = ec.generate_private_key(ec.SECP256R1())
        who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder(who, who, key.public_key(), 7)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = tmp_path / f"{name}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return server.server_port, ssl.create_default_context(cafile=str(pem))

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("name", ["good.example", "evil.example"])
async def test_certificates_are_checked_against_the_name_not_the_address(tls, name):
    port, trust = tls(name)

    async def here(host, port):
        return ["127.0.0.1"]

    url = f"https://good.example:{port}/feed"
    async with Fetcher(resolver=here, transport=httpx.AsyncHTTPTransport(verify=trust)) as one:
        if name == "good.example":
            assert (
                await one.get(url, private=frozenset({host_of(url)}))
            ).body == f"good.example:{port}".encode()
        else:
            with pytest.raises(Unavailable):
                await one.get(url, private=frozenset({host_of(url)}))
