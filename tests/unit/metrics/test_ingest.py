"""What ingest remembers between batches never makes it wrong."""

from __future__ import annotations

import random
from datetime import date

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shequn_sdk.domain import InteractionBatch, MemberRef
from shequn_sdk.errors import InvalidInput, StoreError
from shequn_sdk.metrics import DuckDBEventStore, MemberFacts
from shequn_sdk.metrics.store import ingest
from shequn_sdk.metrics.store import known as knowledge
from shequn_sdk.metrics.store.rows import (
    content_key,
    content_number,
    content_numbers,
    event_digests,
    time_ranges,
    unique_rows,
)

DAY = 86_400_000_000


def rows(store, sql, **values):
    with store.read() as session:
        return session.rows(sql, values)[1]


@given(st.text(max_size=20), st.text(max_size=20), st.text(min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_keys_in_memory_are_those_of_the_engine(platform, channel, message):
    try:
        f"{platform}{channel}{message}".encode()
    except UnicodeEncodeError:
        return
    sql = content_key("c", "m")
    found = duckdb.execute(f"select {sql} from (select $c as c, $m as m)", {"platform": platform, "c": channel, "m": message})  # fmt: skip
    assert found.fetchall()[0][0] == content_number(platform, channel, message)
    assert content_numbers(platform, [channel, channel], [message, ""]).tolist() == [
        content_number(platform, channel, message),
        0,
    ]


def test_identities_are_those_of_older_files(make_batch):
    (digest,) = event_digests(make_batch({"id": "a", "member": "m"}))
    sql = "select cast(md5(concat_ws(chr(31), 'alpha', 'a', 'message', 'm')) as uuid)"
    assert duckdb.execute(sql).fetchall()[0][0].bytes == digest


def test_rows_are_taken_in_order_of_time_each_at_its_earliest():
    micros = np.array([30, 10, 20, 10, 5], np.int64)
    assert unique_rows([b"a", b"b", b"c", b"d", b"a"], micros).tolist() == [4, 1, 3, 2]
    assert unique_rows([b"a", b"b", b"c", b"d", b"e"], micros).tolist() == [4, 1, 3, 2, 0]


@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=300))
@example([n * 5 for n in range(200)])
@settings(max_examples=100, deadline=None)
def test_ranges_hold_every_row_and_are_few(days):
    micros = np.array([day * DAY + 7 for day in days], np.int64)
    ranges = time_ranges(micros)
    assert len(ranges) <= 48
    for value in micros.tolist():
        assert sum(low <= value <= high for low, high in ranges) == 1


def test_many_batches_in_any_order_equal_one(tmp_path, make_batch):
    """Whatever was remembered, the rows are those that one batch would have left."""
    rng = random.Random(5)
    events = [
        {
            "id": f"e{n}",
            "member": str(rng.randint(1, 30)),
            "target": rng.choice(["", str(rng.randint(1, 40))]),
            "kind": rng.choice(["message", "reaction", "comment", "question"]),
            "channel": rng.choice(["c1", "c2"]),
            "message": f"m{rng.randint(1, 40)}",
            "at": f"2026-02-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:00:00+00:00",
        }
        for n in range(400)
    ]
    query = (
        "select e.event_id, e.platform, c.native_id, a.native_id, t.native_id, e.content_no, e.kind, e.ts, "
        "e.local_day, e.local_hour, e.is_question from events as e join channels as c using (channel_no) "
        "left join members as a on a.member_no = e.member_no left join members as t on t.member_no = e.target_no "
        "order by 1"
    )
    with DuckDBEventStore(tmp_path / "one.duckdb", idle=60) as one:
        one.ensure_community("health")
        one.append(make_batch(*events), community="health")
        expected = rows(one, query)
    with (
        DuckDBEventStore(tmp_path / "many.duckdb", idle=60) as many,
        DuckDBEventStore(tmp_path / "many.duckdb", idle=0) as other,
    ):
        many.ensure_community("health")
        total = 0
        for _ in range(80):
            part = rng.sample(events, rng.randint(0, 40))
            store = rng.choice([many, many, other])
            if store is other:
                many.close()
            total += store.append(make_batch(*part), community="health").new
            if rng.random() < 0.1:
                many.archive(before=date(2026, 3, 1))
            if rng.random() < 0.1:
                many.refresh()
        many.close()
        total += other.append(make_batch(*events), community="health").new
        assert total == len(events)
        assert rows(other, query.replace("from events", "from event_log")) == expected
        assert rows(other, "select count(*), count(distinct member_no), max(member_no) from members") == [
            (len(set(rows(other, "select native_id from members"))),) * 3
        ]
        assert rows(other, "select sum(actions) from member_day") == [(len(events),)]


