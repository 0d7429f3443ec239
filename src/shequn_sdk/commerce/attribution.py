"""Which touches a purchase is owed to: pure functions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TypeVar

__all__ = ["AttributionModel", "shares", "split"]

T = TypeVar("T", bound=Hashable)
_ENDS = Fraction(2, 5)


class AttributionModel(StrEnum):
    """How a purchase is shared among what led to it (归因模型)."""

    FIRST = "first"
    LAST = "last"
    LINEAR = "linear"
    POSITION = "position"
    """40 % to the first, 40 % to the last, the rest alike to those between; halves when there are two."""


def shares(touches: Sequence[T], model: AttributionModel) -> dict[T, Fraction]:
    """Give each touch's share, in order of time; they sum to exactly 1, or there are none.

    A source that touched twice has the sum of both.

    >>> shares(["weibo", "gym", "weibo"], AttributionModel.POSITION)
    {'weibo': Fraction(4, 5), 'gym': Fraction(1, 5)}
    """
    count = len(touches)
    if count == 0:
        return {}
    if model is AttributionModel.FIRST:
        weights = [Fraction(1), *[Fraction(0)] * (count - 1)]
    elif model is AttributionModel.LAST:
        weights = [*[Fraction(0)] * (count - 1), Fraction(1)]
    elif model is AttributionModel.LINEAR or count == 1:
        weights = [Fraction(1, count)] * count
    elif count == 2:
        weights = [Fraction(1, 2)] * 2
    else:
        between = (1 - 2 * _ENDS) / (count - 2)
        weights = [_ENDS, *[between] * (count - 2), _ENDS]
    found: dict[T, Fraction] = {}
    for touch, weight in zip(touches, weights, strict=True):
        if weight:
            found[touch] = found.get(touch, Fraction(0)) + weight
    return found


def split(
    amount: Decimal, parts: dict[T, Fraction], *, step: Decimal = Decimal("0.000001")
) -> dict[T, Decimal]:
    """Share an amount out so that the parts sum to exactly `amount`; what rounding leaves goes to the largest part."""
    if not parts:
        return {}
    found = {
        key: (amount * share.numerator / share.denominator).quantize(step, rounding=ROUND_DOWN)
        for key, share in parts.items()
    }
    largest = max(parts, key=lambda key: parts[key])
    found[largest] += amount - sum(found.values())
    return found
