"""Metrics: what is measured, declared once, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, JsonValue, StringConstraints

from shequn_sdk.domain._base import Frozen, Name

__all__ = [
    "Additivity",
    "Comparison",
    "Coverage",
    "Grain",
    "Measurement",
    "MetricName",
    "MetricPoint",
    "MetricResult",
    "Unit",
]

MetricName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$")]
"""`area.metric`, for example `active_members.dau`."""


class Unit(StrEnum):
    """What one unit of a value is."""

    MEMBERS = "members"
    EVENTS = "events"
    POSTS = "posts"
    RATIO = "ratio"
    SECONDS = "seconds"
    SCORE = "score"
    MONEY = "money"
    DAYS = "days"
    HOURS = "hours"


class Grain(StrEnum):
    """Length of a bucket; weeks start on Monday (ISO 8601), all in the community's zone."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    HOUR_OF_WEEK = "hour_of_week"
    """168 cells, Monday 00 first."""
    TOTAL = "total"


class Additivity(StrEnum):
    """How values of several buckets or groups may be put together."""

    SUM = "sum"
    NONE = "none"
    """Distinct counts: never summed."""
    RATIO = "ratio"
    """Numerators and denominators are summed, then divided; ratios are never averaged."""
    LAST = "last"
    """Stock: the last value counts."""


class Coverage(Frozen):
    """Over how many of the platforms or channels in question a value speaks."""

    covered: int
    total: int
    missing: tuple[str, ...] = ()


class MetricPoint(Frozen):
    """One value of a metric (测量值)."""

    bucket: str
    """Start of the bucket: `2026-03-01` for days, weeks and months, `2026-03-01T13` for hours,
    `0`-`167` for hours of the week, `total`."""
    value: float | int | None
    """None means not reported or not defined; it is never the same as 0."""
    numerator: float | int | None = None
    denominator: float | int | None = None
    partial: bool = False
    """The bucket is not over yet, or its window reaches before the first data."""
    dims: Mapping[str, JsonValue] = Field(default_factory=dict)


Measurement = MetricPoint


class Comparison(Frozen):
    """A result beside that of an earlier range of the same length, in days or whole months (对比)."""

    against: str
    """`previous_period` or `previous_year`."""
    start: date
    """First local day of the earlier range."""
    end: date
    """Last local day of the earlier range."""
    current: float | int | None
    """Value over the buckets that are complete and known in both ranges; None when they may not be put together."""
    previous: float | int | None
    delta: float | int | None = None
    change: float | None = None
    """Relative change, 0.1 is 10 % more; None when the base is too small to speak of per cent."""
    points: tuple[MetricPoint, ...] = ()
    """The earlier range's points."""


class MetricResult(Frozen):
    """What computing a metric gave."""

    metric: MetricName
    version: int
    unit: Unit
    grain: Grain
    community: Name | None = None
    start: date | None = None
    """First local day asked for."""
    end: date | None = None
    """Last local day asked for."""
    points: tuple[MetricPoint, ...] = ()
    warnings: tuple[str, ...] = ()
    coverage: Coverage | None = None
    data_as_of: AwareDatetime | None = None
    """Time of the newest event that was looked at; None when there is none."""
    late_share: float | None = None
    """Share of events that arrived more than a day after they happened."""
    comparison: Comparison | None = None
    """Set when a comparison was asked for."""
