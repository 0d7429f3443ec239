"""What an experiment is, who is in which arm of it, and what its numbers mean."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import NormalDist

from pydantic import AwareDatetime

from shequn_sdk.domain import Frozen, Name
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.effects import Effect

__all__ = [
    "ArmResult",
    "Experiment",
    "ExperimentResult",
    "Outcome",
    "draw_arm",
    "sample_size",
    "verdict_of",
    "warnings_of",
]

_SUSPICIOUS = 0.001
"""Below this probability the groups' sizes do not fit the weights: something is wrong with who was counted."""


class Outcome(StrEnum):
    """What counts as success."""

    BOUGHT = "bought"
    """An order, not wholly paid back."""
    ACTIVE = "active"
    """Did something after the exposure."""
    NOTED = "noted"
    """What `note` was called for."""


class Experiment(Frozen):
    """A question put to members by chance (实验)."""

    community: str
    name: Name
    question: str
    arms: Mapping[str, float]
    """Name to weight; the first is the control, which gets nothing new."""
    outcome: Outcome
    window: timedelta
    """From a person's first exposure to the latest outcome that counts."""
    planned: int | None = None
    """Persons per arm, decided before the start."""
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None


class ArmResult(Frozen):
    """One arm's numbers."""

    arm: str
    persons: int
    """Exposed persons whose window is over."""
    waiting: int
    """Whose window still runs; they are in no share."""
    successes: int
    share: float | None
    revenue: Mapping[str, Decimal] = {}
    """Net money within the window, per currency."""
    effect: Effect | None = None
    """Against the control; None for the control, and while a group is empty."""


class ExperimentResult(Frozen):
    """What an experiment says so far."""

    experiment: Experiment
    arms: tuple[ArmResult, ...]
    ready: bool
    """Every arm has the planned number of persons: the intervals hold as stated."""
    warnings: tuple[str, ...]
    verdict: str


def draw_arm(salt: str, person: int, arms: Mapping[str, float]) -> str:
    """Give the arm of a person: the same for the same salt, in proportion to the weights, unforeseeable without the salt."""
    digest = hashlib.sha256(f"{salt}/{person}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64 * math.fsum(arms.values())
    for name, weight in arms.items():
        point -= weight
        if point < 0:
            return name
    return next(reversed(list(arms)))


def sample_size(base: float, lift: float, *, power: float = 0.8, level: float = 0.95) -> int:
    """Give how many persons each of two arms needs to see a share rise from `base` by `lift` (both absolute).

    The usual formula for two shares with equal groups: (z(1-a/2) sqrt(2 p q) + z(power) sqrt(p1 q1 + p2 q2))^2 / lift^2,
    with p the mean of both shares (Fleiss, Statistical Methods for Rates and Proportions, without continuity correction).

    Raises:
        InvalidInput: a share is not between 0 and 1, or the lift is 0.
    """
    after = base + lift
    if not (0 < base < 1 and 0 < after < 1 and lift and 0 < power < 1 and 0 < level < 1):
        raise InvalidInput("base and base + lift must lie between 0 and 1, and lift must not be 0")
    middle = (base + after) / 2
    alpha = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(2 * middle * (1 - middle))
    beta = NormalDist().inv_cdf(power) * math.sqrt(base * (1 - base) + after * (1 - after))
    return math.ceil((alpha + beta) ** 2 / lift**2)


def warnings_of(found: Experiment, arms: Sequence[ArmResult]) -> list[str]:
    """Say what speaks against trusting the numbers."""
    warnings: list[str] = []
    counts = [one.persons + one.waiting for one in arms]
    odds = _mismatch(counts, list(found.arms.values()))
    if odds < _SUSPICIOUS:
        warnings.append(
            f"the groups' sizes {counts} do not fit the weights (probability {odds:.2g}): "
            "somebody is assigned in one arm and not in another; the comparison cannot be trusted"
        )
    if found.planned is None:
        warnings.append("no number of persons was planned before the start: see sample_size")
    if any(one.waiting for one in arms):
        warnings.append(f"{sum(one.waiting for one in arms)} persons are still within their window")
    return warnings


def verdict_of(found: Experiment, arms: Sequence[ArmResult], *, ready: bool) -> str:
    """Say in one sentence what was shown."""
    if not ready:
        least = min(one.persons for one in arms)
        wanted = f" of {found.planned}" if found.planned else ""
        return f"not ready: {least}{wanted} persons in the smallest arm"
    clear = [one for one in arms if one.effect is not None and one.effect.clear]
    if not clear:
        return "no difference shown: it may be smaller than the intervals"
    return "; ".join(
        f"{one.arm} {'better' if one.effect.difference > 0 else 'worse'} than the control "
        f"by {abs(one.effect.difference):.1%} ({one.effect.low:+.1%} to {one.effect.high:+.1%})"
        for one in clear
        if one.effect is not None
    )


def _mismatch(counts: Sequence[int], weights: Sequence[float]) -> float:
    """Give the probability of sizes at least so far from the weights (chi-square, Wilson and Hilferty's approximation)."""
    total, whole = sum(counts), math.fsum(weights)
    if total == 0:
        return 1.0
    square = sum(
        (count - total * weight / whole) ** 2 / (total * weight / whole)
        for count, weight in zip(counts, weights, strict=True)
    )
    freedom = len(counts) - 1
    if freedom == 1:
        return math.erfc(math.sqrt(square / 2))
    z = ((square / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return 1 - NormalDist().cdf(z)
