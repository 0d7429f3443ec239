"""Deliveries of the fan service (粉丝服务平台): signature, replay window, events, and answers.

The signature covers a secret, a time and a nonce, but not the body: so the address should hold a secret part
(`push_path_secret`), the window is short, and a signature is good for one body only.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from shequn_sdk.errors import InvalidContent, VerificationFailed
from shequn_sdk.platforms import lenient
from shequn_sdk.platforms.manifest import LengthUnit, TextLimit
from shequn_sdk.platforms.ports import RawEvent, WebhookReply, WebhookRequest
from shequn_weibo import wire
from shequn_weibo.errors import PLATFORM
from shequn_weibo.push_xml import BLANK, read_xml_push

__all__ = [
    "MAX_AGE",
    "MAX_BODY",
    "MESSAGE_LIMIT",
    "PushReceiver",
    "message_data",
    "passive_reply",
    "read_push",
    "sign",
]

MAX_BODY = 256 * 1024
"""Bytes; Weibo's own are below a thousand."""
MAX_AGE = timedelta(minutes=10)
MESSAGE_LIMIT = TextLimit(maximum=299, unit=LengthUnit.HANZI)
_REMEMBERED = 20_000


def sign(app_secret: str, timestamp: str, nonce: str) -> str:
    """Give the signature of a push: SHA-1 over the three values in sorted order.

    >>> sign("xyz123xyz", "1397022061823", "57155157")
    '90e4c22c90a58f26526c2dd5b6c56c8822edeaa1'
    """
    joined = "".join(sorted([app_secret, timestamp, nonce]))
    return hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()


def message_data(text: str) -> str:
    """Give a text message as the URL-encoded JSON that Weibo wants.

    Raises:
        InvalidContent: the text is empty, or 300 汉字 and longer.
    """
    if not text.strip() or not MESSAGE_LIMIT.fits(text):
        raise InvalidContent(
            "a message of weibo's fan service has 1 to 299 汉字; shorten it or send two",
            platform=PLATFORM,
            operation="messages/reply",
        )
    return quote(msgspec.json.encode({"text": text}).decode(), safe="")


def passive_reply(*, sender_id: str, receiver_id: str, text: str) -> bytes:
    """Give the body with which a push is answered at once; the ids are those of the push, and are swapped here."""
    answer: dict[str, Any] = {
        "result": True,
        "sender_id": _whole(receiver_id),
        "receiver_id": _whole(sender_id),
        "type": "text",
        "data": message_data(text),
    }
    return msgspec.json.encode(answer)


def _whole(native_id: str) -> int | str:
    return int(native_id) if native_id.isascii() and native_id.isdigit() else native_id


def read_push(body: bytes) -> wire.Push:
    """Read a push, which is JSON or, where the account chose that, XML.

    Raises:
        ValueError: it is neither.
        RecursionError: it is nested too deeply.
    """
    if body.lstrip(BLANK)[:1] == b"<":
        return read_xml_push(body)
    return lenient.decode(body, wire.Push)


class PushReceiver:
    """Checks pushes of one account."""

    def __init__(self, app_secret: str, *, path_secret: str = "", max_age: timedelta = MAX_AGE) -> None:
        self._secret = app_secret
        self._path_secret = path_secret
        self._max_age = max_age.total_seconds()
        self._seen: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def __repr__(self) -> str:
        return "PushReceiver(***)"

    def verify(self, request: WebhookRequest) -> WebhookReply:
        """Check one request; see `WebhookSource.verify`."""
        if self._path_secret and not any(
            hmac.compare_digest(part.encode(), self._path_secret.encode())
            for part in (*request.path.split("/"), request.query.get("key", ""))
        ):
            raise VerificationFailed("a weibo push came to an address without the secret part")
        now = request.received_at.timestamp()
        signature = self._check_signature(request.query, now)
        method = request.method.upper()
        if method == "GET":
            echo = request.query.get("echostr", "")
            if not echo:
                raise VerificationFailed("weibo's check of the push address lacks echostr")
            return WebhookReply(body=echo.encode())
        if method != "POST":
            raise VerificationFailed(f"weibo pushes with GET and POST, not {method[:12]}")
        if len(request.body) > MAX_BODY:
            raise VerificationFailed(
                f"a weibo push of {len(request.body)} bytes is over the limit of {MAX_BODY}"
            )
        try:
            push = read_push(request.body)
        except (ValueError, RecursionError) as error:
            raise VerificationFailed(
                "a weibo push cannot be read as JSON or XML of the fan service"
            ) from error
        self._check_replay(signature, request.body, now)
        headers = {"received-at": request.received_at.isoformat()}
        return WebhookReply(
            events=(RawEvent(event_id=_identity(push), payload=request.body, headers=headers),)
        )

    def _check_signature(self, query: Mapping[str, str], now: float) -> str:
        signature, timestamp, nonce = (query.get(name, "") for name in ("signature", "timestamp", "nonce"))
        if not (signature and timestamp and nonce):
            raise VerificationFailed("a weibo push lacks signature, timestamp or nonce in its query")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 16):
            raise VerificationFailed("the timestamp of a weibo push is no number")
        if not hmac.compare_digest(sign(self._secret, timestamp, nonce).encode(), signature.lower().encode()):
            raise VerificationFailed(
                "the signature of a weibo push is wrong; compare app_secret with the console"
            )
        # milliseconds in the published examples, seconds elsewhere
        at = int(timestamp) / 1000 if len(timestamp) > 11 else int(timestamp)
        if abs(now - at) > self._max_age:
            raise VerificationFailed(
                f"a weibo push is {abs(now - at):.0f} s away from our clock; an old one was sent again, or this "
                "machine's clock is wrong"
            )
        return signature.lower()

    def _check_replay(self, signature: str, body: bytes, now: float) -> None:
        while self._seen and (
            len(self._seen) > _REMEMBERED or next(iter(self._seen.values()))[0] < now - 2 * self._max_age
        ):
            self._seen.popitem(last=False)
        digest = hashlib.sha256(body).digest()
        known = self._seen.setdefault(signature, (now, digest))
        if known[1] != digest:
            raise VerificationFailed("a weibo push came with the signature of another push (replay)")


def _identity(push: wire.Push) -> str:
    text = msgspec.json.encode([push.text, push.data or {}], order="deterministic")
    digest = hashlib.sha256(text).hexdigest()[:16]
    return f"push:{wire.ident(push.sender_id)}:{push.created_at}:{push.type}:{digest}"
