"""Servers: channels, members, roles, moderation, threads and invites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import msgspec

from shequn_discord.api import read
from shequn_discord.base import FORUMS, Base
from shequn_discord.snowflake import parse_time
from shequn_discord.wire import Ban, Channel, Guild, InviteInfo, Member, display_name
from shequn_discord.wire import Role as GuildRole
from shequn_sdk.domain import Channel as DomainChannel
from shequn_sdk.domain import ChannelKind, Identity, MemberRef, Membership, Role
from shequn_sdk.errors import InvalidInput, NotSupported, PermissionDenied, TargetNotFound
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
_ADMIN = 1 << 3
_MODERATES = (1 << 1) | (1 << 2) | (1 << 13) | (1 << 40)
_MEMBER_PAGE = 1000
LONGEST_TIMEOUT = timedelta(days=28)
LONGEST_SLOW_MODE = timedelta(seconds=21_600)


class _Identified(msgspec.Struct, gc=False):
    id: str | int


class _BulkBan(msgspec.Struct, gc=False):
    banned_users: list[str | int] = msgspec.field(default_factory=list)
    failed_users: list[str | int] = msgspec.field(default_factory=list)


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

    # members

    def _membership(self, guild: Guild, member: Member) -> Membership:
        user = member.user
        if user is None:
            raise InvalidInput("discord told a member without a user")
        roles = {str(role) for role in member.roles}
        bits = 0
        for role in guild.roles:
            if str(role.id) in roles:
                bits |= int(role.permissions)
        until = (
            parse_time(member.communication_disabled_until) if member.communication_disabled_until else None
        )
        restricted = until is not None and until > self._clock.now()
        if str(guild.owner_id) == str(user.id):
            role = Role.OWNER
        elif bits & _ADMIN:
            role = Role.ADMIN
        elif bits & _MODERATES:
            role = Role.MODERATOR
        else:
            role = Role.RESTRICTED if restricted else Role.MEMBER
        return Membership(
            identity=Identity(
                ref=MemberRef(platform=self.platform, native_id=str(user.id)),
                display_name=display_name(user, member),
                username=user.username,
                is_bot=user.bot,
            ),
            role=role,
            joined_at=parse_time(member.joined_at) if member.joined_at else None,
            until=until if restricted else None,
            roles=tuple(str(item) for item in member.roles),
        )

    async def get_member(self, channel: str, member: str) -> Membership:
        """Read one member of the channel's server."""
        guild = await self._guild_of(channel)
        found = await self._api.get(
            Member,
            "/guilds/{guild}/members/{member}",
            operation="get member",
            values=self._ids(guild=guild, member=member),
        )
        return self._membership(await self._guild(guild), found)

    async def iter_members(self, channel: str) -> AsyncIterator[Membership]:
        """Give all members of the channel's server, by ascending id.

        Raises:
            PermissionDenied: the Server Members intent is not enabled for the application.
        """
        self._manifest.require(Capability.LIST_MEMBERS)
        number = await self._guild_of(channel)
        guild = await self._guild(number)
        after = "0"
        while True:
            try:
                page = await self._api.get(
                    list[Member],
                    "/guilds/{guild}/members",
                    operation="list members",
                    values=self._ids(guild=number),
                    params={"limit": _MEMBER_PAGE, "after": after},
                )
            except PermissionDenied as error:
                raise PermissionDenied(
                    f"{error} - for member lists enable the Server Members intent on the Bot page of the developer "
                    "portal",
                    platform=error.platform,
                    operation=error.operation,
                    code=error.code,
                    request_id=error.request_id,
                ) from None
            for member in page:
                yield self._membership(guild, member)
            if len(page) < _MEMBER_PAGE or page[-1].user is None:
                return
            after = str(page[-1].user.id)

    # moderation

    async def restrict(self, channel: str, member: str, *, until: datetime | None, reason: str = "") -> None:
        """Time a member out; Discord ends every time-out after 28 days, so longer ones are cut to that."""
        now = self._clock.now()
        longest = now + LONGEST_TIMEOUT - timedelta(minutes=1)
        end = longest if until is None else min(until, longest)
        if end <= now:
            await self.unrestrict(channel, member)
            return
        await self._time_out(channel, member, end.isoformat(), reason)

    async def unrestrict(self, channel: str, member: str) -> None:
        """End a time-out."""
        await self._time_out(channel, member, None, "")

    async def _time_out(self, channel: str, member: str, until: str | None, reason: str) -> None:
        guild = await self._guild_of(channel)
        await self._api.call(
            "PATCH",
            "/guilds/{guild}/members/{member}",
            operation="restrict",
            values=self._ids(guild=guild, member=member),
            json={"communication_disabled_until": until},
            reason=reason,
            idempotent=True,
        )

    async def kick(self, channel: str, member: str, *, reason: str = "") -> None:
        """Remove a member from the server; being gone already is no error."""
        guild = await self._guild_of(channel)
        try:
            await self._api.call(
                "DELETE",
                "/guilds/{guild}/members/{member}",
                operation="kick",
                values=self._ids(guild=guild, member=member),
                reason=reason,
            )
        except TargetNotFound as error:
            if error.code != "10007":
                raise

    async def ban(
        self,
        channel: str,
        member: str,
        *,
        until: datetime | None = None,
        reason: str = "",
        delete_messages: timedelta = timedelta(0),
    ) -> None:
        """Ban a member from the server, and delete what they wrote in the last `delete_messages` (at most 7 days).

        Raises:
            NotSupported: `until` was given; bans on Discord have no end.
        """
        if until is not None:
            raise NotSupported(
                "discord bans have no end: ban without until and call unban later, or use restrict for up to 28 days",
                platform=self.platform,
                capability=str(Capability.BAN),
            )
        if not timedelta(0) <= delete_messages <= timedelta(days=7):
            raise InvalidInput("a ban on Discord deletes messages of at most the last 7 days")
        guild = await self._guild_of(channel)
        await self._api.call(
            "PUT",
            "/guilds/{guild}/bans/{member}",
            operation="ban",
            values=self._ids(guild=guild, member=member),
            json={"delete_message_seconds": int(delete_messages.total_seconds())},
            reason=reason,
        )

    async def unban(self, channel: str, member: str) -> None:
        """Lift a ban; none there is no error."""
        guild = await self._guild_of(channel)
        try:
            await self._api.call(
                "DELETE",
                "/guilds/{guild}/bans/{member}",
                operation="unban",
                values=self._ids(guild=guild, member=member),
            )
        except TargetNotFound as error:
            if error.code != "10026":
                raise

    async def bulk_ban(
        self, channel: str, members: Sequence[str], *, reason: str = ""
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ban up to 200 at once; gives who was banned and who was not.

        Raises:
            Conflict: nobody could be banned.
        """
        guild = await self._guild_of(channel)
        answer = await self._api.call(
            "POST",
            "/guilds/{guild}/bulk-ban",
            operation="bulk ban",
            values=self._ids(guild=guild),
            json={"user_ids": [self._ids(member=member)["member"] for member in members]},
            reason=reason,
        )
        found = read(_BulkBan, answer)
        return tuple(map(str, found.banned_users)), tuple(map(str, found.failed_users))

    async def iter_bans(self, channel: str) -> AsyncIterator[Identity]:
        """Give who is banned, by ascending id; the reason is in `attrs`."""
        guild = await self._guild_of(channel)
        after = "0"
        while True:
            page = await self._api.get(
                list[Ban],
                "/guilds/{guild}/bans",
                operation="list bans",
                values=self._ids(guild=guild),
                params={"limit": 1000, "after": after},
            )
            for ban in page:
                yield Identity(
                    ref=MemberRef(platform=self.platform, native_id=str(ban.user.id)),
                    display_name=display_name(ban.user),
                    username=ban.user.username,
                    is_bot=ban.user.bot,
                    attrs={"reason": ban.reason or ""},
                )
            if len(page) < 1000:
                return
            after = str(page[-1].user.id)

    # roles

    async def grant_role(self, channel: str, member: str, role: str) -> None:
        """Give a role of the server."""
        await self._role("PUT", channel, member, role)

    async def revoke_role(self, channel: str, member: str, role: str) -> None:
        """Take a role of the server."""
        await self._role("DELETE", channel, member, role)

    async def _role(self, method: str, channel: str, member: str, role: str) -> None:
        guild = await self._guild_of(channel)
        await self._api.call(
            method,
            "/guilds/{guild}/members/{member}/roles/{role}",
            operation="grant role" if method == "PUT" else "revoke role",
            values=self._ids(guild=guild, member=member, role=role),
        )

    async def list_roles(self, channel: str) -> Sequence[GuildRole]:
        """Read the server's roles, lowest first."""
        guild = await self._guild_of(channel)
        found = await self._api.get(
            list[GuildRole], "/guilds/{guild}/roles", operation="list roles", values=self._ids(guild=guild)
        )
        return sorted(found, key=lambda role: (role.position, int(role.id)))

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
            expires_at=parse_time(info.expires_at) if info.expires_at else None,
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
