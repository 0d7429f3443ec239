"""Reads Markdown of the simplest kind, thirty times as fast as the parser: what most posts are written in.

Paragraphs, flat `- ` lists, and in them bold, italic, code and links that do not touch or hold each other. Whatever might
mean something else under CommonMark's rules is left to the parser: a text is read here whole or not at all, and a test
compares both.
"""

from __future__ import annotations

from typing import NamedTuple

import regex

from shequn_sdk.domain import EntityKind

__all__ = ["Found", "read_simple"]

_ALONE = regex.compile(
    r"`(?P<code>[^`\s](?:[^`\n]*[^`\s])?)`(?!`)"
    r"|(?<!!)\[(?P<label>[^\[\]*`_~\\<\n]+)\]\((?P<url>https?://[A-Za-z0-9.\-]+(?::\d+)?(?:/[A-Za-z0-9._~/?=&+,@:\-]*)?)\)"
    r"|(?<!\*)\*\*(?P<bold>[\p{L}\p{N}](?:[^*`\[\]_~\\<\n]*[\p{L}\p{N}])?)\*\*(?!\*)"
    r"|(?<!\*)\*(?P<italic>[\p{L}\p{N}](?:[^*`\[\]_~\\<\n]*[\p{L}\p{N}])?)\*(?!\*)"
)
_LEFT = regex.compile(r"[*_~`\[\]<\\]")
"""What must not be left over outside of what was understood."""
_BLOCK = regex.compile(r"\s*(?:[>#+]|-|\d{1,9}[.)])")
_GAP = regex.compile(r"\n(?: *\n)+")
_UNUSUAL = regex.compile(r"[^\P{C}\n]|[\t\u00a0\u2028\u2029\u3000]|[^\S\n ]")
_KINDS = {
    "code": EntityKind.CODE,
    "label": EntityKind.LINK,
    "bold": EntityKind.BOLD,
    "italic": EntityKind.ITALIC,
}


class Found(NamedTuple):
    """Text, and its stretches as kind, offset, length and address."""

    text: str
    stretches: list[tuple[EntityKind, int, int, str]]


def read_simple(text: str) -> Found | None:
    """Read a text; None when the parser has to."""
    if _UNUSUAL.search(text):
        return None
    out: list[str] = []
    stretches: list[tuple[EntityKind, int, int, str]] = []
    length = 0
    was_list = False
    for number, block in enumerate(_GAP.split(text.strip("\n "))):
        lines = block.split("\n")
        is_list = lines[0].startswith("- ")
        if was_list and (is_list or lines[0].startswith(" ")):
            return None  # one list with gaps, or a further paragraph of its last item
        was_list = is_list
        if number:
            out.append("\n\n")
            length += 2
        for index, line in enumerate(lines):
            body = line.strip(" ")
            if is_list:
                if not line.startswith("- ") or line[2:3] == " ":
                    return None
                body = line[2:].strip(" ")
            if not body or _BLOCK.match(body):
                return None
            start = "" if not index else "\n"
            if is_list:
                start += "• "
            out.append(start)
            length += len(start)
            read = _line(body, length, stretches)
            if read is None:
                return None
            out.append(read)
            length += len(read)
    return Found("".join(out), stretches)


def _line(body: str, offset: int, stretches: list[tuple[EntityKind, int, int, str]]) -> str | None:
    """Read one line; its stretches are appended. None when something is left over."""
    if not _LEFT.search(body):
        return body
    out: list[str] = []
    position = length = 0
    for found in _ALONE.finditer(body):
        plain = body[position : found.start()]
        kind = found.lastgroup or ""
        if kind == "url":
            kind = "label"
        inner = found[kind]
        if _LEFT.search(plain) or inner.strip(" ") != inner:
            return None
        out += (plain, inner)
        length += len(plain)
        stretches.append((_KINDS[kind], offset + length, len(inner), found["url"] or ""))
        length += len(inner)
        position = found.end()
    rest = body[position:]
    if _LEFT.search(rest):
        return None
    out.append(rest)
    return "".join(out)
