"""Roll-ups say the same as the log, whatever happens to the log."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shequn_sdk.domain import InteractionBatch, MemberRef
from shequn_sdk.metrics import DuckDBEventStore, Metrics
from shequn_sdk.metrics.registry import builtin_metrics
from shequn_sdk.metrics.store.rollup import stretches
from shequn_sdk.scheduling.clock import ManualClock

START = datetime(2026, 1, 30, tzinfo=UTC)
KINDS = ("message", "reaction", "comment", "join", "leave", "purchase", "view", "retract", "share", "vote")
BY_ROLLUP = [
    metric
    for metric in builtin_metrics()
    if {"person_day", "community_hour", "content_stats"} & set(metric.sources)
]
CLOSED = [metric for metric in builtin_metrics() if metric.closed]

event = st.fixed_dictionaries(
    {
        "id": st.integers(0, 40).map(str),
        "kind": st.sampled_from(KINDS),
        "member": st.sampled_from(["a", "b", "c", "d", ""]),
        "minute": st.integers(0, 60 * 24 * 45),
        "message": st.sampled_from(["m1", "m2", "m3", ""]),
        "parent": st.sampled_from(["m1", "m2", "", "", ""]),
        "value": st.sampled_from([None, None, 3.0, 9.0]),
        "platform": st.sampled_from(["alpha", "beta"]),
        "spam": st.booleans(),
        "is_bot": st.sampled_from([False] * 9 + [True]),
    }
)
step = st.one_of(
    st.lists(event, min_size=1, max_size=25),
    st.just("link"),
    st.just("archive"),
    st.just("look"),
    st.just("forget"),
)


def ask_closed(metrics, number):
    """Ask for metrics whose finished buckets are kept, over a range that differs from time to time."""
    start = (START + timedelta(days=number)).date()
    return [
        metrics.compute_now(
            metric.name, community=community, start=start, end=start + timedelta(days=50), grain=grain, by=by
        )
        for metric in CLOSED
        for community in ("one", None)
        for grain in metric.grains[:2]
        for by in ((), ("platform",))
    ]


def test_stretches_are_few_and_hold_every_day():
    rng = random.Random(4)
    for count in (1, 5, 60, 400, 3000):
        days = sorted({date(2020, 1, 1) + timedelta(days=rng.randint(0, 2500)) for _ in range(count)})
        found = stretches(days)
        assert all(sum(low <= day <= high for low, high in found) == 1 for day in days)
        assert len(found) <= 100
    assert stretches([]) == []


def batch_of(platform, events):
    batch = InteractionBatch(platform=platform)
    for row in events:
        batch.append(
            id=row["id"],
            kind=row["kind"],
            # the platform's time belongs to the event: a redelivery never carries another one
            occurred_at=START
            + timedelta(minutes=(int(row["id"]) * 1009 + KINDS.index(row["kind"]) * 131) % 64_800),
            member=row["member"],
            message=row["message"],
            is_bot=row["is_bot"],
            parent=row["parent"],
            value=row["value"],
            attrs='{"retracts": "reaction"}'
            if row["kind"] == "retract"
            else '{"spam": true}'
            if row["spam"]
            else "",
        )
    return batch


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(step, min_size=1, max_size=6))
def test_rollups_equal_the_log(steps):
    with tempfile.TemporaryDirectory() as folder:
        store = DuckDBEventStore(Path(folder) / "events.duckdb", idle=60, threads=1)
        store.ensure_community("one", zone="America/New_York")
        store.ensure_community("two", zone="Asia/Shanghai")
        clock = ManualClock(START + timedelta(days=60))
        quick, slow = Metrics(store, clock=clock), Metrics(store, clock=clock, rollups=False)
        for number, action in enumerate(steps):
            if isinstance(action, list):
                for platform in ("alpha", "beta"):
                    rows = [row for row in action if row["platform"] == platform]
                    store.append(batch_of(platform, rows), community="one" if number % 2 else "two")
            elif action == "archive":
                store.archive(before=date(2026, 3, 1))
            elif action == "look":
                store.refresh()
                ask_closed(quick, number)
            else:
                with store.read() as session:
                    known = session.rows(
                        "select platform, native_id from members order by member_no limit 2"
                    )[1]
                refs = [MemberRef(platform=platform, native_id=native) for platform, native in known]
                if action == "link":
                    store.link_persons(refs)
                elif refs:
                    store.forget(refs[0])
        assert ask_closed(quick, 3) == ask_closed(slow, 3)
        for metric in BY_ROLLUP:
            for community in ("one", None):
                for by in ((), ("platform",)) if metric.dims else ((),):
                    ask = {"community": community, "by": by}
                    assert quick.compute_now(metric.name, **ask) == slow.compute_now(metric.name, **ask)
        store.close()


def test_a_file_of_version_1_is_brought_up_and_its_days_rolled_up_anew(tmp_path, make_batch):
    path = tmp_path / "events.duckdb"
    with DuckDBEventStore(path) as store:
        store.ensure_community("one")
        post = {"id": "p", "message": "m"}
        store.append(make_batch(post, {"id": "r", "kind": "reaction", "message": "m"}), community="one")
        expected = Metrics(store).compute_now("content.engagement", community="one")
    con = duckdb.connect(str(path))
    for table in ("content_stats", "tombstones", "late_retractions", "metric_point"):
        con.execute(f"drop table {table}")
    con.execute("update meta set value = '1' where key = 'schema'")
    con.close()
    with DuckDBEventStore(path) as store:
        assert Metrics(store).compute_now("content.engagement", community="one") == expected
        assert expected.points[0].numerator == 1
