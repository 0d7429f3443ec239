"""Routes of channels, threads and forum posts, invites and webhooks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shequn_discord.sandbox.forms import ApiError, Form, forbidden, unknown
from shequn_discord.sandbox.messaging import check_message, make_message, place_message
from shequn_discord.sandbox.permissions import BITS, permissions
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.routes_guilds import audit
from shequn_discord.sandbox.routes_stages import close_stage
from shequn_discord.sandbox.world import ChannelState, GuildState, World, iso
from shequn_discord.snowflake import parse_time

__all__ = ["invite_json", "use_invite"]

_ARCHIVE = (60, 1440, 4320, 10080)
_C = "/channels/{channel}"


@route("GET", _C)
async def get_channel(call: Call) -> Reply:
    """Read a channel."""
    return 200, call.world.channel_json(call.channel())


@route("PATCH", _C)
async def edit_channel(call: Call) -> Reply:
    """Change a channel or a thread."""
    channel = call.channel()
    form = Form({} if call.body is None else call.body)
    body = form.body
    if "name" in body:
        form.text(body["name"], "name", maximum=100, minimum=1, required=True)
    form.number(body.get("rate_limit_per_user"), "rate_limit_per_user", low=0, high=21_600)
    if channel.is_thread:
        return _edit_thread(call, channel, form)
    form.text(body.get("topic"), "topic", maximum=4096 if channel.data["type"] in {15, 16} else 1024)
    form.items(body.get("permission_overwrites"), "permission_overwrites", maximum=1000)
    form.done()
    if channel.guild_id is None:
        raise ApiError(403, 50003, "Cannot execute action on a DM channel")
    if not call.world.can(channel, call.me, "MANAGE_CHANNELS"):
        raise forbidden()
    kept = [
        "name",
        "topic",
        "nsfw",
        "rate_limit_per_user",
        "parent_id",
        "position",
        "default_auto_archive_duration",
        "flags",
        "available_tags",
        "default_thread_rate_limit_per_user",
        "default_reaction_emoji",
        "default_sort_order",
    ]
    for key in kept:
        if key in body:
            channel.data[key] = body[key]
    for tag in channel.data.get("available_tags") or []:
        tag.setdefault("id", call.world.snowflake())
        for name, value in (("moderated", False), ("emoji_id", None), ("emoji_name", None)):
            tag.setdefault(name, value)
    if "permission_overwrites" in body:
        channel.data["permission_overwrites"] = [
            _overwrite(item) for item in body["permission_overwrites"] or []
        ]
    audit(call, call.world.guilds[channel.guild_id], 11, channel.id)
    call.hub.emit("CHANNEL_UPDATE", call.world.channel_json(channel), channel=channel)
    return 200, call.world.channel_json(channel)


def _overwrite(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(item["id"]),
        "type": int(item.get("type", 0)),
        "allow": str(item.get("allow") or "0"),
        "deny": str(item.get("deny") or "0"),
    }


def _edit_thread(call: Call, thread: ChannelState, form: Form) -> Reply:
    body = form.body
    form.choice(body.get("auto_archive_duration"), "auto_archive_duration", _ARCHIVE)
    form.done()
    meta = thread.data["thread_metadata"]
    manages = call.world.can(thread, call.me, "MANAGE_THREADS")
    owns = thread.data["owner_id"] == call.me
    if not manages and not (owns and not body.get("locked")) and set(body) != {"archived"}:
        raise forbidden()
    if meta["locked"] and not manages:
        raise ApiError(400, 50083, "Thread is archived")
    if "archived" in body and bool(body["archived"]) != meta["archived"]:
        meta |= {"archived": bool(body["archived"]), "archive_timestamp": call.world.stamp()}
    for key in ("locked", "invitable", "auto_archive_duration"):
        if key in body:
            meta[key] = body[key]
    for key in ("name", "rate_limit_per_user", "applied_tags", "flags"):
        if key in body:
            thread.data[key] = body[key]
    call.hub.emit("THREAD_UPDATE", call.world.channel_json(thread), channel=thread)
    return 200, call.world.channel_json(thread)


@route("DELETE", _C)
async def delete_channel(call: Call) -> Reply:
    """Delete a channel or thread, close a direct one."""
    channel = call.channel()
    if channel.guild_id is None:
        return 200, call.world.channel_json(channel)
    if not call.world.can(channel, call.me, "MANAGE_THREADS" if channel.is_thread else "MANAGE_CHANNELS"):
        raise forbidden()
    data = call.world.channel_json(channel)
    close_stage(call, channel.id)
    call.hub.emit("THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE", data, channel=channel)
    del call.world.channels[channel.id]
    for other in [
        c for c in call.world.channels.values() if c.is_thread and c.data["parent_id"] == channel.id
    ]:
        del call.world.channels[other.id]
    return 200, data


@route("PUT", _C + "/permissions/{overwrite}")
async def set_overwrite(call: Call) -> Reply:
    """Set an exception to permissions."""
    channel = call.channel("MANAGE_ROLES")
    form = Form({} if call.body is None else call.body)
    form.choice(form.body.get("type"), "type", (0, 1), required=True)
    form.done()
    number = call.params["overwrite"]
    found = [item for item in channel.data["permission_overwrites"] if item["id"] != number]
    if len(found) >= 1000:
        raise ApiError(400, 30060, "Maximum number of channel permission overwrites reached (1000)")
    channel.data["permission_overwrites"] = [*found, _overwrite({**form.body, "id": number})]
    call.hub.emit("CHANNEL_UPDATE", call.world.channel_json(channel), channel=channel)
    return 204, None


@route("DELETE", _C + "/permissions/{overwrite}")
async def delete_overwrite(call: Call) -> Reply:
    """Take an exception away."""
    channel = call.channel("MANAGE_ROLES")
    found = [item for item in channel.data["permission_overwrites"] if item["id"] != call.params["overwrite"]]
    if len(found) == len(channel.data["permission_overwrites"]):
        raise unknown(10009)
    channel.data["permission_overwrites"] = found
    call.hub.emit("CHANNEL_UPDATE", call.world.channel_json(channel), channel=channel)
    return 204, None


@route("POST", _C + "/followers")
async def follow(call: Call) -> Reply:
    """Follow an announcement channel."""
    channel = call.channel()
    if channel.data["type"] != 5:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    form = Form({} if call.body is None else call.body)
    target = form.snowflake(form.body.get("webhook_channel_id"), "webhook_channel_id", required=True) or ""
    form.done()
    place = call.channel("MANAGE_WEBHOOKS", number=target)
    channel.followers.append(place.id)
    return 200, {"channel_id": channel.id, "webhook_id": call.world.snowflake()}


# threads


@route("POST", _C + "/messages/{message}/threads")
async def thread_from_message(call: Call) -> Reply:
    """Open a thread at a message."""
    channel = call.channel("CREATE_PUBLIC_THREADS")
    message = call.message(channel)
    form = Form({} if call.body is None else call.body)
    name = form.text(form.body.get("name"), "name", maximum=100, minimum=1, required=True) or ""
    archive = form.choice(
        form.body.get("auto_archive_duration"), "auto_archive_duration", _ARCHIVE, default=4320
    )
    form.number(form.body.get("rate_limit_per_user"), "rate_limit_per_user", low=0, high=21_600)
    form.done()
    if channel.data["type"] not in {0, 5}:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    if message.id in call.world.channels:
        raise ApiError(400, 160004, "A thread has already been created for this message")
    kind = 10 if channel.data["type"] == 5 else 11
    thread = call.world.add_thread(
        channel, name, kind=kind, owner=call.me, thread_id=message.id, archive=archive or 4320
    )
    call.hub.emit("THREAD_CREATE", {**call.world.channel_json(thread), "newly_created": True}, channel=thread)
    return 201, call.world.channel_json(thread)


@route("POST", _C + "/threads")
async def create_thread(call: Call) -> Reply:
    """Open a thread, or a post in a forum."""
    channel = call.channel()
    form = Form({} if call.body is None else call.body)
    body = form.body
    name = form.text(body.get("name"), "name", maximum=100, minimum=1, required=True) or ""
    archive = (
        form.choice(body.get("auto_archive_duration"), "auto_archive_duration", _ARCHIVE, default=4320)
        or 4320
    )
    if channel.data["type"] in {15, 16}:
        return await _create_post(call, channel, form, name, archive)
    kind = form.choice(body.get("type"), "type", (10, 11, 12), default=12) or 12
    form.done()
    if channel.data["type"] not in {0, 5}:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    need = "CREATE_PRIVATE_THREADS" if kind == 12 else "CREATE_PUBLIC_THREADS"
    if not call.world.can(channel, call.me, need):
        raise forbidden()
    thread = call.world.add_thread(channel, name, kind=kind, owner=call.me, archive=archive)
    if kind == 12:
        thread.data["thread_metadata"]["invitable"] = body.get("invitable", True)
    call.hub.emit("THREAD_CREATE", {**call.world.channel_json(thread), "newly_created": True}, channel=thread)
    return 201, call.world.channel_json(thread)


async def _create_post(call: Call, channel: ChannelState, form: Form, name: str, archive: int) -> Reply:
    body = form.body
    tags = [str(tag) for tag in form.items(body.get("applied_tags"), "applied_tags", maximum=5)]
    if not isinstance(body.get("message"), dict):
        form.fail("message", "BASE_TYPE_REQUIRED", "This field is required")
    form.done()
    known = {tag["id"] for tag in channel.data.get("available_tags", [])}
    if any(tag not in known for tag in tags):
        raise ApiError(404, 10087, "Unknown tag")
    inner = Form(body["message"])
    check_message(inner, call.files)
    if not call.world.can(channel, call.me, "SEND_MESSAGES"):
        raise forbidden()
    thread = call.world.add_thread(channel, name, kind=11, owner=call.me, archive=archive, applied_tags=tags)
    author = call.world.users[call.me]
    message = make_message(call.world, thread, author, inner.body, call.files, base_url=call.base_url)
    message.data["id"] = thread.id  # the first message of a post has the post's id
    call.hub.emit("THREAD_CREATE", {**call.world.channel_json(thread), "newly_created": True}, channel=thread)
    place_message(call.world, call.hub, thread, message)
    shown = call.world.message_json(message)
    shown.pop("thread", None)
    return 201, {**call.world.channel_json(thread), "message": shown}


def _threads(call: Call, found: list[ChannelState], *, more: bool = False) -> Reply:
    mine = [t.thread_members[call.me] for t in found if call.me in t.thread_members]
    return 200, {"threads": [call.world.channel_json(t) for t in found], "members": mine, "has_more": more}


@route("GET", "/guilds/{guild}/threads/active")
async def active_threads(call: Call) -> Reply:
    """Read a server's open threads."""
    guild = call.guild()
    found = [
        thread
        for thread in call.world.channels_of(guild, threads=True)
        if not thread.data["thread_metadata"]["archived"]
        and permissions(call.world, thread, call.me) & BITS["VIEW_CHANNEL"]
    ]
    found.sort(key=lambda thread: int(thread.id), reverse=True)
    return _threads(call, found)


