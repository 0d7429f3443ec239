"""A log of `src dst time` lines, counted again by hand."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime

from shequn_sdk.domain import InteractionBatch
from shequn_sdk.metrics import DuckDBEventStore, Metrics


def test_totals_equal_a_plain_count(tmp_path):
    rng = random.Random(11)
    lines = sorted(
        (1_082_040_961 + int(rng.random() * 40 * 86_400), str(rng.randint(1, 60)), str(rng.randint(40, 120)))
        for _ in range(3_000)
    )
    store = DuckDBEventStore(tmp_path / "events.duckdb", idle=60)
    store.ensure_community("college", zone="UTC")
    for start in range(0, len(lines), 500):
        batch = InteractionBatch(platform="edges")
        for number, (when, source, target) in enumerate(lines[start : start + 500], start):
            batch.append(
                id=f"{number}", kind="message", occurred_at=when * 1_000_000, member=source, target=target
            )
        store.append(batch, community="college")
    metrics = Metrics(store)

    def value(name):
        (point,) = metrics.compute_now(name, community="college", grain="total").points
        return point.value

    active = defaultdict(set)
    for when, source, _ in lines:
        active[datetime.fromtimestamp(when, UTC).date().isoformat()].add(source)
    daily = metrics.compute_now("active_members.dau", community="college").points
    assert {point.bucket: point.value for point in daily if point.value} == {
        day: len(who) for day, who in active.items()
    }
    assert value("activity.interactions") == len(lines)
    assert value("members.total") == len({name for _, source, target in lines for name in (source, target)})
    assert value("members.joined") == len({source for _, source, _ in lines})
    store.close()
