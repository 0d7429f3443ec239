"""Text of strangers made safe to show: names and titles come from members."""

from __future__ import annotations

import unicodedata

__all__ = ["short", "visible", "width"]

_ZWJ = "\u200d"
_VARIATION = "\ufe0f"
_MAX_MARKS = 3
# Code points that reorder, hide or break text around them; ZWJ is handled apart because emoji need it.
_REMOVED = frozenset(
    chr(code)
    for start, end in (
        (0x00AD, 0x00AD),
        (0x034F, 0x034F),
        (0x061C, 0x061C),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x200B, 0x200C),
        (0x200E, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0x3164, 0x3164),
        (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFFB),
        (0xE0000, 0xE0FFF),
    )
    for code in range(start, end + 1)
)


def visible(text: str) -> str:
    """Drop what would hide, reorder or break text; keep everything a reader can see.

    Removed are bidirectional and zero-width controls and tags; control characters and line ends become a space;
    lone surrogates become U+FFFD; of stacked combining marks the first three stay.
    """
    out: list[str] = []
    marks = 0
    for index, char in enumerate(text):
        category = unicodedata.category(char)
        if char == _ZWJ:
            follows = index + 1 < len(text) and unicodedata.category(text[index + 1]) == "So"
            if follows and out and (out[-1] == _VARIATION or unicodedata.category(out[-1]) in {"So", "Sk"}):
                out.append(char)
            continue
        if char in _REMOVED:
            continue
        if category in {"Cc", "Zl", "Zp"}:
            out.append(" ")
            marks = 0
        elif category == "Cs":
            out.append("\ufffd")
            marks = 0
        elif category in {"Mn", "Me"}:
            marks += 1
            if marks <= _MAX_MARKS:
                out.append(char)
        else:
            marks = 0
            out.append(char)
    return "".join(out)


def width(text: str) -> int:
    """Columns that text takes where a Chinese character is two wide."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def short(text: str, *, columns: int = 20) -> str:
    """Cut text to a number of columns, with an ellipsis when something was cut."""
    if width(text) <= columns:
        return text
    kept = ""
    for char in text:
        if width(kept + char) > columns - 1:
            break
        kept += char
    return kept.rstrip() + "…"
