"""Reads RSS and Atom: what strangers wrote becomes plain text, addresses and instants, within limits."""

from __future__ import annotations

import calendar
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib import import_module
from typing import Any
from urllib.parse import urljoin, urlsplit

from shequn_sdk.errors import InvalidInput, MissingExtra

__all__ = ["MOST_ITEMS", "ParsedFeed", "ParsedItem", "parse_feed", "plain_text", "refuse_entities"]

MOST_ITEMS = 500
"""Items of one feed that are looked at, newest first as they stand."""
_MOST_TEXT = 20_000
_MOST_TITLE = 500
_MOST_URL = 2000
_MOST_DEPTH = 200
_ENTITY = re.compile(rb"<!\s*ENTITY", re.IGNORECASE)
_GAPS = re.compile(r"[ \t\f\v\u00a0\u3000]+")
_LINES = re.compile(r"\n\s*\n\s*")
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "dd",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "th",
        "tr",
        "ul",
    ]
)
_SILENT = frozenset(
    {"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "head", "title"}
)


@dataclass(frozen=True, slots=True)
class ParsedItem:
    """One entry as the feed gives it."""

    key: str
    url: str
    title: str
    author: str
    text: str
    image: str
    categories: tuple[str, ...]
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A feed as it was read."""

    title: str
    site: str
    items: tuple[ParsedItem, ...]


def refuse_entities(data: bytes, what: str) -> None:
    """Refuse XML that declares entities of its own: what they grow to is the sender's choice.

    Looks at the bytes without zeros, so that UTF-16 and UTF-32 hide nothing.

    Raises:
        InvalidInput: it declares one.
    """
    if _ENTITY.search(data) or (b"\x00" in data and _ENTITY.search(data.replace(b"\x00", b""))):
        raise InvalidInput(f"{what} declares XML entities of its own, which is not read")


class _Text(HTMLParser):
    """Collects the text of HTML, and the first picture."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.image = ""
        self.silent: list[str] = []
        self.size = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            if len(self.silent) < _MOST_DEPTH:
                self.silent.append(tag)
        elif tag in _BLOCKS:
            self.out.append("\n\n" if tag == "p" else "\n")
        elif tag == "img" and not self.image and not self.silent:
            found = dict(attrs)
            small = any((found.get(side) or "").strip() in {"0", "1"} for side in ("width", "height"))
            if not small:  # those are counters, not pictures
                self.image = (found.get("src") or "").strip()

    def handle_endtag(self, tag: str) -> None:
        if self.silent and tag == self.silent[-1]:
            self.silent.pop()
        elif tag in _BLOCKS:
            self.out.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent and self.size < _MOST_TEXT * 2:
            self.out.append(data)
            self.size += len(data)


def plain_text(html: str) -> tuple[str, str]:
    """Give the text of a piece of HTML, and the address of its first picture as it is written; both may be empty."""
    reader = _Text()
    reader.feed(html[: _MOST_TEXT * 20])
    reader.close()
    lines = [_GAPS.sub(" ", line).strip() for line in "".join(reader.out).split("\n")]
    return _clean(_LINES.sub("\n\n", "\n".join(lines)))[:_MOST_TEXT], reader.image


def _clean(text: str) -> str:
    """Take out what is no text: control characters, and marks that turn the reading direction."""
    return "".join(
        one
        for one in text
        if one in "\n\t"
        or (one.isprintable() and not "\u202a" <= one <= "\u202e" and not "\u2066" <= one <= "\u2069")
        or one in "\u200d\ufe0f"
    ).strip()


def _line(value: Any, most: int) -> str:
    return _GAPS.sub(" ", plain_text(str(value or ""))[0].replace("\n", " ")).strip()[:most]


def _address(value: Any, base: str) -> str:
    """Give an absolute http address, or "" for everything else."""
    text = str(value or "").strip()
    if not text or len(text) > _MOST_URL:
        return ""
    try:
        whole = urljoin(base, text)
        parts = urlsplit(whole)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        return ""
    return whole if all(ord(one) > 32 for one in whole) else ""


def parse_feed(data: bytes, *, url: str, headers: Mapping[str, str] | None = None) -> ParsedFeed:
    """Read RSS 0.9x, 1.0 and 2.0, and Atom; broken markup is read as far as it goes. Blocking: run it in a thread.

    Raises:
        InvalidInput: it is no feed, or it declares entities of its own.
        MissingExtra: the extra `feeds` is not installed.
    """
    refuse_entities(data, "the feed")
    try:
        library: Any = import_module("feedparser")
    except ModuleNotFoundError:
        raise MissingExtra("feeds need feedparser", "feeds") from None
    told = {"content-type": (headers or {}).get("content-type", "application/xml"), "content-location": url}
    try:
        # bytes, never a text: a text is taken for an address or a file name
        found: Any = library.parse(_Body(data), response_headers=told, resolve_relative_uris=False)
    except RecursionError:
        raise InvalidInput("the feed is nested too deeply") from None
    except Exception as error:
        raise InvalidInput(f"the feed cannot be read: {type(error).__name__}") from error
    about: Any = found.get("feed", {})
    if not found.get("version") and not found.get("entries"):
        raise InvalidInput("this is no RSS or Atom feed; look for the feed's own address on the site")
    site = _address(about.get("link"), url)
    items = [_item(entry, site or url) for entry in found.get("entries", [])[:MOST_ITEMS]]
    kept = {item.key: item for item in reversed(items) if item is not None}
    return ParsedFeed(_line(about.get("title"), _MOST_TITLE), site, tuple(reversed(kept.values())))


class _Body:
    """A stream of bytes: the only form that the library takes for nothing else."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes."""
        if size < 0:
            size = len(self._data)
        data, self._data = self._data[:size], self._data[size:]
        return data


def _item(entry: Any, base: str) -> ParsedItem | None:
    url = _address(entry.get("link"), base)
    html = ""
    for part in entry.get("content", [])[:5]:
        value = str(part.get("value", ""))
        html = value if len(value) > len(html) else html
    summary = str(entry.get("summary", ""))
    text, image = plain_text(html or summary)
    if html and not image:
        image = plain_text(summary)[1]
    title = _line(entry.get("title"), _MOST_TITLE) or text.split("\n", 1)[0][:80]
    if not title and not url:
        return None
    key = str(entry.get("id") or "").strip() or url or title
    if len(key) > 500:
        key = "sha256:" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
    categories = tuple(
        dict.fromkeys(name for tag in entry.get("tags", [])[:50] if (name := _line(tag.get("term"), 100)))
    )
    return ParsedItem(
        key=_clean(key),
        url=url,
        title=title,
        author=_line(entry.get("author"), 200),
        text=text,
        image=_picture(entry, base) or _address(image, url or base),
        categories=categories,
        published_at=_instant(entry.get("published_parsed") or entry.get("updated_parsed")),
    )


def _picture(entry: Any, base: str) -> str:
    for part in (*entry.get("media_content", [])[:10], *entry.get("enclosures", [])[:10]):
        kind = str(part.get("type") or part.get("medium") or "")
        if kind.startswith("image"):
            found = _address(part.get("url") or part.get("href"), base)
            if found:
                return found
    for part in entry.get("media_thumbnail", [])[:3]:
        found = _address(part.get("url"), base)
        if found:
            return found
    return ""


def _instant(parsed: Any) -> datetime | None:
    if parsed is None:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None
