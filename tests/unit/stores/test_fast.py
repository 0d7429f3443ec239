"""Statements for hot paths: lists as one parameter."""

from __future__ import annotations

import re
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from shequn_sdk.errors import InvalidInput
from shequn_sdk.incentives import _ledger
from shequn_sdk.journeys import rows
from shequn_sdk.publishing import ledger
from shequn_sdk.stores.fast import Fast, FastSet
from shequn_sdk.stores.store import Store

_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_STEPS = frozenset(
    {
        "_TAKE",
        "_TAKE_LANE",
        "_LANE_HEAD",
        "_EXPIRED",
        "_LANDED_BEFORE",
        "_NEXT_LEASE",
        "_OF_OWNER",
        "_OWNED",
        "_CHECKS",
        "_BY_BATCH",
        "_USED",
        "_SINCE",
        "_KNOWN",
    }
    | {"_DUE", "_DUE_OF", "_WAITING", "_BEFORE", "_CONTACTS"}
)
"""Statements that run with each tick or each event."""
_PARAMS = ("account", "again", "batch", "channel", "community", "count", "entry", "events", "head", "ids", "journey", "lease", "limit", "now", "owner", "persons", "priority", "rules", "since", "tail", "until")  # fmt: skip
# the index of busy channels holds what is under way, and no history
_SCAN = re.compile(r"SCAN (?!json_each|CONSTANT|delivery USING INDEX ix_delivery_busy)")
_NAMED = Fast("select name from thing where name in :names and number in :numbers order by name")


@given(
    rows=st.dictionaries(_TEXTS, st.integers(-(2**62), 2**62), max_size=20),
    names=st.lists(_TEXTS, max_size=10),
    numbers=st.lists(st.integers(-(2**62), 2**62), max_size=10),
    data=st.data(),
)
def test_a_list_of_any_length_finds_what_is_in_it(rows, names, numbers, data):
    if rows:
        known = st.sampled_from(sorted(rows))
        names += data.draw(st.lists(known, max_size=5))
        numbers += [rows[name] for name in data.draw(st.lists(known, max_size=5))]
    with create_engine("sqlite://").connect() as conn:
        conn.exec_driver_sql("create table thing (name text primary key, number integer not null)")
        Fast("insert into thing values (:name, :number)").many(
            conn, [{"name": name, "number": number} for name, number in rows.items()]
        )
        found = [name for (name,) in _NAMED.all(conn, {"names": names, "numbers": numbers})]
    assert sorted(found) == sorted(name for name in rows if name in names and rows[name] in numbers)


_PUT = FastSet(
    "with f(factor) as (values {fixed}), v(name, number) as (values {rows}) "
    "insert into thing select v.name, v.number * f.factor from v, f where v.name is not null",
    fixed=1,
    width=2,
)
_SUM = FastSet(
    "with f(factor) as (values {fixed}), v(name) as (values {rows}) "
    "select sum(number * f.factor) from thing join v using (name), f",
    fixed=1,
    width=1,
)


@given(
    rows=st.dictionaries(_TEXTS, st.integers(-(2**40), 2**40), min_size=1, max_size=128),
    factor=st.integers(1, 9),
)
def test_a_set_of_any_size_is_one_statement(rows, factor):
    with create_engine("sqlite://").connect() as conn:
        conn.exec_driver_sql("create table thing (name text primary key, number integer not null)")
        flat = [value for pair in rows.items() for value in pair]
        assert _PUT.change(conn, (factor,), flat) == len(rows)
        assert _PUT.change(conn, (factor,), []) == 0
        stands = dict(tuple(row) for row in conn.exec_driver_sql("select name, number from thing"))
        assert stands == {name: number * factor for name, number in rows.items()}
        assert _SUM.value(conn, (2,), list(rows)) == 2 * sum(stands.values())


def test_a_set_has_a_largest_size():
    with create_engine("sqlite://").connect() as conn:
        conn.exec_driver_sql("create table thing (name text primary key, number integer not null)")
        with pytest.raises(InvalidInput, match="at most 128"):
            _PUT.change(conn, (1,), ["x", 1] * 129)


async def test_a_list_stays_one_statement_and_uses_the_index(tmp_path):
    wanted = Fast("select id, person_id from identity where person_id in :persons")
    plan = Fast("explain query plan select id, person_id from identity where person_id in :persons")
    async with await Store.open(tmp_path / "s.db") as store:
        told = await store.read(lambda conn: plan.all(conn, {"persons": [1, 2, 3]}))
        assert any("ix_identity_person" in row[-1] for row in told), told
        assert await store.read(lambda conn: wanted.all(conn, {"persons": list(range(5000))})) == []


async def test_files_that_need_not_survive_a_power_cut(tmp_path):
    def level(conn):
        return conn.exec_driver_sql("pragma synchronous").scalar()

    for sync, wanted in (("full", 2), ("normal", 1)):
        async with await Store.open(tmp_path / f"{sync}.db", sync=sync) as store:
            assert await store.read(level) == wanted
            assert await store.write(level) == wanted
        with sqlite3.connect(tmp_path / f"{sync}.db") as plain:
            assert plain.execute("pragma integrity_check").fetchone() == ("ok",)


async def test_what_is_looked_up_at_every_step_does_not_look_through_the_history(tmp_path):
    """SQLite decides by the words of a statement, not by how many rows there are."""
    scanned = {}

    def look(conn):
        for module in (ledger, _ledger, rows):
            for name, one in vars(module).items():
                if isinstance(one, Fast) and name in _STEPS:
                    told = Fast(f"explain query plan {one._sql}").all(conn, dict.fromkeys(_PARAMS, "[]"))
                    scanned[name] = [row[-1] for row in told if _SCAN.match(row[-1])]

    async with await Store.open(tmp_path / "s.db") as store:
        await store.read(look)
    assert scanned == {name: [] for name in _STEPS}
