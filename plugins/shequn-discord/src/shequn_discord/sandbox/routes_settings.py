"""Routes of settings: role order, incidents, join requests, welcome screen, onboarding, widget, our profile."""

from __future__ import annotations

from typing import Any

from shequn_discord.sandbox.forms import ApiError, Form, forbidden
from shequn_discord.sandbox.permissions import top_position
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.world import GuildState

_G = "/guilds/{guild}"


@route("PATCH", "/users/@me")
async def edit_self(call: Call) -> Reply:
    """Change our name."""
    form = Form({} if call.body is None else call.body)
    name = form.text(form.body.get("username"), "username", maximum=32, minimum=2)
    form.done()
    user = call.world.users[call.me]
    user["username"] = name or user["username"]
    return 200, {**user, "mfa_enabled": False, "locale": "zh-CN", "verified": True, "email": None}


@route("PATCH", _G + "/roles")
async def order_roles(call: Call) -> Reply:
    """Move roles; only below our own top role."""
    guild = call.guild()
    call.need(guild, "MANAGE_ROLES")
    top = top_position(guild, call.me)
    for item in call.body if isinstance(call.body, list) else []:
        role = guild.roles.get(str(item.get("id")))
        position = item.get("position")
        if role is None or not isinstance(position, int):
            continue
        if role["position"] >= top or position >= top:
            raise forbidden()
        role["position"] = position
        call.hub.emit("GUILD_ROLE_UPDATE", {"guild_id": guild.id, "role": role}, guild=guild)
    return 200, list(guild.roles.values())


@route("PUT", _G + "/incident-actions")
async def incident_actions(call: Call) -> Reply:
    """Pause invites or direct messages for at most a day."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    form = Form({} if call.body is None else call.body)
    for key in ("invites_disabled_until", "dms_disabled_until"):
        until = form.instant(form.body.get(key), key)
        if until is not None and (until - call.world.now()).total_seconds() > 86_400:
            form.fail(key, "INCIDENT_ACTIONS_TOO_LONG", "Must be within 24 hours.")
    body = form.done()
    found = dict(
        guild.settings.get("incidents_data") or {"invites_disabled_until": None, "dms_disabled_until": None}
    )
    found |= {key: body[key] for key in found if key in body}
    guild.settings["incidents_data"] = found
    call.hub.emit("GUILD_UPDATE", call.world.guild_json(guild), guild=guild)
    return 200, found


@route("PATCH", _G + "/requests/{request}")
async def review_request(call: Call) -> Reply:
    """Let an applicant in or turn them away."""
    guild = call.guild()
    call.need(guild, "KICK_MEMBERS")
    found = guild.requests.get(call.params["request"])
    if found is None:
        raise ApiError(404, 0, "404: Not Found")
    form = Form({} if call.body is None else call.body)
    action = form.body.get("action")
    if action not in {"APPROVED", "REJECTED"}:
        form.fail("action", "BASE_TYPE_CHOICES", "Value must be one of ('APPROVED', 'REJECTED').")
    reason = form.text(form.body.get("rejection_reason"), "rejection_reason", maximum=160)
    form.done()
    found |= {
        "application_status": action,
        "reviewed_at": call.world.stamp(),
        "rejection_reason": reason,
        "actioned_by_user": call.world.users[call.me],
    }
    return 200, found


def _settings(guild: GuildState, name: str, default: dict[str, Any]) -> dict[str, Any]:
    return guild.extras.setdefault(name, default)


@route("GET", _G + "/welcome-screen")
async def welcome_screen(call: Call) -> Reply:
    """Read the welcome screen."""
    return 200, _settings(call.guild(), "welcome", {"description": None, "welcome_channels": []})


@route("PATCH", _G + "/welcome-screen")
async def edit_welcome_screen(call: Call) -> Reply:
    """Change the welcome screen."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    form = Form({} if call.body is None else call.body)
    form.text(form.body.get("description"), "description", maximum=140)
    form.items(form.body.get("welcome_channels"), "welcome_channels", maximum=5)
    body = form.done()
    found = _settings(guild, "welcome", {"description": None, "welcome_channels": []})
    found |= {key: body[key] for key in ("description", "welcome_channels") if body.get(key) is not None}
    return 200, found


