"""Pieces as Discord takes them: JSON of a message, its files, and who may be mentioned."""

from __future__ import annotations

import asyncio
import hashlib
import math
import mimetypes
import re
from base64 import b32encode
from collections.abc import Mapping
from typing import Any

from shequn_sdk.domain import Article, Button, Link, Media, MediaKind, Piece, Poll
from shequn_sdk.errors import InvalidContent
from shequn_sdk.platforms.http import FilePart

__all__ = ["Rendered", "allowed_mentions", "nonce_for", "poll_payload", "render", "thread_name"]

_NONCE = 25
_SILENT = 4096
_USER = re.compile(r"(?<!\\)<@!?(\d{1,20})>")
_ROLE = re.compile(r"(?<!\\)<@&(\d{1,20})>")
_TEXT = 2000
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_PLAIN = re.compile(r"[\\*_~|`>#]|<a?:(\w+):\d+>")


class Rendered:
    """JSON body of a message and the files beside it."""

    __slots__ = ("body", "files")

    def __init__(self, body: dict[str, Any], files: list[FilePart]) -> None:
        self.body = body
        self.files = files


def nonce_for(idempotency_key: str) -> str:
    """Give the nonce of a delivery: at most 25 characters, the same for the same key."""
    if len(idempotency_key) <= _NONCE and idempotency_key.isascii() and idempotency_key.isprintable():
        return idempotency_key
    return b32encode(hashlib.blake2b(idempotency_key.encode(), digest_size=15).digest()).decode().lower()


def allowed_mentions(text: str, attrs: Mapping[str, Any], *, ping_reply: bool = False) -> dict[str, Any]:
    """Say who may be rung: only those whose mention stands in the text unescaped, nobody else.

    `mention_everyone` in a piece's attrs lets @everyone and @here ring.
    """
    parse = ["everyone"] if attrs.get("mention_everyone") is True else []
    users = list(dict.fromkeys(_USER.findall(text)))[:100]
    roles = list(dict.fromkeys(_ROLE.findall(text)))[:100]
    allowed: dict[str, Any] = {"parse": parse}
    if users:
        allowed["users"] = users
    if roles:
        allowed["roles"] = roles
    if ping_reply:
        allowed["replied_user"] = True
    return allowed


def poll_payload(poll: Poll) -> dict[str, Any]:
    """Give Discord's form of a poll; its duration is rounded up to hours."""
    hours = 24 if poll.duration is None else math.ceil(poll.duration.total_seconds() / 3600)
    return {
        "question": {"text": poll.question},
        "answers": [{"poll_media": {"text": choice}} for choice in poll.choices],
        "duration": min(768, max(1, hours)),
        "allow_multiselect": poll.multiple,
        "layout_type": 1,
    }


def _button(button: Button) -> dict[str, Any]:
    if button.url is not None:
        return {"type": 2, "style": 5, "label": button.label, "url": str(button.url)}
    return {"type": 2, "style": 1, "label": button.label, "custom_id": button.data}


def _image(media: Media | None) -> dict[str, Any] | None:
    return {"url": str(media.url)} if media is not None and media.url is not None else None


def _link_embed(link: Link) -> dict[str, Any]:
    embed: dict[str, Any] = {
        "type": "rich",
        "url": str(link.url),
        "title": (link.title or str(link.url))[:256],
    }
    if link.description:
        embed["description"] = link.description[:4096]
    image = _image(link.image)
    if image:
        embed["image"] = image
    return embed


def _article_embed(article: Article) -> dict[str, Any]:
    embed: dict[str, Any] = {"type": "rich", "title": article.title, "description": article.body}
    if article.url is not None:
        embed["url"] = str(article.url)
    if article.author:
        embed["author"] = {"name": article.author[:256]}
    if article.digest:
        embed["footer"] = {"text": article.digest[:2048]}
    image = _image(article.cover)
    if image:
        embed["image"] = image
    return embed