def _archived_in(call: Call, kinds: set[int]) -> list[ChannelState]:
    channel = call.channel("READ_MESSAGE_HISTORY")
    return [
        thread
        for thread in call.world.channels.values()
        if thread.is_thread
        and thread.data["parent_id"] == channel.id
        and thread.data["type"] in kinds
        and thread.data["thread_metadata"]["archived"]
    ]


async def _archived(call: Call, kinds: set[int]) -> Reply:
    limit = call.number("limit", 50, 1, 100)
    found = _archived_in(call, kinds)
    stamp = lambda thread: thread.data["thread_metadata"]["archive_timestamp"]  # noqa: E731 - a sort key
    before = call.query.get("before")
    if before is not None:
        found = [thread for thread in found if parse_time(stamp(thread)) < parse_time(before)]
    found.sort(key=stamp, reverse=True)
    return _threads(call, found[:limit], more=len(found) > limit)


@route("GET", _C + "/threads/archived/public")
async def archived_public(call: Call) -> Reply:
    """Read archived public threads."""
    return await _archived(call, {10, 11})


@route("GET", _C + "/threads/archived/private")
async def archived_private(call: Call) -> Reply:
    """Read archived private threads."""
    call.channel("MANAGE_THREADS")
    return await _archived(call, {12})


