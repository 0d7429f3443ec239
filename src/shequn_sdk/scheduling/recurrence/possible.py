"""Whether a recurrence rule ever comes, found out without walking through its days until the year 9999."""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Iterable, Iterator, Sequence
from datetime import MAXYEAR, date, datetime, time
from itertools import pairwise
from math import gcd
from typing import Any, NamedTuple

from dateutil.easter import easter
from dateutil.rrule import DAILY, HOURLY, MONTHLY, WEEKLY, YEARLY, rrule, weekday

from shequn_sdk.errors import InvalidInput

__all__ = ["check_parts", "comes", "part"]

_CYCLE = 400
"""Years after which the calendar, Easter aside, begins anew, on the same day of the week."""
_LONG = 100_000
"""Days after which intervals meet the same hours again; above this they are walked through one by one."""

_PARTS = {
    "BYSECOND": (0, 59),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYSETPOS": (-366, 366),
    "BYEASTER": (-80, 250),
}
_ZERO = {"BYSECOND", "BYMINUTE", "BYHOUR", "BYEASTER"}
_DAY = re.compile(r"(?P<before>[+-]?\d+)?(?:MO|TU|WE|TH|FR|SA|SU)(?:\((?P<behind>[+-]?\d+)\))?")


def part(rule: rrule, name: str) -> Any:
    """Give a part of a rule; dateutil offers them under these names only."""
    return getattr(rule, f"_{name}")


def check_parts(text: str) -> None:
    """Refuse numbers that no calendar has; dateutil takes some of them, and then looks for them without end.

    Raises:
        InvalidInput: names the part.
    """
    given: dict[str, str] = {}
    for item in text.upper().removeprefix("RRULE:").split(";"):
        name, _, value = (word.strip() for word in item.partition("="))
        if not value:
            raise InvalidInput(
                f"rule: {text!r} has the part {item!r}; parts are NAME=value, with ; between them",
                source="RRule",
            )
        if name in given:
            raise InvalidInput(f"rule: {name} is given twice", source="RRule")
        given[name] = value
    if "FREQ" not in given:
        raise InvalidInput(f"rule: {text!r} lacks FREQ, an example is FREQ=WEEKLY;BYDAY=FR", source="RRule")
    if "COUNT" in given and "UNTIL" in given:
        raise InvalidInput("rule: COUNT and UNTIL exclude each other; keep one", source="RRule")
    for name, value in given.items():
        bounds = _PARTS.get(name)
        if bounds is None:
            continue
        for number in value.split(","):
            if not re.fullmatch(r"[+-]?[0-9]{1,5}", number.strip()):
                raise InvalidInput(f"rule: {name}={value}: {number!r} is no number", source="RRule")
            low, high = bounds
            if not low <= int(number) <= high or (int(number) == 0 and name not in _ZERO):
                zero = "" if name in _ZERO or low > 0 else ", without 0"
                raise InvalidInput(
                    f"rule: {name}={number.strip()} is not possible: it goes from {low} to {high}{zero}",
                    source="RRule",
                )
    if given.get("FREQ") == "WEEKLY" and "-" in given.get("BYWEEKNO", ""):
        raise InvalidInput(
            f"rule: BYWEEKNO={given['BYWEEKNO']} counts from the end of a year; it needs FREQ=YEARLY",
            source="RRule",
        )
    _check_days(given)


def _check_days(given: dict[str, str]) -> None:
    days = given.get("BYDAY") or given.get("BYWEEKDAY") or ""
    found = [_DAY.fullmatch(day.strip()) for day in days.split(",")]
    counts = [one["before"] or one["behind"] for one in found if one is not None]
    numbers = [int(count) for count in counts if count]
    if not numbers:
        return
    frequency = given.get("FREQ", "")
    if frequency not in {"MONTHLY", "YEARLY"}:
        raise InvalidInput(
            f"rule: BYDAY={days} counts days of a month or year; it needs FREQ=MONTHLY or FREQ=YEARLY",
            source="RRule",
        )
    most = 53 if frequency == "YEARLY" and not given.get("BYMONTH") else 5
    for number in numbers:
        if number == 0 or abs(number) > most:
            raise InvalidInput(
                f"rule: BYDAY={days} never comes: {number} is not possible, at most {most} of a weekday are in a "
                + ("year" if most > 5 else "month"),
                source="RRule",
            )
    if len(numbers) < len(found):
        raise InvalidInput(
            f"rule: BYDAY={days} mixes counted days and others; make two schedules of it", source="RRule"
        )


def comes(rule: rrule) -> bool:
    """Say whether a rule has an occurrence, from its start to its end or the year 9999."""
    return _Rule(rule).comes()


