"""What the sandbox knows: users, chats, members, messages, polls, links."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "ADMIN_RIGHTS",
    "CHANNEL_RIGHTS",
    "GROUP_RIGHTS",
    "PERMISSIONS",
    "Chat",
    "Invite",
    "Member",
    "Poll",
    "Stored",
    "Topic",
    "User",
]

ADMIN_RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_send_welcome_messages",
)
GROUP_RIGHTS = ("can_pin_messages", "can_manage_topics", "can_manage_tags")
CHANNEL_RIGHTS = ("can_post_messages", "can_edit_messages", "can_manage_direct_messages")
PERMISSIONS = (
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
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)


@dataclass(slots=True)
class User:
    """A person or bot."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    is_bot: bool = False
    language: str = ""
    _json: dict[str, Any] | None = None

    def json(self) -> dict[str, Any]:
        """Give the `User` object; shared, not to be changed."""
        if self._json is None:
            made: dict[str, Any] = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
            if self.last_name:
                made["last_name"] = self.last_name
            if self.username:
                made["username"] = self.username
            if self.language:
                made["language_code"] = self.language
            self._json = made
        return self._json

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}" if self.last_name else self.first_name


@dataclass(slots=True)
class Member:
    """Somebody's standing in a chat."""

    user: User
    status: str = "member"
    rights: dict[str, bool] = field(default_factory=dict[str, bool])
    permissions: dict[str, bool] = field(default_factory=dict[str, bool])
    is_member: bool = True
    until: int = 0
    title: str = ""
    tag: str = ""
    promoted_by: int = 0

    @property
    def inside(self) -> bool:
        """Whether in the chat now."""
        return self.status in {"creator", "administrator", "member"} or (
            self.status == "restricted" and self.is_member
        )

    @property
    def is_admin(self) -> bool:
        """Whether an administrator or the owner."""
        return self.status in {"creator", "administrator"}

    def may(self, right: str) -> bool:
        """Whether the member holds an administrator's right."""
        return self.status == "creator" or (self.status == "administrator" and self.rights.get(right, False))

    def json(self, chat_type: str, viewer: int = 0) -> dict[str, Any]:
        """Give the `ChatMember` object."""
        made: dict[str, Any] = {"user": self.user.json(), "status": self.status}
        if self.status == "creator":
            made["is_anonymous"] = False
        elif self.status == "administrator":
            made["can_be_edited"] = bool(viewer) and self.promoted_by == viewer
            made["is_anonymous"] = self.rights.get("is_anonymous", False)
            names = (*ADMIN_RIGHTS, *(CHANNEL_RIGHTS if chat_type == "channel" else GROUP_RIGHTS))
            made.update({name: self.rights.get(name, False) for name in names})
        elif self.status == "restricted":
            made["is_member"] = self.is_member
            made.update({name: self.permissions.get(name, False) for name in PERMISSIONS})
            made["until_date"] = self.until
        elif self.status == "kicked" or (self.status == "member" and self.until):
            made["until_date"] = self.until
        if self.title and self.is_admin:
            made["custom_title"] = self.title
        if self.tag and self.status in {"member", "restricted"}:
            made["tag"] = self.tag
        return made


@dataclass(slots=True)
class Invite:
    """An invite link."""

    url: str
    creator: User
    name: str = ""
    expires: int = 0
    limit: int = 0
    approval: bool = False
    primary: bool = False
    revoked: bool = False
    used: int = 0
    period: int = 0
    price: int = 0
    pending: int = 0

    def json(self) -> dict[str, Any]:
        """Give the `ChatInviteLink` object."""
        made: dict[str, Any] = {"invite_link": self.url}
        if self.name:
            made["name"] = self.name
        made.update(
            creator=self.creator.json(),
            creates_join_request=self.approval,
            is_primary=self.primary,
            is_revoked=self.revoked,
        )
        for name, value in (
            ("expire_date", self.expires),
            ("member_limit", self.limit),
            ("pending_join_request_count", self.pending),
            ("subscription_period", self.period),
            ("subscription_price", self.price),
        ):
            if value:
                made[name] = value  # noqa: PERF403 - a filter inside a comprehension reads no better
        return made


