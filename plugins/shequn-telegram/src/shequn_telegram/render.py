"""A piece as parameters of one Bot API call; code-point offsets become UTF-16 offsets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shequn_sdk.domain import Button, Entity, EntityKind, Media, MediaKind, Piece, Poll
from shequn_sdk.errors import InvalidContent
from shequn_sdk.platforms.http import FilePart
from shequn_telegram.errors import PLATFORM

__all__ = [
    "Request",
    "Utf16",
    "keyboard",
    "read_file",
    "render",
    "render_caption",
    "render_edit",
    "split_channel",
    "wire_entities",
]

_KIND_NAMES: Mapping[EntityKind, str] = {
    EntityKind.BOLD: "bold",
    EntityKind.ITALIC: "italic",
    EntityKind.UNDERLINE: "underline",
    EntityKind.STRIKE: "strikethrough",
    EntityKind.SPOILER: "spoiler",
    EntityKind.CODE: "code",
    EntityKind.PRE: "pre",
    EntityKind.QUOTE: "blockquote",
}
_MEDIA_CALLS: Mapping[MediaKind, tuple[str, str, str]] = {
    MediaKind.PHOTO: ("sendPhoto", "photo", ".jpg"),
    MediaKind.VIDEO: ("sendVideo", "video", ".mp4"),
    MediaKind.AUDIO: ("sendAudio", "audio", ".mp3"),
    MediaKind.VOICE: ("sendVoice", "voice", ".ogg"),
    MediaKind.ANIMATION: ("sendAnimation", "animation", ".mp4"),
    MediaKind.DOCUMENT: ("sendDocument", "document", ".bin"),
}
_VISUAL = frozenset({MediaKind.PHOTO, MediaKind.VIDEO})
_TEXT_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Request:
    """One call: method, parameters and the media that are uploaded with it, by part name."""

    method: str
    parameters: dict[str, Any]
    uploads: Mapping[str, Media] = field(default_factory=dict[str, Media])


class Utf16:
    """Translates offsets of one text from code points to UTF-16 code units.

    >>> Utf16("a👍b").span(1, 2)
    (1, 3)
    """

    def __init__(self, text: str) -> None:
        self._astral = [index for index, character in enumerate(text) if character > "\uffff"]

    def offset(self, points: int) -> int:
        """Give the UTF-16 offset of a code-point offset: characters beyond the BMP before it count twice."""
        return points + bisect_left(self._astral, points)

    def span(self, offset: int, length: int) -> tuple[int, int]:
        """Give UTF-16 offset and length of a stretch."""
        start = self.offset(offset)
        return start, self.offset(offset + length) - start


def wire_entities(text: str, entities: Sequence[Entity]) -> list[dict[str, Any]]:
    """Give `MessageEntity` objects; hashtags and mentions by username are left to Telegram, which finds them itself."""
    found: list[dict[str, Any]] = []
    translate = Utf16(text)
    for entity in entities:
        start, length = translate.span(entity.offset, entity.length)
        base: dict[str, Any] = {"offset": start, "length": length}
        if entity.kind is EntityKind.LINK:
            if entity.url:
                found.append({"type": "text_link", **base, "url": entity.url})
        elif entity.kind is EntityKind.MENTION:
            if entity.member_id.isdecimal():
                named = text[entity.offset : entity.offset + entity.length].lstrip("@") or entity.member_id
                user = {"id": int(entity.member_id), "is_bot": False, "first_name": named}
                found.append({"type": "text_mention", **base, "user": user})
        elif entity.kind is EntityKind.PRE and entity.language:
            found.append({"type": "pre", **base, "language": entity.language})
        elif entity.kind in _KIND_NAMES:
            found.append({"type": _KIND_NAMES[entity.kind], **base})
    return found


def split_channel(channel: str) -> tuple[int | str, int | None]:
    """Read `chat` or `chat/thread`; a chat is a number or a public `@name`.

    Raises:
        InvalidContent: it is neither.
    """
    chat, slash, thread = channel.partition("/")
    number = chat.removeprefix("-")
    if number.isascii() and number.isdigit() and len(number) <= 16:
        target: int | str = int(chat)
    elif len(chat) > 1 and chat.startswith("@"):
        target = chat
    else:
        raise _invalid(
            f"{channel!r} is no Telegram chat: give its number, for example -1002223334445, or @name"
        )
    if not slash:
        return target, None
    if not (thread.isascii() and thread.isdigit() and len(thread) <= 10):
        raise _invalid(f"{channel!r} names no topic: write chat/thread, for example -1002223334445/12")
    # the General topic has id 1, and messages go there only when no topic is named
    return target, int(thread) if int(thread) > 1 else None


def _invalid(message: str) -> InvalidContent:
    return InvalidContent(message, platform=PLATFORM, operation="render")


def keyboard(buttons: Sequence[Sequence[Button]]) -> dict[str, Any]:
    """Give an inline keyboard."""
    return {
        "inline_keyboard": [
            [
                {"text": button.label, "url": str(button.url)}
                if button.url is not None
                else {"text": button.label, "callback_data": button.data}
                for button in row
            ]
            for row in buttons
        ]
    }


def _envelope(channel: str, piece: Piece) -> dict[str, Any]:
    chat, thread = split_channel(channel)
    found: dict[str, Any] = {"chat_id": chat}
    if thread is not None:
        found["message_thread_id"] = thread
    if piece.silent:
        found["disable_notification"] = True
    if piece.reply_to:
        if not (piece.reply_to.isascii() and piece.reply_to.isdigit()):
            raise _invalid(f"{piece.reply_to!r} is no Telegram message: its id is a number")
        found["reply_parameters"] = {"message_id": int(piece.reply_to)}
    if piece.buttons:
        found["reply_markup"] = keyboard(piece.buttons)
    if piece.attrs.get("protect_content") is True:
        found["protect_content"] = True
    return found


def _with_text(found: dict[str, Any], piece: Piece, *, text: str, entities: str) -> None:
    found[text] = piece.text
    wired = wire_entities(piece.text, piece.entities)
    if wired:
        found[entities] = wired


def _source(media: Media, part: str, uploads: dict[str, Media]) -> str | None:
    """Give the string that names the file, or None when its bytes go along under `part`."""
    if media.native_id is not None:
        return media.native_id
    if media.url is not None:
        return str(media.url)
    uploads[part] = media
    return None


def _linked(piece: Piece) -> Piece:
    """Put a piece's link into its text, unless it is there already."""
    if piece.link is None:
        return piece
    url = str(piece.link.url)
    plain = url.rstrip("/")
    if plain in piece.text or any(entity.url.rstrip("/") == plain for entity in piece.entities):
        return piece
    title = piece.link.title or url
    start = f"{piece.text}\n\n" if piece.text else ""
    entities = piece.entities
    if title != url:
        mark = Entity(kind=EntityKind.LINK, offset=len(start), length=len(title), url=url)
        entities = (*entities, mark)
    if len(start) + len(title) > _TEXT_LIMIT:
        return piece
    return piece.model_copy(update={"text": start + title, "entities": entities})


