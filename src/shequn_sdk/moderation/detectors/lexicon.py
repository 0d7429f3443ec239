"""The words that detectors look for, and one automaton that finds all of them at once."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import resources
from typing import Any, NamedTuple

from shequn_sdk.errors import MissingExtra
from shequn_sdk.moderation.detectors.normal import LONGEST, TURNED, Folded, fold, fold_character

__all__ = ["KEYWORD", "Automaton", "Entry", "Hit", "Words", "builtin_entries", "fold_word"]


KEYWORD = "keyword"
"""The group of words of rules."""


class Entry(NamedTuple):
    """One word of a group."""

    word: str
    """As it is written in the lexicon."""
    group: str
    weight: float
    why: str


class Hit(NamedTuple):
    """A word that was found."""

    entry: Entry
    start: int
    """Offset in the folded text."""
    end: int


def fold_word(word: str) -> str:
    """Give a word in the form in which it is looked for."""
    return "".join(map(fold_character, word))


@lru_cache(1)
def builtin_entries() -> tuple[Entry, ...]:
    """Give the words that come with the package."""
    text = (
        resources.files("shequn_sdk.moderation").joinpath("data", "lexicon.toml").read_text(encoding="utf-8")
    )
    return tuple(
        Entry(word, group["name"], float(group["weight"]), group["why"])
        for group in tomllib.loads(text)["groups"]
        for word in dict.fromkeys(group["words"])
        if fold_word(word)
    )


@dataclass(slots=True)
class _Pattern:
    entries: tuple[Entry, ...]
    latin: bool
    """Of Latin letters and digits only: must stand alone, not inside another word."""
    parts: frozenset[int]
    """Of how many words it may be written."""


class Words:
    """Finds all words of a lexicon in a folded text, in time that does not depend on how many there are.

    The automaton is that of `ahocorasick-rs`. Latin words count only where they stand alone in the original, or with
    something between all their letters; Chinese words count wherever they stand.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Build the automaton.

        Raises:
            MissingExtra: the extra `moderation` is not installed.
        """
        by_form: dict[str, list[Entry]] = {}
        for entry in entries:
            form = fold_word(entry.word)
            if form:
                by_form.setdefault(form, []).append(entry)
        self._patterns = [
            _Pattern(tuple(found), form.isascii(), frozenset(len(one.word.split()) for one in found))
            for form, found in by_form.items()
        ]
        self.forms = tuple(by_form)
        """What is looked for in the folded text."""
        self._find = Automaton(self.forms).spans

    def find_in(self, text: str) -> Sequence[Hit]:
        """Give what `find` does; a text in which nothing is found is folded and no more."""
        turned = TURNED in text or len(text) > LONGEST
        return self.find(Folded(text)) if turned or self._find(fold(text)) else ()

    def find(self, folded: Folded) -> Sequence[Hit]:
        """Give what was found, in order; Latin words inside others are left out."""
        found = self._find(folded.plain)
        if not found:
            return ()
        hits: list[Hit] = []
        patterns = self._patterns
        for number, start, end in found:
            pattern = patterns[number]
            if pattern.latin and not _stands_alone(folded, start, end, pattern.parts):
                continue
            for entry in pattern.entries:
                hits.append(Hit(entry, start, end))  # noqa: PERF401 - mostly one, for which a generator costs more
        return hits


def _stands_alone(folded: Folded, start: int, end: int, parts: frozenset[int]) -> bool:
    """Whether letters of Latin script are a word or phrase of their own in the original, or letters drawn apart."""
    shown, plain = folded.shown, folded.plain
    first, last = folded.shown_span(start, end)
    if first > 0 and _alike(shown[first - 1], plain[start]):
        return False
    if last < len(shown) and _alike(shown[last], plain[end - 1]):
        return False
    if last - first == end - start:
        return True
    pieces = [piece for piece in shown[first:last].split() if fold(piece)]
    # blanks are fine between the words of a phrase, or after every single letter
    return len(pieces) in parts or len(pieces) == end - start


def _alike(character: str, edge: str) -> bool:
    """Whether a character next to a word goes on with it: a letter beside a letter, a digit beside a digit."""
    folded = fold(character)
    return bool(folded) and folded[0].isascii() and folded[0].isalpha() == edge.isalpha()


class Automaton:
    """Finds all of many forms at once, overlapping ones too."""

    __slots__ = ("forms", "spans")

    spans: Callable[[str], Sequence[tuple[int, int, int]]]
    """Gives the number of each form in a text with its start and end."""
    forms: Callable[[str], Sequence[str]]
    """Gives the forms in a text themselves, which is faster where their places do not matter."""

    def __init__(self, forms: Sequence[str]) -> None:
        """Build it.

        Raises:
            MissingExtra: the extra `moderation` is not installed.
        """
        if not forms:
            self.spans = self.forms = lambda _: ()
            return
        try:
            import ahocorasick_rs  # noqa: PLC0415 - the extra `moderation`
        except ImportError:
            raise MissingExtra("moderation needs a matcher of many words", "moderation") from None
        machine: Any = ahocorasick_rs.AhoCorasick(list(forms), store_patterns=True)
        self.spans = partial(machine.find_matches_as_indexes, overlapping=True)
        self.forms = partial(machine.find_matches_as_strings, overlapping=True)
