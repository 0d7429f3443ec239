"""The shapes of events: what each dispatch holds, as far as it is used, and their decoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

import msgspec
from msgspec import Struct, field

from shequn_discord.wire import Channel, Emoji, Entitlement, Id, InviteInfo, Member, Message, User

__all__ = [
    "APP_EVENT",
    "CALLED",
    "ENTITLEMENT",
    "ENVELOPE",
    "FRAMES",
    "KNOWN",
    "SCREENED",
    "SILENT",
    "STRUCTS",
    "TYPES",
    "AppEvent",
    "AuditEntry",
    "AutoModEvent",
    "Called",
    "Deleted",
    "DeletedBulk",
    "Edited",
    "EventUser",
    "GuildUser",
    "InviteEvent",
    "MemberAdd",
    "MemberUpdate",
    "Reacted",
    "Voted",
]


SCREENED = "screened"
"""Header of a raw member event: who has come through screening with it, as `server:user`."""


class EventBase(Struct, frozen=True, kw_only=True, gc=False):
    """Base of the events' data."""


class MemberAdd(EventBase, frozen=True, kw_only=True):
    """Somebody joined a server."""

    guild_id: Id
    user: User
    nick: str | None = None
    joined_at: str | None = None
    pending: bool = False


class MemberUpdate(MemberAdd, frozen=True, kw_only=True):
    """Something about a member changed; the event holds all of it, and does not say what."""


class GuildUser(EventBase, frozen=True, kw_only=True):
    """Somebody left, was banned or unbanned."""

    guild_id: Id
    user: User


class Deleted(EventBase, frozen=True, kw_only=True):
    """A message is gone."""

    id: Id
    channel_id: Id
    guild_id: Id | None = None


class DeletedBulk(EventBase, frozen=True, kw_only=True):
    """Many messages are gone."""

    ids: list[Id]
    channel_id: Id
    guild_id: Id | None = None


class Edited(EventBase, frozen=True, kw_only=True):
    """A message changed, or its previews came."""

    id: Id
    channel_id: Id
    guild_id: Id | None = None
    author: User | None = None
    member: Member | None = None
    content: str | None = None
    edited_timestamp: str | None = None


class Reacted(EventBase, frozen=True, kw_only=True):
    """A reaction came or went."""

    channel_id: Id
    message_id: Id
    user_id: Id = ""
    guild_id: Id | None = None
    member: Member | None = None
    emoji: Emoji | None = None
    message_author_id: Id | None = None
    burst: bool = False


class Voted(EventBase, frozen=True, kw_only=True):
    """A vote came or went."""

    user_id: Id
    channel_id: Id
    message_id: Id
    answer_id: int
    guild_id: Id | None = None


class InviteEvent(InviteInfo, frozen=True, kw_only=True):
    """An invite was made or ended."""

    channel_id: Id | None = None
    guild_id: Id | None = None


class EventUser(EventBase, frozen=True, kw_only=True):
    """Somebody is interested in a scheduled event, or no longer."""

    guild_scheduled_event_id: Id
    user_id: Id
    guild_id: Id


class AutoModEvent(EventBase, frozen=True, kw_only=True):
    """AutoMod did something."""

    guild_id: Id
    user_id: Id
    rule_id: Id
    action: dict[str, Any] = field(default_factory=dict)
    channel_id: Id | None = None
    message_id: Id | None = None
    content: str = ""
    matched_keyword: str | None = None


class AuditEntry(EventBase, frozen=True, kw_only=True):
    """An entry of the audit log."""

    id: Id
    guild_id: Id | None = None
    user_id: Id | None = None
    target_id: Id | None = None
    action_type: int = 0
    reason: str | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)


class Option(EventBase, frozen=True, kw_only=True):
    """An option of a command."""

    name: str
    value: Any = None
    options: list[Any] = field(default_factory=list)


class CallData(EventBase, frozen=True, kw_only=True):
    """What was called or pressed."""

    name: str = ""
    custom_id: str = ""
    options: list[Option] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


class MessageId(EventBase, frozen=True, kw_only=True):
    """The message that held a button."""

    id: Id


class Called(EventBase, frozen=True, kw_only=True):
    """An interaction in Discord's sense: a command, a button, a form."""

    id: Id
    token: str
    type: int
    application_id: Id = ""
    data: CallData = CallData()
    guild_id: Id | None = None
    channel_id: Id | None = None
    member: Member | None = None
    user: User | None = None
    message: MessageId | None = None
    locale: str = ""


class AppEventBody(EventBase, frozen=True, kw_only=True):
    """An event inside an app webhook."""

    type: str
    timestamp: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class AppEvent(EventBase, frozen=True, kw_only=True):
    """What an app webhook sends."""

    application_id: Id
    type: int
    version: int = 1
    event: AppEventBody | None = None


class Frame(Struct, frozen=True, kw_only=True, tag_field="t", gc=False):
    """A dispatch whose type is known."""


