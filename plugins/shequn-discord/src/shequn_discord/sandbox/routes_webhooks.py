"""Routes of webhooks: manage them, and write through them."""

from __future__ import annotations

from typing import Any

from shequn_discord.sandbox.forms import ApiError, Form, unknown
from shequn_discord.sandbox.messaging import check_message, make_message, place_message
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.routes_messages import apply_edit, drop
from shequn_discord.sandbox.world import ChannelState, World

__all__ = ["add_webhook"]

_C = "/channels/{channel}"


def _hook_json(call: Call, hook: dict[str, Any], *, user: bool = True) -> dict[str, Any]:
    data = {**hook, "url": f"{call.base_url}/api/webhooks/{hook['id']}/{hook['token']}"}
    if user:
        data["user"] = call.world.users[call.me]
    return data


@route("POST", _C + "/webhooks")
async def create_webhook(call: Call) -> Reply:
    """Make a webhook."""
    channel = call.channel("MANAGE_WEBHOOKS")
    form = Form({} if call.body is None else call.body)
    name = form.text(form.body.get("name"), "name", maximum=80, minimum=1, required=True) or ""
    _check_hook_name(form, name)
    form.done()
    if sum(hook["channel_id"] == channel.id for hook in call.world.webhooks.values()) >= 15:
        raise ApiError(400, 30007, "Maximum number of webhooks reached (15)")
    hook = add_webhook(call.world, channel, name)
    call.hub.emit(
        "WEBHOOKS_UPDATE", {"guild_id": channel.guild_id, "channel_id": channel.id}, channel=channel
    )
    return 200, _hook_json(call, hook)


def add_webhook(world: World, channel: ChannelState, name: str) -> dict[str, Any]:
    """Make a webhook in a channel."""
    hook: dict[str, Any] = {
        "id": world.snowflake(),
        "type": 1,
        "channel_id": channel.id,
        "guild_id": channel.guild_id,
        "name": name.strip(),
        "avatar": None,
        "application_id": world.app_id,
        "token": world.code(68),
    }
    world.webhooks[hook["id"]] = hook
    return hook


def _check_hook_name(form: Form, name: str, path: str = "name") -> None:
    for word in ("clyde", "discord"):
        if word in name.lower():
            code = "USERNAME_INVALID_CONTAINS"
            form.fail(path, code, f'Username cannot contain "{word}"')


@route("GET", _C + "/webhooks")
async def channel_webhooks(call: Call) -> Reply:
    """Read a channel's webhooks."""
    channel = call.channel("MANAGE_WEBHOOKS")
    return 200, [
        _hook_json(call, hook) for hook in call.world.webhooks.values() if hook["channel_id"] == channel.id
    ]


@route("GET", "/guilds/{guild}/webhooks")
async def guild_webhooks(call: Call) -> Reply:
    """Read a server's webhooks."""
    guild = call.guild()
    call.need(guild, "MANAGE_WEBHOOKS")
    return 200, [
        _hook_json(call, hook) for hook in call.world.webhooks.values() if hook["guild_id"] == guild.id
    ]


def _hook(call: Call) -> dict[str, Any]:
    found = call.world.webhooks.get(call.params["webhook"])
    if found is None:
        raise unknown(10015)
    if "token" in call.params and call.params["token"] != found["token"]:
        raise ApiError(401, 50027, "Invalid Webhook Token")
    if "token" not in call.params:
        call.channel("MANAGE_WEBHOOKS", number=found["channel_id"])
    return found


async def _get_hook(call: Call) -> Reply:
    return 200, _hook_json(call, _hook(call), user="token" not in call.params)


async def _edit_hook(call: Call) -> Reply:
    hook = _hook(call)
    form = Form({} if call.body is None else call.body)
    if "name" in form.body:
        name = form.text(form.body["name"], "name", maximum=80, minimum=1, required=True) or ""
        _check_hook_name(form, name)
        form.done()
        hook["name"] = name.strip()
    if form.body.get("channel_id") and "token" not in call.params:
        hook["channel_id"] = call.channel("MANAGE_WEBHOOKS", number=str(form.body["channel_id"])).id
    return 200, _hook_json(call, hook, user="token" not in call.params)


