"""Recurrence rules that never come are refused at once, and none that comes is: both against dateutil's own walk."""

import datetime as dt
import time
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.recurrence.possible import comes
from shequn_sdk.scheduling.triggers import RRule

START = datetime(2026, 6, 1, 9, 30)
AFTER = datetime(2026, 5, 1, tzinfo=UTC)


def walk(rule, until):
    """Ask dateutil itself, which looks for no longer than the last year it knows."""
    with mock.patch.object(dt, "MAXYEAR", until.year):
        return any(True for _ in rule)


def some(values, least=1, most=3):
    return st.lists(st.sampled_from(values), min_size=least, max_size=most, unique=True)


def listed(values):
    return ",".join(map(str, values))


@st.composite
def rules(draw):
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]))
    parts = {"FREQ": frequency}
    if draw(st.booleans()):
        parts["INTERVAL"] = draw(
            st.sampled_from([2, 3, 4, 5, 7, 12, 13, 24, 52, 60, 100, 365, 366, 720, 1440, 10080, 131071])
        )
    ordinals = frequency in {"YEARLY", "MONTHLY"} and draw(st.booleans())
    days = ["1MO", "5FR", "-1SU", "-5TU"] if ordinals else ["MO", "TU", "WE", "SA", "SU"]
    choices = {
        "BYMONTH": some([1, 2, 2, 4, 6, 12]),
        "BYMONTHDAY": some([1, 28, 29, 30, 31, -1, -29, -30, -31]),
        "BYDAY": some(days),
        "BYYEARDAY": some([1, 59, 60, 365, 366, -1, -366]),
        "BYWEEKNO": some([1, 2, 9, 20, 52, 53] + ([] if frequency == "WEEKLY" else [-1, -53])),
        "BYEASTER": some([-46, -2, 0, 1, 49]),
        "BYHOUR": some([0, 6, 9, 23]),
        "BYMINUTE": some([0, 15, 30, 31]),
        "WKST": some(["MO", "SU", "TH"], most=1),
    }
    for name in draw(some(sorted(choices), least=0, most=4)):
        parts[name] = listed(draw(choices[name]))
    if frequency not in {"HOURLY", "MINUTELY"} and draw(st.integers(0, 3)) == 0:
        parts["BYSETPOS"] = listed(draw(some([1, 2, 3, 5, 6, 9, 40, -1, -2, -5, -6, -40], most=2)))
    return ";".join(f"{name}={value}" for name, value in parts.items())


ends = st.one_of(
    st.just(datetime(2079, 12, 31, 23, 59, 59)),
    st.datetimes(datetime(2026, 6, 1), datetime(2027, 12, 31)),
    st.datetimes(datetime(2026, 6, 1), datetime(2026, 6, 9)),
)


@settings(max_examples=200, deadline=None)
@given(text=rules(), start=st.datetimes(datetime(2024, 1, 1), datetime(2026, 5, 31)), until=ends)
def test_what_comes_is_what_dateutil_finds(text, start, until):
    start, until = start.replace(microsecond=0), until.replace(microsecond=0)
    try:
        rule = rrulestr(f"{text};UNTIL={until:%Y%m%dT%H%M%S}", dtstart=start)
    except ValueError:  # BYHOUR or BYMINUTE that the interval never meets
        return
    try:
        found = walk(rule, until)
    except ValueError:
        found = False
    assert comes(rule) == found


NEVER = [
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;INTERVAL=7;BYMONTH=4,6,9,11;BYMONTHDAY=31",
    "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=-30",
    "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31",
    "FREQ=YEARLY;BYEASTER=0;BYMONTH=1",
    "FREQ=DAILY;BYEASTER=0;BYDAY=MO",
    "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=9",
    "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2",
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
    "FREQ=WEEKLY;INTERVAL=2;BYMONTHDAY=1;BYSETPOS=2",
    "FREQ=DAILY;BYSETPOS=2",
    "FREQ=DAILY;INTERVAL=7;BYDAY=SU",
    "FREQ=DAILY;INTERVAL=146097;BYDAY=SU",
    "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=6",
    "FREQ=MINUTELY;INTERVAL=9999999;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=HOURLY;INTERVAL=168;BYDAY=SU",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;UNTIL=20270101T000000",
    "FREQ=DAILY;UNTIL=20260601T092959",
]


@pytest.mark.parametrize("rule", NEVER)
def test_what_never_comes_is_refused_at_once(rule):
    began = time.process_time()
    with pytest.raises(InvalidInput, match="never comes"):
        RRule(rule, start=START, tz="UTC")
    assert time.process_time() - began < 0.5  # dateutil itself takes from half a second to ten


