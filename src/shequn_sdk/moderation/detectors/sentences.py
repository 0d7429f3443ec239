"""Sentences that give themselves away: a pattern, and the words without which it is not even tried.

The words are found by the automaton that finds all others; a pattern runs only over messages that hold one of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shequn_sdk.moderation.detectors.lexicon import Entry
from shequn_sdk.moderation.detectors.normal import Folded

__all__ = ["Sentence", "entries", "find", "sentence"]

_LONGEST = 2000
"""Letters that are looked at: what a message wants is said early."""


class Sentence(NamedTuple):
    """What is looked for, what it counts, and the words that begin it."""

    why: str
    weight: float
    starts: tuple[str, ...]
    pattern: re.Pattern[str]


def sentence(why: str, weight: float, starts: str, *patterns: str) -> Sentence:
    """Make one of words with `|` between and of alternative patterns over the folded text."""
    joined = "|".join(f"(?:{one})" for one in patterns)
    return Sentence(why, weight, tuple(starts.split("|")), re.compile(joined))


def entries(sentences: Sequence[Sentence], group: str) -> list[Entry]:
    """Give the words for the automaton; `why` is the number of the sentence."""
    return [
        Entry(word, group, 0.0, str(number)) for number, one in enumerate(sentences) for word in one.starts
    ]


def find(
    sentences: Sequence[Sentence], folded: Folded, numbers: Iterable[int]
) -> list[tuple[int, int, float, str]]:
    """Give those of these numbers that stand in the folded text: start, end, weight, and what it is."""
    plain = folded.plain[:_LONGEST]
    found: list[tuple[int, int, float, str]] = []
    for number in sorted(numbers):
        one = sentences[number]
        match = one.pattern.search(plain)
        if match is not None:
            found.append((match.start(), match.end(), one.weight, one.why))
    return found
