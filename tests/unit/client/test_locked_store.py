"""A worker that begins while another process keeps the store locked waits for it."""

from __future__ import annotations

import sqlite3

import anyio
import pytest
from sqlalchemy import event

from shequn_sdk import AsyncShequn
from shequn_sdk.client import workspace
from shequn_sdk.errors import StoreBusy
from shequn_sdk.stores import connecting
from shequn_sdk.stores.store import Store


@pytest.fixture
def impatient(monkeypatch):
    """Give a lock up at once, so that the worker has to do the waiting."""
    usual = connecting.make_engine

    def engine(url, sync):
        made, where = usual(url, sync)
        event.listen(made, "connect", lambda conn, _: conn.execute("pragma busy_timeout=50"))
        return made, where

    monkeypatch.setattr("shequn_sdk.stores.store.make_engine", engine)


@pytest.mark.parametrize("role", ["deliver", "run"])
async def test_a_worker_waits_for_a_locked_store(tmp_path, impatient, role, caplog):
    async with await Store.open(tmp_path / "store.db"):
        pass
    lock = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    lock.execute("begin immediate")
    async with AsyncShequn.open(home=tmp_path) as sq, anyio.create_task_group() as group:
        group.start_soon(getattr(sq, role))
        with anyio.fail_after(60):
            while "this worker waits" not in caplog.text:  # noqa: ASYNC110 - it says so when it does
                await anyio.sleep(0.05)
            lock.rollback()
            while "store" not in sq._workspace._rooms:  # noqa: ASYNC110
                await anyio.sleep(0.05)
        group.cancel_scope.cancel()
    lock.close()


async def test_it_does_not_wait_for_ever_nor_for_another_host(tmp_path, impatient, monkeypatch):
    monkeypatch.setattr(workspace, "_PATIENCE", 0.5)
    async with await Store.open(tmp_path / "store.db"):
        pass
    with sqlite3.connect(tmp_path / "store.db", isolation_level=None) as lock:
        lock.execute("begin immediate")
        async with AsyncShequn.open(home=tmp_path) as sq:
            with pytest.raises(StoreBusy, match="locked"):
                await sq.deliver()
        lock.rollback()
    monkeypatch.setattr(workspace, "_PATIENCE", 3600.0)
    async with (
        await Store.open(tmp_path / "store.db", host="another"),
        AsyncShequn.open(home=tmp_path) as sq,
    ):
        with pytest.raises(StoreBusy, match="another"):
            await sq.deliver()
