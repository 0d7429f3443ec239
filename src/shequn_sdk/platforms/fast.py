"""A transport with less CPU per request: httpx above, aiohttp's connections below (extra `fast`).

`HttpClient` takes it by itself when the extra is installed and no transport was given. Two things differ from the
bare library and matter for delivery: a failure counts as one of connecting only if no connection was handed out for
the request, and larger bodies go over httpx's own transport, because aiohttp has no time-out for writing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

__all__ = ["FastTransport"]

SMALL_BODY = 32 * 1024
"""Bytes up to which a body fits into the write buffer of the event loop at once, so that writing cannot stall."""

_FAILURES = (aiohttp.ClientError, OSError, TimeoutError)


class _Attempt:
    __slots__ = ("connected",)

    def __init__(self) -> None:
        self.connected = False


_attempt: ContextVar[_Attempt | None] = ContextVar("shequn_http_attempt", default=None)


class _Connector(aiohttp.TCPConnector):
    """Notes when a request got its connection: before that no byte of it can have left."""

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        attempt = _attempt.get()
        if attempt is not None:
            attempt.connected = True
        return connection


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except httpx.ReadTimeout:
            raise
        except (httpx.TransportError, *_FAILURES) as error:
            raise httpx.ReadError(str(error) or type(error).__name__) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


class FastTransport(httpx.AsyncBaseTransport):
    """An httpx transport over aiohttp's connection pool, for asyncio only.

    Args:
        limits: size of the pool; large bodies have a pool of their own of the same size.
        verify: an `ssl.SSLContext` to trust other certificates than the usual ones.
    """

    def __init__(self, *, limits: httpx.Limits | None = None, verify: Any = True) -> None:
        self._limits = limits or httpx.Limits(max_connections=10, max_keepalive_connections=10)
        self._verify = verify if verify is not True else httpx.create_ssl_context(trust_env=False)
        self._small = AiohttpTransport(verify=self._verify, client=self._session, trust_env=False)
        self._large: httpx.AsyncHTTPTransport | None = None

    def _session(self) -> aiohttp.ClientSession:
        connector = _Connector(
            limit=self._limits.max_connections or 0,
            keepalive_timeout=self._limits.keepalive_expiry,
            ssl=self._verify,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the failures are httpx's, and those of connecting mean that nothing was sent."""
        try:
            small = len(request.content) <= SMALL_BODY
        except httpx.RequestNotRead:
            small = False
        if not small:
            if self._large is None:
                self._large = httpx.AsyncHTTPTransport(verify=self._verify, limits=self._limits)
            return await self._large.handle_async_request(request)
        attempt = _Attempt()
        token = _attempt.set(attempt)
        try:
            response = await self._small.handle_async_request(request)
        except httpx.ReadTimeout:
            raise
        except (httpx.TransportError, *_FAILURES) as error:
            detail = str(error) or type(error).__name__
            if attempt.connected:
                raise httpx.RemoteProtocolError(detail) from error
            if isinstance(error, httpx.ConnectError | httpx.TimeoutException | httpx.UnsupportedProtocol):
                raise
            raise httpx.ConnectError(detail) from error
        finally:
            _attempt.reset(token)
        response.stream = _Body(response.stream)
        return response

    async def aclose(self) -> None:
        """Close both pools."""
        await self._small.aclose()
        if self._large is not None:
            await self._large.aclose()
