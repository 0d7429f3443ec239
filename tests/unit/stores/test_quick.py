"""Quick functions, which the event loop does itself instead of handing them to the store's thread."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import text

from shequn_sdk.stores import turns, writer
from shequn_sdk.stores.store import Store


def put(key: str, where: list[str] | None = None):
    def fn(conn) -> str:
        if where is not None:
            where.append(threading.current_thread().name)
        conn.execute(text("insert into bucket values (:key, '', 0, 0)"), {"key": key})
        return key

    return fn


def keys(conn) -> list[str]:
    return [row[0] for row in conn.execute(text("select key from bucket order by key"))]


@pytest.fixture
async def store(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_SLOW", 60.0)  # whatever else this machine does
    async with await Store.open(tmp_path / "s.db") as opened:
        yield opened


async def test_the_loop_does_what_is_quick_and_the_thread_the_rest(store):
    where: list[str] = []
    assert await store.write(put("a", where), quick=True) == "a"
    await store.write(put("b", where))
    await asyncio.gather(*(store.write(put(f"c{n}", where), quick=True) for n in range(3)))
    assert where == ["MainThread", "shequn-write", *["MainThread"] * 3]
    assert await store.read(keys) == ["a", "b", "c0", "c1", "c2"]


async def test_many_at_once_go_to_the_thread_and_share_its_transaction(store):
    where: list[str] = []
    await asyncio.gather(*(store.write(put(f"k{n:02}", where), quick=True) for n in range(20)))
    assert set(where) == {"shequn-write"}
    assert len(await store.read(keys)) == 20


async def test_an_error_of_one_reaches_who_asked_and_takes_nothing_with_it(store):
    def fail(conn) -> None:
        put("half")(conn)
        raise KeyError("mine")

    found = await asyncio.gather(
        store.write(put("a"), quick=True),
        store.write(fail, quick=True),
        store.write(put("b"), quick=True),
        return_exceptions=True,
    )
    assert found[0] == "a"
    assert isinstance(found[1], KeyError)
    assert found[2] == "b"
    assert await store.read(keys) == ["a", "b"]


async def test_the_loop_does_not_wait_for_a_lock_of_another_process(store, tmp_path):
    """The other process holds the file for a second: the loop goes on, and the write comes through afterwards."""
    where: list[str] = []
    await store.write(put("warm"), quick=True)
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("begin immediate")
    writing = asyncio.create_task(store.write(put("a", where), quick=True))
    beats = 0
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        await asyncio.sleep(0.01)
        beats += 1
    assert not writing.done()
    assert beats >= 10
    other.rollback()
    other.close()
    assert await writing == "a"
    assert where == ["shequn-write"]


async def test_a_slow_disk_sends_them_to_the_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_SLOW", 0.0)
    async with await Store.open(tmp_path / "s.db") as store:
        where: list[str] = []
        for n in range(4):
            await store.write(put(f"k{n}", where), quick=True)
    assert where == ["MainThread", *["shequn-write"] * 3]


async def test_now_and_then_the_thread_does_one_so_that_the_log_goes_into_the_file(store):
    where: list[str] = []
    for n in range(writer._CHECKPOINT + 2):
        await store.write(put(f"k{n}", where), quick=True)
    assert where.count("shequn-write") == 1


async def test_much_work_does_not_share_a_transaction_with_other_much_work(store, monkeypatch):
    """The loop goes on with the answers of the first set while the second is written; small ones may join either."""
    groups: list[int] = []
    commit = writer.Writer._commit

    def counted(self, conn, jobs, *, beat):
        groups.append(len(jobs))
        commit(self, conn, jobs, beat=beat)

    monkeypatch.setattr(writer.Writer, "_commit", counted)
    usual, told = sys.getswitchinterval(), list[float]()

    def big(key: str):
        def fn(conn) -> str:
            time.sleep(0.05)  # so that the others wait by then
            told.append(sys.getswitchinterval())
            return put(key)(conn)

        return fn

    async def first() -> str:
        return await store.write(big("a"), apart=True)

    one = asyncio.create_task(first())
    await asyncio.sleep(0.01)
    small = [store.write(put(key)) for key in "bc"]
    found = await asyncio.gather(
        one,
        *small,
        store.write(big("d"), apart=True),
        store.write(big("e"), apart=True),
        store.write(put("f")),
    )
    assert found == list("abcdef")
    assert groups == [1, 3, 2]
    assert told == [pytest.approx(turns.TURN)] * 3
    assert sys.getswitchinterval() == usual
    assert await store.read(keys) == list("abcdef")


async def test_a_sign_of_life_that_cannot_be_written_takes_nothing_with_it(store, monkeypatch):
    tried: list[int] = []

    def fail(conn) -> None:
        tried.append(1)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(writer, "BEAT", 0.0)
    monkeypatch.setattr(store._writer, "_beat", fail)
    assert await store.write(put("a")) == "a"
    assert await asyncio.gather(*(store.write(put(key)) for key in "bc")) == ["b", "c"]
    assert tried
    assert await store.read(keys) == ["a", "b", "c"]


async def test_much_work_that_waits_when_the_store_closes_is_written(tmp_path):
    store = await Store.open(tmp_path / "s.db")
    waiting = [asyncio.create_task(store.write(put(key), apart=True)) for key in "abc"]
    await asyncio.sleep(0)
    await store.aclose()
    assert [await one for one in waiting] == ["a", "b", "c"]


def test_turns_are_short_until_the_last_who_asked_is_done():
    usual = sys.getswitchinterval()
    with turns.short_turns():
        with turns.short_turns():
            assert sys.getswitchinterval() == pytest.approx(turns.TURN)
        assert sys.getswitchinterval() == pytest.approx(turns.TURN)
    assert sys.getswitchinterval() == usual


async def test_what_is_waiting_when_the_store_closes_is_written(tmp_path):
    store = await Store.open(tmp_path / "s.db")
    waiting = [asyncio.create_task(store.write(put(key), quick=True)) for key in "ab"]
    await asyncio.sleep(0)  # asked for, and not yet done
    await store.aclose()
    assert [await one for one in waiting] == ["a", "b"]
    async with await Store.open(tmp_path / "s.db") as again:
        assert await again.read(keys) == ["a", "b"]


async def test_another_loop_hands_its_quick_functions_to_the_thread(store):
    where: list[str] = []
    found = await asyncio.to_thread(lambda: asyncio.run(store.write(put("a", where), quick=True)))
    assert found == "a"
    assert where == ["shequn-write"]


async def test_a_store_in_memory_has_no_second_connection():
    async with await Store.open("sqlite://") as store:
        await store.write(put("a"), quick=True)
        assert await store.read(keys) == ["a"]


_KILLED = """
import asyncio, os, signal, sys
from shequn_sdk.stores.store import Store
from sqlalchemy import text

async def main():
    store = await Store.open(sys.argv[1])
    for n in range(10_000):
        await store.write(
            lambda conn: conn.execute(text("insert into bucket values (:key, '', 0, 0)"), {"key": str(n)}), quick=True
        )
        print(n, flush=True)

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_kill_9(tmp_path):
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "s.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = -1
        while told < 300:
            told = int(child.stdout.readline())
        child.kill()
        rest = child.stdout.read().split()
    told = int(rest[-1]) if rest else told
    async with await Store.open(tmp_path / "s.db") as store:
        found = {int(key) for key in await store.read(keys)}
    assert found >= set(range(told + 1))
    assert len(found) <= told + 2
