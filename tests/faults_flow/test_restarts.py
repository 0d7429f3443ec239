"""The same on PostgreSQL, whose server crashes and comes back while everything else goes wrong as well."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import Run, run_deliveries

pytestmark = pytest.mark.postgres

SHORT = Run(
    seed=3,
    deliveries=100,
    kills=2,
    freezes=0,
    jumps=(),
    full_disks=0,
    restarts=2,
    lease=5.0,
    pause=(0.2, 0.8),
    settle=120,
)
LONG = replace(
    SHORT,
    seed=4,
    deliveries=2000,
    kills=20,
    freezes=3,
    stops=3,
    restarts=10,
    storm=6,
    lease=20.0,
    pause=(0.5, 3.0),
    settle=400,
)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(SHORT, id="short embedded"),
        pytest.param(replace(SHORT, seed=5, engine="pgqueuer"), id="short pgqueuer"),
        pytest.param(LONG, marks=pytest.mark.slow, id="long embedded"),
        pytest.param(replace(LONG, seed=6, engine="pgqueuer"), marks=pytest.mark.slow, id="long pgqueuer"),
    ],
)
async def test_nothing_is_lost_twice_or_told_wrongly_while_the_database_restarts(
    run, tmp_path, postgres_url, postgres_cluster
):
    if run.engine:
        pytest.importorskip(f"shequn_{run.engine}.engine")

    def restart() -> None:
        postgres_cluster.stop(mode="immediate")
        time.sleep(0.5)
        postgres_cluster.start()

    report = await run_deliveries(run, home=tmp_path / "home", url=postgres_url, restart=restart)
    assert not report.findings(), "\n".join(report.findings()[:20])
    assert report.deliveries >= run.deliveries
    assert report.events["restart"] == run.restarts
    assert report.events["kill"] == run.kills
