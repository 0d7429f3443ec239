"""The Chinese calendar: lunar dates, festivals, and which days are worked (调休).

The State Council announces the days off of a year in the November before. Until then answers are *provisional*: the
statutory feasts (since 2025 thirteen days) are off, weekends are off, nothing is swapped.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field

from shequn_sdk.domain import Frozen
from shequn_sdk.errors import InvalidInput, MissingExtra

__all__ = [
    "DayFilter",
    "DayInfo",
    "Festival",
    "LunarCalendar",
    "LunarDay",
    "LunarMonth",
    "SolarDate",
    "WorkDays",
    "default_work_days",
    "festivals",
    "lunar_calendar",
    "lunar_day",
    "next_lunar_birthday",
    "solar_date",
]

_EXTRA = ("the Chinese calendar needs its tables", "cn-calendar")


class LunarMonth(NamedTuple):
    """One month of a lunar year."""

    number: int
    leap: bool
    start: date
    days: int


class LunarCalendar(Protocol):
    """Where lunar months come from; one for tests, or a table of your own, will do."""

    def months(self, year: int) -> Sequence[LunarMonth]:
        """Give the months of a lunar year, in order; the year is the civil one in which it begins."""
        ...

    def qingming(self, year: int) -> date:
        """Give Tomb-Sweeping Day (清明), which follows the sun."""
        ...


class _LunarPython:
    """lunar-python, a year at a time."""

    @lru_cache(maxsize=512)  # noqa: B019 - there is one object, for ever
    def months(self, year: int) -> Sequence[LunarMonth]:
        """Give the months of a lunar year."""
        _check_year(year)
        try:
            from lunar_python import LunarYear  # noqa: PLC0415 - costs 80 ms, an extra
        except ImportError as error:
            raise MissingExtra(*_EXTRA) from error
        found: list[LunarMonth] = []
        for month in LunarYear.fromYear(year).getMonths():
            if month.getYear() != year:
                continue
            start = date.fromordinal(int(month.getFirstJulianDay()) - 1_721_425)
            found.append(LunarMonth(abs(month.getMonth()), month.getMonth() < 0, start, month.getDayCount()))
        return tuple(found)

    @lru_cache(maxsize=512)  # noqa: B019 - as above
    def qingming(self, year: int) -> date:
        """Give Tomb-Sweeping Day."""
        _check_year(year)
        try:
            from lunar_python import Lunar  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingExtra(*_EXTRA) from error
        day = Lunar.fromYmd(year, 1, 1).getJieQiTable()["清明"]
        return date(day.getYear(), day.getMonth(), day.getDay())


def _check_year(year: int) -> None:
    if not MINYEAR < year <= MAXYEAR:
        raise InvalidInput(f"the lunar calendar does not know the year {year}", source="year")


@lru_cache(maxsize=1)
def lunar_calendar() -> LunarCalendar:
    """Give the calendar that is installed."""
    return _LunarPython()


class LunarDay(Frozen):
    """A day by the lunar calendar (农历)."""

    year: int
    """The civil year in which the lunar year begins."""
    month: int = Field(ge=1, le=12)
    day: int = Field(ge=1, le=30)
    leap: bool = False


class SolarDate(NamedTuple):
    """A civil date, and what had to be done to find it."""

    date: date
    notes: tuple[str, ...] = ()


def solar_date(
    year: int,
    month: int,
    day: int,
    *,
    leap: bool = False,
    leap_absent: Literal["plain", "skip"] = "plain",
    day_absent: Literal["last", "skip"] = "last",
    calendar: LunarCalendar | None = None,
) -> SolarDate | None:
    """Give the civil date of a lunar one; None when that year has none and the policies leave it out.

    Raises:
        InvalidInput: no lunar year has such a day, or the year is not known.
    """
    if not 1 <= month <= 12:
        raise InvalidInput(f"month: {month} is no lunar month; they go from 1 to 12", source="month")
    if not 1 <= day <= 30:
        raise InvalidInput(f"day: {day} is no day of a lunar month; they go from 1 to 30", source="day")
    if leap_absent not in {"plain", "skip"} or day_absent not in {"last", "skip"}:
        raise InvalidInput("leap_absent is 'plain' or 'skip', and day_absent is 'last' or 'skip'")
    months = (calendar or lunar_calendar()).months(year)
    notes: tuple[str, ...] = ()
    found = next((item for item in months if item.number == month and item.leap == leap), None)
    if found is None:
        if not leap or leap_absent == "skip":
            return None
        found = next(item for item in months if item.number == month and not item.leap)
        notes = (f"{year} has no leap month {month}: the plain month counts",)
    if day > found.days:
        if day_absent == "skip":
            return None
        notes = (*notes, f"the month has {found.days} days: the last one counts")
    return SolarDate(found.start + timedelta(days=min(day, found.days) - 1), notes)


def lunar_day(day: date, *, calendar: LunarCalendar | None = None) -> LunarDay:
    """Give the lunar date of a civil one."""
    calendar = calendar or lunar_calendar()
    for year in (day.year, max(day.year - 1, MINYEAR + 1)):
        for month in reversed(calendar.months(year)):
            if 0 <= (day - month.start).days < month.days:
                return LunarDay(
                    year=year, month=month.number, day=(day - month.start).days + 1, leap=month.leap
                )
    raise InvalidInput(f"{day} is outside of the lunar calendar that is installed")


def next_lunar_birthday(
    birthday: date | LunarDay,
    *,
    after: date,
    leap_absent: Literal["plain", "skip"] = "plain",
    day_absent: Literal["last", "skip"] = "last",
    calendar: LunarCalendar | None = None,
) -> date:
    """Give the first civil date after `after` on which a lunar birthday (农历生日) is kept.

    Args:
        birthday: the lunar day, or the civil date of birth.
        after: the day before the first one that may be given.
        leap_absent: for people born in a leap month, in years without it.
        day_absent: for people born on day 30, in months of 29 days.
        calendar: where lunar months come from.

    Raises:
        InvalidInput: the policies leave it out for 60 years.
    """
    lunar = birthday if isinstance(birthday, LunarDay) else lunar_day(birthday, calendar=calendar)
    for year in range(max(after.year - 1, MINYEAR + 1), min(after.year + 60, MAXYEAR)):
        found = solar_date(
            year,
            lunar.month,
            lunar.day,
            leap=lunar.leap,
            leap_absent=leap_absent,
            day_absent=day_absent,
            calendar=calendar,
        )
        if found is not None and found.date > after:
            return found.date
    raise InvalidInput(f"the lunar birthday {lunar.month}-{lunar.day} does not come within 60 years")


class Festival(Frozen):
    """A festival (节日)."""

    key: str
    name: str
    """Chinese name."""
    date: date


_LUNAR_FEASTS = (
    ("spring_festival", "春节", 1, 1),
    ("lantern", "元宵节", 1, 15),
    ("dragon_heads_raising", "龙抬头", 2, 2),
    ("dragon_boat", "端午节", 5, 5),
    ("qixi", "七夕", 7, 7),
    ("ghost", "中元节", 7, 15),
    ("mid_autumn", "中秋节", 8, 15),
    ("double_ninth", "重阳节", 9, 9),
    ("laba", "腊八节", 12, 8),
)
_CIVIL_FEASTS = (
    ("new_year", "元旦", 1, 1),
    ("women", "妇女节", 3, 8),
    ("labour", "劳动节", 5, 1),
    ("youth", "青年节", 5, 4),
    ("children", "儿童节", 6, 1),
    ("teachers", "教师节", 9, 10),
    ("national", "国庆节", 10, 1),
)


def festivals(year: int, *, calendar: LunarCalendar | None = None) -> tuple[Festival, ...]:
    """Give the festivals within a civil year, by date."""
    calendar = calendar or lunar_calendar()
    _check_year(year)
    found = [
        Festival(key=key, name=name, date=date(year, month, day)) for key, name, month, day in _CIVIL_FEASTS
    ]
    found.append(Festival(key="qingming", name="清明节", date=calendar.qingming(year)))
    for lunar_year in (max(year - 1, MINYEAR + 1), year):
        for key, name, month, day in _LUNAR_FEASTS:
            at = solar_date(lunar_year, month, day, calendar=calendar)
            if at is not None and at.date.year == year:
                found.append(Festival(key=key, name=name, date=at.date))
    new_year = calendar.months(year)[0].start
    found.append(Festival(key="new_years_eve", name="除夕", date=new_year - timedelta(days=1)))
    return tuple(sorted(found, key=lambda item: (item.date, item.key)))


class DayFilter(StrEnum):
    """Kinds of days of the Chinese work calendar."""

    WORKDAYS = "workdays"
    """工作日: days that are worked, with weekends that make up for a break."""
    DAYS_OFF = "days_off"
    """休息日: weekends and breaks."""
    HOLIDAYS = "holidays"
    """节假日: the days of a feast's break."""


