"""Triggers: strictly later, kept as JSON, right in the nights on which clocks change, honest about nonsense."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.recurrence.local import Gap, Overlap, resolve
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

ZONES = [
    "UTC",
    "Asia/Shanghai",
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Africa/Casablanca",
]
NEW_YORK, LONDON, LORD_HOWE = "America/New_York", "Europe/London", "Australia/Lord_Howe"

instants = st.datetimes(datetime(2004, 1, 1), datetime(2039, 12, 31), timezones=st.just(UTC))
clock_times = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.integers(0, 59))
quiet = st.one_of(
    st.none(),
    st.tuples(clock_times, clock_times)
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: Quiet(pair[0], pair[1])),
)


def common(draw):
    return {
        "tz": draw(st.sampled_from(ZONES)),
        "jitter": timedelta(seconds=draw(st.sampled_from([0, 0, 90, 3600]))),
        "seed": draw(st.integers(0, 5)),
        "quiet": draw(quiet),
    }


def local(draw):
    return {
        **common(draw),
        "gap": draw(st.sampled_from(Gap)),
        "overlap": draw(st.sampled_from(Overlap)),
    }


@st.composite
def crons(draw):
    minute = draw(st.sampled_from(["0", "*/20", "30", "5,35", "59", "*"]))
    hour = draw(st.sampled_from(["*", "1", "2", "0,3", "9-17", "*/6", "23"]))
    days = draw(
        st.sampled_from(["* * *", "* * fri", "1 * *", "L * *", "* * 5L", "* * 1#2", "13 * 5", "29 2 *"])
    )
    return Cron(f"{minute} {hour} {days}", **local(draw))


@st.composite
def rrules(draw):
    rule = draw(
        st.sampled_from(
            [
                "FREQ=DAILY",
                "FREQ=DAILY;INTERVAL=3",
                "FREQ=WEEKLY;BYDAY=MO,FR;INTERVAL=2",
                "FREQ=MONTHLY;BYDAY=1SA",
                "FREQ=MONTHLY;BYMONTHDAY=-1",
                "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
                "FREQ=HOURLY;INTERVAL=5",
                "FREQ=DAILY;COUNT=40",
                "FREQ=DAILY;UNTIL=20300101T000000Z",
            ]
        )
    )
    start = draw(st.datetimes(datetime(2003, 1, 1), datetime(2036, 1, 1)))
    assume("UNTIL" not in rule or start.year < 2029)
    return RRule(rule, start=start, **local(draw))


@st.composite
def weeklies(draw):
    days = st.sampled_from(["mon", "Tue", "周五", "sunday", "星期六"])
    slots = draw(
        st.lists(st.builds(lambda day, at: f"{day} {at}", days, clock_times), min_size=1, max_size=4)
    )
    return Weekly(slots, **local(draw))


@st.composite
def everies(draw):
    return Every(timedelta(seconds=draw(st.integers(1, 10**7))), anchor=draw(instants), **common(draw))


@st.composite
def lunars(draw):
    return LunarDate(
        draw(st.integers(2, 11)),
        draw(st.integers(1, 30)),
        draw(clock_times),
        leap=draw(st.booleans()),
        leap_absent=draw(st.sampled_from(["plain", "plain", "skip"])),
        day_absent=draw(st.sampled_from(["last", "skip"])),
        **local(draw),
    )


@st.composite
def events(draw):
    days = draw(st.integers(0, 400))
    return AfterEvent(
        timedelta(days=days), at=draw(st.one_of(st.none(), clock_times)), **common(draw)
    ).for_event(draw(instants))


@st.composite
def onces(draw):
    return Once(draw(instants), **common(draw))


triggers = st.one_of(crons(), rrules(), weeklies(), everies(), lunars(), events(), onces())


@settings(max_examples=120, deadline=None)
@given(trigger=triggers, after=instants)
def test_occurrences_are_strictly_later_and_never_due_before_their_nominal_time(trigger, after):
    cursor = after
    for _ in range(4):
        found = trigger.next_after(cursor)
        if found is None:
            break
        assert found.nominal > cursor
        assert found.due >= found.nominal
        assert found.nominal.utcoffset() == found.due.utcoffset() == timedelta()
        cursor = found.nominal


@settings(max_examples=80, deadline=None)
@given(trigger=triggers, after=instants)
def test_json_keeps_a_trigger(trigger, after):
    again = parse_trigger(trigger.model_dump_json())
    assert again == trigger
    assert hash(again.model_dump_json()) == hash(trigger.model_dump_json())
    assert again.next_after(after) == trigger.next_after(after)


@settings(max_examples=80, deadline=None)
@given(trigger=triggers, after=instants, back=st.integers(1, 10**6))
def test_no_occurrence_is_jumped_over(trigger, after, back):
    """What comes next does not depend on where one looks from: looking from a little earlier finds no later one."""
    found = trigger.next_after(after)
    earlier = trigger.next_after(after - timedelta(seconds=back))
    if found is not None:
        assert earlier is not None
        assert earlier.nominal <= found.nominal
    if earlier is not None and earlier.nominal > after:
        assert earlier == found


def wall(trigger, start, count, zone):
    return [
        one.nominal.astimezone(ZoneInfo(zone)).isoformat()
        for one in trigger.upcoming(count, after=datetime.fromisoformat(start))
    ]


@pytest.mark.parametrize(
    ("zone", "at", "day", "expected"),
    [
        (
            NEW_YORK,
            "30 2",
            "2026-03-07T20:00:00+00:00",
            ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"],
        ),
        (
            NEW_YORK,
            "30 1",
            "2026-10-31T20:00:00+00:00",
            ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"],
        ),
        (
            LONDON,
            "30 1",
            "2026-03-28T20:00:00+00:00",
            ["2026-03-29T02:00:00+01:00", "2026-03-30T01:30:00+01:00"],
        ),
        (
            LONDON,
            "30 1",
            "2026-10-24T20:00:00+00:00",
            ["2026-10-25T01:30:00+01:00", "2026-10-26T01:30:00+00:00"],
        ),
        (
            LORD_HOWE,
            "15 2",
            "2026-10-03T10:00:00+00:00",
            ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
        ),
        (
            LORD_HOWE,
            "45 1",
            "2026-04-04T10:00:00+00:00",
            ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
        ),
    ],
)
def test_daily_jobs_in_the_nights_clocks_change(zone, at, day, expected):
    assert wall(Cron(f"{at} * * *", tz=zone), day, 2, zone) == expected
    hour, minute = at.split()[1], at.split()[0]
    start = datetime.fromisoformat(day).astimezone(ZoneInfo(zone)).replace(tzinfo=None) - timedelta(days=9)
    rule = RRule(f"FREQ=DAILY;BYHOUR={hour};BYMINUTE={minute};BYSECOND=0", start=start, tz=zone)
    assert wall(rule, day, 2, zone) == expected
    slots = [f"{name} {hour}:{minute}" for name in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")]
    assert wall(Weekly(slots, tz=zone), day, 2, zone) == expected


def test_gap_and_overlap_policies():
    spring, autumn = "2026-03-07T20:00:00+00:00", "2026-10-31T20:00:00+00:00"
    skip = Cron("30 2 * * *", tz=NEW_YORK, gap="skip")
    assert wall(skip, spring, 1, NEW_YORK) == ["2026-03-09T02:30:00-04:00"]
    second = Cron("30 1 * * *", tz=NEW_YORK, overlap="second")
    assert wall(second, autumn, 2, NEW_YORK) == ["2026-11-01T01:30:00-05:00", "2026-11-02T01:30:00-05:00"]
    both = Cron("0,30 1 * * *", tz=NEW_YORK, overlap="both")
    assert wall(both, autumn, 5, NEW_YORK) == [
        "2026-11-01T01:00:00-04:00",
        "2026-11-01T01:30:00-04:00",
        "2026-11-01T01:00:00-05:00",
        "2026-11-01T01:30:00-05:00",
        "2026-11-02T01:00:00-05:00",
    ]


def test_hourly_jobs_follow_real_time_across_the_nights():
    autumn = wall(Cron("0 * * * *", tz=NEW_YORK), "2026-11-01T04:30:00+00:00", 4, NEW_YORK)
    assert autumn == [
        "2026-11-01T01:00:00-04:00",
        "2026-11-01T01:00:00-05:00",
        "2026-11-01T02:00:00-05:00",
        "2026-11-01T03:00:00-05:00",
    ]
    spring = wall(Cron("*/20 * * * *", tz=NEW_YORK), "2026-03-08T06:30:00+00:00", 3, NEW_YORK)
    assert spring == ["2026-03-08T01:40:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T03:20:00-04:00"]


def test_a_day_that_a_zone_left_out():
    """Samoa had no 30 December 2011."""
    daily = Cron("0 12 * * *", tz="Pacific/Apia")
    assert wall(daily, "2011-12-29T11:00:00+00:00", 3, "Pacific/Apia") == [
        "2011-12-29T12:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
        "2011-12-31T12:00:00+14:00",
    ]


@given(
    naive=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    zone=st.sampled_from(ZONES),
    gap=st.sampled_from(Gap),
    overlap=st.sampled_from(Overlap),
)
def test_resolved_instants_show_the_local_time_they_came_from(naive, zone, gap, overlap):
    found = resolve(naive, ZoneInfo(zone), gap=gap, overlap=overlap)
    shown = [instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for instant in found]
    assert list(found) == sorted(set(found))
    if shown and shown[0] != naive:  # in a gap: later, and by no more than the gap
        assert gap is Gap.SHIFT_FORWARD
        assert len(found) == 1
        assert timedelta() < shown[0] - naive <= timedelta(hours=2)
    else:
        assert all(one == naive for one in shown)


def test_rrule_counts_from_its_start_however_far_away():
    rule = RRule("FREQ=DAILY;INTERVAL=3", start="2020-01-01 09:00", tz="UTC")
    found = rule.next_after(datetime(2026, 11, 21, tzinfo=UTC))
    assert found is not None
    assert (found.nominal.date() - date(2020, 1, 1)).days % 3 == 0
    fortnight = RRule("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", start="2020-01-01 09:00", tz="UTC")
    for one in fortnight.upcoming(5, after=datetime(2026, 11, 21, tzinfo=UTC)):
        assert one.nominal.weekday() == 4
        assert ((one.nominal.date() - date(2019, 12, 30)).days // 7) % 2 == 0


def test_until_in_utc_is_the_local_end():
    rule = RRule("FREQ=DAILY;UNTIL=20260103T010000Z", start="2026-01-01 09:00", tz="Asia/Shanghai")
    assert len(rule.upcoming(10, after=datetime(2025, 12, 1, tzinfo=UTC))) == 3


def test_every_counts_from_its_anchor():
    anchor = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    every = Every(timedelta(hours=6), anchor=anchor)
    assert every.next_after(anchor - timedelta(days=3)).nominal == anchor
    assert every.next_after(anchor).nominal == anchor + timedelta(hours=6)


def test_after_an_event():
    joined = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)  # 23:00 in Shanghai
    third = AfterEvent(timedelta(days=3), at="10:00", tz="Asia/Shanghai").due_for(joined)
    assert third.nominal == datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
    assert AfterEvent(timedelta(hours=2)).due_for(joined).nominal == joined + timedelta(hours=2)
    same = AfterEvent(timedelta(), at="10:00", tz="Asia/Shanghai").due_for(joined)
    assert same.nominal == joined, "never before the event"
    with pytest.raises(InvalidInput, match="for_event"):
        AfterEvent(timedelta(days=1)).next_after(joined)


def test_quiet_hours_shift_or_skip():
    after = datetime(2026, 1, 1, tzinfo=UTC)
    shifted = Cron("30 23 * * *", tz="Asia/Shanghai", quiet=Quiet("22:00", "08:00")).next_after(after)
    assert shifted.nominal == datetime(2026, 1, 1, 15, 30, tzinfo=UTC)
    assert shifted.due == datetime(2026, 1, 2, 0, 0, tzinfo=UTC)
    assert shifted.notes
    skipping = Cron("0 6,12 * * *", tz="Asia/Shanghai", quiet=Quiet("22:00", "08:00", then="skip"))
    assert [one.nominal.hour for one in skipping.upcoming(3, after=after)] == [4, 4, 4]
    always = Cron("0 6 * * *", tz="Asia/Shanghai", quiet=Quiet("22:00", "08:00", then="skip"))
    assert always.next_after(after) is None


def test_filters_that_leave_nothing_end_soon():
    after = datetime(2026, 1, 1, tzinfo=UTC)
    assert LunarDate(1, 1, tz="Asia/Shanghai", only="workdays").next_after(after) is None
    dense = Cron("* * * * * *", tz="Asia/Shanghai", quiet=Quiet("22:00", "08:00", then="skip"))
    assert dense.next_after(datetime(2026, 1, 1, 14, 30, tzinfo=UTC)).nominal == datetime(
        2026, 1, 2, tzinfo=UTC
    )
    assert Once("2099-01-01 09:00", tz="UTC").next_after(after) is not None


def test_jitter_is_the_same_each_time_and_differs_between_occurrences():
    one = Cron("0 9 * * *", tz="UTC", jitter=timedelta(minutes=30), seed=7)
    after = datetime(2026, 1, 1, tzinfo=UTC)
    delays = [item.due - item.nominal for item in one.upcoming(50, after=after)]
    assert delays == [item.due - item.nominal for item in one.upcoming(50, after=after)]
    assert len(set(delays)) > 45
    assert max(delays) < timedelta(minutes=30)
    other = Cron("0 9 * * *", tz="UTC", jitter=timedelta(minutes=30), seed=8)
    assert delays != [item.due - item.nominal for item in other.upcoming(50, after=after)]


def test_the_crons_own_day_rule():
    """Both day fields given: either matches, as in cron."""
    either = Cron("0 9 13 * 5", tz="UTC").upcoming(12, after=datetime(2026, 1, 1, tzinfo=UTC))
    assert {(one.nominal.day == 13) or (one.nominal.weekday() == 4) for one in either} == {True}
    assert any(one.nominal.day == 13 and one.nominal.weekday() != 4 for one in either)


WRONG = [
    (lambda: Cron("61 20 * * *", tz="UTC"), r"minute '61' at column 1"),
    (lambda: Cron("0 20 * * frei", tz="UTC"), r"day-of-week 'frei' at column 10"),
    (lambda: Cron("0 0 30 2 *", tz="UTC"), "never comes"),
    (lambda: Cron("0 0 31 4,6 *", tz="UTC"), "never comes"),
    (lambda: Cron("0 20 *", tz="UTC"), "3 fields"),
    (lambda: Cron("", tz="UTC"), "0 fields"),
    (lambda: Cron("0 20 * * *"), "tz is missing"),
    (lambda: Cron("0 20 * * *", tz="Asia/Shangai"), "did you mean Asia/Shanghai"),
    (lambda: Cron("0 20 * * *", tz="../etc/passwd"), "no IANA time zone"),
    (lambda: RRule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", start="2026-01-01", tz="UTC"), "never comes"),
    (lambda: RRule("FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30", start="2026-01-01", tz="UTC"), "never comes"),
    (lambda: RRule("FREQ=FORTNIGHTLY", start="2026-01-01", tz="UTC"), "FORTNIGHTLY"),
    (lambda: RRule("FREQ=DAILY;INTERVAL=0", start="2026-01-01", tz="UTC"), "INTERVAL"),
    (lambda: RRule("FREQ=SECONDLY", start="2026-01-01", tz="UTC"), "Every"),
    (lambda: RRule("FREQ=DAILY", start="yesterday", tz="UTC"), "yesterday"),
    (lambda: RRule("FREQ=DAILY", tz="UTC"), "start is missing"),
    (lambda: RRule("FREQ=DAILY\nFREQ=WEEKLY", start="2026-01-01", tz="UTC"), "one RRULE"),
    (lambda: Once("2026-03-08 02:30", tz=NEW_YORK), "does not exist"),
    (lambda: Once("2026-11-01 01:30", tz=NEW_YORK), "exists twice"),
    (lambda: Once("2026-11-01 01:30"), "no zone"),
    (lambda: Once("tomorrow", tz="UTC"), "tomorrow"),
    (Once, "at is missing"),
    (lambda: Every(timedelta()), "at least one second"),
    (lambda: Every(timedelta(seconds=-5)), "at least one second"),
    (lambda: Weekly(["friday"], tz="UTC"), "no weekly slot"),
    (lambda: Weekly(["fri 25:00"], tz="UTC"), "hours go from 0 to 23"),
    (lambda: Weekly([], tz="UTC"), "at least one"),
    (lambda: LunarDate(13, 1, tz="UTC"), "month"),
    (lambda: LunarDate(1, 31, tz="UTC"), "day"),
    (lambda: LunarDate(1, 1, "9 o'clock", tz="UTC"), "no time of the day"),
    (lambda: AfterEvent(timedelta(days=-1)), "before the event"),
    (lambda: AfterEvent(timedelta(hours=30), at="10:00", tz="UTC"), "whole days"),
    (lambda: Quiet("22:00", "22:00"), "same time"),
    (lambda: Quiet("22:00", "8"), "end"),
    (lambda: Weekly(["fri 20:00"], tz="UTC", only="sundays"), "workdays"),
    (lambda: Weekly(["fri 20:00"], tz="UTC", jitter=timedelta(seconds=-1)), "jitter"),
    (lambda: parse_trigger('{"kind": "moon"}'), "moon"),
    (lambda: parse_trigger("{"), "no JSON"),
    (lambda: parse_trigger("[1]"), "dictionary"),
    (lambda: parse_trigger('{"kind": "weekly", "slots": 5, "tz": "UTC"}'), "slots"),
    (lambda: parse_trigger('{"kind": "once", "at": 5}'), "at is missing"),
    (
        lambda: parse_trigger('{"kind": "rrule", "rule": "FREQ=DAILY", "start": 5, "tz": "UTC"}'),
        "start is missing",
    ),
    (lambda: RRule("FREQ=HOURLY;BYHOUR=5;BYSETPOS=2", start="2026-01-01", tz="UTC"), "BYSETPOS"),
    (lambda: parse_trigger('{"kind": "cron", "expression": "0 25 * * *", "tz": "UTC"}'), "hour '25'"),
    (lambda: parse_trigger('{"kind": "cron", "expression": "0 5 * * *"}'), "tz is missing"),
]


@pytest.mark.parametrize(("make", "says"), WRONG, ids=range(len(WRONG)))
def test_nonsense_is_refused_where_it_is_made(make, says):
    with pytest.raises(InvalidInput, match=says):
        make()


def test_a_naive_instant_is_refused():
    with pytest.raises(InvalidInput, match="aware"):
        Cron("0 9 * * *", tz="UTC").next_after(datetime(2026, 1, 1))