def test_what_is_remembered_follows_links_names_and_bots(tmp_path, make_batch):
    with DuckDBEventStore(tmp_path / "e.duckdb", idle=60) as store:
        store.ensure_community("health")
        store.append(make_batch({"id": "a", "member": "x"}, {"id": "b", "member": "y"}), community="health")
        store.link_persons([MemberRef(platform="alpha", native_id=native) for native in "xy"])
        store.append(make_batch({"id": "c", "member": "y", "member_name": "小明"}), community="health")
        assert rows(store, "select count(distinct person_no) from events") == [(1,)]
        store.set_members(
            [MemberFacts(ref=MemberRef(platform="alpha", native_id="x"), is_bot=True)], community="health"
        )
        store.append(make_batch({"id": "d", "member": "x"}), community="health")
        assert rows(store, "select count(*) from events where is_bot") == [(2,)]
        store.append(make_batch({"id": "e", "member": "y", "member_name": "大明"}), community="health")
        store.append(make_batch({"id": "f", "member": "y", "member_name": "大明"}), community="health")
        assert rows(store, "select name from members where native_id = 'y'") == [("大明",)]


def test_a_failed_batch_leaves_nothing_remembered(tmp_path, make_batch, monkeypatch):
    with DuckDBEventStore(tmp_path / "e.duckdb", idle=60) as store:
        store.ensure_community("health")
        store.append(make_batch({"id": "a", "member": "x"}), community="health")
        batch = make_batch({"id": "b", "member": "new", "at": "2026-03-09T00:00:00+00:00"})
        with monkeypatch.context() as patch:
            patch.setattr(ingest._Fresh, "_entrances", lambda self: self.con.execute("select 1 / 'x'::int"))
            with pytest.raises(StoreError, match="failed"):
                store.append(batch, community="health")
        assert store.append(batch, community="health").new == 1
        assert rows(store, "select member_no, native_id from members order by 1") == [(1, "x"), (2, "new")]
        assert rows(store, "select sum(actions) from member_day") == [(2,)]


def test_many_batches_at_once_are_stored_as_one_by_one(tmp_path, make_batch):
    rng = random.Random(8)
    batches = [
        make_batch(
            *(
                {
                    "id": f"e{rng.randint(1, 200)}",
                    "member": str(rng.randint(1, 9)),
                    "kind": rng.choice(["message", "reaction", "retract", "comment"]),
                    "message": f"m{rng.randint(1, 20)}",
                    "parent": rng.choice(["", "m3"]),
                    "text": rng.choice(["", "why?"]),
                    "attrs": rng.choice(["", '{"retracts": "message"}', '{"emoji": "👍"}']),
                    "at": f"2026-02-{rng.randint(1, 28):02}T08:00:00+00:00",
                }
                for _ in range(rng.randint(0, 60))
            )
        )
        for _ in range(12)
    ]
    found = []
    for way in ("append", "append_all"):
        with DuckDBEventStore(tmp_path / f"{way}.duckdb", idle=60) as store:
            store.ensure_community("health")
            if way == "append":
                done = [store.append(batch, community="health") for batch in batches]
            else:
                done = list(store.append_all(iter(batches), community="health"))
            events = rows(store, "select * exclude (ingested_at) from events order by event_id")
            found.append((done, events, rows(store, "select * from member_day order by all")))
    assert found[0] == found[1]
    assert sum(done.new for done in found[0][0]) == len(found[0][1]) > 200