async def _delete_hook(call: Call) -> Reply:
    del call.world.webhooks[_hook(call)["id"]]
    return 204, None


for _path, _auth in (("/webhooks/{webhook}", True), ("/webhooks/{webhook}/{token}", False)):
    route("GET", _path, auth=_auth)(_get_hook)
    route("PATCH", _path, auth=_auth)(_edit_hook)
    route("DELETE", _path, auth=_auth)(_delete_hook)


def hook_place(call: Call, hook: dict[str, Any]) -> ChannelState:
    """Give the channel or thread into which a webhook writes."""
    channel = call.world.channels.get(hook["channel_id"])
    if channel is None:
        raise unknown(10015)
    thread = call.query.get("thread_id")
    if thread is None:
        return channel
    found = call.world.channels.get(thread)
    if found is None or found.data.get("parent_id") != channel.id:
        raise unknown(10003)
    return found


@route("POST", "/webhooks/{webhook}/{token}", auth=False)
async def execute_webhook(call: Call) -> Reply:
    """Write through a webhook, or follow up on an interaction."""
    if call.params["webhook"] == call.world.app_id:
        from shequn_discord.sandbox.routes_apps import follow_up  # noqa: PLC0415 - both write messages

        return await follow_up(call)
    hook = _hook(call)
    form = Form({} if call.body is None else call.body)
    body = form.body
    username = form.text(body.get("username"), "username", maximum=80, minimum=1)
    _check_hook_name(form, username or "", "username")
    form.text(body.get("thread_name"), "thread_name", maximum=100)
    check_message(form, call.files)
    place = hook_place(call, hook)
    author = {
        **dict.fromkeys(("avatar", "global_name", "primary_guild")),
        "id": hook["id"],
        "username": username or hook["name"],
        "discriminator": "0000",
        "public_flags": 0,
        "flags": 0,
        "bot": True,
    }
    if place.data["type"] in {15, 16}:
        if not body.get("thread_name"):
            raise ApiError(
                400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id"
            )
        place = call.world.add_thread(place, str(body["thread_name"]), kind=11, owner=hook["id"])
        call.hub.emit(
            "THREAD_CREATE", {**call.world.channel_json(place), "newly_created": True}, channel=place
        )
    elif body.get("thread_name"):
        raise ApiError(400, 220003, "Webhooks can only create threads in forum channels")
    message = make_message(
        call.world, place, author, body, call.files, base_url=call.base_url, webhook=hook["id"]
    )
    message.nonce = None
    place_message(call.world, call.hub, place, message)
    return (200, call.world.message_json(message)) if call.flag("wait") else (204, None)


_W = "/webhooks/{webhook}/{token}/messages/{message}"


def _hook_message(call: Call) -> tuple[ChannelState, Any]:
    hook = _hook(call)
    place = hook_place(call, hook)
    found = place.messages.get(call.params["message"])
    if found is None or found.data.get("webhook_id") != hook["id"]:
        raise unknown(10008)
    return place, found


@route("GET", _W, auth=False)
async def get_hook_message(call: Call) -> Reply:
    """Read a webhook's message."""
    return 200, call.world.message_json(_hook_message(call)[1])


@route("PATCH", _W, auth=False)
async def edit_hook_message(call: Call) -> Reply:
    """Change a webhook's message."""
    place, message = _hook_message(call)
    return 200, apply_edit(call, place, message, Form({} if call.body is None else call.body))


@route("DELETE", _W, auth=False)
async def delete_hook_message(call: Call) -> Reply:
    """Delete a webhook's message."""
    place, message = _hook_message(call)
    drop(place, message.id)
    call.hub.emit(
        "MESSAGE_DELETE",
        {"id": message.id, "channel_id": place.id, "guild_id": place.guild_id},
        channel=place,
    )
    return 204, None