@route("PUT", _G + "/onboarding")
async def put_onboarding(call: Call) -> Reply:
    """Change the onboarding."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD", "MANAGE_ROLES")
    form = Form({} if call.body is None else call.body)
    default = {"prompts": [], "default_channel_ids": [], "enabled": False, "mode": 0}
    found = _settings(guild, "onboarding", {"guild_id": guild.id, **default})
    found |= {key: form.body[key] for key in default if form.body.get(key) is not None}
    return 200, found


@route("GET", _G + "/onboarding")
async def get_onboarding(call: Call) -> Reply:
    """Read the onboarding."""
    guild = call.guild()
    default = {"prompts": [], "default_channel_ids": [], "enabled": False, "mode": 0}
    return 200, _settings(guild, "onboarding", {"guild_id": guild.id, **default})


@route("GET", _G + "/widget")
async def get_widget(call: Call) -> Reply:
    """Read the widget's settings."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    return 200, _settings(guild, "widget", {"enabled": False, "channel_id": None})


@route("GET", _G + "/widget.json", auth=False)
async def widget(call: Call) -> Reply:
    """Show a server to the whole world, where its widget is on."""
    guild = call.guild()
    if not _settings(guild, "widget", {"enabled": False, "channel_id": None})["enabled"]:
        raise ApiError(403, 50004, "Widget Disabled")
    return 200, {
        "id": guild.id,
        "name": guild.name,
        "instant_invite": None,
        "channels": [],
        "members": [],
        "presence_count": len(guild.members),
    }


@route("PATCH", _G + "/widget")
async def edit_widget(call: Call) -> Reply:
    """Change the widget's settings."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    form = Form({} if call.body is None else call.body)
    found = _settings(guild, "widget", {"enabled": False, "channel_id": None})
    found |= {key: form.body[key] for key in found if key in form.body}
    return 200, found


@route("GET", _G + "/integrations")
async def integrations(call: Call) -> Reply:
    """Read integrations: none."""
    call.need(call.guild(), "MANAGE_GUILD")
    return 200, []


@route("PUT", "/channels/{channel}/voice-status")
async def voice_status(call: Call) -> Reply:
    """Set the status of a voice channel."""
    channel = call.channel()
    if channel.data["type"] != 2:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    form = Form({} if call.body is None else call.body)
    form.text(form.body.get("status"), "status", maximum=500)
    form.done()
    return 204, None


@route("GET", "/channels/{channel}/threads/search")
async def search_threads(call: Call) -> Reply:
    """Find threads of a channel by name and state."""
    channel = call.channel("READ_MESSAGE_HISTORY")
    limit = call.number("limit", 25, 1, 25)
    offset = call.number("offset", 0, 0, 9975)
    name = call.query.get("name", "").lower()
    found = [
        thread
        for thread in call.world.channels.values()
        if thread.is_thread
        and thread.data["parent_id"] == channel.id
        and name in thread.data["name"].lower()
        and (
            "archived" not in call.query
            or thread.data["thread_metadata"]["archived"] is call.flag("archived")
        )
    ]
    found.sort(key=lambda thread: int(thread.id), reverse=call.query.get("sort_order", "desc") == "desc")
    page = found[offset : offset + limit]
    return 200, {
        "threads": [call.world.channel_json(thread) for thread in page],
        "members": [t.thread_members[call.me] for t in page if call.me in t.thread_members],
        "has_more": len(found) > offset + limit,
        "total_results": len(found),
    }


@route("GET", "/skus/{sku}/subscriptions")
async def subscriptions(call: Call) -> Reply:
    """Read who subscribes: nobody."""
    call.number("limit", 50, 1, 100)
    return 200, []
