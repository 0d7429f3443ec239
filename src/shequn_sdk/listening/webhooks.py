"""Webhooks: one small ASGI application for all accounts, to be mounted anywhere.

Each request is size-limited, verified by its adapter, stored durably, and only then answered. Failures are answered
without a word about their cause; the cause is logged and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from shequn_sdk.domain import Clock
from shequn_sdk.errors import InvalidInput, ShequnError, StoreError, VerificationFailed
from shequn_sdk.listening.inbox import Inbox
from shequn_sdk.listening.sources import AccountsLike
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import WebhookReply, WebhookRequest, WebhookSource

__all__ = ["WebhookApp", "WebhookCounts", "webhook_app"]

_log = logging.getLogger(__name__)
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_REASONS: Mapping[int, bytes] = {
    400: b"bad request",
    401: b"not verified",
    404: b"not found",
    405: b"method not allowed",
    413: b"too large",
    500: b"internal error",
    503: b"try again later",
}


@dataclass(frozen=True, slots=True)
class WebhookCounts:
    """What came in for one account."""

    accepted: int = 0
    events: int = 0
    duplicates: int = 0
    """Replayed or redelivered events; they were answered like new ones."""
    not_verified: int = 0
    too_large: int = 0
    bad: int = 0
    """Unreadable requests and wrong methods."""
    failed: int = 0
    """Answered 5xx: the platform will send it again."""


class _TooLarge(Exception):
    pass


class _Gone(Exception):
    """The client hung up before its body was whole."""


class WebhookApp:
    """The ASGI application; `counts` says what came in."""

    def __init__(
        self,
        accounts: AccountsLike,
        inbox: Inbox,
        *,
        clock: Clock,
        max_body: int = 1 << 20,
        prefix: str = "/hooks",
    ) -> None:
        """Serve `{prefix}/{account}` for every account whose manifest declares webhooks."""
        self._accounts = accounts
        self._inbox = inbox
        self._clock = clock
        self._max_body = max_body
        self._prefix = prefix.rstrip("/") + "/"
        self._counts: dict[str, WebhookCounts] = {}

    @property
    def counts(self) -> Mapping[str, WebhookCounts]:
        """What came in, by account."""
        return dict(self._counts)

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        try:
            reply = await self._answer(scope, receive)
        except _Gone:
            return
        headers = [
            (b"content-type", reply.content_type.encode("latin-1")),
            (b"content-length", str(len(reply.body)).encode()),
        ]
        if reply.status == 405:
            headers.append((b"allow", b"GET, POST"))
        if reply.status == 503:
            headers.append((b"retry-after", b"5"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, scope: _Scope, receive: _Receive) -> WebhookReply:
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        name = path.removeprefix(self._prefix)
        if not path.startswith(self._prefix) or "/" in name.rstrip("/"):
            return _reply(404)
        name = name.rstrip("/")
        source = self._source(name)
        if source is None:
            return _reply(404)
        if scope["method"] not in {"GET", "POST"}:
            self._count(name, bad=1)
            return _reply(405)
        try:
            request = await self._read(scope, receive, path)
            reply = source.verify(request)
            added = await self._inbox.add(name, reply.events)
        except _TooLarge:
            self._count(name, too_large=1)
            return _reply(413)
        except _Gone:
            self._count(name, bad=1)
            raise
        except VerificationFailed as error:
            self._count(name, not_verified=1)
            _log.warning("webhook of %s not verified: %s", name, error, extra={"account": name})
            return _reply(401)
        except StoreError as error:
            self._count(name, failed=1)
            _log.error("webhook of %s not stored: %s", name, error, extra={"account": name})
            return _reply(503)
        except (InvalidInput, UnicodeError) as error:
            self._count(name, bad=1)
            _log.warning("webhook of %s unreadable: %s", name, error, extra={"account": name})
            return _reply(400)
        except Exception:  # noqa: BLE001 - answered 500 without details
            self._count(name, failed=1)
            _log.exception("webhook of %s failed", name, extra={"account": name})
            return _reply(500)
        self._count(name, accepted=1, events=added.new, duplicates=added.duplicates)
        return reply

    def _source(self, name: str) -> WebhookSource | None:
        if name not in self._accounts.names():
            return None
        try:
            if not self._accounts.manifest(name).supports(Capability.WEBHOOK):
                return None
            adapter = self._accounts.adapter(name)
        except ShequnError as error:
            _log.error("webhook of %s has no adapter: %s", name, error, extra={"account": name})
            return None
        return adapter if isinstance(adapter, WebhookSource) else None

    async def _read(self, scope: _Scope, receive: _Receive, path: str) -> WebhookRequest:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:18]) > self._max_body:
            raise _TooLarge
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise _Gone
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise _TooLarge
            more = message.get("more_body", False)
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
        return WebhookRequest(
            method=scope["method"],
            path=path,
            query=query,
            headers=headers,
            body=bytes(body),
            received_at=self._clock.now(),
        )

    def _count(self, account: str, **more: int) -> None:
        seen = self._counts.get(account, WebhookCounts())
        self._counts[account] = replace(seen, **{name: getattr(seen, name) + n for name, n in more.items()})


def _reply(status: int) -> WebhookReply:
    return WebhookReply(status=status, body=_REASONS[status])


async def _lifespan(receive: _Receive, send: _Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def webhook_app(
    accounts: AccountsLike, inbox: Inbox, *, clock: Clock, max_body: int = 1 << 20, prefix: str = "/hooks"
) -> WebhookApp:
    """Make the ASGI application that receives all accounts' webhooks at `/hooks/{account}`.

    Args:
        accounts: open accounts; the application does not close them.
        inbox: where verified events are stored before they are answered.
        clock: time of receipt, against which adapters check a request's age.
        max_body: largest request in bytes; larger ones are answered 413.
        prefix: path before the account's name.
    """
    return WebhookApp(accounts, inbox, clock=clock, max_body=max_body, prefix=prefix)
