"""The Chinese calendar against a table made by hand, and what it says about years nobody has announced."""

import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from shequn_sdk.errors import ConfigError, InvalidInput
from shequn_sdk.scheduling.chinese import (
    DayFilter,
    LunarDay,
    WorkDays,
    festivals,
    lunar_calendar,
    lunar_day,
    next_lunar_birthday,
    solar_date,
)
from shequn_sdk.scheduling.triggers import Cron, LunarDate

# Second source: dates as printed in almanacs, written down by hand.
FEASTS = {
    2024: ("2024-02-10", "2024-06-10", "2024-09-17"),
    2025: ("2025-01-29", "2025-05-31", "2025-10-06"),
    2026: ("2026-02-17", "2026-06-19", "2026-09-25"),
    2027: ("2027-02-06", "2027-06-09", "2027-09-15"),
    2028: ("2028-01-26", "2028-05-28", "2028-10-03"),
    2029: ("2029-02-13", "2029-06-16", "2029-09-22"),
    2030: ("2030-02-03", "2030-06-05", "2030-09-12"),
}
QINGMING = {2024: 4, 2025: 4, 2026: 5, 2027: 5, 2028: 4, 2029: 4, 2030: 5}


@pytest.mark.parametrize("year", FEASTS)
def test_festivals_agree_with_the_almanac(year):
    found = {item.key: item.date.isoformat() for item in festivals(year)}
    assert (found["spring_festival"], found["dragon_boat"], found["mid_autumn"]) == FEASTS[year]
    assert found["qingming"] == f"{year}-04-{QINGMING[year]:02}"
    eve = date.fromisoformat(found["new_years_eve"]) + timedelta(days=1)
    assert eve.isoformat() == found["spring_festival"]


@pytest.mark.parametrize("year", FEASTS)
@pytest.mark.parametrize(("number", "month", "day"), [(0, 1, 1), (1, 5, 5), (2, 8, 15)])
def test_lunar_triggers_agree_with_the_almanac(year, number, month, day):
    trigger = LunarDate(month, day, "09:00", tz="Asia/Shanghai")
    found = trigger.next_after(datetime(year - 1, 12, 31, 16, tzinfo=UTC))
    assert found.nominal == datetime.fromisoformat(f"{FEASTS[year][number]}T01:00:00+00:00")


@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_feasts_are_off_in_the_announced_calendar(year):
    """The second library, which knows the State Council's notices, has each feast as a day off of that name."""
    days = WorkDays()
    for iso, name in zip(FEASTS[year], ("春节", "端午节", "中秋节"), strict=True):
        info = days.of(date.fromisoformat(iso))
        assert not info.works
        assert not info.provisional
        assert info.holiday
        assert name in {info.name, "中秋节" if info.name == "国庆节" else info.name}


def test_every_lunar_month_follows_the_one_before():
    calendar = lunar_calendar()
    following = calendar.months(1990)[0].start
    for year in range(1990, 2060):
        for month in calendar.months(year):
            assert month.start == following
            assert month.days in {29, 30}
            following = month.start + timedelta(days=month.days)


def test_leap_month_of_2033():
    leap = [month.number for month in lunar_calendar().months(2033) if month.leap]
    assert leap == [11]


@pytest.mark.parametrize("day", [date(2025, 7, 25), date(2026, 2, 16), date(2026, 2, 17), date(2026, 11, 21)])
def test_there_and_back(day):
    lunar = lunar_day(day)
    assert solar_date(lunar.year, lunar.month, lunar.day, leap=lunar.leap).date == day


def test_without_the_extra_the_message_names_it(monkeypatch):
    from shequn_sdk.scheduling import chinese

    monkeypatch.setitem(sys.modules, "lunar_python", None)
    monkeypatch.setitem(sys.modules, "chinese_calendar", None)
    with pytest.raises(ConfigError, match="cn-calendar"):
        chinese._LunarPython().months(2026)
    with pytest.raises(ConfigError, match="cn-calendar"):
        chinese._announced.__wrapped__()


def test_lunar_birthdays():
    assert lunar_day(date(1990, 10, 3)) == LunarDay(year=1990, month=8, day=15)
    assert next_lunar_birthday(date(1990, 10, 3), after=date(2026, 1, 1)) == date(2026, 9, 25)
    assert next_lunar_birthday(date(1990, 10, 3), after=date(2026, 9, 25)) == date(2027, 9, 15)


