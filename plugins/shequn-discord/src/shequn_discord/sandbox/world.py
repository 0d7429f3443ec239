"""State of the sandbox: users, servers, channels and messages, and how they look in JSON."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from nacl.signing import SigningKey

from shequn_discord.sandbox.permissions import ALL, BITS, DEFAULT, permissions
from shequn_discord.snowflake import snowflake_at
from shequn_sdk.domain import Clock

__all__ = ["THREADS", "ChannelState", "GuildState", "MessageState", "Nonce", "World", "iso"]

THREADS = frozenset({10, 11, 12})
_TEXT_TYPES = frozenset({0, 1, 2, 5, 10, 11, 12, 13})
NONCE_WINDOW = timedelta(minutes=5)


def iso(instant: datetime) -> str:
    """Write an instant as Discord does."""
    text = instant.isoformat(timespec="microseconds")
    return text.replace(".000000", "")


@dataclass(frozen=True, slots=True)
class Nonce:
    """A nonce that was used, and what for."""

    at: datetime
    message: str


@dataclass(slots=True)
class MessageState:
    """One message; reactions and votes are kept by person."""

    data: dict[str, Any]
    reactions: dict[str, tuple[dict[str, Any], dict[str, None]]] = field(
        default_factory=dict[str, tuple[dict[str, Any], dict[str, None]]]
    )
    votes: dict[int, dict[str, None]] = field(default_factory=dict[int, dict[str, None]])
    poll_ended: bool = False
    nonce: str | int | None = None

    @property
    def id(self) -> str:
        """The message's id."""
        return self.data["id"]

    @property
    def author(self) -> str:
        """Its author's id."""
        return self.data["author"]["id"]


@dataclass(slots=True)
class ChannelState:
    """One channel or thread."""

    data: dict[str, Any]
    messages: dict[str, MessageState] = field(default_factory=dict[str, MessageState])
    pins: dict[str, str] = field(default_factory=dict[str, str])
    thread_members: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    recipients: list[str] = field(default_factory=list[str])
    spoken: dict[str, datetime] = field(default_factory=dict[str, datetime])
    nonces: dict[tuple[str, str], Nonce] = field(default_factory=dict[tuple[str, str], Nonce])
    followers: list[str] = field(default_factory=list[str])

    @property
    def id(self) -> str:
        """The channel's id."""
        return self.data["id"]

    @property
    def guild_id(self) -> str | None:
        """The server's id, None for direct messages."""
        return self.data.get("guild_id")

    @property
    def is_thread(self) -> bool:
        """Whether it is a thread or a forum post."""
        return self.data["type"] in THREADS

    @property
    def takes_messages(self) -> bool:
        """Whether messages can stand in it."""
        return self.data["type"] in _TEXT_TYPES


