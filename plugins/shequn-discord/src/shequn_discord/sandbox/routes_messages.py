"""Routes of messages: write, read, edit, delete, pins, reactions, polls, search, webhooks' messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shequn_discord.sandbox.forms import ApiError, Form, forbidden, unknown
from shequn_discord.sandbox.messaging import (
    check_message,
    check_sending,
    make_message,
    message_event,
    place_message,
    remember_nonce,
    repeated,
)
from shequn_discord.sandbox.permissions import BITS, permissions
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.world import ChannelState, MessageState, World
from shequn_discord.snowflake import parse_time, time_of

__all__ = ["emoji_key", "end_poll", "react_as"]

_M = "/channels/{channel}/messages"
_ONE = _M + "/{message}"
_BULK_AGE = timedelta(days=14)


def visible(world: World, message: MessageState, *, reactions: bool = True) -> dict[str, Any]:
    """A message as REST gives it; text of others is hidden without the Message Content intent."""
    data = world.message_json(message, reactions=reactions)
    channel = world.channels[message.data["channel_id"]]
    allowed = int(world.options.get("allowed_intents", 1 << 15)) & (1 << 15)
    if allowed or message.author == world.bot_id or channel.guild_id is None:
        return data
    if any(user["id"] == world.bot_id for user in data["mentions"]):
        return data
    data |= {"content": "", "embeds": [], "attachments": [], "components": []}
    data.pop("poll", None)
    return data


@route("POST", _M)
async def create_message(call: Call) -> Reply:
    """Write a message."""
    channel = call.channel()
    form = Form({} if call.body is None else call.body)
    check_message(form, call.files)
    check_sending(call.world, channel, call.me, form.body, call.files)
    old = repeated(call.world, channel, call.me, form.body)
    if old is not None:
        return 200, {**call.world.message_json(old), "nonce": form.body["nonce"]}
    author = call.world.users[call.me]
    message = make_message(call.world, channel, author, form.body, call.files, base_url=call.base_url)
    remember_nonce(call.world, channel, call.me, form.body, message)
    place_message(call.world, call.hub, channel, message)
    answer = call.world.message_json(message)
    if message.nonce is not None:
        answer["nonce"] = message.nonce
    return 200, answer


@route("GET", _M)
async def list_messages(call: Call) -> Reply:
    """Read messages, newest first."""
    channel = call.channel()
    if not channel.takes_messages:
        raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
    limit = call.number("limit", 50, 1, 100)
    if not call.world.can(channel, call.me, "READ_MESSAGE_HISTORY"):
        return 200, []
    ids = sorted(map(int, channel.messages))
    if "around" in call.query:
        middle = call.place("around", 0)
        before = [i for i in ids if i < middle][-(limit // 2) :]
        after = [i for i in ids if i >= middle][: limit - len(before)]
        ids = before + after
    elif "after" in call.query:
        place = call.place("after", 0)
        ids = [i for i in ids if i > place][:limit]
    elif "before" in call.query:
        place = call.place("before", 0)
        ids = [i for i in ids if i < place][-limit:]
    else:
        ids = ids[-limit:]
    return 200, [visible(call.world, channel.messages[str(i)]) for i in reversed(ids)]


@route("GET", _ONE)
async def get_message(call: Call) -> Reply:
    """Read one message."""
    channel = call.channel("READ_MESSAGE_HISTORY")
    return 200, visible(call.world, call.message(channel))


@route("PATCH", _ONE)
async def edit_message(call: Call) -> Reply:
    """Change a message."""
    channel = call.channel()
    message = call.message(channel)
    form = Form({} if call.body is None else call.body)
    if message.author != call.me or message.data.get("webhook_id"):
        if set(form.body) != {"flags"}:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        if not call.world.can(channel, call.me, "MANAGE_MESSAGES"):
            raise forbidden()
    return 200, apply_edit(call, channel, message, form)


def apply_edit(call: Call, channel: ChannelState, message: MessageState, form: Form) -> dict[str, Any]:
    """Put a checked form over a message and tell about it."""
    if "poll" in message.data and set(form.body) - {"flags", "allowed_mentions"}:
        raise ApiError(400, 520003, "Cannot edit a poll message")
    check_message(form, call.files, partial=True)
    body = form.body
    fresh = make_message(
        call.world,
        channel,
        message.data["author"],
        {key: body[key] for key in body if key not in {"poll", "message_reference", "nonce"}},
        call.files,
        base_url=call.base_url,
    ).data
    changed = dict(message.data)
    for key in ("content", "embeds", "components", "flags"):
        if key in body:
            changed[key] = fresh[key]
    if "content" in body:
        changed |= {"mentions": fresh["mentions"], "mention_roles": fresh["mention_roles"]}
    if "attachments" in body:
        kept = {str(item.get("id")) for item in body["attachments"] or [] if isinstance(item, dict)}
        changed["attachments"] = [a for a in message.data["attachments"] if a["id"] in kept] + fresh[
            "attachments"
        ]
    elif call.files:
        changed["attachments"] = message.data["attachments"] + fresh["attachments"]
    something = changed["content"] or changed["embeds"] or changed["attachments"] or changed["components"]
    if not something and "poll" not in changed:
        raise ApiError(400, 50006, "Cannot send an empty message")
    if set(body) - {"flags"}:
        changed["edited_timestamp"] = call.world.stamp()
    message.data = changed
    call.hub.emit("MESSAGE_UPDATE", message_event(call.world, channel, message), channel=channel)
    return call.world.message_json(message)


def drop(channel: ChannelState, number: str) -> None:
    """Take a message away."""
    channel.messages.pop(number, None)
    channel.pins.pop(number, None)
    if channel.is_thread:
        channel.data["message_count"] = max(0, channel.data["message_count"] - 1)


@route("DELETE", _ONE)
async def delete_message(call: Call) -> Reply:
    """Delete a message."""
    channel = call.channel()
    message = call.message(channel)
    if message.author != call.me and not call.world.can(channel, call.me, "MANAGE_MESSAGES"):
        raise forbidden()
    drop(channel, message.id)
    call.hub.emit("MESSAGE_DELETE", _gone(channel, id=message.id), channel=channel)
    return 204, None


def _gone(channel: ChannelState, **facts: Any) -> dict[str, Any]:
    data = {**facts, "channel_id": channel.id}
    if channel.guild_id is not None:
        data["guild_id"] = channel.guild_id
    return data


@route("POST", _M + "/bulk-delete")
async def bulk_delete(call: Call) -> Reply:
    """Delete many."""
    channel = call.channel("MANAGE_MESSAGES")
    form = Form({} if call.body is None else call.body)
    ids = [
        form.snowflake(item, f"messages.{i}") or ""
        for i, item in enumerate(form.items(form.body.get("messages"), "messages", maximum=10_000))
    ]
    form.done()
    if not 2 <= len(ids) <= 100:
        raise ApiError(
            400,
            50016,
            "Provided too few or too many messages to delete. Must provide at least 2 and at most 100 messages to delete",
        )
    if len(set(ids)) != len(ids):
        form.fail("messages", "BASE_TYPE_DUPLICATE", "Duplicates are not allowed")
        form.done()
    oldest = call.world.now() - _BULK_AGE
    if any(time_of(number) < oldest for number in ids):
        raise ApiError(400, 50034, "You can only bulk delete messages that are under 14 days old.")
    found = [number for number in ids if number in channel.messages]
    for number in found:
        drop(channel, number)
    if found:
        call.hub.emit("MESSAGE_DELETE_BULK", _gone(channel, ids=found), channel=channel)
    return 204, None


@route("POST", _ONE + "/crosspost")
async def crosspost(call: Call) -> Reply:
    """Send a message to the followers of an announcement channel."""
    channel = call.channel("SEND_MESSAGES")
    if channel.data["type"] != 5:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    message = call.message(channel)
    if message.data["flags"] & 1:
        raise ApiError(400, 40033, "This message has already been crossposted.")
    message.data["flags"] |= 1
    return 200, call.world.message_json(message)


# pins


async def _pin(call: Call) -> Reply:
    channel = call.channel("PIN_MESSAGES")
    message = call.message(channel)
    if message.id not in channel.pins:
        if len(channel.pins) >= 250:
            raise ApiError(400, 30003, "Maximum number of pins reached for the channel (250)")
        channel.pins[message.id] = call.world.stamp()
        message.data["pinned"] = True
        _tell_pins(call, channel)
    return 204, None


async def _unpin(call: Call) -> Reply:
    channel = call.channel("PIN_MESSAGES")
    message = call.message(channel)
    if channel.pins.pop(message.id, None) is not None:
        message.data["pinned"] = False
        _tell_pins(call, channel)
    return 204, None


def _tell_pins(call: Call, channel: ChannelState) -> None:
    stamp = max(channel.pins.values(), default=None)
    channel.data["last_pin_timestamp"] = stamp
    call.hub.emit("CHANNEL_PINS_UPDATE", _gone(channel, last_pin_timestamp=stamp), channel=channel)


route("PUT", _M + "/pins/{message}")(_pin)
route("PUT", "/channels/{channel}/pins/{message}")(_pin)
route("DELETE", _M + "/pins/{message}")(_unpin)
route("DELETE", "/channels/{channel}/pins/{message}")(_unpin)


@route("GET", _M + "/pins")
async def list_pins(call: Call) -> Reply:
    """Read pins, newest first."""
    channel = call.channel()
    limit = call.number("limit", 50, 1, 50)
    pins = sorted(channel.pins.items(), key=lambda item: (item[1], int(item[0])), reverse=True)
    before = call.query.get("before")
    if before is not None:
        pins = [item for item in pins if parse_time(item[1]) < parse_time(before)]
    items = [
        {"pinned_at": stamp, "message": visible(call.world, channel.messages[number])}
        for number, stamp in pins[:limit]
    ]
    return 200, {"items": items, "has_more": len(pins) > limit}


@route("GET", "/channels/{channel}/pins")
async def list_pins_old(call: Call) -> Reply:
    """Read pins, in the deprecated form."""
    channel = call.channel()
    pins = sorted(channel.pins.items(), key=lambda item: item[1], reverse=True)
    return 200, [visible(call.world, channel.messages[number]) for number, _ in pins]


# reactions

_R = _ONE + "/reactions"


def emoji_key(world: World, text: str, *, guild: str | None) -> dict[str, Any]:
    """Read an emoji of a path.

    Raises:
        ApiError: 10014, when it is none.
    """
    name, colon, number = text.rpartition(":")
    if colon:
        emojis = world.guilds[guild].settings.get("emojis", []) if guild in world.guilds else []
        if not number.isdigit() or all(item["id"] != number for item in emojis):
            raise unknown(10014)
        return {"id": number, "name": name.removeprefix("a:")}
    if not text or text.isascii() or "%" in text or len(text) > 16:
        raise unknown(10014)
    return {"id": None, "name": text}


def react_as(
    call_world: World,
    hub: Any,
    channel: ChannelState,
    message: MessageState,
    user: str,
    emoji: dict[str, Any],
) -> None:
    """Add somebody's reaction and tell about it."""
    key = str(emoji["id"] or emoji["name"])
    found = message.reactions.setdefault(key, (emoji, {}))
    if user in found[1]:
        return
    found[1][user] = None
    data = _gone(channel, user_id=user, message_id=message.id, emoji=emoji, type=0, burst=False)
    if not message.data.get("webhook_id"):
        data["message_author_id"] = message.author
    guild = call_world.guilds.get(channel.guild_id or "")
    if guild is not None and user in guild.members:
        data["member"] = call_world.member_json(guild, user)
    hub.emit("MESSAGE_REACTION_ADD", data, channel=channel)


