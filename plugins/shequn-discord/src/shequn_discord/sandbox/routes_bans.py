"""Routes of bans and roles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shequn_discord.sandbox.forms import ApiError, Form, forbidden, unknown
from shequn_discord.sandbox.permissions import above, top_position
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.routes_guilds import (
    act_on,
    assignable,
    audit,
    member_of,
    remove_member,
    tell_member,
)
from shequn_discord.sandbox.world import GuildState
from shequn_discord.snowflake import time_of

_G = "/guilds/{guild}"


# bans


@route("GET", _G + "/bans")
async def list_bans(call: Call) -> Reply:
    """Read bans, by ascending user id."""
    guild = call.guild()
    call.need(guild, "BAN_MEMBERS")
    limit = call.number("limit", 1000, 1, 1000)
    after, before = call.place("after", 0), call.place("before", 1 << 64)
    users = [user for user in sorted(map(int, guild.bans)) if after < user < before][:limit]
    return 200, [{"user": call.world.users[str(user)], "reason": guild.bans[str(user)]} for user in users]


@route("GET", _G + "/bans/{user}")
async def get_ban(call: Call) -> Reply:
    """Read one ban."""
    guild = call.guild()
    call.need(guild, "BAN_MEMBERS")
    user = call.params["user"]
    if user not in guild.bans:
        raise unknown(10026)
    return 200, {"user": call.world.users[user], "reason": guild.bans[user]}


def _ban(call: Call, guild: GuildState, user: str, seconds: int) -> None:
    guild.bans[user] = call.reason
    audit(call, guild, 22, user)
    call.hub.emit("GUILD_BAN_ADD", {"guild_id": guild.id, "user": call.world.users[user]}, guild=guild)
    if user in guild.members:
        remove_member(call.world, call.hub, guild, user)
    if seconds:
        oldest = call.world.now() - timedelta(seconds=seconds)
        for channel in [c for c in call.world.channels.values() if c.guild_id == guild.id]:
            ids = [m.id for m in channel.messages.values() if m.author == user and time_of(m.id) >= oldest]
            for number in ids:
                channel.messages.pop(number)
                channel.pins.pop(number, None)
            if ids:
                data = {"ids": ids, "channel_id": channel.id, "guild_id": guild.id}
                call.hub.emit("MESSAGE_DELETE_BULK", data, channel=channel)


@route("PUT", _G + "/bans/{user}")
async def ban(call: Call) -> Reply:
    """Ban somebody, member or not."""
    guild = call.guild()
    call.need(guild, "BAN_MEMBERS")
    form = Form({} if call.body is None else call.body)
    seconds = form.number(
        form.body.get("delete_message_seconds"), "delete_message_seconds", low=0, high=604_800, default=0
    )
    form.done()
    user = call.params["user"]
    if user not in call.world.users:
        raise unknown(10013)
    act_on(call, guild, user)
    _ban(call, guild, user, seconds or 0)
    return 204, None


@route("DELETE", _G + "/bans/{user}")
async def unban(call: Call) -> Reply:
    """Lift a ban."""
    guild = call.guild()
    call.need(guild, "BAN_MEMBERS")
    user = call.params["user"]
    if user not in guild.bans:
        raise unknown(10026)
    del guild.bans[user]
    audit(call, guild, 23, user)
    call.hub.emit("GUILD_BAN_REMOVE", {"guild_id": guild.id, "user": call.world.users[user]}, guild=guild)
    return 204, None


@route("POST", _G + "/bulk-ban")
async def bulk_ban(call: Call) -> Reply:
    """Ban many."""
    guild = call.guild()
    call.need(guild, "BAN_MEMBERS", "MANAGE_GUILD")
    form = Form({} if call.body is None else call.body)
    users = [str(item) for item in form.items(form.body.get("user_ids"), "user_ids", maximum=200, minimum=1)]
    seconds = form.number(
        form.body.get("delete_message_seconds"), "delete_message_seconds", low=0, high=604_800, default=0
    )
    form.done()
    banned: list[str] = []
    for user in users:
        if user in call.world.users and user not in guild.bans and user != call.me:
            if user in guild.members and not above(guild, call.me, user):
                continue
            _ban(call, guild, user, seconds or 0)
            banned.append(user)
    if not banned:
        raise ApiError(400, 500000, "Failed to ban users")
    return 200, {"banned_users": banned, "failed_users": [user for user in users if user not in banned]}


# roles


@route("GET", _G + "/roles")
async def list_roles(call: Call) -> Reply:
    """Read roles."""
    return 200, list(call.guild().roles.values())


@route("GET", _G + "/roles/member-counts")
async def role_counts(call: Call) -> Reply:
    """Count members by role."""
    guild = call.guild()
    counts = dict.fromkeys((role for role in guild.roles if role != guild.id), 0)
    for member in guild.members.values():
        for role in member["roles"]:
            counts[role] = counts.get(role, 0) + 1
    return 200, counts


@route("GET", _G + "/roles/{role}")
async def get_role(call: Call) -> Reply:
    """Read one role."""
    return 200, _role(call, call.guild())


def _role(call: Call, guild: GuildState) -> dict[str, Any]:
    found = guild.roles.get(call.params["role"])
    if found is None:
        raise unknown(10011)
    return found


def _take_role(form: Form, role: dict[str, Any]) -> None:
    body = form.body
    form.text(body.get("name"), "name", maximum=100, minimum=1)
    form.number(body.get("color"), "color", low=0, high=0xFFFFFF)
    form.done()
    for key in ("name", "hoist", "mentionable", "color", "unicode_emoji"):
        if body.get(key) is not None:
            role[key] = body[key]
    if body.get("permissions") is not None:
        role["permissions"] = str(body["permissions"])
    if isinstance(body.get("colors"), dict):
        role["colors"] |= body["colors"]
        role["color"] = role["colors"]["primary_color"]


@route("POST", _G + "/roles")
async def create_role(call: Call) -> Reply:
    """Make a role."""
    guild = call.guild()
    call.need(guild, "MANAGE_ROLES")
    if len(guild.roles) >= 250:
        raise ApiError(400, 30005, "Maximum number of guild roles reached (250)")
    form = Form({} if call.body is None else call.body)
    role = call.world.add_role(guild, "new role", 0)
    role["position"] = 1
    for other in guild.roles.values():
        if other is not role and other["position"] >= 1:
            other["position"] += 1
    try:
        _take_role(form, role)
    except ApiError:
        del guild.roles[role["id"]]
        raise
    audit(call, guild, 30, role["id"])
    call.hub.emit("GUILD_ROLE_CREATE", {"guild_id": guild.id, "role": role}, guild=guild)
    return 200, role


@route("PATCH", _G + "/roles/{role}")
async def edit_role(call: Call) -> Reply:
    """Change a role."""
    guild = call.guild()
    call.need(guild, "MANAGE_ROLES")
    role = _role(call, guild)
    if role["position"] >= top_position(guild, call.me):
        raise forbidden()
    _take_role(Form({} if call.body is None else call.body), role)
    call.hub.emit("GUILD_ROLE_UPDATE", {"guild_id": guild.id, "role": role}, guild=guild)
    return 200, role


@route("DELETE", _G + "/roles/{role}")
async def delete_role(call: Call) -> Reply:
    """Delete a role."""
    guild = call.guild()
    call.need(guild, "MANAGE_ROLES")
    role = _role(call, guild)
    assignable(call, guild, role["id"])
    del guild.roles[role["id"]]
    for member in guild.members.values():
        if role["id"] in member["roles"]:
            member["roles"].remove(role["id"])
    call.hub.emit("GUILD_ROLE_DELETE", {"guild_id": guild.id, "role_id": role["id"]}, guild=guild)
    return 204, None


async def _grant(call: Call) -> Reply:
    guild, user = _role_target(call)
    role = call.params["role"]
    member = guild.members[user]
    if role not in member["roles"]:
        member["roles"].append(role)
        facts = [{"key": "$add", "new_value": [{"id": role, "name": guild.roles[role]["name"]}]}]
        audit(call, guild, 25, user, changes=facts)
        tell_member(call, guild, user)
    return 204, None


async def _revoke(call: Call) -> Reply:
    guild, user = _role_target(call)
    role = call.params["role"]
    member = guild.members[user]
    if role in member["roles"]:
        member["roles"].remove(role)
        facts = [{"key": "$remove", "new_value": [{"id": role, "name": guild.roles[role]["name"]}]}]
        audit(call, guild, 25, user, changes=facts)
        tell_member(call, guild, user)
    return 204, None


def _role_target(call: Call) -> tuple[GuildState, str]:
    guild = call.guild()
    call.need(guild, "MANAGE_ROLES")
    user = member_of(call, guild)
    assignable(call, guild, call.params["role"])
    return guild, user


route("PUT", _G + "/members/{user}/roles/{role}")(_grant)
route("DELETE", _G + "/members/{user}/roles/{role}")(_revoke)