def render(channel: str, piece: Piece) -> Request:
    """Give the one call that publishes `piece`.

    Raises:
        InvalidContent: Telegram has no such message, for example buttons under an album.
    """
    found = _envelope(channel, piece)
    if piece.poll is not None:
        return _poll(found, piece, piece.poll)
    if len(piece.media) > 1:
        return _album(found, piece)
    piece = _linked(piece)
    if piece.media:
        media = piece.media[0]
        method, name, _ = _MEDIA_CALLS[media.kind]
        uploads: dict[str, Media] = {}
        source = _source(media, name, uploads)
        if source is not None:
            found[name] = source
        if piece.text:
            _with_text(found, piece, text="caption", entities="caption_entities")
        return Request(method, found, uploads)
    if piece.link is not None:
        found["link_preview_options"] = {"url": str(piece.link.url)}
    _with_text(found, piece, text="text", entities="entities")
    return Request("sendMessage", found)


def _poll(found: dict[str, Any], piece: Piece, poll: Poll) -> Request:
    if piece.media:
        raise _invalid(
            "a poll and media do not go into one Telegram message: publish them one after the other"
        )
    found.update(
        question=poll.question,
        options=[{"text": choice} for choice in poll.choices],
        is_anonymous=poll.anonymous,
    )
    if poll.multiple:
        found["allows_multiple_answers"] = True
    if poll.correct is not None:
        found["type"] = "quiz"
        found["correct_option_ids"] = [poll.correct]
        if poll.explanation:
            found["explanation"] = poll.explanation
    if poll.duration is not None:
        found["open_period"] = int(poll.duration.total_seconds())
    if piece.text and piece.text != poll.question:
        _with_text(found, piece, text="description", entities="description_entities")
    return Request("sendPoll", found)


