"""Routes of scheduled events and AutoMod, and what these do by themselves."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shequn_discord.sandbox.forms import ApiError, Form, unknown
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.world import ChannelState, GuildState, World, iso
from shequn_discord.snowflake import parse_time

if TYPE_CHECKING:
    from shequn_discord.sandbox.gateway import Hub

__all__ = ["automod", "show_interest", "tick_events"]

_E = "/guilds/{guild}/scheduled-events"
_A = "/guilds/{guild}/auto-moderation/rules"
_NEXT = {1: {2, 4}, 2: {3}}


def _json(event: dict[str, Any], guild: GuildState, *, count: bool = False) -> dict[str, Any]:
    data = dict(event)
    if count:
        data["user_count"] = len(guild.interested.get(event["id"], {}))
    return data


@route("GET", _E)
async def list_events(call: Call) -> Reply:
    """Read a server's events."""
    guild = call.guild()
    counted = call.flag("with_user_count")
    return 200, [
        _json(event, guild, count=counted) for event in guild.events.values() if event["status"] in {1, 2}
    ]


def _check(form: Form, body: dict[str, Any], now: Any, *, partial: bool = False) -> None:
    required = not partial
    form.text(body.get("name"), "name", maximum=100, minimum=1, required=required or "name" in body)
    form.text(body.get("description"), "description", maximum=1000)
    start = form.instant(body.get("scheduled_start_time"), "scheduled_start_time", required=required)
    end = form.instant(body.get("scheduled_end_time"), "scheduled_end_time")
    kind = form.choice(body.get("entity_type"), "entity_type", (1, 2, 3), required=required)
    if required:
        form.choice(body.get("privacy_level"), "privacy_level", (2,), required=True)
    if start is not None and start < now and required:
        form.fail(
            "scheduled_start_time",
            "GUILD_SCHEDULED_EVENT_SCHEDULE_PAST",
            "Cannot schedule event in the past.",
        )
    if start is not None and end is not None and end <= start:
        form.fail(
            "scheduled_end_time", "GUILD_SCHEDULED_EVENT_END_BEFORE_START", "Event must end after it starts."
        )
    if kind == 3:
        meta = body.get("entity_metadata")
        place = meta.get("location") if isinstance(meta, dict) else None
        form.text(place, "entity_metadata.location", maximum=100, minimum=1, required=True)
        if end is None:
            form.fail("scheduled_end_time", "BASE_TYPE_REQUIRED", "This field is required")
    elif kind in {1, 2} and required:
        form.snowflake(body.get("channel_id"), "channel_id", required=True)


@route("POST", _E)
async def create_event(call: Call) -> Reply:
    """Make an event."""
    guild = call.guild()
    call.need(guild, "CREATE_EVENTS")
    form = Form({} if call.body is None else call.body)
    body = form.body
    _check(form, body, call.world.now())
    form.done()
    if sum(event["status"] in {1, 2} for event in guild.events.values()) >= 100:
        raise ApiError(400, 30038, "Maximum number of uncompleted guild scheduled events reached (100)")
    channel = body.get("channel_id")
    if channel is not None and str(channel) not in call.world.channels:
        raise unknown(10003)
    end = body.get("scheduled_end_time")
    event: dict[str, Any] = {
        "id": call.world.snowflake(),
        "guild_id": guild.id,
        "channel_id": str(channel) if channel is not None else None,
        "creator_id": call.me,
        "creator": call.world.users[call.me],
        "name": body["name"],
        "description": body.get("description"),
        "image": None,
        "scheduled_start_time": iso(parse_time(body["scheduled_start_time"])),
        "scheduled_end_time": iso(parse_time(end)) if end else None,
        "privacy_level": 2,
        "status": 1,
        "entity_type": body["entity_type"],
        "entity_id": None,
        "entity_metadata": body.get("entity_metadata"),
        "recurrence_rule": body.get("recurrence_rule"),
        "guild_scheduled_event_exceptions": [],
    }
    guild.events[event["id"]] = event
    guild.interested[event["id"]] = {}
    call.hub.emit("GUILD_SCHEDULED_EVENT_CREATE", event, guild=guild)
    return 200, event


def _event(call: Call) -> tuple[GuildState, dict[str, Any]]:
    guild = call.guild()
    found = guild.events.get(call.params["event"])
    if found is None:
        raise unknown(10070)
    return guild, found


@route("GET", _E + "/{event}")
async def get_event(call: Call) -> Reply:
    """Read one event."""
    guild, event = _event(call)
    return 200, _json(event, guild, count=call.flag("with_user_count"))


