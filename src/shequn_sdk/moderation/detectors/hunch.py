"""A linear model over words and pairs of words: finds adverts and insults that no lexicon names.

It is small on purpose: a few thousand weights learnt from the labelled messages under `tests`, so that its answer can be
explained by the words that count most. `train` learns one from messages of your own.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from typing import NamedTuple

from shequn_sdk.errors import InvalidInput
from shequn_sdk.moderation.detectors.normal import Folded, fold_character

__all__ = ["Hunch", "Opinion", "builtin_hunch", "train"]

_TOKEN = re.compile(r"[a-z]+|[\ue000-\ue009]|[^\W\d_a-z]|[$¥£€%]")
_NUMBER = re.compile(r"[0-9]+")
_WHERE = re.compile(r"[a-z]+|[0-9]+|[^\W\d_a-z]|[$¥£€%]")
_ENOUGH = 8
"""Words from which on a message says enough."""
_LONGEST = 600
"""Characters that are looked at: what a message wants is said early."""


class _Kept(dict[int, str]):
    """Folds letters, and keeps what stands between them apart."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = fold_character(character)
        kept = self[code] = folded[:1] or (
            " " if code > 127 and character not in "¥£€" else character.lower()
        )
        return kept


_KEPT = _Kept()


def _sized(match: re.Match[str]) -> str:
    """Give one character for a number: how long it is, not which."""
    return chr(0xE000 + min(match.end() - match.start(), 9))


def _tokens(text: str) -> list[str]:
    kept = text.lower() if text.isascii() else text.translate(_KEPT)
    return _TOKEN.findall(_NUMBER.sub(_sized, kept))


class Opinion(NamedTuple):
    """What the model thinks: probabilities, so far as its few examples allow to call them that."""

    junk: float
    """Advert or fraud."""
    conflict: float


class Hunch:
    """A model: weights by token and pair of tokens (线性模型)."""

    def __init__(self, weights: Mapping[str, Sequence[float]], bias: Sequence[float]) -> None:
        """Use weights that `train` gave: for each token one for junk and one for conflict."""
        self.weights = {token: (float(pair[0]), float(pair[1])) for token, pair in weights.items()}
        self.bias = (float(bias[0]), float(bias[1]))
        # both weights of a token in one complex number: they are summed without a loop in Python
        self._word_weights = {
            token: complex(*pair) for token, pair in self.weights.items() if " " not in token
        }
        self._pair_weights = {
            tuple(token.split(" ")): complex(*pair) for token, pair in self.weights.items() if " " in token
        }
        self._words = frozenset(self._word_weights)
        self._pairs = frozenset(self._pair_weights)

    def ask(self, folded: Folded) -> Opinion:
        """Judge a message."""
        text = folded.shown[:_LONGEST]
        tokens = _tokens(text)
        count = len(tokens)
        if not count:
            return Opinion(0.0, 0.0)
        total = sum(map(self._word_weights.__getitem__, self._words.intersection(tokens)), 0j)
        total = sum(map(self._pair_weights.__getitem__, self._pairs.intersection(pairwise(tokens))), total)
        scale = 1.0 / math.sqrt(2 * count)
        junk = _sigmoid(total.real * scale + self.bias[0])
        if count < _ENOUGH:  # a greeting, a number: too little to call it an advert
            junk *= count / _ENOUGH
        return Opinion(junk, _sigmoid(total.imag * scale + self.bias[1]))

    def reasons(self, folded: Folded, *, conflict: bool = False, most: int = 3) -> list[tuple[int, int]]:
        """Give the parts of the shown text that count most, in order."""
        text = folded.shown[:_LONGEST]
        kept = text.lower() if text.isascii() else text.translate(_KEPT)
        if len(kept) != len(text):
            return [(0, len(text))]
        which = int(conflict)
        found: list[tuple[float, int, int]] = []
        previous: re.Match[str] | None = None
        for match in _WHERE.finditer(kept):
            word = _named(match)
            if (pair := self.weights.get(word)) is not None:
                found.append((pair[which], match.start(), match.end()))
            if previous is not None and (pair := self.weights.get(f"{_named(previous)} {word}")) is not None:
                found.append((pair[which], previous.start(), match.end()))
            previous = match
        chosen: list[tuple[int, int]] = []
        for weight, start, end in sorted(found, reverse=True):
            if weight > 0 and len(chosen) < most and not any(a < end and start < b for a, b in chosen):
                chosen.append((start, end))
        return sorted(chosen)


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value)) if value > -60 else 0.0


