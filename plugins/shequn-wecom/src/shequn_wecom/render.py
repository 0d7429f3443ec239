"""From a piece to the JSON that WeCom's calls take. Documents 91770 (robot), 90236 (application messages)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shequn_sdk.domain import Article, Button, EntityKind, Link, Media, MediaKind, Piece, Poll
from shequn_sdk.errors import InvalidContent, TargetNotFound
from shequn_wecom.errors import PLATFORM

__all__ = [
    "MEDIA_TYPES",
    "Target",
    "button_card",
    "check_text",
    "digest",
    "link_body",
    "mpnews_body",
    "poll_card",
    "refuse",
    "sniff",
    "text_body",
]

_MARKED = re.compile(
    r"\*\*\S|`[^`\n]+`|\[[^\]\n]+\]\([^)\s]+\)|^(?:#{1,6} |> |```)|<@[^>\s]+>|<font color=", re.MULTILINE
)

MEDIA_TYPES: dict[MediaKind, str] = {
    MediaKind.PHOTO: "image",
    MediaKind.VIDEO: "video",
    MediaKind.VOICE: "voice",
    MediaKind.AUDIO: "file",
    MediaKind.ANIMATION: "file",
    MediaKind.DOCUMENT: "file",
}

CARD_TITLE = 26
CARD_TEXT = 112
CARD_DESC = 30
NEWS_TITLE = 128
NEWS_DESCRIPTION = 512
MAX_URL = 2048
MAX_OPTIONS = 20
MAX_BUTTONS = 6


def refuse(why: str, *, operation: str = "publish") -> InvalidContent:
    """Make the error for content that was not sent because WeCom could not take it."""
    return InvalidContent(f"wecom cannot take this: {why}", platform=PLATFORM, operation=operation)


@dataclass(frozen=True, slots=True)
class Target:
    """To whom an application message goes: `@all`, `user:lin|chen`, `party:2`, `tag:3`."""

    field: str
    value: str

    @property
    def everybody(self) -> bool:
        """Whether it is `@all`."""
        return self.value == "@all"

    @classmethod
    def parse(cls, channel: str) -> Target:
        """Read a native channel id.

        Raises:
            TargetNotFound: it has none of the forms.
        """
        # a talk inside another channel, as interactions name it: @all/user:lin
        channel = channel.rpartition("/")[2]
        if channel == "@all":
            return cls("touser", "@all")
        kind, colon, value = channel.partition(":")
        field = {"user": "touser", "party": "toparty", "tag": "totag"}.get(kind)
        ids = [part for part in value.split("|") if part]
        if not colon or field is None or not ids:
            raise TargetNotFound(
                f"wecom has no channel {channel!r}: write @all, user:lin (several joined by |), party:2 or tag:3",
                platform=PLATFORM,
                operation="publish",
            )
        most = 1000 if field == "touser" else 100
        if len(ids) > most:
            raise refuse(f"{len(ids)} receivers in one message; {most} are the most, or use @all")
        return cls(field, "|".join(ids))


def digest(*parts: str) -> str:
    """Give a short name that is the same for the same parts."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]


def size(text: str) -> int:
    """Give bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def check_text(text: str, *, limit: int, what: str = "the text") -> None:
    """Refuse a text that WeCom would refuse, or cut without a word.

    Raises:
        InvalidContent: it is longer than `limit` bytes, or holds half a character.
    """
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        raise refuse(f"{what} holds half of a surrogate pair, which is no character") from None
    if length > limit:
        raise refuse(f"{what} has {length} bytes of UTF-8 and {limit} are the most; split it")


def text_body(text: str, text_format: str) -> dict[str, Any]:
    """Give msgtype and content of a text; `auto` looks whether it has marks."""
    if text_format == "auto":
        text_format = "markdown" if _MARKED.search(text) else "text"
    return {"msgtype": text_format, text_format: {"content": text}}


def mentioned(piece: Piece) -> list[str]:
    """Give the ids of members that the piece mentions."""
    return [
        entity.member_id
        for entity in piece.entities
        if entity.kind is EntityKind.MENTION and entity.member_id
    ]


def _cut(text: str, limit: int) -> str:
    data = text.encode()
    return text if len(data) <= limit else data[:limit].decode("utf-8", "ignore")


def _title_of(text: str, fallback: str) -> str:
    for line in text.splitlines():
        if line.strip():
            return line.strip()
    return fallback


def link_body(link: Link, text: str, text_format: str, *, limit: int) -> dict[str, Any]:
    """Give a link as a card, or as text with the address when the text is too long for a card."""
    url = str(link.url)
    if len(url) > MAX_URL:
        raise refuse(f"the link has {len(url)} bytes and {MAX_URL} are the most")
    title = link.title or _title_of(text, url)
    description = link.description or (text if text.strip() != title else "")
    says_all = not link.description or not text.strip() or text.strip() == link.description.strip()
    if says_all and size(title) <= NEWS_TITLE and size(description) <= NEWS_DESCRIPTION:
        article: dict[str, Any] = {"title": title, "description": description, "url": url}
        if link.image is not None and link.image.url is not None:
            article["picurl"] = str(link.image.url)
        return {"msgtype": "news", "news": {"articles": [article]}}
    lines = [part for part in (text, link.title and link.title not in text and link.title, url) if part]
    whole = "\n".join(lines)
    check_text(whole, limit=limit)
    return text_body(whole, "text" if text_format == "auto" and not _MARKED.search(text) else text_format)


def article_link(article: Article) -> Link | None:
    """Give an article as a link to where it can be read whole; None when it has no address."""
    if article.url is None:
        return None
    return Link(
        url=article.url,
        title=_cut(article.title, NEWS_TITLE),
        description=_cut(article.digest or _title_of(article.body, ""), NEWS_DESCRIPTION),
        image=article.cover,
    )


def article_text(article: Article, text_format: str, *, limit: int) -> dict[str, Any]:
    """Give a short article as one text."""
    head = article.title if text_format == "text" else f"**{article.title}**"
    whole = f"{head}\n{article.body}"
    check_text(whole, limit=limit, what="an article without cover and address")
    return text_body(whole, text_format)


def mpnews_body(article: Article, cover: str) -> dict[str, Any]:
    """Give an article as mpnews; `cover` is the media id of its picture."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - needed for articles only

    content = MarkdownIt("commonmark", {"html": False}).render(article.body)
    check_text(content, limit=666 * 1024, what="the article")
    item: dict[str, Any] = {
        "title": _cut(article.title, NEWS_TITLE),
        "thumb_media_id": cover,
        "author": _cut(article.author, 64),
        "content": content,
        "digest": _cut(article.digest, NEWS_DESCRIPTION),
    }
    if article.url is not None:
        item["content_source_url"] = str(article.url)
    return {"msgtype": "mpnews", "mpnews": {"articles": [item]}}


