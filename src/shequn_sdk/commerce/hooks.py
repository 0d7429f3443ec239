"""Webhooks by which shops outside tell of orders and refunds: an ASGI application.

A shop sends `POST /{shop}` with a JSON body and the header `X-Shequn-Signature: t=<unix seconds>,v1=<hex>`, where `v1` is
HMAC-SHA256 with the shop's secret over `<t>.` followed by the body. A signature is taken within five minutes of `t`.

```json
{"type": "order.paid", "order": "2026-1", "member": "telegram:42", "sku": "vip", "amount": "99.00", "currency": "CNY",
 "at": "2026-03-01T12:00:00+08:00"}
{"type": "order.refunded", "order": "2026-1", "refund": "r-1", "amount": "50.00"}
```

The same order or refund may be sent again: it counts once, and is answered 200 like the first time.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from shequn_sdk.domain import Clock
from shequn_sdk.errors import ConfigError, InvalidInput, StoreError

__all__ = ["HEADER", "ShopWebhooks", "sign"]

_log = logging.getLogger(__name__)
HEADER = "x-shequn-signature"
MAX_BODY = 64 * 1024
MAX_AGE = timedelta(minutes=5)
_SIGNATURE = re.compile(r"^t=(\d{1,12}),v1=([0-9a-f]{64})$")
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def sign(body: bytes, secret: SecretStr, *, at: datetime) -> str:
    """Give the header's value for a body: what a shop does before it sends."""
    stamp = int(at.timestamp())
    return f"t={stamp},v1={_digest(secret, stamp, body)}"


def _digest(secret: SecretStr, stamp: int, body: bytes) -> str:
    key = secret.get_secret_value().encode()
    return hmac.new(key, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


class _Event(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)
    order: str = Field(min_length=1, max_length=255)
    community: str | None = Field(default=None, max_length=63)
    at: AwareDatetime | None = None


class _Paid(_Event):
    type: Literal["order.paid"]
    amount: Decimal
    currency: str = "CNY"
    member: str | None = Field(default=None, max_length=320)
    member_name: str = Field(default="", max_length=256)
    sku: str = Field(default="", max_length=64)
    quantity: int = Field(default=1, ge=1, le=1_000_000)
    coupon: str = Field(default="", max_length=64)
    entrance: str = Field(default="", max_length=63)


class _Refunded(_Event):
    type: Literal["order.refunded"]
    refund: str = Field(default="", max_length=255)
    amount: Decimal | None = None


_EVENT: TypeAdapter[_Paid | _Refunded] = TypeAdapter(
    Annotated[_Paid | _Refunded, Field(discriminator="type")]
)


class Takes(Protocol):
    """What a shop's news are given to."""

    async def record_order(
        self,
        native_id: str,
        *,
        amount: Decimal | int | str,
        currency: str = "CNY",
        shop: str = "shop",
        member: Any = None,
        member_name: str = "",
        sku: str = "",
        quantity: int = 1,
        coupon: str = "",
        entrance: str = "",
        at: datetime | None = None,
        community: str | None = None,
    ) -> object:
        """Note an order."""
        ...

    async def record_refund(
        self,
        native_id: str,
        *,
        refund_id: str = "",
        amount: Decimal | int | str | None = None,
        shop: str = "shop",
        at: datetime | None = None,
        community: str | None = None,
    ) -> object:
        """Note a refund."""
        ...


class ShopWebhooks:
    """The ASGI application: verified, size-limited, answered when it is stored."""

    def __init__(self, shop: Takes, *, secrets: Mapping[str, SecretStr], clock: Clock) -> None:
        """Give orders to `shop`.

        Raises:
            ConfigError: a secret is shorter than 16 characters.
        """
        for name, secret in secrets.items():
            if len(secret.get_secret_value()) < 16:
                raise ConfigError(f"the secret of shop {name!r} must have at least 16 characters")
        self._shop = shop
        self._secrets = dict(secrets)
        self._clock = clock

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
        status, text = await self._answer(scope, receive)
        body = text.encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
        ]
        if status == 405:
            headers.append((b"allow", b"POST"))
        if status == 503:
            headers.append((b"retry-after", b"5"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: _Scope, receive: _Receive) -> tuple[int, str]:
        name = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")
        secret = self._secrets.get(name)
        if secret is None:
            return 404, "not found"
        if scope["method"] != "POST":
            return 405, "method not allowed"
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return 400, "bad request"
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                return 413, "too large"
            more = message.get("more_body", False)
        given = next((value for key, value in scope["headers"] if key.lower() == HEADER.encode()), b"")
        if not self._verified(given.decode("latin-1"), bytes(body), secret):
            _log.warning("a webhook of shop %s is not verified", name)
            return 401, "not verified"
        try:
            event = _EVENT.validate_json(bytes(body))
            await self._take(name, event)
        except ValidationError as error:
            where = error.errors(include_input=False, include_url=False)[0]
            return 400, f"{'.'.join(str(part) for part in where['loc'])}: {where['msg']}"
        except InvalidInput as error:
            return 422, str(error)
        except StoreError as error:
            _log.error("a webhook of shop %s is not stored: %s", name, error)
            return 503, "try again later"
        return 200, "ok"

    def _verified(self, given: str, body: bytes, secret: SecretStr) -> bool:
        match = _SIGNATURE.match(given)
        if match is None:
            return False
        stamp = int(match[1])
        fits = hmac.compare_digest(_digest(secret, stamp, body), match[2])
        age = abs(self._clock.now() - datetime.fromtimestamp(stamp, UTC))
        return fits and age <= MAX_AGE

    async def _take(self, shop: str, event: _Paid | _Refunded) -> None:
        if isinstance(event, _Refunded):
            await self._shop.record_refund(
                event.order,
                refund_id=event.refund,
                amount=event.amount,
                shop=shop,
                at=event.at,
                community=event.community,
            )
            return
        await self._shop.record_order(
            event.order,
            amount=event.amount,
            currency=event.currency,
            shop=shop,
            member=event.member,
            member_name=event.member_name,
            sku=event.sku,
            quantity=event.quantity,
            coupon=event.coupon,
            entrance=event.entrance,
            at=event.at,
            community=event.community,
        )
