"""Routes of the bot itself: who it is, the Gateway's address, commands, interactions, entitlements."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shequn_discord.sandbox.forms import ApiError, Form, unknown
from shequn_discord.sandbox.messaging import check_message, make_message, message_event, place_message
from shequn_discord.sandbox.permissions import permissions
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.routes_messages import apply_edit, drop
from shequn_discord.sandbox.world import ChannelState, MessageState, World

if TYPE_CHECKING:
    from shequn_discord.sandbox.gateway import Hub

__all__ = ["apply_response", "follow_up", "make_interaction", "own_app", "signed"]

_NAME = re.compile(r"^[-_'\w]{1,32}$")
FIRST_ANSWER = timedelta(seconds=3)
TOKEN_LIFE = timedelta(minutes=15)


# who we are


@route("GET", "/users/@me")
async def me(call: Call) -> Reply:
    """Read ourselves."""
    user = call.world.users[call.me]
    return 200, {**user, "mfa_enabled": False, "locale": "zh-CN", "verified": True, "email": None}


@route("GET", "/users/{user}")
async def get_user(call: Call) -> Reply:
    """Read a user."""
    found = call.world.users.get(call.params["user"])
    if found is None:
        raise unknown(10013)
    return 200, found


@route("GET", "/users/@me/guilds")
async def my_guilds(call: Call) -> Reply:
    """Read our servers."""
    limit = call.number("limit", 200, 1, 200)
    after, before = call.place("after", 0), call.place("before", 1 << 64)
    found: list[dict[str, Any]] = []
    for guild in sorted(call.world.guilds.values(), key=lambda item: int(item.id)):
        if call.me not in guild.members or not after < int(guild.id) < before:
            continue
        bits = 0
        for role in guild.members[call.me]["roles"]:
            bits |= int(guild.roles[role]["permissions"]) if role in guild.roles else 0
        entry: dict[str, Any] = {
            "id": guild.id,
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": guild.owner_id == call.me,
            "permissions": str(bits | int(guild.roles[guild.id]["permissions"])),
            "features": [],
        }
        if call.flag("with_counts"):
            entry |= {
                "approximate_member_count": len(guild.members),
                "approximate_presence_count": len(guild.members),
            }
        found.append(entry)
    return 200, found[:limit]


@route("DELETE", "/users/@me/guilds/{guild}")
async def leave_guild(call: Call) -> Reply:
    """Leave a server."""
    guild = call.guild()
    call.hub.emit("GUILD_DELETE", {"id": guild.id}, guild=guild)
    del guild.members[call.me]
    return 204, None


@route("POST", "/users/@me/channels")
async def open_direct(call: Call) -> Reply:
    """Open a direct channel."""
    form = Form({} if call.body is None else call.body)
    user = form.snowflake(form.body.get("recipient_id"), "recipient_id", required=True) or ""
    form.done()
    if user not in call.world.users or user == call.me:
        raise ApiError(400, 50033, "Invalid Recipient(s)")
    if not any(user in guild.members and call.me in guild.members for guild in call.world.guilds.values()):
        raise ApiError(403, 50278, "Cannot send messages to this user due to having no mutual guilds")
    return 200, call.world.channel_json(call.world.direct(user))


def _application(world: World) -> dict[str, Any]:
    owner = next(user for number, user in world.users.items() if number != world.bot_id)
    return {
        "id": world.app_id,
        "name": "shequn",
        "icon": None,
        "description": "",
        "type": None,
        "bot": world.users[world.bot_id],
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": world.public_key,
        "flags": world.intents_flags,
        "flags_new": str(world.intents_flags),
        "summary": "",
        "hook": True,
        "redirect_uris": [],
        "interactions_endpoint_url": world.endpoint,
        "role_connections_verification_url": None,
        "owner": owner,
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
        "integration_types_config": {},
    }


async def _get_application(call: Call) -> Reply:
    return 200, _application(call.world)


route("GET", "/applications/@me")(_get_application)
route("GET", "/oauth2/applications/@me")(_get_application)


@route("GET", "/oauth2/@me")
async def authorization(call: Call) -> Reply:  # noqa: ARG001 - a handler
    """Refuse: only for OAuth2 tokens."""
    raise ApiError(403, 50001, "Missing Access")


@route("PATCH", "/applications/@me")
async def edit_application(call: Call) -> Reply:
    """Set where interactions go; Discord tries the address first, with a good and a forged signature."""
    form = Form({} if call.body is None else call.body)
    if "interactions_endpoint_url" in form.body:
        url = form.body["interactions_endpoint_url"]
        if url:
            ping = json.dumps(
                {"type": 1, "id": call.world.snowflake(), "application_id": call.world.app_id}
            ).encode()
            good = await call.call_back(str(url), ping, signed(call.world, ping))
            bad = await call.call_back(str(url), ping, signed(call.world, ping, forge=True))
            try:
                fine = good.status == 200 and json.loads(good.body).get("type") == 1
            except (ValueError, AttributeError):
                fine = False
            if not fine or bad.status != 401:
                form.fail(
                    "interactions_endpoint_url",
                    "APPLICATION_INTERACTIONS_ENDPOINT_URL_INVALID",
                    "The specified interactions endpoint URL could not be verified.",
                )
        form.done()
        call.world.endpoint = str(url) if url else None
    return 200, _application(call.world)


@route("GET", "/gateway", auth=False)
async def gateway(call: Call) -> Reply:
    """Say where the Gateway is."""
    return 200, {"url": call.hub.url}


@route("GET", "/gateway/bot")
async def gateway_bot(call: Call) -> Reply:
    """Say where the Gateway is, and how often to identify."""
    return 200, {
        "url": call.hub.url,
        "shards": call.hub.shards,
        "session_start_limit": {
            "total": call.hub.total,
            "remaining": call.hub.remaining,
            "reset_after": 14_400_000,
            "max_concurrency": call.hub.concurrency,
        },
    }


# commands


def own_app(call: Call) -> None:
    """Check that the path names our application."""
    if call.params["app"] != call.world.app_id:
        raise unknown(10002)


def _commands(call: Call) -> dict[str, dict[str, Any]]:
    own_app(call)
    place = call.params.get("guild", "")
    if place:
        call.guild()
    return call.world.commands.setdefault(place, {})


def _command(call: Call, body: Any, path: str, form: Form) -> dict[str, Any]:
    prefix = f"{path}." if path else ""
    if not isinstance(body, Mapping):
        form.fail(path or "request", "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return {}
    kind = form.choice(body.get("type"), f"{prefix}type", (1, 2, 3, 4), default=1) or 1
    name = form.text(body.get("name"), f"{prefix}name", maximum=32, minimum=1, required=True) or ""
    if kind == 1 and name and (not _NAME.match(name) or name != name.lower()):
        form.fail(
            f"{prefix}name",
            "APPLICATION_COMMAND_INVALID_NAME",
            "Command name is invalid",
        )
    if kind == 1:
        form.text(body.get("description"), f"{prefix}description", maximum=100, minimum=1, required=True)
    form.items(body.get("options"), f"{prefix}options", maximum=25)
    found: dict[str, Any] = {
        "id": call.world.snowflake(),
        "application_id": call.world.app_id,
        "version": call.world.snowflake(),
        "default_member_permissions": body.get("default_member_permissions"),
        "type": kind,
        "name": name,
        "name_localizations": body.get("name_localizations"),
        "description": body.get("description") or "",
        "description_localizations": body.get("description_localizations"),
        "dm_permission": body.get("dm_permission", True),
        "contexts": body.get("contexts"),
        "integration_types": body.get("integration_types") or [0],
        "nsfw": bool(body.get("nsfw")),
    }
    if body.get("options"):
        found["options"] = body["options"]
    if "guild" in call.params:
        found["guild_id"] = call.params["guild"]
    return found


async def _list_commands(call: Call) -> Reply:
    return 200, list(_commands(call).values())


async def _put_commands(call: Call) -> Reply:
    kept = _commands(call)
    items = call.body if isinstance(call.body, list) else []
    form = Form({})
    if sum(isinstance(item, Mapping) and item.get("type", 1) == 1 for item in items) > 100:
        raise ApiError(400, 30032, "Maximum number of application commands reached (100)")
    fresh = [_command(call, item, str(index), form) for index, item in enumerate(items)]
    names = [(item.get("name"), item.get("type")) for item in fresh]
    if len(set(names)) != len(names):
        form.fail("0", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
    form.done()
    old = {(item["name"], item["type"]): item["id"] for item in kept.values()}
    kept.clear()
    for item in fresh:
        item["id"] = old.get((item["name"], item["type"]), item["id"])
        kept[item["id"]] = item
    return 200, fresh


async def _post_command(call: Call) -> Reply:
    kept = _commands(call)
    form = Form({} if call.body is None else call.body)
    fresh = _command(call, form.body, "", form)
    form.done()
    for item in kept.values():
        if (item["name"], item["type"]) == (fresh["name"], fresh["type"]):
            item |= {**fresh, "id": item["id"]}
            return 200, item
    if sum(item["type"] == 1 for item in kept.values()) >= 100:
        raise ApiError(400, 30032, "Maximum number of application commands reached (100)")
    kept[fresh["id"]] = fresh
    return 201, fresh


def _one_command(call: Call) -> dict[str, Any]:
    found = _commands(call).get(call.params["command"])
    if found is None:
        raise unknown(10063)
    return found


async def _get_command(call: Call) -> Reply:
    return 200, _one_command(call)


async def _patch_command(call: Call) -> Reply:
    found = _one_command(call)
    form = Form({} if call.body is None else call.body)
    fresh = _command(call, {**found, **form.body}, "", form)
    form.done()
    found |= {**fresh, "id": found["id"]}
    return 200, found


async def _delete_command(call: Call) -> Reply:
    found = _one_command(call)
    del _commands(call)[found["id"]]
    return 204, None


for _base in ("/applications/{app}/commands", "/applications/{app}/guilds/{guild}/commands"):
    route("GET", _base)(_list_commands)
    route("PUT", _base)(_put_commands)
    route("POST", _base)(_post_command)
    route("GET", _base + "/{command}")(_get_command)
    route("PATCH", _base + "/{command}")(_patch_command)
    route("DELETE", _base + "/{command}")(_delete_command)


# interactions


def signed(world: World, body: bytes, *, forge: bool = False) -> dict[str, str]:
    """Give the headers under which Discord sends a body."""
    stamp = str(int(world.now().timestamp()))
    signature = world.key.sign(stamp.encode() + body).signature
    if forge:
        signature = bytes([signature[0] ^ 0xFF]) + signature[1:]
    return {
        "content-type": "application/json",
        "user-agent": "Discord-Interactions/1.0 (+https://discord.com)",
        "x-signature-ed25519": signature.hex(),
        "x-signature-timestamp": stamp,
    }


def make_interaction(
    world: World,
    channel: ChannelState,
    user: str,
    kind: int,
    data: Mapping[str, Any],
    *,
    message: MessageState | None = None,
) -> dict[str, Any]:
    """Make what a member has pressed or called; it waits for its answer."""
    number, token = world.snowflake(), world.code(80)
    found: dict[str, Any] = {
        "id": number,
        "application_id": world.app_id,
        "type": kind,
        "token": token,
        "version": 1,
        "data": dict(data),
        "channel_id": channel.id,
        "channel": world.channel_json(channel),
        "locale": "zh-CN",
        "app_permissions": str(permissions(world, channel, world.bot_id)),
        "entitlements": [],
        "authorizing_integration_owners": {},
        "context": 0,
        "attachment_size_limit": 10_485_760,
    }
    guild = world.guilds.get(channel.guild_id or "")
    if guild is not None and user in guild.members:
        found |= {
            "guild_id": guild.id,
            "guild": {"id": guild.id, "locale": "zh-CN", "features": []},
            "guild_locale": "zh-CN",
        }
        found["member"] = world.member_json(guild, user) | {
            "permissions": str(permissions(world, channel, user))
        }
    else:
        found |= {"user": world.users[user], "context": 1}
    if message is not None:
        found["message"] = world.message_json(message)
    world.interactions[token] = {
        "id": number,
        "kind": kind,
        "at": world.now(),
        "channel": channel.id,
        "user": user,
        "source": message.id if message is not None else "",
        "acked": False,
        "original": "",
        "mine": [],
    }
    if len(world.interactions) > 10_000:
        world.interactions.pop(next(iter(world.interactions)))
    return found


def apply_response(
    world: World, hub: Hub, token: str, body: Mapping[str, Any], *, base_url: str
) -> MessageState | None:
    """Do what the first answer to an interaction says.

    Raises:
        ApiError: too late, a second time, or not valid.
    """
    kept = world.interactions.get(token)
    now = world.now()
    if kept is None or (not kept["acked"] and now - kept["at"] > FIRST_ANSWER):
        raise unknown(10062)
    if kept["acked"]:
        raise ApiError(400, 40060, "Interaction has already been acknowledged.")
    form = Form(body)
    kind = form.choice(body.get("type"), "type", (1, 4, 5, 6, 7, 8, 9, 12), required=True)
    form.done()
    data = body.get("data") or {}
    channel = world.channels[kept["channel"]]
    message: MessageState | None = None
    if kind in {4, 5}:
        inner = Form(data)
        if kind == 4:
            check_message(inner, {})
        message = _answer_message(world, channel, inner.body, kept, loading=kind == 5, base_url=base_url)
        kept["original"] = message.id
        _stand(world, hub, channel, message)
    elif kind in {6, 7}:
        kept["original"] = kept["source"]
        found = channel.messages.get(kept["source"])
        if kind == 7 and found is not None:
            for key in ("content", "embeds", "components"):
                if key in data:
                    found.data[key] = data[key]
            found.data["edited_timestamp"] = world.stamp()
            hub.emit("MESSAGE_UPDATE", message_event(world, channel, found), channel=channel)
            message = found
    kept["acked"] = True
    return message


def _answer_message(
    world: World,
    channel: ChannelState,
    body: Mapping[str, Any],
    kept: Mapping[str, Any],
    *,
    loading: bool,
    base_url: str,
) -> MessageState:
    message = make_message(
        world, channel, world.users[world.bot_id], body, {}, base_url=base_url, webhook=world.app_id
    )
    message.data["type"] = 20 if kept["kind"] == 2 else 19 if kept["source"] else 0
    if message.data["type"] == 19:
        message.data["message_reference"] = {
            "type": 0,
            "channel_id": channel.id,
            "message_id": kept["source"],
        }
    message.data["application_id"] = world.app_id
    message.data["interaction_metadata"] = {
        "id": kept["id"],
        "type": kept["kind"],
        "user": world.users[kept["user"]],
        "authorizing_integration_owners": {},
    }
    if loading:
        message.data["flags"] |= 128
    message.nonce = None
    return message


def _stand(world: World, hub: Hub, channel: ChannelState, message: MessageState) -> None:
    """Put an answer into the channel; an ephemeral one is seen by one person and stands nowhere."""
    if message.data["flags"] & 64:
        channel.messages[message.id] = message
    else:
        place_message(world, hub, channel, message)


@route("POST", "/interactions/{interaction}/{token}/callback", auth=False)
async def callback(call: Call) -> Reply:
    """Answer an interaction for the first time."""
    kept = call.world.interactions.get(call.params["token"])
    if kept is None or kept["id"] != call.params["interaction"]:
        raise unknown(10062)
    form = Form({} if call.body is None else call.body)
    message = apply_response(call.world, call.hub, call.params["token"], form.body, base_url=call.base_url)
    if not call.flag("with_response"):
        return 204, None
    answer: dict[str, Any] = {
        "interaction": {
            "id": kept["id"],
            "type": kept["kind"],
            "response_message_id": kept["original"] or None,
        }
    }
    if message is not None:
        answer["resource"] = {"type": form.body["type"], "message": call.world.message_json(message)}
    return 200, answer


def _interaction(call: Call) -> dict[str, Any]:
    kept = call.world.interactions.get(call.params["token"])
    if call.params["webhook"] != call.world.app_id:
        raise unknown(10015)
    if kept is None or call.world.now() - kept["at"] > TOKEN_LIFE:
        raise ApiError(401, 50027, "Invalid Webhook Token")
    if not kept["acked"]:
        raise unknown(10015)
    return kept


async def follow_up(call: Call) -> Reply:
    """Write one more answer to an interaction."""
    kept = _interaction(call)
    form = Form({} if call.body is None else call.body)
    check_message(form, call.files)
    channel = call.world.channels[kept["channel"]]
    message = _answer_message(call.world, channel, form.body, kept, loading=False, base_url=call.base_url)
    kept["mine"].append(message.id)
    _stand(call.world, call.hub, channel, message)
    return 200, call.world.message_json(message)


_ORIGINAL = "/webhooks/{webhook}/{token}/messages/@original"


def _original(call: Call) -> tuple[ChannelState, MessageState]:
    kept = _interaction(call)
    channel = call.world.channels[kept["channel"]]
    found = channel.messages.get(kept["original"])
    if found is None:
        raise unknown(10008)
    return channel, found


@route("GET", _ORIGINAL, auth=False)
async def get_original(call: Call) -> Reply:
    """Read the first answer."""
    return 200, call.world.message_json(_original(call)[1])


@route("PATCH", _ORIGINAL, auth=False)
async def edit_original(call: Call) -> Reply:
    """Change the first answer; that ends its loading."""
    channel, message = _original(call)
    message.data["flags"] &= ~128
    return 200, apply_edit(call, channel, message, Form({} if call.body is None else call.body))


@route("DELETE", _ORIGINAL, auth=False)
async def delete_original(call: Call) -> Reply:
    """Delete the first answer."""
    channel, message = _original(call)
    drop(channel, message.id)
    data = {"id": message.id, "channel_id": channel.id, "guild_id": channel.guild_id}
    call.hub.emit("MESSAGE_DELETE", data, channel=channel)
    return 204, None