class DayInfo(NamedTuple):
    """What one day is."""

    date: date
    works: bool
    holiday: bool
    name: str
    """The feast whose break, or make-up day, this is; "" otherwise."""
    provisional: bool
    """The year has not been announced: statutory feasts and plain weekends."""

    def matches(self, only: DayFilter) -> bool:
        """Tell whether a filter lets the day pass."""
        if only is DayFilter.HOLIDAYS:
            return self.holiday
        return self.works == (only is DayFilter.WORKDAYS)


_ENGLISH = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "National Day": "国庆节",
    "Mid-autumn Festival": "中秋节",
    "Anti-Fascist 70th Day": "抗战胜利纪念日",
}


@lru_cache(maxsize=1)
def _announced() -> tuple[Mapping[date, str], Mapping[date, str], frozenset[int]]:
    """Give days off, make-up days and the years that the installed calendar knows."""
    try:
        from chinese_calendar import constants  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra(*_EXTRA) from error
    off: dict[date, str] = {
        day: _ENGLISH.get(str(name), str(name)) for day, name in constants.holidays.items()
    }
    work: dict[date, str] = {
        day: _ENGLISH.get(str(name), str(name)) for day, name in constants.workdays.items()
    }
    return off, work, frozenset(day.year for day in off)


@lru_cache(maxsize=256)
def _statutory(year: int, calendar: LunarCalendar) -> Mapping[date, str]:
    """Give the feasts that are off by the regulation in force since 2025."""
    found = {date(year, 1, 1): "元旦", calendar.qingming(year): "清明节"}
    found |= {date(year, 5, day): "劳动节" for day in (1, 2)}
    found |= {date(year, 10, day): "国庆节" for day in (1, 2, 3)}
    months = calendar.months(year)
    found |= {months[0].start + timedelta(days=day): "春节" for day in (-1, 0, 1, 2)}
    for month, day, name in ((5, 5, "端午节"), (8, 15, "中秋节")):
        at = solar_date(year, month, day, calendar=calendar)
        if at is not None:
            found.setdefault(at.date, name)
    return found


