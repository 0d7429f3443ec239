"""Rows to points: names of buckets, gaps, and which buckets are not over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from shequn_sdk.domain import Grain, MetricPoint
from shequn_sdk.metrics.model import Gaps, Metric, Row

__all__ = ["Window", "bucket_end", "bucket_name", "points", "starts", "unknown"]

_OWN = frozenset({"bucket", "value", "numerator", "denominator", "partial"})
_DAYS = frozenset({Grain.DAY, Grain.HOUR, Grain.HOUR_OF_WEEK})


@dataclass(frozen=True, slots=True)
class Window:
    """The range asked for, the running day, and from when to when there is data."""

    start: date
    end: date
    today: date
    first: date | None
    last: date | None
    lead: int = 0
    """Days before a bucket at which what it counts starts."""


def starts(start: date, end: date, grain: Grain) -> list[date]:
    """List the first days of the buckets that touch the range."""
    if grain is Grain.TOTAL:
        return [start]
    if grain in _DAYS:
        return [date.fromordinal(day) for day in range(start.toordinal(), end.toordinal() + 1)]
    found: list[date] = []
    day = _floor(start, grain)
    while day <= end:
        found.append(day)
        day = bucket_end(day, grain) + timedelta(days=1)
    return found


def _floor(day: date, grain: Grain) -> date:
    if grain is Grain.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain is Grain.MONTH else day


def bucket_end(day: date, grain: Grain) -> date:
    """Give the last day of the bucket that starts on `day`."""
    if grain is Grain.WEEK:
        return day + timedelta(days=6)
    if grain is Grain.MONTH:
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return day


def bucket_name(value: Any, grain: Grain) -> str:
    """Write a bucket as `MetricPoint.bucket` says."""
    if grain is Grain.TOTAL:
        return "total"
    if type(value) is date:
        return value.isoformat()
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H") if grain is Grain.HOUR else value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def unknown(start: date, end: date, grain: Grain) -> tuple[MetricPoint, ...]:
    """Give points that say: not reported."""
    if grain in {Grain.HOUR, Grain.HOUR_OF_WEEK, Grain.TOTAL}:
        return (MetricPoint(bucket="total", value=None),)
    return tuple(MetricPoint(bucket=day.isoformat(), value=None) for day in starts(start, end, grain))


def _number(value: Any) -> float | int | None:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _partial(bucket: Any, grain: Grain, window: Window) -> bool:
    if grain is Grain.DAY and not window.lead:
        return bool(bucket >= window.today)
    if grain is Grain.TOTAL:
        first, last = window.start, window.end
    elif isinstance(bucket, datetime):
        first = last = bucket.date()
    elif isinstance(bucket, date):
        first, last = bucket, bucket_end(bucket, grain)
    else:
        return False
    if last >= window.today or (window.last is not None and last > window.last and grain is not Grain.DAY):
        return True
    if grain in {Grain.WEEK, Grain.MONTH} and (first < window.start or last > window.end):
        return True
    return window.lead > 0 and window.first is not None and first - timedelta(days=window.lead) < window.first


def _point(row: Row, grain: Grain, window: Window) -> MetricPoint:
    numerator = denominator = None
    if "numerator" in row or "denominator" in row:
        numerator, denominator = _number(row.get("numerator")), _number(row.get("denominator"))
    if "value" in row:
        value = _number(row["value"])
    else:
        value = None if numerator is None or not denominator else numerator / denominator
    partial = bool(row["partial"]) if "partial" in row else _partial(row["bucket"], grain, window)
    return MetricPoint(
        bucket=bucket_name(row["bucket"], grain),
        value=value,
        numerator=numerator,
        denominator=denominator,
        partial=partial,
        dims={name.removeprefix("d_"): _plain(item) for name, item in row.items() if name not in _OWN},
    )


def _plain(value: Any) -> Any:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return _number(value)


def points(
    rows: list[Row], metric: Metric, grain: Grain, window: Window, *, split: bool = False
) -> tuple[MetricPoint, ...]:
    """Give the points of the range, with gaps filled as the metric says; a split one without groups has no points."""
    if metric.gaps is Gaps.NONE or grain is Grain.HOUR_OF_WEEK:
        if not metric.finished:
            rows = sorted(rows, key=lambda row: (row["bucket"], _group(row)[1]))
        return tuple(_point(row, grain, window) for row in rows)
    groups: dict[tuple[tuple[str, Any], ...], dict[Any, Row]] = {}
    for row in rows:
        groups.setdefault(_group(row)[0], {})[_key(row["bucket"])] = row
    if not groups and not split:
        groups[()] = {}
    found: list[MetricPoint] = []
    for group in sorted(groups, key=str):
        found.extend(_filled(dict(group), groups[group], metric, grain, window))
    return tuple(found)


def _group(row: Row) -> tuple[tuple[tuple[str, Any], ...], str]:
    dims = tuple(sorted((name, value) for name, value in row.items() if name not in _OWN))
    return dims, str(dims)


def _key(bucket: Any) -> Any:
    return bucket


def _filled(
    dims: dict[str, Any], rows: dict[Any, Row], metric: Metric, grain: Grain, window: Window
) -> list[MetricPoint]:
    if metric.gaps is Gaps.CARRY:
        return _carried(dims, rows, grain, window)
    found: list[MetricPoint] = []
    for bucket in _all_buckets(grain, window):
        row = rows.get(bucket)
        if row is None:
            known = _has_data(bucket, grain, window)
            row = {"bucket": bucket, **dims, **({"value": 0} if known else {"value": None})}
            if known and metric.kind == "ratio":
                row = {"bucket": bucket, **dims, "numerator": 0, "denominator": 0}
        found.append(_point(row, grain, window))
    return found


def _all_buckets(grain: Grain, window: Window) -> list[Any]:
    if grain is not Grain.HOUR:
        return list(starts(window.start, window.end, grain))
    first = datetime(window.start.year, window.start.month, window.start.day)  # noqa: DTZ001 - local hours have no zone
    hours = ((window.end - window.start).days + 1) * 24
    return [first + timedelta(hours=hour) for hour in range(hours)]


def _has_data(bucket: Any, grain: Grain, window: Window) -> bool:
    """Whether the bucket touches the days between the first and the last data: there, nothing means 0."""
    if window.first is None or window.last is None:
        return False
    if grain is Grain.TOTAL:
        return window.end >= window.first and window.start <= window.last
    day = bucket.date() if isinstance(bucket, datetime) else bucket
    return bucket_end(day, grain) >= window.first and day <= window.last


def _carried(dims: dict[str, Any], rows: dict[Any, Row], grain: Grain, window: Window) -> list[MetricPoint]:
    changes = sorted(rows)
    position, value = 0, 0
    found: list[MetricPoint] = []
    for bucket in starts(window.start, window.end, grain):
        upto = window.end if grain is Grain.TOTAL else min(bucket_end(bucket, grain), window.end)
        while position < len(changes) and changes[position] <= upto:
            value = rows[changes[position]]["value"]
            position += 1
        known = _has_data(bucket, grain, window)
        row = {"bucket": bucket, **dims, "value": value if known else None}
        found.append(_point(row, grain, window))
    return found
