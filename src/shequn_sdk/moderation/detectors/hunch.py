"""A linear model over characters, words and pairs of them: finds adverts, bad mood and insults that no lexicon names.

It is small on purpose: a few thousand weights learnt from the labelled messages under `tests`, so that its answer can be
explained by the words that count most. `train` learns one from messages of your own. All of its words are found in one
pass by an automaton, as those of the lexicon are.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from typing import NamedTuple

from shequn_sdk.errors import InvalidInput
from shequn_sdk.moderation.detectors.lexicon import Automaton
from shequn_sdk.moderation.detectors.normal import Folded, fold_character
from shequn_sdk.moderation.model import ADVERT, CONFLICT, NEGATIVE, SCAM

__all__ = ["SILENT", "Hunch", "Opinion", "builtin_hunch", "dumps", "loads", "train"]

_TOKEN = re.compile(r"[a-z]+|[^\W\d_a-z]")
_ENOUGH = 12
"""Letters from which on a message says enough."""
_LONGEST = 600
"""Letters that are looked at: what a message wants is said early."""
_LEAST_LATIN = 3
_BITS = 21
"""Of a sum of weights; the unit is chosen so that all words of a model at once have room."""
_MASK = (1 << _BITS) - 1
_HALF = 1 << (_BITS - 1)
_MIDDLE = _HALF + (_HALF << _BITS) + (_HALF << 2 * _BITS)
_LEAST_WEIGHT = 0.3
_RARE = 2.0
"""How much more an example of a kind counts than one without it, where few are: there are many ways to be cross."""
Weights = tuple[float, float, float, float]


class _Kept(dict[int, str]):
    """Folds letters, and keeps apart what stands between them."""

    def __missing__(self, code: int) -> str:
        kept = self[code] = fold_character(chr(code))[:1] or " "
        return kept


_KEPT = _Kept()


def _forms(text: str) -> set[str]:
    """Give the characters, words and pairs of a text that a model may know."""
    tokens = _TOKEN.findall(text.translate(_KEPT))
    forms = {one for one in tokens if not one.isascii() or len(one) >= _LEAST_LATIN}
    return forms | {first + second for first, second in pairwise(tokens) if len(first + second) > 1}


class Opinion(NamedTuple):
    """What the model thinks: probabilities, so far as its few examples allow to call them that."""

    junk: float
    """Advert or fraud."""
    conflict: float
    negative: float


SILENT = Opinion(0.0, 0.0, 0.0)
"""That on a message which is as good as certainly none of these."""
_NOTHING = -2.95
"""The logarithm of the odds below which a kind is as good as ruled out: a probability of 0.05."""


class Hunch:
    """A model: weights by character, word, and pair (线性模型)."""

    def __init__(self, weights: Mapping[str, Sequence[float]], bias: Sequence[float]) -> None:
        """Use weights that `train` gave: for each word those for junk, conflict, negative, and fraud among junk.

        Raises:
            ConfigError: the extra `moderation` is not installed.
        """
        self.weights: dict[str, Weights] = {word: _four(row) for word, row in weights.items()}
        self.bias = _four(bias)
        self._forms = list(self.weights)
        self._known = Automaton(self._forms)
        rows = list(self.weights.values())
        most = max((sum(abs(row[which]) for row in rows) for which in range(3)), default=0.0)
        self._unit = max(0.01, most / (_HALF - len(rows) - 1))
        self._packed = {form: _packed(row, self._unit) for form, row in self.weights.items()}
        self._fraud = {form: row[3] for form, row in self.weights.items()}

    def ask(self, folded: Folded) -> Opinion:
        """Judge a message; what is as good as ruled out gets 0."""
        plain = folded.plain
        found = set(self._known.forms(plain if len(plain) <= _LONGEST else plain[:_LONGEST]))
        if not found:
            return SILENT
        # one sum of integers: every message comes here, with some thirty words known to the model
        total = sum(map(self._packed.__getitem__, found)) + _MIDDLE
        size = _size(plain)
        scale = self._unit / math.sqrt(size)
        first, second, third, _ = self.bias
        junk = ((total & _MASK) - _HALF) * scale + first
        conflict = ((total >> _BITS & _MASK) - _HALF) * scale + second
        negative = ((total >> 2 * _BITS) - _HALF) * scale + third
        if junk < _NOTHING and conflict < _NOTHING and negative < _NOTHING:
            return SILENT
        # a greeting, a number: too little to call it an advert
        enough = min(1.0, size / _ENOUGH)
        return Opinion(_sigmoid(junk) * enough, _sigmoid(conflict), _sigmoid(negative))

    def fraud(self, folded: Folded) -> float:
        """Say how much of junk looks like fraud rather than an advert, 0 to 1."""
        total = sum(map(self._fraud.__getitem__, set(self._known.forms(folded.plain[:_LONGEST]))))
        return _sigmoid(total / math.sqrt(_size(folded.plain)) + self.bias[3])

    def reasons(self, folded: Folded, kind: str = ADVERT, *, most: int = 3) -> list[tuple[int, int]]:
        """Give the parts of the folded text that count most for a kind, in order."""
        which = {CONFLICT: 1, NEGATIVE: 2}.get(kind, 0)
        found = [
            (self.weights[self._forms[number]][which], start, end)
            for number, start, end in self._known.spans(folded.plain[:_LONGEST])
        ]
        chosen: list[tuple[int, int]] = []
        for weight, start, end in sorted(found, reverse=True):
            if weight > 0 and len(chosen) < most and not any(a < end and start < b for a, b in chosen):
                chosen.append((start, end))
        return sorted(chosen)


def _packed(row: Weights, unit: float) -> int:
    """Put the weights for junk, conflict and negative, in units, into one number, so that one sum gives all three."""
    first, second, third = (round(one / unit) for one in row[:3])
    return first + (second << _BITS) + (third << 2 * _BITS)


def _four(row: Sequence[float]) -> Weights:
    first, second, third, fourth = map(float, row)
    return first, second, third, fourth


def _size(plain: str) -> int:
    """Give roughly how many words a text has: each Chinese character is one, four Latin letters are."""
    size = min(len(plain), _LONGEST)
    return size // 4 + 1 if plain.isascii() else size


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value)) if value > -60 else 0.0


def train(
    messages: Iterable[tuple[str, AbstractSet[str]]], *, rounds: int = 40, rate: float = 0.3, seed: int = 0
) -> Hunch:
    """Learn a model from messages with their kinds: logistic regression by plain gradient descent.

    The same messages and seed give the same model. A few hundred messages are the least, thousands are better; messages
    of your own community are worth more than any others.

    Args:
        messages: texts with some of the kinds `advert`, `scam`, `negative`, `conflict`, or none.
        rounds: how often each is looked at.
        rate: how much it changes the weights.
        seed: of the order.

    Raises:
        InvalidInput: there are no examples of one of the kinds, or only such.
        ConfigError: the extra `moderation` is not installed.
    """
    known = [(Folded(text), kinds) for text, kinds in messages]
    forms = sorted(set[str]().union(*(_forms(folded.shown[:_LONGEST]) for folded, _ in known)))
    find = Automaton(forms).spans
    rows = [
        (
            sorted({number for number, _, _ in find(folded.plain[:_LONGEST])}),
            1.0 / math.sqrt(_size(folded.plain)),
            kinds,
        )
        for folded, kinds in known
        if folded.plain
    ]
    junk = frozenset({ADVERT, SCAM})
    lessons = (
        ("junk", [(found, scale, bool(junk & kinds)) for found, scale, kinds in rows]),
        (CONFLICT, [(found, scale, CONFLICT in kinds) for found, scale, kinds in rows]),
        (NEGATIVE, [(found, scale, NEGATIVE in kinds) for found, scale, kinds in rows]),
        (SCAM, [(found, scale, SCAM in kinds) for found, scale, kinds in rows if junk & kinds]),
    )
    learnt = [
        _learn(name, lesson, len(forms), rounds=rounds, rate=rate, rng=random.Random(seed))  # noqa: S311 - no secret
        for name, lesson in lessons
    ]
    columns = zip(*(weights for weights, _ in learnt), strict=True)
    kept = {
        form: tuple(round(one, 2) for one in row)
        for form, row in zip(forms, columns, strict=True)
        if max(map(abs, row)) >= _LEAST_WEIGHT
    }
    return Hunch(kept, [round(bias, 3) for _, bias in learnt])


def _learn(
    name: str,
    rows: Sequence[tuple[list[int], float, bool]],
    count: int,
    *,
    rounds: int,
    rate: float,
    rng: random.Random,
) -> tuple[list[float], float]:
    if len({truth for _, _, truth in rows}) < 2:
        raise InvalidInput(f"to learn, messages with and without {name} are needed: label some of each")
    weights, bias = [0.0] * count, 0.0
    order = list(rows)
    for _ in range(rounds):
        rng.shuffle(order)
        for found, scale, truth in order:
            error = _sigmoid(sum([weights[number] for number in found]) * scale + bias) - truth
            if truth and name in {CONFLICT, NEGATIVE}:
                error *= _RARE
            step = rate * error * scale
            for number in found:
                weights[number] -= step + rate * 1e-4 * weights[number]
            bias -= rate / 6 * error
    return weights, bias


def dumps(model: Hunch) -> str:
    """Write a model as text."""
    lines = [json.dumps({"bias": model.bias})]
    lines += ["\t".join([form, *(f"{one:g}" for one in row)]) for form, row in sorted(model.weights.items())]
    return "\n".join(lines) + "\n"


def loads(text: str, *, source: str = "a model") -> Hunch:
    """Read what `dumps` wrote.

    Raises:
        InvalidInput: it is no such text.
    """
    head, _, rest = text.partition("\n")
    try:
        bias = json.loads(head)["bias"]
        rows = [line.split("\t") for line in rest.splitlines() if line]
        return Hunch({row[0]: [float(one) for one in row[1:]] for row in rows}, bias)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidInput(
            f"{source} cannot be read as a model: {error}; train it again", source=source
        ) from None


@lru_cache(1)
def builtin_hunch() -> Hunch:
    """Give the model that comes with the package."""
    path = resources.files("shequn_sdk.moderation").joinpath("data", "hunch.tsv")
    return loads(path.read_text(encoding="utf-8"), source="hunch.tsv")