def unreact_as(hub: Any, channel: ChannelState, message: MessageState, user: str, key: str) -> None:
    """Take somebody's reaction away and tell about it."""
    found = message.reactions.get(key)
    if found is None or user not in found[1]:
        return
    del found[1][user]
    if not found[1]:
        del message.reactions[key]
    data = _gone(channel, user_id=user, message_id=message.id, emoji=found[0], type=0, burst=False)
    hub.emit("MESSAGE_REACTION_REMOVE", data, channel=channel)


@route("PUT", _R + "/{emoji}/@me")
async def add_reaction(call: Call) -> Reply:
    """React."""
    channel = call.channel("READ_MESSAGE_HISTORY")
    message = call.message(channel)
    emoji = emoji_key(call.world, call.params["emoji"], guild=channel.guild_id)
    key = str(emoji["id"] or emoji["name"])
    if key not in message.reactions:
        if not call.world.can(channel, call.me, "ADD_REACTIONS"):
            raise forbidden()
        if len(message.reactions) >= 20:
            raise ApiError(400, 30010, "Maximum number of reactions reached (20)")
    react_as(call.world, call.hub, channel, message, call.me, emoji)
    return 204, None


def _reaction(call: Call, channel: ChannelState) -> str:
    emoji = emoji_key(call.world, call.params["emoji"], guild=channel.guild_id)
    return str(emoji["id"] or emoji["name"])