def _named(match: re.Match[str]) -> str:
    return _sized(match) if match.group().isdigit() and match.group().isascii() else match.group()


def _features(text: str) -> tuple[list[str], int]:
    folded = Folded(text)
    shown = folded.shown[:_LONGEST]
    tokens = _tokens(shown)
    pairs = [f"{first} {second}" for first, second in pairwise(tokens)]
    return list(dict.fromkeys([*tokens, *pairs])), len(tokens)


def train(
    messages: Iterable[tuple[str, bool, bool]], *, rounds: int = 60, rate: float = 0.3, seed: int = 0
) -> Hunch:
    """Learn a model from messages with (text, is junk, is conflict): logistic regression by plain gradient descent.

    The same messages and seed give the same model. A few hundred messages are the least, thousands are better; messages
    of your own community are worth more than any others.

    Raises:
        InvalidInput: there are no examples of one of the kinds, or only such.
    """
    rows = [(*_features(text), (float(junk), float(conflict))) for text, junk, conflict in messages]
    rows = [row for row in rows if row[1]]
    for which, name in enumerate(("junk", "conflict")):
        if len({row[2][which] for row in rows}) < 2:
            raise InvalidInput(f"to learn, messages with and without {name} are needed: label some of each")
    weights: dict[str, list[float]] = {token: [0.0, 0.0] for row in rows for token in row[0]}
    bias = [0.0, 0.0]
    order = list(range(len(rows)))
    rng = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(rounds):
        rng.shuffle(order)
        for number in order:
            tokens, count, truth = rows[number]
            scale = 1.0 / math.sqrt(2 * count)
            for which in (0, 1):
                score = sum([weights[token][which] for token in tokens]) * scale + bias[which]
                error = _sigmoid(score) - truth[which]
                step = rate * error * scale
                for token in tokens:
                    weights[token][which] -= step + rate * 1e-4 * weights[token][which]
                bias[which] -= rate / 6 * error
    kept = {
        token: (round(pair[0], 2), round(pair[1], 2))
        for token, pair in weights.items()
        if max(abs(pair[0]), abs(pair[1])) >= 0.05
    }
    return Hunch(kept, (round(bias[0], 3), round(bias[1], 3)))


def dumps(model: Hunch) -> str:
    """Write a model as text."""
    lines = [json.dumps({"bias": model.bias})]
    lines += [f"{token}\t{pair[0]:g}\t{pair[1]:g}" for token, pair in sorted(model.weights.items())]
    return "\n".join(lines) + "\n"


def loads(text: str, *, source: str = "a model") -> Hunch:
    """Read what `dumps` wrote.

    Raises:
        InvalidInput: it is no such text.
    """
    head, _, rest = text.partition("\n")
    try:
        bias = json.loads(head)["bias"]
        weights = {
            token: (float(junk), float(conflict))
            for token, junk, conflict in (line.split("\t") for line in rest.splitlines() if line)
        }
        return Hunch(weights, bias)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidInput(
            f"{source} cannot be read as a model: {error}; train it again", source=source
        ) from None


@lru_cache(1)
def builtin_hunch() -> Hunch:
    """Give the model that comes with the package."""
    path = resources.files("shequn_sdk.moderation").joinpath("data", "hunch.tsv")
    return loads(path.read_text(encoding="utf-8"), source="hunch.tsv")
