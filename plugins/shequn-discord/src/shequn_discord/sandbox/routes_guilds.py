"""Routes of servers: members, roles, moderation, channels, audit log, onboarding odds and ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shequn_discord.sandbox.forms import ApiError, Form, forbidden, unknown
from shequn_discord.sandbox.permissions import BITS, above, guild_permissions, permissions, top_position
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.world import GuildState
from shequn_discord.snowflake import time_of

__all__ = ["act_on", "assignable", "audit", "member_of", "remove_member", "tell_member"]

_G = "/guilds/{guild}"
_MEMBERS_INTENT = 1 << 1


def audit(
    call: Call,
    guild: GuildState,
    action: int,
    target: str | None,
    *,
    changes: list[dict[str, Any]] | None = None,
) -> None:
    """Write an entry of the audit log and tell about it."""
    entry: dict[str, Any] = {
        "id": call.world.snowflake(),
        "action_type": action,
        "user_id": call.me,
        "target_id": target,
        "changes": changes or [],
    }
    if call.reason:
        entry["reason"] = call.reason
    guild.audit.append(entry)
    del guild.audit[:-5000]
    if guild_permissions(guild, call.me) & BITS["VIEW_AUDIT_LOG"]:
        call.hub.emit("GUILD_AUDIT_LOG_ENTRY_CREATE", {**entry, "guild_id": guild.id}, guild=guild)


@route("GET", _G)
async def get_guild(call: Call) -> Reply:
    """Read a server."""
    guild = call.guild()
    data = call.world.guild_json(guild)
    if call.flag("with_counts"):
        count = len(guild.members)
        data |= {"approximate_member_count": count, "approximate_presence_count": count}
    return 200, data


@route("PATCH", _G)
async def edit_guild(call: Call) -> Reply:
    """Change a server."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    form = Form({} if call.body is None else call.body)
    name = form.text(form.body.get("name"), "name", maximum=100, minimum=2)
    form.done()
    guild.name = name or guild.name
    for key in ("description", "system_channel_id", "verification_level", "rules_channel_id"):
        if key in form.body:
            guild.settings[key] = form.body[key]
    call.hub.emit("GUILD_UPDATE", call.world.guild_json(guild), guild=guild)
    return 200, call.world.guild_json(guild)


@route("GET", _G + "/preview")
async def preview(call: Call) -> Reply:
    """Look at a server."""
    guild = call.guild()
    data = call.world.guild_json(guild)
    kept = [
        "id",
        "name",
        "icon",
        "description",
        "home_header",
        "splash",
        "discovery_splash",
        "features",
        "emojis",
        "stickers",
    ]
    count = len(guild.members)
    return 200, {key: data[key] for key in kept} | {
        "approximate_member_count": count,
        "approximate_presence_count": count,
    }


@route("GET", _G + "/emojis")
async def emojis(call: Call) -> Reply:
    """Read a server's own emojis."""
    return 200, call.world.guild_json(call.guild())["emojis"]


@route("GET", _G + "/stickers")
async def stickers(call: Call) -> Reply:
    """Read a server's own stickers."""
    return 200, call.world.guild_json(call.guild())["stickers"]


@route("GET", _G + "/channels")
async def guild_channels(call: Call) -> Reply:
    """Read a server's channels."""
    guild = call.guild()
    return 200, [
        call.world.channel_json(channel)
        for channel in call.world.channels_of(guild)
        if permissions(call.world, channel, call.me) & BITS["VIEW_CHANNEL"]
    ]


@route("POST", _G + "/channels")
async def create_channel(call: Call) -> Reply:
    """Make a channel."""
    guild = call.guild()
    call.need(guild, "MANAGE_CHANNELS")
    form = Form({} if call.body is None else call.body)
    body = form.body
    name = form.text(body.get("name"), "name", maximum=100, minimum=1, required=True) or ""
    kind = form.choice(body.get("type"), "type", (0, 2, 4, 5, 13, 14, 15, 16), default=0) or 0
    form.text(body.get("topic"), "topic", maximum=4096 if kind in {15, 16} else 1024)
    slow = form.number(body.get("rate_limit_per_user"), "rate_limit_per_user", low=0, high=21_600, default=0)
    form.done()
    if len(call.world.channels_of(guild)) >= 500:
        raise ApiError(400, 30013, "Maximum number of guild channels reached (500)")
    more: dict[str, Any] = {
        "rate_limit_per_user": slow,
        "parent_id": body.get("parent_id"),
        "nsfw": bool(body.get("nsfw")),
    }
    if kind in {0, 5, 15, 16}:
        more["topic"] = body.get("topic")
    more["permission_overwrites"] = [
        {
            "id": str(item["id"]),
            "type": int(item.get("type", 0)),
            "allow": str(item.get("allow") or 0),
            "deny": str(item.get("deny") or 0),
        }
        for item in body.get("permission_overwrites") or []
    ]
    if kind in {15, 16}:
        more["available_tags"] = [
            {"moderated": False, "emoji_id": None, "emoji_name": None, **tag, "id": call.world.snowflake()}
            for tag in body.get("available_tags") or []
        ]
    channel = call.world.add_channel(
        guild, name.lower().replace(" ", "-") if kind in {0, 5} else name, kind, **more
    )
    call.hub.emit("CHANNEL_CREATE", call.world.channel_json(channel), channel=channel)
    audit(call, guild, 10, channel.id)
    return 201, call.world.channel_json(channel)