class WorkDays:
    """Which days are worked in China.

    The order of what counts: an override, the announced calendar that is installed, the statutory feasts.
    """

    def __init__(
        self,
        *,
        off: Mapping[date, str] | Iterable[date] = (),
        work: Iterable[date] = (),
        announced: Iterable[int] = (),
        calendar: LunarCalendar | None = None,
    ) -> None:
        """Know overrides.

        Args:
            off: days that are off, with the feast's name if you like.
            work: days that are worked.
            announced: years of which `off` and `work` are complete, so that nothing is provisional.
            calendar: where lunar months come from.

        Raises:
            InvalidInput: a day is both.
        """
        self._off: dict[date, str] = dict(off) if isinstance(off, Mapping) else dict.fromkeys(off, "")
        self._work = frozenset(work)
        self._announced = frozenset(announced)
        self._calendar = calendar or lunar_calendar()
        both = sorted(self._work & set(self._off))
        if both:
            raise InvalidInput(f"{both[0]} is both off and worked")

    @classmethod
    def load(cls, path: Path | str) -> WorkDays:
        """Read overrides from a TOML file: `announced = [2027]`, `off = ["2027-02-05"]`, `work = ["2027-02-20"]`.

        `off` may be a table of date = "feast", too.

        Raises:
            InvalidInput: the file cannot be read or says something else; the message says where.
        """
        path = Path(path)
        try:
            data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{path} cannot be read: {error}", source=str(path)) from None
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"{path}: {error}", source=str(path)) from None
        unknown = sorted(set(data) - {"off", "work", "announced"})
        if unknown:
            raise InvalidInput(
                f"{path}: {unknown[0]!r} is unknown; a file of work days has off, work and announced",
                source=str(path),
            )
        raw_off: Any = data.get("off", ())
        raw_work: Any = data.get("work", ())
        if not isinstance(raw_off, (list, tuple, dict)) or not isinstance(raw_work, (list, tuple)):
            raise InvalidInput(f"{path}: off and work must be lists of dates", source=str(path))
        names: dict[Any, Any] = dict(raw_off) if isinstance(raw_off, dict) else dict.fromkeys(raw_off, "")
        years: Any = data.get("announced", ())
        if not isinstance(years, (list, tuple)) or not all(isinstance(year, int) for year in years):
            raise InvalidInput(f"{path}: announced must be a list of years", source=str(path))
        return cls(
            off={_day(key, path): str(name) for key, name in names.items()},
            work=[_day(key, path) for key in raw_work],
            announced=years,
        )

    def announced(self, year: int) -> bool:
        """Tell whether a year's days off are known for certain."""
        return year in self._announced or year in _announced()[2]

    def of(self, day: date) -> DayInfo:
        """Say what a day is.

        Raises:
            ConfigError: the extra `cn-calendar` is not installed.
        """
        if isinstance(day, datetime):  # one is a date, too, but equal to none
            day = day.date()
        if day in self._off:
            return DayInfo(day, works=False, holiday=True, name=self._off[day], provisional=False)
        if day in self._work:
            return DayInfo(day, works=True, holiday=False, name="", provisional=False)
        weekend = day.weekday() >= 5
        own = day.year in self._announced
        if not own:
            off, work, years = _announced()
            if day.year in years:
                if day in off:
                    return DayInfo(day, works=False, holiday=True, name=off[day], provisional=False)
                works = day in work or not weekend
                return DayInfo(day, works=works, holiday=False, name=work.get(day, ""), provisional=False)
        name = _statutory(day.year, self._calendar).get(day, "")
        return DayInfo(day, works=not (name or weekend), holiday=bool(name), name=name, provisional=not own)


def _day(value: object, path: Path) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise InvalidInput(
            f"{path}: {value!r} is no date; write it as 2027-02-05", source=str(path)
        ) from None


@lru_cache(maxsize=1)
def default_work_days() -> WorkDays:
    """Give the calendar that is installed, without overrides."""
    return WorkDays()
