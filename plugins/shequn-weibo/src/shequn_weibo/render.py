"""What a post must be before it is sent, and how a post is recognised afterwards."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from shequn_sdk.domain import Media, MediaKind, Piece
from shequn_sdk.errors import InvalidContent, NotSupported
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart
from shequn_sdk.platforms.manifest import Capability, Manifest, TextLimit, measure
from shequn_sdk.platforms.media import read_media
from shequn_weibo.errors import PLATFORM

__all__ = ["check_comment", "check_piece", "fingerprint", "picture_of", "refuse", "safe_link", "stands_as"]

_URL = re.compile(r"https?://[0-9A-Za-z\-._~:/?#\[\]@!$&'()*+,;=%]+", re.ASCII)
_TOPIC = re.compile(r"#[^#\n]+#")
_CUT = re.compile(r"(?:\.{3}|…+)全文[:：]?$")
_SHORTEST_CUT = 40
_SPACE = re.compile(r"\s+")
_SIGNS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}


def refuse(why: str, *, operation: str = "statuses/share") -> InvalidContent:
    """Make the error of content that Weibo would not take."""
    return InvalidContent(f"weibo: {why}", platform=PLATFORM, operation=operation)


def safe_link(text: str, domains: Sequence[str]) -> bool:
    """Whether a link in `text` is under one of `domains`."""
    for url in _URL.findall(text):
        try:
            host = (urlsplit(url).hostname or "").rstrip(".")
        except ValueError:
            continue
        if any(host == domain or host.endswith(f".{domain}") for domain in domains):
            return True
    return False


def check_piece(piece: Piece, manifest: Manifest, domains: Sequence[str]) -> None:
    """Refuse what cannot be posted, before a call is spent on it.

    Raises:
        NotSupported: a form of content that Weibo has not.
        InvalidContent: too long, no link under a safe domain, or the wrong file.
    """
    if piece.poll is not None:
        manifest.require(Capability.PUBLISH_POLL)
    if piece.article is not None:
        manifest.require(Capability.PUBLISH_ARTICLE)
    if piece.link is not None:
        manifest.require(Capability.PUBLISH_LINK)
    if piece.buttons:
        manifest.require(Capability.BUTTONS)
    if piece.reply_to:
        manifest.require(Capability.REPLY)
    if len(piece.media) > 1:
        manifest.require(Capability.PUBLISH_ALBUM)
    for media in piece.media:
        if media.kind is not MediaKind.PHOTO:
            kind = {
                MediaKind.VIDEO: Capability.PUBLISH_VIDEO,
                MediaKind.ANIMATION: Capability.PUBLISH_VIDEO,
                MediaKind.DOCUMENT: Capability.PUBLISH_DOCUMENT,
            }.get(media.kind, Capability.PUBLISH_AUDIO)
            manifest.require(kind)
    if not piece.text.strip():
        raise refuse("a post needs text, also beside a picture")
    _fit(piece.text, manifest.limits.text, "statuses/share")
    if domains and not safe_link(piece.text, domains):
        raise refuse(
            f"a post needs a link under a safe domain of the application ({', '.join(domains)}); add one to the text, "
            "or enter the domain of the link that is there under 应用信息 → 安全域名 and in option safe_domains"
        )


def check_comment(text: str, limit: TextLimit) -> None:
    """Refuse a comment that cannot be sent."""
    if not text.strip():
        raise refuse("a comment needs text", operation="comments/create")
    _fit(text, limit, "comments/create")


def _fit(text: str, limit: TextLimit, operation: str) -> None:
    if not limit.fits(text):
        raise refuse(
            f"the text measures {measure(text, limit.unit)} 汉字 and {limit.maximum} are the most; shorten it",
            operation=operation,
        )


async def picture_of(media: Media, context: AdapterContext, *, limit: int) -> FilePart:
    """Read a picture from where it is, and check what Weibo would check.

    Raises:
        InvalidInput: it cannot be read.
        InvalidContent: it is no JPEG, PNG or GIF, or too big.
        Unavailable: its address does not answer now.
    """
    data = await read_media(media, context)
    if data is None:
        raise NotSupported(
            "weibo keeps no pictures for later posts: give the file, not a native id",
            platform=PLATFORM,
            capability=Capability.PUBLISH_PHOTO,
        )
    mime = next((kind for sign, kind in _SIGNS.items() if data.startswith(sign)), "")
    if not mime:
        raise refuse("the picture is no JPEG, PNG or GIF")
    if len(data) > limit:
        raise refuse(f"the picture has {len(data)} bytes and {limit} are the most; make it smaller")
    return FilePart(filename=media.filename or f"picture.{mime[6:]}", data=data, content_type=mime)


def fingerprint(text: str) -> str:
    """Give what stays of a text on Weibo: links become t.cn there, and topics may be stripped."""
    plain = html.unescape(text)
    return _SPACE.sub("", _TOPIC.sub("", _URL.sub("", plain)))


def stands_as(text: str, told: str) -> bool:
    """Whether `told`, as a timeline gives it, is `text`; timelines cut long posts and end them with 全文 and a link."""
    wanted, found = fingerprint(text), fingerprint(told)
    if found == wanted:
        return True
    begun = _CUT.sub("", found)
    return begun != found and len(begun) >= _SHORTEST_CUT and wanted.startswith(begun)