@route("PATCH", _G + "/channels")
async def reorder(call: Call) -> Reply:
    """Move channels."""
    guild = call.guild()
    call.need(guild, "MANAGE_CHANNELS")
    items = call.body if isinstance(call.body, list) else []
    if sum("parent_id" in item for item in items) > 1:
        raise ApiError(400, 40009, "Only one channel may be moved to a category at a time.")
    for item in items:
        channel = call.world.channels.get(str(item.get("id")))
        if channel is not None and channel.guild_id == guild.id:
            channel.data |= {key: item[key] for key in ("position", "parent_id") if key in item}
            call.hub.emit("CHANNEL_UPDATE", call.world.channel_json(channel), channel=channel)
    return 204, None


# members


def member_of(call: Call, guild: GuildState) -> str:
    """Give the user of the path, who must be a member."""
    user = call.params["user"]
    if user not in guild.members:
        raise unknown(10007 if user in call.world.users else 10013)
    return user


@route("GET", _G + "/members")
async def list_members(call: Call) -> Reply:
    """Read all members; needs the Server Members intent."""
    guild = call.guild()
    if not int(call.world.options.get("allowed_intents", _MEMBERS_INTENT)) & _MEMBERS_INTENT:
        raise ApiError(403, 50001, "Missing Access")
    limit = call.number("limit", 1, 1, 1000)
    after = call.place("after", 0)
    users = [user for user in sorted(map(int, guild.members)) if user > after][:limit]
    return 200, [call.world.member_json(guild, str(user)) for user in users]


@route("GET", _G + "/members/search")
async def search_members(call: Call) -> Reply:
    """Find members by the start of their names."""
    guild = call.guild()
    query = call.query.get("query", "").lower()
    limit = call.number("limit", 1, 1, 1000)
    found = [
        user
        for user in guild.members
        if str(call.world.users[user]["username"]).lower().startswith(query)
        or str(guild.members[user]["nick"] or "").lower().startswith(query)
    ]
    return 200, [call.world.member_json(guild, user) for user in found[:limit]]


@route("GET", _G + "/members/{user}")
async def get_member(call: Call) -> Reply:
    """Read one member."""
    guild = call.guild()
    return 200, call.world.member_json(guild, member_of(call, guild))


@route("PATCH", _G + "/members/{user}")
async def edit_member(call: Call) -> Reply:
    """Change a member: nickname, roles, time-out."""
    guild = call.guild()
    user = member_of(call, guild)
    form = Form({} if call.body is None else call.body)
    body = form.body
    form.text(body.get("nick"), "nick", maximum=32)
    until = form.instant(body.get("communication_disabled_until"), "communication_disabled_until")
    roles = [str(role) for role in form.items(body.get("roles"), "roles", maximum=250)]
    now = call.world.now()
    if until is not None and until > now + timedelta(days=28):
        form.fail(
            "communication_disabled_until",
            "COMMUNICATION_DISABLED_UNTIL_INVALID",
            "The time must be within 28 days of the current time.",
        )
    form.done()
    member = guild.members[user]
    changes: list[dict[str, Any]] = []
    if "communication_disabled_until" in body:
        call.need(guild, "MODERATE_MEMBERS")
        if guild_permissions(guild, user) & BITS["ADMINISTRATOR"] or not above(guild, call.me, user):
            raise forbidden()
        changes.append(
            {"key": "communication_disabled_until", "new_value": body["communication_disabled_until"]}
        )
        member["communication_disabled_until"] = until.isoformat() if until is not None else None
    if "nick" in body:
        call.need(guild, "MANAGE_NICKNAMES")
        if user != call.me and not above(guild, call.me, user):
            raise forbidden()
        changes.append({"key": "nick", "old_value": member["nick"], "new_value": body["nick"]})
        member["nick"] = body["nick"] or None
    if "mute" in body or "deaf" in body or body.get("channel_id"):
        raise ApiError(400, 40032, "Target user is not connected to voice.")
    if "roles" in body:
        call.need(guild, "MANAGE_ROLES")
        for role in set(roles) ^ set(member["roles"]):
            assignable(call, guild, role)
        member["roles"] = roles
    audit(call, guild, 24, user, changes=changes)
    tell_member(call, guild, user)
    return 200, call.world.member_json(guild, user)


def tell_member(call: Call, guild: GuildState, user: str) -> None:
    """Tell that a member changed."""
    call.hub.emit(
        "GUILD_MEMBER_UPDATE", {**call.world.member_json(guild, user), "guild_id": guild.id}, guild=guild
    )