def test_birthday_in_a_leap_month():
    born = lunar_day(date(2025, 7, 25))  # the first day of the leap sixth month
    assert (born.month, born.day, born.leap) == (6, 1, True)
    plain = next_lunar_birthday(born, after=date(2026, 1, 1))
    assert lunar_day(plain) == LunarDay(year=2026, month=6, day=1)
    strict = next_lunar_birthday(born, after=date(2026, 1, 1), leap_absent="skip")
    assert lunar_day(strict).leap
    assert strict.year > 2030


def test_birthday_on_a_thirtieth():
    calendar = lunar_calendar()
    short = next(year for year in range(2026, 2040) if calendar.months(year)[0].days == 29)
    born = LunarDay(year=2000, month=1, day=30)
    before = calendar.months(short)[0].start
    last = next_lunar_birthday(born, after=before)
    assert lunar_day(last).day == 29
    skipped = next_lunar_birthday(born, after=before, day_absent="skip")
    assert lunar_day(skipped).day == 30
    trigger = LunarDate(1, 30, tz="Asia/Shanghai")
    found = trigger.next_after(datetime(before.year, before.month, before.day, tzinfo=UTC))
    assert found.notes == ("the month has 29 days: the last one counts",)


def test_make_up_days_are_worked():
    days = WorkDays()
    saturday = days.of(date(2026, 2, 14))
    assert saturday.works
    assert saturday.matches(DayFilter.WORKDAYS)
    assert not days.of(date(2026, 2, 16)).works
    plain = days.of(date(2026, 7, 4))  # an ordinary Saturday is off, and no holiday
    assert plain.matches(DayFilter.DAYS_OFF)
    assert not plain.matches(DayFilter.HOLIDAYS)


def test_announced_years_have_as_many_days_off_as_the_notices_say():
    days = WorkDays()
    for year, off in ((2024, 115), (2025, 117), (2026, 117)):
        start = date(year, 1, 1)
        count = sum(
            not days.of(start + timedelta(days=number)).works
            for number in range((date(year + 1, 1, 1) - start).days)
        )
        assert count == off


def test_an_unpublished_year_is_provisional_and_statutory():
    days = WorkDays()
    year = 2031
    assert not days.announced(year)
    off = [
        day
        for number in range(365)
        if days.of(day := date(year, 1, 1) + timedelta(days=number)).holiday and days.of(day).provisional
    ]
    assert len(off) >= 12
    assert date(year, 10, 3) in off
    assert days.of(date(2031, 6, 7)).provisional


def test_only_on_workdays_says_when_it_is_not_certain():
    trigger = Cron("0 9 * * *", tz="Asia/Shanghai", only="workdays")
    certain = trigger.next_after(datetime(2026, 2, 13, 1, tzinfo=UTC))
    assert certain.nominal == datetime(2026, 2, 14, 1, tzinfo=UTC), "a Saturday that makes up for the break"
    assert not certain.provisional
    later = trigger.next_after(datetime(2026, 2, 14, 1, tzinfo=UTC))
    assert later.nominal.date() == date(2026, 2, 24)
    unsure = trigger.next_after(datetime(2031, 1, 3, 12, tzinfo=UTC))
    assert unsure.provisional
    assert unsure.notes


def test_overrides_come_first(tmp_path):
    path = tmp_path / "workdays.toml"
    path.write_text(
        'announced = [2031]\noff = {"2031-03-12" = "植树节"}\nwork = [2031-03-15]\n', encoding="utf-8"
    )
    days = WorkDays.load(path)
    assert days.announced(2031)
    assert (days.of(date(2031, 3, 12)).name, days.of(date(2031, 3, 12)).works) == ("植树节", False)
    assert days.of(date(2031, 3, 15)).works
    assert not days.of(date(2031, 3, 13)).provisional
    daily = Cron("0 9 * * *", tz="Asia/Shanghai", only="workdays")
    found = daily.upcoming(3, after=datetime(2031, 3, 11, 12, tzinfo=UTC), days=days)
    assert [(one.nominal.day, one.provisional) for one in found] == [(13, False), (14, False), (15, False)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("off = [", "workdays.toml"),
        ('off = ["next week"]', "no date"),
        ("holidays = []", "'holidays' is unknown"),
        ('announced = "2031"', "list of years"),
        ("work = 2031-01-02", "lists of dates"),
        ("off = [2031-01-02]\nwork = [2031-01-02]", "both off and worked"),
    ],
)
def test_wrong_override_files(tmp_path, text, says):
    path = tmp_path / "workdays.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=says):
        WorkDays.load(path)
