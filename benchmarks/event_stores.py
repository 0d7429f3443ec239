"""The event stores side by side, in one run: the same batches in, the same questions out.

    python benchmarks/event_stores.py [events] [--postgres postgresql://…]

DuckDB's file, a PostgreSQL server (a private one that waits for the disk, when no address is given), and ClickHouse's
engine behind its HTTP interface in this process (chdb). CPU is that of this process: it leaves PostgreSQL's server out
and has ClickHouse's engine in.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parent))
from metrics import _batches

from shequn_clickhouse import ClickHouseEventStore
from shequn_clickhouse.local import LocalServer
from shequn_postgres_events import PostgresEventStore
from shequn_sdk.metrics import DuckDBEventStore, EventStore, Metrics

ASKED = (
    "active_members.dau",
    "active_members.mau",
    "active_members.returning",
    "retention.weekly",
    "activity.heatmap",
    "content.engagement",
    "response.median",
)


@contextlib.contextmanager
def postgres(url: str | None) -> Iterator[str]:
    """Give the address of an empty database."""
    with contextlib.ExitStack() as stack:
        if url is None:
            path = Path(__file__).resolve().parents[1] / "conftest.py"
            spec = importlib.util.spec_from_file_location("root_conftest", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            cluster = module.PostgresCluster(module._postgres_bin(), durable=True)  # noqa: SLF001 - ours
            stack.callback(cluster.close)
            url = cluster.url
        name = f"bench_{os.urandom(4).hex()}"
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"create database {name}")
        yield url.rsplit("/", 1)[0] + f"/{name}"


def spent(work) -> tuple[float, float]:
    """Give wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(label: str, store: EventStore, rows: int) -> None:
    """Fill the store, bring its roll-ups up to date, and ask."""
    store.ensure_community("bench")
    wall = cpu = 0.0
    for batch in _batches(rows):
        took = spent(lambda batch=batch: store.append(batch, community="bench"))
        wall, cpu = wall + took[0], cpu + took[1]

    def roll_up() -> None:
        with store.read():
            pass

    rolled, _ = spent(roll_up)
    asked = []
    for rollups in (False, True):
        metrics = Metrics(store, rollups=rollups)
        metrics.compute_now(ASKED[0], community="bench")
        asked.append(
            spent(lambda metrics=metrics: [metrics.compute_now(name, community="bench") for name in ASKED])[0]
        )
    print(
        f"| {label} | {rows / wall:,.0f} | {cpu / rows * 1e6:.1f} | {rolled:.2f} | {asked[0]:.2f} | {asked[1]:.2f} |",
        flush=True,
    )
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("events", nargs="?", default="200_000")
    parser.add_argument("--postgres", help="a server; a database is made in it")
    arguments = parser.parse_args()
    rows = int(arguments.events)
    print(f"load {os.getloadavg()[0]:.1f}; {rows:,} events in batches of 10,000, 5 % redelivered\n")
    print(
        f"| | appended per second | CPU here, µs per event | roll-ups, s | {len(ASKED)} metrics from the log, s | from roll-ups, s |"
        "\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        measure("DuckDB, a file", DuckDBEventStore(Path(folder) / "events.duckdb", idle=60), rows)
    with postgres(arguments.postgres) as url:
        measure("PostgreSQL, a server", PostgresEventStore(url), rows)
    with LocalServer() as server:
        measure("ClickHouse's engine, over HTTP", ClickHouseEventStore(f"{server.url}/bench"), rows)


if __name__ == "__main__":
    main()
