"""What days are: festivals, days off, lunar dates; and the best hours, from the community's own activity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from shequn_sdk.domain import MetricResult
from shequn_sdk.editorial.model import BestTime, DayNote
from shequn_sdk.errors import ConfigError
from shequn_sdk.scheduling.chinese import WorkDays, default_work_days, festivals, lunar_day
from shequn_sdk.scheduling.recurrence.local import Gap, Overlap, resolve, zone_of

__all__ = ["Days", "best_times", "instant_of", "local"]

_MONTHS = ("正", "二", "三", "四", "五", "六", "七", "八", "九", "十", "冬", "腊")
_DIGITS = "一二三四五六七八九十"


def local(at: datetime, zone: str) -> date:
    """Give the local day of an instant."""
    return at.astimezone(zone_of(zone)).date()


def instant_of(naive: datetime, zone: str) -> datetime:
    """Give the instant of a local time; one that does not exist is moved to after the gap, of two it is the first."""
    return resolve(naive, zone_of(zone), gap=Gap.SHIFT_FORWARD, overlap=Overlap.FIRST)[0]


def _lunar(day: date) -> str:
    found = lunar_day(day)
    number = found.day
    if number <= 10:
        word = f"初{_DIGITS[number - 1]}"
    elif number < 20:
        word = f"十{_DIGITS[number - 11]}"
    else:
        word = {20: "二十", 30: "三十"}.get(number, f"廿{_DIGITS[number - 21]}")
    return f"{'闰' if found.leap else ''}{_MONTHS[found.month - 1]}月{word}"


class Days:
    """The Chinese calendar of a workspace; without the extra `cn-calendar` weekends are all it knows."""

    def __init__(self, home: Path) -> None:
        """Take overrides of work days from `workdays.toml` in `home`."""
        self._home = home
        self._work: WorkDays | None = None
        self._feasts: dict[int, Mapping[date, tuple[str, ...]]] = {}
        self._known: dict[date, DayNote] = {}
        self._absent = False

    def of(self, day: date) -> DayNote:
        """Say what a day is."""
        found = self._known.get(day)
        if found is None:
            if len(self._known) > 4000:
                self._known.clear()
            found = self._known[day] = self._look(day)
        return found

    def _look(self, day: date) -> DayNote:
        if not self._absent:
            try:
                if self._work is None:
                    path = self._home / "workdays.toml"
                    self._work = WorkDays.load(path) if path.is_file() else default_work_days()
                info = self._work.of(day)
                return DayNote(
                    day=day,
                    festivals=self._festivals(day.year).get(day, ()),
                    holiday=info.holiday,
                    works=info.works,
                    provisional=info.provisional,
                    lunar=_lunar(day),
                )
            except ConfigError:
                self._absent = True
        return DayNote(day=day, works=day.weekday() < 5, provisional=True)

    def _festivals(self, year: int) -> Mapping[date, tuple[str, ...]]:
        found = self._feasts.get(year)
        if found is None:
            by_day: dict[date, tuple[str, ...]] = {}
            for one in festivals(year):
                by_day[one.date] = (*by_day.get(one.date, ()), one.name)
            found = self._feasts[year] = by_day
        return found


def _beyond(count: float, expected: float) -> float:
    """Give the probability of at least so many by chance, when so many are expected (normal approximation of Poisson)."""
    if expected <= 0:
        return 1.0
    return 0.5 * math.erfc((count - 0.5 - expected) / math.sqrt(2 * expected))


def best_times(result: MetricResult, *, count: int, now: datetime, zone: str) -> Sequence[BestTime]:
    """Read the best hours out of `activity.best_hour`, best first; empty without data.

    The confidence of an hour is 1 - min(1, 168 p), where p is the chance that an hour of average activity has at least
    as many active member-hours (Poisson); 168 because the best of so many is picked (Bonferroni).
    """
    points = [point for point in result.points if point.value is not None and point.denominator]
    total = sum(float(point.numerator or 0) for point in points)
    hours = sum(float(point.denominator or 0) for point in points)
    if not total or not hours:
        return ()
    ranked = sorted(points, key=lambda point: (-float(point.value or 0), int(point.bucket)))
    here = now.astimezone(zone_of(zone))
    found: list[BestTime] = []
    for point in ranked[:count]:
        weekday, hour = divmod(int(point.bucket), 24)
        weeks = int(point.denominator or 0)
        chance = _beyond(float(point.numerator or 0), total / hours * weeks)
        day = here.date() + timedelta(days=(weekday - here.weekday()) % 7)
        at = instant_of(datetime(day.year, day.month, day.day, hour), zone)  # noqa: DTZ001 - local time
        if at <= now:
            day += timedelta(days=7)
            at = instant_of(datetime(day.year, day.month, day.day, hour), zone)  # noqa: DTZ001 - local time
        found.append(
            BestTime(
                weekday=weekday,
                hour=hour,
                members=round(float(point.value or 0), 3),
                weeks=weeks,
                confidence=round(1 - min(1.0, 168 * chance), 4),
                next_at=at,
            )
        )
    return found
