"""Choices read from what members write: numbers in many forms, letters, or the choice itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

__all__ = ["read_choices"]

_CIRCLED = {
    **{chr(0x2460 + n): n + 1 for n in range(20)},
    **{chr(0x2776 + n): n + 1 for n in range(10)},
    **{chr(0x3220 + n): n + 1 for n in range(10)},
    **{chr(0x3280 + n): n + 1 for n in range(10)},
}
_HAN = {word: number for number, word in enumerate("一二三四五六七八九十", 1)}
_BEFORE = re.compile(r"^(?:我?(?:选择|选|投给|投|支持)|vote(?: for)?|no\.?|第|\+|#)\s*", re.IGNORECASE)
_AFTER = re.compile(r"\s*(?:号|项|个|票|吧|！|!|。|\.)+$")
_SEPARATOR = re.compile(r"[\s,，、;；/+&和]+")
_LONGEST = 80


def _number(word: str, most: int) -> int | None:
    if word in _CIRCLED:
        return _CIRCLED[word]
    if word in _HAN:
        return _HAN[word]
    plain = unicodedata.normalize("NFKC", word)
    if plain.isascii() and plain.isdigit() and len(plain) <= 3:
        return int(plain)
    if len(plain) == 1 and plain.isascii() and plain.isalpha() and ord(plain.upper()) - 64 <= most:
        return ord(plain.upper()) - 64
    return None


def read_choices(text: str, choices: Sequence[str]) -> tuple[int, ...]:
    """Give the indexes of the choices that a short text names, in order, each once; none when it is no vote.

    Understood are `2`, `２`, `2️⃣`, `②`, `二`, `B`, `选2`, `2号`, several of these with anything between, and a choice word for
    word. A text with anything else in it is talk, not a vote: nothing is guessed.

    >>> read_choices("选2", ["八点", "九点"]), read_choices("1 3", ["a", "b", "c"]), read_choices("2 点见", ["八点", "九点"])
    ((1,), (0, 2), ())
    """
    text = text.replace("\ufe0f", "").replace("\u20e3", " ").strip()
    if not text or len(text) > _LONGEST:
        return ()
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    for index, choice in enumerate(choices):
        if folded == unicodedata.normalize("NFKC", choice).casefold().strip():
            return (index,)
    bare = _AFTER.sub("", _BEFORE.sub("", text))
    found: dict[int, None] = {}
    for word in filter(None, _SEPARATOR.split(bare)):
        number = _number(word, len(choices))
        if number is None or not 1 <= number <= len(choices):
            return ()
        found[number - 1] = None
    return tuple(found)
