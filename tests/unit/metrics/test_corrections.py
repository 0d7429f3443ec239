"""What is corrected later reaches archived months; what was erased does not come back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics import DuckDBEventStore, MemberFacts, Metrics
from shequn_sdk.metrics.store import log

OLD = "2025-01-05T08:00:00+00:00"
LATER = "2026-03-30T08:00:00+00:00"
GONE = MemberRef(platform="alpha", native_id="gone")


def rows(store, sql, **values):
    with store.read() as session:
        return session.rows(sql, values)[1]


def files(store):
    return sorted(file.name for file in (store.path.parent / "events.duckdb.archive").glob("*.parquet"))


def test_a_retraction_reaches_an_archived_month(event_store, make_batch):
    event_store.append(
        make_batch(
            {"id": "r", "kind": "reaction", "message": "m", "at": OLD, "attrs": '{"reaction": "👍"}'},
            {"id": "q", "kind": "reaction", "message": "m", "at": OLD, "member": "2"},
            {"id": "n", "at": "2025-02-05T08:00:00+00:00"},
        ),
        community="health",
    )
    event_store.archive(before=date(2025, 6, 1))
    before = files(event_store)
    recall = {"id": "x", "kind": "retract", "message": "m", "at": LATER}
    recall["attrs"] = '{"retracts": "reaction", "reaction": "👍"}'
    event_store.append(make_batch(recall), community="health")
    kept = "select count(*) from event_log where kind = 'reaction' and not is_retracted"
    assert rows(event_store, kept) == [(1,)]
    assert rows(event_store, "select sum(reaction) from member_day") == [(1,)]
    after = files(event_store)
    assert len(after) == 2
    assert len(set(before) & set(after)) == 1, "the month without the reaction stays as it was"
    assert rows(event_store, "select count(*) from late_retractions") == [(0,)]
    assert rows(event_store, "select sum(events) from archives") == [(3,)]


def test_a_retraction_of_nothing_archived_rewrites_nothing(event_store, make_batch):
    event_store.append(make_batch({"id": "a", "at": OLD, "message": "m"}), community="health")
    event_store.archive(before=date(2025, 6, 1))
    before = files(event_store)
    recall = {
        "id": "x",
        "kind": "retract",
        "message": "other",
        "at": LATER,
        "attrs": '{"retracts": "message"}',
    }
    event_store.append(make_batch(recall), community="health")
    assert rows(event_store, "select count(*) from event_log where is_retracted") == [(0,)]
    assert files(event_store) == before


@pytest.mark.parametrize("way", ["event", "fact"])
def test_a_bot_leaves_archived_months_too(event_store, make_batch, way):
    event_store.append(
        make_batch({"id": "a", "at": OLD}, {"id": "b", "at": OLD, "member": "2"}), community="health"
    )
    assert rows(event_store, "select sum(actions) from member_day") == [(2,)]
    event_store.archive(before=date(2025, 6, 1))
    if way == "event":
        event_store.append(make_batch({"id": "c", "at": LATER, "is_bot": True}), community="health")
    else:
        ref = MemberRef(platform="alpha", native_id="1")
        event_store.set_members([MemberFacts(ref=ref, is_bot=True)], community="health")
    assert rows(event_store, "select sum(actions) from member_day") == [(1,)]
    log, quick = Metrics(event_store, rollups=False), Metrics(event_store)
    assert log.compute_now("active_members.dau", start=date(2025, 1, 1)) == quick.compute_now(
        "active_members.dau", start=date(2025, 1, 1)
    )
    if way == "fact":
        event_store.set_members([MemberFacts(ref=ref, is_bot=False)], community="health")
        assert rows(event_store, "select sum(actions) from member_day") == [(2,)]


def test_an_erased_member_does_not_come_back(event_store, make_batch, events_clock):
    history = make_batch(
        {"id": "a", "member": "gone", "member_name": "Somebody", "at": OLD},
        {"id": "b", "member": "2", "target": "gone", "attrs": '{"to": "gone"}', "at": OLD},
        {"id": "c", "member": "3", "at": OLD},
    )
    event_store.append(history, community="health")
    event_store.forget(GONE)
    done = event_store.append(history, community="health")
    assert (done.new, done.duplicates, done.erased) == (0, 2, 1)
    late = make_batch(
        {"id": "late", "member": "gone", "at": LATER}, {"id": "d", "target": "gone", "at": LATER}
    )
    done = event_store.append(late, community="health")
    assert (done.new, done.erased) == (1, 1)
    event_store.close()
    for file in event_store.path.parent.rglob("*"):
        if file.is_file():
            assert b"gone" not in file.read_bytes(), file.name
    # what the member does from now on is something new
    after = (events_clock.now() + timedelta(hours=1)).isoformat()
    assert (
        event_store.append(make_batch({"id": "e", "member": "gone", "at": after}), community="health").new
        == 1
    )
    assert event_store.append(late, community="health").erased == 1


def test_an_export_from_before_the_erasure_does_not_bring_a_member_back(event_store, make_batch, tmp_path):
    event_store.append(
        make_batch(
            {"id": "a", "member": "gone", "member_name": "Somebody", "at": OLD},
            {"id": "b", "member": "2", "target": "gone", "at": OLD},
        ),
        community="health",
    )
    event_store.set_members([MemberFacts(ref=GONE, tags=frozenset({"vip"}))], community="health")
    file = tmp_path / "health.shequn"
    event_store.export_community("health", file)
    event_store.forget(GONE)
    assert event_store.import_community(file, name="again").new == 1
    assert rows(event_store, "select count(*) from members where native_id = 'gone'") == [(0,)]
    assert rows(event_store, "select count(*) from member_tags") == [(0,)]
    assert rows(event_store, "select count(*) from events where target_no is not null") == [(0,)]


def test_other_files_know_nothing_of_an_erasure(event_store, make_batch, tmp_path):
    event_store.append(make_batch({"id": "a", "member": "gone"}), community="health")
    event_store.forget(GONE)
    with DuckDBEventStore(tmp_path / "other.duckdb") as other:
        other.ensure_community("health")
        other.append(make_batch({"id": "a", "member": "gone"}), community="health")
        other.forget(GONE)
        digest = "select cast(digest as varchar) from tombstones"
        assert rows(other, digest) != rows(event_store, digest)


def test_forgetting_touches_only_the_months_that_hold_the_member(event_store, make_batch):
    event_store.append(
        make_batch(
            {"id": "a", "member": "gone", "at": OLD},
            {"id": "b", "member": "2", "at": "2025-02-05T08:00:00+00:00", "target": "gone"},
            {"id": "c", "member": "2", "at": "2025-03-05T08:00:00+00:00"},
        ),
        community="health",
    )
    event_store.archive(before=date(2025, 6, 1))
    before = files(event_store)
    done = event_store.forget(GONE)
    assert (done.events, done.mentions, done.archives) == (1, 1, 2)
    assert len(set(before) & set(files(event_store))) == 1
    assert len(files(event_store)) == 2, "a month with nobody left has no file"
    assert rows(event_store, "select count(*), count(target_no) from event_log") == [(2, 0)]
    assert event_store.data_as_of() == datetime(2025, 3, 5, 8, tzinfo=UTC)


def test_an_erasure_that_was_cut_off_is_finished_when_it_is_asked_for_again(
    event_store, make_batch, monkeypatch
):
    secret = MemberRef(platform="alpha", native_id="native-id-of-somebody")
    event_store.append(make_batch({"id": "a", "member": secret.native_id}, {"id": "b"}), community="health")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log, "rewrite", killed)
        with pytest.raises(KeyboardInterrupt):
            event_store.forget(secret)
    assert rows(event_store, "select count(*) from events") == [(1,)]
    with pytest.raises(InvalidInput):
        event_store.forget(secret)
    event_store.close()
    for file in event_store.path.parent.rglob("*"):
        if file.is_file():
            assert secret.native_id.encode() not in file.read_bytes(), file.name
    assert rows(event_store, "select count(*) from meta where key = 'rewrite'") == [(0,)]
