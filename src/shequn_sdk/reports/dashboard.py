"""The live report as a small ASGI application for a browser on the same machine."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import anyio.to_thread

from shequn_sdk.errors import ShequnError
from shequn_sdk.reports.model import Report

__all__ = ["ASGIApp", "dashboard_app"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Pages:
    """Builds the page when it is asked for and older than `max_age`; one build at a time."""

    def __init__(self, build: Callable[[], Awaitable[Report]], *, max_age: float) -> None:
        self._build = build
        self._max_age = max_age
        self._lock = anyio.Lock()
        self._pages: dict[str, tuple[str, bytes]] = {}
        self._made = 0.0

    async def get(self, path: str) -> tuple[str, bytes] | None:
        async with self._lock:
            if not self._pages or time.monotonic() - self._made >= self._max_age:
                report = await self._build()
                self._pages = await anyio.to_thread.run_sync(_render, report)
                self._made = time.monotonic()
            return self._pages.get(path)


def _render(report: Report) -> dict[str, tuple[str, bytes]]:
    pages = {
        "/": ("text/html; charset=utf-8", report.html().encode()),
        "/report.md": ("text/markdown; charset=utf-8", report.markdown().encode()),
    }
    for name, text in report.csv().items():
        pages[f"/{name}.csv"] = ("text/csv; charset=utf-8", text.encode())
    return pages


def dashboard_app(build: Callable[[], Awaitable[Report]], *, max_age: float = 30.0) -> ASGIApp:
    """Give an application that serves the live report at `/`, its Markdown and its CSV files.

    Only requests from this machine that name this machine are answered: others get 403, because a report holds
    members' names. A page is built again when it is older than `max_age` seconds, and reloads itself.

    Args:
        build: builds the report, usually `build_report` with fresh context.
        max_age: seconds that a built report is served again.
    """
    pages = _Pages(build, max_age=max_age)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        if not _is_local(scope):
            await _answer(
                send, 403, "text/plain; charset=utf-8", b"the dashboard answers this machine only\n"
            )
            return
        if scope["method"] not in {"GET", "HEAD"}:
            await _answer(send, 405, "text/plain; charset=utf-8", b"only GET\n")
            return
        try:
            page = await pages.get(scope["path"])
        except ShequnError as error:
            await _answer(send, 503, "text/plain; charset=utf-8", f"{error}\n".encode())
            return
        if page is None:
            await _answer(send, 404, "text/plain; charset=utf-8", b"no such page\n")
            return
        kind, body = page
        refresh = max(5, round(max_age))
        extra = [(b"refresh", str(refresh).encode())] if scope["path"] == "/" else []
        await _answer(send, 200, kind, body, head=scope["method"] == "HEAD", extra=extra)

    return app


def _is_local(scope: Scope) -> bool:
    """Tell whether a request comes from this machine and names it; the name guards against DNS rebinding."""
    client = scope.get("client")
    if client and not _loopback(client[0]):
        return False
    host = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"host"), "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name.strip("[]") == "localhost" or _loopback(name.strip("[]"))


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _answer(
    send: Send,
    status: int,
    kind: str,
    body: bytes,
    *,
    head: bool = False,
    extra: list[tuple[bytes, bytes]] | None = None,
) -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        *(extra or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
