"""The web form for feedback: one page without scripts, an ASGI application that remembers nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from shequn_sdk.errors import InvalidInput, ShequnError
from shequn_sdk.feedback.model import FeedbackKind

__all__ = ["FormApp"]

_log = logging.getLogger(__name__)
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_MOST_BODY = 32 * 1024
_MOST_TEXT = 1000
_WINDOW = 600.0
_MOST_SENDERS = 10_000
_OPEN_FOR = 7200
"""Seconds for which a page that was loaded can be sent."""
_COOKIE = "feedback_form"
_TRAP = "website"
"""A field that people do not see: who fills it is no person."""

_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.6 system-ui,'Noto Sans CJK SC',sans-serif;max-width:36rem;"
    "margin:2rem auto;padding:0 1rem}h1{font-size:1.4rem}label{display:block;margin:1rem 0 .3rem;font-weight:600}"
    "select,textarea,button{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #888;"
    "border-radius:.4rem}textarea{min-height:9rem}button{margin-top:1rem;background:#1a5fb4;color:#fff;border:0;"
    "cursor:pointer}.hint{color:#767676;font-size:.9rem}.wrong{border-left:4px solid #c01c28;padding-left:.8rem}"
    ".trap{position:absolute;left:-999rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'".encode(),
    ),
)
_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "zh": {
            "heading": "意见反馈",
            "kind": "类型",
            "": "请选择（可不选）",
            "complaint": "投诉",
            "problem": "遇到问题",
            "idea": "建议",
            "praise": "表扬",
            "other": "其他",
            "text": "想说的话",
            "hint": f"最多 {_MOST_TEXT} 个字。匿名提交，请不要写个人信息。",
            "send": "提交",
            "thanks": "谢谢，已收到，编号 {number}。",
            "empty": "请写下想说的话。",
            "long": f"太长了：最多 {_MOST_TEXT} 个字。",
            "stale": "页面已过期或不是从本页提交的，请再提交一次。",
            "often": "提交得太频繁，请稍后再试。",
            "large": "内容太大。",
            "busy": "暂时无法提交，请稍后再试。",
            "method": "只能打开或提交这个页面。",
            "missing": "没有这个页面。",
        },
        "en": {
            "heading": "Feedback",
            "kind": "What is it?",
            "": "please choose (if you like)",
            "complaint": "a complaint",
            "problem": "a problem",
            "idea": "an idea",
            "praise": "praise",
            "other": "something else",
            "text": "What would you like to tell us?",
            "hint": f"{_MOST_TEXT} characters at most. Sent anonymously; please give no personal data.",
            "send": "Send",
            "thanks": "Thank you, we have it: number {number}.",
            "empty": "Please write what you would like to tell us.",
            "long": f"That is too long: {_MOST_TEXT} characters at most.",
            "stale": "The page is too old, or this was not sent from it. Please send it again.",
            "often": "That was often. Please try again later.",
            "large": "That is too large.",
            "busy": "This cannot be sent just now. Please try again later.",
            "method": "This page can only be opened and sent.",
            "missing": "There is no such page.",
        },
    }
)


class Take(Protocol):
    """Takes what was written, once per key, and gives its number."""

    async def __call__(self, text: str, kind: str, key: str) -> int:
        """Take it."""
        ...


class _Pace:
    """Counts submissions per address, without keeping addresses: hashes with a salt that is thrown away each window."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._until = -1.0
        self._salt = b""
        self._counts: dict[bytes, int] = {}

    def allows(self, address: str) -> bool:
        now = self._clock()
        if now >= self._until or len(self._counts) >= _MOST_SENDERS:
            self._until, self._salt = now + _WINDOW, secrets.token_bytes(16)
            self._counts.clear()
        who = hashlib.blake2b(address.encode(), key=self._salt, digest_size=8).digest()
        self._counts[who] = count = self._counts.get(who, 0) + 1
        return count <= self._most