@route("PATCH", _G + "/members/@me")
async def edit_me(call: Call) -> Reply:
    """Change our nickname."""
    guild = call.guild()
    form = Form({} if call.body is None else call.body)
    form.text(form.body.get("nick"), "nick", maximum=32)
    form.done()
    if "nick" in form.body:
        guild.members[call.me]["nick"] = form.body["nick"] or None
    tell_member(call, guild, call.me)
    return 200, call.world.member_json(guild, call.me)


def remove_member(world: Any, hub: Any, guild: GuildState, user: str) -> None:
    """Take a member out and tell about it; leaving, kick and ban look the same here."""
    guild.members.pop(user, None)
    for users in guild.interested.values():
        users.pop(user, None)
    hub.emit("GUILD_MEMBER_REMOVE", {"guild_id": guild.id, "user": world.users[user]}, guild=guild)


def act_on(call: Call, guild: GuildState, user: str) -> None:
    """Check that the bot stands above a member."""
    if user in guild.members and not above(guild, call.me, user):
        raise forbidden()


@route("DELETE", _G + "/members/{user}")
async def kick(call: Call) -> Reply:
    """Remove a member."""
    guild = call.guild()
    call.need(guild, "KICK_MEMBERS")
    user = member_of(call, guild)
    act_on(call, guild, user)
    audit(call, guild, 20, user)
    remove_member(call.world, call.hub, guild, user)
    return 204, None


def assignable(call: Call, guild: GuildState, role: str) -> None:
    """Check that the bot may give and take a role."""
    found = guild.roles.get(role)
    if found is None:
        raise unknown(10011)
    if found["managed"] or role == guild.id or found["position"] >= top_position(guild, call.me):
        raise forbidden()


# the rest


@route("GET", _G + "/audit-logs")
async def audit_log(call: Call) -> Reply:
    """Read the audit log, newest first."""
    guild = call.guild()
    call.need(guild, "VIEW_AUDIT_LOG")
    limit = call.number("limit", 50, 1, 100)
    before, after = call.place("before", 1 << 64), call.place("after", 0)
    found = [
        entry
        for entry in reversed(guild.audit)
        if after < int(entry["id"]) < before
        and ("action_type" not in call.query or str(entry["action_type"]) == call.query["action_type"])
        and ("user_id" not in call.query or entry["user_id"] == call.query["user_id"])
        and ("target_id" not in call.query or entry["target_id"] == call.query["target_id"])
    ][:limit]
    users = {entry[key] for entry in found for key in ("user_id", "target_id")}
    return 200, {
        "audit_log_entries": found,
        "users": [call.world.users[user] for user in users if user in call.world.users],
        **{
            key: []
            for key in [
                "integrations",
                "webhooks",
                "guild_scheduled_events",
                "threads",
                "application_commands",
                "auto_moderation_rules",
            ]
        },
    }


async def _prune(call: Call) -> Reply:
    guild = call.guild()
    call.need(guild, "KICK_MEMBERS", "MANAGE_GUILD")
    days = call.number("days", 7, 1, 30)
    listed = [item for text in call.query.get("include_roles", "").split(",") if (item := text.strip())]
    counted = True
    if call.body is not None:
        form = Form(call.body)
        days = form.number(form.body.get("days"), "days", low=1, high=30, default=days) or days
        listed += [
            str(item) for item in form.items(form.body.get("include_roles"), "include_roles", maximum=100)
        ]
        counted = form.body.get("compute_prune_count") is not False
        form.done()
    allowed = set(listed)
    oldest = call.world.now() - timedelta(days=days)
    spoke = {
        message.author
        for channel in call.world.channels.values()
        if channel.guild_id == guild.id
        for message in channel.messages.values()
        if time_of(message.id) >= oldest
    }
    silent = [
        user
        for user, member in guild.members.items()
        if user not in spoke and allowed.issuperset(member["roles"]) and user not in {guild.owner_id, call.me}
    ]
    if call.extra.pop("x-prune", ""):
        for user in silent:
            remove_member(call.world, call.hub, guild, user)
    return 200, {"pruned": len(silent) if counted else None}


@route("GET", _G + "/prune")
async def prune_count(call: Call) -> Reply:
    """Count silent members."""
    return await _prune(call)


@route("POST", _G + "/prune")
async def prune(call: Call) -> Reply:
    """Remove silent members."""
    call.extra["x-prune"] = "1"
    return await _prune(call)


@route("GET", _G + "/vanity-url")
async def vanity(call: Call) -> Reply:
    """Read the vanity link."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    return 200, {"code": None, "uses": 0}


@route("GET", _G + "/requests")
async def join_requests(call: Call) -> Reply:
    """Read join requests."""
    guild = call.guild()
    call.need(guild, "KICK_MEMBERS")
    status = call.query.get("status")
    found = [r for r in guild.requests.values() if status is None or r["application_status"] == status]
    limit = call.number("limit", 100, 1, 100)
    return 200, {"total": len(found), "guild_join_requests": found[:limit]}


@route("GET", _G + "/regions")
async def regions(call: Call) -> Reply:
    """Read voice regions."""
    call.guild()
    return 200, [
        {"id": "singapore", "name": "Singapore", "custom": False, "deprecated": False, "optimal": True}
    ]