@route("GET", _C + "/users/@me/threads/archived/private")
async def archived_private_joined(call: Call) -> Reply:
    """Read archived private threads that the bot is in, newest first; `before` is a thread's id."""
    limit = call.number("limit", 50, 1, 100)
    before = call.place("before", 1 << 63)
    found = [
        thread
        for thread in _archived_in(call, {12})
        if call.me in thread.thread_members and int(thread.id) < before
    ]
    found.sort(key=lambda thread: int(thread.id), reverse=True)
    return _threads(call, found[:limit], more=len(found) > limit)


def _thread(call: Call) -> ChannelState:
    thread = call.channel()
    if not thread.is_thread:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    return thread


@route("GET", _C + "/thread-members")
async def thread_members(call: Call) -> Reply:
    """Read who is in a thread."""
    thread = _thread(call)
    if not int(call.world.options.get("allowed_intents", 2)) & 2:
        raise ApiError(403, 50001, "Missing Access")
    return 200, list(thread.thread_members.values())


@route("GET", _C + "/thread-members/{user}")
async def thread_member(call: Call) -> Reply:
    """Read one member of a thread."""
    found = _thread(call).thread_members.get(call.params["user"])
    if found is None:
        raise unknown(10007)
    return 200, found


async def _join_thread(call: Call) -> Reply:
    call.world.join_thread(_thread(call), call.params.get("user", call.me))
    return 204, None


