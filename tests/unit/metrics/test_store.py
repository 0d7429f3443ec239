"""The event store keeps every event once, whatever order, repetition or correction it comes in."""

from __future__ import annotations

from datetime import UTC, date, datetime

import duckdb
import pytest

from shequn_sdk.domain import InteractionBatch, MemberRef
from shequn_sdk.errors import InvalidInput, StoreDamaged, StoreTooNew, UnknownName
from shequn_sdk.metrics import DuckDBEventStore, EventStore, MemberFacts


def rows(store, sql, **values):
    with store.read() as session:
        return session.rows(sql, values)[1]


def test_is_an_event_store(event_store):
    assert isinstance(event_store, EventStore)


def test_the_same_batch_twice_adds_nothing(event_store, make_batch):
    batch = make_batch({"id": "a"}, {"id": "b", "member": "2"})
    first = event_store.append(batch, community="health")
    again = event_store.append(batch, community="health")
    assert (first.new, first.duplicates) == (2, 0)
    assert (again.new, again.duplicates) == (0, 2)
    assert rows(event_store, "select count(*) from events") == [(2,)]


def test_a_repetition_within_a_batch_counts_once(event_store, make_batch):
    done = event_store.append(make_batch({"id": "a"}, {"id": "a"}, {"id": "b"}), community="health")
    assert (done.new, done.duplicates) == (2, 1)


def test_same_id_of_another_kind_actor_or_platform_is_another_event(event_store, make_batch):
    event_store.append(make_batch({"id": "a"}, {"id": "a", "kind": "reaction"}), community="health")
    event_store.append(make_batch({"id": "a", "member": "9"}), community="health")
    done = event_store.append(make_batch({"id": "a"}, platform="beta"), community="health")
    assert done.new == 1
    assert rows(event_store, "select count(*) from events") == [(4,)]


def test_each_community_counts_its_own(event_store, make_batch):
    event_store.ensure_community("other")
    assert event_store.append(make_batch({"id": "a"}), community="health").new == 1
    assert event_store.append(make_batch({"id": "a"}), community="other").new == 1
    assert event_store.append(make_batch({"id": "a"}), community="other").new == 0


def test_late_rows_between_months_are_recognised(event_store, make_batch):
    spread = [{"id": f"e{month}", "at": f"2025-{month:02}-03T00:00:00+00:00"} for month in range(1, 13)]
    assert event_store.append(make_batch(*spread), community="health").late == 12
    done = event_store.append(
        make_batch(*spread, {"id": "new", "at": "2026-03-31T11:00:00+00:00"}), community="health"
    )
    assert (done.new, done.duplicates, done.late) == (1, 12, 0)


def test_local_day_and_hour_follow_the_zone_over_both_clock_changes(tmp_path, make_batch):
    with DuckDBEventStore(tmp_path / "e.duckdb") as store:
        store.ensure_community("club", zone="Europe/Berlin")
        instants = [
            "2026-03-29T00:59:59+00:00",
            "2026-03-29T01:00:00+00:00",
            "2026-10-25T00:59:59+00:00",
            "2026-10-25T01:00:00+00:00",
            "2026-12-31T23:30:00+00:00",
        ]
        store.append(make_batch(*({"id": at, "at": at} for at in instants)), community="club")
        found = rows(store, "select local_day, local_hour from events order by ts")
    assert found == [
        (date(2026, 3, 29), 1),
        (date(2026, 3, 29), 3),
        (date(2026, 10, 25), 2),
        (date(2026, 10, 25), 2),
        (date(2027, 1, 1), 0),
    ]


def test_members_and_targets_get_dense_numbers(event_store, make_batch):
    event_store.append(make_batch({"id": "a", "target": "7"}, {"id": "b", "member": "7"}), community="health")
    event_store.append(make_batch({"id": "c", "member": "8"}), community="health")
    assert rows(event_store, "select member_no, native_id from members order by 1") == [
        (1, "1"),
        (2, "7"),
        (3, "8"),
    ]


@pytest.mark.parametrize("order", [("reaction", "retract"), ("retract", "reaction")])
def test_a_removed_reaction_does_not_count_in_whichever_order_it_arrives(event_store, make_batch, order):
    made = {
        "reaction": {"id": "r", "kind": "reaction", "message": "m", "attrs": '{"reaction": "👍"}'},
        "retract": {
            "id": "x",
            "kind": "retract",
            "message": "m",
            "attrs": '{"retracts": "reaction", "reaction": "👍"}',
            "at": "2026-03-01T12:05:00+00:00",
        },
    }
    other = {"id": "o", "kind": "reaction", "message": "m", "attrs": '{"reaction": "❤"}'}
    again = {
        "id": "r2",
        "kind": "reaction",
        "message": "m",
        "attrs": '{"reaction": "👍"}',
        "at": "2026-03-01T12:09:00+00:00",
    }
    for name in order:
        event_store.append(make_batch(made[name]), community="health")
    event_store.append(
        make_batch(other, again, {"id": "q", "kind": "reaction", "message": "m", "member": "2"}),
        community="health",
    )
    kept = rows(event_store, "select count(*) from events where kind = 'reaction' and not is_retracted")
    assert kept == [(3,)]


