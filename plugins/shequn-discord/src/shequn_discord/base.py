"""What all parts of the adapter share: the API, the account's options, and which server a channel belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shequn_discord.api import Api
from shequn_discord.snowflake import checked
from shequn_discord.wire import Channel, Guild
from shequn_sdk.domain import Account, ChannelRef, Clock
from shequn_sdk.errors import ConfigError, TargetNotFound
from shequn_sdk.platforms.manifest import Manifest

__all__ = ["FORUMS", "Base", "Options"]

FORUMS = frozenset({15, 16})
"""Channel types that hold posts and take no messages themselves."""
_KEPT = timedelta(minutes=5)
_MOST = 5_000


@dataclass(frozen=True, slots=True)
class Options:
    """Options of an account, read and checked."""

    intents: int
    shards: int | None
    shard_ids: tuple[int, ...]
    compress: bool
    gateway_url: str
    guild_channels: Mapping[str, str] = field(default_factory=dict[str, str])
    receive_wait: float = 10.0
    max_wait: timedelta = timedelta(seconds=10)
    application_id: str = ""
    webhook_max_age: timedelta = timedelta(minutes=5)

    @classmethod
    def read(cls, account: Account, *, intents: int) -> Options:
        """Read the options.

        Raises:
            ConfigError: one is of the wrong kind; the message names it.
        """
        options = account.options

        def number(key: str, default: float, low: float, high: float) -> float:
            value = options.get(key, default)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ConfigError(f"account {account.name}: {key} must be a number from {low:g} to {high:g}")
            return value

        shards = options.get("shards", "auto")
        if shards != "auto" and (isinstance(shards, bool) or not isinstance(shards, int) or shards < 1):
            raise ConfigError(f'account {account.name}: shards must be "auto" or a number from 1')
        ids = options.get("shard_ids", [])
        if not isinstance(ids, list) or not all(isinstance(item, int) for item in ids):
            raise ConfigError(f"account {account.name}: shard_ids must be a list of numbers")
        homes = options.get("guild_channels", {})
        if not isinstance(homes, Mapping) or not all(isinstance(value, str) for value in homes.values()):
            raise ConfigError(f"account {account.name}: guild_channels must map server ids to channel ids")
        url = options.get("gateway_url", "")
        if not isinstance(url, str) or (url and not url.startswith(("ws://", "wss://"))):
            raise ConfigError(f"account {account.name}: gateway_url must start with wss:// or ws://")
        return cls(
            intents=int(number("intents", intents, 0, 2**53)),
            shards=shards if isinstance(shards, int) else None,
            shard_ids=tuple(item for item in ids if isinstance(item, int)),
            compress=options.get("compress", True) is not False,
            gateway_url=url,
            guild_channels={str(key): str(value) for key, value in homes.items()},
            receive_wait=float(number("receive_wait", 10.0, 0.0, 300.0)),
            max_wait=timedelta(seconds=float(number("max_wait", 10.0, 0.0, 3600.0))),
            application_id=str(options.get("application_id", "")),
            webhook_max_age=timedelta(seconds=float(number("webhook_max_age", 300.0, 1.0, 86_400.0))),
        )


class Base:
    """State of one bot account."""

    def __init__(
        self, *, account: Account, api: Api, manifest: Manifest, clock: Clock, own: str, options: Options
    ) -> None:
        self._account = account
        self._api = api
        self._manifest = manifest
        self._clock = clock
        self._own = own
        self._options = options
        self._channels: dict[str, tuple[float, Channel]] = {}
        self._guilds: dict[str, tuple[float, Guild]] = {}
        self._directs: dict[str, str] = {}

    @property
    def platform(self) -> str:
        """Name of the platform."""
        return "discord"

    @property
    def manifest(self) -> Manifest:
        """What this account can do."""
        return self._manifest

    def _ref(self, channel: str) -> ChannelRef:
        return ChannelRef(account=self._account.name, native_id=channel)

    @staticmethod
    def _ids(**values: str) -> dict[str, str]:
        """Check ids before they go into a path."""
        return {name: checked(value, name) for name, value in values.items()}

    async def _channel(self, channel: str, *, fresh: bool = False) -> Channel:
        """Read a channel, at most every five minutes.

        Raises:
            TargetNotFound: gone, or hidden from the bot.
        """
        now = self._clock.monotonic()
        kept = self._channels.get(channel)
        if kept is not None and not fresh and kept[0] > now:
            return kept[1]
        try:
            found = await self._api.get(
                Channel, "/channels/{channel}", operation="get channel", values=self._ids(channel=channel)
            )
        except TargetNotFound:
            self._channels.pop(channel, None)
            raise
        self._keep(self._channels, channel, found)
        return found

    async def _guild(self, guild: str, *, fresh: bool = False) -> Guild:
        """Read a server with its roles and approximate counts, at most every five minutes."""
        now = self._clock.monotonic()
        kept = self._guilds.get(guild)
        if kept is not None and not fresh and kept[0] > now:
            return kept[1]
        found = await self._api.get(
            Guild,
            "/guilds/{guild}",
            operation="get guild",
            values=self._ids(guild=guild),
            params={"with_counts": "true"},
        )
        self._keep(self._guilds, guild, found)
        return found

    def _keep(self, store: dict[str, tuple[float, Any]], key: str, value: Any) -> None:
        if len(store) >= _MOST:
            store.clear()
        store[key] = (self._clock.monotonic() + _KEPT.total_seconds(), value)

    async def _guild_of(self, channel: str) -> str:
        """Give the server of a channel; the id of a server itself is taken too.

        Raises:
            TargetNotFound: neither a channel nor a server that the bot can see, or a direct message.
        """
        if channel in self._guilds:
            return channel
        try:
            found = await self._channel(channel)
        except TargetNotFound as error:
            if error.code != "10003":
                raise
            try:
                return str((await self._guild(channel)).id)
            except TargetNotFound:
                raise error from None
        if found.guild_id is None:
            raise TargetNotFound(
                f"channel {channel} is a direct message and has no members to manage",
                platform="discord",
                operation="get channel",
                code=50003,
            )
        return str(found.guild_id)
