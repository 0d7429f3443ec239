"""Days of the Chinese calendar, and the best hours with their confidence."""

from datetime import UTC, date, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, Community, Interaction, InteractionKind
from shequn_sdk.domain import Grain, MetricPoint, MetricResult, Unit
from shequn_sdk.editorial._days import Days, best_times
from shequn_sdk.testing import ManualClock

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "lunar", "festivals", "works"),
    [
        (date(2026, 2, 17), "正月初一", ("春节",), False),
        (date(2026, 2, 14), "腊月廿七", (), True),  # a Saturday that makes up for the break
        (date(2026, 9, 25), "八月十五", ("中秋节",), False),
        (date(2025, 7, 30), "闰六月初六", (), True),
        (date(2026, 3, 18), "正月三十", (), True),
    ],
)
def test_days(tmp_path, day, lunar, festivals, works):
    note = Days(tmp_path).of(day)
    assert (note.lunar, note.festivals, note.works) == (lunar, festivals, works)


def test_a_workspace_overrides_days_off(tmp_path):
    (tmp_path / "workdays.toml").write_text('off = ["2026-03-03"]\n', encoding="utf-8")
    assert Days(tmp_path).of(date(2026, 3, 3)).holiday


def result(counts, weeks=8):
    points = tuple(
        MetricPoint(
            bucket=str(hour),
            value=counts.get(hour, 1) / weeks,
            numerator=counts.get(hour, 1),
            denominator=weeks,
        )
        for hour in range(168)
    )
    return MetricResult(
        metric="activity.best_hour", version=1, unit=Unit.MEMBERS, grain=Grain.HOUR_OF_WEEK, points=points
    )


def test_a_clear_peak_is_sure_and_noise_is_not():
    (sure,) = best_times(result({20: 400}), count=1, now=NOW, zone="Asia/Shanghai")
    assert (sure.weekday, sure.hour, sure.weeks) == (0, 20, 8)
    assert sure.confidence > 0.99
    assert sure.next_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    (unsure,) = best_times(result({11: 4}), count=1, now=NOW, zone="Asia/Shanghai")
    assert unsure.confidence < 0.5
    # Monday 11:00 is over today
    assert unsure.next_at == datetime(2026, 3, 9, 3, tzinfo=UTC)
    assert best_times(result(dict.fromkeys(range(168), 0)), count=3, now=NOW, zone="Asia/Shanghai") == ()


async def test_best_time_comes_from_the_communitys_own_activity(tmp_path):
    clock = ManualClock(NOW + timedelta(days=56))
    async with AsyncShequn.open(home=tmp_path, communities=[Community(name="club")], clock=clock) as sq:
        assert await sq.calendar.best_time() == ()
        events = [
            Interaction(
                id=f"{week}/{member}/{hour}",
                kind=InteractionKind.MESSAGE,
                platform="shop",
                member=f"u{member}",
                occurred_at=datetime(2026, 3, 6, hour, 10, tzinfo=UTC) + timedelta(days=7 * week),
            )
            for week in range(7)
            for member in range(12)
            for hour in ((12, 13) if member < 3 else (12,))
        ]
        await sq._workspace.record(events, community="club")
        await sq.drain()
        best, second = await sq.calendar.best_time(count=2)
        assert (best.weekday, best.hour, best.weeks) == (4, 20, 7)
        assert best.confidence > 0.99
        assert (second.weekday, second.hour) == (4, 21)
        assert best.next_at > clock.now()
