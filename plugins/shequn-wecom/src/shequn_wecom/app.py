"""Mode `app`: messages of a self-built application to members of the corporation (应用消息)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from shequn_sdk.domain import Account, Channel, ChannelKind, Membership, Piece, Post
from shequn_sdk.errors import ConfigError, InvalidContent, TargetNotFound
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.manifest import Capability
from shequn_wecom import wire
from shequn_wecom.adapter import ApiAdapter
from shequn_wecom.errors import PLATFORM
from shequn_wecom.media import MediaShelf
from shequn_wecom.render import (
    MEDIA_TYPES,
    Target,
    article_link,
    article_text,
    button_card,
    check_text,
    digest,
    link_body,
    mpnews_body,
    poll_card,
    refuse,
    text_body,
)

__all__ = ["AppAdapter", "message_body"]

_ROOT = 1
"""Id of a corporation's root department."""


async def message_body(
    piece: Piece, *, text_format: str, limit: int, shelf: MediaShelf, task_id: str
) -> dict[str, Any]:
    """Give msgtype and content of a piece for application messages and app groups.

    Raises:
        InvalidContent: no message of WeCom can hold it.
    """
    if piece.poll is not None:
        return poll_card(piece.poll, piece.text, task_id)
    if piece.article is not None:
        article = piece.article
        if article.cover is not None:
            return mpnews_body(article, await shelf.media_id(article.cover))
        link = article_link(article)
        if link is not None:
            return link_body(link, "", text_format, limit=limit)
        return article_text(article, text_format, limit=limit)
    if piece.media:
        media = piece.media[0]
        kind = MEDIA_TYPES[media.kind]
        return {"msgtype": kind, kind: {"media_id": await shelf.media_id(media)}}
    check_text(piece.text, limit=limit)
    if piece.buttons:
        return button_card(piece.buttons, piece.text, task_id)
    if piece.link is not None:
        return link_body(piece.link, piece.text, text_format, limit=limit)
    if not piece.text.strip():
        raise refuse("the message is empty")
    return text_body(piece.text, text_format)


