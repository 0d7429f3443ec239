"""Requests to a platform's app, with faults played on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from shequn_sdk.testing.sandbox.api import Fault, FaultKind, FaultSource, PlatformSandbox

__all__ = [
    "TRANSPORT",
    "Message",
    "PlayedApp",
    "Receive",
    "Scope",
    "Send",
    "answer",
    "break_connection",
    "read_body",
]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TRANSPORT = "shequn.transport"
"""Key of the scope's extensions under which the connection's transport is found."""

_AFTER = frozenset({FaultKind.SERVER_ERROR_AFTER, FaultKind.RESET_AFTER, FaultKind.MALFORMED, FaultKind.SLOW})
_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
_LINGER_ZERO = struct.pack("ii", 1, 0)


class TooLarge(Exception):
    """The body of a request is past the limit."""


class Gone(Exception):
    """The client went away while it was sending."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read a request's body whole.

    Raises:
        TooLarge: it has more than `limit` bytes.
        Gone: the client went away before its end.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def answer(
    send: Send, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, close: bool = False
) -> None:
    """Send a whole answer."""
    pairs = {name.lower(): value for name, value in (headers or {}).items()}
    pairs.setdefault("content-type", "text/plain; charset=utf-8")
    pairs["content-length"] = str(len(body))
    if close:
        pairs["connection"] = "close"
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def break_connection(scope: Scope) -> None:
    """Cut the TCP connection under a request, so that the peer sees a reset."""
    transport = scope["extensions"][TRANSPORT]
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
    # the server learns of it in its loop's next rounds; until then it would take the missing answer for a mistake
    for _ in range(3):
        await asyncio.sleep(0)


class _Held:
    """An answer that is kept back until it is whole."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    async def release(self, send: Send, *, body: bytes | None = None) -> None:
        data = bytes(self.body) if body is None else body
        status = self.status if body is None or self.status not in {204, 304} else 200
        headers = [(name, value) for name, value in self.headers if name.lower() != b"content-length"]
        if status not in {204, 304}:
            headers.append((b"content-length", str(len(data)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})


def _cut(body: bytes) -> bytes:
    return body[: len(body) // 2] if len(body) > 1 else b'{"cut": '


class PlayedApp:
    """ASGI application around a platform's own: reads bodies within the limit and plays the faults."""

    def __init__(
        self, platform: PlatformSandbox, *, faults: FaultSource, max_body: int, stopping: asyncio.Event
    ) -> None:
        self._platform = platform
        self._faults = faults
        self._max_body = max_body
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or websocket; `scope` has the platform's prefix in `root_path` already."""
        if scope["type"] != "http":
            await self._platform.app(scope, receive, send)
            return
        try:
            body = await read_body(receive, self._max_body)
        except Gone:
            return
        except TooLarge:
            await answer(send, 413, b"Request Entity Too Large", close=True)
            return
        operation = self._platform.operation(scope["method"], scope["path"])
        fault = self._faults.for_request(self._platform.platform, operation)
        if fault is None:
            await self._platform.app(scope, _replay(body, receive), send)
        elif fault.kind in _AFTER:
            await self._after(fault, scope, _replay(body, receive), send)
        else:
            await self._instead(fault, scope, send)

    async def _instead(self, fault: Fault, scope: Scope, send: Send) -> None:
        if fault.kind is FaultKind.RESET_BEFORE:
            await break_connection(scope)
        elif fault.kind is FaultKind.RATE_LIMIT:
            status, headers, body = self._platform.rate_limited(fault.delay or 1.0)
            await answer(send, status, body, headers)
        else:
            await answer(send, 502, _BAD_GATEWAY, {"content-type": "text/html"})

    async def _after(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        held = _Held()
        await self._platform.app(scope, receive, held.send)
        if fault.kind is FaultKind.RESET_AFTER:
            await break_connection(scope)
        elif fault.kind is FaultKind.SERVER_ERROR_AFTER:
            await answer(send, 502, _BAD_GATEWAY, {"content-type": "text/html"})
        elif fault.kind is FaultKind.MALFORMED:
            await held.release(send, body=_cut(bytes(held.body)))
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(fault.delay):
                    await self._stopping.wait()
            await held.release(send)


def _replay(body: bytes, receive: Receive) -> Receive:
    rest: Iterable[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again() -> Message:
        for message in rest:
            return message
        return await receive()

    return again
