"""Members of servers: reading them, moderation and roles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import msgspec

from shequn_discord.api import read
from shequn_discord.base import Base
from shequn_discord.snowflake import time_or_none
from shequn_discord.wire import Ban, Guild, Member, display_name
from shequn_discord.wire import Role as GuildRole
from shequn_sdk.domain import Identity, MemberRef, Membership, Role
from shequn_sdk.errors import InvalidInput, NotSupported, PermissionDenied, TargetNotFound
from shequn_sdk.platforms.manifest import Capability

__all__ = ["Members"]

_ADMIN = 1 << 3
_MODERATES = (1 << 1) | (1 << 2) | (1 << 13) | (1 << 40)
_MEMBER_PAGE = 1000
LONGEST_TIMEOUT = timedelta(days=28)


class _BulkBan(msgspec.Struct, gc=False):
    banned_users: list[str | int] = msgspec.field(default_factory=list)
    failed_users: list[str | int] = msgspec.field(default_factory=list)


class Members(Base):
    """Part of the adapter that deals with members. A channel's id names its server, and so does the server's own."""

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
        until = time_or_none(member.communication_disabled_until)
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
            joined_at=time_or_none(member.joined_at),
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
