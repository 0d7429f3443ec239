"""Local days and streaks: pure functions, right across daylight saving, changed zones and days that never were."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shequn_sdk.domain import Frozen

__all__ = ["Streak", "day_start", "local_day", "previous_day", "streak_of"]

_DAY = timedelta(days=1)


class Streak(Frozen):
    """Days in a row (连续打卡)."""

    current: int = 0
    """Up to today, or up to yesterday while today is not over."""
    longest: int = 0
    total: int = 0
    last: date | None = None


def day_start(day: date, *, zone: str, begins: time = time(0)) -> datetime:
    """Give the instant at which a local day begins.

    A time that daylight saving leaves out is taken as the instant at which the clocks jump over it; one that comes twice
    as its first coming.
    """
    naive = datetime.combine(day, begins)
    return naive.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def local_day(at: datetime, *, zone: str, begins: time = time(0)) -> date:
    """Give the local day of an instant: the one that has begun and whose successor has not.

    >>> local_day(datetime(2026, 3, 1, 17, tzinfo=UTC), zone="Asia/Shanghai").isoformat()
    '2026-03-02'
    >>> local_day(datetime(2026, 3, 1, 17, tzinfo=UTC), zone="Asia/Shanghai", begins=time(4)).isoformat()
    '2026-03-01'
    """
    day = at.astimezone(ZoneInfo(zone)).date() + _DAY
    while day_start(day, zone=zone, begins=begins) > at:
        day -= _DAY
    # a day that never was begins when the next one does: the later of the two is meant
    while day_start(day + _DAY, zone=zone, begins=begins) <= at:
        day += _DAY
    return day


def previous_day(day: date, *, zone: str, begins: time = time(0)) -> date:
    """Give the day before; days that a zone left out altogether (Samoa's 30 December 2011) are not there."""
    found = day - _DAY
    while day_start(found, zone=zone, begins=begins) >= day_start(found + _DAY, zone=zone, begins=begins):
        found -= _DAY
    return found


def streak_of(days: Iterable[date], *, today: date, zone: str = "UTC", begins: time = time(0)) -> Streak:
    """Count days in a row; days after `today` count for nothing yet.

    >>> days = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 4)]
    >>> streak_of(days, today=date(2026, 3, 5)).current, streak_of(days, today=date(2026, 3, 6)).current
    (1, 0)
    """
    kept = sorted({day for day in days if day <= today})
    longest = run = 0
    before: date | None = None
    for day in kept:
        joined = before is not None and previous_day(day, zone=zone, begins=begins) <= before
        run = run + 1 if joined else 1
        longest = max(longest, run)
        before = day
    alive = before is not None and before >= previous_day(today, zone=zone, begins=begins)
    return Streak(current=run if alive else 0, longest=longest, total=len(kept), last=before)
