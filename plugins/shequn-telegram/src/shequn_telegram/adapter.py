"""The Telegram adapter: one bot, speaking, caring for its community, and listening."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from shequn_sdk.domain import Account
from shequn_sdk.errors import ConfigError, VerificationFailed
from shequn_sdk.platforms.deepjson import members
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.ports import Parsed, RawBatch, RawEvent, WebhookReply, WebhookRequest
from shequn_telegram import wire
from shequn_telegram._community import CommunitySide
from shequn_telegram._publishing import Publishing
from shequn_telegram.events import RECEIVED_AT

__all__ = ["TelegramAdapter", "create"]

_SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - name of a header
_BATCH = 100
_GRACE = 10.0


class TelegramAdapter(Publishing, CommunitySide):
    """A bot on Telegram. Channels are `chat` or `chat/thread`; see the plugin's README for the extra methods."""

    # long polling

    async def receive(self, cursor: str | None) -> RawBatch:
        """Wait for updates; `cursor` is the next update's id, and giving it confirms all before it."""
        return await self._receive(cursor, int(self._poll_timeout))

    async def receive_now(self, cursor: str | None) -> RawBatch:
        """Give the updates that wait, without a long poll."""
        return await self._receive(cursor, 0)

    async def _receive(self, cursor: str | None, seconds: int) -> RawBatch:
        parameters: dict[str, Any] = {
            "timeout": seconds,
            "limit": _BATCH,
            "allowed_updates": self._allowed,
        }
        if cursor:
            parameters["offset"] = int(cursor)
        raws = await self.api.call(
            "getUpdates",
            parameters,
            result=list[msgspec.Raw],
            timeout=seconds + _GRACE,
        )
        headers = {RECEIVED_AT: f"{self._clock.now().timestamp():.3f}"}
        events: list[RawEvent] = []
        following = int(cursor) if cursor else 0
        for raw in raws:
            payload = bytes(raw)
            try:
                update_id = _update_id(payload)
            except ValueError:  # without an id it cannot be confirmed either; kept once, whatever it is
                digest = hashlib.sha256(payload).hexdigest()[:32]
                events.append(RawEvent(event_id=f"unreadable:{digest}", payload=payload, headers=headers))
                continue
            following = max(following, update_id + 1)
            events.append(RawEvent(event_id=f"update:{update_id}", payload=payload, headers=headers))
        return RawBatch(events=_links_first(events), cursor=str(following) if following or cursor else "")

    def parse(self, raw: RawEvent) -> Parsed:
        """Read one update; see `shequn_telegram.events`."""
        parsed = self._parser.parse(raw.payload, received_at=raw.headers.get(RECEIVED_AT, ""))
        for interaction in parsed.interactions:
            poll = interaction.attrs.get("poll")
            if poll is not None and interaction.attrs.get("media") == "poll":
                self._polls.setdefault(str(poll), (interaction.channel, interaction.message))
        return parsed

    # webhook

    def verify(self, request: WebhookRequest) -> WebhookReply:
        """Check method, size and secret token, then give the one update of the body.

        Raises:
            VerificationFailed: forged, too large, or no update. A replayed update has the `event_id` of the first one.
        """
        secret = self._account.secret("webhook_secret")
        if not secret:
            raise VerificationFailed(
                f"telegram account {self._account.name!r} has no secret `webhook_secret`: set one, and call set_webhook"
            )
        given = request.headers.get(_SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()):
            raise VerificationFailed(
                "telegram webhook: the secret token is missing or wrong; the request was dropped"
            )
        if request.method.upper() != "POST":
            raise VerificationFailed(f"telegram webhook: {request.method} instead of POST")
        if len(request.body) > self._max_webhook_bytes:
            raise VerificationFailed(
                f"telegram webhook: {len(request.body)} bytes, more than {self._max_webhook_bytes}"
            )
        try:
            update_id = wire.decode(request.body, wire.PlainUpdate).update_id
        except RecursionError:
            raise VerificationFailed("telegram webhook: JSON is nested too deeply") from None
        except (msgspec.MsgspecError, ValueError):
            raise VerificationFailed("telegram webhook: the body is no update") from None
        headers = {RECEIVED_AT: f"{request.received_at.timestamp():.3f}"}
        return WebhookReply(events=(RawEvent(f"update:{update_id}", request.body, headers),))

    async def set_webhook(self, url: str, *, drop_pending: bool = False, max_connections: int = 40) -> None:
        """Have Telegram send updates to `url` from now on, with the account's `webhook_secret` (extra)."""
        secret = self._account.secret("webhook_secret")
        if not secret:
            raise ConfigError(
                f"telegram account {self._account.name!r} needs the secret `webhook_secret` first"
            )
        parameters: dict[str, Any] = {
            "url": url,
            "secret_token": secret,
            "allowed_updates": self._allowed,
            "max_connections": max_connections,
            "drop_pending_updates": drop_pending,
        }
        await self._do("setWebhook", parameters)

    async def delete_webhook(self, *, drop_pending: bool = False) -> None:
        """End the webhook, so that long polling works again (extra)."""
        await self._do("deleteWebhook", {"drop_pending_updates": drop_pending})

    async def webhook_info(self) -> dict[str, Any]:
        """Read Telegram's state of the webhook: pending updates, last error (extra)."""
        return await self.api.call("getWebhookInfo", result=dict[str, Any], idempotent=True)


def _update_id(payload: bytes) -> int:
    """Give an update's id; raises `ValueError` (as msgspec does) when it has none."""
    try:
        return wire.decode(payload, wire.PlainUpdate).update_id
    except RecursionError:  # kept with its id, as a dead letter
        return int(members(payload).get("update_id", b""))


def _links_first(events: list[RawEvent]) -> Sequence[RawEvent]:
    """Put a join's `chat_member` update before the service message of the same join.

    Both become the same interaction, and whoever keeps ids keeps the first: the one that names the entrance.
    """
    service = [index for index, event in enumerate(events) if b'"new_chat_members"' in event.payload]
    if not service:
        return events
    told = {index for index, event in enumerate(events) if b'"invite_link"' in event.payload}
    if not told or max(told) < service[0]:
        return events
    moved: list[RawEvent] = []
    held: list[tuple[tuple[int, int], RawEvent]] = []
    pending = {_join_key(events[index].payload) for index in told} - {None}
    for event in events:
        key = _join_key(event.payload)
        if key is not None and key in pending and b'"new_chat_members"' in event.payload:
            held.append((key, event))
            continue
        moved.append(event)
        if key is not None and key in pending:
            pending.discard(key)
            moved += [kept for kept_key, kept in held if kept_key == key]
            held = [item for item in held if item[0] != key]
    return [*moved, *(event for _, event in held)]


def _join_key(payload: bytes) -> tuple[int, int] | None:
    try:
        update = json.loads(payload)
        if "chat_member" in update:
            change = update["chat_member"]
            return change["chat"]["id"], change["new_chat_member"]["user"]["id"]
        joined = update["message"]["new_chat_members"]
        return update["message"]["chat"]["id"], joined[0]["id"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def create(account: Account, context: AdapterContext) -> TelegramAdapter:
    """Make the adapter of one account; makes no request.

    Raises:
        ConfigError: a secret or an option is wrong.
    """
    return TelegramAdapter(account, context)
