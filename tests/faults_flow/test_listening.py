"""What people do is counted exactly once, whatever happens to the listener and to the events on their way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hearing import run_listening


@pytest.mark.parametrize(
    ("messages", "kills"), [(40, 3), pytest.param(600, 30, marks=pytest.mark.slow)], ids=["short", "long"]
)
async def test_everything_is_counted_exactly_once(tmp_path, messages, kills):
    hearing = await run_listening(5, messages=messages, kills=kills, home=tmp_path / "home")
    assert not hearing.findings(), "\n".join(hearing.findings()[:20])
    assert hearing.kills == kills
    assert set(hearing.platforms) == {"telegram", "discord"}
    assert all(one.once == one.said + one.reacted for one in hearing.platforms.values())
    assert any("duplicate_event" in name for name in hearing.faults)
    assert any("late_event" in name for name in hearing.faults)
