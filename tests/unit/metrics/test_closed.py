"""Finished buckets are computed once, and anew when one of their days changes."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from shequn_sdk.metrics import DuckDBEventStore, Metrics, Segment
from shequn_sdk.scheduling.clock import ManualClock

from .conftest import NOW

RANGE = {"start": date(2026, 3, 1), "end": date(2026, 3, 31)}


def kept(store):
    with store.read() as session:
        return session.rows("select bucket, first_day, last_day from metric_point order by 1")[1]


@pytest.fixture
def filled(event_store, make_batch):
    events = [
        {"id": f"{day}.{member}", "member": str(member), "at": f"2026-03-{day:02}T04:00:00+00:00"}
        for day in range(1, 32)
        for member in range(day % 4 + 1)
    ]
    event_store.append(make_batch(*events), community="health")
    return event_store


def test_only_what_is_missing_is_computed(filled, events_clock, monkeypatch):
    metrics = Metrics(filled, clock=events_clock)
    first = metrics.compute_now("activity.messages_per_member", community="health", **RANGE)
    assert [row[0].day for row in kept(filled)] == list(range(1, 31)), "the running day is not kept"
    asked: list[tuple[date, date]] = []
    plain = type(metrics)

    from shequn_sdk.metrics import service

    real = service._Run._rows

    def spied(run, compiled, start, end):
        asked.append((start, end))
        return real(run, compiled, start, end)

    monkeypatch.setattr(service._Run, "_rows", spied)
    assert (
        plain(filled, clock=events_clock).compute_now(
            "activity.messages_per_member", community="health", **RANGE
        )
        == first
    )
    assert asked == [(date(2026, 3, 31), date(2026, 3, 31))]
    asked.clear()
    done = RANGE | {"end": date(2026, 3, 20)}
    assert (
        metrics.compute_now("activity.messages_per_member", community="health", **done).points
        == first.points[:20]
    )
    assert asked == []


def test_a_late_event_drops_the_buckets_that_rest_on_its_day(filled, make_batch, events_clock):
    metrics, slow = Metrics(filled, clock=events_clock), Metrics(filled, clock=events_clock, rollups=False)
    metrics.compute_now("active_members.wau", community="health", **RANGE)
    assert len(kept(filled)) == 30
    late = make_batch({"id": "late", "member": "77", "at": "2026-03-10T04:00:00+00:00"})
    filled.append(late, community="health")
    assert [row[0].day for row in kept(filled)] == [*range(1, 10), *range(17, 31)]
    again = metrics.compute_now("active_members.wau", community="health", **RANGE)
    assert again == slow.compute_now("active_members.wau", community="health", **RANGE)


def test_cut_weeks_are_not_kept(filled, events_clock):
    metrics = Metrics(filled, clock=events_clock)
    metrics.compute_now("active_members.distinct", community="health", grain="week", **RANGE)
    # 1 March is a Sunday, 31 March a Tuesday: the first and the last week are cut
    assert [row[0] for row in kept(filled)] == [date(2026, 3, 2) + timedelta(days=7 * n) for n in range(4)]


def test_what_depends_on_facts_of_members_is_computed_each_time(filled, events_clock):
    metrics = Metrics(filled, clock=events_clock)
    name = "activity.messages_per_member"
    metrics.compute_now(name, community="health", where=Segment(tags=("vip",)), **RANGE)
    metrics.compute_now(name, community="health", by=["role"], **RANGE)
    Metrics(filled, clock=events_clock, rollups=False).compute_now(name, community="health", **RANGE)
    assert kept(filled) == []


def test_each_question_has_its_own_answers(filled, events_clock, make_batch):
    filled.append(make_batch({"id": "b", "member": "x", "is_bot": True}, platform="beta"), community="health")
    metrics = Metrics(filled, clock=events_clock)
    for _ in range(2):
        found = [
            metrics.compute_now(
                "activity.messages_per_member", community=community, params=params, by=by, **RANGE
            )
            .points[0]
            .numerator
            for community, params, by in (
                ("health", {}, ()),
                ("health", {"include_bots": True}, ()),
                (None, {}, ()),
                ("health", {}, ("platform",)),
            )
        ]
        assert found == [2, 3, 2, 2]


def test_money_keeps_its_type(event_store, make_batch, events_clock):
    paid = {"id": "p", "kind": "purchase", "value": 12.3, "currency": "CNY"}
    event_store.append(make_batch(paid), community="health")
    metrics = Metrics(event_store, clock=events_clock)
    first = metrics.compute_now("conversion.revenue", community="health", **RANGE)
    assert first.points[0].value == 12.3
    assert metrics.compute_now("conversion.revenue", community="health", **RANGE) == first


def test_a_file_of_another_process_forgets_with_it(tmp_path, make_batch):
    clock = ManualClock(NOW)
    with DuckDBEventStore(tmp_path / "e.duckdb", idle=0) as one, DuckDBEventStore(one.path, idle=0) as two:
        one.ensure_community("health")
        one.append(make_batch({"id": "a"}), community="health")
        ask = {"community": "health", **RANGE}
        assert Metrics(one, clock=clock).compute_now("active_members.mau", **ask).points[0].value == 1
        two.append(make_batch({"id": "b", "member": "2"}), community="health")
        assert Metrics(one, clock=clock).compute_now("active_members.mau", **ask).points[0].value == 2
