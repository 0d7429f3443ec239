"""Local day and hour of many instants at once, without asking the time-zone library per row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["local_days_and_hours"]

_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _offset(zone: ZoneInfo, second: int) -> int:
    moment = (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
    return int(moment.total_seconds()) if moment is not None else 0


@lru_cache(maxsize=256)
def _year_steps(zone_name: str, year: int) -> tuple[tuple[int, int], ...]:
    """Give (first second, offset) of each stretch with one offset within a UTC year."""
    zone = ZoneInfo(zone_name)
    start = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    stop = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp())
    steps = [(start, _offset(zone, start))]
    for day in range(start, stop, _DAY):
        before, after = steps[-1][1], _offset(zone, min(day + _DAY, stop - 1))
        if before == after:
            continue
        low, high = day, min(day + _DAY, stop - 1)
        while high - low > 1:
            middle = (low + high) // 2
            if _offset(zone, middle) == before:
                low = middle
            else:
                high = middle
        steps.append((high, after))
    return tuple(steps)


def local_days_and_hours(
    micros: NDArray[np.int64], zone_name: str
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Give days since 1970 and hours 0-23 in the zone, for microseconds since 1970 UTC."""
    import numpy as np  # noqa: PLC0415

    seconds = np.floor_divide(micros, 1_000_000)
    if len(seconds) == 0:
        return np.empty(0, np.int32), np.empty(0, np.int8)
    first = (_EPOCH + timedelta(seconds=int(seconds.min()))).year
    last = (_EPOCH + timedelta(seconds=int(seconds.max()))).year
    steps = [step for year in range(first, last + 1) for step in _year_steps(zone_name, year)]
    starts = np.array([start for start, _ in steps], dtype=np.int64)
    offsets = np.array([offset for _, offset in steps], dtype=np.int64)
    local = seconds + offsets[np.searchsorted(starts, seconds, side="right") - 1]
    days = np.floor_divide(local, _DAY)
    hours = np.floor_divide(local - days * _DAY, 3600)
    return days.astype(np.int32), hours.astype(np.int8)