def test_a_message_recalled_by_a_moderator_is_gone(event_store, make_batch):
    event_store.append(
        make_batch({"id": "a", "message": "m"}, {"id": "b", "message": "n"}), community="health"
    )
    recall = {
        "id": "x",
        "kind": "retract",
        "message": "m",
        "member": "99",
        "attrs": '{"retracts": "message"}',
        "at": "2026-03-02T00:00:00+00:00",
    }
    event_store.append(make_batch(recall), community="health")
    assert rows(event_store, "select count(*) from member_day") == [(1,)]
    assert rows(event_store, "select sum(actions) from member_day") == [(1,)]


def test_a_member_who_turns_out_to_be_a_bot_leaves_the_counts(event_store, make_batch):
    event_store.append(make_batch({"id": "a"}, {"id": "b", "member": "2"}), community="health")
    assert rows(event_store, "select count(*) from person_day where community_no = 1") == [(2,)]
    event_store.append(make_batch({"id": "c", "is_bot": True}), community="health")
    assert rows(event_store, "select count(*) from person_day where community_no = 1") == [(1,)]


def test_linked_identities_count_as_one_person_and_can_be_parted(event_store, make_batch):
    event_store.append(make_batch({"id": "a", "member": "x"}), community="health")
    event_store.append(make_batch({"id": "a", "member": "y"}, platform="beta"), community="health")
    refs = [MemberRef(platform="alpha", native_id="x"), MemberRef(platform="beta", native_id="y")]
    event_store.link_persons(refs)
    assert rows(event_store, "select count(*) from person_day where community_no = 1") == [(1,)]
    event_store.append(
        make_batch({"id": "b", "member": "y", "at": "2026-03-02T12:00:00+00:00"}, platform="beta"),
        community="health",
    )
    assert rows(event_store, "select count(distinct person_no) from events") == [(1,)]
    event_store.unlink_person(refs[1])
    assert rows(event_store, "select count(*) from person_day where community_no = 1") == [(3,)]


def test_forgetting_leaves_no_trace_in_tables_archives_or_bytes(event_store, make_batch):
    secret, other = "native-id-of-somebody", "another-native-id"
    name = "Name Of Somebody"
    old = "2025-01-05T00:00:00+00:00"
    event_store.append(
        make_batch(
            {"id": "a", "member": secret, "member_name": name, "message": "m1", "at": old},
            {"id": "b", "member": secret, "message": "m2"},
            {"id": "c", "member": other, "target": secret, "parent": "m2", "attrs": f'{{"to": "{secret}"}}'},
        ),
        community="health",
    )
    event_store.set_members(
        [MemberFacts(ref=MemberRef(platform="alpha", native_id=secret), tags=frozenset({"vip"}))],
        community="health",
    )
    event_store.archive(before=date(2025, 6, 1))
    done = event_store.forget(MemberRef(platform="alpha", native_id=secret))
    assert (done.events, done.mentions, done.archives) == (2, 1, 1)
    assert rows(event_store, "select count(*) from event_log") == [(1,)]
    assert rows(event_store, "select count(*) from member_day") == [(1,)]
    event_store.close()
    for file in event_store.path.parent.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file.name
            assert name.encode() not in file.read_bytes(), file.name
    with pytest.raises(InvalidInput):
        event_store.forget(MemberRef(platform="alpha", native_id=secret))


def test_archived_months_stay_visible_and_keep_refusing_duplicates(event_store, make_batch):
    batch = make_batch(
        *(
            {"id": f"d{month}.{day}", "at": f"2025-0{month}-{day:02}T10:00:00+00:00", "member": str(day)}
            for month in (1, 2)
            for day in (1, 15)
        )
    )
    event_store.append(batch, community="health")
    before = rows(event_store, "select count(*), min(ts), max(ts) from event_log")
    assert event_store.archive(before=date(2025, 2, 20)) == 2
    assert rows(event_store, "select count(*) from events") == [(2,)]
    assert rows(event_store, "select count(*), min(ts), max(ts) from event_log") == before
    assert event_store.append(batch, community="health").new == 0
    event_store.link_persons(
        [MemberRef(platform="alpha", native_id="1"), MemberRef(platform="alpha", native_id="15")]
    )
    assert rows(event_store, "select count(distinct person_no) from event_log") == [(1,)]


