"""The plugin as the core meets it; what the engine does is proved by `tests/contract`."""

from __future__ import annotations

import anyio
import pytest

from shequn_procrastinate.engine import ProcrastinateEngine
from shequn_sdk.client import AsyncShequn
from shequn_sdk.errors import ConfigError, StoreBusy, UnknownName
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.scheduling.engine import DeliveryEngine, Enlisting


def test_it_is_found_and_makes_an_engine():
    spec = load_plugins().engine("procrastinate")
    engine = spec.create("postgresql+psycopg://me:hunter2@127.0.0.1:1/x", None, SystemClock())
    assert isinstance(engine, DeliveryEngine)
    assert isinstance(engine, Enlisting)
    assert engine.caps.transactional_submit
    assert "hunter2" not in repr(engine)


def test_only_a_server_will_do():
    with pytest.raises(ConfigError, match="postgresql://"):
        ProcrastinateEngine("sqlite:///store.db", clock=SystemClock())


async def test_a_server_that_is_away_is_said_so_without_the_password():
    engine = ProcrastinateEngine("postgresql://me:hunter2@127.0.0.1:1/x", clock=SystemClock())

    async def handle(delivery):
        raise AssertionError(delivery)

    with pytest.raises(StoreBusy, match="check that it runs") as caught:
        await engine.run(handle, concurrency=4, stop=anyio.Event())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "error"), [("procrastinate", ConfigError), ("procrastinatex", UnknownName)]
)
async def test_the_settings_choose_it(tmp_path, settings, error):
    (tmp_path / "shequn.toml").write_text(f'[delivery]\nengine = "{settings}"\n', encoding="utf-8")
    async with AsyncShequn.open(home=tmp_path) as sq:
        with pytest.raises(error, match=r"postgresql|procrastinate"):
            await sq.deliver_due()


async def test_a_workspace_delivers_with_it(tmp_path, postgres_url):
    (tmp_path / "shequn.toml").write_text(
        f'store = "{postgres_url}"\n[delivery]\nengine = "procrastinate"\n', encoding="utf-8"
    )
    async with AsyncShequn.open(home=tmp_path) as sq:
        with anyio.move_on_after(1.0):
            await sq.deliver()
        assert await sq.deliver_due() == 0
