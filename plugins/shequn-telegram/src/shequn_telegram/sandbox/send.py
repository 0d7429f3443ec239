"""Methods that post: texts, media, albums, places; and what all posting shares."""

from __future__ import annotations

import re
import struct
from typing import Any

from shequn_telegram.sandbox.calls import Call, method
from shequn_telegram.sandbox.markup import utf16
from shequn_telegram.sandbox.markup_reply import read_markup
from shequn_telegram.sandbox.parameters import Parameters
from shequn_telegram.sandbox.refusal import Refused, bad
from shequn_telegram.sandbox.state import Chat, Member, Stored
from shequn_telegram.sandbox.text import read_text
from shequn_telegram.sandbox.world import World

__all__ = ["Draft", "begin", "finish", "media_content", "read_caption"]

_TEXT_LIMIT = 4096
_CAPTION_LIMIT = 1024
_MB = 1024 * 1024
_QUOTED = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler", "custom_emoji", "date_time"})
_PERMISSION = {
    "text": ("can_send_messages", "text messages"),
    "photo": ("can_send_photos", "photos"),
    "video": ("can_send_videos", "videos"),
    "audio": ("can_send_audios", "music"),
    "voice": ("can_send_voice_notes", "voice messages"),
    "document": ("can_send_documents", "documents"),
    "animation": ("can_send_other_messages", "animations"),
    "sticker": ("can_send_other_messages", "stickers"),
    "video_note": ("can_send_video_notes", "video notes"),
    "poll": ("can_send_polls", "polls"),
    "other": ("can_send_messages", "messages"),
}
DICE = {"🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "🎰": 64}


class Draft:
    """A message about to be sent: everything but its content is checked already."""

    def __init__(self, call: Call, chat: Chat, member: Member | None) -> None:
        self.call = call
        self.chat = chat
        self.member = member
        self.thread = 0
        self.reply: dict[str, Any] | None = None
        self.external: dict[str, Any] | None = None
        self.quote: dict[str, Any] | None = None
        self.markup: dict[str, Any] | None = None


def begin(call: Call, what: str) -> Draft:
    """Check chat, rights, topic, reply and keyboard of a message with content `what`.

    Raises:
        Refused: something of it is not possible.
    """
    chat, member = call.chat(write=True)
    _may_send(chat, member, what)
    draft = Draft(call, chat, member)
    draft.thread = _thread(call, chat, member)
    _reply(draft)
    draft.markup = read_markup(call.params)
    return draft


def _may_send(chat: Chat, member: Member | None, what: str) -> None:
    if member is None:
        return
    if chat.type == "channel":
        if not member.may("can_post_messages"):
            raise bad("need administrator rights in the channel chat")
        return
    if member.is_admin:
        return
    permission, name = _PERMISSION[what]
    allowed = member.permissions if member.status == "restricted" else chat.permissions
    if not allowed.get(permission, True) or not chat.permissions.get(permission, True):
        raise bad(f"not enough rights to send {name} to the chat")


def _thread(call: Call, chat: Chat, member: Member | None) -> int:
    thread = call.params.integer("message_thread_id") or 0
    if not thread:
        return 0
    if chat.forum:
        topic = chat.topics.get(thread)
        if topic is None:
            raise bad("message thread not found")
        if topic.closed and (member is None or not member.may("can_manage_topics")):
            raise bad("TOPIC_CLOSED")
    elif chat.type != "supergroup" or thread not in chat.messages:
        raise bad("message thread not found")
    return thread


def _reply(draft: Draft) -> None:
    params = draft.call.params
    given = params.nested("reply_parameters")
    lenient = params.flag("allow_sending_without_reply")
    chat = draft.chat
    if given is not None:
        if not isinstance(given, dict):
            raise bad("can't parse reply parameters JSON object")
        nested = Parameters(given)
        target = nested.integer("message_id") or 0
        lenient = lenient or nested.flag("allow_sending_without_reply")
        if "chat_id" in nested:
            chat = draft.call.world.find_chat(given["chat_id"])
    else:
        target = params.integer("reply_to_message_id") or 0
    if not target:
        return
    message = chat.messages.get(target)
    if message is None:
        if not lenient:
            raise bad("message to be replied not found")
        return
    if given is not None:
        draft.quote = _quote(Parameters(given), message, draft.call.world)
    if chat is draft.chat:
        draft.reply = _without_reply(message.json())
        draft.thread = draft.thread or message.thread
    else:
        origin = {"type": "user", "date": message.date, "sender_user": message.data.get("from", {})}
        draft.external = {"origin": origin, "chat": chat.json(), "message_id": target}


def _quote(given: Parameters, message: Stored, world: World) -> dict[str, Any] | None:
    """Give the `TextQuote` of a reply; the quoted words must stand in the message as they are."""
    text, entities = read_text(given, world.user_json, text="quote", entities="quote_entities", mode="quote_parse_mode")  # fmt: skip
    if not text:
        return None
    whole = str(message.data.get("text") or message.data.get("caption") or "")
    start = whole.find(text)
    if start < 0 or len(text) > _CAPTION_LIMIT:
        raise bad("QUOTE_TEXT_INVALID")
    made: dict[str, Any] = {"text": text, "position": utf16(whole[:start]), "is_manual": True}
    if kept := [entity for entity in entities if entity["type"] in _QUOTED]:
        made["entities"] = kept
    return made


def _without_reply(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in {"reply_to_message", "reply_markup"}}


def finish(draft: Draft, content: dict[str, Any], **more: Any) -> Stored:
    """Post it."""
    call, chat = draft.call, draft.chat
    world = call.world
    data: dict[str, Any] = {"message_id": chat.next_id()}
    if chat.type == "channel":
        data["sender_chat"] = chat.json()
    else:
        data["from"] = call.bot.user.json()
    data["chat"] = chat.json()
    data["date"] = world.now()
    if draft.thread:
        data["message_thread_id"] = draft.thread
        if chat.forum:
            data["is_topic_message"] = True
    if draft.reply is not None:
        data["reply_to_message"] = draft.reply
    if draft.quote is not None:
        data["quote"] = draft.quote
    if draft.external is not None:
        data["external_reply"] = draft.external
    data.update(content)
    if call.params.flag("protect_content"):
        data["has_protected_content"] = True
    if draft.markup is not None and draft.markup["inline_keyboard"]:
        data["reply_markup"] = draft.markup
    author = 0 if chat.type == "channel" else call.bot.user.id
    message = Stored(
        data["message_id"], data["date"], author, data, bot=call.bot.user.id, thread=draft.thread, **more
    )
    world.store(chat, message)
    world.tell("message", chat, message)
    if chat.type == "channel" and chat.linked:
        forward_automatically(world, chat, message)
    return message


def forward_automatically(world: World, channel: Chat, post: Stored) -> None:
    """Put Telegram's own copy of a channel's post into its discussion group."""
    group = world.chats[channel.linked]
    origin = {"type": "channel", "date": post.date, "chat": channel.json(), "message_id": post.id}
    content = {
        name: value
        for name, value in post.data.items()
        if name not in {"message_id", "chat", "date", "sender_chat", "reply_markup", "reply_to_message"}
    }
    data: dict[str, Any] = {
        "message_id": group.next_id(),
        "from": {"id": 777000, "is_bot": False, "first_name": "Telegram"},
        "sender_chat": channel.json(),
        "chat": group.json(),
        "date": world.now(),
        "forward_origin": origin,
        "is_automatic_forward": True,
        **content,
    }
    message = Stored(data["message_id"], data["date"], 777000, data, poll=post.poll)
    world.store(group, message)
    world.tell("message", group, message)


@method("sendMessage")
def send_message(call: Call) -> Any:
    """Post a text."""
    draft = begin(call, "text")
    text, entities = read_text(call.params, call.world.user_json)
    if not text:
        raise bad("message text is empty")
    if len(text) > _TEXT_LIMIT:
        raise bad("message is too long")
    call.world.spend(call.bot, draft.chat)
    content: dict[str, Any] = {"text": text}
    if entities:
        content["entities"] = entities
    preview = call.params.nested("link_preview_options")
    if isinstance(preview, dict) and preview:
        content["link_preview_options"] = preview
    return finish(draft, content).json()


# media


def read_caption(params: Parameters, world: World) -> dict[str, Any]:
    """Give caption and its entities.

    Raises:
        Refused: it is too long or badly marked up.
    """
    caption, entities = read_text(params, world.user_json, text="caption", entities="caption_entities")
    if len(caption) > _CAPTION_LIMIT:
        raise bad("message caption is too long")
    made: dict[str, Any] = {}
    if caption:
        made["caption"] = caption
        if entities:
            made["caption_entities"] = entities
    if params.flag("show_caption_above_media"):
        made["show_caption_above_media"] = True
    return made


def _size_of_picture(data: bytes) -> tuple[int, int]:
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    return 1280, 853


def _new_file(world: World, kind: str, *, data: bytes, name: str, mime: str, size: int) -> dict[str, Any]:
    serial = world.serial()
    prefix = {"photo": "AgACAgUAAx", "video": "BAACAgUAAx", "document": "BQACAgUAAx"}.get(kind, "CQACAgUAAx")
    file: dict[str, Any] = {
        "file_id": f"{prefix}{serial:020d}",
        "file_unique_id": f"AQAD{serial:012d}",
        "kind": kind,
        "data": data,
        "name": name,
        "mime": mime,
        "size": size,
        "path": f"{kind}s/file_{serial}{_suffix(name)}",
    }
    world.files[file["file_id"]] = file
    return file


def _suffix(name: str) -> str:
    match = re.search(r"\.[A-Za-z0-9]{1,8}$", name)
    return match[0] if match else ""


def _file(call: Call, kind: str, value: Any, name: str) -> dict[str, Any]:
    world, upload = call.world, None
    if isinstance(value, str) and value.startswith("attach://"):
        upload = call.params.files.get(value.removeprefix("attach://"))
        if upload is None:
            raise bad("wrong file identifier/HTTP URL specified")
    elif value is None or value == "":
        upload = call.params.files.get(name)
        if upload is None:
            raise bad(f"there is no {name.replace('_', ' ')} in the request")
    if upload is not None:
        if not upload.data:
            raise bad("file must be non-empty")
        if len(upload.data) > 50 * _MB:
            raise Refused(413, "Request Entity Too Large")
        if kind == "photo":
            _check_picture(upload.data)
        return _new_file(
            world,
            kind,
            data=upload.data,
            name=upload.filename,
            mime=upload.content_type,
            size=len(upload.data),
        )
    text = str(value)
    known = world.files.get(text)
    if known is not None:
        if known["kind"] != kind:
            raise bad(f"can't use file of type {known['kind'].capitalize()} as {kind.capitalize()}")
        return known
    if re.match(r"https?://[^\s/]+\.[^\s]+|https?://(?:localhost|127\.0\.0\.1)", text):
        return _new_file(world, kind, data=b"", name=text.rpartition("/")[2], mime="", size=0)
    if "://" in text:
        raise bad("wrong HTTP URL specified")
    raise bad("wrong file identifier/HTTP URL specified")


def _check_picture(data: bytes) -> None:
    if len(data) > 10 * _MB:
        raise bad("file is too big")
    width, height = _size_of_picture(data)
    if not width or not height or width + height > 10_000 or max(width, height) > 20 * min(width, height):
        raise bad("PHOTO_INVALID_DIMENSIONS")


def _photo(world: World, file: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    width, height = _size_of_picture(file["data"])
    small = {**base, "file_id": f"{file['file_id']}s", "file_unique_id": f"{file['file_unique_id']}s"}
    world.files.setdefault(small["file_id"], {**file, "file_id": small["file_id"]})
    return {"photo": [{**small, "width": 90, "height": 60}, {**base, "width": width, "height": height}]}


def photo_content(world: World, data: bytes) -> dict[str, Any]:
    """Give the part of a message that shows a picture which a person posts."""
    _check_picture(data)
    file = _new_file(world, "photo", data=data, name="photo.jpg", mime="image/jpeg", size=len(data))
    base = {"file_id": file["file_id"], "file_unique_id": file["file_unique_id"], "file_size": file["size"]}
    return _photo(world, file, base)


def media_content(call: Call, kind: str, value: Any, params: Parameters, name: str = "") -> dict[str, Any]:
    """Give the part of a message that shows a file.

    Raises:
        Refused: the file cannot be taken.
    """
    file = _file(call, kind, value, name or kind)
    base: dict[str, Any] = {"file_id": file["file_id"], "file_unique_id": file["file_unique_id"]}
    if file["size"]:
        base["file_size"] = file["size"]
    if kind == "photo":
        return _photo(call.world, file, base)
    if kind in {"video", "animation"}:
        base.update(width=params.integer("width") or 640, height=params.integer("height") or 360)
        base["duration"] = params.integer("duration") or 0
    elif kind in {"audio", "voice"}:
        base["duration"] = params.integer("duration") or 0
        for extra in ("performer", "title"):
            if params.text(extra):
                base[extra] = params.text(extra)
    elif kind == "video_note":
        base.update(length=params.integer("length") or 240, duration=params.integer("duration") or 0)
    elif kind == "sticker":
        base.update(type="regular", width=512, height=512, is_animated=False, is_video=False)
    if file["name"] and kind not in {"voice", "video_note", "sticker"}:
        base["file_name"] = file["name"]
    if file["mime"] and kind not in {"video_note", "sticker"}:
        base["mime_type"] = file["mime"]
    made: dict[str, Any] = {kind: base}
    if kind == "animation":
        made["document"] = {key: base[key] for key in base if key not in {"width", "height", "duration"}}
    if params.flag("has_spoiler"):
        made["has_media_spoiler"] = True
    return made


def _sender(kind: str) -> Any:
    def send(call: Call) -> Any:
        draft = begin(call, kind)
        content = media_content(call, kind, call.params.values.get(kind), call.params)
        if kind not in {"sticker", "video_note"}:
            content.update(read_caption(call.params, call.world))
        call.world.spend(call.bot, draft.chat)
        return finish(draft, content).json()

    return send


for _name, _kind in (
    ("sendPhoto", "photo"),
    ("sendVideo", "video"),
    ("sendAudio", "audio"),
    ("sendVoice", "voice"),
    ("sendDocument", "document"),
    ("sendAnimation", "animation"),
    ("sendSticker", "sticker"),
    ("sendVideoNote", "video_note"),
):
    method(_name)(_sender(_kind))


@method("sendMediaGroup")
def send_media_group(call: Call) -> Any:
    """Post an album."""
    media = call.params.nested("media")
    draft = begin(call, "photo")
    if not isinstance(media, list) or not media:
        raise bad("there are no messages to send")
    if not 2 <= len(media) <= 10:
        raise bad(
            "too few messages to send as an album"
            if len(media) < 2
            else "too much messages to send as an album"
        )
    kinds = {str(item.get("type", "")) if isinstance(item, dict) else "" for item in media}
    if not kinds <= {"photo", "video", "document", "audio", "live_photo"}:
        raise bad("can't use the media of the specified type in the album")
    if ("document" in kinds or "audio" in kinds) and len(kinds) > 1:
        raise bad(
            "document can't be mixed with other media types"
            if "document" in kinds
            else "audio can't be mixed with other media types"
        )
    contents: list[dict[str, Any]] = []
    for item in media:
        nested = Parameters(item, call.params.files)
        content = media_content(call, item["type"], item.get("media"), nested)
        contents.append({**content, **read_caption(nested, call.world)})
    call.world.spend(call.bot, draft.chat, len(contents))
    group = str(13_900_000_000_000_000 + call.world.serial())
    return [finish(draft, {"media_group_id": group, **content}).json() for content in contents]


# others


@method("sendLocation")
def send_location(call: Call) -> Any:
    """Post a place on the map."""
    draft = begin(call, "other")
    return finish(draft, {"location": _location(call.params)}).json()


def _required(params: Parameters, name: str) -> str:
    value = params.text(name)
    if not value:
        raise bad(f'parameter "{name}" is required')
    return value


def _location(params: Parameters) -> dict[str, float]:
    try:
        place = {name: float(params.text(name)) for name in ("latitude", "longitude")}
    except ValueError:
        raise bad("can't parse location: latitude and longitude must be numbers") from None
    if not (abs(place["latitude"]) <= 90 and abs(place["longitude"]) <= 180):
        raise bad("wrong location specified")
    return place


@method("sendVenue")
def send_venue(call: Call) -> Any:
    """Post a venue."""
    draft = begin(call, "other")
    place = _location(call.params)
    venue = {"location": place, **{name: _required(call.params, name) for name in ("title", "address")}}
    return finish(draft, {"location": place, "venue": venue}).json()


@method("sendContact")
def send_contact(call: Call) -> Any:
    """Post a contact."""
    draft = begin(call, "other")
    contact = {name: _required(call.params, name) for name in ("phone_number", "first_name")}
    if "last_name" in call.params:
        contact["last_name"] = call.params.text("last_name")
    return finish(draft, {"contact": contact}).json()


@method("sendDice")
def send_dice(call: Call) -> Any:
    """Throw a die."""
    draft = begin(call, "other")
    emoji = call.params.text("emoji") or "🎲"
    if emoji not in DICE:
        raise bad("wrong dice emoji specified")
    return finish(draft, {"dice": {"emoji": emoji, "value": call.world.rng.randint(1, DICE[emoji])}}).json()


@method("sendMessageDraft")
def send_draft(call: Call) -> Any:
    """Show a text that is still being written; nothing of it stays."""
    chat, _ = call.chat(write=True)
    if chat.type != "private":
        raise bad("drafts can be sent only to private chats")
    if not call.params.integer("draft_id"):
        raise bad("draft_id must be non-zero")
    return True


_ACTIONS = frozenset(
    {
        "typing",
        "upload_photo",
        "choose_sticker",
        "find_location",
        *(
            f"{verb}_{what}"
            for verb in ("record", "upload")
            for what in ("video", "voice", "audio", "video_note")
        ),
        "upload_document",
    }
)


@method("sendChatAction")
def send_chat_action(call: Call) -> Any:
    """Show that the bot is writing."""
    call.chat(write=True)
    if call.params.text("action").strip().lower() not in _ACTIONS:
        raise bad("wrong parameter action in request")
    return True
