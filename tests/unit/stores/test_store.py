"""The operational store: group commit, errors, migrations."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from shequn_sdk.errors import ConfigError, StoreBusy, StoreDamaged, StoreError, StoreFull, StoreTooNew
from shequn_sdk.stores import migrate
from shequn_sdk.stores.schema import load_tables
from shequn_sdk.stores.store import Store


def put(key: str):
    return lambda conn: conn.execute(text("insert into bucket values (:key, '', 0, 0)"), {"key": key})


def count(conn) -> int:
    return conn.execute(text("select count(*) from bucket")).scalar()


@pytest.fixture(params=["threads", "loop"])
def on(request):
    """Where the functions of a store run."""
    return request.param


async def test_opens_again_and_keeps_what_was_written(tmp_path, on):
    async with await Store.open(tmp_path / "s.db", on=on) as store:
        await store.write(put("a"))
    async with await Store.open(f"sqlite:///{tmp_path / 's.db'}", on=on) as store:
        assert await store.read(count) == 1


async def test_grouped_writes_fail_alone(tmp_path, on):
    async with await Store.open(tmp_path / "s.db", on=on) as store:
        results = await asyncio.gather(
            *(store.write(put(str(n % 50))) for n in range(100)), return_exceptions=True
        )
        assert sum(isinstance(one, Exception) for one in results) == 50
        assert await store.read(count) == 50


async def test_errors_of_the_callers_function_come_back(tmp_path, on):
    async with await Store.open(tmp_path / "s.db", on=on) as store:

        def fail(conn) -> None:
            put("x")(conn)
            raise KeyError("mine")

        with pytest.raises(KeyError):
            await store.write(fail)
        assert await store.read(count) == 0


async def test_readers_cannot_write(tmp_path, on):
    async with await Store.open(tmp_path / "s.db", on=on) as store:
        with pytest.raises(Exception, match=r"readonly|read-only"):
            await store.read(put("x"))
        assert await store.read(count) == 0


async def test_a_full_disk_is_typed_and_leaves_nothing_half_written(tmp_path, on):
    async with await Store.open(tmp_path / "s.db", on=on) as store:

        def shrink(conn) -> None:
            pages = conn.exec_driver_sql("pragma page_count").scalar()
            conn.exec_driver_sql(f"pragma max_page_count={pages + 4}")

        await store.write(shrink)

        def many(conn) -> None:
            for number in range(2000):
                put(f"{number}-{'x' * 200}")(conn)

        with pytest.raises(StoreFull, match="no space"):
            await store.write(many)
        assert await store.read(count) == 0
        results = await asyncio.gather(
            store.write(put("small")), store.write(many), store.write(put("other")), return_exceptions=True
        )
        assert isinstance(results[1], StoreFull)
        assert await store.read(count) == 2


async def test_files_that_are_no_store(tmp_path, on):
    (tmp_path / "text.db").write_text("no database at all" * 100, encoding="ascii")
    with pytest.raises(StoreDamaged):
        await Store.open(tmp_path / "text.db", on=on)
    with pytest.raises(StoreError, match="folder"):
        await Store.open(tmp_path / "no" / "such" / "s.db", on=on)
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("create table theirs (a)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreDamaged, match="theirs"):
        await Store.open(tmp_path / "other.db", on=on)
    with pytest.raises(ConfigError):
        await Store.open("mysql://x/y", on=on)


async def test_a_newer_store_is_refused(tmp_path, on):
    async with await Store.open(tmp_path / "s.db", on=on) as store:
        await store.write(
            lambda conn: conn.execute(text("update alembic_version set version_num = '9999_later'"))
        )
    with pytest.raises(StoreTooNew, match="9999_later"):
        await Store.open(tmp_path / "s.db", on=on)


async def test_two_hosts_on_one_file_are_refused(tmp_path, on):
    async with await Store.open(tmp_path / "s.db", host="one", on=on):
        with pytest.raises(StoreBusy, match="PostgreSQL") as caught:
            await Store.open(tmp_path / "s.db", host="two", on=on)
        assert caught.value.owner == "one"
        async with await Store.open(tmp_path / "s.db", host="one", on=on):
            pass
    async with await Store.open(tmp_path / "s.db", host="two", on=on):
        pass


async def test_a_locked_store_is_busy(tmp_path, monkeypatch):
    async with await Store.open(tmp_path / "s.db") as store:
        await store.write(lambda conn: conn.exec_driver_sql("select 1"))
        await store.write(put("first"))
        other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
        # the time-out of this connection only
        await store.write(lambda conn: conn.exec_driver_sql("pragma busy_timeout=50"))
        other.execute("begin immediate")
        with pytest.raises(StoreBusy):
            await store.write(put("x"))
        other.execute("rollback")
        other.close()
        await store.write(put("x"))


async def test_memory_store():
    async with await Store.open("sqlite://") as store:
        await store.write(put("a"))
        assert await store.read(count) == 1


def schema(conn):
    rows = conn.execute(text("select type, name, tbl_name from sqlite_master where name not like 'sqlite_%'"))
    return {tuple(row) for row in rows}


async def test_migrations_make_what_the_tables_say(tmp_path, monkeypatch):
    async with await Store.open(tmp_path / "at_once.db") as store:
        at_once = await store.read(schema)
        assert await store.read(migrate.revision_of) == migrate.head() == migrate.revisions()[-1]
    monkeypatch.setattr(migrate, "bring_up", migrate.upgrade)
    async with await Store.open(tmp_path / "step_by_step.db") as store:

        def differences(conn):
            context = MigrationContext.configure(conn)
            return compare_metadata(context, load_tables())

        assert await store.read(differences) == []
        assert await store.read(schema) == at_once
        assert await store.read(migrate.revision_of) == migrate.head()


async def test_opening_a_store_of_this_version_does_not_load_alembic(tmp_path):
    async with await Store.open(tmp_path / "s.db"):
        pass
    code = (
        "import asyncio, sys\n"
        "from shequn_sdk.stores.store import Store\n"
        "async def main():\n"
        f"    await (await Store.open({str(tmp_path / 's.db')!r})).aclose()\n"
        "asyncio.run(main())\n"
        "assert 'alembic' not in sys.modules\n"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=True, cwd=Path(tmp_path))


async def test_a_closed_store_says_so(tmp_path, on):
    store = await Store.open(tmp_path / "s.db", on=on)
    await store.aclose()
    await store.aclose()
    with pytest.raises(StoreError, match="closed"):
        await store.write(put("x"))


async def test_on_the_loop_writes_share_a_transaction_and_run_in_the_order_in_which_they_were_asked_for(
    tmp_path,
):
    async with await Store.open(tmp_path / "s.db", on="loop") as store:
        seen: list[int] = []
        commits: list[str] = []
        store._writer._conn.connection.driver_connection.set_trace_callback(
            lambda sql: commits.append(sql) if sql.lower() == "commit" else None
        )

        def note(number: int):
            def write(conn) -> int:
                seen.append(number)
                put(str(number))(conn)
                return number

            return write

        assert await asyncio.gather(*(store.write(note(n)) for n in range(5))) == list(range(5))
        assert seen == list(range(5))
        assert len(commits) == 1
        left = asyncio.create_task(store.write(note(9)))
        await asyncio.sleep(0)  # asked for, and not yet done
    assert await left == 9
    async with await Store.open(tmp_path / "s.db", on="loop") as store:
        assert await store.read(count) == 6