RARE = [
    ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29", "2028-02-29"),
    ("FREQ=MONTHLY;BYMONTH=1,3;BYMONTHDAY=31", "2027-01-31"),
    ("FREQ=MONTHLY;BYDAY=5MO", "2026-06-29"),
    ("FREQ=YEARLY;BYDAY=53TH", "2026-12-31"),
    ("FREQ=YEARLY;BYYEARDAY=366", "2028-12-31"),
    ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU", "2027-01-03"),
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "2044-02-29"),
    ("FREQ=DAILY;INTERVAL=7;BYMONTH=2;BYMONTHDAY=29", "2044-02-29"),
    ("FREQ=YEARLY;BYEASTER=0;BYMONTH=3;BYMONTHDAY=22", "2285-03-22"),
    ("FREQ=YEARLY;INTERVAL=50;BYMONTH=1", "2076-01-01"),
    ("FREQ=DAILY;INTERVAL=36525", "2026-06-01"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-06-30"),
    ("FREQ=DAILY;BYHOUR=8,20;BYSETPOS=2", "2026-06-01"),
    ("FREQ=DAILY;UNTIL=20260601T093000", "2026-06-01"),
    ("FREQ=DAILY;COUNT=1", "2026-06-01"),
]


@pytest.mark.parametrize(("rule", "day"), RARE)
def test_what_comes_rarely_is_kept(rule, day):
    found = RRule(rule, start=START, tz="UTC").next_after(AFTER)
    assert found is not None
    assert found.nominal.date().isoformat() == day


def test_a_rule_that_is_over_is_no_wrong_rule():
    over = RRule("FREQ=DAILY;UNTIL=20260603T000000", start=START, tz="UTC")
    used = RRule("FREQ=DAILY;COUNT=3", start=START, tz="UTC")
    later = datetime(2027, 1, 1, tzinfo=UTC)
    assert [len(one.upcoming(9, after=AFTER)) for one in (over, used)] == [2, 3]
    assert [one.next_after(later) for one in (over, used)] == [None, None]


WRONG = [
    ("FREQ=WEEKLY;BYDAY=1MO", "needs FREQ=MONTHLY"),
    ("FREQ=DAILY;BYDAY=MO(+2)", "needs FREQ=MONTHLY"),
    ("FREQ=WEEKLY;BYWEEKNO=-53", "needs FREQ=YEARLY"),
    ("FREQ=MONTHLY;BYDAY=6MO", "at most 5"),
    ("FREQ=YEARLY;BYMONTH=3;BYDAY=-6MO", "at most 5"),
    ("FREQ=YEARLY;BYDAY=60MO", "at most 53"),
    ("FREQ=MONTHLY;BYDAY=0MO", "0 is not possible"),
    ("FREQ=MONTHLY;BYDAY=MO,1FR", "make two schedules"),
    ("FREQ=DAILY;BYMONTH=13", "BYMONTH=13 is not possible: it goes from 1 to 12"),
    ("FREQ=DAILY;BYMONTHDAY=1,32", "BYMONTHDAY=32"),
    ("FREQ=DAILY;BYMONTHDAY=0", "without 0"),
    ("FREQ=HOURLY;BYHOUR=25", "BYHOUR=25"),
    ("FREQ=MINUTELY;BYMINUTE=60", "BYMINUTE=60"),
    ("FREQ=YEARLY;BYEASTER=300", "BYEASTER=300"),
    ("FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO=54"),
    ("FREQ=YEARLY;BYMONTH=two", "'TWO' is no number"),
    ("FREQ=DAILY;FREQ=WEEKLY", "FREQ is given twice"),
    ("FREQ=DAILY;INTERVAL=99999999999999999999", "at most 10,000,000"),
    ("FREQ=DAILY;UNTIL=20260531T000000", r"ends \(UNTIL\) before"),
]


@pytest.mark.parametrize(("rule", "says"), WRONG)
def test_parts_that_no_calendar_has(rule, says):
    with pytest.raises(InvalidInput, match=says):
        RRule(rule, start=START, tz="UTC")


@given(
    st.lists(st.integers(-30, 900), min_size=1, max_size=12),
    st.sampled_from([1, 2, 7, 300]),
    st.sampled_from(
        ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,FR", "FREQ=MONTHLY;BYDAY=-1SU", "FREQ=HOURLY;INTERVAL=11"]
    ),
)
def test_a_count_is_counted_once_and_right_in_whichever_order_it_is_asked(days, count, rule):
    """The times are kept; an earlier question, a later one, and one after the end give what dateutil gives."""
    text = f"{rule};COUNT={count}"
    trigger = RRule(text, start=START, tz="UTC")
    plain = rrulestr(text, dtstart=START)
    for day in days:
        cursor = START + timedelta(days=day)
        found = trigger.next_after(cursor.replace(tzinfo=UTC))
        expected = plain.after(cursor)
        assert (None if found is None else found.nominal.replace(tzinfo=None)) == expected
