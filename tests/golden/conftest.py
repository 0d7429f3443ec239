"""Engines on which the golden cases run."""

from __future__ import annotations

import importlib.util
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
def golden_stores(tmp_path_factory):
    made = {}

    def get(name):
        if name not in made:
            store = golden_engines.DuckDBEventStore(tmp_path_factory.mktemp(name) / "events.duckdb", idle=5)
            golden_engines.fill(store, golden_engines.CASES[name])
            made[name] = store
        return made[name]

    yield get
    for store in made.values():
        store.close()


@pytest.fixture(scope="session")
def golden_postgres(golden_stores, postgres_cluster):
    import psycopg

    made = {}

    def get(name):
        if name not in made:
            connection = psycopg.connect(postgres_cluster.url)
            golden_engines.to_postgres(connection, golden_stores(name))
            made[name] = connection
        return golden_engines.PostgresSession(made[name])

    yield get
    for connection in made.values():
        connection.rollback()
        connection.close()


@pytest.fixture(scope="session")
def golden_clickhouse(golden_stores):
    session = pytest.importorskip("chdb.session", reason="chdb is not installed")
    connection = session.Session()
    made = {}

    def get(name):
        if name not in made:
            connection.query(f"create database {name} engine = Memory")
            connection.query(f"use {name}")
            golden_engines.to_clickhouse(connection, golden_stores(name))
            made[name] = True
        connection.query(f"use {name}")
        return golden_engines.ClickHouseSession(connection, "settings join_use_nulls = 1")

    yield get
    connection.close()