async def _leave_thread(call: Call) -> Reply:
    thread = _thread(call)
    thread.thread_members.pop(call.params.get("user", call.me), None)
    thread.data["member_count"] = min(50, len(thread.thread_members))
    return 204, None


for _tail in ("@me", "{user}"):
    route("PUT", f"{_C}/thread-members/{_tail}")(_join_thread)
    route("DELETE", f"{_C}/thread-members/{_tail}")(_leave_thread)


# invites


def invite_json(
    world: World, invite: dict[str, Any], *, counts: bool = False, meta: bool = True
) -> dict[str, Any]:
    """An invite as JSON."""
    guild = world.guilds[invite["guild_id"]]
    channel = world.channels[invite["channel_id"]]
    inviter = world.users.get(invite["inviter"])
    data: dict[str, Any] = {
        "type": 0,
        "code": invite["code"],
        "guild_id": guild.id,
        "guild": {
            "id": guild.id,
            "name": guild.name,
            "splash": None,
            "banner": None,
            "description": None,
            "icon": None,
            "features": [],
            "verification_level": 1,
            "vanity_url_code": None,
            "nsfw_level": 0,
            "nsfw": False,
            "premium_subscription_count": 0,
        },
        "channel": {"id": channel.id, "type": channel.data["type"], "name": channel.data["name"]},
        "expires_at": invite["expires_at"],
        "flags": 0,
    }
    if inviter is not None:
        data["inviter"] = inviter
    if meta:
        data |= {key: invite[key] for key in ("uses", "max_uses", "max_age", "temporary", "created_at")}
    if counts:
        data |= {
            "approximate_member_count": len(guild.members),
            "approximate_presence_count": len(guild.members),
        }
    return data


def live_invites(world: World, guild: GuildState) -> list[dict[str, Any]]:
    """Give the invites that have not ended."""
    now = world.now()
    for code, invite in list(world.invites.items()):
        if invite["expires_at"] is not None and parse_time(invite["expires_at"]) <= now:
            del world.invites[code]
    return [invite for invite in world.invites.values() if invite["guild_id"] == guild.id]


def use_invite(world: World, hub: Any, guild: GuildState, code: str) -> None:
    """Count one use; the last one ends an invite."""
    live_invites(world, guild)
    invite = world.invites.get(code)
    if invite is None or invite["guild_id"] != guild.id:
        raise unknown(10006)
    invite["uses"] += 1
    if invite["max_uses"] and invite["uses"] >= invite["max_uses"]:
        _end(world, hub, invite)