@dataclass(slots=True)
class GuildState:
    """One server."""

    id: str
    name: str
    owner_id: str
    roles: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    members: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    bans: dict[str, str | None] = field(default_factory=dict[str, str | None])
    events: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    interested: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    rules: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    stages: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Live stages by channel."""
    audit: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    requests: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    extras: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    index_ready_at: datetime | None = None


class World:
    """Everything the sandbox knows (沙盒世界).

    Args:
        clock: source of snowflakes and timestamps.
        rng: seeded; tokens and codes come from it.
        options: of the sandbox; see `DiscordSandbox`.
    """

    def __init__(self, *, clock: Clock, rng: random.Random, options: Mapping[str, Any]) -> None:
        self.clock = clock
        self.rng = rng
        self.options = options
        self._last = 0
        self.users: dict[str, dict[str, Any]] = {}
        self.guilds: dict[str, GuildState] = {}
        self.channels: dict[str, ChannelState] = {}
        self.invites: dict[str, dict[str, Any]] = {}
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.commands: dict[str, dict[str, dict[str, Any]]] = {}
        self.interactions: dict[str, dict[str, Any]] = {}
        self.entitlements: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.open_polls: list[tuple[ChannelState, MessageState]] = []
        self.bot_id = self.snowflake()
        self.app_id = self.bot_id
        self.key = SigningKey(rng.randbytes(32))
        self.public_key: str = self.key.verify_key.encode().hex()
        tail = hashlib.sha256(rng.randbytes(32)).hexdigest()
        head = base64.b64encode(self.bot_id.encode()).decode().rstrip("=")
        self.token = f"{head}.Sandbx.{tail[:27]}"
        self.add_user(self.bot_id, "shequn", global_name=None, bot=True)
        self.intents_flags = (1 << 15) | (1 << 19)
        self.endpoint: str | None = options.get("interactions_url")

    # basics

    def now(self) -> datetime:
        """Give the present instant."""
        return self.clock.now()

    def stamp(self) -> str:
        """Give the present instant as text."""
        return iso(self.now())

    def snowflake(self) -> str:
        """Make an id of the present instant; ids always grow."""
        self._last = max(self._last + 1, snowflake_at(self.now()))
        return str(self._last)

    def code(self, length: int = 8) -> str:
        """Make a random code."""
        alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        return "".join(self.rng.choice(alphabet) for _ in range(length))

    def add_user(
        self, user: str, username: str, *, global_name: str | None = None, bot: bool = False
    ) -> dict[str, Any]:
        """Make a user known."""
        data: dict[str, Any] = {
            "id": user,
            "username": username,
            "discriminator": "0420" if bot else "0",
            "global_name": global_name,
            "avatar": None,
            "public_flags": 0,
            "flags": 0,
            "banner": None,
            "accent_color": None,
            "avatar_decoration_data": None,
            "collectibles": None,
            "primary_guild": None,
        }
        if bot:
            data["bot"] = True
        self.users[user] = data
        return data

    # servers

    def add_role(
        self, guild: GuildState, name: str, bits: int, *, role_id: str = "", **more: Any
    ) -> dict[str, Any]:
        """Make a role above the ones there are."""
        role: dict[str, Any] = {
            "id": role_id or self.snowflake(),
            "name": name,
            "permissions": str(bits),
            "position": len(guild.roles),
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": False,
            "icon": None,
            "unicode_emoji": None,
            "flags": 0,
            **more,
        }
        guild.roles[role["id"]] = role
        return role

    def add_guild(self, name: str, *, owner: str) -> GuildState:
        """Make a server in which the bot has a role with the configured permissions."""
        number = self.snowflake()
        guild = GuildState(id=number, name=name, owner_id=owner)
        self.guilds[number] = guild
        self.add_role(guild, "@everyone", DEFAULT, role_id=number)
        bits = int(self.options.get("bot_permissions", ALL & ~BITS["ADMINISTRATOR"]))
        self.add_role(guild, "志愿者", 0, mentionable=True)
        role = self.add_role(guild, "shequn", bits, managed=True, tags={"bot_id": self.bot_id})
        self.add_member(guild, owner)
        self.add_member(guild, self.bot_id, roles=[role["id"]])
        delay = float(self.options.get("search_index_delay", 0.0))
        guild.index_ready_at = self.now() + timedelta(seconds=delay) if delay > 0 else None
        return guild

    def add_member(self, guild: GuildState, user: str, *, roles: list[str] | None = None) -> dict[str, Any]:
        """Make a user a member."""
        member: dict[str, Any] = {
            "nick": None,
            "avatar": None,
            "banner": None,
            "avatar_decoration_data": None,
            "roles": list(roles or []),
            "joined_at": self.stamp(),
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "pending": False,
            "communication_disabled_until": None,
        }
        guild.members[user] = member
        return member

    def add_channel(
        self, guild: GuildState, name: str, kind: int = 0, *, channel_id: str = "", **more: Any
    ) -> ChannelState:
        """Make a channel of a server."""
        data: dict[str, Any] = {
            "id": channel_id or self.snowflake(),
            "type": kind,
            "guild_id": guild.id,
            "name": name,
            "position": sum(1 for c in self.channels.values() if c.guild_id == guild.id),
            "permission_overwrites": [],
            "parent_id": None,
            "flags": 0,
            "nsfw": False,
            "rate_limit_per_user": 0,
            "last_message_id": None,
        }
        if kind in {0, 5, 15, 16}:
            data["topic"] = None
        if kind in {2, 13}:
            data |= {"bitrate": 64000, "user_limit": 0, "rtc_region": None}
        if kind in {15, 16}:
            data |= {
                "available_tags": [],
                "default_reaction_emoji": None,
                "default_sort_order": None,
                "default_forum_layout": 0,
            }
        data |= more
        channel = ChannelState(data)
        self.channels[data["id"]] = channel
        return channel

    def add_thread(
        self,
        parent: ChannelState,
        name: str,
        *,
        kind: int,
        owner: str,
        thread_id: str = "",
        archive: int = 4320,
        **more: Any,
    ) -> ChannelState:
        """Make a thread of a channel."""
        stamp = self.stamp()
        data: dict[str, Any] = {
            "id": thread_id or self.snowflake(),
            "type": kind,
            "guild_id": parent.guild_id,
            "parent_id": parent.id,
            "owner_id": owner,
            "name": name,
            "last_message_id": None,
            "message_count": 0,
            "total_message_sent": 0,
            "member_count": 1,
            "rate_limit_per_user": 0,
            "flags": 0,
            "thread_metadata": {
                "archived": False,
                "auto_archive_duration": archive,
                "archive_timestamp": stamp,
                "locked": False,
                "create_timestamp": stamp,
            },
            **more,
        }
        thread = ChannelState(data)
        self.channels[data["id"]] = thread
        self.join_thread(thread, owner)
        return thread

    def join_thread(self, thread: ChannelState, user: str) -> None:
        """Make a user a member of a thread."""
        thread.thread_members.setdefault(
            user, {"id": thread.id, "user_id": user, "join_timestamp": self.stamp(), "flags": 0}
        )
        thread.data["member_count"] = min(50, len(thread.thread_members))

    def direct(self, user: str) -> ChannelState:
        """Give the direct channel of the bot and a user."""
        for channel in self.channels.values():
            if channel.guild_id is None and user in channel.recipients:
                return channel
        channel = ChannelState(
            {"id": self.snowflake(), "type": 1, "flags": 0, "last_message_id": None},
            recipients=[self.bot_id, user],
        )
        self.channels[channel.id] = channel
        return channel

    def channels_of(self, guild: GuildState, *, threads: bool = False) -> list[ChannelState]:
        """Give a server's channels, or its threads."""
        return [c for c in self.channels.values() if c.guild_id == guild.id and c.is_thread is threads]

    # how things look

    def member_json(self, guild: GuildState, user: str, *, with_user: bool = True) -> dict[str, Any]:
        """A member as JSON."""
        member = dict(guild.members[user])
        if with_user:
            member["user"] = self.users[user]
        return member

    def channel_json(self, channel: ChannelState) -> dict[str, Any]:
        """A channel as JSON."""
        if channel.guild_id is None:
            others = [self.users[user] for user in channel.recipients if user != self.bot_id]
            return {**channel.data, "recipients": others}
        return dict(channel.data)

    def guild_json(self, guild: GuildState) -> dict[str, Any]:
        """A server as JSON."""
        return {
            "id": guild.id,
            "name": guild.name,
            "icon": None,
            "description": None,
            "home_header": None,
            "splash": None,
            "discovery_splash": None,
            "features": ["COMMUNITY", "NEWS"],
            "banner": None,
            "owner_id": guild.owner_id,
            "application_id": None,
            "region": "singapore",
            "afk_channel_id": None,
            "afk_timeout": 300,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "widget_enabled": False,
            "widget_channel_id": None,
            "verification_level": 1,
            "roles": list(guild.roles.values()),
            "default_message_notifications": 1,
            "mfa_level": 0,
            "explicit_content_filter": 2,
            "max_presences": None,
            "max_members": 500_000,
            "max_stage_video_channel_users": 50,
            "max_video_channel_users": 25,
            "vanity_url_code": None,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "preferred_locale": "zh-CN",
            "rules_channel_id": None,
            "safety_alerts_channel_id": None,
            "public_updates_channel_id": None,
            "premium_progress_bar_enabled": False,
            "nsfw": False,
            "nsfw_level": 0,
            "emojis": [],
            "stickers": [],
            "incidents_data": None,
            **guild.settings,
        }

    def poll_json(self, message: MessageState, viewer: str) -> dict[str, Any]:
        """A poll with its votes as JSON."""
        poll = message.data["poll"]
        counts = [
            {"id": answer, "count": len(users), "me_voted": viewer in users}
            for answer, users in sorted(message.votes.items())
            if users
        ]
        return {**poll, "results": {"is_finalized": message.poll_ended, "answer_counts": counts}}

    def message_json(
        self, message: MessageState, *, viewer: str = "", reactions: bool = True
    ) -> dict[str, Any]:
        """A message as JSON, as `viewer` (the bot by default) sees it."""
        viewer = viewer or self.bot_id
        data = dict(message.data)
        if "poll" in data:
            data["poll"] = self.poll_json(message, viewer)
        if reactions and message.reactions:
            data["reactions"] = [
                {
                    "emoji": emoji,
                    "count": len(users),
                    "count_details": {"burst": 0, "normal": len(users)},
                    "burst_colors": [],
                    "me_burst": False,
                    "me": viewer in users,
                }
                for emoji, users in message.reactions.values()
                if users
            ]
        reference = data.get("message_reference")
        if reference is not None and reference["type"] == 0 and data["type"] == 19:
            place = self.channels.get(reference["channel_id"])
            found = place.messages.get(reference["message_id"]) if place is not None else None
            data["referenced_message"] = None
            if found is not None:
                inner = dict(found.data)
                inner.pop("message_reference", None)
                data["referenced_message"] = inner
        thread = self.channels.get(message.id)
        if thread is not None and thread.is_thread:
            data["thread"] = self.channel_json(thread)
        return data

    def find_message(self, channel: ChannelState, message: str) -> MessageState | None:
        """Give a message; the first message of a thread made from it lies in the parent."""
        return channel.messages.get(message)

    def can(self, channel: ChannelState, user: str, name: str) -> bool:
        """Whether a user has a permission in a channel."""
        return bool(permissions(self, channel, user) & BITS[name])
