"""What goes with a mass message, a welcome or a moment. Documents 92135, 92137."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shequn_sdk.domain import MediaKind, Piece
from shequn_wecom.media import MediaShelf
from shequn_wecom.render import check_text, refuse

__all__ = ["attachments_of", "kinds_of", "kinds_told"]

_ATTACHMENTS = {MediaKind.PHOTO: "image", MediaKind.VIDEO: "video", MediaKind.DOCUMENT: "file"}


async def attachments_of(piece: Piece, shelf: MediaShelf) -> list[dict[str, Any]]:
    """Give a piece's files and link as attachments of mass messages, welcomes and moments.

    Raises:
        InvalidContent: there are too many, of the wrong kind, or nothing at all.
    """
    attachments: list[dict[str, Any]] = []
    for media in piece.media:
        kind = _ATTACHMENTS.get(media.kind)
        if kind is None:
            raise refuse(f"mass messages and welcomes take pictures, videos and files, not {media.kind}")
        attachments.append({"msgtype": kind, kind: {"media_id": await shelf.media_id(media)}})
    if piece.link is not None:
        link: dict[str, Any] = {
            "title": piece.link.title or str(piece.link.url),
            "url": str(piece.link.url),
        }
        if piece.link.description:
            link["desc"] = piece.link.description
        if piece.link.image is not None and piece.link.image.url is not None:
            link["picurl"] = str(piece.link.image.url)
        check_text(link["title"], limit=128, what="the link's title")
        check_text(link.get("desc", ""), limit=512, what="the link's description")
        attachments.append({"msgtype": "link", "link": link})
    if len(attachments) > 9:
        raise refuse(f"a mass message has at most nine attachments, not {len(attachments)}")
    if not attachments and not piece.text.strip():
        raise refuse("the message is empty")
    return attachments


def kinds_of(piece: Piece) -> list[str]:
    """Give what of a piece's attachments can be recognised later: their kinds, and the address of a link."""
    kinds = [_ATTACHMENTS.get(media.kind, "") for media in piece.media]
    return sorted([*kinds, *([f"link {piece.link.url}"] if piece.link is not None else [])])


def kinds_told(attachments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give the same of the attachments that WeCom tells."""
    kinds: list[str] = []
    for item in attachments:
        kind = str(item.get("msgtype") or "")
        link = item.get("link")
        if kind == "link" and isinstance(link, dict):
            kind = f"link {link.get('url', '')}"  # pyright: ignore[reportUnknownMemberType]
        kinds.append(kind)
    return sorted(kinds)
