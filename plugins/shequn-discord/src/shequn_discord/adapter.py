"""The Discord adapter: one bot, or one channel's webhook."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import Self

import msgspec

from shequn_discord.api import BASE_URL, USER_AGENT, Api, bot_id_of
from shequn_discord.base import Base, Options
from shequn_discord.events import EventParser
from shequn_discord.extras import Extras
from shequn_discord.gateway import COMMUNITY_INTENTS
from shequn_discord.guilds import Guilds
from shequn_discord.interactions import InteractionVerifier
from shequn_discord.manifest import manifest_for
from shequn_discord.members import Members
from shequn_discord.messages import Messages
from shequn_discord.source import GatewayInfo, GatewaySource
from shequn_discord.webhook_mode import DiscordWebhookAdapter
from shequn_discord.wire import User, display_name
from shequn_sdk.domain import Account
from shequn_sdk.errors import ConfigError
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.media import fetch_picture
from shequn_sdk.platforms.ports import Adapter, Parsed, RawBatch, RawEvent, WebhookReply, WebhookRequest

__all__ = ["DiscordAdapter", "create"]

_DAY = 86_400_000
"""Milliseconds after which Discord counts identifies anew."""

_FILES = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
"""Hosts that serve members' files."""


class _Limit(msgspec.Struct, gc=False):
    remaining: int = 1000
    max_concurrency: int = 1
    reset_after: int = 0


class _GatewayBot(msgspec.Struct, gc=False):
    url: str
    shards: int = 1
    session_start_limit: _Limit = msgspec.field(default_factory=_Limit)


class DiscordAdapter(Messages, Guilds, Members, Extras, Base):
    """One bot of Discord (机器人)."""

    def __init__(self, account: Account, context: AdapterContext) -> None:
        """Read the account.

        Raises:
            ConfigError: the token is missing or of another form, or an option is wrong.
        """
        token = account.secret("token").removeprefix("Bot ").strip()
        if not token:
            raise ConfigError(
                f"account {account.name}: the secret token is missing; copy it from the Bot page of the developer "
                "portal, or run `shequn sandbox` to try without one"
            )
        own = bot_id_of(token)
        if not own or not token.isascii() or any(character.isspace() for character in token):
            raise ConfigError(
                f"account {account.name}: the secret token is no bot token; it has three parts with dots between, from "
                "the Bot page of the developer portal (not the client secret)"
            )
        options = Options.read(account, intents=COMMUNITY_INTENTS)
        self._context = context
        api = Api(
            base_url=account.base_url or BASE_URL, context=context, token=token, max_wait=options.max_wait
        )
        super().__init__(
            account=account,
            api=api,
            manifest=manifest_for(account),
            clock=context.clock,
            own=own,
            options=options,
        )
        self._parser = EventParser(
            account=account.name, own=own, clock=context.clock, guild_channels=options.guild_channels
        )
        key = account.secret("public_key") or str(account.options.get("public_key", ""))
        self._verifier = InteractionVerifier(key, max_age=options.webhook_max_age) if key else None
        self.gateway = GatewaySource(
            locate=self._locate,
            token=token,
            intents=options.intents,
            clock=context.clock,
            shards=options.shards,
            shard_ids=options.shard_ids,
            compress=options.compress,
            wait=options.receive_wait,
            user_agent=USER_AGENT,
        )

    def __repr__(self) -> str:
        return f"DiscordAdapter({self._account.name!r}, bot={self._own})"

    async def __aenter__(self) -> Self:
        """Open the connection pool; makes no request."""
        await self._api.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the Gateway so that it can be resumed, and the pool."""
        await self.gateway.aclose()
        await self._api.http.__aexit__(kind, error, trace)

    async def check(self) -> str:
        """Ask who the bot is."""
        me = await self._api.get(User, "/users/@me", operation="get me")
        return f"{display_name(me)} (@{me.username}, bot {me.id})"

    async def _locate(self) -> GatewayInfo:
        found = await self._api.get(_GatewayBot, "/gateway/bot", operation="get gateway")
        return GatewayInfo(
            url=self._options.gateway_url or found.url,
            shards=found.shards,
            max_concurrency=found.session_start_limit.max_concurrency,
            remaining=found.session_start_limit.remaining,
            reset_after=timedelta(milliseconds=min(max(0, found.session_start_limit.reset_after), _DAY)),
        )

    async def receive(self, cursor: str | None) -> RawBatch:
        """Take events from the Gateway; a cursor resumes the session even after a restart."""
        return await self.gateway.receive(cursor)

    async def receive_now(self, cursor: str | None) -> RawBatch:
        """Take what the Gateway has to say by now, without waiting for more; see `PromptSource`."""
        return await self.gateway.receive_now(cursor)

    def parse(self, raw: RawEvent) -> Parsed:
        """Read one event."""
        return self._parser.parse(raw)

    async def load_picture(self, picture: str, *, most_bytes: int) -> bytes:
        """Load a picture by its address, which Discord signs for about a day.

        Raises:
            InvalidInput: the address is not Discord's.
            InvalidContent: it is larger than `most_bytes`.
            TargetNotFound: the address has expired, or the message is gone.
        """
        return await fetch_picture(
            picture,
            self._context,
            platform=self.platform,
            hosts=_FILES,
            own=self._account.base_url or "",
            most_bytes=most_bytes,
        )

    def verify(self, request: WebhookRequest) -> WebhookReply:
        """Check an interaction that came over HTTP."""
        if self._verifier is None:
            raise ConfigError(
                f"account {self._account.name}: the secret public_key is missing; copy it from General Information in "
                "the developer portal"
            )
        return self._verifier.verify(request)


def create(account: Account, context: AdapterContext) -> Adapter:
    """Make the adapter of an account, by its option `mode`."""
    if account.options.get("mode", "bot") == "webhook":
        return DiscordWebhookAdapter(account, context)
    manifest_for(account)
    return DiscordAdapter(account, context)
