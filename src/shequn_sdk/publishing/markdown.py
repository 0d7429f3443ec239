"""The Markdown subset of contents, read into plain text with entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

import regex
from markdown_it import MarkdownIt
from markdown_it.token import Token

from shequn_sdk.domain import Entity, EntityKind
from shequn_sdk.publishing.simple import read_simple

__all__ = ["MEMBER", "RichText", "Span", "parse_markdown"]

MEMBER = "member:"
"""Scheme of links that mention a member: `member:telegram:55,discord:77`."""


class Span(NamedTuple):
    """A stretch of text with a meaning, as `Entity`, in the form that is cheap to move about."""

    kind: EntityKind
    offset: int
    length: int
    url: str = ""
    language: str = ""
    member_id: str = ""

    def entity(self) -> Entity:
        """Give it as the adapter gets it."""
        return Entity(
            kind=self.kind,
            offset=self.offset,
            length=self.length,
            url=self.url,
            language=self.language,
            member_id=self.member_id,
        )


@dataclass(frozen=True, slots=True)
class RichText:
    """Plain text with stretches that mean something; stretches nest, never overlap by half."""

    text: str = ""
    entities: tuple[Span, ...] = ()

    def part(self, start: int, end: int, *, whole: bool = True) -> RichText:
        """Give `text[start:end]` without white space at its ends; stretches are closed and opened again.

        Args:
            start: first position.
            end: position behind the last.
            whole: whether to give itself when nothing is cut off; its stretches have no white space at their ends then.
        """
        text = self.text
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        if whole and not start and end == len(text):
            return self
        if not self.entities:
            return RichText(text[start:end])
        kept: list[Span] = []
        for span in self.entities:
            first = span.offset
            last = first + span.length
            if last <= start or first >= end:
                continue
            if first >= start and last <= end and not (text[first].isspace() or text[last - 1].isspace()):
                kept.append(span if not start else span._replace(offset=first - start))
                continue
            first, last = max(first, start), min(last, end)
            while first < last and text[first].isspace():
                first += 1
            while last > first and text[last - 1].isspace():
                last -= 1
            if first < last:
                kept.append(span._replace(offset=first - start, length=last - first))
        return RichText(text[start:end], tuple(kept))

    def plain(self) -> RichText:
        """Give the text alone."""
        return RichText(self.text)

    def then(self, other: RichText, between: str = "\n\n") -> RichText:
        """Append `other`; `between` is left out when one of both is empty."""
        if not self.text:
            return other
        if not other.text:
            return self
        shift = len(self.text) + len(between)
        moved = [one._replace(offset=one.offset + shift) for one in other.entities]
        return RichText(self.text + between + other.text, (*self.entities, *moved))

    @classmethod
    def marked(cls, text: str, kind: EntityKind) -> RichText:
        """Give a text that is one stretch."""
        return cls(text, (Span(kind, 0, len(text)),)) if text else cls()


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False})
    # What surprises people who write posts, not documents: indented code, underlined headings, HTML entities.
    normalize = parser.normalizeLink
    # its reading of addresses takes what follows a colon for a port, and moves it
    parser.normalizeLink = lambda url: url if url.startswith(MEMBER) else normalize(url)
    parser.disable(["code", "lheading", "reference", "html_block", "html_inline", "entity"])
    return parser.enable("strikethrough")


_INLINE = {
    "strong": EntityKind.BOLD,
    "em": EntityKind.ITALIC,
    "s": EntityKind.STRIKE,
    "link": EntityKind.LINK,
    "blockquote": EntityKind.QUOTE,
    "heading": EntityKind.BOLD,
}


class _Writer:
    """Walks over markdown-it's tokens."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.length = 0
        self.entities: list[Span] = []
        self.open: list[tuple[EntityKind, int, str]] = []
        self.lists: list[int | None] = []
        self.gap = ""

    def write(self, text: str) -> None:
        if text:
            if self.gap:
                gap, self.gap = self.gap, ""
                if self.length:
                    self.write(gap)
            self.out.append(text)
            self.length += len(text)

    def flush(self) -> None:
        """Write a pending gap, so that a stretch begins after it."""
        if self.gap and self.length:
            gap, self.gap = self.gap, ""
            self.write(gap)
        self.gap = ""

    def begin(self, kind: EntityKind, url: str = "") -> None:
        self.flush()
        self.open.append((kind, self.length, url))

    def end(self) -> None:
        kind, start, url = self.open.pop()
        self.mark(kind, start, url=url)

    def mark(self, kind: EntityKind, start: int, *, url: str = "", language: str = "") -> None:
        if self.length > start:
            self.entities.append(Span(kind, start, self.length - start, url, language))

    def block_gap(self) -> None:
        self.gap = "\n" if self.lists else "\n\n"

    def walk(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            kind, _, side = token.type.rpartition("_")
            if side == "open":
                self.opened(kind, token)
            elif side == "close":
                self.closed(kind)
            else:
                self.leaf(token)

    def opened(self, kind: str, token: Token) -> None:
        if kind in _INLINE:
            href: Any = token.attrGet("href") if kind == "link" else ""
            self.begin(_INLINE[kind], str(href or ""))
        elif kind == "bullet_list":
            self.lists.append(None)
        elif kind == "ordered_list":
            start: Any = token.attrGet("start")
            self.lists.append(1 if start is None else int(start))
        elif kind == "list_item":
            number = self.lists[-1]
            if number is None:
                sign = "• "
            else:
                sign = f"{number}. "
                self.lists[-1] = number + 1
            self.write("  " * (len(self.lists) - 1) + sign)

    def closed(self, kind: str) -> None:
        if kind in _INLINE:
            self.end()
        if kind in {"paragraph", "heading", "blockquote", "list_item"}:
            self.block_gap()
        elif kind in {"bullet_list", "ordered_list"}:
            self.lists.pop()
            self.block_gap()

    def leaf(self, token: Token) -> None:
        if token.type == "inline":
            self.walk(token.children or ())
        elif token.type in {"softbreak", "hardbreak"}:
            self.write("\n")
        elif token.type == "code_inline":
            self.flush()
            start = self.length
            self.write(token.content)
            self.mark(EntityKind.CODE, start)
        elif token.type == "fence":
            self.flush()
            start = self.length
            self.write(token.content.rstrip("\n"))
            self.mark(EntityKind.PRE, start, language=token.info.split()[0] if token.info.strip() else "")
            self.block_gap()
        elif token.type == "hr":
            self.write("———")
            self.block_gap()
        elif token.type == "image":
            source: Any = token.attrGet("src")
            self.begin(EntityKind.LINK, str(source or ""))
            self.write(token.content or str(source or ""))
            self.end()
        else:
            self.write(token.content)


_MARKED = regex.compile(r"[*_~`\[\]<\\\t\x00]|^ *(?:[>#+-]|\d{1,9}[.)])", regex.MULTILINE)
"""What the parser may see a mark in: texts without any need no parser."""
_GAP = regex.compile(r"\n(?: *\n)+")
_EDGES = regex.compile(r" *\n *")


def _unmarked(text: str) -> str:
    """Give what the parser would give for a text without marks: paragraphs, lines without spaces at their ends."""
    if "\n" not in text:
        return text.strip()
    return "\n\n".join(_EDGES.sub("\n", part).strip(" ") for part in _GAP.split(text.strip())).strip()


@lru_cache(maxsize=256)
def parse_markdown(text: str) -> RichText:
    """Read the subset: bold, italic, strike, code, code blocks, quotes, links, lists; headings become bold.

    >>> parse_markdown("**Hi** [there](https://example.org)").text
    'Hi there'
    """
    if not text.strip():
        return RichText()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not _MARKED.search(text):
        return RichText(_unmarked(text))
    simple = read_simple(text)
    if simple is not None:
        return RichText(simple.text, tuple(Span(*one) for one in simple.stretches))
    return _parsed(text)


def _parsed(text: str) -> RichText:
    """Let the parser read it."""
    writer = _Writer()
    writer.walk(_parser().parse(text))
    rich = RichText(
        "".join(writer.out), tuple(sorted(writer.entities, key=lambda one: (one.offset, -one.length)))
    )
    return rich.part(0, len(rich.text), whole=False)
