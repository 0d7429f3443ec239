"""Mode `appchat`: groups of members that an application made (应用群聊). Documents 90244 to 90248."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NoReturn

from shequn_sdk.domain import Channel, ChannelKind, Membership, Piece, Post, Role
from shequn_sdk.errors import Conflict, NotSupported, TargetNotFound
from shequn_sdk.platforms.manifest import Capability
from shequn_wecom import wire
from shequn_wecom.adapter import ApiAdapter
from shequn_wecom.app import message_body
from shequn_wecom.errors import PLATFORM
from shequn_wecom.render import digest

__all__ = ["AppChatAdapter"]

_EXISTS = "86215"


class AppChatAdapter(ApiAdapter):
    """Speaks into app groups; the channel is the group's chatid.

    The application's visible range must be the root department. WeCom gives messages to groups no id, so that a
    post's id is made here from the delivery's key.
    """

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Send a message into a group."""
        self._needs(piece)
        content = await message_body(
            piece,
            text_format=self.options.text_format,
            limit=self.manifest.limits.text.maximum,
            shelf=self._shelf,
            task_id="",
        )
        await self.api.post("appchat/send", wire.Answer, {"chatid": channel, **content, "safe": 0})
        return self._post(channel, f"appchat-{digest(idempotency_key)}", piece)

    async def create_chat(
        self, *, members: Sequence[str], name: str = "", owner: str = "", chat_id: str = ""
    ) -> str:
        """Make a group of 2 to 2000 members; gives its chatid.

        Args:
            name: at most 50 characters.
            chat_id: at most 32 letters and digits; giving it makes the call safe to repeat.
        """
        body: dict[str, Any] = {"userlist": list(members)}
        body.update(
            {key: value for key, value in (("name", name), ("owner", owner), ("chatid", chat_id)) if value}
        )
        try:
            made = await self.api.post("appchat/create", wire.Created, body, idempotent=bool(chat_id))
        except Conflict as error:
            if chat_id and error.code == _EXISTS:
                return chat_id
            raise
        return made.chatid or chat_id

    async def update_chat(
        self,
        channel: str,
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        name: str = "",
        owner: str = "",
    ) -> None:
        """Change a group's members, name or owner."""
        body: dict[str, Any] = {"chatid": channel}
        if add:
            body["add_user_list"] = list(add)
        if remove:
            body["del_user_list"] = list(remove)
        body.update({key: value for key, value in (("name", name), ("owner", owner)) if value})
        await self.api.post("appchat/update", wire.Answer, body, idempotent=True)

    async def _info(self, channel: str) -> wire.ChatInfo:
        answer = await self.api.get("appchat/get", wire.AppChat, {"chatid": channel})
        return answer.chat_info

    async def get_channel(self, channel: str) -> Channel:
        """Read a group."""
        info = await self._info(channel)
        return Channel(
            ref=self._ref(channel),
            platform=PLATFORM,
            title=info.name,
            kind=ChannelKind.GROUP,
            parent_id=self.options.corp_id,
            member_count=len(info.userlist),
            attrs={"owner": info.owner},
        )

    async def count_members(self, channel: str) -> int:
        """Count a group's members."""
        return len((await self._info(channel)).userlist)

    async def iter_channels(self) -> AsyncIterator[Channel]:
        """Not possible: WeCom lists no app groups.

        Raises:
            NotSupported: always.
        """
        self.manifest.require(Capability.LIST_CHANNELS)
        yield await self.get_channel("")

    def _membership(self, info: wire.ChatInfo, userid: str, name: str = "") -> Membership:
        role = Role.OWNER if userid == info.owner else Role.MEMBER
        return Membership(identity=self._identity(userid, name), role=role)

    async def get_member(self, channel: str, member: str) -> Membership:
        """Read one member of a group, with the name."""
        info = await self._info(channel)
        for userid in info.userlist:
            if userid.lower() == member.lower():
                user = await self.api.get("user/get", wire.User, {"userid": userid})
                return self._membership(info, userid, user.name)
        raise TargetNotFound(f"{member} is not in {channel}", platform=PLATFORM, operation="appchat/get")

    async def iter_members(self, channel: str) -> AsyncIterator[Membership]:
        """Give all members of a group by id; `get_member` knows names."""
        info = await self._info(channel)
        for userid in filter(None, info.userlist):
            yield self._membership(info, userid)

    async def kick(self, channel: str, member: str, *, reason: str = "") -> None:
        """Remove a member from a group."""
        await self.update_chat(channel, remove=[member])

    async def restrict(self, channel: str, member: str, *, until: datetime | None, reason: str = "") -> None:
        """Not possible in app groups."""
        self._refuse(Capability.RESTRICT)

    async def unrestrict(self, channel: str, member: str) -> None:
        """Not possible in app groups."""
        self._refuse(Capability.RESTRICT)

    async def ban(
        self, channel: str, member: str, *, until: datetime | None = None, reason: str = ""
    ) -> None:
        """Not possible in app groups."""
        self._refuse(Capability.BAN)

    async def unban(self, channel: str, member: str) -> None:
        """Not possible in app groups."""
        self._refuse(Capability.BAN)

    def _refuse(self, capability: Capability) -> NoReturn:
        raise NotSupported(self.manifest.explain(capability), platform=PLATFORM, capability=capability)
