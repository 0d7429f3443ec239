"""What a result says beyond its values: gaps, coverage, freshness, comparisons, and clear refusals."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from shequn_sdk.domain import Grain, MemberRef, Role
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.metrics import AsyncEventStore, MemberFacts, Metrics, Segment


@pytest.fixture
def filled_store(event_store, make_batch):
    event_store.append(
        make_batch(
            {"id": "a", "member": "ann", "channel": "c1", "at": "2026-03-10T04:00:00+00:00"},
            {"id": "b", "member": "ben", "channel": "c2", "at": "2026-03-12T04:00:00+00:00"},
            {"id": "c", "member": "ann", "channel": "c2", "at": "2026-03-31T04:00:00+00:00"},
        ),
        community="health",
    )
    return event_store


@pytest.fixture
def health_metrics(filled_store, events_clock):
    return Metrics(filled_store, clock=events_clock)


def values(result):
    return {point.bucket: point.value for point in result.points}


async def test_compute_works_in_async_code_over_either_store(filled_store, events_clock):
    metrics = Metrics(AsyncEventStore(filled_store), clock=events_clock)
    result = await metrics.compute("active_members.dau", community="health", last=timedelta(days=2))
    assert values(result) == {"2026-03-30": 0, "2026-03-31": 1}


def test_a_silent_day_is_0_and_a_day_without_data_is_unknown(health_metrics):
    result = health_metrics.compute_now(
        "active_members.dau", community="health", start=date(2026, 3, 9), end=date(2026, 4, 1)
    )
    assert values(result)["2026-03-09"] is None
    assert values(result)["2026-03-10"] == 1
    assert values(result)["2026-03-11"] == 0
    assert values(result)["2026-04-01"] is None


def test_the_running_day_is_partial(health_metrics):
    result = health_metrics.compute_now("active_members.dau", community="health")
    assert [point.bucket for point in result.points if point.partial] == ["2026-03-31"]
    assert any("partial" in warning for warning in result.warnings)


def test_the_result_says_how_fresh_and_how_late_its_data_is(health_metrics):
    result = health_metrics.compute_now("active_members.dau", community="health")
    assert result.data_as_of == datetime.fromisoformat("2026-03-31T04:00:00+00:00")
    assert result.late_share == pytest.approx(2 / 3)


def test_what_nobody_reports_is_unknown_never_0(health_metrics):
    result = health_metrics.compute_now("content.engagement", community="health", grain="total")
    assert values(result) == {"total": None}
    assert result.coverage is not None
    assert (result.coverage.covered, result.coverage.total, result.coverage.missing) == (0, 1, ("alpha",))


def test_a_platform_that_reports_nothing_yet_counts_as_0_when_its_manifest_says_so(
    filled_store, events_clock
):
    metrics = Metrics(filled_store, clock=events_clock, reported_kinds={"alpha": frozenset({"reaction"})})
    result = metrics.compute_now("content.engagement", community="health", grain="total")
    assert result.coverage is not None
    assert result.coverage.covered == 1
    assert result.points == ()  # nothing was posted: there is nothing to divide by


def test_a_rate_is_taken_over_the_platforms_that_report_it(event_store, make_batch, events_clock):
    event_store.append(
        make_batch(
            {"id": "p", "message": "m1"},
            {"id": "v", "kind": "view", "message": "m1", "member": "2"},
            {"id": "r", "kind": "reaction", "message": "m1", "member": "2"},
        ),
        community="health",
    )
    event_store.append(
        make_batch(
            {"id": "p", "message": "m1"}, {"id": "r", "kind": "reaction", "message": "m1"}, platform="beta"
        ),
        community="health",
    )
    metrics = Metrics(event_store, clock=events_clock)
    result = metrics.compute_now("content.engagement.by_views", community="health", grain="total")
    (point,) = result.points
    assert (point.numerator, point.denominator) == (1, 1)
    assert result.coverage is not None
    assert result.coverage.missing == ("beta",)
    assert "beta" in " ".join(result.warnings)


def test_splitting_by_dimensions_names_them(health_metrics, filled_store):
    result = health_metrics.compute_now("active_members.distinct", grain="total", by=["community", "channel"])
    assert {(p.dims["community"], p.dims["channel"], p.value) for p in result.points} == {
        ("health", "alpha:c1", 1),
        ("health", "alpha:c2", 2),
    }
    filled_store.set_members(
        [
            MemberFacts(
                ref=MemberRef(platform="alpha", native_id="ann"),
                role=Role.KOL,
                tags=frozenset({"vip", "old"}),
            )
        ],
        community="health",
    )
    by_tag = health_metrics.compute_now("active_members.distinct", grain="total", by=["tag"])
    assert {(p.dims["tag"], p.value) for p in by_tag.points} == {("vip", 1), ("old", 1), ("", 1)}
    by_role = health_metrics.compute_now("active_members.distinct", grain="total", by="role")
    assert {(p.dims["role"], p.value) for p in by_role.points} == {("kol", 1), ("", 1)}


@pytest.mark.parametrize(
    ("segment", "wanted"),
    [
        (Segment(), 2),
        (Segment(tags=("vip",)), 1),
        (Segment(without_tags=("vip",)), 1),
        (Segment(channels=("c1",)), 1),
        (Segment(platforms=("beta",)), 0),
        (Segment(roles=("kol",)), 1),
        (Segment(roles=()), 0),
        (Segment(tags=("' or 1=1 --",)), 0),
        (Segment(entrances=("",)), 2),
    ],
)
def test_segments(health_metrics, filled_store, segment, wanted):
    filled_store.set_members(
        [
            MemberFacts(
                ref=MemberRef(platform="alpha", native_id="ann"), role=Role.KOL, tags=frozenset({"vip"})
            )
        ],
        community="health",
    )
    result = health_metrics.compute_now(
        "active_members.distinct", community="health", grain="total", where=segment
    )
    assert values(result) == {"total": wanted}


def test_comparison_leaves_the_running_day_out_and_gives_no_percentage_on_a_low_base(health_metrics):
    result = health_metrics.compute_now(
        "activity.interactions",
        community="health",
        start=date(2026, 3, 12),
        end=date(2026, 3, 13),
        compare="previous_period",
    )
    assert result.comparison is not None
    assert (result.comparison.start, result.comparison.end) == (date(2026, 3, 10), date(2026, 3, 11))
    assert (result.comparison.current, result.comparison.previous, result.comparison.delta) == (1, 1, 0)
    assert result.comparison.change is None
    running = health_metrics.compute_now(
        "activity.interactions",
        community="health",
        start=date(2026, 3, 30),
        end=date(2026, 3, 31),
        compare="previous_year",
    )
    assert running.comparison is not None
    assert running.comparison.current == 0
    assert running.comparison.start == date(2025, 3, 31)  # a Monday, as the 30th of March 2026 is


@pytest.mark.parametrize("against", ["previous_period", "previous_year"])
@pytest.mark.parametrize("grain", ["day", "week", "month"])
def test_what_stays_the_same_every_day_shows_no_change(event_store, make_batch, events_clock, against, grain):
    """Weeks that a range cuts, months of unequal length: as many buckets are put together on both sides."""
    first = date(2024, 11, 1)
    days = [first + timedelta(days=number) for number in range((date(2026, 3, 31) - first).days)]
    batch = make_batch(
        *({"id": f"{day}", "at": f"{day}T04:00:00+00:00", "member": "1"} for day in days),
    )
    event_store.append(batch, community="health")
    metrics = Metrics(event_store, clock=events_clock)

    def compared(name, start, end):
        found = metrics.compute_now(
            name, community="health", start=start, end=end, grain=grain, compare=against
        ).comparison
        return found, found.current, found.previous

    for start, end in (
        (date(2026, 1, 1), date(2026, 2, 28)),
        (date(2026, 1, 7), date(2026, 3, 9)),
        (date(2026, 1, 5), date(2026, 2, 1)),
    ):
        found, now, then = compared("active_members.distinct", start, end)
        assert now == then or then is None
        found, now, then = compared("activity.interactions", start, end)
        if grain == "month" and start.day == 1:
            assert (now, then) == ((59, 61) if against == "previous_period" else (59, 59))
            assert (found.start.day, (found.end + timedelta(days=1)).day) == (1, 1)
        elif grain == "month":
            assert (now, then) in ((28, 31), (28, 28), (None, None))  # one whole month on each side, or none
        else:
            assert now == then >= 14


def test_what_nothing_is_known_of_is_compared_with_nothing(event_store, make_batch, events_clock):
    rows = [
        {"id": f"{day}.{n}", "at": f"2026-03-{day:02}T04:00:00+00:00"}
        for day in range(6, 20)
        for n in range(30)
    ]
    event_store.append(make_batch(*rows), community="health")
    metrics = Metrics(event_store, clock=events_clock)
    found = metrics.compute_now(
        "activity.interactions",
        community="health",
        start=date(2026, 3, 8),
        end=date(2026, 3, 14),
        compare="previous_period",
    )
    assert [point.value for point in found.comparison.points] == [None] * 5 + [30] * 2
    assert (found.comparison.current, found.comparison.previous, found.comparison.change) == (60, 60, 0)
    whole = metrics.compute_now(
        "active_members.distinct",
        community="health",
        start=date(2026, 3, 8),
        end=date(2026, 3, 14),
        grain="total",
        compare="previous_period",
    )
    assert (whole.comparison.current, whole.comparison.previous) == (1, None)
    assert whole.comparison.points[0].partial
    before_all = metrics.compute_now(
        "activity.interactions",
        community="health",
        start=date(2026, 3, 6),
        end=date(2026, 3, 7),
        compare="previous_period",
    )
    assert (before_all.comparison.current, before_all.comparison.previous) == (60, None)


def test_comparison_gives_a_percentage_on_a_broad_base(event_store, make_batch, events_clock):
    event_store.append(
        make_batch(
            *({"id": f"a{n}", "at": "2026-03-01T04:00:00+00:00"} for n in range(40)),
            *({"id": f"b{n}", "at": "2026-03-02T04:00:00+00:00"} for n in range(50)),
        ),
        community="health",
    )
    result = Metrics(event_store, clock=events_clock).compute_now(
        "activity.interactions",
        community="health",
        start=date(2026, 3, 2),
        end=date(2026, 3, 2),
        compare="previous_period",
    )
    assert result.comparison is not None
    assert result.comparison.change == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grain": "hour"}, "per day"),
        ({"by": ["colour"]}, "colour"),
        ({"params": {"kinds": ["dance"]}}, "kinds"),
        ({"params": {"nonsense": 1}}, "nonsense"),
        ({"start": date(2026, 3, 2), "end": date(2026, 3, 1)}, "before it starts"),
        ({"start": date(2026, 3, 2), "last": timedelta(days=1)}, "not both"),
        ({"last": timedelta(hours=1)}, "at least one day"),
        ({"compare": "yesterday"}, "previous_period"),
        ({"start": datetime(2026, 3, 1)}, "time zone"),
    ],
)
def test_requests_that_do_not_fit_are_refused_with_a_reason(health_metrics, arguments, message):
    with pytest.raises(InvalidInput, match=message):
        health_metrics.compute_now("active_members.dau", community="health", **arguments)


def test_unknown_names_give_the_nearest(health_metrics):
    with pytest.raises(UnknownName, match=r"active_members\.dau"):
        health_metrics.compute_now("active_member.dau")
    with pytest.raises(UnknownName, match="healthy"):
        health_metrics.compute_now("active_members.dau", community="healthy")


def test_an_empty_store_is_no_error(event_store, events_clock):
    metrics = Metrics(event_store, clock=events_clock)
    for metric in metrics.list():
        for grain in metric.grains:
            result = metrics.compute_now(metric.name, community="health", grain=grain)
            assert result.data_as_of is None
            assert all(not point.value for point in result.points)
            ranged = metrics.compute_now(
                metric.name, community="health", grain=grain, last=timedelta(days=30)
            )
            assert all(not point.value for point in ranged.points), metric.name


def test_hours_are_local(event_store, make_batch, events_clock):
    event_store.append(make_batch({"id": "a", "at": "2026-03-01T16:30:00+00:00"}), community="health")
    result = Metrics(event_store, clock=events_clock).compute_now(
        "activity.interactions", community="health", grain=Grain.HOUR
    )
    assert [(p.bucket, p.value) for p in result.points if p.value] == [("2026-03-02T00", 1)]
    assert len(result.points) == 24