def _end(world: World, hub: Any, invite: dict[str, Any]) -> None:
    del world.invites[invite["code"]]
    channel = world.channels[invite["channel_id"]]
    data = {"channel_id": channel.id, "guild_id": channel.guild_id, "code": invite["code"]}
    hub.emit("INVITE_DELETE", data, channel=channel)


@route("POST", _C + "/invites")
async def create_invite(call: Call) -> Reply:
    """Make an invite."""
    channel = call.channel("CREATE_INSTANT_INVITE")
    form = Form({} if call.body is None else call.body)
    age = form.number(form.body.get("max_age"), "max_age", low=0, high=5_184_000, default=86_400) or 0
    uses = form.number(form.body.get("max_uses"), "max_uses", low=0, high=100, default=0) or 0
    form.done()
    if channel.guild_id is None:
        raise ApiError(403, 50003, "Cannot execute action on a DM channel")
    world = call.world
    guild = world.guilds[channel.guild_id]
    mine = live_invites(world, guild)
    if len(mine) >= 1000:
        raise ApiError(400, 30016, "Maximum number of invites reached (1000)")
    if not form.body.get("unique"):
        for invite in mine:
            same = (channel.id, age, uses, call.me)
            if (invite["channel_id"], invite["max_age"], invite["max_uses"], invite["inviter"]) == same:
                return 200, invite_json(world, invite)
    invite: dict[str, Any] = {
        "code": world.code(),
        "guild_id": guild.id,
        "channel_id": channel.id,
        "inviter": call.me,
        "uses": 0,
        "max_uses": uses,
        "max_age": age,
        "temporary": bool(form.body.get("temporary")),
        "created_at": world.stamp(),
        "expires_at": iso(world.now() + timedelta(seconds=age)) if age else None,
        "role_ids": [str(role) for role in form.body.get("role_ids") or []],
    }
    world.invites[invite["code"]] = invite
    keys = ("code", "uses", "max_uses", "max_age", "temporary", "created_at", "expires_at")
    data = {key: invite[key] for key in keys}
    data |= {"channel_id": channel.id, "guild_id": guild.id, "inviter": world.users[call.me]}
    call.hub.emit("INVITE_CREATE", data, channel=channel)
    audit(call, guild, 40, None)
    return 200, invite_json(world, invite)


@route("GET", _C + "/invites")
async def channel_invites(call: Call) -> Reply:
    """Read a channel's invites."""
    channel = call.channel("MANAGE_CHANNELS")
    guild = call.world.guilds[channel.guild_id or ""]
    found = [i for i in live_invites(call.world, guild) if i["channel_id"] == channel.id]
    return 200, [invite_json(call.world, invite) for invite in found]


@route("GET", "/guilds/{guild}/invites")
async def guild_invites(call: Call) -> Reply:
    """Read a server's invites with their uses."""
    guild = call.guild()
    call.need(guild, "MANAGE_GUILD")
    return 200, [invite_json(call.world, invite) for invite in live_invites(call.world, guild)]


def _invite(call: Call) -> dict[str, Any]:
    for guild in call.world.guilds.values():
        live_invites(call.world, guild)
    found = call.world.invites.get(call.params["code"])
    if found is None:
        raise unknown(10006)
    return found


@route("GET", "/invites/{code}", auth=False)
async def get_invite(call: Call) -> Reply:
    """Look at an invite."""
    return 200, invite_json(call.world, _invite(call), counts=call.flag("with_counts"), meta=False)


@route("DELETE", "/invites/{code}")
async def delete_invite(call: Call) -> Reply:
    """End an invite."""
    invite = _invite(call)
    channel = call.channel(number=invite["channel_id"])
    guild = call.world.guilds[invite["guild_id"]]
    if not call.world.can(channel, call.me, "MANAGE_CHANNELS"):
        call.need(guild, "MANAGE_GUILD")
    data = invite_json(call.world, invite)
    _end(call.world, call.hub, invite)
    audit(call, guild, 42, None)
    return 200, data