@route("DELETE", _R + "/{emoji}/@me")
async def remove_own_reaction(call: Call) -> Reply:
    """Take our reaction away."""
    channel = call.channel()
    message = call.message(channel)
    unreact_as(call.hub, channel, message, call.me, _reaction(call, channel))
    return 204, None


@route("DELETE", _R + "/{emoji}/{user}")
async def remove_reaction(call: Call) -> Reply:
    """Take somebody's reaction away."""
    channel = call.channel("MANAGE_MESSAGES")
    message = call.message(channel)
    unreact_as(call.hub, channel, message, call.params["user"], _reaction(call, channel))
    return 204, None


@route("DELETE", _R)
async def clear_reactions(call: Call) -> Reply:
    """Take all reactions away."""
    channel = call.channel("MANAGE_MESSAGES")
    message = call.message(channel)
    message.reactions.clear()
    call.hub.emit("MESSAGE_REACTION_REMOVE_ALL", _gone(channel, message_id=message.id), channel=channel)
    return 204, None


@route("DELETE", _R + "/{emoji}")
async def clear_emoji(call: Call) -> Reply:
    """Take one emoji away from all."""
    channel = call.channel("MANAGE_MESSAGES")
    message = call.message(channel)
    found = message.reactions.pop(_reaction(call, channel), None)
    if found is not None:
        data = _gone(channel, message_id=message.id, emoji=found[0])
        call.hub.emit("MESSAGE_REACTION_REMOVE_EMOJI", data, channel=channel)
    return 204, None


