"""Discord's objects as lean structs: only what is used, everything else is skipped while decoding.

Ids may come as text or, in a few old fields, as numbers; both are taken, and `str()` is applied where they leave.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

__all__ = [
    "Answer",
    "Attachment",
    "AutoModRule",
    "Ban",
    "Channel",
    "Emoji",
    "Entitlement",
    "Guild",
    "Id",
    "InviteInfo",
    "Landed",
    "Member",
    "Message",
    "Overwrite",
    "PollInfo",
    "Reaction",
    "Role",
    "ScheduledEvent",
    "ThreadMetadata",
    "User",
    "WebhookInfo",
    "decode",
    "display_name",
]

Id = str | int


class _Wire(Struct, frozen=True, kw_only=True, gc=False):
    """Base of all: frozen, unknown fields skipped."""


class User(_Wire, frozen=True, kw_only=True):
    """A user, or a webhook's pretended one."""

    id: Id = ""
    username: str = ""
    global_name: str | None = None
    bot: bool = False


class Member(_Wire, frozen=True, kw_only=True):
    """A user in a server; `user` is missing inside messages."""

    user: User | None = None
    nick: str | None = None
    roles: list[Id] = field(default_factory=list)
    joined_at: str | None = None
    permissions: str | None = None
    pending: bool = False
    communication_disabled_until: str | None = None


class Emoji(_Wire, frozen=True, kw_only=True):
    """An emoji: unicode (no id) or one of a server."""

    id: Id | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """The unicode emoji, or name:id."""
        return f"{self.name}:{self.id}" if self.id else self.name or ""


class Reaction(_Wire, frozen=True, kw_only=True):
    """A counter under a message."""

    emoji: Emoji
    count: int = 0
    me: bool = False


class Attachment(_Wire, frozen=True, kw_only=True):
    """A file of a message."""

    id: Id
    filename: str = ""
    size: int = 0
    url: str = ""
    content_type: str | None = None


class PollMedia(_Wire, frozen=True, kw_only=True):
    """Text of a question or an answer."""

    text: str = ""


class Answer(_Wire, frozen=True, kw_only=True):
    """A choice of a poll; ids count from 1."""

    answer_id: int = 0
    poll_media: PollMedia = PollMedia()


class AnswerCount(_Wire, frozen=True, kw_only=True):
    """Votes of one choice; choices without votes may be missing."""

    id: int
    count: int = 0


class PollResults(_Wire, frozen=True, kw_only=True):
    """Votes so far."""

    is_finalized: bool = False
    answer_counts: list[AnswerCount] = field(default_factory=list)


class PollInfo(_Wire, frozen=True, kw_only=True):
    """A poll inside a message."""

    question: PollMedia = PollMedia()
    answers: list[Answer] = field(default_factory=list)
    expiry: str | None = None
    allow_multiselect: bool = False
    results: PollResults | None = None


class Reference(_Wire, frozen=True, kw_only=True):
    """What a message answers (type 0) or forwards (type 1)."""

    type: int = 0
    message_id: Id | None = None
    channel_id: Id | None = None
    guild_id: Id | None = None


class Referenced(_Wire, frozen=True, kw_only=True):
    """The answered message, as far as it is needed."""

    id: Id
    author: User | None = None


class ThreadMetadata(_Wire, frozen=True, kw_only=True):
    """State of a thread."""

    archived: bool = False
    locked: bool = False
    create_timestamp: str | None = None


class Overwrite(_Wire, frozen=True, kw_only=True):
    """Exception to the permissions of a role (0) or a member (1) in a channel."""

    id: Id
    type: int = 0
    allow: Id = "0"
    deny: Id = "0"


class Channel(_Wire, frozen=True, kw_only=True):
    """A channel or thread."""

    id: Id
    type: int = 0
    guild_id: Id | None = None
    name: str | None = None
    topic: str | None = None
    parent_id: Id | None = None
    owner_id: Id | None = None
    rate_limit_per_user: int = 0
    message_count: int | None = None
    total_message_sent: int | None = None
    member_count: int | None = None
    newly_created: bool = False
    thread_metadata: ThreadMetadata | None = None
    recipients: list[User] = field(default_factory=list)
    permission_overwrites: list[Overwrite] = field(default_factory=list)


class RoleSubscription(_Wire, frozen=True, kw_only=True):
    """What a message of type 25 says about a bought role."""

    tier_name: str = ""
    total_months_subscribed: int = 0
    is_renewal: bool = False


