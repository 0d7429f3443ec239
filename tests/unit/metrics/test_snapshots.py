"""Who finds the file busy reads a state of it that stands still, and says of when it is."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import date, timedelta

import pytest

from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import StoreBusy
from shequn_sdk.metrics import DuckDBEventStore, Metrics
from shequn_sdk.metrics.store import snapshot
from shequn_sdk.metrics.store.turns import Turn
from shequn_sdk.scheduling.clock import ManualClock

from .conftest import NOW


@pytest.fixture
def writer(tmp_path, events_clock, monkeypatch):
    monkeypatch.setattr(snapshot, "_SHARE", 0)
    store = DuckDBEventStore(
        tmp_path / "events.duckdb", clock=events_clock, idle=0, snapshot_every=timedelta(0), patience=0.05
    )
    with store:
        store.ensure_community("health")
        yield store


@contextmanager
def kept_by_another(store):
    turn = Turn(store.path.with_name(store.path.name + ".lock"))
    turn.take(purpose="a long import", timeout=5)
    try:
        yield
    finally:
        turn.release()


def reader_of(store, **options):
    return DuckDBEventStore(store.path, idle=0, timeout=0.2, patience=0.05, **options)


def test_a_busy_file_is_read_as_it_was(writer, make_batch, events_clock):
    writer.append(make_batch({"id": "a"}, {"id": "b", "member": "2"}), community="health")
    reader = reader_of(writer)
    metrics = Metrics(reader, clock=events_clock)
    with kept_by_another(writer):
        result = metrics.compute_now("active_members.dau", community="health")
    assert [point.value for point in result.points] == [2]
    (warning,) = [text for text in result.warnings if "busy" in text]
    assert NOW.isoformat() in warning
    fresh = metrics.compute_now("active_members.dau", community="health")
    assert not [text for text in fresh.warnings if "busy" in text]
    assert fresh.points == result.points


def test_a_copy_follows_the_changes_and_only_them(writer, make_batch):
    copy = writer.path.with_name("events.duckdb.snapshot")
    writer.append(make_batch({"id": "a"}), community="health")
    first = copy.stat().st_ino
    writer.communities()
    assert copy.stat().st_ino == first
    writer.append(make_batch({"id": "b", "member": "2"}), community="health")
    assert copy.stat().st_ino != first
    with kept_by_another(writer), reader_of(writer).read() as session:
        assert session.rows("select count(*) from event_log")[1] == [(2,)]
        assert session.rows("select sum(actions) from member_day")[1] == [(2,)]
        assert session.snapshot_at == NOW


def test_without_a_copy_a_reader_waits_and_is_told_by_whom_it_was_kept(tmp_path, make_batch):
    with DuckDBEventStore(tmp_path / "events.duckdb", idle=0) as store:
        store.ensure_community("health")
        with (
            kept_by_another(store),
            pytest.raises(StoreBusy, match="a long import"),
            reader_of(store).read(),
        ):
            pass


def test_writing_always_waits_for_the_file(writer, make_batch):
    writer.append(make_batch({"id": "a"}), community="health")
    with kept_by_another(writer), pytest.raises(StoreBusy):
        reader_of(writer).append(make_batch({"id": "b"}), community="health")


def test_threads_of_one_process_need_not_wait_either(writer, make_batch):
    writer.append(make_batch({"id": "a"}), community="health")
    found: list[int] = []

    def look() -> None:
        with writer.read() as session:
            found.append(session.rows("select count(*) from event_log")[1][0][0])

    with writer._session("a long report"):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(300)
    assert found == [1]


def test_an_erased_member_is_not_in_the_copy(writer, make_batch):
    old = {"id": "o", "member": "somebody-else", "at": "2025-01-05T00:00:00+00:00"}
    writer.append(make_batch({"id": "a", "member": "native-id-of-somebody"}, old), community="health")
    writer.archive(before=date(2025, 6, 1))
    writer.forget(MemberRef(platform="alpha", native_id="native-id-of-somebody"))
    for file in writer.path.parent.rglob("*"):
        if file.is_file():
            assert b"native-id-of-somebody" not in file.read_bytes(), file.name
    writer.append(make_batch({"id": "z"}), community="health")
    with kept_by_another(writer), reader_of(writer).read() as session:
        assert session.rows("select count(*) from event_log")[1] == [(2,)]


def test_a_copy_whose_archives_are_gone_is_not_read(writer, make_batch):
    writer.append(make_batch({"id": "a", "at": "2025-01-05T00:00:00+00:00"}), community="health")
    writer.archive(before=date(2025, 6, 1))
    writer.append(make_batch({"id": "b"}), community="health")
    (file,) = (writer.path.parent / "events.duckdb.archive").glob("*.parquet")
    file.rename(file.with_suffix(".away"))
    with kept_by_another(writer), pytest.raises(StoreBusy), reader_of(writer).read():
        pass


def test_copying_takes_little_of_the_time(tmp_path, make_batch, monkeypatch):
    every = timedelta(hours=1)
    with DuckDBEventStore(
        tmp_path / "e.duckdb", idle=0, snapshot_every=every, clock=ManualClock(NOW)
    ) as store:
        store.ensure_community("health")
        first = store._snapshot.path.stat().st_ino
        store.append(make_batch({"id": "a"}), community="health")
        assert store._snapshot.path.stat().st_ino == first, "an hour has not passed"
        monkeypatch.setattr("shequn_sdk.metrics.store.snapshot.time.time", lambda: 4e9)
        store._snapshot._rest = 1e12
        assert not store._snapshot.due(), "the last copy took too long"
        store._snapshot._rest = 0.0
        assert store._snapshot.due()