@route("GET", _R + "/{emoji}")
async def who_reacted(call: Call) -> Reply:
    """Read who reacted."""
    channel = call.channel("READ_MESSAGE_HISTORY")
    message = call.message(channel)
    limit = call.number("limit", 25, 1, 100)
    after = call.place("after", 0)
    found = message.reactions.get(_reaction(call, channel))
    users = sorted(int(user) for user in (found[1] if found else ()))
    return 200, [call.world.users[str(user)] for user in users if user > after][:limit]


@route("POST", "/channels/{channel}/typing")
async def typing(call: Call) -> Reply:
    """Show that we write."""
    call.channel("SEND_MESSAGES")
    return 204, None


# polls


@route("GET", "/channels/{channel}/polls/{message}/answers/{answer}")
async def voters(call: Call) -> Reply:
    """Read who voted for a choice."""
    channel = call.channel()
    message = call.message(channel)
    if "poll" not in message.data:
        raise ApiError(400, 520006, "Cannot find or use a poll on a non-poll message")
    limit = call.number("limit", 25, 1, 100)
    after = call.place("after", 0)
    users = sorted(int(user) for user in message.votes.get(int(call.params["answer"]), ()))
    return 200, {"users": [call.world.users[str(user)] for user in users if user > after][:limit]}


@route("POST", "/channels/{channel}/polls/{message}/expire")
async def expire_poll(call: Call) -> Reply:
    """End our poll."""
    channel = call.channel()
    message = call.message(channel)
    if "poll" not in message.data:
        raise ApiError(400, 520006, "Cannot find or use a poll on a non-poll message")
    if message.author != call.me:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    if message.poll_ended:
        raise ApiError(400, 520001, "Poll expired")
    end_poll(call.world, call.hub, channel, message)
    return 200, call.world.message_json(message)


