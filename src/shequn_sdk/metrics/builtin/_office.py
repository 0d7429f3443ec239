"""How much of a span of time lies within hours of business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Office"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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

    def seconds(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
        """Count the seconds of business between instants in microseconds since 1970 UTC; 0 where an end comes first."""
        import numpy as np  # noqa: PLC0415

        if not len(starts):
            return np.empty(0)
        opens, closes = self._open(int(starts.min()), int(max(starts.max(), ends.max())))
        before = np.concatenate([[0], np.cumsum(closes - opens)])

        def passed(instants: NDArray[np.int64]) -> NDArray[np.int64]:
            days = np.searchsorted(opens, instants, side="right")
            last = np.maximum(days - 1, 0)
            # Of the last day that opened before, what is over may be all or a part.
            return np.where(days > 0, before[last] + np.minimum(instants, closes[last]) - opens[last], 0)

        if not len(opens):
            return np.zeros(len(starts))
        return np.maximum(passed(ends) - passed(starts), 0) / 1_000_000

    def _open(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give when each day of business opens and closes that reaches into the time between two instants."""
        import numpy as np  # noqa: PLC0415

        day, until = (
            (_EPOCH + timedelta(microseconds=at)).astimezone(self.zone).date() for at in (first, last)
        )
        days: list[date] = []
        while day <= until:
            if self.works(day) and self._exists(day):
                days.append(day)
            day += timedelta(days=1)
        opens, closes = (
            np.array([self._at(day, when) for day in days], np.int64) for when in (self.opens, self.closes)
        )
        return opens, np.maximum(opens, closes)  # a day whose clock jumps over the hours has none

    def _exists(self, day: date) -> bool:
        """Tell whether the zone had the day: one that moved over the date line left a day out."""
        noon = datetime.combine(day, time(12), self.zone)
        return noon.astimezone(UTC).astimezone(self.zone).date() == day

    def _at(self, day: date, when: time) -> int:
        return (datetime.combine(day, when, self.zone) - _EPOCH) // timedelta(microseconds=1)
