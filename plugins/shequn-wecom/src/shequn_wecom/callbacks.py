"""The receiving end of callbacks: address check (GET echostr) and deliveries (POST), refused unless surely WeCom's.

WeCom waits five seconds and tries three times; core stores the events before the answer goes out, so that the
answer is empty and at once. https://developer.work.weixin.qq.com/document/path/96238
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from shequn_sdk.errors import InvalidInput, VerificationFailed
from shequn_sdk.platforms.ports import RawEvent, WebhookReply, WebhookRequest
from shequn_wecom.crypto import CallbackCrypto
from shequn_wecom.events import event_id, read_xml

__all__ = ["MAX_AGE", "MAX_BODY", "CallbackReceiver"]

MAX_BODY = 1024 * 1024
"""Bytes; WeCom's own are a few thousand."""
MAX_AGE = timedelta(minutes=10)
"""How far a callback's timestamp may be from our clock, either way."""
_REMEMBERED = 20_000


class CallbackReceiver:
    """Checks callbacks of one application, and refuses one that it has seen (replay)."""

    def __init__(
        self, crypto: CallbackCrypto, *, max_age: timedelta = MAX_AGE, max_body: int = MAX_BODY
    ) -> None:
        self._crypto = crypto
        self._max_age = max_age.total_seconds()
        self._max_body = max_body
        self._seen: OrderedDict[str, float] = OrderedDict()

    def __repr__(self) -> str:
        return "CallbackReceiver(***)"

    def verify(self, request: WebhookRequest) -> WebhookReply:
        """Check one request; see `WebhookSource.verify`."""
        query = request.query
        parts = [query.get(name, "") for name in ("msg_signature", "timestamp", "nonce")]
        if not all(parts):
            raise VerificationFailed("a wecom callback lacks msg_signature, timestamp or nonce in its query")
        sign, timestamp, nonce = parts
        now = request.received_at.timestamp()
        self._check_age(timestamp, now)
        if request.method.upper() == "GET":
            echo = query.get("echostr", "")
            if not echo:
                raise VerificationFailed("wecom's check of the callback address lacks echostr")
            # a form decoder may have turned + into a space
            plain = self._crypto.open(
                msg_signature=sign, timestamp=timestamp, nonce=nonce, encrypted=echo.replace(" ", "+")
            )
            return WebhookReply(body=plain)
        if request.method.upper() != "POST":
            raise VerificationFailed(f"wecom calls back with GET and POST, not {request.method[:12]}")
        if len(request.body) > self._max_body:
            raise VerificationFailed(
                f"a wecom callback of {len(request.body)} bytes is over the limit of {self._max_body}"
            )
        encrypted = _encrypted(request.body)
        plain = self._crypto.open(msg_signature=sign, timestamp=timestamp, nonce=nonce, encrypted=encrypted)
        self._check_replay(sign, now)
        try:
            identity = event_id(plain)
        except InvalidInput as error:
            raise VerificationFailed(f"a wecom callback cannot be read: {error}") from error
        # AI bots' messages hold no time of their own
        headers = {"received-at": request.received_at.isoformat()}
        return WebhookReply(events=(RawEvent(event_id=identity, payload=plain, headers=headers),))

    def _check_age(self, timestamp: str, now: float) -> None:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise VerificationFailed("the timestamp of a wecom callback is no number")
        if abs(now - int(timestamp)) > self._max_age:
            raise VerificationFailed(
                f"a wecom callback is {abs(now - int(timestamp)):.0f} s away from our clock; an old one was sent again, "
                "or this machine's clock is wrong"
            )

    def _check_replay(self, sign: str, now: float) -> None:
        while self._seen and (
            len(self._seen) > _REMEMBERED or next(iter(self._seen.values())) < now - 2 * self._max_age
        ):
            self._seen.popitem(last=False)
        if sign in self._seen:
            raise VerificationFailed("a wecom callback came a second time with the same signature (replay)")
        self._seen[sign] = now


def _encrypted(body: bytes) -> str:
    if body.lstrip()[:1] == b"{":
        try:
            envelope: Any = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VerificationFailed("the envelope of a wecom bot callback is no JSON") from error
        found = envelope.get("encrypt") if isinstance(envelope, dict) else None
        if isinstance(found, str) and found:
            return found
        raise VerificationFailed("the envelope of a wecom bot callback lacks encrypt")
    try:
        root: Element = read_xml(body)
    except InvalidInput as error:
        raise VerificationFailed(str(error)) from error
    encrypted = (root.findtext("Encrypt") or "").strip()
    if not encrypted:
        raise VerificationFailed("the envelope of a wecom callback lacks Encrypt")
    return encrypted
