"""What a stranger gets wrong about triggers and the calendar: a typed error at once, or the right answer."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.chinese import WorkDays, festivals, lunar_day, solar_date
from shequn_sdk.scheduling.triggers import (
    AfterEvent,
    Cron,
    Every,
    LunarDate,
    Once,
    Quiet,
    RRule,
    Weekly,
    parse_trigger,
)

HOME, NEW_YORK = "Asia/Shanghai", "America/New_York"
START = datetime(2026, 1, 1, 9)
AFTER = datetime(2025, 12, 1, tzinfo=UTC)

WRONG = [
    (lambda: Cron("0 9 * * *", tz="Asia/Beijing"), "did you mean Asia/Shanghai"),
    (lambda: Cron("0 9 * * *", tz="北京"), "did you mean Asia/Shanghai"),
    (lambda: Cron("0 9 * * *", tz="+08:00"), "did you mean Asia/Shanghai"),
    (lambda: Cron("0 9 * * *", tz="right/Asia/Shanghai"), "no IANA time zone"),
    (lambda: Cron("0 9 * * *", tz="Factory"), "no IANA time zone"),
    (lambda: Cron("0 9 * * *", tz="localtime"), "no IANA time zone; name one"),
    (lambda: Once(datetime(1, 1, 1), tz=HOME), "1970 to 9998"),
    (lambda: Once("9999-12-31 23:59", tz=NEW_YORK), "1970 to 9998"),
    (lambda: Once(datetime(9999, 12, 31, tzinfo=UTC), jitter=timedelta(days=1)), "1970 to 9998"),
    (lambda: Once("2026-12-31 24:00", tz=HOME), "no date and time"),
    (lambda: AfterEvent(timedelta.max), "at most a hundred years"),
    (lambda: AfterEvent(timedelta(days=1)).for_event(datetime(9999, 1, 1, tzinfo=UTC)), "9800"),
    (lambda: Weekly("周八 20:00", tz=HOME), "no weekly slot"),
    (lambda: Weekly("fri", tz=HOME), "no weekly slot"),
    (lambda: RRule("FREQ=DAILY;COUNT=3;UNTIL=20270101T000000", start=START, tz=HOME), "exclude each other"),
    (lambda: RRule("FREQ=DAILY;", start=START, tz=HOME), "NAME=value"),
    (lambda: RRule("FREQ", start=START, tz=HOME), "NAME=value"),
    (lambda: RRule("BYDAY=MO", start=START, tz=HOME), "lacks FREQ"),
    (
        lambda: RRule("FREQ=DAILY;UNTIL=soon", start=START, tz=HOME),
        "RRule: rule: UNTIL=soon is no date; write",
    ),
    (lambda: RRule("FREQ=DAILY;UNTIL=20261331T000000Z", start=START, tz=HOME), "is no date; write"),
    (lambda: RRule("FREQ=DAILY;UNTIL=2026-01-05T00:00:00", start=START, tz=HOME), "is no date; write"),
    (lambda: parse_trigger("[" * 100_000), "no JSON"),
    (lambda: solar_date(2026, 13, 1), "13 is no lunar month"),
    (lambda: solar_date(2026, 1, 31), "31 is no day of a lunar month"),
    (lambda: solar_date(2026, 1, 0), "0 is no day"),
    (lambda: solar_date(2026, 6, 1, leap=True, leap_absent="nothing"), "'plain' or 'skip'"),
    (lambda: solar_date(0, 1, 1), "does not know the year 0"),
    (lambda: festivals(10_000), "does not know the year 10000"),
    (lambda: lunar_day(date(1, 1, 1)), "does not know the year 1"),
    (lambda: festivals(0), "does not know the year 0"),
]


@pytest.mark.parametrize(("make", "says"), WRONG, ids=range(len(WRONG)))
def test_wrong_in_a_way_that_is_said(make, says):
    with pytest.raises(InvalidInput, match=says):
        make()


def local(trigger, count, after=AFTER):
    zone = ZoneInfo(trigger.tz)
    return [f"{one.nominal.astimezone(zone):%Y-%m-%d %H:%M}" for one in trigger.upcoming(count, after=after)]


@pytest.mark.parametrize(
    "slot", ["fri 20:00", "周五　20:00", "fri\t20:00", "礼拜五 20：00", " friday  20:00 "]
)
def test_slots_as_people_type_them(slot):
    assert local(Weekly(slot, tz=HOME), 1) == ["2025-12-05 20:00"]


@pytest.mark.parametrize(
    ("until", "days"),
    [
        ("20260103", 3),
        ("20260103T085959", 2),
        ("20260103T090000", 3),
        ("20260103T010000Z", 3),
        ("20260103T005959Z", 2),
    ],
)
def test_an_end_that_is_a_day_has_that_day_in(until, days):
    assert len(local(RRule(f"FREQ=DAILY;UNTIL={until}", start=START, tz=HOME), 9)) == days


def test_an_end_that_stands_for_no_end():
    assert len(local(RRule("FREQ=DAILY;UNTIL=99991231T235959Z", start=START, tz=HOME), 9)) == 9


def test_quiet_hours_that_end_in_a_gap_or_twice():
    spring = Cron("0 1 * * *", tz=NEW_YORK, quiet=Quiet("00:00", "02:30"))
    found = spring.next_after(datetime(2026, 3, 7, 20, tzinfo=UTC))
    assert found.due == datetime(2026, 3, 8, 7, tzinfo=UTC), "02:30 does not exist: the first instant after"
    autumn = Cron("30 0 * * *", tz=NEW_YORK, quiet=Quiet("00:00", "01:30"))
    found = autumn.next_after(datetime(2026, 10, 31, 20, tzinfo=UTC))
    assert found.due == datetime(2026, 11, 1, 6, 30, tzinfo=UTC), (
        "01:30 comes twice: it is quiet until the second"
    )
    over = Cron("0 * * * *", tz=NEW_YORK, quiet=Quiet("01:00", "02:00", then="skip"))
    hours = [one.nominal.hour for one in over.upcoming(2, after=datetime(2026, 11, 1, 3, 30, tzinfo=UTC))]
    assert hours == [4, 7], "both hours at 1 are quiet"


def test_jitter_into_quiet_hours_is_put_off_and_never_out_of_bounds():
    trigger = Cron("50 21 * * *", tz=HOME, jitter=timedelta(hours=1), quiet=Quiet("22:00", "08:00"))
    for one in trigger.upcoming(60, after=AFTER):
        due = one.due.astimezone(ZoneInfo(HOME))
        assert (due.hour, due.minute) in {(8, 0), *((21, minute) for minute in range(50, 60))}
    most = Cron("0 9 * * *", tz=HOME, jitter=timedelta(days=1), seed=3)
    assert all(
        timedelta() <= one.due - one.nominal < timedelta(days=1) for one in most.upcoming(60, after=AFTER)
    )


def test_what_comes_last_is_no_error():
    end = datetime(9999, 12, 31, 23, tzinfo=UTC)
    for trigger in (
        Cron("0 9 * * *", tz=HOME),
        Cron("0 * * * *", tz=HOME),
        Weekly("fri 20:00", tz=NEW_YORK),
        Every(timedelta(hours=1)),
        LunarDate(1, 1, tz=HOME),
        RRule("FREQ=DAILY", start=START, tz=HOME),
        Cron("0 23 * * *", tz="UTC", jitter=timedelta(days=1), quiet=Quiet("22:00", "08:00")),
    ):
        assert trigger.next_after(end) is None


def test_a_day_with_a_time_is_that_day():
    assert WorkDays().of(datetime(2026, 1, 1, 12)) == WorkDays().of(date(2026, 1, 1))
    assert WorkDays().of(datetime(2026, 1, 1, 12)).name == "元旦"
