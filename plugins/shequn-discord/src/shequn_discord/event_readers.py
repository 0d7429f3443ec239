"""Readers of what members say and buy: from what Discord tells to what a member did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shequn_discord.event_wire import (
    Called,
    Deleted,
    DeletedBulk,
    Edited,
    Reacted,
    Voted,
)
from shequn_discord.snowflake import made_at, parse_time, time_of
from shequn_discord.wire import Attachment, Entitlement, Id, Member, Message, User, display_name
from shequn_sdk.domain import Clock, Interaction, InteractionKind
from shequn_sdk.platforms.assembly import assemble, blank
from shequn_sdk.platforms.ports import RawEvent

__all__ = ["READERS", "CallReaders", "MessageReaders", "Readers", "message_interaction"]

_K = InteractionKind
PLATFORM = "discord"
_BLANK = blank(PLATFORM, "")
SPEECH = frozenset({0, 19, 20, 21, 23})
"""Message types in which somebody says something."""

BOUGHT = frozenset({1, 8})
"""Entitlement types that somebody paid for: purchase, application subscription."""


_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".avif")


def is_picture(file: Attachment) -> bool:
    """Whether a file is a picture, by its type, or by its name where Discord tells no type."""
    if file.content_type:
        return file.content_type.startswith("image/")
    return file.filename.lower().endswith(_IMAGES)


def message_interaction(
    message: Message, *, account: str, guild: str = "", own: str = ""
) -> Interaction | None:
    """Give what a message is as an interaction, None for service messages and our own."""
    author = message.author
    member_id = str(author.id)
    if member_id == own:
        return None
    kind = _K.MESSAGE
    parent = target = ""
    attrs: dict[str, Any] = {}
    reference = message.message_reference
    if reference is not None and reference.message_id is not None:
        parent = str(reference.message_id)
        if reference.channel_id is not None and str(reference.channel_id) != str(message.channel_id):
            attrs["parent_channel"] = str(reference.channel_id)
        if reference.type == 1:
            kind = _K.SHARE
            attrs["from_channel"] = str(reference.channel_id or "")
        elif message.referenced_message is not None and message.referenced_message.author is not None:
            answered = message.referenced_message.author
            if answered.bot:
                attrs["answers_bot"] = str(answered.id)
            else:
                target = str(answered.id)
    if message.type not in SPEECH:
        if message.type != 25:
            return None
        kind = _K.PURCHASE
        bought = message.role_subscription_data
        if bought is not None:
            attrs |= {
                "tier": bought.tier_name,
                "months": bought.total_months_subscribed,
                "renewal": bought.is_renewal,
            }
    home = str(message.guild_id) if message.guild_id is not None else guild
    if home:
        attrs["guild_id"] = home
    if message.mentions:
        attrs["mentions"] = [str(user.id) for user in message.mentions]
    if message.mention_everyone:
        attrs["mention_everyone"] = True
    if message.attachments:
        attrs["attachments"] = len(message.attachments)
        if pictures := [one.url for one in message.attachments if one.url and is_picture(one)]:
            attrs["pictures"] = pictures
    if message.webhook_id is not None:
        attrs["webhook_id"] = str(message.webhook_id)
    if message.poll is not None:
        attrs["poll"] = message.poll.question.text
    channel = str(message.channel_id)
    number = str(message.id)
    member = message.member
    return assemble(
        {
            **_BLANK,
            "id": "message:" + number,
            "kind": kind,
            "account": account,
            "channel": channel,
            "member": member_id,
            "member_name": (member.nick if member is not None else None)
            or author.global_name
            or author.username,
            "username": author.username,
            "is_bot": author.bot or message.webhook_id is not None,
            "occurred_at": made_at(number, message.timestamp),
            "message": number,
            "parent": parent,
            "target": target,
            "thread": channel if message.position is not None else "",
            "text": message.content,
            "attrs": attrs,
        }
    )


class Readers:
    """What all readers share.

    Args:
        account: the account's name.
        own: user id of the bot; what it does itself is left out.
        clock: for the few events that carry no instant and came without one.
        guild_channels: native channel in which the joins and leaves of a server are counted; default is the server id.
    """

    def __init__(
        self, *, account: str, own: str, clock: Clock, guild_channels: Mapping[str, str] | None = None
    ) -> None:
        self._account = account
        self._blank = blank(PLATFORM, account)
        self._own = own
        self._clock = clock
        self._homes = dict(guild_channels or {})

    def _at(self, raw: RawEvent) -> datetime:
        text = raw.headers.get("received_at", "")
        if text:
            try:
                return parse_time(text)
            except ValueError:
                pass
        return self._clock.now().astimezone(UTC)

    def _home(self, guild: Id | None) -> str:
        text = str(guild) if guild is not None else ""
        return self._homes.get(text, text)

    def _one(
        self,
        kind: InteractionKind,
        number: str,
        at: datetime,
        *,
        channel: Id | None,
        guild: Id | None = None,
        user: User | None = None,
        member: Member | None = None,
        member_id: str = "",
        message: str = "",
        target: str = "",
        text: str = "",
        name: str = "",
        thread: str = "",
        attrs: dict[str, Any] | None = None,
    ) -> list[Interaction]:
        known = user or (member.user if member is not None else None)
        who = str(known.id) if known is not None else member_id
        if who and who == self._own:
            return []
        facts = attrs or {}
        if guild is not None:
            facts["guild_id"] = str(guild)
        facts_of = self._blank.copy()
        facts_of["id"] = number
        facts_of["kind"] = kind
        facts_of["member"] = who
        facts_of["occurred_at"] = at
        facts_of["message"] = message
        facts_of["target"] = target
        facts_of["text"] = text
        facts_of["attrs"] = facts
        if channel is not None:
            facts_of["channel"] = str(channel)
        if known is not None:
            facts_of["member_name"] = name or display_name(known, member)
            facts_of["username"] = known.username
            facts_of["is_bot"] = known.bot
        if thread:
            facts_of["thread"] = thread
        return [assemble(facts_of)]


class MessageReaders(Readers):
    """Messages, reactions and votes."""

    def _message(self, data: Message, raw: RawEvent) -> list[Interaction]:
        found = message_interaction(data, account=self._account, own=self._own)
        return [found] if found is not None else []

    def _edit(self, data: Edited, raw: RawEvent) -> list[Interaction]:
        if data.edited_timestamp is None or data.author is None:
            return []
        return self._one(
            _K.EDIT,
            f"edit:{data.id}:{data.edited_timestamp}",
            parse_time(data.edited_timestamp),
            channel=data.channel_id,
            guild=data.guild_id,
            user=data.author,
            member=data.member,
            message=str(data.id),
            text=data.content or "",
        )

    def _delete(self, data: Deleted, raw: RawEvent) -> list[Interaction]:
        return self._retract_message(data.id, data.channel_id, data.guild_id, raw)

    def _delete_bulk(self, data: DeletedBulk, raw: RawEvent) -> list[Interaction]:
        found: list[Interaction] = []
        for number in data.ids:
            found += self._retract_message(number, data.channel_id, data.guild_id, raw)
        return found

    def _retract_message(self, number: Id, channel: Id, guild: Id | None, raw: RawEvent) -> list[Interaction]:
        return self._one(
            _K.RETRACT,
            f"delete:{number}",
            self._at(raw),
            channel=channel,
            guild=guild,
            message=str(number),
            target=str(number),
            attrs={"retracts": "message"},
        )

    def _react(self, data: Reacted, raw: RawEvent) -> list[Interaction]:
        emoji = data.emoji.text if data.emoji is not None else ""
        attrs: dict[str, Any] = {"emoji": emoji}
        if data.burst:
            attrs["burst"] = True
        author = str(data.message_author_id or "")
        if author == self._own:  # we are no member of our community
            attrs["answers_bot"], author = author, ""
        return self._one(
            _K.REACTION,
            raw.event_id,
            self._at(raw),
            channel=data.channel_id,
            guild=data.guild_id,
            member=data.member,
            member_id=str(data.user_id),
            message=str(data.message_id),
            target=author,
            text=emoji,
            attrs=attrs,
        )

    def _unreact(self, data: Reacted, raw: RawEvent) -> list[Interaction]:
        emoji = data.emoji.text if data.emoji is not None else ""
        attrs: dict[str, Any] = {"retracts": "reaction", "emoji": emoji}
        if not data.user_id:
            attrs["everyone"] = True
        return self._one(
            _K.RETRACT,
            raw.event_id,
            self._at(raw),
            channel=data.channel_id,
            guild=data.guild_id,
            member_id=str(data.user_id),
            message=str(data.message_id),
            target=str(data.message_id),
            text=emoji,
            attrs=attrs,
        )

    def _vote(self, data: Voted, raw: RawEvent) -> list[Interaction]:
        return self._voted(_K.VOTE, data, raw, {})

    def _unvote(self, data: Voted, raw: RawEvent) -> list[Interaction]:
        return self._voted(_K.RETRACT, data, raw, {"retracts": "vote"})

    def _voted(
        self, kind: InteractionKind, data: Voted, raw: RawEvent, attrs: dict[str, Any]
    ) -> list[Interaction]:
        number = str(data.message_id)
        return self._one(
            kind,
            raw.event_id,
            self._at(raw),
            channel=data.channel_id,
            guild=data.guild_id,
            member_id=str(data.user_id),
            message=number,
            target=number if kind is _K.RETRACT else "",
            attrs={**attrs, "answer_id": data.answer_id, "choice": data.answer_id - 1},
        )


class CallReaders(Readers):
    """Commands, buttons and purchases."""

    def _called(self, data: Called, raw: RawEvent) -> list[Interaction]:
        if data.type not in {2, 3, 5}:
            return []
        attrs: dict[str, Any] = {
            "interaction_id": str(data.id),
            "interaction_token": data.token,
            "interaction_type": data.type,
            "application_id": str(data.application_id),
        }
        if data.locale:
            attrs["locale"] = data.locale
        if raw.headers.get("source") == "http":
            attrs["acknowledged"] = True
        if data.data.options:
            attrs["options"] = {
                option.name: option.value
                for option in data.data.options
                if isinstance(option.value, str | int | float | bool)
            }
        if data.data.values:
            attrs["values"] = [str(value) for value in data.data.values]
        kind = {2: _K.COMMAND, 3: _K.BUTTON, 5: _K.FEEDBACK}[data.type]
        member = data.member
        return self._one(
            kind,
            f"interaction:{data.id}",
            time_of(str(data.id)),
            channel=data.channel_id,
            guild=data.guild_id,
            user=data.user or (member.user if member is not None else None),
            member=member,
            message=str(data.message.id) if data.message is not None else "",
            text=data.data.name or data.data.custom_id,
            attrs=attrs,
        )

    def _entitle(self, data: Entitlement, raw: RawEvent, at: datetime | None = None) -> list[Interaction]:
        attrs: dict[str, Any] = {
            "sku_id": str(data.sku_id),
            "type": data.type,
            "entitlement_id": str(data.id),
        }
        if data.ends_at:
            attrs["ends_at"] = data.ends_at
        moment = at or time_of(str(data.id))
        home = self._home(data.guild_id)
        who = str(data.user_id or "")
        found = self._one(
            _K.ENTITLEMENT,
            f"entitlement:{data.id}",
            moment,
            channel=home,
            guild=data.guild_id,
            member_id=who,
            attrs=dict(attrs),
        )
        if data.type in BOUGHT:
            found += self._one(
                _K.PURCHASE,
                f"entitlement:{data.id}:purchase",
                moment,
                channel=home,
                guild=data.guild_id,
                member_id=who,
                attrs=dict(attrs),
            )
        return found

    def _entitled(self, data: Entitlement, raw: RawEvent, at: datetime | None = None) -> list[Interaction]:
        return self._one(
            _K.ENTITLEMENT,
            f"entitlement:{data.id}:{data.ends_at or raw.event_id}",
            at or self._at(raw),
            channel=self._home(data.guild_id),
            guild=data.guild_id,
            member_id=str(data.user_id or ""),
            attrs={
                "sku_id": str(data.sku_id),
                "type": data.type,
                "entitlement_id": str(data.id),
                "ends_at": data.ends_at,
            },
        )

    def _disentitle(self, data: Entitlement, raw: RawEvent, at: datetime | None = None) -> list[Interaction]:
        return self._one(
            _K.RETRACT,
            f"entitlement:{data.id}:delete",
            at or self._at(raw),
            channel=self._home(data.guild_id),
            guild=data.guild_id,
            member_id=str(data.user_id or ""),
            attrs={"retracts": "entitlement", "sku_id": str(data.sku_id), "entitlement_id": str(data.id)},
        )


READERS: Mapping[str, str] = {
    "MESSAGE_CREATE": "_message",
    "MESSAGE_UPDATE": "_edit",
    "MESSAGE_DELETE": "_delete",
    "MESSAGE_DELETE_BULK": "_delete_bulk",
    "MESSAGE_REACTION_ADD": "_react",
    "MESSAGE_REACTION_REMOVE": "_unreact",
    "MESSAGE_REACTION_REMOVE_ALL": "_unreact",
    "MESSAGE_REACTION_REMOVE_EMOJI": "_unreact",
    "MESSAGE_POLL_VOTE_ADD": "_vote",
    "MESSAGE_POLL_VOTE_REMOVE": "_unvote",
    "GUILD_MEMBER_ADD": "_join",
    "GUILD_MEMBER_UPDATE": "_update",
    "GUILD_MEMBER_REMOVE": "_leave",
    "GUILD_BAN_ADD": "_ban",
    "GUILD_BAN_REMOVE": "_unban",
    "INVITE_CREATE": "_invite",
    "INVITE_DELETE": "_uninvite",
    "GUILD_SCHEDULED_EVENT_USER_ADD": "_interest",
    "GUILD_SCHEDULED_EVENT_USER_REMOVE": "_uninterest",
    "AUTO_MODERATION_ACTION_EXECUTION": "_automod",
    "GUILD_AUDIT_LOG_ENTRY_CREATE": "_audit",
    "INTERACTION_CREATE": "_called",
    "ENTITLEMENT_CREATE": "_entitle",
    "ENTITLEMENT_UPDATE": "_entitled",
    "ENTITLEMENT_DELETE": "_disentitle",
    "THREAD_CREATE": "_thread",
}