def end_poll(world: World, hub: Any, channel: ChannelState, message: MessageState) -> None:
    """End a poll; a message with its result follows."""
    message.poll_ended = True
    message.data["poll"]["expiry"] = world.stamp()
    hub.emit("MESSAGE_UPDATE", message_event(world, channel, message), channel=channel)
    counts = {answer: len(users) for answer, users in message.votes.items()}
    total = sum(counts.values())
    fields = [
        {"name": "poll_question_text", "value": message.data["poll"]["question"]["text"], "inline": False},
        {"name": "total_votes", "value": str(total), "inline": False},
        {"name": "victor_answer_votes", "value": str(max(counts.values(), default=0)), "inline": False},
    ]
    result = make_message(world, channel, message.data["author"], {}, {}, base_url="", kind=46)
    result.data["embeds"] = [{"type": "poll_result", "fields": fields}]
    result.data["message_reference"] = {"type": 0, "channel_id": channel.id, "message_id": message.id}
    if channel.guild_id is not None:
        result.data["message_reference"]["guild_id"] = channel.guild_id
    place_message(world, hub, channel, result)


# search


@route("GET", "/guilds/{guild}/messages/search")
async def search(call: Call) -> Reply:
    """Find messages in a server."""
    guild = call.guild()
    world = call.world
    if not int(world.options.get("allowed_intents", 1 << 15)) & (1 << 15):
        raise ApiError(403, 50001, "Missing Access")
    now = world.now()
    if guild.index_ready_at is not None and now < guild.index_ready_at:
        wait = max(1, round((guild.index_ready_at - now).total_seconds()))
        return 202, {
            "message": "Index not yet available. Try again later",
            "code": 110000,
            "documents_indexed": 0,
            "retry_after": wait,
        }
    limit = call.number("limit", 25, 1, 25)
    offset = call.number("offset", 0, 0, 9975)
    places = set(call.queries("channel_id"))
    authors = set(call.queries("author_id"))
    mentions = set(call.queries("mentions"))
    content = call.query.get("content", "").lower()
    low, high = call.place("min_id", 0), call.place("max_id", 1 << 63)
    answered = call.query.get("replied_to_message_id")
    has = call.queries("has")
    found: list[MessageState] = []
    for channel in world.channels.values():
        if channel.guild_id != guild.id or (places and channel.id not in places):
            continue
        bits = permissions(world, channel, call.me)
        if not bits & BITS["VIEW_CHANNEL"] or not bits & BITS["READ_MESSAGE_HISTORY"]:
            continue
        for message in channel.messages.values():
            data = message.data
            if content and not all(word in data["content"].lower() for word in content.split()):
                continue
            if (authors and message.author not in authors) or not low < int(message.id) < high:
                continue
            if mentions and not mentions & {user["id"] for user in data["mentions"]}:
                continue
            reference = data.get("message_reference") or {}
            if answered is not None and (data["type"] != 19 or reference.get("message_id") != answered):
                continue
            if not all(_has(data, kind) for kind in has):
                continue
            found.append(message)
    found.sort(key=lambda message: int(message.id), reverse=call.query.get("sort_order", "desc") == "desc")
    page = found[offset : offset + limit]
    return 200, {
        "doing_deep_historical_index": False,
        "total_results": len(found),
        "messages": [[visible(world, message, reactions=False) | {"hit": True}] for message in page],
    }


def _has(data: dict[str, Any], kind: str) -> bool:
    wanted = not kind.startswith("-")
    kind = kind.removeprefix("-")
    there = {
        "link": "://" in data["content"],
        "embed": bool(data["embeds"]),
        "file": bool(data["attachments"]),
        "image": any(str(a.get("content_type", "")).startswith("image/") for a in data["attachments"]),
        "poll": "poll" in data,
        "forward": "message_snapshots" in data,
    }.get(kind, False)
    return there is wanted
