"""A range beside an earlier one of the same length."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from shequn_sdk.domain import Additivity, Comparison, Grain, MetricPoint
from shequn_sdk.metrics.model import Metric

__all__ = ["AGAINST", "LOW_BASE", "comparison", "earlier_range", "together"]

AGAINST = ("previous_period", "previous_year")
LOW_BASE = 20
"""A base below this gets no percentage: one member more would look like a trend."""


def earlier_range(against: str, start: date, end: date, grain: Grain = Grain.DAY) -> tuple[date, date]:
    """Give the earlier range: of whole months, asked for by month, as many months; else as many days.

    Last year's is 12 months before, else 364 days, so that weekdays stay aligned.
    """
    after = end + timedelta(days=1)
    if grain is Grain.MONTH and start.day == after.day == 1:
        months = 12 if against == "previous_year" else _month(after) - _month(start)
        return _first(_month(start) - months), _first(_month(after) - months) - timedelta(days=1)
    if against == "previous_year":
        return start - timedelta(days=364), end - timedelta(days=364)
    length = end - start + timedelta(days=1)
    return start - length, end - length


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _first(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)


def together(metric: Metric, points: Sequence[MetricPoint]) -> float | int | None:
    """Put the values of complete buckets together as the metric's additivity allows.

    Sums are summed, of stocks the last counts, ratios are made anew from their parts, and of distinct counts the mean
    over buckets is given, because their sum means nothing.
    """
    whole = [point for point in points if not point.partial and point.value is not None]
    if not whole:
        return None
    values = [point.value for point in whole if point.value is not None]
    if metric.additivity is Additivity.SUM:
        return sum(values)
    if metric.additivity is Additivity.LAST:
        return values[-1]
    if metric.additivity is Additivity.RATIO:
        below = sum(point.denominator or 0 for point in whole)
        return sum(point.numerator or 0 for point in whole) / below if below else None
    return sum(values) / len(values)


def comparison(
    metric: Metric,
    *,
    against: str,
    start: date,
    end: date,
    current: Sequence[MetricPoint],
    previous: Sequence[MetricPoint],
) -> Comparison:
    """Compare bucket by bucket: one that is partial, or of which nothing is known, is left out on both sides."""
    groups_now, groups_then = _by_group(current), _by_group(previous)
    kept_now: list[MetricPoint] = []
    kept_then: list[MetricPoint] = []
    for group, points in groups_now.items():
        for position, point in enumerate(points):
            then = groups_then.get(group, [])
            if point.partial:
                continue
            if position < len(then):
                if not _stands(point) or not _stands(then[position]):
                    continue
                kept_then.append(then[position])
            kept_now.append(point)
    if not kept_then:
        kept_now = [point for point in current if not point.partial]
    now, before = together(metric, kept_now), together(metric, kept_then)
    base = before
    if metric.additivity is Additivity.RATIO:
        base = sum(point.denominator or 0 for point in kept_then)
    delta = None if now is None or before is None else now - before
    change = None
    if delta is not None and before and base is not None and abs(base) >= LOW_BASE:
        change = delta / before
    return Comparison(
        against=against,
        start=start,
        end=end,
        current=now,
        previous=before,
        delta=delta,
        change=change,
        points=tuple(previous),
    )


def _stands(point: MetricPoint) -> bool:
    """Whether a bucket is over and something is known of it: a ratio of nothing to nothing is."""
    return not point.partial and (point.value is not None or point.denominator is not None)


def _by_group(points: Sequence[MetricPoint]) -> dict[str, list[MetricPoint]]:
    groups: dict[str, list[MetricPoint]] = {}
    for point in points:
        groups.setdefault(str(sorted(point.dims.items())), []).append(point)
    return groups
