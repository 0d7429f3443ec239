"""Moving a workspace from SQLite to PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from shequn_sdk.cli._app import app
from shequn_sdk.domain import Content, DeliveryState
from shequn_sdk.errors import InvalidInput, StoreBusy
from shequn_sdk.publishing import Publishing
from shequn_sdk.stores.schema import load_tables
from shequn_sdk.stores.store import Store
from shequn_sdk.stores.transfer import describe, transfer

pytestmark = pytest.mark.postgres


class Book:
    """An account whose adapter refuses every second channel."""

    def __init__(self, helper):
        self.helper = helper

    def adapter(self, name):
        return self.helper

    def manifest(self, name):
        return self.helper.manifest

    def platform(self, name):
        return "recorder"

    def names(self):
        return ("bot",)


@pytest.fixture
async def filled(tmp_path):
    """A store with landed, planned and cancelled deliveries, Chinese text, nulls and quotes."""
    from shequn_sdk.testing.engine_contract import _Recorder

    path = tmp_path / "store.db"
    async with await Store.open(path) as store:
        publishing = Publishing(store, Book(_Recorder()))
        await publishing.publish(Content(text="今晚八点 'quoted' \\ \"直播\" 😀"), ["bot:1", "bot:2"])
        later = datetime.now(UTC) + timedelta(days=3)
        receipts = await publishing.plan(
            Content(text="later"), ["bot:1", "bot:3"], at=later, idempotency_key="k"
        )
        await publishing.cancel(receipts[1].deliveries[0])
        await store.write(
            lambda conn: conn.execute(
                load_tables()
                .tables["schedule"]
                .insert()
                .values(
                    id="s1", name="早安", handler="publish", arguments='{"a": null}', trigger="{}", state="active",
                    late="send", grace=None, overlap="skip", catch_up=1, version=1, note="", created_at=1, updated_at=1,
                )
            )
        )  # fmt: skip
    return path


async def contents(where):
    async with await Store.open(where) as store:

        def look(conn):
            return {
                table.name: sorted(tuple(row) for row in conn.execute(select(table)))
                for table in load_tables().sorted_tables
                if table.name != "worker"
            }

        return await store.read(look)


async def test_every_row_arrives_and_the_source_stays(filled, postgres_url):
    before = await contents(filled)
    steps: list[tuple[int, int]] = []
    moved = await transfer(filled, postgres_url, progress=lambda done, total: steps.append((done, total)))
    assert await contents(filled) == before
    assert await contents(postgres_url) == before
    assert moved.rows["delivery"] == 4
    assert moved.rows["schedule"] == 1
    assert steps
    assert steps[-1][0] == steps[-1][1] == sum(moved.rows.values())


async def test_work_goes_on_where_it_was(filled, postgres_url):
    from shequn_sdk.testing.engine_contract import _Recorder

    await transfer(filled, postgres_url)
    recorder = _Recorder()
    async with await Store.open(postgres_url) as store:
        publishing = Publishing(store, Book(recorder))
        counts = await publishing.counts()
        assert (counts[DeliveryState.LANDED], counts[DeliveryState.PLANNED]) == (2, 1)
        again = await publishing.plan(Content(text="later"), ["bot:1", "bot:3"], idempotency_key="k")
        assert sum(len(one.deliveries) for one in again) == 2
        (receipt,) = await publishing.publish(Content(text="new"), ["bot:1"])
        assert receipt.deliveries[0] > max(one.deliveries[0] for one in again)
    assert recorder.texts() == ["new"]


async def test_a_target_that_holds_something_is_refused(filled, postgres_url):
    await transfer(filled, postgres_url)
    with pytest.raises(InvalidInput, match="not empty"):
        await transfer(filled, postgres_url)
    with pytest.raises(InvalidInput, match="PostgreSQL"):
        await transfer(filled, "sqlite:///other.db")
    with pytest.raises(InvalidInput, match="does not exist"):
        await transfer(filled.parent / "none.db", postgres_url)


async def test_a_source_in_use_is_refused(filled, postgres_url):
    async with await Store.open(filled):
        with pytest.raises(StoreBusy, match="in use"):
            await transfer(filled, postgres_url)
    async with await Store.open(postgres_url) as store:
        assert sum((await describe(store)).rows.values()) == 0


async def test_a_copy_that_fails_leaves_nothing(filled, postgres_url):
    async with await Store.open(postgres_url) as store:
        await store.write(
            lambda conn: conn.execute(text("alter table schedule add constraint no_row check (id = '')"))
        )
    with pytest.raises(Exception, match="no_row"):
        await transfer(filled, postgres_url)
    async with await Store.open(postgres_url) as store:
        assert sum((await describe(store)).rows.values()) == 0


async def test_the_commands(filled, postgres_url):
    await asyncio.to_thread(the_commands, filled, postgres_url)


def the_commands(filled, postgres_url):
    runner = CliRunner()
    shown = runner.invoke(app, ["store", "info", "--home", str(filled.parent), "--json"])
    assert json.loads(shown.stdout)["rows"]["delivery"] == 4
    secret = postgres_url.replace("shequn@", "shequn:hunter2@")
    moved = runner.invoke(app, ["store", "migrate", "--home", str(filled.parent), "--to", secret])
    assert moved.exit_code == 0, moved.output
    assert 'store = "env:SHEQUN_STORE"' in moved.output
    assert "hunter2" not in moved.output
    (filled.parent / "shequn.toml").write_text('store = "env:SHEQUN_STORE"\n', encoding="utf-8")
    shown = runner.invoke(
        app, ["store", "info", "--home", str(filled.parent), "--json"], env={"SHEQUN_STORE": secret}
    )
    found = json.loads(shown.stdout)
    assert found["kind"] == "PostgreSQL"
    assert found["rows"]["delivery"] == 4
    assert "hunter2" not in shown.output
    again = runner.invoke(app, ["store", "migrate", "--home", str(filled.parent), "--to", secret])
    assert again.exit_code == 2