class Embed(_Wire, frozen=True, kw_only=True):
    """A card under a message."""

    title: str = ""
    url: str = ""
    description: str = ""


class Message(_Wire, frozen=True, kw_only=True):
    """A message."""

    id: Id
    channel_id: Id
    author: User
    content: str = ""
    timestamp: str | None = None
    edited_timestamp: str | None = None
    type: int = 0
    guild_id: Id | None = None
    member: Member | None = None
    mentions: list[User] = field(default_factory=list)
    mention_everyone: bool = False
    attachments: list[Attachment] = field(default_factory=list)
    embeds: list[Embed] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    message_reference: Reference | None = None
    referenced_message: Referenced | None = None
    poll: PollInfo | None = None
    thread: Channel | None = None
    webhook_id: Id | None = None
    nonce: Id | None = None
    position: int | None = None
    role_subscription_data: RoleSubscription | None = None


class Landed(_Wire, frozen=True, kw_only=True):
    """A message that was just made: what a post needs of it, so that the form of the rest is no matter."""

    id: Id
    channel_id: Id = ""
    content: str = ""
    timestamp: str | None = None


class Role(_Wire, frozen=True, kw_only=True):
    """A role of a server."""

    id: Id
    name: str = ""
    permissions: Id = "0"
    position: int = 0
    managed: bool = False


class Guild(_Wire, frozen=True, kw_only=True):
    """A server."""

    id: Id
    name: str = ""
    description: str | None = None
    owner_id: Id | None = None
    approximate_member_count: int | None = None
    member_count: int | None = None
    roles: list[Role] = field(default_factory=list)
    permissions: str | None = None
    unavailable: bool | UnsetType = UNSET


class InviteInfo(_Wire, frozen=True, kw_only=True):
    """An invite; `uses` only where the bot may see it."""

    code: str
    channel: Channel | None = None
    inviter: User | None = None
    uses: int | None = None
    max_uses: int = 0
    max_age: int = 0
    created_at: str | None = None
    expires_at: str | None = None


class Ban(_Wire, frozen=True, kw_only=True):
    """A ban."""

    user: User
    reason: str | None = None


class Location(_Wire, frozen=True, kw_only=True):
    """Where an external event takes place."""

    location: str | None = None


class ScheduledEvent(_Wire, frozen=True, kw_only=True):
    """A scheduled event (活动); status 1 scheduled, 2 active, 3 completed, 4 cancelled."""

    id: Id
    guild_id: Id
    name: str = ""
    description: str | None = None
    channel_id: Id | None = None
    creator_id: Id | None = None
    scheduled_start_time: str = ""
    scheduled_end_time: str | None = None
    status: int = 1
    entity_type: int = 3
    entity_metadata: Location | None = None
    user_count: int | None = None


class AutoModRule(_Wire, frozen=True, kw_only=True):
    """A rule of AutoMod."""

    id: Id
    guild_id: Id
    name: str = ""
    event_type: int = 1
    trigger_type: int = 1
    trigger_metadata: dict[str, Any] = field(default_factory=dict)
    actions: list[dict[str, Any]] = field(default_factory=list)
    enabled: bool = False
    exempt_roles: list[Id] = field(default_factory=list)
    exempt_channels: list[Id] = field(default_factory=list)


class WebhookInfo(_Wire, frozen=True, kw_only=True):
    """A webhook; its token is a secret and stays out of the repr."""

    id: Id
    type: int = 1
    channel_id: Id | None = None
    guild_id: Id | None = None
    name: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return f"WebhookInfo(id={self.id!r}, channel_id={self.channel_id!r}, name={self.name!r})"


class Entitlement(_Wire, frozen=True, kw_only=True):
    """What a person or server has bought or was given."""

    id: Id
    sku_id: Id = ""
    application_id: Id = ""
    user_id: Id | None = None
    guild_id: Id | None = None
    type: int = 0
    deleted: bool = False
    consumed: bool = False
    starts_at: str | None = None
    ends_at: str | None = None


_T = TypeVar("_T")


def decode(kind: type[_T], body: bytes) -> _T:
    """Decode JSON into `kind`.

    Raises:
        msgspec.MsgspecError: it is no JSON, or not of this shape.
    """
    return msgspec.json.decode(body, type=kind)


def display_name(user: User | None, member: Member | None = None) -> str:
    """Give the name that a server shows."""
    if member is not None and member.nick:
        return member.nick
    if user is None:
        return ""
    return user.global_name or user.username
