"""Import of an edge list: events per second and memory, beside pandas and a plain loop in the same run.

    python benchmarks/import_log.py LOG [--times 1 10 50] [--store]

LOG is an edge list such as SNAP's CollegeMsg. Larger files repeat it with shifted times, so that all rows differ.
Each measurement runs in its own process, so that peak memory is its own. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace


def generate(source: Path, target: Path, times: int) -> int:
    """Write the log `times` times over, a year later each time in steps that stay in the past."""
    header, *rows = source.read_text().splitlines()
    parsed = [row.split() for row in rows]
    with target.open("w") as file:
        file.write(header + "\n")
        for copy in range(times):
            shift = copy * 10_000_000
            file.writelines(f"{a} {b} {int(at) + shift}\n" for a, b, at in parsed)
    return len(parsed) * times


def read_only(path: Path) -> int:
    """What an importer alone does: read into batches."""
    from shequn_sdk.listening.importers.base import ImportOptions
    from shequn_sdk.listening.importers.edges import EdgeListImporter

    options = ImportOptions(now=datetime.now(UTC))
    return sum(len(chunk.batch) for chunk in EdgeListImporter().read(path, options=options, resume=None))


def job(path: Path) -> int:
    """The whole job with durable positions, into a store that only counts."""
    import anyio

    from shequn_sdk.listening.importers.job import import_file

    async def append(batch: object, community: str) -> object:
        return SimpleNamespace(new=len(batch), duplicates=0)  # type: ignore[arg-type]

    async def main() -> int:
        with tempfile.TemporaryDirectory() as state:
            return (
                await import_file(path, community="c", append=append, importer="edges", state_dir=state)
            ).added

    return anyio.run(main)


def into_store(path: Path) -> int:
    """The whole job into the event store."""
    import anyio

    from shequn_sdk.listening.importers.job import import_file
    from shequn_sdk.metrics.store.duckdb import DuckDBEventStore

    async def main() -> int:
        with tempfile.TemporaryDirectory() as home, DuckDBEventStore(Path(home) / "events.duckdb") as store:
            store.ensure_community("c", zone="UTC")

            async def append(batch: object, community: str) -> object:
                return await anyio.to_thread.run_sync(lambda: store.append(batch, community=community))  # type: ignore[arg-type]

            return (
                await import_file(path, community="c", append=append, importer="edges", state_dir=home)
            ).added

    return anyio.run(main)


def pandas_script(path: Path) -> int:
    """What people write instead: the whole file into a frame, then records for an insert."""
    import pandas as pd

    frame = pd.read_csv(path, sep=r"\s+")
    frame["id"] = [
        f"{n}:{a}:{b}:{t}" for n, a, b, t in zip(frame.index, frame.src, frame.dst, frame.time, strict=True)
    ]
    frame["occurred_at"] = pd.to_datetime(frame.time, unit="s", utc=True)
    return len(frame.to_dict("records"))


def plain_loop(path: Path) -> int:
    """A plain loop that makes one dict per row."""
    rows = []
    with path.open() as file:
        next(file)
        for number, line in enumerate(file):
            a, b, at = line.split()
            rows.append(
                {
                    "id": f"{number}:{a}:{b}",
                    "member": a,
                    "target": b,
                    "at": datetime.fromtimestamp(int(at), UTC),
                }
            )
    return len(rows)


WAYS = {"read": read_only, "job": job, "store": into_store, "pandas": pandas_script, "loop": plain_loop}
NAMES = {
    "read": "importer alone",
    "job": "import job, counting store",
    "store": "import job, event store (DuckDB)",
    "pandas": "pandas read_csv → records",
    "loop": "plain loop → dicts",
}


def measure(way: str, path: Path) -> dict[str, float]:
    """Run one way in a process of its own."""
    command = [sys.executable, os.fspath(Path(__file__)), "--one", way, os.fspath(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


MODULES = {
    "read": ("shequn_sdk.listening.importers.edges",),
    "job": ("shequn_sdk.listening.importers.job", "shequn_sdk.listening.importers.edges", "anyio"),
    # pyarrow loads pandas with its first array, where pandas is installed
    "store": ("shequn_sdk.listening.importers.job", "shequn_sdk.metrics.store.duckdb", "anyio", "pandas"),
    "pandas": ("pandas",),
    "loop": (),
}


def one(way: str, path: Path) -> None:
    for module in MODULES[way]:
        importlib.import_module(module)  # loading is not what is measured
    began, cpu = time.perf_counter(), time.process_time()
    rows = WAYS[way](path)
    took, used = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "seconds": took, "cpu": used, "peak": peak}))


def totals(path: Path) -> None:
    """Print the totals that an import must reproduce, by a plain count."""
    members: set[str] = set()
    days: dict[str, set[str]] = defaultdict(set)
    rows = 0
    with path.open() as file:
        next(file)
        for line in file:
            a, b, at = line.split()
            rows += 1
            members |= {a, b}
            days[datetime.fromtimestamp(int(at), UTC).date().isoformat()].add(a)
    print(f"plain count: {rows} interactions, {len(members)} members, {len(days)} days with active members\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path, nargs="?")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--one", nargs=2)
    asked = parser.parse_args()
    if asked.one:
        one(asked.one[0], Path(asked.one[1]))
        return
    if asked.log is None:
        parser.error("name an edge list")
    totals(asked.log)
    print("| rows | way | events/s | CPU s | peak MB | speed ÷ pandas |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as home:
        for times in asked.times:
            path = Path(home) / f"log{times}.txt"
            rows = generate(asked.log, path, times)
            peer = measure("pandas", path)
            for way in ["read", "job", *(["store"] if asked.store else []), "pandas", "loop"]:
                got = peer if way == "pandas" else measure(way, path)
                assert got["rows"] == rows, (way, got, rows)
                print(
                    f"| {rows:,} | {NAMES[way]} | {rows / got['seconds']:,.0f} | {got['cpu']:.2f} | {got['peak']:.0f} "
                    f"| {peer['seconds'] / got['seconds']:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
