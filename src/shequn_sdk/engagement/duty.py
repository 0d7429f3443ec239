"""Hours of business and the duty roster: pure functions over local time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from shequn_sdk.domain import Frozen, MemberRef, ZoneName

__all__ = ["Hours", "Shift", "due_after", "minutes_between", "on_duty"]

_ALL = (0, 1, 2, 3, 4, 5, 6)
_FAR = 400
"""Days after which hours of business are given up: there are none."""


class Hours(Frozen):
    """A stretch of local time on some days of the week (工作时间). One that ends before it begins goes past midnight."""

    days: tuple[int, ...] = Field(default=_ALL, min_length=1)
    """0 is Monday."""
    start: time = time(0)
    end: time = time(0)
    """The same as `start` is the whole day."""

    @model_validator(mode="after")
    def _known_days(self) -> Self:
        if any(day not in _ALL for day in self.days):
            raise ValueError("days are 0 (Monday) to 6 (Sunday)")
        return self


class Shift(Hours):
    """When somebody answers questions (值班)."""

    person: str = Field(min_length=1, max_length=100)
    """Name, as it is said when they are reminded."""
    members: tuple[MemberRef, ...] = ()
    """Their members on the platforms: what these answer is answered."""
    zone: ZoneName | None = None
    """The zone of the shift; None is the community's."""


def _windows(hours: Sequence[Hours], zone: str, first: date) -> Iterator[tuple[datetime, datetime]]:
    """Give stretches of business as instants, in order, from the day before `first` on; those that touch are joined."""
    zoned = ZoneInfo(zone)
    day = first - timedelta(days=1)
    open_: tuple[datetime, datetime] | None = None
    for _ in range(_FAR):
        found: list[tuple[datetime, datetime]] = []
        for one in hours:
            if day.weekday() in one.days:
                last = day if one.end > one.start else day + timedelta(days=1)
                start = datetime.combine(day, one.start, zoned).astimezone(UTC)
                end = datetime.combine(last, one.end, zoned).astimezone(UTC)
                if start < end:
                    found.append((start, end))
        for start, end in sorted(found):
            if open_ is not None and start <= open_[1]:
                open_ = (open_[0], max(open_[1], end))
            else:
                if open_ is not None:
                    yield open_
                open_ = (start, end)
        day += timedelta(days=1)
    if open_ is not None:
        yield open_


def due_after(asked: datetime, promise: timedelta, *, hours: Sequence[Hours], zone: str) -> datetime:
    """Give when an answer is due: so much time in hours of business after the question. Without hours every hour counts.

    >>> office = [Hours(days=(0, 1, 2, 3, 4), start=time(9), end=time(18))]
    >>> friday = datetime(2026, 3, 6, 17, 45, tzinfo=ZoneInfo("Asia/Shanghai"))
    >>> due_after(friday, timedelta(minutes=30), hours=office, zone="Asia/Shanghai").astimezone(friday.tzinfo).isoformat()
    '2026-03-09T09:15:00+08:00'
    """
    if not hours:
        return asked + promise
    left = promise
    for start, end in _windows(hours, zone, asked.astimezone(ZoneInfo(zone)).date()):
        begins = max(start, asked)
        if begins >= end:
            continue
        if end - begins >= left:
            return begins.astimezone(UTC) + left
        left -= end - begins
    return asked + promise


def minutes_between(start: datetime, end: datetime, *, hours: Sequence[Hours], zone: str) -> float:
    """Give the minutes of business between two instants."""
    if not hours:
        return (end - start) / timedelta(minutes=1)
    total = timedelta(0)
    for opens, closes in _windows(hours, zone, start.astimezone(ZoneInfo(zone)).date()):
        if opens >= end:
            break
        total += max(timedelta(0), min(end, closes) - max(start, opens))
    return total / timedelta(minutes=1)


def on_duty(shifts: Sequence[Shift], at: datetime, *, zone: str) -> Shift | None:
    """Give whose shift it is; of several the first that is listed; None when it is nobody's."""
    for one in shifts:
        own = one.zone or zone
        for start, end in _windows([one], own, at.astimezone(ZoneInfo(own)).date()):
            if start <= at < end:
                return one
            if start > at:
                break
    return None
