"""Local days and streaks across daylight saving, changed zones, and days that never were."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.engagement.streaks import day_start, local_day, previous_day, streak_of

ZONES = [
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Apia",
]
zones = st.sampled_from(ZONES)
begins = st.sampled_from([time(0), time(2, 30), time(4), time(23, 30)])
instants = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(instants, zones, begins)
def test_an_instant_lies_in_its_day(at, zone, start):
    day = local_day(at, zone=zone, begins=start)
    assert (
        day_start(day, zone=zone, begins=start) <= at < day_start(day + timedelta(1), zone=zone, begins=start)
    )


@given(instants, st.timedeltas(timedelta(0), timedelta(days=3)), zones, begins)
def test_days_never_go_back(at, later, zone, start):
    assert local_day(at, zone=zone, begins=start) <= local_day(at + later, zone=zone, begins=start)


@given(instants, zones, begins, st.integers(1, 40))
def test_one_check_in_in_each_day_makes_a_whole_streak(at, zone, start, length):
    """Whatever the clocks do: who checks in once in every local day has a streak of all of them."""
    days = []
    moment = at
    while len(days) < length:
        day = local_day(moment, zone=zone, begins=start)
        days.append(day)
        moment = day_start(day + timedelta(1), zone=zone, begins=start)
    streak = streak_of(days, today=days[-1], zone=zone, begins=start)
    assert (streak.current, streak.longest, streak.total) == (length, length, length)


@given(
    st.sets(st.dates(date(2026, 1, 1), date(2026, 3, 1)), max_size=40),
    st.dates(date(2026, 1, 1), date(2026, 3, 2)),
)
def test_streaks_are_what_counting_says(days, today):
    past = {day for day in days if day <= today}
    runs = []
    for day in sorted(past):
        if day - timedelta(1) not in past:
            runs.append(0)
        runs[-1] += 1
    streak = streak_of(days, today=today)
    assert streak.longest == max(runs, default=0)
    assert streak.total == len(past)
    alive = past and max(past) >= today - timedelta(1)
    assert streak.current == (runs[-1] if alive else 0)


def test_a_day_that_never_was_breaks_no_streak():
    """Samoa went from 29 to 31 December 2011."""
    zone = "Pacific/Apia"
    assert previous_day(date(2011, 12, 31), zone=zone) == date(2011, 12, 29)
    days = [date(2011, 12, 28), date(2011, 12, 29), date(2011, 12, 31)]
    assert streak_of(days, today=date(2011, 12, 31), zone=zone).current == 3
    assert local_day(datetime(2011, 12, 30, 10, tzinfo=UTC), zone=zone) == date(2011, 12, 31)


def test_a_boundary_that_daylight_saving_leaves_out_or_repeats():
    zone = "Europe/Berlin"
    gap = day_start(date(2026, 3, 29), zone=zone, begins=time(2, 30))
    assert gap == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    twice = day_start(date(2026, 10, 25), zone=zone, begins=time(2, 30))
    assert twice == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    after = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=ZoneInfo(zone))
    assert local_day(after, zone=zone, begins=time(2, 30)) == date(2026, 10, 25)
