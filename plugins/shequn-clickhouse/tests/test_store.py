"""The store on ClickHouse's engine over the real HTTP protocol: the contract of event stores, turns and crashes."""

from __future__ import annotations

import os

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from shequn_clickhouse import ClickHouseEventStore, write
from shequn_clickhouse.local import LocalServer
from shequn_clickhouse.schema import TURN
from shequn_sdk.client import AsyncShequn
from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import ConfigError, InvalidInput, StoreBusy, StoreError, StoreTooNew
from shequn_sdk.metrics import DuckDBEventStore, EventStore
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.testing.event_store_contract import EventStoreContract, batch_of


@pytest.fixture
def database(clickhouse_server):
    return f"{clickhouse_server.url}/t{os.urandom(6).hex()}"


class TestContract(EventStoreContract):
    @pytest.fixture
    def make_store(self, database):
        return lambda name, clock: ClickHouseEventStore(f"{database}_{name}", clock=clock, timeout=60)


def test_it_is_found_by_its_scheme_and_hides_the_password():
    spec = load_plugins().event_stores["clickhouse"]
    store = spec.create("clickhouse://me:hunter2@127.0.0.1:1/x", SystemClock())
    assert isinstance(store, EventStore)
    assert "hunter2" not in repr(store)
    with pytest.raises(StoreError) as failed:
        store.communities()
    assert "127.0.0.1/x cannot be reached" in str(failed.value)
    assert "hunter2" not in f"{failed.value!r} {failed.value.__cause__!r}"


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse:///db",
        "clickhouse://u:hunter2@h/a-b",
        "clickhouse://u:hunter2@h:port/db",
        "clickhouse://h/db?x=1",
    ],
)
def test_a_malformed_url_is_refused_without_repeating_it(url):
    with pytest.raises(ConfigError) as failed:
        ClickHouseEventStore(url)
    assert "hunter2" not in str(failed.value)


def test_a_wrong_password_is_said_to_be_one(clickhouse_server):
    url = clickhouse_server.url.replace("clickhouse://default:", "clickhouse://default:not-")
    with ClickHouseEventStore(f"{url}/x") as store, pytest.raises(StoreError, match="refuses this user"):
        store.communities()


@pytest.mark.parametrize("step", ["put_contents", "put_events", "_keep_days", "_keep_retractions"])
def test_a_crash_at_any_step_leaves_nothing_of_a_batch_and_a_repetition_all_of_it(
    database, monkeypatch, step
):
    rows = [
        {"id": "a", "message": "m1", "member": "x"},
        {"id": "b", "message": "m2", "member": "y", "target": "x"},
        {"id": "c", "kind": "retract", "message": "m0", "member": "x", "attrs": '{"retracts": "message"}'},
    ]
    with ClickHouseEventStore(database) as store:
        store.ensure_community("health")
        store.append(
            batch_of({"id": "z", "message": "m0", "at": "2026-03-01T11:00:00+00:00"}), community="health"
        )
        with monkeypatch.context() as patched:

            def die(*_):
                raise KeyboardInterrupt

            patched.setattr(write, step, die)
            with pytest.raises(KeyboardInterrupt):
                store.append(batch_of(*rows), community="health")
        with store.read() as session:
            assert session.rows("select count(*) as n, countIf(is_retracted) as r from event_log")[1] == [
                (1, 0)
            ]
        assert store.append(batch_of(*rows), community="health").new == 3
        with store.read() as session:
            assert session.rows("select count(*) as n, countIf(is_retracted) as r from event_log")[1] == [
                (4, 1)
            ]
            assert session.rows("select count(*) as n, max(member_no) as m from members")[1] == [(3, 3)]
            assert session.rows("select sum(actions) as n from member_day")[1] == [(2,)]


def test_the_rows_of_a_batch_come_in_one_insert(clickhouse_server, database):
    with ClickHouseEventStore(database) as store:
        store.ensure_community("health")
        clickhouse_server.requests.clear()
        store.append(batch_of(*({"id": str(n), "member": str(n)} for n in range(20_000))), community="health")
        inserts = [text for text in clickhouse_server.requests if text.startswith("INSERT INTO `events`")]
        assert len(inserts) == 1, clickhouse_server.requests
        with store.read() as session:
            assert session.rows("select count(*) as n from event_log")[1] == [(20_000,)]
            parts = session.rows(
                "select count(*) as n from system.parts where table = 'events' and active and database = currentDatabase()"
            )[1]
        assert parts == [(1,)]


