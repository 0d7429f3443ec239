"""Making a message: the form's checks, its JSON, and everybody who is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shequn_discord.sandbox.forms import ApiError, Form, forbidden
from shequn_discord.sandbox.permissions import BITS, permissions
from shequn_discord.sandbox.world import NONCE_WINDOW, ChannelState, MessageState, Nonce, iso

if TYPE_CHECKING:
    from shequn_discord.sandbox.gateway import Hub
    from shequn_discord.sandbox.router import Upload
    from shequn_discord.sandbox.world import World

__all__ = ["check_message", "make_message", "message_event", "place_message"]

MAX_FILE = 10 * 1024 * 1024
_EMBED_TOTAL = 6000
_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp"}


def _check_embeds(form: Form, embeds: list[Any]) -> None:
    total = 0
    for index, embed in enumerate(embeds[:10]):
        path = f"embeds.{index}"
        if not isinstance(embed, Mapping):
            form.fail(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
            continue
        texts = [
            form.text(embed.get("title"), f"{path}.title", maximum=256),
            form.text(embed.get("description"), f"{path}.description", maximum=4096),
        ]
        form.url(embed.get("url"), f"{path}.url")
        form.number(embed.get("color"), f"{path}.color", low=0, high=0xFFFFFF)
        form.instant(embed.get("timestamp"), f"{path}.timestamp")
        fields = form.items(embed.get("fields"), f"{path}.fields", maximum=25)
        for number, item in enumerate(fields[:25]):
            place = f"{path}.fields.{number}"
            if not isinstance(item, Mapping):
                form.fail(place, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
                continue
            texts.append(form.text(item.get("name"), f"{place}.name", maximum=256, minimum=1, required=True))
            texts.append(
                form.text(item.get("value"), f"{place}.value", maximum=1024, minimum=1, required=True)
            )
        footer, author = embed.get("footer"), embed.get("author")
        if isinstance(footer, Mapping):
            texts.append(form.text(footer.get("text"), f"{path}.footer.text", maximum=2048))
        if isinstance(author, Mapping):
            texts.append(form.text(author.get("name"), f"{path}.author.name", maximum=256))
        for name in ("image", "thumbnail"):
            picture = embed.get(name)
            if isinstance(picture, Mapping):
                form.url(
                    picture.get("url"),
                    f"{path}.{name}.url",
                    schemes=("http", "https", "attachment"),
                    required=True,
                )
        total += sum(len(text.strip()) for text in texts if text)
    if total > _EMBED_TOTAL:
        form.fail("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")


def _check_components(form: Form, rows: list[Any]) -> None:
    seen: set[str] = set()
    for index, row in enumerate(rows):
        path = f"components.{index}"
        if not isinstance(row, Mapping) or row.get("type") is None:
            form.fail(f"{path}.type", "BASE_TYPE_REQUIRED", "This field is required")
            continue
        if row["type"] != 1:
            continue
        items = form.items(row.get("components"), f"{path}.components", minimum=1, maximum=5)
        for number, item in enumerate(items):
            place = f"{path}.components.{number}"
            if not isinstance(item, Mapping):
                form.fail(place, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
                continue
            if item.get("type") != 2:
                continue
            form.text(item.get("label"), f"{place}.label", maximum=80)
            style = form.choice(item.get("style"), f"{place}.style", (1, 2, 3, 4, 5, 6), required=True)
            if style == 5:
                form.url(item.get("url"), f"{place}.url", schemes=("http", "https", "discord"), required=True)
            elif style in {1, 2, 3, 4}:
                key = form.text(
                    item.get("custom_id"),
                    f"{place}.custom_id",
                    maximum=100,
                    minimum=1,
                    required=True,
                    strip=False,
                )
                if key in seen:
                    form.fail(
                        f"{place}.custom_id",
                        "COMPONENT_CUSTOM_ID_DUPLICATED",
                        "Component custom id cannot be duplicated",
                    )
                seen.add(key or "")
    if len(rows) > 5 and all(isinstance(row, Mapping) and row.get("type") == 1 for row in rows):
        form.fail("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")


def _check_poll(form: Form, poll: Any) -> None:
    if not isinstance(poll, Mapping):
        form.fail("poll", "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return
    question = poll.get("question")
    text = question.get("text") if isinstance(question, Mapping) else None
    form.text(text, "poll.question.text", maximum=300, minimum=1, required=True)
    answers = form.items(poll.get("answers"), "poll.answers", minimum=1, maximum=10)
    if poll.get("answers") is None:
        form.fail("poll.answers", "BASE_TYPE_REQUIRED", "This field is required")
    for index, answer in enumerate(answers):
        media = answer.get("poll_media") if isinstance(answer, Mapping) else None
        media = media if isinstance(media, Mapping) else {}
        form.text(
            media.get("text"),
            f"poll.answers.{index}.poll_media.text",
            maximum=55,
            minimum=1,
            required=not media.get("emoji"),
        )
    form.number(poll.get("duration"), "poll.duration", low=1, high=768)


def _check_mentions(form: Form, allowed: Any) -> None:
    if not isinstance(allowed, Mapping):
        return
    parse = form.items(allowed.get("parse"), "allowed_mentions.parse", maximum=3)
    for key, name in (("users", "users"), ("roles", "roles")):
        items = form.items(allowed.get(key), f"allowed_mentions.{key}", maximum=100)
        if items and name in parse:
            form.fail(
                "allowed_mentions",
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{name}"] and {key}: [ids...] are mutually exclusive.',
            )


def check_message(form: Form, files: Mapping[str, Upload], *, partial: bool = False) -> None:
    """Check the body of a message.

    Raises:
        ApiError: 50035 with its tree, 50006 for an empty one, 30015 or 40005 for its files.
    """
    body = form.body
    content = form.text(body.get("content"), "content", maximum=4000)
    if content is not None and 2000 < len(content.strip()) <= 4000:
        form.fail("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
    embeds = form.items(body.get("embeds"), "embeds", maximum=10)
    _check_embeds(form, embeds)
    rows = form.items(body.get("components"), "components", maximum=40)
    _check_components(form, rows)
    if body.get("poll") is not None:
        _check_poll(form, body["poll"])
    _check_mentions(form, body.get("allowed_mentions"))
    nonce = body.get("nonce")
    if isinstance(nonce, str) and len(nonce) > 25:
        form.fail("nonce", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    stickers = form.items(body.get("sticker_ids"), "sticker_ids", maximum=3)
    if len(files) > 10:
        raise ApiError(400, 30015, "Maximum number of attachments in a message reached (10)")
    attachments = form.items(body.get("attachments"), "attachments", maximum=10)
    for index, item in enumerate(attachments):
        if isinstance(item, Mapping):
            form.text(item.get("description"), f"attachments.{index}.description", maximum=1024)
    form.done()
    for upload in files.values():
        if len(upload.data) > MAX_FILE:
            raise ApiError(413, 40005, "Request entity too large")
    reference = body.get("message_reference")
    forward = isinstance(reference, Mapping) and reference.get("type") == 1
    something = (
        (content and content.strip()) or embeds or files or rows or stickers or body.get("poll") or forward
    )
    if not something and not partial:
        raise ApiError(400, 50006, "Cannot send an empty message")


def _attachments(
    world: World, channel: ChannelState, body: Mapping[str, Any], files: Mapping[str, Upload], base_url: str
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    described = {
        str(item.get("id")): item for item in body.get("attachments") or [] if isinstance(item, Mapping)
    }
    for name, upload in files.items():
        match = re.fullmatch(r"files?\[?(\d*)\]?", name)
        if match is None:
            continue
        item = described.get(match[1] or "0", {})
        number = world.snowflake()
        filename = re.sub(r"[^\w.\-]", "_", str(item.get("filename") or upload.filename)) or "file"
        key = f"{channel.id}/{number}/{filename}"
        world.files[key] = upload.data
        url = f"{base_url}/files/{key}"
        entry: dict[str, Any] = {
            "id": number,
            "filename": filename,
            "size": len(upload.data),
            "url": url,
            "proxy_url": url,
            "content_type": upload.content_type,
        }
        if item.get("description"):
            entry["description"] = item["description"]
        if upload.content_type in _IMAGES:
            entry |= {"width": 1, "height": 1}
        found.append(entry)
    return found


def _embeds(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for embed in body.get("embeds") or []:
        item = {key: value for key, value in embed.items() if value is not None}
        item["type"] = "rich"
        if "fields" in item:
            item["fields"] = [{**entry, "inline": bool(entry.get("inline"))} for entry in item["fields"]]
        for name in ("image", "thumbnail"):
            if name in item:
                item[name] = {"proxy_url": item[name]["url"], "width": 0, "height": 0, **item[name]}
        found.append(item)
    return found


def _poll_media(media: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in media.items() if value is not None}
    if "emoji" in found:
        emoji = found["emoji"]
        found["emoji"] = {"id": emoji.get("id") and str(emoji["id"]), "name": emoji.get("name")}
    return found


def _components(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    number = 0
    found: list[dict[str, Any]] = []
    for row in body.get("components") or []:
        number += 1
        item = {"id": number, **row}
        inner: list[dict[str, Any]] = []
        for component in row.get("components") or []:
            number += 1
            inner.append({"id": number, **component})
        if "components" in row:
            item["components"] = inner
        found.append(item)
    return found


def _mentions(
    world: World, channel: ChannelState, content: str, allowed: Any, author: str, *, hook: bool
) -> tuple[list[dict[str, Any]], list[str], bool]:
    guild = world.guilds.get(channel.guild_id or "")
    users = [user for user in dict.fromkeys(_USER.findall(content)) if user in world.users]
    roles = [r for r in dict.fromkeys(_ROLE.findall(content)) if guild is not None and r in guild.roles]
    everyone = "@everyone" in content or "@here" in content
    if isinstance(allowed, Mapping):
        parse = allowed.get("parse") or []
        named = {str(user) for user in allowed.get("users") or []}
        groups = {str(role) for role in allowed.get("roles") or []}
        # Mentions that stand in the text are listed; who is rung is a different thing.
        roles = [role for role in roles if "roles" in parse or role in groups]
        users = [user for user in users if "users" in parse or user in named]
        everyone = everyone and "everyone" in parse
    elif hook:
        roles, everyone = [], False
    if everyone and not permissions(world, channel, author) & BITS["MENTION_EVERYONE"] and not hook:
        everyone = False
    return [world.users[user] for user in users], roles, everyone


def make_message(
    world: World,
    channel: ChannelState,
    author: Mapping[str, Any],
    body: Mapping[str, Any],
    files: Mapping[str, Upload],
    *,
    base_url: str,
    webhook: str = "",
    kind: int = 0,
) -> MessageState:
    """Make a message from a checked body; it does not stand anywhere yet."""
    content = str(body.get("content") or "").strip()
    mentions, roles, everyone = _mentions(
        world, channel, content, body.get("allowed_mentions"), str(author["id"]), hook=bool(webhook)
    )
    data: dict[str, Any] = {
        "type": kind,
        "content": content,
        "mentions": mentions,
        "mention_roles": roles,
        "attachments": _attachments(world, channel, body, files, base_url),
        "embeds": _embeds(body),
        "timestamp": world.stamp(),
        "edited_timestamp": None,
        "flags": int(body.get("flags") or 0) & (4 | 64 | 4096 | 8192 | 32768),
        "components": _components(body),
        "id": world.snowflake(),
        "channel_id": channel.id,
        "author": dict(author),
        "pinned": False,
        "mention_everyone": everyone,
        "tts": bool(body.get("tts")),
    }
    if webhook:
        data["webhook_id"] = webhook
    if channel.is_thread:
        data["position"] = len(channel.messages)
    _refer(world, channel, body, data)
    poll = body.get("poll")
    if poll is not None:
        hours = int(poll.get("duration") or 24)
        data["poll"] = {
            "question": {"text": poll["question"]["text"]},
            "answers": [
                {"answer_id": number, "poll_media": _poll_media(answer["poll_media"])}
                for number, answer in enumerate(poll["answers"], 1)
            ],
            "expiry": iso(world.now() + timedelta(hours=hours)),
            "allow_multiselect": bool(poll.get("allow_multiselect")),
            "layout_type": 1,
        }
    return MessageState(data, nonce=body.get("nonce"))


def _refer(world: World, channel: ChannelState, body: Mapping[str, Any], data: dict[str, Any]) -> None:
    reference = body.get("message_reference")
    if not isinstance(reference, Mapping):
        return
    number = str(reference.get("message_id") or "")
    forward = reference.get("type") == 1
    place = world.channels.get(str(reference.get("channel_id") or channel.id))
    found = place.messages.get(number) if place is not None else None
    if found is None or (not forward and place is not channel):
        if reference.get("fail_if_not_exists", True) is False and not forward:
            return
        raise ApiError(
            400,
            50035,
            "Invalid Form Body",
            errors={
                "message_reference": {
                    "_errors": [{"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}]
                }
            },
        )
    assert place is not None
    data["message_reference"] = {"type": 1 if forward else 0, "channel_id": place.id, "message_id": number}
    if place.guild_id is not None:
        data["message_reference"]["guild_id"] = place.guild_id
    if forward:
        kept = (
            "type",
            "content",
            "mentions",
            "mention_roles",
            "attachments",
            "embeds",
            "timestamp",
            "edited_timestamp",
        )
        snapshot = {key: found.data[key] for key in (*kept, "flags", "components")}
        data["message_snapshots"] = [{"message": snapshot}]
        return
    data["type"] = 19
    allowed = body.get("allowed_mentions")
    rings = allowed.get("replied_user", False) if isinstance(allowed, Mapping) else True
    author = found.data["author"]
    if rings and all(user["id"] != author["id"] for user in data["mentions"]):
        data["mentions"] = [*data["mentions"], author]


def check_sending(
    world: World, channel: ChannelState, user: str, body: Mapping[str, Any], files: Mapping[str, Upload]
) -> None:
    """Check that somebody may write this here.

    Raises:
        ApiError: the channel takes no messages, a permission is missing, or slow mode asks to wait.
    """
    if not channel.takes_messages:
        raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
    if channel.guild_id is None:
        return
    bits = permissions(world, channel, user)

    def need(name: str) -> None:
        if not bits & BITS[name]:
            raise forbidden()

    need("SEND_MESSAGES_IN_THREADS" if channel.is_thread else "SEND_MESSAGES")
    if body.get("embeds"):
        need("EMBED_LINKS")
    if files:
        need("ATTACH_FILES")
    if body.get("poll") is not None:
        need("SEND_POLLS")
    reference = body.get("message_reference")
    if isinstance(reference, Mapping) and not bits & BITS["READ_MESSAGE_HISTORY"]:
        raise ApiError(403, 160002, "You cannot reply without permission to read message history")
    if channel.is_thread:
        meta = channel.data["thread_metadata"]
        if meta["locked"] and not bits & BITS["MANAGE_THREADS"]:
            raise ApiError(400, 160005, "This thread is locked")


def place_message(world: World, hub: Hub, channel: ChannelState, message: MessageState) -> None:
    """Put a message into its channel and tell who listens."""
    channel.messages[message.id] = message
    channel.data["last_message_id"] = message.id
    if "poll" in message.data:
        world.open_polls.append((channel, message))
    if channel.is_thread:
        channel.data["message_count"] += 1
        channel.data["total_message_sent"] += 1
        meta = channel.data["thread_metadata"]
        if meta["archived"] and not meta["locked"]:
            meta["archived"] = False
            hub.emit("THREAD_UPDATE", world.channel_json(channel), channel=channel)
        author = message.author
        guild = world.guilds.get(channel.guild_id or "")
        if guild is not None and author in guild.members:
            world.join_thread(channel, author)
    hub.emit("MESSAGE_CREATE", message_event(world, channel, message, nonce=True), channel=channel)


def message_event(
    world: World, channel: ChannelState, message: MessageState, *, nonce: bool = False
) -> dict[str, Any]:
    """A message as the Gateway tells it: with its server and its author's membership."""
    data = world.message_json(message)
    data["channel_type"] = channel.data["type"]
    if nonce and message.nonce is not None:
        data["nonce"] = message.nonce
    if channel.guild_id is not None:
        data["guild_id"] = channel.guild_id
        guild = world.guilds[channel.guild_id]
        if message.author in guild.members and not message.data.get("webhook_id"):
            data["member"] = world.member_json(guild, message.author, with_user=False)
    return data


def repeated(world: World, channel: ChannelState, user: str, body: Mapping[str, Any]) -> MessageState | None:
    """Give the message that the same nonce made a few minutes ago, when it is enforced."""
    nonce = body.get("nonce")
    if nonce is None or not body.get("enforce_nonce"):
        return None
    kept = channel.nonces.get((user, str(nonce)))
    if kept is None or world.now() - kept.at > NONCE_WINDOW:
        return None
    return channel.messages.get(kept.message)


def remember_nonce(
    world: World, channel: ChannelState, user: str, body: Mapping[str, Any], message: MessageState
) -> None:
    """Keep a nonce, and forget old ones."""
    nonce = body.get("nonce")
    if nonce is None:
        return
    if len(channel.nonces) > 1000:
        old = world.now() - NONCE_WINDOW
        channel.nonces = {key: kept for key, kept in channel.nonces.items() if kept.at >= old}
    channel.nonces[user, str(nonce)] = Nonce(world.now(), message.id)