async def _load(media: Media, number: int) -> FilePart:
    if media.data is not None:
        data = media.data
    elif media.path is not None:
        try:
            data = await asyncio.to_thread(media.path.read_bytes)
        except OSError as error:
            raise InvalidContent(
                f"the file {media.path.name} cannot be read ({error.strerror}); nothing was sent",
                platform="discord",
                operation="publish",
            ) from None
    else:
        raise InvalidContent(
            "Discord keeps no files that a message could name by id; give path, data or url instead of native_id",
            platform="discord",
            operation="publish",
        )
    name = media.filename or (media.path.name if media.path is not None else "")
    mime = media.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
    if not name:
        name = f"{media.kind}-{number}{mimetypes.guess_extension(mime) or ''}"
    return FilePart(name, data, mime)


async def _place_media(media: tuple[Media, ...], body: dict[str, Any], files: list[FilePart]) -> None:
    attachments: list[dict[str, Any]] = []
    for item in media:
        if item.url is not None:
            if item.kind in {MediaKind.PHOTO, MediaKind.ANIMATION}:
                body.setdefault("embeds", []).append({"type": "rich", "image": {"url": str(item.url)}})
            else:
                body["content"] = f"{body.get('content', '')}\n{item.url}".strip()
            continue
        part = await _load(item, len(files))
        attachment: dict[str, Any] = {"id": str(len(files)), "filename": part.filename}
        if item.alt:
            attachment["description"] = item.alt[:1024]
        attachments.append(attachment)
        files.append(part)
    if attachments:
        body.setdefault("attachments", []).extend(attachments)
    if len(body.get("content", "")) > _TEXT and media:
        raise InvalidContent(
            f"text with the links of its media is longer than {_TEXT} characters; give the files themselves",
            platform="discord",
            operation="publish",
        )


async def render(piece: Piece, *, idempotency_key: str | None = None) -> Rendered:
    """Give the message that a piece is.

    Raises:
        InvalidContent: a file cannot be read, or is named by an id.
    """
    body: dict[str, Any] = {"allowed_mentions": allowed_mentions(piece.text, piece.attrs)}
    files: list[FilePart] = []
    if piece.text:
        body["content"] = piece.text
    if piece.article is not None:
        body.setdefault("embeds", []).append(_article_embed(piece.article))
    if piece.link is not None:
        body.setdefault("embeds", []).append(_link_embed(piece.link))
        if piece.link.image is not None and piece.link.image.url is None:
            part = await _load(piece.link.image, 0)
            name = _UNSAFE.sub("_", part.filename)  # attachment:// takes no other characters
            body["embeds"][-1]["image"] = {"url": f"attachment://{name}"}
            body["attachments"] = [{"id": "0", "filename": name}]
            files.append(FilePart(name, part.data, part.content_type))
    await _place_media(piece.media, body, files)
    if piece.poll is not None:
        body["poll"] = poll_payload(piece.poll)
    if piece.buttons:
        body["components"] = [
            {"type": 1, "components": [_button(button) for button in row]} for row in piece.buttons if row
        ]
    if piece.silent:
        body["flags"] = _SILENT
    if piece.reply_to is not None:
        body["message_reference"] = {"type": 0, "message_id": piece.reply_to}
    if idempotency_key is not None:
        body["nonce"] = nonce_for(idempotency_key)
        body["enforce_nonce"] = True
    return Rendered(body, files)


def thread_name(piece: Piece) -> str:
    """Give the title of the forum post that a piece becomes: its attrs' title, or the first words of its text."""
    title = piece.attrs.get("title")
    candidates = (
        title if isinstance(title, str) else "",
        piece.article.title if piece.article else "",
        next((line for line in _PLAIN.sub(r"\1", piece.text).splitlines() if line.strip()), ""),
        piece.poll.question if piece.poll else "",
        piece.link.title if piece.link else "",
    )
    return next((text.strip()[:100] for text in candidates if text.strip()), "…")