class AppAdapter(ApiAdapter):
    """Speaks to members through a self-built application.

    Channels: `@all` (everybody in the visible range), `user:lin` or `user:lin|chen`, `party:2`, `tag:3`.
    """

    def __init__(self, account: Account, context: AdapterContext) -> None:
        super().__init__(account, context)
        if not self.options.agent_id:
            raise ConfigError(
                f"the wecom account {account.name!r} needs option agent_id: AgentId on the application's page"
            )

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Send a message; WeCom drops a repetition with the same key within `duplicate_window` seconds.

        Raises:
            TargetNotFound: nobody of the receivers is in the visible range. When some are not, the post's
                `attrs` name them.
        """
        self._needs(piece)
        target = Target.parse(channel)
        task_id = f"shequn-{digest(self.account.name, idempotency_key)}"
        content = await message_body(
            piece,
            text_format=self.options.text_format,
            limit=self.manifest.limits.text.maximum,
            shelf=self._shelf,
            task_id=task_id,
        )
        body: dict[str, Any] = {
            target.field: target.value,
            "agentid": self.options.agent_id,
            **content,
            "safe": 0,
            "enable_duplicate_check": 1,
            "duplicate_check_interval": self.options.duplicate_window,
            # WeCom compares requests; this tells two deliveries of one text apart, and keeps retries the same
            "client_msg_id": digest(idempotency_key),
        }
        answer = await self.api.post("message/send", wire.Sent, body)
        attrs: dict[str, object] = {
            name: value
            for name in ("invaliduser", "invalidparty", "invalidtag", "unlicenseduser", "response_code")
            if (value := getattr(answer, name))
        }
        card = content.get("template_card")
        post = self._post(channel, answer.msgid or f"sent-{digest(idempotency_key)}", piece, attrs=attrs)
        if isinstance(card, dict) and "task_id" in card:
            # votes and clicks name the card by its task id
            return post.model_copy(
                update={"native_ids": (post.native_id, task_id), "attrs": {**attrs, "task_id": task_id}}
            )
        return post

    async def edit(self, channel: str, message: str, piece: Piece) -> None:
        """Not possible for messages; see `update_card`.

        Raises:
            NotSupported: always.
        """
        self.manifest.require(Capability.EDIT)

    async def delete(self, channel: str, message: str) -> None:
        """Recall a message of the last 24 hours; one that is recalled already is no error."""
        await self.api.post("message/recall", wire.Answer, {"msgid": message}, idempotent=True)

    async def update_card(
        self,
        response_code: str,
        *,
        users: Sequence[str] = (),
        button: str = "",
        card: Mapping[str, Any] | None = None,
    ) -> None:
        """Change an interactive card once: grey its button with a new label, or replace it whole.

        Args:
            response_code: from the post's `attrs`, or from the interaction of a click.
            users: for whom; empty is all who got it.

        Raises:
            Conflict: the code is used up or too old.
        """
        body: dict[str, Any] = {"agentid": self.options.agent_id, "response_code": response_code}
        if users:
            body["userids"] = list(users)
        else:
            body["atall"] = 1
        if card is not None:
            body["template_card"] = dict(card)
        else:
            body["button"] = {"replace_name": button}
        await self.api.post("message/update_template_card", wire.Answer, body)

    async def get_channel(self, channel: str) -> Channel:
        """Read a department, a tag, a member, or the application itself for `@all`."""
        target = Target.parse(channel)
        if target.everybody:
            agent = await self.api.get("agent/get", wire.Agent, {"agentid": self.options.agent_id})
            return self._channel(channel, agent.name, ChannelKind.BROADCAST)
        if target.field == "touser":
            user = await self.api.get("user/get", wire.User, {"userid": target.value.split("|")[0]})
            return self._channel(channel, user.name, ChannelKind.DIRECT, 1 + target.value.count("|"))
        if target.field == "totag":
            tag = await self.api.get("tag/get", wire.TagMembers, {"tagid": target.value})
            return self._channel(channel, tag.tagname, ChannelKind.BROADCAST, len(tag.userlist))
        for department in await self._departments():
            if str(department.id) == target.value:
                return self._channel(channel, department.name, ChannelKind.BROADCAST)
        raise TargetNotFound(
            f"wecom shows no department {target.value} to this application; look at its visible range",
            platform=PLATFORM,
            operation="department/list",
        )

    async def count_members(self, channel: str) -> int:
        """Count the members that a message to the channel reaches."""
        count = 0
        async for _ in self.iter_members(channel):
            count += 1
        return count

    async def iter_channels(self) -> AsyncIterator[Channel]:
        """Give `@all`, the departments and the tags that the application sees."""
        yield await self.get_channel("@all")
        for department in await self._departments():
            yield self._channel(f"party:{department.id}", department.name, ChannelKind.BROADCAST)
        tags = await self.api.get("tag/list", wire.TagMembers)
        for tag in tags.taglist:
            yield self._channel(f"tag:{tag.tagid}", tag.tagname, ChannelKind.BROADCAST)

    async def load_picture(self, picture: str, *, most_bytes: int) -> bytes:
        """Load a picture that a member sent to the application, by its media id; WeCom keeps it for three days.

        Raises:
            InvalidContent: it is larger than `most_bytes`, unknown, or too old.
        """
        data = await self.api.download(picture)
        if len(data) > most_bytes:
            raise InvalidContent(f"the picture has more than {most_bytes} bytes", platform=PLATFORM)
        return data

    async def get_member(self, channel: str, member: str) -> Membership:
        """Read a member who is reached through the channel."""
        user = await self.api.get("user/get", wire.User, {"userid": member})
        target = Target.parse(channel)
        inside = target.everybody
        if target.field == "touser" and not inside:
            inside = user.userid.lower() in target.value.lower().split("|")
        elif target.field == "toparty":
            inside = any(str(department) in target.value.split("|") for department in user.department)
        if not inside:
            async for membership in self.iter_members(channel):
                if membership.identity.ref.native_id.lower() == member.lower():
                    return membership
            raise TargetNotFound(f"{member} is not in {channel}", platform=PLATFORM, operation="user/get")
        return Membership(identity=self._identity(user.userid or member, user.name), title=user.position)

    async def iter_members(self, channel: str) -> AsyncIterator[Membership]:
        """Give the members whom a message to the channel reaches."""
        target = Target.parse(channel)
        seen: set[str] = set()
        if target.field == "touser" and not target.everybody:
            for userid in target.value.split("|"):
                user = await self.api.get("user/get", wire.User, {"userid": userid})
                yield Membership(
                    identity=self._identity(user.userid or userid, user.name), title=user.position
                )
            return
        departments: list[int | str] = [_ROOT] if target.everybody else []
        if target.field == "toparty":
            departments = list(target.value.split("|"))
        elif target.field == "totag":
            for tagid in target.value.split("|"):
                tag = await self.api.get("tag/get", wire.TagMembers, {"tagid": tagid})
                departments += tag.partylist
                for user in tag.userlist:
                    if user.userid not in seen:
                        seen.add(user.userid)
                        yield Membership(identity=self._identity(user.userid, user.name))
        for department in departments:
            params = {"department_id": department, "fetch_child": 1}
            users = await self.api.get("user/simplelist", wire.Users, params)
            for user in users.userlist:
                if user.userid not in seen:
                    seen.add(user.userid)
                    yield Membership(identity=self._identity(user.userid, user.name))

    async def direct_channel(self, member: str) -> str:
        """Give the channel of one member."""
        return f"user:{member}"

    async def count_sent(self, *, yesterday: bool = False) -> int:
        """Give how many messages the application sent today or yesterday, as WeCom counts them."""
        answer = await self.api.post(
            "message/get_statistics", wire.SentStatistics, {"time_type": int(yesterday)}, idempotent=True
        )
        return sum(item.count for item in answer.statistics if item.agentid == self.options.agent_id)

    async def _departments(self) -> list[wire.Department]:
        answer = await self.api.get("department/list", wire.Departments)
        return answer.department

    def _channel(self, channel: str, title: str, kind: ChannelKind, members: int | None = None) -> Channel:
        return Channel(
            ref=self._ref(channel),
            platform=PLATFORM,
            title=title,
            kind=kind,
            parent_id=self.options.corp_id,
            member_count=members,
        )