def test_a_writer_that_died_loses_its_turn_and_one_that_lives_keeps_it(database):
    with (
        ClickHouseEventStore(database, lease=1000) as dead,
        ClickHouseEventStore(database, timeout=0.3) as store,
    ):
        dead.ensure_community("health")
        dead._server._take("a long append")  # and never comes back
        with pytest.raises(StoreBusy, match="a long append"):
            store.append(batch_of({}), community="health")
        dead._server._lease = -10
        dead._server.run(f"alter table {TURN} modify comment {dead._server._note('a long append')}")
        assert store.append(batch_of({}), community="health").new == 1
        with pytest.raises(StoreBusy, match="took the turn away"):
            dead._server.still_mine("append")
        dead._server._give_up()  # harmless: it is nobody's, or another's
        assert store.append(batch_of({"id": "b"}), community="health").new == 1


def test_a_turn_taken_away_in_the_middle_writes_no_event(database, monkeypatch):
    with ClickHouseEventStore(database) as store:
        store.ensure_community("health")
        keep = write.put_contents

        def lose(server, contents):
            keep(server, contents)
            server.run(f"drop table {TURN}")

        with monkeypatch.context() as patched:
            patched.setattr(write, "put_contents", lose)
            with pytest.raises(StoreBusy):
                store.append(batch_of({"message": "m"}), community="health")
        with store.read() as session:
            assert session.rows("select count(*) as n from event_log")[1] == [(0,)]
        assert store.append(batch_of({"message": "m"}), community="health").new == 1


def test_erased_bytes_are_in_no_live_part(database):
    with ClickHouseEventStore(database) as store:
        store.ensure_community("health")
        store.append(
            batch_of({"id": "a", "member": "gone"}, {"id": "b", "member": "stays"}), community="health"
        )
        with store.read():
            store.forget(MemberRef(platform="alpha", native_id="gone"))
        for table, column in (
            ("events", "member_no"),
            ("members", "member_no"),
            ("member_day", "member_no"),
            ("person_day", "person_no"),
        ):
            found = store._server.query(
                f"select distinct {column} as n from {table} settings final = 0"
            ).result_rows
            assert found == [(2,)], table


def test_days_that_the_engine_cannot_hold_are_refused(database):
    with ClickHouseEventStore(database) as store:
        store.ensure_community("health")
        with pytest.raises(InvalidInput, match="2149"):
            store.append(batch_of({"at": "2160-01-01T00:00:00+00:00"}), community="health")


def test_a_newer_store_is_left_alone(database):
    with ClickHouseEventStore(database) as store:
        store.communities()
        store._server.insert("meta", {"key": ["schema"], "value": ["99"]})
    with ClickHouseEventStore(database) as store, pytest.raises(StoreTooNew, match="99"):
        store.communities()


def test_a_community_moves_from_the_file_to_the_server_and_back(database, tmp_path):
    with DuckDBEventStore(tmp_path / "a.duckdb") as old, ClickHouseEventStore(database) as store:
        old.ensure_community("health")
        old.append(
            batch_of({"id": "a", "message": "m", "value": 1.5}, {"id": "b", "member": "2"}),
            community="health",
        )
        assert old.export_community("health", tmp_path / "one") == 2
        assert store.import_community(tmp_path / "one").new == 2
        assert store.append(batch_of({"id": "a", "message": "m"}), community="health").new == 0
        assert store.export_community("health", tmp_path / "two") == 2
        assert old.import_community(tmp_path / "two").duplicates == 2


def test_the_server_says_an_error_as_clickhouse_does():
    import clickhouse_connect

    with LocalServer() as server:
        host, port = server.url.rpartition("@")[2].split(":")
        client = clickhouse_connect.get_client(host=host, port=int(port), autogenerate_session_id=False)
        try:
            with pytest.raises(DatabaseError) as failed:
                client.query("select nothing from nowhere")
            assert failed.value.code == 60
        finally:
            client.close()


async def test_a_workspace_names_it_in_its_settings(database, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENTS_URL", database)
    (tmp_path / "shequn.toml").write_text('events = "env:EVENTS_URL"\n')
    (tmp_path / "log.txt").write_text("a b 1772000000\nb a 1772000100\na c 1772100000\n")
    async with AsyncShequn.open(home=tmp_path) as sq:
        assert database not in repr(sq.settings)
        done = await sq.import_history(tmp_path / "log.txt", format="edges", community="club", zone="UTC")
        assert done.added == 3
        result = await sq.metrics.compute("active_members.distinct", community="club", grain="total")
        assert [point.value for point in result.points] == [2]
        assert "active_members.dau" in (await sq.report(community="club")).csv()
    assert not (tmp_path / "events.duckdb").exists()
