"""Generate skewed events for benchmarks: few members do most, evenings are busy, a year of days, some redelivered.

Run `python benchmarks/generate_events.py 1_000_000 events.parquet` to write a file, or import `generate`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

KINDS = (
    "view",
    "message",
    "reaction",
    "comment",
    "share",
    "check_in",
    "purchase",
    "join",
    "leave",
    "question",
)
SHARES = (0.40, 0.24, 0.18, 0.08, 0.03, 0.03, 0.005, 0.015, 0.01, 0.01)
START = 1_735_689_600_000_000  # 2025-01-01 UTC
DAY = 86_400_000_000


def generate(
    rows: int, *, members: int | None = None, seed: int = 1, block: int = 1_000_000
) -> Iterator[pa.Table]:
    """Yield tables in order of time, with the columns of the event store that matter to metrics."""
    members = members or max(1_000, min(200_000, rows // 50))
    rng = np.random.default_rng(seed)
    done = 0
    while done < rows:
        size = min(block, rows - done)
        position = (done + np.sort(rng.random(size)) * size) / rows
        day = np.floor(position * 365)
        hour = np.clip(rng.normal(20, 4, size), 0, 23.999)
        ts = np.sort((START + day * DAY + hour * 3_600_000_000).astype(np.int64))
        kind = rng.choice(len(KINDS), size, p=SHARES)
        member = np.minimum((rng.pareto(1.1, size) * members / 20).astype(np.int64), members - 1)
        aim = np.minimum((rng.pareto(1.2, size) * members / 50).astype(np.int64), members - 1)
        posts = max(1, rows // 20)
        yield pa.table(
            {
                "number": pa.array(np.arange(done, done + size)),
                "kind": pa.array(np.array(KINDS)[kind]),
                "ts": pa.array(ts, pa.timestamp("us")),
                "member": pa.array(member),
                "aim": pa.array(aim),
                "message": pa.array(
                    np.where(np.isin(kind, (1, 9)), done + np.arange(size), rng.integers(0, posts, size))
                ),
                "parent": pa.array(np.where(np.isin(kind, (3, 4)), rng.integers(0, posts, size), -1)),
                "channel": pa.array(rng.integers(1, 9, size)),
            }
        )
        done += size


def main() -> None:
    rows, path = int(sys.argv[1]), Path(sys.argv[2])
    writer: pq.ParquetWriter | None = None
    for table in generate(rows):
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    print(f"{rows:,} events in {path}")


if __name__ == "__main__":
    main()
