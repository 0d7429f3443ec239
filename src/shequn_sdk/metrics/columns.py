"""Macros that write columns: dimensions, buckets, weeks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shequn_sdk.domain import Grain
from shequn_sdk.metrics.model import MetricParams, Segment

__all__ = ["COLUMNS", "ColumnMacros", "Request"]

COLUMNS = {
    "community": "community_no",
    "platform": "platform",
    "channel": "channel_no",
    "role": "role",
    "tag": "tag",
    "entrance": "entrance",
    "kind": "kind",
}


@dataclass(frozen=True, slots=True)
class Request:
    """All that decides the text of a query; values are bound, never written into it."""

    grain: Grain
    dims: tuple[str, ...]
    params: MetricParams
    segment: Segment = field(default_factory=Segment)
    community: bool = False
    """Whether one community is asked for."""
    platforms: tuple[str, ...] | None = None
    """Only platforms that report what the metric needs; None is all."""
    rollup: bool = True
    """Whether roll-ups may be read."""
    persons: int = 0
    """Largest person number, when it is known."""


class ColumnMacros:
    """The macros of one request that need nothing but the request."""

    def __init__(self, request: Request, *, dialect: str) -> None:
        self.request = request
        self.dialect = dialect

    def _dims(self, e: str) -> str:
        return "".join(f"{e}.{COLUMNS[name]} as d_{name}, " for name in self.request.dims)

    def _group(self, e: str) -> str:
        return "".join(f"{e}.{COLUMNS[name]}, " for name in self.request.dims)

    def _d(self, alias: str = "") -> str:
        prefix = f"{alias}." if alias else ""
        return "".join(f"{prefix}d_{name}, " for name in self.request.dims)

    def _same(self, left: str, right: str) -> str:
        return "".join(f" and {left}.d_{name} = {right}.d_{name}" for name in self.request.dims)

    @staticmethod
    def _week(day: str) -> str:
        return f"({day} - cast(mod({day} - cast('1970-01-05' as date), 7) as integer))"

    def _bucket_of(self, day: str) -> str:
        grain = self.request.grain
        if grain is Grain.WEEK:
            return self._week(day)
        if grain is Grain.MONTH:
            return f"cast(date_trunc('month', {day}) as date)"
        if grain is Grain.TOTAL:
            return "cast($start as date)"
        return day

    def _index_of(self, day: str) -> str:
        grain = self.request.grain
        if grain is Grain.MONTH:
            return f"cast(extract(year from {day}) * 12 + extract(month from {day}) as integer)"
        if grain is Grain.WEEK:
            return f"cast(({self._week(day)} - cast('1970-01-05' as date)) / 7 as integer)"
        return f"cast({day} - cast('1970-01-05' as date) as integer)"

    def _next_bucket(self, bucket: str) -> str:
        grain = self.request.grain
        if grain is Grain.MONTH:
            return f"cast({bucket} + interval '1' month as date)"
        return f"({bucket} + {7 if grain is Grain.WEEK else 1})"

    def _bucket(self, e: str) -> str:
        if self.request.grain is Grain.HOUR and self.dialect == "clickhouse":
            return f"addHours(cast({e}.local_day as timestamp), {e}.local_hour)"
        if self.request.grain is Grain.HOUR:
            return f"cast({e}.local_day as timestamp) + {e}.local_hour * interval '1' hour"
        if self.request.grain is Grain.HOUR_OF_WEEK:
            return self._hour_of_week(e)
        return self._bucket_of(f"{e}.local_day")

    def _hour_of_week(self, e: str) -> str:
        if self.dialect == "duckdb":  # twice as fast as the arithmetic that every engine knows
            return f"cast((isodow({e}.local_day) - 1) * 24 + {e}.local_hour as integer)"
        day = f"cast(mod({e}.local_day - cast('1970-01-05' as date), 7) as integer)"
        return f"({day} * 24 + cast({e}.local_hour as integer))"

    def _spans(self) -> str:
        """Write the days of an N-day retention: first and last day that count, and the day after which it is known."""
        params: Any = self.request.params
        days = sorted(set(params.days))
        rows: list[str] = []
        for position, day in enumerate(days):
            last = day
            if params.mode == "on_or_after":
                last = 36_500
            elif params.mode == "bracket" and position + 1 < len(days):
                last = days[position + 1] - 1
            ripe = day if params.mode == "on_or_after" else last
            rows.append(f"select {day:d} as day_no, {last:d} as last_no, {ripe:d} as ripe_no")
        return " union all ".join(rows)
