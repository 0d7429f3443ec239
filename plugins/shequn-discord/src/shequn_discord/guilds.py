"""Servers: channels, threads and invites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import msgspec

from shequn_discord.api import read
from shequn_discord.base import FORUMS, Base
from shequn_discord.snowflake import time_or_none
from shequn_discord.wire import Channel, Guild, InviteInfo, display_name
from shequn_sdk.domain import Channel as DomainChannel
from shequn_sdk.domain import ChannelKind
from shequn_sdk.errors import InvalidInput, NotSupported, TargetNotFound
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Invite

__all__ = ["Guilds"]

_KINDS = {
    0: ChannelKind.GROUP,
    1: ChannelKind.DIRECT,
    2: ChannelKind.GROUP,
    3: ChannelKind.GROUP,
    5: ChannelKind.BROADCAST,
    10: ChannelKind.THREAD,
    11: ChannelKind.THREAD,
    12: ChannelKind.THREAD,
    13: ChannelKind.GROUP,
    15: ChannelKind.FORUM,
    16: ChannelKind.FORUM,
}
LONGEST_SLOW_MODE = timedelta(seconds=21_600)


class _Identified(msgspec.Struct, gc=False):
    id: str | int


class Guilds(Base):
    """Part of the adapter that deals with servers. A channel's id names its server, and so does the server's own."""

    # channels

    async def get_channel(self, channel: str) -> DomainChannel:
        """Read a channel, a thread, or a server by its id."""
        try:
            found = await self._channel(channel, fresh=True)
        except TargetNotFound as error:
            if error.code != "10003":
                raise
            try:
                return self._as_server(await self._guild(channel, fresh=True))
            except TargetNotFound:
                raise error from None
        count = None
        if found.guild_id is not None and found.thread_metadata is None:
            count = (await self._guild(str(found.guild_id), fresh=True)).approximate_member_count
        return self._as_channel(found, count)

    def _as_server(self, guild: Guild) -> DomainChannel:
        return DomainChannel(
            ref=self._ref(str(guild.id)),
            platform=self.platform,
            title=guild.name,
            kind=ChannelKind.GROUP,
            description=guild.description or "",
            member_count=guild.approximate_member_count,
            attrs={"type": "guild"},
        )

    def _as_channel(self, channel: Channel, count: int | None) -> DomainChannel:
        attrs: dict[str, str | int | bool] = {"type": channel.type, "slow_mode": channel.rate_limit_per_user}
        if channel.guild_id is not None:
            attrs["guild_id"] = str(channel.guild_id)
        if channel.thread_metadata is not None:
            attrs |= {"archived": channel.thread_metadata.archived, "locked": channel.thread_metadata.locked}
        parent = channel.parent_id or channel.guild_id
        title = channel.name or ", ".join(display_name(user) for user in channel.recipients)
        return DomainChannel(
            ref=self._ref(str(channel.id)),
            platform=self.platform,
            title=title,
            kind=_KINDS.get(channel.type, ChannelKind.UNKNOWN),
            description=channel.topic or "",
            parent_id=str(parent) if parent is not None else None,
            member_count=count,
            attrs=attrs,
        )

    async def count_members(self, channel: str) -> int:
        """Read the approximate number of the server's members."""
        guild = await self._guild(await self._guild_of(channel), fresh=True)
        if guild.approximate_member_count is None:
            raise NotSupported(
                "discord told no member count for this server",
                platform=self.platform,
                capability=str(Capability.MEMBER_COUNT),
            )
        return guild.approximate_member_count

    async def iter_channels(self) -> AsyncIterator[DomainChannel]:
        """Give the channels of all servers of the bot, categories left out."""
        after = "0"
        while True:
            page = await self._api.get(
                list[Guild],
                "/users/@me/guilds",
                operation="list servers",
                params={"after": after, "limit": 200, "with_counts": "true"},
            )
            for guild in page:
                channels = await self._api.get(
                    list[Channel],
                    "/guilds/{guild}/channels",
                    operation="list channels",
                    values=self._ids(guild=str(guild.id)),
                )
                for channel in channels:
                    if channel.type != 4:
                        self._keep(self._channels, str(channel.id), channel)
                        yield self._as_channel(channel, guild.approximate_member_count)
            if len(page) < 200:
                return
            after = str(page[-1].id)

    async def set_slow_mode(self, channel: str, delay: timedelta) -> None:
        """Let each member write once per `delay` (whole seconds, at most 6 hours); zero ends it."""
        if not timedelta(0) <= delay <= LONGEST_SLOW_MODE:
            raise InvalidInput("slow mode on Discord is from 0 seconds to 6 hours")
        seconds = -(-delay // timedelta(seconds=1))
        await self._api.call(
            "PATCH",
            "/channels/{channel}",
            operation="slow mode",
            values=self._ids(channel=channel),
            json={"rate_limit_per_user": seconds},
            idempotent=True,
        )

    # threads

    async def open_topic(self, channel: str, title: str) -> str:
        """Open a thread, or in a forum a post that begins with its title; gives its id."""
        found = await self._channel(channel)
        body: dict[str, object] = {"name": title[:100]}
        if found.type in FORUMS:
            body["message"] = {"content": title, "allowed_mentions": {"parse": []}}
        else:
            body["type"] = 10 if found.type == 5 else 11
        answer = await self._api.call(
            "POST",
            "/channels/{channel}/threads",
            operation="open topic",
            values=self._ids(channel=channel),
            json=body,
        )
        return str(read(_Identified, answer).id)

    async def close_topic(self, channel: str, topic: str) -> None:
        """Archive and lock a thread."""
        await self._api.call(
            "PATCH",
            "/channels/{channel}",
            operation="close topic",
            values=self._ids(channel=topic),
            json={"archived": True, "locked": True},
            idempotent=True,
        )

    # invites

    async def create_invite(
        self,
        channel: str,
        *,
        name: str = "",
        expires_at: datetime | None = None,
        max_uses: int | None = None,
        needs_approval: bool = False,
    ) -> Invite:
        """Make an invite. Discord keeps no names: `name` stands in the result and the audit log only.

        Raises:
            NotSupported: `needs_approval` was asked for.
            InvalidInput: it would end in the past or later than in 60 days, or after more than 100 uses.
        """
        if needs_approval:
            raise NotSupported(
                "discord invites cannot ask for approval; let onboarding or a role decide",
                platform=self.platform,
                capability=str(Capability.JOIN_REQUESTS),
            )
        age = 0
        if expires_at is not None:
            age = int((expires_at - self._clock.now()).total_seconds())
            if not 1 <= age <= 5_184_000:
                raise InvalidInput("a Discord invite ends within 60 days from now, or never")
        if max_uses is not None and not 1 <= max_uses <= 100:
            raise InvalidInput("a Discord invite has 1 to 100 uses, or no limit")
        answer = await self._api.call(
            "POST",
            "/channels/{channel}/invites",
            operation="create invite",
            values=self._ids(channel=channel),
            json={"max_age": age, "max_uses": max_uses or 0, "temporary": False, "unique": True},
            reason=name,
        )
        return self._invite(read(InviteInfo, answer), name=name, created=True)

    @staticmethod
    def _invite(info: InviteInfo, *, name: str = "", created: bool = False) -> Invite:
        return Invite(
            id=info.code,
            url=f"https://discord.gg/{info.code}",
            name=name,
            uses=info.uses if info.uses is not None or not created else 0,
            expires_at=time_or_none(info.expires_at),
            max_uses=info.max_uses or None,
            attrs={"channel": str(info.channel.id) if info.channel is not None else ""},
        )

    async def revoke_invite(self, channel: str, invite: str) -> None:
        """End an invite, named by its code or link; gone already is no error."""
        code = invite.rstrip("/").rpartition("/")[2]
        try:
            await self._api.call(
                "DELETE", "/invites/{code}", operation="revoke invite", values={"code": code}
            )
        except TargetNotFound as error:
            if error.code != "10006":
                raise

    async def list_invites(self, channel: str) -> Sequence[Invite]:
        """Read the server's invites with their uses; needs Manage Server."""
        guild = await self._guild_of(channel)
        found = await self._api.get(
            list[InviteInfo],
            "/guilds/{guild}/invites",
            operation="list invites",
            values=self._ids(guild=guild),
        )
        return [self._invite(info) for info in found]
