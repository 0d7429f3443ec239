"""Permission bits, their computation over roles and overwrites, and the hierarchy of roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_discord.snowflake import parse_time

if TYPE_CHECKING:
    from shequn_discord.sandbox.world import ChannelState, GuildState, World

__all__ = ["ALL", "BITS", "DEFAULT", "above", "guild_permissions", "permissions", "top_position"]

BITS = {
    "CREATE_INSTANT_INVITE": 1 << 0,
    "KICK_MEMBERS": 1 << 1,
    "BAN_MEMBERS": 1 << 2,
    "ADMINISTRATOR": 1 << 3,
    "MANAGE_CHANNELS": 1 << 4,
    "MANAGE_GUILD": 1 << 5,
    "ADD_REACTIONS": 1 << 6,
    "VIEW_AUDIT_LOG": 1 << 7,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "SEND_TTS_MESSAGES": 1 << 12,
    "MANAGE_MESSAGES": 1 << 13,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "MENTION_EVERYONE": 1 << 17,
    "USE_EXTERNAL_EMOJIS": 1 << 18,
    "CONNECT": 1 << 20,
    "SPEAK": 1 << 21,
    "CHANGE_NICKNAME": 1 << 26,
    "MANAGE_NICKNAMES": 1 << 27,
    "MANAGE_ROLES": 1 << 28,
    "MANAGE_WEBHOOKS": 1 << 29,
    "USE_APPLICATION_COMMANDS": 1 << 31,
    "MANAGE_EVENTS": 1 << 33,
    "MANAGE_THREADS": 1 << 34,
    "CREATE_PUBLIC_THREADS": 1 << 35,
    "CREATE_PRIVATE_THREADS": 1 << 36,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
    "MODERATE_MEMBERS": 1 << 40,
    "CREATE_EVENTS": 1 << 44,
    "SEND_POLLS": 1 << 49,
    "PIN_MESSAGES": 1 << 51,
    "BYPASS_SLOWMODE": 1 << 52,
}
ALL = sum(BITS.values())
DEFAULT = sum(
    BITS[name]
    for name in [
        "CREATE_INSTANT_INVITE",
        "ADD_REACTIONS",
        "VIEW_CHANNEL",
        "SEND_MESSAGES",
        "EMBED_LINKS",
        "ATTACH_FILES",
        "READ_MESSAGE_HISTORY",
        "USE_EXTERNAL_EMOJIS",
        "CONNECT",
        "SPEAK",
        "CHANGE_NICKNAME",
        "USE_APPLICATION_COMMANDS",
        "CREATE_PUBLIC_THREADS",
        "CREATE_PRIVATE_THREADS",
        "SEND_MESSAGES_IN_THREADS",
        "SEND_POLLS",
    ]
)
"""What @everyone may do in a new server."""
_MUTED = BITS["VIEW_CHANNEL"] | BITS["READ_MESSAGE_HISTORY"]
_NEED_SENDING = (
    BITS["MENTION_EVERYONE"] | BITS["ATTACH_FILES"] | BITS["EMBED_LINKS"] | BITS["SEND_TTS_MESSAGES"]
)


def guild_permissions(guild: GuildState, user: str) -> int:
    """Permissions of a member in the whole server."""
    if user == guild.owner_id:
        return ALL
    member = guild.members.get(user)
    if member is None:
        return 0
    bits = int(guild.roles[guild.id]["permissions"])
    for role in member["roles"]:
        if role in guild.roles:
            bits |= int(guild.roles[role]["permissions"])
    return ALL if bits & BITS["ADMINISTRATOR"] else bits


def permissions(world: World, channel: ChannelState, user: str) -> int:
    """Permissions of a user in a channel; threads take their parent's."""
    if channel.guild_id is None:
        return ALL if user in channel.recipients else 0
    guild = world.guilds[channel.guild_id]
    bits = guild_permissions(guild, user)
    if bits == ALL or user not in guild.members:
        return bits
    place = world.channels.get(str(channel.data.get("parent_id"))) if channel.is_thread else channel
    bits = _overwritten(bits, guild, place or channel, user)
    if not bits & BITS["VIEW_CHANNEL"]:
        return 0
    if (
        channel.data["type"] == 12
        and user not in channel.thread_members
        and not bits & BITS["MANAGE_THREADS"]
    ):
        return 0
    if not channel.is_thread and not bits & BITS["SEND_MESSAGES"]:
        bits &= ~_NEED_SENDING
    until = guild.members[user].get("communication_disabled_until")
    if until and parse_time(until) > world.now():
        bits &= _MUTED
    return bits


def _overwritten(bits: int, guild: GuildState, channel: ChannelState, user: str) -> int:
    overwrites = {item["id"]: item for item in channel.data.get("permission_overwrites", [])}
    everyone = overwrites.get(guild.id)
    if everyone is not None:
        bits = bits & ~int(everyone["deny"]) | int(everyone["allow"])
    allow = deny = 0
    for role in guild.members[user]["roles"]:
        if role in overwrites:
            allow |= int(overwrites[role]["allow"])
            deny |= int(overwrites[role]["deny"])
    bits = bits & ~deny | allow
    own = overwrites.get(user)
    if own is not None:
        bits = bits & ~int(own["deny"]) | int(own["allow"])
    return bits


def top_position(guild: GuildState, user: str) -> int:
    """Position of a member's highest role; the owner stands above all."""
    if user == guild.owner_id:
        return 1 << 30
    roles = guild.members.get(user, {}).get("roles", [])
    return max((guild.roles[role]["position"] for role in roles if role in guild.roles), default=0)


def above(guild: GuildState, user: str, other: str) -> bool:
    """Whether `user` may act on `other`."""
    return other != guild.owner_id and (
        user == guild.owner_id or top_position(guild, user) > top_position(guild, other)
    )