def _frame(tag: str, data: Any) -> type[Any]:
    return msgspec.defstruct(
        f"_{tag}", [("d", data)], bases=(Frame,), frozen=True, kw_only=True, tag=tag, tag_field="t", gc=False
    )


TYPES: Mapping[str, Any] = {
    "MESSAGE_CREATE": Message,
    "MESSAGE_UPDATE": Edited,
    "MESSAGE_DELETE": Deleted,
    "MESSAGE_DELETE_BULK": DeletedBulk,
    "MESSAGE_REACTION_ADD": Reacted,
    "MESSAGE_REACTION_REMOVE": Reacted,
    "MESSAGE_REACTION_REMOVE_ALL": Reacted,
    "MESSAGE_REACTION_REMOVE_EMOJI": Reacted,
    "MESSAGE_POLL_VOTE_ADD": Voted,
    "MESSAGE_POLL_VOTE_REMOVE": Voted,
    "GUILD_MEMBER_ADD": MemberAdd,
    "GUILD_MEMBER_UPDATE": MemberUpdate,
    "GUILD_MEMBER_REMOVE": GuildUser,
    "GUILD_BAN_ADD": GuildUser,
    "GUILD_BAN_REMOVE": GuildUser,
    "INVITE_CREATE": InviteEvent,
    "INVITE_DELETE": InviteEvent,
    "GUILD_SCHEDULED_EVENT_USER_ADD": EventUser,
    "GUILD_SCHEDULED_EVENT_USER_REMOVE": EventUser,
    "AUTO_MODERATION_ACTION_EXECUTION": AutoModEvent,
    "GUILD_AUDIT_LOG_ENTRY_CREATE": AuditEntry,
    "INTERACTION_CREATE": Called,
    "ENTITLEMENT_CREATE": Entitlement,
    "ENTITLEMENT_UPDATE": Entitlement,
    "ENTITLEMENT_DELETE": Entitlement,
    "THREAD_CREATE": Channel,
}

SILENT = frozenset(
    [
        "READY",
        "RESUMED",
        "GUILD_CREATE",
        "GUILD_UPDATE",
        "GUILD_DELETE",
        "CHANNEL_CREATE",
        "CHANNEL_UPDATE",
        "CHANNEL_DELETE",
        "CHANNEL_PINS_UPDATE",
        "THREAD_UPDATE",
        "THREAD_DELETE",
        "THREAD_LIST_SYNC",
        "THREAD_MEMBER_UPDATE",
        "THREAD_MEMBERS_UPDATE",
        "GUILD_MEMBERS_CHUNK",
        "GUILD_ROLE_CREATE",
        "GUILD_ROLE_UPDATE",
        "GUILD_ROLE_DELETE",
        "GUILD_EMOJIS_UPDATE",
        "GUILD_STICKERS_UPDATE",
        "GUILD_INTEGRATIONS_UPDATE",
        "INTEGRATION_CREATE",
        "INTEGRATION_UPDATE",
        "INTEGRATION_DELETE",
        "WEBHOOKS_UPDATE",
        "PRESENCE_UPDATE",
        "TYPING_START",
        "USER_UPDATE",
        "VOICE_STATE_UPDATE",
        "VOICE_SERVER_UPDATE",
        "STAGE_INSTANCE_CREATE",
        "STAGE_INSTANCE_UPDATE",
        "STAGE_INSTANCE_DELETE",
        "GUILD_SCHEDULED_EVENT_CREATE",
        "GUILD_SCHEDULED_EVENT_UPDATE",
        "GUILD_SCHEDULED_EVENT_DELETE",
        "AUTO_MODERATION_RULE_CREATE",
        "AUTO_MODERATION_RULE_UPDATE",
        "AUTO_MODERATION_RULE_DELETE",
        "APPLICATION_COMMAND_PERMISSIONS_UPDATE",
        "SUBSCRIPTION_CREATE",
        "SUBSCRIPTION_UPDATE",
        "SUBSCRIPTION_DELETE",
        "APPLICATION_AUTHORIZED",
        "APPLICATION_DEAUTHORIZED",
        "RATE_LIMITED",
    ]
)
KNOWN = frozenset(TYPES) | SILENT
"""Event types that this adapter knows."""

STRUCTS: Mapping[str, type[Any]] = {tag: _frame(tag, data) for tag, data in TYPES.items()}
FRAMES: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Union[tuple(STRUCTS.values())])  # noqa: UP007 - made at run time


class Envelope(Struct, frozen=True, kw_only=True, gc=False):
    """Any payload: enough to see what it is."""

    t: str | None = None
    op: int | None = None
    d: msgspec.Raw = msgspec.Raw(b"null")
    token: str = ""
    application_id: Id = ""
    event: msgspec.Raw = msgspec.Raw(b"")
    type: msgspec.Raw = msgspec.Raw(b"null")


ENVELOPE = msgspec.json.Decoder(Envelope)
ENTITLEMENT = msgspec.json.Decoder(Entitlement)
CALLED = msgspec.json.Decoder(Called)
APP_EVENT = msgspec.json.Decoder(AppEvent)
