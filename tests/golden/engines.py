"""The golden data sets, and how they come into a store: as batches, by the store's own methods."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from shequn_sdk.domain import InteractionBatch, MemberRef
from shequn_sdk.metrics import EventStore, MemberFacts, Metrics
from shequn_sdk.scheduling.clock import ManualClock

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(HERE.glob("*.json"))}


def batches(golden: dict[str, Any]) -> list[InteractionBatch]:
    """Give the data set's batches."""
    found = []
    for platform, rows in golden["batches"].items():
        batch = InteractionBatch(platform=platform)
        for row in rows:
            fields = dict(row)
            batch.append(occurred_at=datetime.fromisoformat(fields.pop("at")), **fields)
        found.append(batch)
    return found


def fill(store: EventStore, golden: dict[str, Any]) -> None:
    """Store a golden data set, with all of it delivered twice."""
    store.ensure_community("golden", zone=golden["zone"])
    for batch in batches(golden):
        done = store.append(batch, community="golden")
        assert done.new == len(batch), f"{done} of {len(batch)}"
        assert store.append(batch, community="golden").new == 0
    for refs in golden["link"]:
        store.link_persons(
            [MemberRef(platform=p, native_id=n) for p, _, n in (ref.partition(":") for ref in refs)]
        )
    facts = [
        MemberFacts(
            ref=MemberRef(platform=fact["platform"], native_id=fact["member"]),
            role=fact.get("role"),
            tags=frozenset(fact["tags"]) if "tags" in fact else None,
        )
        for fact in golden.get("members", ())
    ]
    if facts:
        store.set_members(facts, community="golden")


def clock_of(golden: dict[str, Any]) -> ManualClock:
    """Give a clock that stands at the data set's present."""
    return ManualClock(datetime.fromisoformat(golden["now"]))


def metrics_over(store: EventStore, golden: dict[str, Any], *, rollups: bool) -> Metrics:
    """Compute over a store at the data set's present."""
    return Metrics(store, clock=clock_of(golden), rollups=rollups)
