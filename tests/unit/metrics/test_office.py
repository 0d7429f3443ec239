"""Seconds of business, counted by prefix sums, are those of a walk over the days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.metrics.builtin._office import Office

ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Apia")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
instants = st.datetimes(datetime(2011, 12, 20), datetime(2012, 4, 20)).map(lambda at: at.replace(tzinfo=UTC))


def walked(office: Office, start: datetime, end: datetime) -> float:
    total, day = 0.0, start.astimezone(office.zone).date()
    while day <= end.astimezone(office.zone).date():
        there = datetime.combine(day, time(12), office.zone).astimezone(UTC).astimezone(office.zone).date()
        if office.works(day) and there == day:
            opens, closes = (
                datetime.combine(day, at, office.zone).astimezone(UTC) for at in (office.opens, office.closes)
            )
            total += max(0.0, (min(end, closes) - max(start, opens)).total_seconds())
        day += timedelta(days=1)
    return total


@pytest.mark.parametrize("zone", ZONES)  # clocks change in March; Apia had no 30 December 2011
@given(pairs=st.lists(st.tuples(instants, instants), min_size=1, max_size=8), opens=st.integers(0, 11))
def test_the_same_as_a_walk(zone: str, pairs: list[tuple[datetime, datetime]], opens: int) -> None:
    office = Office(ZoneInfo(zone), time(opens), time(opens + 9, 30), lambda day: day.isoweekday() < 6)
    starts, ends = (
        np.array([(pair[n] - EPOCH) // timedelta(microseconds=1) for pair in pairs], np.int64) for n in (0, 1)
    )
    assert office.seconds(starts, ends).tolist() == pytest.approx(
        [walked(office, start, end) if end > start else 0.0 for start, end in pairs], abs=1e-6
    )


def test_a_day_that_the_zone_left_out_has_no_hours() -> None:
    office = Office(ZoneInfo("Pacific/Apia"), time(0), time(9, 30), lambda day: day.isoweekday() < 6)
    bounds = [
        datetime(2011, 12, 29, 23, tzinfo=UTC),
        datetime(2012, 1, 1, tzinfo=UTC),
    ]  # over Friday the 30th
    micros = [(at - EPOCH) // timedelta(microseconds=1) for at in bounds]
    assert office.seconds(np.array(micros[:1]), np.array(micros[1:])).tolist() == [0.0]


def test_a_calendar_without_a_day_of_business() -> None:
    office = Office(ZoneInfo("UTC"), time(9), time(18), lambda day: day == date(2000, 1, 1))
    assert office.seconds(np.array([10**15]), np.array([2 * 10**15])).tolist() == [0.0]
    assert office.seconds(np.empty(0, np.int64), np.empty(0, np.int64)).tolist() == []
