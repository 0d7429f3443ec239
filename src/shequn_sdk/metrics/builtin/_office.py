"""How much of a span of time lies within hours of business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

__all__ = ["Office"]


@dataclass(frozen=True, slots=True)
class Office:
    """Hours of business in a zone; days are whole calendar days there, whatever the clock does in between."""

    zone: ZoneInfo
    opens: time
    closes: time
    works: Callable[[date], bool]

    @classmethod
    def of(
        cls, zone: str, *, opens: str, closes: str, days: tuple[int, ...], calendar: Literal["week", "china"]
    ) -> Office:
        """Make one from what a metric's parameters say; `china` follows the announced days off and on (调休)."""
        works: Callable[[date], bool] = lambda day: day.isoweekday() in days  # noqa: E731
        if calendar == "china":
            from shequn_sdk.scheduling.chinese import (  # noqa: PLC0415 - reads the calendar that is installed
                default_work_days,
            )

            calendar_of = default_work_days()
            works = lambda day: calendar_of.of(day).works  # noqa: E731
        return cls(ZoneInfo(zone), time.fromisoformat(opens), time.fromisoformat(closes), works)

    def seconds(self, start: datetime, end: datetime, *, limit: float = float("inf")) -> float:
        """Count seconds of business from `start` to `end` (aware); stops counting once `limit` is reached."""
        total = 0.0
        day = start.astimezone(self.zone).date()
        last = end.astimezone(self.zone).date()
        while day <= last and total < limit:
            if self.works(day):
                first = max(start, self._at(day, self.opens))
                until = min(end, self._at(day, self.closes))
                total += max(0.0, (until - first).total_seconds())
            day += timedelta(days=1)
        return total

    def _at(self, day: date, when: time) -> datetime:
        return datetime.combine(day, when, self.zone).astimezone(UTC)
