"""Group solitaire as text: the numbered list that members carry on, read and written."""

from __future__ import annotations

import re
import unicodedata

from pydantic import Field

from shequn_sdk.domain import Frozen

__all__ = ["Line", "Solitaire", "parse_solitaire", "render_solitaire"]

_LINE = re.compile(r"^\s*(\d{1,4})\s*[.．、,，:：)）]\s*(.*)$")
_HEAD = re.compile(r"^\s*#\s*(?:接龙|solitaire)\s*#?\s*$", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_MOST = 2000
"""Lines that are read of one message."""


class Line(Frozen):
    """One person's line: their name, and what they want."""

    name: str = Field(min_length=1, max_length=64)
    note: str = Field(default="", max_length=200)


class Solitaire(Frozen):
    """A numbered list with its title (接龙)."""

    title: str = ""
    lines: tuple[Line, ...] = ()


def clean(text: str, most: int) -> str:
    """Give one line without control characters and doubled spaces, cut to a length."""
    kept = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
    return _SPACE.sub(" ", kept).strip()[:most].strip()


def parse_solitaire(text: str) -> Solitaire | None:
    r"""Read a list as members copy it on; None when the text has no numbered line.

    Numbers serve to see lines, not to order them: members who write at once repeat numbers, and none of the lines is lost.
    The name ends at the first space. Lines without a name are left out.

    >>> parse_solitaire("#接龙\n周末爬山\n1. 小林 两份\n2、小陈").lines
    (Line(name='小林', note='两份'), Line(name='小陈', note=''))
    """
    title: list[str] = []
    lines: list[Line] = []
    numbered = False
    for raw in text.splitlines()[:_MOST]:
        found = _LINE.match(raw)
        if found is None:
            if not numbered and not _HEAD.match(raw) and raw.strip():
                title.append(clean(raw, 200))
            continue
        numbered = True
        words = clean(found[2], 265)
        if words:
            name, _, note = words.partition(" ")
            lines.append(Line(name=name[:64], note=note[:200].strip()))
    if not numbered:
        return None
    return Solitaire(title=" ".join(title)[:200].strip(), lines=tuple(lines))


def render_solitaire(solitaire: Solitaire) -> str:
    """Write a list as text that `parse_solitaire` reads again."""
    head = ["#接龙", solitaire.title] if solitaire.title else ["#接龙"]
    body = [f"{number}. {line.name} {line.note}".rstrip() for number, line in enumerate(solitaire.lines, 1)]
    return "\n".join([*head, *body])
