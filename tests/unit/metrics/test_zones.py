"""Local days and hours of many instants agree with the time-zone library, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.metrics.store.zones import local_days_and_hours

ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
]


@given(
    st.sampled_from(ZONES),
    st.lists(st.integers(0, int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())), min_size=1, max_size=20),
)
def test_agrees_with_the_library(zone, seconds):
    days, hours = local_days_and_hours(np.array(seconds, dtype=np.int64) * 1_000_000 + 999_999, zone)
    for second, day, hour in zip(seconds, days, hours, strict=True):
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).astimezone(ZoneInfo(zone))
        assert (local.date().toordinal() - 719_163, local.hour) == (day, hour)


def test_every_hour_of_a_year_with_clock_changes():
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    seconds = [start + half * 1800 for half in range(365 * 48)]
    days, hours = local_days_and_hours(np.array(seconds, dtype=np.int64) * 1_000_000, "Europe/Berlin")
    zone = ZoneInfo("Europe/Berlin")
    for second, day, hour in zip(seconds, days, hours, strict=True):
        local = datetime.fromtimestamp(second, zone)
        assert (local.date().toordinal() - 719_163, local.hour) == (day, hour)


def test_nothing_gives_nothing():
    days, hours = local_days_and_hours(np.array([], dtype=np.int64), "UTC")
    assert len(days) == len(hours) == 0
