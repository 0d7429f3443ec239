"""Goals, effects and diagnosis say what the numbers carry, and no more."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from shequn_sdk.domain import Additivity, Grain, MetricPoint, MetricResult, Unit
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.diagnosis import RULES, diagnose
from shequn_sdk.metrics.effects import before_after, hold_out
from shequn_sdk.metrics.goals import Goal, GoalStatus, assess
from shequn_sdk.metrics.registry import Registry

START = date(2026, 1, 1)


def points(values, *, partial=()):
    return [
        MetricPoint(bucket=(START + timedelta(days=n)).isoformat(), value=value, partial=n in partial)
        for n, value in enumerate(values)
    ]


def goal(**changes):
    return Goal(
        **{
            "name": "double",
            "metric": "members.total",
            "target": 200,
            "start": START,
            "due": START + timedelta(days=100),
            **changes,
        }
    )


def test_a_steady_climb_is_on_track_and_ends_where_the_line_leads():
    found = assess(
        goal(),
        points([100 + n for n in range(51)]),
        additivity=Additivity.LAST,
        today=START + timedelta(days=51),
    )
    assert (found.value, found.expected, found.pace) == (150, 150, 1)
    assert found.forecast == pytest.approx(200)
    assert found.low == pytest.approx(200)
    assert found.status is GoalStatus.ON_TRACK


def test_too_slow_is_behind_and_wild_is_unsure():
    slow = assess(
        goal(),
        points([100 + n / 10 for n in range(51)]),
        additivity=Additivity.LAST,
        today=START + timedelta(days=51),
    )
    assert slow.status is GoalStatus.BEHIND
    rng = random.Random(1)
    wild = [100.0]
    for _ in range(50):
        wild.append(wild[-1] + 1 + rng.gauss(0, 8))
    unsure = assess(
        goal(target=wild[-1] + 50), points(wild), additivity=Additivity.LAST, today=START + timedelta(days=51)
    )
    assert unsure.status is GoalStatus.UNSURE
    assert unsure.low < unsure.forecast < unsure.high


def test_the_interval_holds_about_as_often_as_it_says():
    rng = random.Random(5)
    held = 0
    for _ in range(300):
        walk = [0.0]
        for _ in range(120):
            walk.append(walk[-1] + 2 + rng.gauss(0, 5))
        found = assess(
            goal(target=1e6), points(walk[:71]), additivity=Additivity.LAST, today=START + timedelta(days=71)
        )
        held += found.low <= walk[100] <= found.high
    assert 0.70 <= held / 300 <= 0.90


def test_sums_add_up_and_partial_days_wait():
    found = assess(
        goal(target=100, baseline=0),
        points([1] * 50 + [50], partial={50}),
        additivity=Additivity.SUM,
        today=START + timedelta(days=50),
    )
    assert found.value == 50
    assert found.forecast == pytest.approx(101)


def test_a_sum_of_one_a_day_is_on_pace_from_the_first_day_to_the_last():
    days = (goal().due - START).days + 1
    for lived in (1, 2, days // 2, days):
        found = assess(
            goal(target=days, baseline=0),
            points([1] * lived),
            additivity=Additivity.SUM,
            today=START + timedelta(days=lived),
        )
        assert (found.value, found.expected, found.pace) == (lived, pytest.approx(lived), pytest.approx(1))


@pytest.mark.parametrize(
    ("values", "days", "at_most", "status"),
    [
        ([250], 1, False, GoalStatus.REACHED),
        ([150], 200, False, GoalStatus.MISSED),
        ([150], 200, True, GoalStatus.REACHED),
        ([], 5, False, GoalStatus.UNKNOWN),
    ],
)
def test_the_end_is_judged_by_the_value(values, days, at_most, status):
    found = assess(
        goal(at_most=at_most), points(values), additivity=Additivity.LAST, today=START + timedelta(days=days)
    )
    assert found.status is status


def test_a_goal_ends_after_it_starts():
    with pytest.raises(ValueError, match="due"):
        goal(due=START)


def test_before_and_after():
    clear = before_after([10, 11, 9, 10, 10], [15, 16, 14, 15, 15])
    assert clear.difference == 5
    # Welch: se = sqrt(0.5/5 + 0.5/5) = 0.4472, 8 degrees of freedom, t = 2.306
    assert clear.low == pytest.approx(5 - 2.306 * 0.44721, abs=0.01)
    assert clear.clear
    assert not before_after([10, 20, 5, 12], [11, 19, 7, 12]).clear
    with pytest.raises(InvalidInput):
        before_after([1, 2], [3, 4, 5])


def test_hold_out_against_the_published_example():
    # Newcombe 1998, table II, row (a): 56/70 against 48/80 gives 0.0524 to 0.3339 by method 10
    found = hold_out(treated=56, treated_of=70, control=48, control_of=80)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert found.clear
    with pytest.raises(InvalidInput):
        hold_out(treated=3, treated_of=2, control=0, control_of=1)


def answer(values):
    async def compute(name, **_):
        given = values.get(name, [])
        return MetricResult(
            metric=name,
            version=1,
            unit=Unit.RATIO,
            grain=Grain.WEEK,
            points=tuple(
                point
                if isinstance(point, MetricPoint)
                else MetricPoint(bucket=f"2026-01-{n + 1:02}", value=point)
                for n, point in enumerate(given)
            ),
        )

    return compute


async def test_a_healthy_community_has_no_findings():
    healthy = {
        "active_members.mau": [60],
        "members.total": [100],
        "active_members.stickiness": [0.3],
        "atmosphere.spam_share": [0.01, 0.01, 0.01, 0.01],
        "contributors.top_share": [0.4],
    }
    assert await diagnose(answer(healthy)) == ()


async def test_findings_carry_evidence_confidence_and_actions():
    sick = {
        "active_members.mau": [10],
        "members.total": [100],
        "active_members.stickiness": [0.05],
        "active_members.wau": [10, 10, 5, 5],
        "atmosphere.spam_share": [0.2, 0.2, 0.1, 0.1],
    }
    found = await diagnose(answer(sick))
    assert [finding.rule for finding in found] == ["low_participation", "advertisements"]
    first, second = found
    assert first.confidence == pytest.approx(0.9)
    assert second.confidence < first.confidence
    assert {reading.what: reading.value for reading in first.evidence}[
        "active_members.mau / members.total"
    ] == pytest.approx(0.1)
    assert all(action.zh and action.en and action.uses for finding in found for action in finding.actions)


async def test_a_change_of_ratios_weighs_weeks_by_what_they_hold():
    def week(number, spam, messages):
        return MetricPoint(
            bucket=f"2026-01-{7 * number + 5:02}",
            value=spam / messages,
            numerator=spam,
            denominator=messages,
        )

    # two thirds of three messages are no wave of advertisements beside thirty of three hundred
    weeks = [week(0, 30, 300), week(1, 30, 300), week(2, 2, 3), week(3, 30, 300)]
    (finding,) = await diagnose(answer({"atmosphere.spam_share": weeks}))
    share, change = finding.evidence
    assert share.value == pytest.approx(92 / 903)
    assert change.value == pytest.approx(32 / 303 / 0.1 - 1)
    assert not change.speaks


async def test_what_is_not_reported_accuses_nobody():
    assert await diagnose(answer({"atmosphere.spam_share": [None]})) == ()


async def test_facts_of_the_caller_count():
    (finding,) = await diagnose(answer({}), facts={"promotional_share": 0.6})
    assert finding.rule == "over_commercial"


def test_rules_name_metrics_that_exist():
    registry = Registry()
    for rule in RULES:
        for signal in rule.signals:
            if signal.metric:
                metric = registry.get(signal.metric)
                assert signal.grain is None or signal.grain in metric.grains
