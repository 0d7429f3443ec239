"""Everything that is published under faults lands once, in order, and is reported as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import Run, run_deliveries

SHORT = Run(seed=1, deliveries=150, kills=4, jumps=(9.0, -4.0), lease=3.0, pause=(0.2, 0.8), settle=90)
LONG = Run(
    seed=2,
    deliveries=2000,
    kills=30,
    freezes=4,
    jumps=(40.0, -30.0, 90.0, -60.0),
    full_disks=4,
    stops=4,
    storm=6,
    lease=20.0,
    pause=(0.5, 3.0),
    settle=400,
)


@pytest.mark.parametrize("run", [SHORT, pytest.param(LONG, marks=pytest.mark.slow)], ids=["short", "long"])
async def test_nothing_is_lost_twice_or_told_wrongly(run, tmp_path):
    report = await run_deliveries(run, home=tmp_path / "home")
    assert not report.findings(), "\n".join(report.findings()[:20])
    assert report.deliveries >= run.deliveries
    assert sum(verdict.unknown_once for verdict in report.verdicts.values()), "no fault struck"
    assert report.events["kill"] == run.kills
