"""A bot's queue of updates: long polling and webhook delivery as the real server does them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

from shequn_sdk.testing.sandbox import FaultKind, SandboxContext
from shequn_telegram.events import KNOWN_UPDATES
from shequn_telegram.sandbox.refusal import Refused, bad

__all__ = ["DEFAULT_UPDATES", "Delivery", "UpdateQueue"]

_NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
DEFAULT_UPDATES = frozenset(KNOWN_UPDATES) - _NOT_BY_DEFAULT
_LONG_LIVED = 86_400.0
_LIFETIMES = {
    "inline_query": 30.0,
    "callback_query": 150.0,
    "shipping_query": 150.0,
    "pre_checkout_query": 150.0,
}
_MAX_BATCH_BYTES = 4 * 1024 * 1024
_TICK = 0.5
"""Seconds between looks at the clock while a call or a webhook waits."""
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Delivery:
    """A queued update."""

    id: int
    body: bytes
    expires: float


class UpdateQueue:
    """Updates of one bot, oldest first."""

    def __init__(self, context: SandboxContext) -> None:
        self._context = context
        self._queue: deque[Delivery] = deque()
        self._held: list[tuple[str, bytes]] = []
        self._next = context.rng.randrange(100_000_000, 900_000_000)
        self._expire = bool(context.options.get("expire_updates", False))
        self.allowed: frozenset[str] = DEFAULT_UPDATES
        self.allowed_named: list[str] | None = None
        self._arrived = asyncio.Event()
        self._poll: asyncio.Future[None] | None = None
        self._stopping = False
        self.url = ""
        self.secret = ""
        self.max_connections = 40
        self.custom_certificate = False
        self.ip_address = ""
        self.last_error: tuple[int, str] | None = None
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queue)

    # arriving

    def push(self, kind: str, payload: bytes) -> None:
        """Queue an update of which `payload` is the part under its type's name."""
        if kind not in self.allowed:
            return
        fault = self._context.faults.for_event("telegram")
        if fault is not None and fault.kind is FaultKind.LATE_EVENT:
            self._held.append((kind, payload))
            return
        self._append(kind, payload, times=2 if fault is not None else 1)
        if self._held:
            for late_kind, late in self._held:
                self._append(late_kind, late)
            self._held.clear()

    def _append(self, kind: str, payload: bytes, *, times: int = 1) -> None:
        body = b'{"update_id":%d,"%s":%s}' % (self._next, kind.encode(), payload)
        lifetime = _LIFETIMES.get(kind, _LONG_LIVED)
        expires = self._context.clock.now().timestamp() + lifetime if self._expire else float("inf")
        self._queue.extend([Delivery(self._next, body, expires)] * times)
        self._next += 1
        self._arrived.set()

    def _release_held(self) -> None:
        for kind, payload in self._held:
            self._append(kind, payload)
        self._held.clear()

    def _drop_expired(self) -> None:
        if self._expire and self._queue:
            now = self._context.clock.now().timestamp()
            if any(item.expires <= now for item in self._queue):
                self._queue = deque(item for item in self._queue if item.expires > now)

    def set_allowed(self, names: Any) -> None:
        """Keep the setting of `allowed_updates`; None keeps the previous one."""
        if names is None:
            return
        listed = [str(name) for name in names] if isinstance(names, list) else []
        known = [name for name in listed if name in KNOWN_UPDATES]
        self.allowed = frozenset(known) if known else DEFAULT_UPDATES
        self.allowed_named = known or None

    def clear(self) -> None:
        """Drop what waits."""
        self._queue.clear()
        self._held.clear()

    # long polling

    def _confirm(self, offset: int) -> None:
        queue = self._queue
        if offset > 0:
            while queue and queue[0].id < offset:
                queue.popleft()
        elif offset < 0:
            while len(queue) > -offset:
                queue.popleft()

    async def get(self, *, offset: int, limit: int, timeout: float) -> bytes:
        """Give updates as a JSON array."""
        if self.url:
            raise Refused(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            )
        self.end_poll(
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
        )
        self._confirm(offset)
        self._drop_expired()
        limit = min(max(limit, 1), 100)
        if not self._queue and timeout > 0 and not self._stopping:
            await self._wait(min(timeout, 50.0))
        if not self._queue and self._held:
            self._release_held()
        taken: list[bytes] = []
        size = 0
        for item in self._queue:
            if len(taken) >= limit or size > _MAX_BATCH_BYTES:
                break
            taken.append(item.body)
            size += len(item.body)
        return b"[" + b",".join(taken) + b"]"

    async def _wait(self, timeout: float) -> None:
        """Wait in real time: a client's patience does not follow a moved clock."""
        self._arrived.clear()
        poll = self._poll = asyncio.get_running_loop().create_future()
        arrived = asyncio.ensure_future(self._arrived.wait())
        until = time.monotonic() + timeout
        try:
            while (left := until - time.monotonic()) > 0 and not (poll.done() or arrived.done()):
                await asyncio.wait(
                    {poll, arrived}, timeout=min(left, _TICK), return_when=asyncio.FIRST_COMPLETED
                )
                self.tick()
            if poll.done():
                poll.result()
        finally:
            arrived.cancel()
            if self._poll is poll:
                self._poll = None
            if not poll.done():
                poll.cancel()

    def end_poll(self, conflict: str = "") -> None:
        """End a waiting poll, with a conflict or with nothing."""
        poll, self._poll = self._poll, None
        if poll is not None and not poll.done():
            if conflict:
                poll.set_exception(Refused(409, conflict))
            else:
                poll.set_result(None)

    # webhook

    def set_webhook(self, url: str, *, secret: str, max_connections: int) -> None:
        """Deliver to `url` from now on."""
        self.end_poll("Conflict: terminated by setWebhook request")
        self.url, self.secret, self.max_connections = url, secret, max_connections
        self.last_error = None
        self._stop_task()
        self._task = asyncio.get_running_loop().create_task(self._deliver(), name="telegram-webhook")

    def delete_webhook(self) -> None:
        """Stop delivering."""
        self.url = self.secret = ""
        self.custom_certificate = False
        self._stop_task()

    def _stop_task(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    async def _deliver(self) -> None:
        attempt = 0
        while True:
            self._drop_expired()
            if not self._queue:
                self._arrived.clear()
                self._release_held()
                while not self._arrived.is_set():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._arrived.wait(), _TICK)
                    self.tick()
                continue
            item = self._queue[0]
            headers = {"content-type": "application/json"}
            if self.secret:
                headers["X-Telegram-Bot-Api-Secret-Token"] = self.secret
            answer = await self._context.call_back(self.url, item.body, headers)
            if 200 <= answer.status < 300:
                with contextlib.suppress(IndexError):
                    self._queue.popleft()
                attempt = 0
                if answer.body:
                    await self.answered(answer.body)
                continue
            self._failed(answer.status)
            attempt += 1
            wait = 0.0 if attempt == 1 else min(2.0 ** (attempt - 1), random.uniform(60, 120))
            with contextlib.suppress(KeyError, ValueError):
                wait = min(float(answer.headers["retry-after"]), 3600.0)
            await self._context.clock.sleep(wait)
            if not wait:
                await asyncio.sleep(0)

    def _failed(self, status: int) -> None:
        text = "Connection refused" if status == 0 else f"Wrong response from the webhook: {status}"
        self.last_error = (int(self._context.clock.now().timestamp()), text)

    def tick(self) -> None:
        """Do what the time asks for, for example close polls; set by the server, called while somebody waits."""

    async def answered(self, body: bytes) -> None:
        """Take a call that stands in the answer to a webhook; set by the server."""

    def info(self) -> dict[str, Any]:
        """Give the `WebhookInfo` object."""
        made: dict[str, Any] = {
            "url": self.url,
            "has_custom_certificate": self.custom_certificate,
            "pending_update_count": len(self._queue) + len(self._held),
        }
        if self.url:
            made["ip_address"] = self.ip_address or "127.0.0.1"
            made["max_connections"] = self.max_connections
        if self.last_error is not None and self.url:
            made["last_error_date"], made["last_error_message"] = self.last_error
        if self.allowed_named is not None:
            made["allowed_updates"] = self.allowed_named
        return made

    async def stop(self) -> None:
        """End waiting requests and deliveries."""
        self._stopping = True
        self.end_poll()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


_WEBHOOK_PORTS = frozenset({80, 88, 443, 8443})


def _local(host: str) -> bool:
    return host.strip("[]") in {"127.0.0.1", "localhost", "::1"}


def check_webhook(url: str, secret: str) -> None:
    """Check address and secret token as the server does.

    Raises:
        Refused: one of them cannot be taken.
    """
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    if scheme.lower() not in {"http", "https"} or not host:
        raise bad("invalid webhook URL specified")
    name = host.rpartition(":")[0] or host
    if scheme.lower() == "http" and not _local(name):
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    port = host.rpartition("]")[2].rpartition(":")[2]
    if scheme.lower() == "https" and port.isdigit() and int(port) not in _WEBHOOK_PORTS and not _local(name):
        raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    if len(secret) > 256:
        raise bad("secret token is too long")
    if secret and not all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in secret):
        raise bad("secret token contains unallowed characters")
