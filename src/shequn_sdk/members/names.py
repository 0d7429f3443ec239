"""Names of members: made safe to show, and brought into a form in which they can be compared."""

from __future__ import annotations

import unicodedata

__all__ = ["match_key", "shown"]

_MOST = 64
_MARKS = 3
"""Marks on one letter; more of them climb over neighbouring lines."""
_KEPT = frozenset("\u200c\u200d\ufe0e\ufe0f")
"""Joiners and selectors that emoji and some scripts need."""


def shown(name: str, *, most: int = _MOST) -> str:
    """Give a member's name for people to read: one line, nothing that turns the reading direction or hides.

    Left out are controls, bidirectional marks, embeddings and isolates, zero-width characters except the joiners of emoji,
    and marks beyond three on one letter. Names over `most` characters are cut.

    >>> shown("Alice\u202egnp.exe\u202c")
    'Alicegnp.exe'
    """
    out: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", name[: most * 16]):
        kind = unicodedata.category(char)
        if kind == "Mn" and char not in _KEPT:
            marks += 1
            if marks > _MARKS:
                continue
        else:
            marks = 0
        if kind in {"Zs", "Zl", "Zp"} or char in "\t\r\n":
            out.append(" ")
        elif kind[0] != "C" or char in _KEPT:
            out.append(char)
    text = " ".join("".join(out).split()).strip("\u200c\u200d")
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def match_key(name: str) -> str:
    """Give a form in which equal names are equal: NFKC, case folded, letters and digits only; "" when none is left.

    >>> match_key("Ｌｉｎ_小满 ✨") == match_key("lin 小满")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(char for char in folded if char.isalnum())