class FormApp:
    """`GET` shows the form, `POST` takes it; mount it anywhere (反馈表单).

    A form counts only when it was loaded here, within two hours, by the same browser: it carries a signed token that has to
    match a cookie, which no other site can send. Sending one page twice is one item. Nothing of a request is logged.
    """

    def __init__(
        self,
        take: Take,
        *,
        title: str,
        language: str = "zh",
        secret: str | None = None,
        most: int = 5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Hand what is written to `take`; see `Feedback.form`.

        Raises:
            InvalidInput: no such language, or the secret is too short.
        """
        if language not in _WORDS:
            raise InvalidInput(f"there are forms in {' and '.join(_WORDS)}, not in {language!r}")
        if secret is not None and len(secret) < 16:
            raise InvalidInput("the secret of a form needs at least 16 characters")
        self._take = take
        self._title = title
        self._language = language
        self._words = _WORDS[language]
        self._secret = secret.encode() if secret is not None else secrets.token_bytes(32)
        self._clock = clock
        self._pace = _Pace(most, clock)

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
        status, body, more = await self._answer(scope, receive)
        headers = [*_HEADERS, (b"content-length", str(len(body)).encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: _Scope, receive: _Receive) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        if scope["path"].removeprefix(scope.get("root_path", "")).strip("/"):
            return self._plain(404, "missing")
        if scope["method"] in {"GET", "HEAD"}:
            return self._form(200, scope)
        if scope["method"] != "POST":
            status, body, _ = self._plain(405, "method")
            return status, body, [(b"allow", b"GET, HEAD, POST")]
        given = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not given.get(b"content-type", "").startswith("application/x-www-form-urlencoded"):
            return self._plain(415, "stale")
        data = await _read(receive)
        if data is None:
            return self._plain(413, "large")
        try:
            fields = {
                name: values[0]
                for name, values in parse_qs(data.decode(), keep_blank_values=True, max_num_fields=10).items()
            }
        except ValueError:  # no UTF-8, or too many fields
            return self._plain(400, "stale")
        return await self._taken(scope, given, fields)

    async def _taken(
        self, scope: _Scope, given: Mapping[bytes, str], fields: Mapping[str, str]
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        text = fields.get("text", "").replace("\r\n", "\n").strip()
        kind = fields.get("kind", "")
        kind = kind if kind in {one.value for one in FeedbackKind} else ""
        nonce = _cookie(given.get(b"cookie", ""))
        if not self._is_ours(given) or not self._signed(fields.get("token", ""), nonce):
            return self._form(403, scope, "stale", text, kind)
        if fields.get(_TRAP):
            return self._plain(200, "thanks", number="—")
        if not text or len(text) > _MOST_TEXT:
            return self._form(422, scope, "long" if text else "empty", text, kind)
        if not self._pace.allows((scope.get("client") or ("", 0))[0]):
            return self._form(429, scope, "often", text, kind)
        try:
            number = await self._take(text, kind, f"web/{nonce}")
        except ShequnError as error:
            _log.warning("feedback of a form could not be taken: %s", type(error).__name__)
            return self._form(503, scope, "busy", text, kind)
        return self._plain(200, "thanks", number=number)

    # -- whose form it is

    def _sign(self, nonce: str, at: int) -> str:
        mac = hmac.new(self._secret, f"{nonce}.{at}".encode(), hashlib.sha256).hexdigest()
        return f"{at}.{mac}"

    def _signed(self, token: str, nonce: str) -> bool:
        at = token.partition(".")[0]
        if not nonce or not at.isascii() or not at.isdigit() or len(at) > 12:
            return False
        fresh = 0 <= self._clock() - int(at) <= _OPEN_FOR
        return fresh and hmac.compare_digest(self._sign(nonce, int(at)).encode(), token.encode())

    @staticmethod
    def _is_ours(given: Mapping[bytes, str]) -> bool:
        """Whether the browser says that the form was sent from our own page; old ones say nothing, the cookie decides then."""
        if given.get(b"sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return False
        origin = given.get(b"origin")
        return origin is None or urlsplit(origin).netloc == given.get(b"host", "")

    # -- pages

    def _form(
        self, status: int, scope: _Scope, wrong: str = "", text: str = "", kind: str = ""
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        nonce, words = secrets.token_urlsafe(16), self._words
        choices = "".join(
            f'<option value="{one}"{" selected" if one == kind else ""}>{html.escape(words[one])}</option>'
            for one in ("", *(each.value for each in FeedbackKind))
        )
        token = self._sign(nonce, int(self._clock()))
        said = f'<p class="wrong" role="alert">{html.escape(words[wrong])}</p>' if wrong else ""
        body = (
            f'{said}<form method="post" accept-charset="utf-8"><input type="hidden" name="token" value="{token}">'
            f'<label for="kind">{html.escape(words["kind"])}</label><select id="kind" name="kind">{choices}</select>'
            f'<label for="text">{html.escape(words["text"])}</label>'
            f'<textarea id="text" name="text" required maxlength="{_MOST_TEXT}" aria-describedby="hint">'
            f'{html.escape(text[: 2 * _MOST_TEXT])}</textarea><p class="hint" id="hint">{html.escape(words["hint"])}</p>'
            f'<div class="trap" aria-hidden="true"><input name="{_TRAP}" tabindex="-1" autocomplete="off"></div>'
            f'<button type="submit">{html.escape(words["send"])}</button></form>'
        )
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{_COOKIE}={nonce}; HttpOnly; SameSite=Strict; Max-Age={_OPEN_FOR}{secure}"
        return status, self._page(body), [(b"set-cookie", cookie.encode())]

    def _plain(
        self, status: int, word: str, **values: object
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        return status, self._page(f"<p>{html.escape(self._words[word].format(**values))}</p>"), []

    def _page(self, body: str) -> bytes:
        heading = html.escape(f"{self._title} · {self._words['heading']}")
        return (
            f'<!doctype html><html lang="{self._language}"><head><meta charset="utf-8"><title>{heading}</title>'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
            f"<body><h1>{heading}</h1>{body}</body></html>"
        ).encode()


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(_COOKIE)
    except CookieError:
        return ""
    return found.value[:64] if found is not None else ""


async def _read(receive: _Receive) -> bytes | None:
    """Read a body; None when it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _MOST_BODY:
            return None
        if not message.get("more_body"):
            return b"".join(parts)