@route("PATCH", _E + "/{event}")
async def edit_event(call: Call) -> Reply:
    """Change an event or its status."""
    guild, event = _event(call)
    if event["creator_id"] != call.me:
        call.need(guild, "MANAGE_EVENTS")
    form = Form({} if call.body is None else call.body)
    body = form.body
    _check(form, body, call.world.now(), partial=True)
    status = form.choice(body.get("status"), "status", (1, 2, 3, 4))
    form.done()
    if event["status"] in {3, 4}:
        raise ApiError(400, 180000, "Cannot update a finished event")
    if status is not None and status != event["status"]:
        if status not in _NEXT.get(event["status"], set()):
            raise ApiError(400, 180000, "Cannot update a finished event")
        event["status"] = status
    for key in ("name", "description", "channel_id", "entity_type", "entity_metadata", "recurrence_rule"):
        if key in body:
            event[key] = body[key]
    for key in ("scheduled_start_time", "scheduled_end_time"):
        if body.get(key):
            event[key] = iso(parse_time(body[key]))
    call.hub.emit("GUILD_SCHEDULED_EVENT_UPDATE", event, guild=guild)
    return 200, event


@route("DELETE", _E + "/{event}")
async def delete_event(call: Call) -> Reply:
    """Delete an event."""
    guild, event = _event(call)
    if event["creator_id"] != call.me:
        call.need(guild, "MANAGE_EVENTS")
    del guild.events[event["id"]]
    call.hub.emit("GUILD_SCHEDULED_EVENT_DELETE", event, guild=guild)
    return 204, None


@route("GET", _E + "/{event}/users")
async def event_users(call: Call) -> Reply:
    """Read who is interested."""
    guild, event = _event(call)
    limit = call.number("limit", 100, 1, 100)
    after, before = call.place("after", 0), call.place("before", 1 << 64)
    users = [user for user in sorted(map(int, guild.interested[event["id"]])) if after < user < before][
        :limit
    ]
    rows: list[dict[str, Any]] = []
    for user in map(str, users):
        row: dict[str, Any] = {
            "guild_scheduled_event_id": event["id"],
            "user_id": user,
            "user": call.world.users[user],
            "response": 1,
        }
        if call.flag("with_member") and user in guild.members:
            row["member"] = call.world.member_json(guild, user)
        rows.append(row)
    return 200, rows


@route("GET", _E + "/{event}/users/counts")
async def event_counts(call: Call) -> Reply:
    """Count who is interested."""
    guild, event = _event(call)
    return 200, {
        "guild_scheduled_event_count": len(guild.interested[event["id"]]),
        "guild_scheduled_event_exception_counts": {},
    }


def show_interest(hub: Hub, guild: GuildState, event: str, user: str, *, on: bool = True) -> None:
    """Let a member be interested in an event, or no longer."""
    users = guild.interested[event]
    if (user in users) is on:
        return
    if on:
        users[user] = None
    else:
        del users[user]
    data = {"guild_scheduled_event_id": event, "user_id": user, "guild_id": guild.id}
    hub.emit(f"GUILD_SCHEDULED_EVENT_USER_{'ADD' if on else 'REMOVE'}", data, guild=guild)


def tick_events(world: World, hub: Hub) -> None:
    """Start and end external events whose time has come."""
    now = world.now()
    for guild in world.guilds.values():
        for event in guild.events.values():
            if event["entity_type"] != 3:
                continue
            if event["status"] == 1 and parse_time(event["scheduled_start_time"]) <= now:
                event["status"] = 2
                hub.emit("GUILD_SCHEDULED_EVENT_UPDATE", event, guild=guild)
            end = event["scheduled_end_time"]
            if event["status"] == 2 and end is not None and parse_time(end) <= now:
                event["status"] = 3
                hub.emit("GUILD_SCHEDULED_EVENT_UPDATE", event, guild=guild)


# AutoMod


