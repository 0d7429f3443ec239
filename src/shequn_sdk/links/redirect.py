"""The ASGI application behind short links: it redirects to stored targets only, and remembers nobody."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from shequn_sdk.errors import ShequnError

__all__ = ["RedirectApp", "looks_like_robot"]

_log = logging.getLogger(__name__)
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_CODE = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_ROBOT = re.compile(
    r"bot\b|crawl|spider|slurp|preview|facebookexternalhit|whatsapp|embed|curl/|wget/|python-|httpx|aiohttp|go-http|"
    r"java/|okhttp|headless|monitor|uptime|scan",
    re.IGNORECASE,
)
_PAGES = {
    404: "这个链接不存在或已停用。 This link does not exist or has ended.",
    405: "method not allowed",
    503: "请稍后再试。 Please try again in a moment.",
}


def looks_like_robot(user_agent: str, *, method: str = "GET", purpose: str = "") -> bool:
    """Whether a request is a messenger's preview, a crawler or a prefetch, and not somebody who tapped.

    It goes by what they say of themselves: whoever pretends to be a browser counts as a person.
    """
    return (
        method == "HEAD" or not user_agent or "prefetch" in purpose.lower() or bool(_ROBOT.search(user_agent))
    )


class Clicked(Protocol):
    """Looks up a code, counts the click durably, and gives the target; None when there is none."""

    async def __call__(self, code: str, *, robot: bool) -> str | None:
        """Count one click."""
        ...


class RedirectApp:
    """`GET /{code}` answers 302 to the stored target; mount it anywhere (短链跳转).

    What it is given with a request (address, user agent, query) is neither stored nor logged, and no part of a request
    gets into the answer: it cannot be made to lead elsewhere.
    """

    def __init__(self, clicked: Clicked) -> None:
        """Redirect by what `clicked` gives."""
        self._clicked = clicked

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        status, headers, body = await self._answer(scope)
        headers += [
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-robots-tag", b"noindex"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: _Scope) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if scope["method"] not in {"GET", "HEAD"}:
            status, headers, body = _page(405)
            return status, [*headers, (b"allow", b"GET, HEAD")], body
        code = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")
        if not _CODE.match(code):
            return _page(404)
        given = {name: value.decode("latin-1") for name, value in scope["headers"]}
        robot = looks_like_robot(
            given.get(b"user-agent", ""),
            method=scope["method"],
            purpose=given.get(b"purpose", "") + given.get(b"sec-purpose", ""),
        )
        try:
            target = await self._clicked(code, robot=robot)
        except ShequnError as error:
            _log.warning("a short link could not be looked up: %s", type(error).__name__)
            status, headers, body = _page(503)
            return status, [*headers, (b"retry-after", b"5")], body
        if target is None:
            return _page(404)
        return 302, [(b"location", target.encode("ascii"))], b""


def _page(status: int) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return status, [(b"content-type", b"text/plain; charset=utf-8")], _PAGES[status].encode()
