"""Many outcomes in one statement mean what each of them means alone."""

from __future__ import annotations

import random
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from shequn_sdk.domain import Content, LatePolicy, Priority
from shequn_sdk.platforms.manifest import Idempotency
from shequn_sdk.publishing import Publishing, desk, ledger, sets
from shequn_sdk.publishing.desk import FileDesk, Finish
from shequn_sdk.publishing.policy import landed
from shequn_sdk.publishing.rows import Row
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store

ME = "host:1:me"
STRANGE = ["plain", "«引号» \"x\" \\ 'y'", "emoji 🧧\u2028\n\ttab", "很长" * 300]


def everything(path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as conn:
        return conn.execute("select * from delivery order by id").fetchall()


async def fill(kinds: Any, path: Path, rng: random.Random, clock: ManualClock) -> list[Row]:
    """Make a ledger with lanes of every kind; gives rows under way, some of which were taken away since."""
    async with await Store.open(path, clock=clock) as store:
        bench = kinds.bench(store, clock, kinds.accounts(), kinds.wall(), path)
        bench.account(kind=kinds.looking, idempotency=Idempotency(reconcile=True))
        publishing = Publishing(store, bench.accounts, clock=clock, worker=ME)
        lanes = [f"bot:{number}" for number in range(40)]
        for number in range(220):
            late = rng.choice([LatePolicy.SEND, LatePolicy.SEND, LatePolicy.SEND, LatePolicy.SKIP])
            at = rng.choice([None, None, None, clock.now() + timedelta(seconds=rng.randint(-5, 5))])
            await publishing.plan(
                Content(text=f"{number} {rng.choice(STRANGE)}"),
                [rng.choice(lanes)],
                at=at,
                late=late,
                grace=rng.choice([None, timedelta(minutes=5)]) if late is LatePolicy.SEND else None,
                priority=rng.choice(list(Priority)),
            )
        clock.advance(1)
        now = to_us(clock.now())

        def work(conn: Connection) -> list[Row]:
            taken = ledger.take(conn, now=now, lease=now + 10**8, owner=ME, count=30)
            begun = [ledger.begin(conn, row, now=now, lease=now + 10**8) for row in taken]
            rows = [row for row in begun if row is not None]
            for row in rng.sample(rows, 6):  # another worker has taken them, or their end is known already
                sets = rng.choice(
                    ["fence = fence + 1", "owner = 'another'", "state = 'unknown', check_at = 1"]
                )
                conn.exec_driver_sql(f"update delivery set {sets} where id = {row.id}")
            states = ("paused", "blocked", "deferred", "unknown", "awaiting_person")
            waiting = conn.exec_driver_sql(
                "select id from delivery where state = 'planned' order by id"
            ).all()
            for (number,) in rng.sample(list(waiting), min(40, len(waiting))):
                state = rng.choice(states)
                ready = now + rng.choice([-1, 1]) * 10**6
                conn.exec_driver_sql(
                    f"update delivery set state = '{state}', ready_at = {ready} where id = {number}"
                )
            for (number,) in rng.sample(list(waiting), min(30, len(waiting))):
                conn.exec_driver_sql(
                    f"update delivery set part = 1, parts = 2, batch = (select batch from delivery where id = {rows[0].id}), "
                    f"attempts = {rng.randint(0, 2)} where id = {number} and not exists (select 1 from delivery d "
                    f"where d.part = 1 and d.account = delivery.account and d.channel = delivery.channel)"
                )
            return rows

        return await store.write(work)


@pytest.mark.parametrize("seed", range(12))
async def test_a_set_means_what_each_outcome_means_alone(kinds, tmp_path, seed, monkeypatch):
    rng = random.Random(seed)
    clock = ManualClock(kinds.start)
    rows = await fill(kinds, tmp_path / "a.db", rng, clock)
    shutil.copy(tmp_path / "a.db", tmp_path / "b.db")
    assert len(rows) >= 20
    clock.advance(1)
    monkeypatch.setattr(desk, "_stamp", lambda now: now)
    found: dict[str, list[Any]] = {}
    for name in "ab":
        async with await Store.open(tmp_path / f"{name}.db", clock=clock) as store:
            bench = kinds.bench(store, clock, kinds.accounts(), kinds.wall(), tmp_path)
            bench.account(kind=kinds.looking, idempotency=Idempotency(reconcile=True))
            dispatcher = Publishing(store, bench.accounts, clock=clock, worker=ME)._dispatcher()
            writes = dispatcher._desk
            assert isinstance(writes, FileDesk)
            now = to_us(clock.now())
            items = [
                Finish(
                    row=row,
                    new=landed(
                        row,
                        bench.accounts.adapters["bot"]._post(row.channel, 1, row.text).model_dump_json(),
                        now=now,
                    ),
                    cause="landed",
                    chain=True,
                    free=frozenset({"bot"}),
                    plain=True,
                )
                for row in rows
            ]
            if name == "a":
                found[name] = await store.write(lambda conn, w=writes, i=items: w._work(conn, i))
            else:
                found[name] = await store.write(
                    lambda conn, w=writes, i=items, at=now: [w._finished(conn, one, at) for one in i]
                )
    assert found["a"] == found["b"]
    assert everything(tmp_path / "a.db") == everything(tmp_path / "b.db")
    assert sum(done.following is not None for done in found["a"]) >= 5
    assert any(done.last is None or done.last.state != "landed" for done in found["a"])


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_busy_worker_writes_sets_and_keeps_the_order(kinds, tmp_path, processes, monkeypatch):
    """Also while another process has the store open."""
    sizes: list[int] = []
    land = desk.sets.land

    def counted(conn, steps, *, owner):
        sizes.append(len(steps))
        return land(conn, steps, owner=owner)

    monkeypatch.setattr(desk.sets, "land", counted)
    clock = ManualClock(kinds.start)
    async with await Store.open(tmp_path / "s.db", clock=clock) as store:
        bench = kinds.bench(store, clock, kinds.accounts(), kinds.wall(), tmp_path)
        bench.account(max_concurrency=64)
        publishing = Publishing(store, bench.accounts, clock=clock, share_limits=processes > 1)
        await publishing.plan_many((Content(text=f"{n:04}"), [f"bot:{n % 60}"], None) for n in range(600))
        await publishing.drain()
        rows = await publishing.deliveries(limit=1000)
        steps = [[step.new for step in await publishing.history(row.id)] for row in rows]
    assert {row.state for row in rows} == {"landed"}
    assert all(each == ["planned", "claimed", "attempting", "landed"] for each in steps)
    for lane in range(60):
        assert bench.wall.texts(str(lane)) == [f"{n:04}" for n in range(lane, 600, 60)]
    assert bench.wall.requests == 600
    assert sum(sizes) > 300
    assert max(sizes) >= 30


async def test_no_statement_of_a_set_looks_through_the_ledger(tmp_path):
    """SQLite decides by the words of a statement, not by how many rows there are."""

    def plans(conn: Connection) -> list[str]:
        found: list[str] = []
        for one in (sets._LAND, sets._FIRST, sets._BEGIN):
            for sql in one._sql.values():
                told = conn.exec_driver_sql(f"explain query plan {sql}", (None,) * sql.count("?"))
                found += [row[-1] for row in told]
        return found

    async with await Store.open(tmp_path / "s.db") as store:
        told = await store.read(plans)
    assert any(line.startswith("SEARCH delivery") for line in told)
    assert not [
        line
        for line in told
        if line.startswith(("SCAN delivery", "SCAN d", "SCAN b", "SCAN e", "SCAN h", "SCAN p"))
    ]