@dataclass(slots=True)
class Topic:
    """A topic of a forum."""

    id: int
    name: str
    closed: bool = False


@dataclass(slots=True)
class Poll:
    """A poll and its votes."""

    id: str
    owner: int
    """Id of the bot that sent it."""
    chat: int
    message: int
    question: str
    options: list[str]
    fixed: dict[str, Any]
    """What of the `Poll` object never changes."""
    anonymous: bool = True
    multiple: bool = False
    revoting: bool = True
    closed: bool = False
    close_at: int = 0
    votes: dict[int, list[int]] = field(default_factory=dict[int, list[int]])

    def counts(self) -> list[int]:
        """Give the votes per option."""
        counts = [0] * len(self.options)
        for chosen in self.votes.values():
            for index in chosen:
                counts[index] += 1
        return counts

    def json(self) -> dict[str, Any]:
        """Give the `Poll` object as it stands."""
        made: dict[str, Any] = {
            "id": self.id,
            "question": self.question,
            "options": [
                {"persistent_id": str(index), "text": text, "voter_count": count}
                for index, (text, count) in enumerate(zip(self.options, self.counts(), strict=True))
            ],
            "total_voter_count": len(self.votes),
            "is_closed": self.closed,
            "is_anonymous": self.anonymous,
            "allows_multiple_answers": self.multiple,
            "allows_revoting": self.revoting,
            "members_only": False,
        }
        made.update(self.fixed)
        return made


@dataclass(slots=True)
class Stored:
    """A message that stands in a chat."""

    id: int
    date: int
    author: int
    """User id; 0 for a channel's own posts."""
    data: dict[str, Any]
    """The `Message` object, without what changes by itself (the poll)."""
    bot: int = 0
    """Id of the bot that sent it, 0 for people's messages."""
    thread: int = 0
    poll: Poll | None = None
    reactions: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    service: bool = False
    invoice: dict[str, Any] | None = None

    def json(self) -> dict[str, Any]:
        """Give the `Message` object as it stands."""
        return self.data if self.poll is None else {**self.data, "poll": self.poll.json()}


@dataclass(slots=True)
class Chat:
    """A chat of any type."""

    id: int
    type: str
    title: str = ""
    username: str = ""
    forum: bool = False
    description: str = ""
    first_name: str = ""
    last_name: str = ""
    members: dict[int, Member] = field(default_factory=dict[int, Member])
    inside: int = 0
    """How many are in it now."""
    messages: OrderedDict[int, Stored] = field(default_factory=OrderedDict[int, Stored])
    last_id: int = 0
    invites: dict[str, Invite] = field(default_factory=dict[str, Invite])
    requests: dict[int, Invite | None] = field(default_factory=dict[int, Invite | None])
    topics: dict[int, Topic] = field(default_factory=dict[int, Topic])
    general: set[str] = field(default_factory=set[str])
    """Of the topic that every forum has: closed, hidden."""
    general_name: str = "General"
    pinned: list[int] = field(default_factory=list[int])
    permissions: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(PERMISSIONS, True))
    migrated_to: int = 0
    migrated_from: int = 0
    linked: int = 0
    """The channel's discussion group, or the group's channel."""
    started: bool = False
    """Private: the person wrote first."""
    blocked: bool = False
    slow: int = 0
    reactions_allowed: frozenset[str] | None = None
    _json: dict[str, Any] | None = None

    @property
    def kind(self) -> str:
        """How error texts call it."""
        return {"group": "group chat", "supergroup": "supergroup chat", "channel": "channel chat"}.get(
            self.type, "private chat"
        )

    def json(self) -> dict[str, Any]:
        """Give the `Chat` object; shared, not to be changed."""
        if self._json is None:
            made: dict[str, Any] = {"id": self.id}
            for name in ("first_name", "last_name", "title", "username"):
                if value := getattr(self, name):
                    made[name] = value
            if self.forum:
                made["is_forum"] = True
            made["type"] = self.type
            self._json = made
        return self._json

    def renamed(self) -> None:
        """Forget the cached object after a change."""
        self._json = None

    def next_id(self) -> int:
        """Give the next message's id."""
        self.last_id += 1
        return self.last_id
