"""Did an action help? Differences with the interval in which the truth probably lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, variance

from shequn_sdk.domain import Frozen
from shequn_sdk.errors import InvalidInput

__all__ = ["Effect", "before_after", "hold_out"]


class Effect(Frozen):
    """The difference that an action made, as far as the numbers tell (效果)."""

    difference: float
    """With the action minus without it."""
    low: float
    high: float
    level: float
    """Confidence level of the interval from `low` to `high`."""
    with_action: float
    without: float
    clear: bool
    """The interval does not hold 0."""
    caveat: str
    """What this comparison cannot rule out."""


def before_after(before: Sequence[float], after: Sequence[float], *, level: float = 0.95) -> Effect:
    """Compare the daily values after an action with those before it (Welch's interval).

    Raises:
        InvalidInput: fewer than three days on a side.
    """
    if min(len(before), len(after)) < 3:
        raise InvalidInput(
            "a comparison needs at least three complete days before and three after the action"
        )
    old, new = fmean(before), fmean(after)
    error = math.sqrt(variance(before) / len(before) + variance(after) / len(after))
    freedom = _freedom(before, after)
    reach = _student(0.5 + level / 2, freedom) * error
    return _effect(
        new,
        old,
        new - old - reach,
        new - old + reach,
        level,
        "whatever else changed between the two times, season included",
    )


def hold_out(*, treated: int, treated_of: int, control: int, control_of: int, level: float = 0.95) -> Effect:
    """Compare a share among members who got the action with those who were held out by chance.

    The interval is Newcombe's, made of two Wilson intervals (Statistics in Medicine 17, 873-890, method 10).

    Raises:
        InvalidInput: a group is empty, or a count exceeds its group.
    """
    if not (treated_of > 0 and control_of > 0 and 0 <= treated <= treated_of and 0 <= control <= control_of):
        raise InvalidInput("both groups need members, and no count may exceed its group")
    first, second = treated / treated_of, control / control_of
    low_1, high_1 = _wilson(treated, treated_of, level)
    low_2, high_2 = _wilson(control, control_of, level)
    low = first - second - math.hypot(first - low_1, high_2 - second)
    high = first - second + math.hypot(high_1 - first, second - low_2)
    return _effect(first, second, low, high, level, "groups that were not drawn by chance")


def _effect(new: float, old: float, low: float, high: float, level: float, caveat: str) -> Effect:
    return Effect(
        difference=new - old,
        low=low,
        high=high,
        level=level,
        with_action=new,
        without=old,
        clear=low > 0 or high < 0,
        caveat=caveat,
    )


def _wilson(count: int, size: int, level: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = count / size
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    reach = z / (1 + z * z / size) * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _freedom(before: Sequence[float], after: Sequence[float]) -> float:
    one, two = variance(before) / len(before), variance(after) / len(after)
    below = one**2 / (len(before) - 1) + two**2 / (len(after) - 1)
    return (one + two) ** 2 / below if below else 1e9


def _student(probability: float, freedom: float) -> float:
    """Give a quantile of Student's t, by Hill's expansion around the normal one (good to 1 % from 3 degrees on)."""
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
