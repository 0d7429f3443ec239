"""What the tests of metrics share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shequn_sdk.domain import InteractionBatch
from shequn_sdk.metrics import DuckDBEventStore
from shequn_sdk.scheduling.clock import ManualClock

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
def events_clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def event_store(tmp_path: Path, events_clock: ManualClock) -> Iterator[DuckDBEventStore]:
    with DuckDBEventStore(tmp_path / "events.duckdb", clock=events_clock, idle=0.05, timeout=3) as store:
        store.ensure_community("health", zone="Asia/Shanghai")
        yield store


@pytest.fixture
def make_batch() -> Callable[..., InteractionBatch]:
    def make(*rows: dict[str, object], platform: str = "alpha") -> InteractionBatch:
        batch = InteractionBatch(platform=platform)
        for number, row in enumerate(rows):
            fields: dict[str, object] = {"id": f"e{number}", "kind": "message", "member": "1", **row}
            when = fields.pop("at", "2026-03-01T12:00:00+00:00")
            batch.append(occurred_at=datetime.fromisoformat(str(when)), **fields)
        return batch

    return make
