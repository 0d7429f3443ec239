"""Settings that every test of the workspace shares."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long forms out, unless they are asked for by `-m slow` or by name."""
    if "slow" in (config.getoption("-m") or "") or os.environ.get("SHEQUN_SLOW"):
        return
    skip = pytest.mark.skip(reason="long form: run with -m slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)
