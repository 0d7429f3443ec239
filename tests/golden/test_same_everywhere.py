"""A random log on all engines: the same rows, the same roll-ups, and the same answer to every metric."""

from __future__ import annotations

import json
import math
import random
import sys
from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk.domain import InteractionBatch, MemberRef
from shequn_sdk.metrics import MemberFacts, Metrics
from shequn_sdk.metrics.registry import builtin_metrics
from shequn_sdk.scheduling.clock import ManualClock

golden = sys.modules["golden_engines"]

NOW = datetime(2026, 3, 20, 9, 30, tzinfo=UTC)
KINDS = (
    ["message"] * 8
    + ["comment", "reaction", "reaction", "reaction", "share", "share", "view", "view", "vote", "check_in"]
    + ["question", "answer", "answer", "purchase", "refund", "join", "leave", "feedback", "mention", "click"]
)


def random_batches(seed: int, events: int) -> list[InteractionBatch]:
    """Give batches with late rows, repetitions, retractions, answers, shares of shares and two currencies."""
    rng = random.Random(seed)
    start = datetime(2026, 1, 12, tzinfo=UTC)
    batches = []
    said: dict[str, list[tuple[str, str]]] = {"alpha": [("m0", "1")], "beta": [("m0", "1")]}
    made = 0
    while made < events:
        platform = rng.choice(["alpha", "alpha", "beta"])
        batch = InteractionBatch(platform=platform)
        day = start + timedelta(days=66 * made / events)
        for _ in range(rng.randint(20, 60)):
            made += 1
            kind = rng.choice(KINDS)
            member = str(min(int(rng.expovariate(0.15)) + 1, 30)) if rng.random() > 0.02 else ""
            parent, author = rng.choice(said[platform][-40:])
            attrs = {}
            if rng.random() < 0.05:
                attrs["spam"] = True
            if rng.random() < 0.05:
                attrs["negative"] = True
            row = {
                "id": f"{platform}{made}",
                "kind": kind,
                "member": member,
                "occurred_at": day + timedelta(seconds=rng.randint(0, 86_400 * 3)),
                "channel": rng.choice(["c1", "c2"]),
                "member_name": rng.choice(["", f"Name {member}"]),
                "is_bot": member == "30",
            }
            if kind in {"message", "comment", "question", "answer", "share"}:
                row["message"] = f"m{made}"
                row["channel"] = "c1"
                if kind != "message" or rng.random() < 0.4:
                    row |= {"parent": parent, "target": author}
                row["text"] = rng.choice(["你好", "在吗？", "why?", "ok"])
                said[platform].append((f"m{made}", member or "1"))
            elif kind in {"reaction", "view", "vote"}:
                row |= {"message": parent, "channel": "c1"}
                attrs["reaction"] = rng.choice("ab")
                if rng.random() < 0.1:
                    row |= {"member": "", "value": float(rng.randint(1, 50))}
            elif kind in {"purchase", "refund"}:
                row |= {
                    "value": rng.choice([9.9, 19.99, 100.0]),
                    "currency": rng.choice(["CNY", "CNY", "USD"]),
                }
                if rng.random() < 0.3:
                    attrs["amount"] = "33.3333"
                if rng.random() < 0.4:
                    attrs["rating"] = rng.randint(1, 5)
            elif kind == "feedback":
                row["value"] = float(rng.randint(1, 5))
            elif kind == "join":
                row["entrance"] = rng.choice(["", "poster", "friend"])
            batch.append(**row, attrs=json.dumps(attrs, ensure_ascii=False) if attrs else "")
            if rng.random() < 0.03:
                batch.append(
                    id=f"{platform}x{made}",
                    kind="retract",
                    member=member,
                    message=parent,
                    channel="c1",
                    occurred_at=row["occurred_at"] + timedelta(minutes=rng.randint(-600, 600)),
                    attrs=json.dumps({"retracts": rng.choice(["message", "reaction"])}),
                )
        batches.append(batch)
        if rng.random() < 0.2:
            batches.append(rng.choice(batches))
    rng.shuffle(batches)
    return batches


def fill(store):
    """Put the random log in, with persons linked and parted, facts, and one member erased."""
    store.ensure_community("golden", zone="America/New_York")
    batches = random_batches(7, 900)
    counted = []
    for number, batch in enumerate(batches):
        done = store.append(batch, community="golden")
        counted.append((done.new, done.duplicates, done.late))
        if number == len(batches) // 2:
            with store.read():  # roll-ups of half of it, so that the rest makes days dirty again
                pass
            for member in ("1", "2", "3"):
                store.link_persons([MemberRef(platform=name, native_id=member) for name in ("alpha", "beta")])
    store.unlink_person(MemberRef(platform="beta", native_id="2"))
    store.set_members(
        [
            MemberFacts(
                ref=MemberRef(platform="alpha", native_id=str(n)),
                role="admin" if n < 3 else "member",
                tags=frozenset({"vip"} if n % 2 else {"vip", "old"}),
            )
            for n in range(1, 12)
        ],
        community="golden",
    )
    erased = store.forget(MemberRef(platform="alpha", native_id="4"))
    return counted, (erased.events, erased.mentions)