def test_a_community_travels_in_one_file(event_store, make_batch, tmp_path):
    event_store.append(
        make_batch(
            {"id": "a", "member": "x", "message": "m", "target": "y", "member_name": "小明"},
            {"id": "j", "kind": "join", "member": "x", "entrance": "poster"},
        ),
        community="health",
    )
    event_store.append(make_batch({"id": "a", "member": "z"}, platform="beta"), community="health")
    event_store.link_persons(
        [MemberRef(platform="alpha", native_id="x"), MemberRef(platform="beta", native_id="z")]
    )
    event_store.set_members(
        [MemberFacts(ref=MemberRef(platform="alpha", native_id="x"), tags=frozenset({"vip"}))],
        community="health",
    )
    file = tmp_path / "health.shequn"
    assert event_store.export_community("health", file) == 3
    with DuckDBEventStore(tmp_path / "other.duckdb") as other:
        other.ensure_community("before")
        other.append(make_batch({"id": "q", "member": "somebody"}), community="before")
        assert other.import_community(file, name="moved").new == 3
        assert other.import_community(file, name="moved").duplicates == 3
        assert [info.zone for info in other.communities()] == ["Asia/Shanghai", "Asia/Shanghai"]
        query = (
            "select e.platform, m.native_id, m.name, t.native_id, e.kind, e.ts, e.local_day from events as e "
            "join members as m using (member_no) left join members as t on t.member_no = e.target_no "
            "where e.community_no = {} order by 1, 2, 5"
        )
        assert rows(other, query.format(2)) == rows(event_store, query.format(1))
        assert rows(other, "select count(distinct person_no) from events where community_no = 2") == [(1,)]
        assert rows(other, "select tag from member_tags") == [("vip",)]
        assert rows(other, "select entrance from profiles") == [("poster",)]


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06" + b"\0" * 18])
def test_a_file_that_is_no_export_is_refused(event_store, tmp_path, content):
    file = tmp_path / "x.shequn"
    file.write_bytes(content)
    with pytest.raises(InvalidInput):
        event_store.import_community(file)


def test_bad_batches_are_refused_whole(event_store, make_batch):
    with pytest.raises(UnknownName):
        event_store.append(make_batch({}), community="nobody")
    wrong = make_batch({"id": "a"})
    wrong.kind[0] = "dance"
    with pytest.raises(InvalidInput, match="dance"):
        event_store.append(wrong, community="health")
    uneven = make_batch({"id": "a"})
    uneven.text.append("x")
    with pytest.raises(InvalidInput, match="lengths"):
        event_store.append(uneven, community="health")
    early = make_batch({"id": "a"})
    early.occurred_at[0] = -1
    with pytest.raises(InvalidInput, match="1970"):
        event_store.append(early, community="health")
    broken = make_batch({"id": "ok"}, {"id": "a", "attrs": "{"})
    with pytest.raises(InvalidInput, match="JSON"):
        event_store.append(broken, community="health")
    assert rows(event_store, "select count(*) from events") == [(0,)]
    assert event_store.append(InteractionBatch(platform="alpha"), community="health").new == 0


def test_a_zone_that_nobody_knows_is_refused(event_store):
    with pytest.raises(InvalidInput, match="Mars"):
        event_store.ensure_community("mars", zone="Mars/Olympus")
    assert event_store.ensure_community("health", zone="UTC").zone == "Asia/Shanghai"


def test_foreign_and_newer_files_are_named(tmp_path):
    text = tmp_path / "text.duckdb"
    text.write_bytes(b"hello" * 2000)
    with pytest.raises(StoreDamaged, match="is no event store"):
        DuckDBEventStore(text).communities()
    foreign = tmp_path / "foreign.duckdb"
    con = duckdb.connect(str(foreign))
    con.execute("create table mine(a integer)")
    con.close()
    with pytest.raises(StoreDamaged, match="no event store"):
        DuckDBEventStore(foreign).communities()
    newer = tmp_path / "newer.duckdb"
    with DuckDBEventStore(newer) as store:
        store.communities()
    con = duckdb.connect(str(newer))
    con.execute("update meta set value = '99'")
    con.close()
    with pytest.raises(StoreTooNew, match="99"):
        DuckDBEventStore(newer).communities()


def test_a_lost_archive_file_is_named(event_store, make_batch):
    event_store.append(make_batch({"id": "a", "at": "2025-01-01T00:00:00+00:00"}), community="health")
    event_store.archive(before=date(2025, 3, 1))
    event_store.close()
    (file,) = (event_store.path.parent / "events.duckdb.archive").glob("*.parquet")
    file.unlink()
    with pytest.raises(StoreDamaged, match=file.name):
        event_store.communities()


def test_freshness(event_store, make_batch):
    assert event_store.data_as_of(community="health") is None
    event_store.append(make_batch({"at": "2026-03-05T01:02:03+00:00"}), community="health")
    assert event_store.data_as_of() == datetime(2026, 3, 5, 1, 2, 3, tzinfo=UTC)


async def test_a_scheme_that_nobody_offers_is_named_without_the_url(tmp_path):
    from shequn_sdk import AsyncShequn
    from shequn_sdk.errors import ConfigError

    (tmp_path / "shequn.toml").write_text('events = "nosuch://me:hunter2@host/db"\n')
    async with AsyncShequn.open(home=tmp_path) as sq:
        with pytest.raises(ConfigError, match="nosuch://") as failed:
            await sq.metrics.compute("active_members.dau")
        assert "hunter2" not in f"{failed.value!r} {sq.settings!r}"
