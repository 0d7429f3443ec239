"""HTTP interactions and app webhook events: Ed25519, age, size, and the answer that has to come within 3 seconds."""

from __future__ import annotations

import binascii
from datetime import datetime, timedelta
from typing import Any

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from shequn_sdk.errors import ConfigError, VerificationFailed
from shequn_sdk.platforms.ports import RawEvent, WebhookReply, WebhookRequest

__all__ = ["InteractionVerifier"]

MAX_BODY = 1024 * 1024
_JSON = "application/json"
_EPHEMERAL = 64


class _Head(msgspec.Struct, gc=False):
    type: int
    id: str = ""
    version: int | None = None
    event: msgspec.Raw = msgspec.Raw(b"")
    message: msgspec.Raw = msgspec.Raw(b"")


_HEAD = msgspec.json.Decoder(_Head)


class InteractionVerifier:
    """Checks inbound requests of Discord.

    Args:
        public_key: 64 hexadecimal digits from the application's General Information page.
        max_age: how far the signed timestamp may be from now, in either direction.

    Raises:
        ConfigError: the key is none.
    """

    def __init__(self, public_key: str, *, max_age: timedelta = timedelta(minutes=5)) -> None:
        try:
            self._key = VerifyKey(bytes.fromhex(public_key))
        except (ValueError, TypeError):
            raise ConfigError(
                "public_key must be the 64 hexadecimal digits of the application's General Information page"
            ) from None
        self._max_age = max_age

    def verify(self, request: WebhookRequest) -> WebhookReply:
        """Check signature, age and size; give the events and the answer.

        Raises:
            VerificationFailed: forged, replayed later, too large or unreadable.
        """
        if len(request.body) > MAX_BODY:
            raise VerificationFailed(f"the body has {len(request.body)} bytes, at most {MAX_BODY} are taken")
        stamp = request.headers.get("x-signature-timestamp", "")
        self._check_signature(request, stamp)
        self._check_age(stamp, request.received_at)
        try:
            head = _HEAD.decode(request.body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise VerificationFailed(
                "the signed body is no interaction: it is no JSON object with a type"
            ) from error
        if head.version is not None and not head.id and (head.type == 0 or bytes(head.event)):
            return self._app_event(head, request, stamp)
        if head.type == 1:
            return WebhookReply(body=b'{"type":1}', content_type=_JSON)
        if not head.id:
            raise VerificationFailed("the signed body is no interaction: it has no id")
        event = RawEvent(
            event_id=f"interaction:{head.id}",
            payload=request.body,
            headers={"source": "http", "received_at": request.received_at.isoformat()},
        )
        if head.type == 4:
            return WebhookReply(body=b'{"type":8,"data":{"choices":[]}}', content_type=_JSON)
        answer: dict[str, Any] = {"type": 6}
        if head.type == 2 or (head.type == 5 and not bytes(head.message)):
            answer = {"type": 5, "data": {"flags": _EPHEMERAL}}
        return WebhookReply(events=(event,), body=msgspec.json.encode(answer), content_type=_JSON)

    def _app_event(self, head: _Head, request: WebhookRequest, stamp: str) -> WebhookReply:
        if head.type == 0 or not bytes(head.event):
            return WebhookReply(status=204)
        number = _event_number(head.event) or f"{stamp}:{request.headers.get('x-signature-ed25519', '')[:32]}"
        event = RawEvent(
            event_id=f"app:{number}",
            payload=request.body,
            headers={"received_at": request.received_at.isoformat()},
        )
        return WebhookReply(events=(event,), status=204)

    def _check_signature(self, request: WebhookRequest, stamp: str) -> None:
        signature = request.headers.get("x-signature-ed25519", "")
        if not signature or not stamp:
            raise VerificationFailed("the request carries no Discord signature")
        try:
            self._key.verify(stamp.encode() + request.body, bytes.fromhex(signature))
        except (BadSignatureError, ValueError, TypeError, binascii.Error):
            raise VerificationFailed(
                "the signature does not match: forged, or public_key is another application's"
            ) from None

    def _check_age(self, stamp: str, received_at: datetime) -> None:
        try:
            age = received_at.timestamp() - int(stamp)
        except (ValueError, OverflowError):
            raise VerificationFailed("the signed timestamp is no number") from None
        if abs(age) > self._max_age.total_seconds():
            raise VerificationFailed(
                f"the signed timestamp is {age:.0f} s old, at most {self._max_age.total_seconds():.0f} s are taken: "
                "replayed, or this machine's clock is wrong"
            )


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    timestamp: str = ""
    data: dict[str, Any] = msgspec.field(default_factory=dict)


def _event_number(event: msgspec.Raw) -> str:
    try:
        found = msgspec.json.decode(event, type=_Event)
    except (msgspec.MsgspecError, RecursionError):
        return ""
    number = str(found.data.get("id") or found.data.get("user", {}) or "")[:64]
    return f"{found.type}:{number}:{found.timestamp}" if found.timestamp else ""