@pytest.fixture(scope="module")
def filled(golden_places):
    made = {}

    def get(engine):
        if engine not in made:
            store = golden_places(engine, "random", ManualClock(NOW))
            made[engine] = store, fill(store)
        return made[engine]

    return get


OTHERS = [pytest.param("postgres", marks=pytest.mark.postgres), "clickhouse"]


def rows(store, sql):
    with store.read() as session:
        return [
            tuple(float(value) if type(value).__name__ == "Decimal" else value for value in row)
            for row in session.rows(sql)[1]
        ]


@pytest.mark.parametrize("engine", OTHERS)
def test_the_same_rows_are_kept(filled, engine):
    (reference, counted), (store, found) = filled("duckdb"), filled(engine)
    assert found == counted
    log = (
        "select m.platform as p, m.native_id as member, r.native_id as person, t.native_id as target, e.kind as kind, "
        "e.ts as ts, e.local_day as d, e.local_hour as h, e.value as v, e.amount as a, e.currency as cu, "
        "e.detail as de, e.is_spam as s, e.is_negative as ne, e.is_question as q, e.is_bot as b, e.is_retracted as re, "
        "e.content_no as co, e.parent_no as pa, e.attrs as at, c.native_id as ch from event_log as e "
        "join channels as c on c.channel_no = e.channel_no left join members as m on m.member_no = e.member_no "
        "left join members as t on t.member_no = e.target_no left join members as r on r.member_no = e.person_no"
    )
    assert sorted(map(repr, rows(store, log))) == sorted(map(repr, rows(reference, log)))


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("community_hour", "community_no, platform, local_day, local_hour, kind, events, spam, negative"),
        ("ingest_stats", "platform, kind, local_day, events, late, last_ts"),
    ],
)
def test_roll_ups_are_the_same(filled, engine, table, columns):
    sql = f"select {columns} from {table} order by {', '.join(map(str, range(1, columns.count(',') + 2)))}"
    assert rows(filled(engine)[0], sql) == rows(filled("duckdb")[0], sql)


def shape(result):
    """Give a result without the order that it does not promise."""

    def number(value):
        return (
            float(f"{value:.9g}")
            if isinstance(value, (int, float)) and not isinstance(value, bool)
            else value
        )

    return sorted(
        repr(
            (
                point.bucket,
                number(point.value),
                number(point.numerator),
                number(point.denominator),
                point.partial,
                sorted((name, number(value)) for name, value in point.dims.items()),
            )
        )
        for point in result.points
    )


def asks(metric, *, rollups):
    """Give the ways in which a metric is asked: each grain, each dimension, with bots and spam."""
    yield {}
    if not rollups:  # dimensions and grains come out of the same text, whichever table they are read from
        return
    for grain in metric.grains[1:]:
        yield {"grain": grain}
    for dim in sorted(metric.dims):
        yield {"by": [dim]}
    yield {"params": {"include_bots": True, "include_spam": True}}


@pytest.mark.parametrize("rollups", [False, True], ids=["log", "rollups"])
@pytest.mark.parametrize("engine", ["duckdb", *OTHERS])
@pytest.mark.parametrize("metric", builtin_metrics(), ids=lambda metric: metric.name)
def test_every_metric_gives_the_same_however_it_is_asked(filled, engine, metric, rollups):
    if engine == "duckdb" and not rollups:
        return  # the reference itself
    store, reference = filled(engine)[0], filled("duckdb")[0]
    for ask in asks(metric, rollups=rollups):
        answers = [
            shape(
                Metrics(where, clock=ManualClock(NOW), rollups=used).compute_now(
                    metric.name, community="golden", **ask
                )
            )
            for where, used in ((store, rollups), (reference, False))
        ]
        assert answers[0] == answers[1], ask


def test_the_numbers_are_not_trivial(filled):
    metrics = Metrics(filled("duckdb")[0], clock=ManualClock(NOW))
    empty = [
        metric.name
        for metric in builtin_metrics()
        if not any(
            point.value and not math.isnan(point.value)
            for point in metrics.compute_now(metric.name, community="golden").points
        )
    ]
    assert empty in ([], ["members.year_growth"])