def _album(found: dict[str, Any], piece: Piece) -> Request:
    kinds = {media.kind for media in piece.media}
    if not (kinds <= _VISUAL or kinds in ({MediaKind.DOCUMENT}, {MediaKind.AUDIO})):
        named = ", ".join(sorted(kinds))
        raise _invalid(
            f"{named} do not go into one album: pictures and videos mix, documents and audio do not"
        )
    if piece.buttons:
        raise _invalid("Telegram shows no buttons under an album: send them in a message of their own")
    uploads: dict[str, Media] = {}
    items: list[dict[str, Any]] = []
    for index, media in enumerate(piece.media):
        part = f"file{index}"
        source = _source(media, part, uploads)
        items.append({"type": str(media.kind), "media": f"attach://{part}" if source is None else source})
    if piece.text:
        _with_text(items[0], piece, text="caption", entities="caption_entities")
    found["media"] = items
    return Request("sendMediaGroup", found, uploads)


def render_edit(channel: str, message: int, piece: Piece) -> Request:
    """Give the call that replaces a message's content; media are replaced when the piece has some.

    Raises:
        InvalidContent: polls and albums cannot be edited.
    """
    if piece.poll is not None or len(piece.media) > 1:
        raise _invalid("Telegram cannot edit polls and albums: delete the message and publish anew")
    piece = _linked(piece)
    chat, _ = split_channel(channel)
    found: dict[str, Any] = {"chat_id": chat, "message_id": message}
    if piece.buttons:
        found["reply_markup"] = keyboard(piece.buttons)
    if not piece.media:
        _with_text(found, piece, text="text", entities="entities")
        return Request("editMessageText", found)
    uploads: dict[str, Media] = {}
    media = piece.media[0]
    source = _source(media, "file0", uploads)
    item: dict[str, Any] = {"type": str(media.kind), "media": "attach://file0" if source is None else source}
    if piece.text:
        _with_text(item, piece, text="caption", entities="caption_entities")
    found["media"] = item
    return Request("editMessageMedia", found, uploads)


def render_caption(request: Request) -> Request:
    """Turn the change of a text into the change of a caption."""
    renamed = {"text": "caption", "entities": "caption_entities"}
    return Request(
        "editMessageCaption", {renamed.get(name, name): value for name, value in request.parameters.items()}
    )


def read_file(media: Media) -> FilePart:
    """Read a medium that is uploaded; blocking, run it in a thread.

    Raises:
        InvalidContent: the file cannot be read.
    """
    suffix = _MEDIA_CALLS[media.kind][2]
    content_type = media.mime or "application/octet-stream"
    if media.data is not None:
        return FilePart(media.filename or f"{media.kind}{suffix}", media.data, content_type)
    path = media.path if media.path is not None else Path()
    try:
        return FilePart(media.filename or path.name, path.read_bytes(), content_type)
    except OSError as error:
        raise _invalid(f"{path.name} cannot be read ({error.strerror}): check the path") from error