@route("GET", _A)
async def list_rules(call: Call) -> Reply:
    """Read the rules."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    return 200, list(guild.rules.values())


def _check_rule(form: Form, body: dict[str, Any], *, partial: bool) -> None:
    required = not partial
    form.text(body.get("name"), "name", maximum=100, minimum=1, required=required)
    form.choice(body.get("event_type"), "event_type", (1, 2), required=required)
    form.choice(body.get("trigger_type"), "trigger_type", (1, 3, 4, 5, 6), required=required)
    meta = body.get("trigger_metadata")
    meta = meta if isinstance(meta, dict) else {}
    words = form.items(meta.get("keyword_filter"), "trigger_metadata.keyword_filter", maximum=1000)
    for index, word in enumerate(words):
        form.text(word, f"trigger_metadata.keyword_filter.{index}", maximum=60, minimum=1)
    patterns = form.items(meta.get("regex_patterns"), "trigger_metadata.regex_patterns", maximum=10)
    for index, pattern in enumerate(patterns):
        form.text(pattern, f"trigger_metadata.regex_patterns.{index}", maximum=260, minimum=1)
        try:
            re.compile(str(pattern))
        except re.error:
            form.fail(
                f"trigger_metadata.regex_patterns.{index}", "AUTO_MODERATION_INVALID_REGEX", "Invalid regex"
            )
    actions = form.items(body.get("actions"), "actions", maximum=5)
    if required and not actions:
        form.fail("actions", "BASE_TYPE_REQUIRED", "This field is required")
    for index, action in enumerate(actions):
        kind = action.get("type") if isinstance(action, dict) else None
        form.choice(kind, f"actions.{index}.type", (1, 2, 3, 4), required=True)


def _trigger(body: dict[str, Any]) -> dict[str, Any]:
    own = {1: ("keyword_filter", "regex_patterns", "allow_list"), 4: ("presets", "allow_list")}
    return {key: [] for key in own.get(body["trigger_type"], ())} | (body.get("trigger_metadata") or {})


@route("POST", _A)
async def create_rule(call: Call) -> Reply:
    """Make a rule."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    form = Form({} if call.body is None else call.body)
    body = form.body
    _check_rule(form, body, partial=False)
    form.done()
    most = {1: 6, 3: 1, 4: 1, 5: 1, 6: 1}[body["trigger_type"]]
    if sum(rule["trigger_type"] == body["trigger_type"] for rule in guild.rules.values()) >= most:
        form.fail(
            "trigger_type",
            "AUTO_MODERATION_MAX_RULES_OF_TYPE_EXCEEDED",
            "Maximum number of rules of this type reached",
        )
        form.done()
    rule: dict[str, Any] = {
        "id": call.world.snowflake(),
        "guild_id": guild.id,
        "creator_id": call.me,
        "name": body["name"],
        "event_type": body["event_type"],
        "trigger_type": body["trigger_type"],
        "trigger_metadata": _trigger(body),
        "actions": [{"metadata": {}, **action} for action in body["actions"]],
        "enabled": bool(body.get("enabled")),
        "exempt_roles": [str(role) for role in body.get("exempt_roles") or []],
        "exempt_channels": [str(channel) for channel in body.get("exempt_channels") or []],
    }
    guild.rules[rule["id"]] = rule
    call.hub.emit("AUTO_MODERATION_RULE_CREATE", rule, guild=guild)
    return 200, rule


def _rule(call: Call) -> tuple[GuildState, dict[str, Any]]:
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    found = guild.rules.get(call.params["rule"])
    if found is None:
        raise unknown(10094)
    return guild, found


@route("GET", _A + "/{rule}")
async def get_rule(call: Call) -> Reply:
    """Read one rule."""
    return 200, _rule(call)[1]


@route("PATCH", _A + "/{rule}")
async def edit_rule(call: Call) -> Reply:
    """Change a rule."""
    guild, rule = _rule(call)
    form = Form({} if call.body is None else call.body)
    _check_rule(form, form.body, partial=True)
    form.done()
    kept = ["name", "event_type", "trigger_metadata", "actions", "enabled", "exempt_roles", "exempt_channels"]
    rule |= {key: form.body[key] for key in kept if key in form.body}
    call.hub.emit("AUTO_MODERATION_RULE_UPDATE", rule, guild=guild)
    return 200, rule


@route("DELETE", _A + "/{rule}")
async def delete_rule(call: Call) -> Reply:
    """Delete a rule."""
    guild, rule = _rule(call)
    del guild.rules[rule["id"]]
    call.hub.emit("AUTO_MODERATION_RULE_DELETE", rule, guild=guild)
    return 204, None


def _matched(rule: dict[str, Any], text: str) -> str | None:
    meta = rule["trigger_metadata"]
    low = text.lower()
    for word in meta.get("keyword_filter") or []:
        core = re.escape(str(word).strip("*").lower())
        head = "" if str(word).startswith("*") else r"(?<!\w)"
        tail = "" if str(word).endswith("*") else r"(?!\w)"
        # Chinese has no spaces between words: there a keyword matches anywhere.
        pattern = core if not str(word).isascii() else head + core + tail
        if re.search(pattern, low):
            return str(word)
    for pattern in meta.get("regex_patterns") or []:
        if re.search(str(pattern), text):
            return str(pattern)
    return None


def automod(world: World, hub: Hub, channel: ChannelState, user: str, text: str) -> bool:
    """Apply the rules to what a member writes; True means that the message must not stand."""
    guild = world.guilds.get(channel.guild_id or "")
    if guild is None or user in {world.bot_id, guild.owner_id}:
        return False
    blocked = False
    roles = set(guild.members.get(user, {}).get("roles", ()))
    for rule in guild.rules.values():
        if not rule["enabled"] or rule["trigger_type"] != 1 or channel.id in rule["exempt_channels"]:
            continue
        word = None if roles & set(rule["exempt_roles"]) else _matched(rule, text)
        if word is None:
            continue
        for action in rule["actions"]:
            if action["type"] == 1:
                blocked = True
            elif action["type"] == 3:
                span = timedelta(seconds=int((action.get("metadata") or {}).get("duration_seconds", 60)))
                guild.members[user]["communication_disabled_until"] = iso(world.now() + span)
            data = {
                "guild_id": guild.id,
                "action": action,
                "rule_id": rule["id"],
                "rule_trigger_type": rule["trigger_type"],
                "user_id": user,
                "channel_id": channel.id,
                "content": text,
                "matched_keyword": word,
                "matched_content": word.strip("*"),
            }
            hub.emit("AUTO_MODERATION_ACTION_EXECUTION", data, guild=guild)
    return blocked
