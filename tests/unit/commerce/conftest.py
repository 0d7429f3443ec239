from datetime import UTC, datetime

import pytest

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.testing import ManualClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
async def sq(tmp_path, clock):
    async with AsyncShequn.open(home=tmp_path, communities=[Community(name="club")], clock=clock) as opened:
        yield opened
