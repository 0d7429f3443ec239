"""The community's side: channels, topics, members, roles, moderation, entrances, join requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shequn_sdk.domain import Channel, ChannelKind, ChannelRef, Identity, MemberRef, Membership, Role
from shequn_sdk.errors import Conflict, InvalidContent
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Invite
from shequn_telegram import wire
from shequn_telegram._base import AdapterBase, number
from shequn_telegram.errors import PLATFORM
from shequn_telegram.render import split_channel

__all__ = ["CommunitySide"]

_SHORTEST = timedelta(seconds=35)
"""Bans and restrictions shorter than 30 s or longer than 366 days are taken as for ever."""
_SENDING = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
)
_MODERATOR = (
    "can_manage_chat",
    "can_delete_messages",
    "can_restrict_members",
    "can_invite_users",
    "can_pin_messages",
)
_ROLE_RIGHTS: Mapping[str, tuple[str, ...]] = {
    "moderator": _MODERATOR,
    "admin": (*_MODERATOR, "can_change_info", "can_manage_video_chats", "can_manage_topics"),
}
_KINDS: Mapping[str, ChannelKind] = {
    "private": ChannelKind.DIRECT,
    "group": ChannelKind.GROUP,
    "supergroup": ChannelKind.GROUP,
    "channel": ChannelKind.BROADCAST,
}
_ROLES: Mapping[str, Role] = {
    "creator": Role.OWNER,
    "administrator": Role.ADMIN,
    "member": Role.MEMBER,
    "restricted": Role.RESTRICTED,
    "left": Role.LEFT,
    "kicked": Role.BANNED,
}


class CommunitySide(AdapterBase):
    """CHANNEL_INFO, MEMBER_COUNT, TOPICS, PICTURES, GET_MEMBER, DIRECT_MESSAGE, RESTRICT, KICK, BAN, ROLES, INVITES, JOIN_REQUESTS."""

    # channels

    async def get_channel(self, channel: str) -> Channel:
        """Read a chat; `chat/thread` gives the topic as a channel of kind THREAD under its forum."""
        chat_id, thread = split_channel(channel)
        parameters = {"chat_id": chat_id}
        chat = await self.api.call("getChat", parameters, result=wire.FullChat, idempotent=True)
        count = None
        if chat.type != "private":
            count = await self.api.call("getChatMemberCount", parameters, result=int, idempotent=True)
        kind = ChannelKind.FORUM if chat.is_forum else _KINDS.get(chat.type, ChannelKind.UNKNOWN)
        attrs: dict[str, Any] = {"type": chat.type, "id": str(chat.id)}
        for name in ("invite_link", "slow_mode_delay", "join_by_request", "join_to_send_messages"):
            value = getattr(chat, name)
            if value:
                attrs[name] = value
        if chat.linked_chat_id is not None:
            attrs["linked_channel"] = str(chat.linked_chat_id)
        return Channel(
            ref=ChannelRef(account=self._account.name, native_id=channel),
            platform=PLATFORM,
            title=chat.title or " ".join(filter(None, (chat.first_name, chat.last_name))),
            kind=kind if thread is None else ChannelKind.THREAD,
            description=chat.description or chat.bio,
            parent_id=None if thread is None else str(chat.id),
            username=chat.username,
            member_count=count,
            attrs=attrs,
        )

    async def count_members(self, channel: str) -> int:
        """Read Telegram's own number of members, bots included."""
        parameters = {"chat_id": split_channel(channel)[0]}
        return await self.api.call("getChatMemberCount", parameters, result=int, idempotent=True)

    async def load_picture(self, picture: str, *, most_bytes: int) -> bytes:
        """Load a photo by its file id; bots get at most 20 MB.

        Raises:
            InvalidContent: it is larger than `most_bytes`.
        """
        file = await self.api.call("getFile", {"file_id": picture}, result=wire.File, idempotent=True)
        if file.file_size > most_bytes:
            raise InvalidContent(
                f"the picture has {file.file_size} bytes, {most_bytes} at most are wanted", platform=PLATFORM
            )
        data = await self.api.download(file.file_path)
        if len(data) > most_bytes:
            raise InvalidContent(f"the picture has more than {most_bytes} bytes", platform=PLATFORM)
        return data

    def iter_channels(self) -> AsyncIterator[Channel]:
        """Refuse: the Bot API does not tell where a bot is."""
        self.manifest.require(Capability.LIST_CHANNELS)
        raise AssertionError

    async def open_topic(self, channel: str, title: str) -> str:
        """Open a topic of a forum (128 characters at most); gives `chat/thread`."""
        chat, _ = split_channel(channel)
        topic = await self.api.call(
            "createForumTopic", {"chat_id": chat, "name": title}, result=wire.ForumTopic
        )
        return f"{chat}/{topic.message_thread_id}"

    async def close_topic(self, channel: str, topic: str) -> None:
        """Close a topic, named by `chat/thread` or by the thread alone; closed already is no error."""
        await self._topic("closeForumTopic", channel, topic)

    async def reopen_topic(self, channel: str, topic: str) -> None:
        """Open a closed topic again (extra)."""
        await self._topic("reopenForumTopic", channel, topic)

    async def _topic(self, method: str, channel: str, topic: str) -> None:
        chat = split_channel(channel)[0]
        thread = number(topic.rpartition("/")[2], "topic")
        try:
            await self._do(method, {"chat_id": chat, "message_thread_id": thread})
        except Conflict as error:
            if "TOPIC_NOT_MODIFIED" not in str(error):
                raise

    # members

    def _membership(self, member: wire.ChatMember) -> Membership:
        user = member.user
        return Membership(
            identity=Identity(
                ref=MemberRef(platform=PLATFORM, native_id=str(user.id)),
                display_name=" ".join(filter(None, (user.first_name, user.last_name))),
                username=user.username,
                is_bot=user.is_bot,
                language=user.language_code,
            ),
            role=_ROLES.get(member.status, Role.MEMBER),
            until=_instant(member.until_date),
            title=member.custom_title or member.tag,
        )

    async def get_member(self, channel: str, member: str) -> Membership:
        """Read one member; sure for others than the bot only where the bot is an administrator."""
        parameters = self._who(channel, member)
        found = await self.api.call("getChatMember", parameters, result=wire.ChatMember, idempotent=True)
        return self._membership(found)

    def iter_members(self, channel: str) -> AsyncIterator[Membership]:
        """Refuse: the Bot API lists administrators only, see `list_admins`."""
        self.manifest.require(Capability.LIST_MEMBERS)
        raise AssertionError

    async def list_admins(self, channel: str) -> Sequence[Membership]:
        """Give owner and administrators, without other bots (extra)."""
        parameters = {"chat_id": split_channel(channel)[0]}
        found = await self.api.call(
            "getChatAdministrators", parameters, result=list[wire.ChatMember], idempotent=True
        )
        return [self._membership(member) for member in found]

    async def direct_channel(self, member: str) -> str:
        """Give the private chat, which has the member's own id; the member must have written to the bot first."""
        return str(number(member, "member"))

    # moderation

    def _until(self, until: datetime | None) -> dict[str, int]:
        if until is None:
            return {}
        earliest = self._clock.now() + _SHORTEST
        return {"until_date": int(max(until, earliest).timestamp())}

    async def restrict(self, channel: str, member: str, *, until: datetime | None, reason: str = "") -> None:
        """Keep a member from writing; supergroups only. Times under 30 s are stretched to 35 s."""
        permissions = dict.fromkeys(_SENDING, False)
        await self._do(
            "restrictChatMember",
            {
                **self._who(channel, member),
                "permissions": permissions,
                "use_independent_chat_permissions": True,
                **self._until(until),
            },
        )

    async def unrestrict(self, channel: str, member: str) -> None:
        """Let a member write again; the group's own permissions stay in force."""
        permissions = dict.fromkeys(
            (*_SENDING, "can_edit_tag", "can_invite_users", "can_pin_messages", "can_change_info", "can_manage_topics"), True
        )  # fmt: skip
        await self._do("restrictChatMember", {**self._who(channel, member), "permissions": permissions})

    async def kick(self, channel: str, member: str, *, reason: str = "") -> None:
        """Remove a member, who may come back: a ban that is lifted at once (2 requests)."""
        await self._do("banChatMember", self._who(channel, member))
        await self.unban(channel, member)

    async def ban(
        self, channel: str, member: str, *, until: datetime | None = None, reason: str = ""
    ) -> None:
        """Remove a member, who may not come back. Times under 30 s are stretched to 35 s; the messages stay."""
        await self._do("banChatMember", {**self._who(channel, member), **self._until(until)})

    async def unban(self, channel: str, member: str) -> None:
        """Lift a ban; no error when there is none. Basic groups have no bans, so there it does nothing."""
        try:
            await self._do("unbanChatMember", {**self._who(channel, member), "only_if_banned": True})
        except Conflict as error:
            if "method is available" not in str(error):
                raise

    # roles

    async def grant_role(self, channel: str, member: str, role: str) -> None:
        """Give `admin`, `moderator`, one right such as `can_pin_messages`, `title:<text>` or `tag:<text>`.

        A right is added to those the member has. Titles are for administrators, tags for ordinary members.
        """
        kind, colon, label = role.partition(":")
        if colon and kind == "title":
            await self._do(
                "setChatAdministratorCustomTitle", {**self._who(channel, member), "custom_title": label}
            )
        elif colon and kind == "tag":
            await self._do("setChatMemberTag", {**self._who(channel, member), "tag": label})
        else:
            rights = {**await self._rights(channel, member), **dict.fromkeys(_rights_of(role), True)}
            await self._do("promoteChatMember", {**self._who(channel, member), **rights})

    async def revoke_role(self, channel: str, member: str, role: str) -> None:
        """Take what `grant_role` gave; `admin` and `moderator` take all rights."""
        kind, colon, _ = role.partition(":")
        if colon and kind == "title":
            await self._do(
                "setChatAdministratorCustomTitle", {**self._who(channel, member), "custom_title": ""}
            )
        elif colon and kind == "tag":
            await self._do("setChatMemberTag", {**self._who(channel, member), "tag": ""})
        else:
            gone = _rights_of(role)
            rights = await self._rights(channel, member)
            if not rights:
                return
            kept = (
                {}
                if role in _ROLE_RIGHTS
                else {name: value for name, value in rights.items() if name not in gone}
            )
            await self._do(
                "promoteChatMember", {**self._who(channel, member), **dict.fromkeys(rights, False), **kept}
            )

    async def _rights(self, channel: str, member: str) -> dict[str, bool]:
        found = await self.api.call(
            "getChatMember", self._who(channel, member), result=dict[str, Any], idempotent=True
        )
        if found.get("status") != "administrator":
            return {}
        return {
            name: True
            for name, value in found.items()
            if value is True
            and (name.startswith("can_") or name == "is_anonymous")
            and name != "can_be_edited"
        }

    # entrances

    async def create_invite(
        self,
        channel: str,
        *,
        name: str = "",
        expires_at: datetime | None = None,
        max_uses: int | None = None,
        needs_approval: bool = False,
    ) -> Invite:
        """Make a named link (32 characters at most); whoever joins by it brings its name as `entrance`."""
        parameters: dict[str, Any] = {"chat_id": split_channel(channel)[0]}
        if name:
            parameters["name"] = name
        if expires_at is not None:
            parameters["expire_date"] = int(expires_at.timestamp())
        if needs_approval and max_uses is not None:
            raise InvalidContent(
                "a Telegram link that asks for approval cannot have a limit of uses: give one of the two",
                platform=PLATFORM,
                operation="createChatInviteLink",
            )
        if max_uses is not None:
            parameters["member_limit"] = max_uses
        if needs_approval:
            parameters["creates_join_request"] = True
        return _invite(await self.api.call("createChatInviteLink", parameters, result=wire.InviteLink))

    async def create_subscription_invite(self, channel: str, *, stars: int, name: str = "") -> Invite:
        """Make a link by which joining costs Stars every 30 days; broadcast channels only (extra, PAYMENTS)."""
        parameters: dict[str, Any] = {
            "chat_id": split_channel(channel)[0],
            "subscription_period": 2_592_000,
            "subscription_price": stars,
        }
        if name:
            parameters["name"] = name
        return _invite(
            await self.api.call("createChatSubscriptionInviteLink", parameters, result=wire.InviteLink)
        )

    async def revoke_invite(self, channel: str, invite: str) -> None:
        """End a link; only links that this bot made."""
        await self._do("revokeChatInviteLink", {"chat_id": split_channel(channel)[0], "invite_link": invite})

    async def approve_join(self, channel: str, member: str) -> None:
        """Let an applicant in."""
        await self._do("approveChatJoinRequest", self._who(channel, member))

    async def decline_join(self, channel: str, member: str) -> None:
        """Turn an applicant away."""
        await self._do("declineChatJoinRequest", self._who(channel, member))

    def _who(self, channel: str, member: str) -> dict[str, Any]:
        return {"chat_id": split_channel(channel)[0], "user_id": number(member, "member")}


def _rights_of(role: str) -> tuple[str, ...]:
    if role in _ROLE_RIGHTS:
        return _ROLE_RIGHTS[role]
    if role.startswith("can_") or role == "is_anonymous":
        return (role,)
    raise InvalidContent(
        f"Telegram has no role {role!r}: there are admin, moderator, single rights such as can_pin_messages, "
        "title:<text> and tag:<text>",
        platform=PLATFORM,
        operation="promoteChatMember",
    )


def _instant(seconds: int | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, ValueError, OSError):  # no time that a calendar knows: for ever
        return None


def _invite(link: wire.InviteLink) -> Invite:
    attrs: dict[str, object] = {}
    if link.subscription_price is not None:
        attrs["stars"] = link.subscription_price
    return Invite(
        id=link.invite_link,
        url=link.invite_link,
        name=link.name,
        expires_at=_instant(link.expire_date),
        max_uses=link.member_limit,
        needs_approval=link.creates_join_request,
        attrs=attrs,
    )
