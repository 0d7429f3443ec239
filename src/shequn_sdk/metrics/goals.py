"""Goals: how far, how fast, and where it is going."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import accumulate, pairwise
from statistics import NormalDist

from pydantic import Field, model_validator

from shequn_sdk.domain import Additivity, Frozen, MetricName, MetricPoint

__all__ = ["Goal", "GoalProgress", "GoalStatus", "assess"]

_FEWEST = 8
"""Fewer complete days than this give no forecast: the interval would be a guess about a guess."""


class Goal(Frozen):
    """A value that a metric is to reach by a day (目标)."""

    name: str
    metric: MetricName
    target: float
    start: date
    due: date
    baseline: float | None = None
    """Value at the start; None takes the first point."""
    at_most: bool = False
    """The goal is to come down to the target, or to stay below it."""

    @model_validator(mode="after")
    def _ordered(self) -> Goal:
        if self.due <= self.start:
            raise ValueError(f"goal {self.name!r} is due on {self.due}, not after its start on {self.start}")
        return self


class GoalStatus(StrEnum):
    """How a goal stands."""

    REACHED = "reached"
    ON_TRACK = "on_track"
    """The forecast reaches the target, and so does most of its interval."""
    UNSURE = "unsure"
    """The target lies within the forecast's interval."""
    BEHIND = "behind"
    MISSED = "missed"
    """The day is over and the target was not reached."""
    UNKNOWN = "unknown"


class GoalProgress(Frozen):
    """How far a goal is, and where it will be when it is due."""

    goal: Goal
    status: GoalStatus
    value: float | None
    """Value of the last complete day."""
    expected: float | None
    """What an even pace would have reached by then."""
    pace: float | None
    """Way made over way that an even pace would have made; 1 is on time."""
    forecast: float | None = None
    """Expected value on the due day."""
    low: float | None = None
    high: float | None = None
    level: float = Field(default=0.8, gt=0.0, lt=1.0)
    """Probability that the interval from `low` to `high` is meant to hold."""


def _series(points: Sequence[MetricPoint], goal: Goal, additivity: Additivity) -> list[tuple[date, float]]:
    days: list[tuple[date, float]] = []
    for point in points:
        if point.partial or point.value is None or point.dims:
            continue
        day = date.fromisoformat(point.bucket[:10])
        if goal.start <= day:
            days.append((day, float(point.value)))
    if additivity is Additivity.SUM:
        sums = accumulate(value for _, value in days)
        days = [(day, total) for (day, _), total in zip(days, sums, strict=True)]
    return days


def _drift(values: Sequence[float], ahead: int) -> tuple[float, float]:
    """Give mean and standard error of a random walk with drift, `ahead` steps on."""
    steps = [after - before for before, after in pairwise(values)]
    mean = sum(steps) / len(steps)
    spread = sum((step - mean) ** 2 for step in steps) / max(1, len(steps) - 1)
    return values[-1] + ahead * mean, math.sqrt(spread * ahead * (1 + ahead / len(steps)))


def _trend(values: Sequence[float], ahead: int) -> tuple[float, float]:
    """Give mean and standard error of a new value on the least-squares line, `ahead` steps on."""
    size = len(values)
    middle = (size - 1) / 2
    mean = sum(values) / size
    square = sum((x - middle) ** 2 for x in range(size))
    slope = sum((x - middle) * (value - mean) for x, value in enumerate(values)) / square
    rest = sum((value - mean - slope * (x - middle)) ** 2 for x, value in enumerate(values)) / (size - 2)
    far = size - 1 + ahead - middle
    return mean + slope * far, math.sqrt(rest * (1 + 1 / size + far**2 / square))


def assess(
    goal: Goal, points: Sequence[MetricPoint], *, additivity: Additivity, today: date, level: float = 0.8
) -> GoalProgress:
    """Judge a goal by the daily points of its metric.

    Sums are added up from the goal's start. Stocks and sums are forecast as a random walk with drift, everything else
    by a straight line; both give a prediction interval (Hyndman and Athanasopoulos, Forecasting: principles and
    practice, 5.2 and 7.5).

    Args:
        goal: what is to be reached.
        points: points per day, in order; partial ones are left out.
        additivity: that of the metric.
        today: the running day.
        level: probability that the interval is meant to hold.
    """
    days = _series(points, goal, additivity)
    if not days:
        return GoalProgress(
            goal=goal, status=GoalStatus.UNKNOWN, value=None, expected=None, pace=None, level=level
        )
    last, value = days[-1]
    zero = 0.0 if additivity is Additivity.SUM else days[0][1]
    baseline = goal.baseline if goal.baseline is not None else zero
    way = goal.target - baseline
    # a sum begins with nothing on the morning of its first day, a level is first read in that day's evening
    first = goal.start - timedelta(days=1) if additivity is Additivity.SUM else goal.start
    gone = min(1.0, max(0.0, (last - first).days / (goal.due - first).days))
    expected = baseline + way * gone
    pace = (value - baseline) / (way * gone) if way and gone else None
    reached = value <= goal.target if goal.at_most else value >= goal.target
    ahead = (goal.due - last).days
    forecast: tuple[float, float] | None = None
    if len(days) >= _FEWEST and ahead > 0:
        values = [each for _, each in days]
        walk = additivity in {Additivity.SUM, Additivity.LAST}
        forecast = (_drift if walk else _trend)(values, ahead)
    reach = NormalDist().inv_cdf(0.5 + level / 2)
    low = None if forecast is None else forecast[0] - reach * forecast[1]
    high = None if forecast is None else forecast[0] + reach * forecast[1]
    return GoalProgress(
        goal=goal,
        status=_status(goal, reached=reached, over=today > goal.due, low=low, high=high, pace=pace),
        value=value,
        expected=expected,
        pace=pace,
        forecast=None if forecast is None else forecast[0],
        low=low,
        high=high,
        level=level,
    )


def _status(
    goal: Goal, *, reached: bool, over: bool, low: float | None, high: float | None, pace: float | None
) -> GoalStatus:
    if reached and (over or not goal.at_most):
        return GoalStatus.REACHED
    if over:
        return GoalStatus.MISSED
    if low is None or high is None:
        return GoalStatus.UNKNOWN if pace is None else GoalStatus.ON_TRACK if pace >= 1 else GoalStatus.UNSURE
    safe = high <= goal.target if goal.at_most else low >= goal.target
    lost = low > goal.target if goal.at_most else high < goal.target
    return GoalStatus.ON_TRACK if safe else GoalStatus.BEHIND if lost else GoalStatus.UNSURE
