"""The operational store on a server: addresses, secrets, clock, restarts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from shequn_sdk.errors import ConfigError, ShequnError, StoreBusy, StoreTooNew
from shequn_sdk.publishing import shared
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.stores import migrate
from shequn_sdk.stores.schema import load_tables
from shequn_sdk.stores.server_clock import ServerClock
from shequn_sdk.stores.store import Store

pytestmark = pytest.mark.postgres


def put(key: str):
    return lambda conn: conn.execute(text("insert into bucket values (:key, '', 0, 0)"), {"key": key})


def count(conn) -> int:
    return conn.execute(text("select count(*) from bucket")).scalar()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
async def test_every_way_to_write_the_address(postgres_url, scheme):
    async with await Store.open(postgres_url.replace("postgresql", scheme, 1)) as store:
        await store.write(put("a"))
    async with await Store.open(postgres_url) as store:
        assert await store.read(count) == 1


@pytest.mark.parametrize("way", ["bring_up", "upgrade"])
async def test_migrations_make_what_the_tables_say(postgres_url, monkeypatch, way):
    monkeypatch.setattr(migrate, "bring_up", getattr(migrate, way))
    async with await Store.open(postgres_url) as store:
        found = await store.read(
            lambda conn: compare_metadata(MigrationContext.configure(conn), load_tables())
        )
    # comments are for readers of the code; the migrations do not write them into the database
    steps = [step for one in found for step in (one if isinstance(one, list) else [one])]
    assert [step for step in steps if step[0] not in {"modify_comment", "add_table_comment"}] == []


async def test_two_that_open_a_new_database_at_once(postgres_url):
    one, two = await asyncio.gather(Store.open(postgres_url), Store.open(postgres_url, host="elsewhere"))
    async with one, two:
        assert await one.read(lambda conn: shared.several(conn, since=one.stamp() - 60_000_000))
    async with await Store.open(postgres_url) as left:
        assert not await left.read(lambda conn: shared.several(conn, since=left.stamp() - 60_000_000))


async def test_a_newer_store_is_refused(postgres_url):
    async with await Store.open(postgres_url) as store:
        await store.write(
            lambda conn: conn.execute(text("update alembic_version set version_num = '9999_later'"))
        )
    with pytest.raises(StoreTooNew, match="9999_later"):
        await Store.open(postgres_url)


async def test_a_password_is_in_no_message():
    for url in (
        "postgresql://me:hunter2@127.0.0.1:1/x",
        "postgresql://me:hunter2@127.0.0.1:port/x",
        "postgresql://me:hunter2@[broken/x",
    ):
        with pytest.raises(ShequnError) as caught:
            await Store.open(url)
        error: BaseException | None = caught.value
        assert "hunter2" not in str(error)
        assert "hunter2" not in repr(error)
    with pytest.raises(StoreBusy, match=r"\*\*\*"):
        await Store.open("postgresql://me:hunter2@127.0.0.1:1/x")


async def test_a_wrong_database_is_a_mistake_in_the_settings(postgres_url):
    with pytest.raises(ConfigError, match="correct"):
        await Store.open(postgres_url + "_not_there")


def test_without_the_driver_the_extra_is_named():
    code = (
        "import asyncio, sys\n"
        "sys.modules['psycopg'] = None\n"
        "from shequn_sdk.errors import ConfigError\n"
        "from shequn_sdk.stores.store import Store\n"
        "try:\n"
        "    asyncio.run(Store.open('postgresql://a@127.0.0.1/x'))\n"
        "except ConfigError as error:\n"
        "    assert 'shequn-sdk[postgres]' in str(error), error\n"
        "else:\n"
        "    raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_all_hosts_go_by_the_clock_of_the_server(postgres_url):
    async with await Store.open(postgres_url) as store:
        assert isinstance(store.clock, ServerClock)
        theirs = await store.read(lambda conn: conn.execute(text("select clock_timestamp()")).scalar())
        assert abs(store.clock.now() - theirs) < timedelta(seconds=2)
        store.clock.read(store.clock.mark(), 0)  # a host that believes it is 1970
        store.clock._at -= 60
        await store.write(put("a"))
        assert abs(store.clock.now() - datetime.now(UTC)) < timedelta(seconds=2)
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with await Store.open(postgres_url, clock=clock) as store:
        assert store.clock is clock


async def test_a_restart_is_a_typed_error_and_then_over(postgres_url, postgres_cluster):
    async with await Store.open(postgres_url) as store:
        await asyncio.gather(*(store.write(put(str(number))) for number in range(8)))
        postgres_cluster.stop(mode="immediate")
        try:
            with pytest.raises(StoreBusy, match="server runs"):
                await store.write(put("lost"))
        finally:
            postgres_cluster.start()
        await store.write(put("after"))
        assert await store.read(count) == 9


async def test_a_store_is_opened_as_soon_as_a_restarting_server_is_back(postgres_url, postgres_cluster):
    async with await Store.open(postgres_url) as store:
        await store.write(put("before"))
    postgres_cluster.stop(mode="immediate")
    opening = asyncio.create_task(Store.open(postgres_url))
    await asyncio.sleep(0.3)
    assert not opening.done()
    postgres_cluster.start()
    async with await opening as store:
        assert await store.read(count) == 1


async def test_a_connection_that_dies_in_the_middle(postgres_url):
    async with await Store.open(postgres_url) as store:

        def die(conn) -> None:
            put("half")(conn)
            conn.execute(text("select pg_terminate_backend(pg_backend_pid())"))

        with pytest.raises(StoreBusy):
            await store.write(die)
        assert await store.read(count) == 0
