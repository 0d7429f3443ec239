"""An account that has a channel's webhook only: it writes, edits and deletes its own messages, nothing else."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Self

from shequn_discord.api import BASE_URL, Api, read
from shequn_discord.manifest import manifest_for
from shequn_discord.render import render, thread_name
from shequn_discord.snowflake import checked, made_at
from shequn_discord.wire import Landed, WebhookInfo
from shequn_sdk.domain import Account, ChannelRef, Piece, Post
from shequn_sdk.errors import ConfigError, TargetNotFound
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.manifest import Capability, Manifest

__all__ = ["DiscordWebhookAdapter"]

_URL = re.compile(r"^https?://[^/]+/(?:\S+/)?webhooks/(\d{1,20})/([A-Za-z0-9_.-]{1,200})/?(?:\?\S*)?$")
_HOOK = "/webhooks/{webhook}/{token}"


def _base(url: str) -> str:
    base = url.partition("/webhooks/")[0]
    # Without a version Discord answers in the shapes of v6.
    return f"{base}/{BASE_URL.rpartition('/')[2]}" if base.endswith("/api") else base


class DiscordWebhookAdapter:
    """One channel's webhook as an account (频道 Webhook)."""

    def __init__(self, account: Account, context: AdapterContext) -> None:
        """Read `webhook_url`.

        Raises:
            ConfigError: it is missing or no webhook's URL.
        """
        match = _URL.match(account.secret("webhook_url"))
        if match is None:
            raise ConfigError(
                f"account {account.name}: set the secret webhook_url to the address that Discord shows under channel "
                "settings, Integrations, Webhooks"
            )
        self._account = account
        self._clock = context.clock
        self._ids = {"webhook": match[1], "token": match[2]}
        self._manifest = manifest_for(account)
        self._api = Api(
            base_url=account.base_url or _base(account.secret("webhook_url")),
            context=context,
            secrets=(match[2], account.secret("webhook_url")),
        )
        self._home = ""

    @property
    def platform(self) -> str:
        """Name of the platform."""
        return "discord"

    @property
    def manifest(self) -> Manifest:
        """What a webhook can do."""
        return self._manifest

    def __repr__(self) -> str:
        return f"DiscordWebhookAdapter({self._account.name!r})"

    async def __aenter__(self) -> Self:
        """Open the connection pool; makes no request."""
        await self._api.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self._api.http.__aexit__(kind, error, trace)

    async def _info(self) -> WebhookInfo:
        found = await self._api.get(
            WebhookInfo, _HOOK, operation="get webhook", values=self._ids, authorized=False
        )
        self._home = str(found.channel_id or "")
        return found

    async def check(self) -> str:
        """Read the webhook's name and channel."""
        found = await self._info()
        return f"webhook {found.name or found.id} in channel {found.channel_id}"

    async def _params(self, channel: str) -> dict[str, str | int | float | bool]:
        """Say in which thread: every id but the webhook's own channel is taken as a thread's."""
        if not self._home:
            await self._info()
        return {} if channel == self._home else {"thread_id": checked(channel, "channel")}

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Send `piece` to the webhook's channel or a thread of it. Discord has no key that makes repeating safe."""
        if piece.buttons:
            self._manifest.require(Capability.BUTTONS)
        if piece.reply_to is not None:
            self._manifest.require(Capability.REPLY)
        rendered = await render(piece)
        body = rendered.body
        params = await self._params(channel)
        title = piece.attrs.get("title")
        if isinstance(title, str) and not params:
            body["thread_name"] = thread_name(piece)
        answer = await self._api.call(
            "POST",
            _HOOK,
            operation="publish",
            values=self._ids,
            params={"wait": "true"} | params,
            json=body,
            files=rendered.files,
            authorized=False,
        )
        message = read(Landed, answer)
        number = str(message.id)
        return Post(
            channel=ChannelRef(account=self._account.name, native_id=str(message.channel_id or channel)),
            native_id=number,
            landed_at=made_at(number, message.timestamp),
            text=message.content,
        )

    async def edit(self, channel: str, message: str, piece: Piece) -> None:
        """Replace the content of a message of this webhook."""
        rendered = await render(piece)
        body: dict[str, Any] = {
            key: value
            for key, value in rendered.body.items()
            if key not in {"message_reference", "flags", "poll"}
        }
        for key, empty in (("content", ""), ("embeds", []), ("attachments", [])):
            body.setdefault(key, empty)
        await self._api.call(
            "PATCH",
            _HOOK + "/messages/{message}",
            operation="edit",
            values=self._ids | {"message": checked(message, "message")},
            params=await self._params(channel),
            json=body,
            files=rendered.files,
            authorized=False,
            idempotent=True,
        )

    async def delete(self, channel: str, message: str) -> None:
        """Delete a message of this webhook; gone already is no error."""
        try:
            await self._api.call(
                "DELETE",
                _HOOK + "/messages/{message}",
                operation="delete",
                values=self._ids | {"message": checked(message, "message")},
                params=await self._params(channel),
                authorized=False,
            )
        except TargetNotFound as error:
            if error.code != "10008":
                raise