class _Period(NamedTuple):
    """A year, month, week or day, and those of its days that the filters leave."""

    first: int
    """The day (as an ordinal) that the lowest bit stands for."""
    bits: int

    def days(self) -> Iterator[int]:
        bits = self.bits
        while bits:
            low = bits & -bits
            yield self.first + low.bit_length() - 1
            bits ^= low


class _Rule:
    """A rule, whose days are bits of years: calendars are few, and looked at once each."""

    def __init__(self, rule: rrule) -> None:
        self._rule = rule
        self._start: datetime = part(rule, "dtstart")
        self._end: datetime = part(rule, "until") or datetime.max  # noqa: DTZ901 - local time
        self._freq: int = part(rule, "freq")
        self._interval: int = part(rule, "interval")
        self._easter: Sequence[int] = part(rule, "byeaster") or ()
        self._places: Sequence[int] = part(rule, "bysetpos") or ()
        self._day: Sequence[time] = part(rule, "timeset") or ()
        self._masks: dict[tuple[int, ...], int] = {}
        self._full: dict[tuple[int, int], bool] = {}

    def comes(self) -> bool:
        if self._start > self._end:
            return False
        years = range(self._start.year, min(MAXYEAR, self._start.year + _CYCLE) + 1)
        if not self._easter and not any(self._mask(year) for year in years):
            return False
        if self._places:
            most = len(self._times()) * self._widest()
            self._places = [place for place in self._places if abs(place) <= most]
            if not self._places:
                return False
            if self._freq == DAILY:  # the places are some of the times of each day
                self._day = [self._day[place - 1 if place > 0 else place] for place in self._places]
                self._places = ()
        return any(self._in_time(period) for period in self._periods())

    # the days that the filters leave, whatever the frequency

    def _mask(self, year: int) -> int:
        """Give the days of a year that the filters leave, its first day in the lowest bit."""
        key = (isleap(year), date(year, 1, 1).weekday())
        if part(self._rule, "byweekno"):
            key = (*key, isleap(year - 1))
        if self._easter:
            key = (*key, (easter(year) - date(year, 1, 1)).days)
        mask = self._masks.get(key)
        if mask is None:
            mask = self._masks[key] = self._days_of(year)
        return mask

    def _days_of(self, year: int) -> int:
        rule = self._rule
        counted: Sequence[tuple[int, int]] = part(rule, "bynweekday") or ()
        weekdays = [*(part(rule, "byweekday") or ()), *(weekday(*one) for one in counted)]
        months = part(rule, "bymonth")
        if counted and self._freq == MONTHLY and not months:
            months = range(1, 13)  # so that they are counted in each month
        first = datetime(year, 1, 1)  # noqa: DTZ001 - local time
        one_year = rrule(
            YEARLY,
            interval=MAXYEAR,
            dtstart=first,
            wkst=part(rule, "wkst"),
            bymonth=months,
            bymonthday=[*part(rule, "bymonthday"), *part(rule, "bynmonthday")] or None,
            byyearday=part(rule, "byyearday"),
            byweekno=part(rule, "byweekno"),
            byweekday=weekdays or range(7),
            byeaster=self._easter or None,
        )
        return sum(1 << (day - first).days for day in one_year)

    # the periods that the frequency and its interval meet

    def _widest(self) -> int:
        """Give how many days a period has at most."""
        weekdays = part(self._rule, "byweekday")
        week = 7 if weekdays is None else len(weekdays)
        return {YEARLY: 366, MONTHLY: 31, WEEKLY: week, DAILY: 1}[self._freq]

    def _years(self) -> range:
        last = self._end.year
        if self._interval == 1 and not self._easter:
            last = min(last, self._start.year + _CYCLE + 1)
        return range(self._start.year, last + 1)

    def _periods(self) -> Iterator[_Period]:
        if self._freq == YEARLY:
            return (_Period(_first(year), self._mask(year)) for year in self._years()[:: self._interval])
        if self._freq == MONTHLY:
            return self._months()
        if self._freq == WEEKLY and self._places:
            return self._weeks()
        return self._single_days()

    def _months(self) -> Iterator[_Period]:
        years = self._years()
        begin = years[0] * 12 + self._start.month - 1
        for number in range(begin, years[-1] * 12 + 12, self._interval):
            year, month = divmod(number, 12)
            bits = self._mask(year)
            if bits:
                yield _Period(_first(year), bits & _MONTHS[isleap(year)][month])

    def _weeks(self) -> Iterator[_Period]:
        begin, step = self._first_of_week(), 7 * self._interval
        for year in self._years():
            first, length = _first(year), 365 + isleap(year)
            bits = self._mask(year)
            if year < MAXYEAR:
                bits |= (self._mask(year + 1) & 0b111111) << length
            if year == self._start.year or self._has_full_week(bits, (begin - first) % 7):
                skipped = max(0, -((begin - first) // step))
                for week in range(begin + skipped * step, first + length, step):
                    shifted = bits >> (week - first) if week >= first else bits << (first - week)
                    late = max(
                        0, self._start.toordinal() - week
                    )  # dateutil's first week begins with the start
                    yield _Period(week + late, (shifted & 0b1111111) >> late)

    def _has_full_week(self, bits: int, offset: int) -> bool:
        """Say whether one of the weeks that begin in a year has days enough for BYSETPOS."""
        key = (bits, offset)
        if key not in self._full:
            least = -(-min(map(abs, self._places)) // len(self._times()))
            weeks = range(offset, 366, 7)
            self._full[key] = any((bits >> week & 0b1111111).bit_count() >= least for week in weeks)
        return self._full[key]

    def _first_of_week(self) -> int:
        return self._start.toordinal() - (self._start.weekday() - part(self._rule, "wkst")) % 7

    def _single_days(self) -> Iterator[_Period]:
        """Give the days of each year that the intervals meet; all at once, where they lie does not matter."""
        length, anchor, hits = self._lattice()
        if length > _LONG:
            for hit in hits:
                for day in range(anchor + hit, date.max.toordinal() + 1, length):
                    first = _first(date.fromordinal(day).year)
                    yield _Period(day, self._mask(date.fromordinal(day).year) >> (day - first) & 1)
            return
        pattern, size = sum(1 << hit for hit in hits), length
        if not pattern:
            return
        while size < length + 366:
            pattern |= pattern << size
            size *= 2
        for year in self._years():
            bits = self._mask(year)
            if bits:
                yield _Period(_first(year), bits & (pattern >> ((_first(year) - anchor) % length)))

    def _lattice(self) -> tuple[int, int, Iterable[int]]:
        """Give after how many days the intervals meet the same again, from which day, and which days they meet."""
        start = self._start.toordinal()
        if self._freq == DAILY:
            return self._interval, start, [0]
        if self._freq == WEEKLY:
            return 7 * self._interval, self._first_of_week(), range(7)
        ticks, begun = self._of_day(), self._ticks_begun()
        common = gcd(self._interval, ticks)
        length = self._interval // common
        back = pow(ticks // common, -1, length)
        hits = {
            (begun - tick) // common * back % length
            for tick in range(ticks)
            if (begun - tick) % common == 0 and self._allowed(tick)
        }
        return length, start, hits

    # hours and minutes

    def _of_day(self) -> int:
        return 24 if self._freq == HOURLY else 1440

    def _ticks_begun(self) -> int:
        return self._start.hour if self._freq == HOURLY else self._start.hour * 60 + self._start.minute

    def _allowed(self, tick: int) -> bool:
        """Say whether an hour (or minute) of the day is one that the rule names."""
        hours, minutes = part(self._rule, "byhour"), part(self._rule, "byminute")
        if self._freq == HOURLY:
            return not hours or tick in hours
        return (not hours or tick // 60 in hours) and (not minutes or tick % 60 in minutes)

    def _times(self, day: int = 0) -> Sequence[time]:
        """Give at which times the rule comes on a day."""
        if self._freq < HOURLY:
            return self._day
        ticks = self._of_day()
        passed = (day - self._start.toordinal()) * ticks - self._ticks_begun()
        met = [tick for tick in range(-passed % self._interval, ticks, self._interval) if self._allowed(tick)]
        minutes, seconds = part(self._rule, "byminute"), part(self._rule, "bysecond")
        if self._freq == HOURLY:
            return [time(hour, minute, second) for hour in met for minute in minutes for second in seconds]
        return [time(tick // 60, tick % 60, second) for tick in met for second in seconds]

    # occurrences between start and end

    def _in_time(self, period: _Period) -> bool:
        """Say whether a period has an occurrence that is neither before the start nor after the end."""
        first, last = self._start.toordinal(), self._end.toordinal()
        if not period.bits:
            return False
        if not self._places:
            inside = [day for day in period.days() if first <= day <= last]
            if any(first < day < last for day in inside):
                return True
            return any(self._within(day, at) for day in inside for at in self._times(day))
        times = self._times()
        days = period.bits.bit_count()
        places = [place for place in self._places if abs(place) <= days * len(times)]
        if not places:
            return False
        known = list(period.days())
        return any(
            self._within(known[number // len(times)], times[number % len(times)])
            for number in (place - 1 if place > 0 else len(times) * days + place for place in places)
        )

    def _within(self, day: int, at: time) -> bool:
        return self._start <= datetime.combine(date.fromordinal(day), at) <= self._end


def _first(year: int) -> int:
    return date(year, 1, 1).toordinal()


def _month_bits(year: int) -> tuple[int, ...]:
    firsts = [date(year, month, 1).toordinal() - _first(year) for month in range(1, 13)] + [
        365 + isleap(year)
    ]
    return tuple((1 << last) - (1 << first) for first, last in pairwise(firsts))


_MONTHS = (_month_bits(2023), _month_bits(2024))
