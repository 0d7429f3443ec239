"""Stores on which the golden cases run: each engine by its own event store, filled by its own `append`."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest


def _engines():
    spec = importlib.util.spec_from_file_location("golden_engines", Path(__file__).with_name("engines.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["golden_engines"] = module
    spec.loader.exec_module(module)
    return module


golden_engines = sys.modules.get("golden_engines") or _engines()


@pytest.fixture(scope="session")
def golden_places(tmp_path_factory, request):
    """Give `make(engine, name, clock)`: an empty store of that engine."""
    made = []

    def make(engine, name, clock):
        made.append(_store(engine, name, clock, tmp_path_factory, request))
        return made[-1]

    yield make
    for store in made:
        store.close()


def _store(engine, name, clock, folders, request):
    if engine == "duckdb":
        from shequn_sdk.metrics import DuckDBEventStore

        return DuckDBEventStore(folders.mktemp(name) / "events.duckdb", idle=5, clock=clock)
    place = f"golden_{name}_{os.urandom(4).hex()}"
    if engine == "postgres":
        import psycopg

        from shequn_postgres_events import PostgresEventStore

        cluster = request.getfixturevalue("postgres_cluster")
        with psycopg.connect(cluster.url, autocommit=True) as admin:
            admin.execute(f"create database {place}")
        return PostgresEventStore(cluster.url.rsplit("/", 1)[0] + f"/{place}", clock=clock)
    from shequn_clickhouse import ClickHouseEventStore

    server = request.getfixturevalue("clickhouse_server")
    return ClickHouseEventStore(f"{server.url}/{place}", clock=clock)


@pytest.fixture(scope="session")
def golden_stores(golden_places):
    """Give `get(engine, name)`: the store of that engine with that data set, made on first use."""
    made = {}

    def get(engine, name):
        if (engine, name) not in made:
            golden = golden_engines.CASES[name]
            store = golden_places(engine, name, golden_engines.clock_of(golden))
            made[engine, name] = store
            golden_engines.fill(store, golden)
        return made[engine, name]

    return get
