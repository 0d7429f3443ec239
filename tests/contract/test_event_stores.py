"""The contract of event stores on the embedded one; plugins run it on theirs."""

from __future__ import annotations

import pytest

from shequn_sdk.metrics import DuckDBEventStore
from shequn_sdk.testing.event_store_contract import EventStoreContract


class TestDuckDB(EventStoreContract):
    @pytest.fixture
    def make_store(self, tmp_path):
        return lambda name, clock: DuckDBEventStore(
            tmp_path / f"{name}.duckdb", clock=clock, idle=0.05, timeout=60
        )