def test_nothing_stands_behind_a_batch_that_failed(event_store, make_batch):
    """Which one fails, and where: in preparing it, in storing it, or in the source of the batches."""
    good, last = make_batch({"id": "a"}), make_batch({"id": "z"})

    def cut_off():
        yield good
        raise RuntimeError("the source broke")

    for error, batches in (
        (InvalidInput, [good, make_batch({"id": "b", "kind": "nonsense"}), last]),
        (InvalidInput, [good, make_batch({"id": "b", "member": "\ud800"}), last]),
        (RuntimeError, cut_off()),
    ):
        done = event_store.append_all(batches, community="health")
        next(done)
        with pytest.raises(error):
            next(done)
        assert list(done) == []
        assert rows(event_store, "select count(*) from events") == [(1,)]
    assert event_store.append(last, community="health").new == 1


def test_a_batch_is_stored_before_its_result_is_given_and_the_next_only_when_asked_for(
    event_store, make_batch
):
    read = []

    def source():
        for name in "abcd":
            read.append(name)
            yield make_batch({"id": name})

    done = event_store.append_all(source(), community="health")
    assert read == []
    assert next(done).new == 1
    assert rows(event_store, "select count(*) from events") == [(1,)]
    done.close()
    assert rows(event_store, "select count(*) from events") == [(1,)]
    assert read in (["a"], ["a", "b"])


def test_another_may_write_between_two_batches(tmp_path, make_batch):
    """What was prepared ahead rests on nothing that the store held, and obeys an erasure that came meanwhile."""
    path = tmp_path / "e.duckdb"
    batches = [make_batch({"id": f"e{n}", "member": f"m{n % 3}"}, {"id": "same"}) for n in range(6)]
    found = []
    with DuckDBEventStore(path, idle=60) as store, DuckDBEventStore(path, idle=0) as other:
        store.ensure_community("health")
        for number, done in enumerate(store.append_all(batches, community="health")):
            found.append((done.new, done.duplicates, done.erased))
            store.close()
            other.append(make_batch({"id": f"o{number}", "member": f"n{number}"}), community="health")
            if number == 2:
                other.forget(MemberRef(platform="alpha", native_id="m1"))
        assert found == [(2, 0, 0), (1, 1, 0), (1, 1, 0), (1, 1, 0), (0, 1, 1), (1, 1, 0)]
        names = {"1", "m0", "m2", *(f"n{number}" for number in range(6))}
        assert {name for (name,) in rows(store, "select native_id from members")} == names
        assert rows(store, "select count(*), count(distinct member_no) from events") == [(11, 9)]


def test_an_amount_that_no_ledger_holds_does_not_stop_the_batch(event_store, make_batch):
    odd = [
        {"id": "p", "kind": "purchase", "value": 1e300},
        {"id": "q", "kind": "purchase", "value": float("nan")},
    ]
    assert event_store.append(make_batch(*odd, {"id": "ok"}), community="health").new == 3
    assert rows(event_store, "select count(amount) from events") == [(0,)]


def test_more_members_than_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge, "_MEMBERS", 20)
    with DuckDBEventStore(tmp_path / "e.duckdb", idle=60) as store:
        store.ensure_community("health")
        for turn in range(4):
            batch = InteractionBatch(platform="alpha")
            for number in range(50):
                batch.append(
                    id=f"{turn}.{number}", kind="message", occurred_at=turn * DAY + number, member=str(number)
                )
            store.append(batch, community="health")
        assert rows(store, "select count(*), count(distinct native_id) from members") == [(50, 50)]
        assert rows(store, "select count(distinct member_no) from events") == [(50,)]


def test_text_that_is_no_unicode_is_refused(event_store, make_batch):
    with pytest.raises(InvalidInput, match="Unicode"):
        event_store.append(make_batch({"id": "ok"}, {"id": "\ud800"}), community="health")
    assert rows(event_store, "select count(*) from events") == [(0,)]
