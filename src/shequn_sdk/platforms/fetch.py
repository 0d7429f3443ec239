"""Fetches what strangers publish, without letting them reach into our network or fill our memory."""

from __future__ import annotations

import email.utils
import ipaddress
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit, urlunsplit

import anyio
import httpx

from shequn_sdk.errors import InvalidInput, Unavailable
from shequn_sdk.platforms.http import verified_tls

__all__ = ["Fetched", "Fetcher", "Resolver", "TooLarge", "host_of", "retry_after"]

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host."""


class TooLarge(Unavailable):
    """An answer of more bytes than were asked for."""


_MOST_HOPS = 5
_PERMANENT = frozenset({301, 308})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BODILESS = _REDIRECTS | {204, 304}
_LOW_PORTS = frozenset({80, 443})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, read whole; header names are lower case."""

    status: int
    url: str
    """Where it was in the end."""
    moved_to: str
    """Where it is from now on, when every redirect on the way was permanent; "" otherwise."""
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def host_of(url: str) -> str:
    """Give `host:port` of an address, as `private` names it.

    Raises:
        InvalidInput: it is no http or https address.
    """
    host, port, _ = _parts(url)
    return f"{host}:{port}"


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """Read how long a server asks to wait, as seconds or as a date; None when it does not."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit() and len(value) < 10:
        return timedelta(seconds=int(value))
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return max(when - now, timedelta(0))


def _parts(url: str) -> tuple[str, int, str]:
    """Give host, port and scheme."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        host, port, parts = "", 0, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or any(ord(one) <= 32 for one in url):
        raise InvalidInput(f"{url[:200]!r} is no http or https address")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("an address with a name or password in it is not fetched")
    try:
        host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        raise InvalidInput(f"{url[:200]!r} names no valid host") from None
    if port < 1024 and port not in _LOW_PORTS:
        raise InvalidInput(f"port {port} is no port of the web; it is not fetched")
    return host, port, parts.scheme


def _is_public(address: str) -> bool:
    try:
        ip: Any = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if ip.version == 6:
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.ip_address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


async def _resolve(host: str, port: int) -> list[str]:
    found = await anyio.getaddrinfo(host, port, type=1)  # a stream
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Reads addresses that strangers gave us (安全抓取).

    Every hop is resolved and checked before it is connected to, and the connection goes to the very address that was
    checked. Certificates are verified, proxies of the environment are not used, and nothing is sent that tells who asks
    beyond `user_agent`.
    """

    def __init__(
        self,
        *,
        user_agent: str = "shequn-sdk (feed reader)",
        most_bytes: int = 5 * 1024 * 1024,
        timeout: timedelta = timedelta(seconds=20),
        resolver: Resolver | None = None,
        transport: Any = None,
    ) -> None:
        """Read up to `most_bytes`, unpacked, within `timeout` for all hops together.

        Args:
            user_agent: how it introduces itself.
            most_bytes: largest answer.
            timeout: for everything, redirects included.
            resolver: gives a host's addresses; the machine's own when not given.
            transport: an httpx transport instead of the network, for tests.
        """
        self._most = most_bytes
        self._timeout = timeout / timedelta(seconds=1)
        self._resolve = resolver or _resolve
        self._client = httpx.AsyncClient(
            headers={"User-Agent": user_agent, "Accept-Encoding": "gzip, deflate"},
            timeout=httpx.Timeout(self._timeout, connect=min(10.0, self._timeout)),
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=0),
            transport=transport,
            verify=verified_tls(),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        """Open; makes no request."""
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._client.__aexit__(kind, error, trace)

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, private: frozenset[str] = frozenset()
    ) -> Fetched:
        """Fetch one address, following redirects.

        Args:
            url: http or https.
            headers: sent with every hop.
            private: `host:port` in private networks that are meant to be reached (`host_of`); no others are.

        Raises:
            InvalidInput: the address, or one to which it redirects, is none that may be fetched.
            Unavailable: no answer in time, too large an answer, or too many redirects.
        """
        permanent, here = True, url
        try:
            with anyio.fail_after(self._timeout):
                for _ in range(_MOST_HOPS + 1):
                    answer = await self._hop(here, headers or {}, private)
                    if answer.status not in _REDIRECTS or "location" not in answer.headers:
                        moved = here if permanent and here != url else ""
                        return Fetched(answer.status, here, moved, answer.headers, answer.body)
                    permanent = permanent and answer.status in _PERMANENT
                    here = urljoin(here, answer.headers["location"].strip())
        except TimeoutError:
            raise Unavailable(f"{_shown(url)} did not answer within {self._timeout:g} s") from None
        raise Unavailable(f"{_shown(url)} redirects more than {_MOST_HOPS} times")

    async def _hop(self, url: str, headers: Mapping[str, str], private: frozenset[str]) -> Fetched:
        host, port, scheme = _parts(url)
        address = await self._checked(host, port, allowed=f"{host}:{port}" in private)
        parts = urlsplit(url)
        target = f"[{address}]" if ":" in address else address
        usual = port == (443 if scheme == "https" else 80)
        pinned = urlunsplit((scheme, f"{target}:{port}", parts.path or "/", parts.query, ""))
        name = f"[{host}]" if ":" in host else host
        try:
            request = self._client.build_request(
                "GET",
                pinned,
                headers={**headers, "Host": name if usual else f"{name}:{port}"},
                extensions={"sni_hostname": host},
            )
            answer = await self._client.send(request, stream=True)
            try:
                body = b"" if answer.status_code in _BODILESS else await self._read(answer, url)
            finally:
                await answer.aclose()
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise Unavailable(f"{_shown(url)} cannot be read ({type(error).__name__})") from None
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise InvalidInput(f"{_shown(url)} cannot be fetched: {error}") from None
        told = {name.lower(): value for name, value in answer.headers.items()}
        return Fetched(answer.status_code, url, "", told, body)

    async def _checked(self, host: str, port: int, *, allowed: bool) -> str:
        """Give the address to connect to; every address of the host must be allowed."""
        try:
            addresses = await self._resolve(host, port)
        except OSError:
            addresses = []
        if not addresses:
            raise Unavailable(f"the host {host} is not known")
        if not allowed and not all(_is_public(one) for one in addresses):
            raise InvalidInput(
                f"{host} is an address of a private network; what is on your own network has to be named as private"
            )
        return addresses[0].partition("%")[0]

    async def _read(self, answer: httpx.Response, url: str) -> bytes:
        """Read the body, unpacking no more than is allowed."""
        packed = answer.headers.get("content-encoding", "").lower().strip()
        unpack: Any = None
        if packed in {"gzip", "x-gzip", "deflate"}:
            unpack = zlib.decompressobj(47 if "gzip" in packed else 15)
        elif packed not in {"", "identity"}:
            raise Unavailable(f"{_shown(url)} is packed with {packed[:20]}, which was not asked for")
        out = bytearray()
        async for chunk in answer.aiter_raw():
            data = chunk
            if unpack is not None:
                try:
                    data = unpack.decompress(chunk, self._most + 1 - len(out))
                except zlib.error:
                    raise Unavailable(f"{_shown(url)} cannot be unpacked") from None
            out += data
            if len(out) > self._most:
                raise TooLarge(f"{_shown(url)} is larger than {self._most} bytes")
        return bytes(out)


def _shown(url: str) -> str:
    """Give an address for messages: without its query, which may hold a key."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))[:200]