def poll_card(poll: Poll, text: str, task_id: str) -> dict[str, Any]:
    """Give a poll as a vote card; the id of a choice is its index."""
    if len(poll.choices) > MAX_OPTIONS:
        raise refuse(f"a vote card has at most {MAX_OPTIONS} choices, not {len(poll.choices)}")
    if len(poll.question) > CARD_TITLE:
        raise refuse(f"a vote card shows {CARD_TITLE} characters of the question, not {len(poll.question)}")
    for choice in poll.choices:
        if len(choice) > CARD_TITLE:
            raise refuse(f"a vote card shows {CARD_TITLE} characters of a choice, not {len(choice)}")
    title: dict[str, Any] = {"title": poll.question}
    if text.strip() and text.strip() != poll.question:
        if len(text.strip()) > CARD_DESC:
            raise refuse(f"a vote card takes {CARD_DESC} characters beside its question; send the text apart")
        title["desc"] = text.strip()
    return {
        "msgtype": "template_card",
        "template_card": {
            "card_type": "vote_interaction",
            "main_title": title,
            "task_id": task_id,
            "checkbox": {
                "question_key": "choice",
                "mode": 1 if poll.multiple else 0,
                "option_list": [
                    {"id": str(index), "text": choice, "is_checked": False}
                    for index, choice in enumerate(poll.choices)
                ],
            },
            "submit_button": {"text": "提交", "key": "vote"},
        },
    }


def button_card(rows: Sequence[Sequence[Button]], text: str, task_id: str) -> dict[str, Any]:
    """Give a text with buttons as a card: its first line is the title, the rest stands below."""
    buttons = [button for row in rows for button in row]
    if len(buttons) > MAX_BUTTONS:
        raise refuse(f"a card has at most {MAX_BUTTONS} buttons, not {len(buttons)}")
    first = _title_of(text, "")
    rest = text.strip()[len(first) :].strip()
    if len(first) > CARD_TITLE:
        first, rest = "", text.strip()
    if len(rest) > CARD_TEXT:
        raise refuse(
            f"a card with buttons shows {CARD_TITLE} characters of a title and {CARD_TEXT} below; send the text apart"
        )
    card: dict[str, Any] = {"main_title": {"title": first or _cut(rest, 60)[:CARD_TITLE]}}
    if rest:
        card["sub_title_text"] = rest
    items: list[dict[str, Any]] = []
    for button in buttons:
        if button.url is not None:
            items.append(
                {"text": button.label, "type": 1, "url": str(button.url), "key": f"url-{len(items)}"}
            )
        else:
            if size(button.data) > 1024:
                raise refuse("a button's data has more than 1024 bytes")
            items.append({"text": button.label, "style": 1, "key": button.data})
    if all(button.url is not None for button in buttons) and len(buttons) <= 3:
        card["card_type"] = "text_notice"
        card["jump_list"] = [{"type": 1, "title": button.label, "url": str(button.url)} for button in buttons]
        card["card_action"] = {"type": 1, "url": str(buttons[0].url)}
        if not rest:
            card["sub_title_text"] = card["main_title"]["title"]
    else:
        card["card_type"] = "button_interaction"
        card["task_id"] = task_id
        card["button_list"] = items
    return {"msgtype": "template_card", "template_card": card}


def sniff(data: bytes) -> str:
    """Give the suffix that the first bytes of a file speak for, "" for others."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith(b"#!AMR"):
        return "amr"
    if data[4:8] == b"ftyp":
        return "mp4"
    return ""


def file_name(media: Media, data: bytes) -> str:
    """Give a name with a suffix, which WeCom needs."""
    name = media.filename or (media.path.name if media.path else "")
    if not name and media.url is not None:
        name = (media.url.path or "").rsplit("/", 1)[-1]
    if "." not in name:
        name = f"{name or 'file'}.{sniff(data) or 'bin'}"
    return name.replace("\r", "").replace("\n", "")
