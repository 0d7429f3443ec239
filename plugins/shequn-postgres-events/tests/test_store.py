"""The store on a real server: the contract of event stores, and what only a server can do."""

from __future__ import annotations

import threading

import psycopg
import pytest

from shequn_postgres_events import PostgresEventStore
from shequn_sdk.client import AsyncShequn
from shequn_sdk.errors import ConfigError, StoreBusy, StoreError, StoreTooNew
from shequn_sdk.metrics import DuckDBEventStore, EventStore
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.testing.event_store_contract import EventStoreContract, batch_of


@pytest.mark.postgres
class TestContract(EventStoreContract):
    @pytest.fixture
    def make_store(self, postgres_url):
        made = set()

        def make(name, clock):
            url = postgres_url.rsplit("/", 1)[0] + f"/{postgres_url.rsplit('/', 1)[1]}_{name}"
            if name not in made:
                made.add(name)
                with psycopg.connect(postgres_url, autocommit=True) as admin:
                    admin.execute(f'create database "{url.rsplit("/", 1)[1]}"')
            return PostgresEventStore(url, clock=clock)

        yield make
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            for name in made:
                admin.execute(f'drop database "{postgres_url.rsplit("/", 1)[1]}_{name}" with (force)')


def test_it_is_found_by_its_scheme_and_hides_the_password():
    spec = load_plugins().event_stores["postgres"]
    store = spec.create("postgresql+psycopg://me:hunter2@127.0.0.1:1/x", SystemClock())
    assert isinstance(store, EventStore)
    assert "hunter2" not in repr(store)
    with pytest.raises(StoreError) as failed:
        store.communities()
    assert "127.0.0.1/x cannot be reached" in str(failed.value)
    shown = f"{failed.value!r} {failed.value.__cause__!r} {failed.value.__context__!r}"
    assert "hunter2" not in shown


def test_a_malformed_url_is_refused_without_repeating_it():
    with pytest.raises(ConfigError) as failed:
        PostgresEventStore("postgresql://me:hunter2@[half/x")
    assert "hunter2" not in f"{failed.value!r} {failed.value.__cause__!r}"


@pytest.mark.postgres
def test_a_killed_connection_keeps_a_batch_whole_or_not_at_all(postgres_url):
    with PostgresEventStore(postgres_url) as store:
        store.ensure_community("health")
        stop = threading.Event()

        def kill():
            with psycopg.connect(postgres_url, autocommit=True) as admin:
                while not stop.wait(0.003):
                    admin.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity "
                        "where datname = current_database() and pid <> pg_backend_pid()"
                    )

        killer = threading.Thread(target=kill)
        killer.start()
        failures = 0
        acknowledged = []
        try:
            for number in range(60):
                rows = [{"id": f"{number}.{n}", "member": str(n)} for n in range(50)]
                try:
                    store.append(batch_of(*rows), community="health")
                    acknowledged.append(number)
                except StoreError:
                    failures += 1
        finally:
            stop.set()
            killer.join()
        with store.read() as session:
            found = session.rows(
                "select m.native_id, count(*) from event_log as e join members as m using (member_no) group by 1"
            )[1]
        counts = {count for _, count in found}
        assert failures
        assert len(counts) <= 1, "a batch was kept in part"
        assert sum(count for _, count in found) >= 50 * len(acknowledged)
        again = store.append(
            batch_of(
                *({"id": f"{number}.{n}", "member": str(n)} for number in acknowledged for n in range(50))
            ),
            community="health",
        )
        assert again.new == 0


@pytest.mark.postgres
def test_who_waits_too_long_for_the_writers_turn_is_told_so(postgres_url):
    with PostgresEventStore(postgres_url, timeout=0.2) as store:
        store.ensure_community("health")
        with store._server.write(), PostgresEventStore(postgres_url, timeout=0.2) as other:
            with pytest.raises(StoreBusy, match="another process writes"):
                other.append(batch_of({}), community="health")
            assert other.communities()[0].name == "health"


@pytest.mark.postgres
def test_a_newer_store_is_left_alone(postgres_url):
    with PostgresEventStore(postgres_url) as store:
        store.communities()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("update shequn_events.meta set value = '99'")
    with PostgresEventStore(postgres_url) as store, pytest.raises(StoreTooNew, match="99"):
        store.communities()


@pytest.mark.postgres
def test_a_community_moves_from_the_file_to_the_server_and_back(postgres_url, tmp_path):
    with DuckDBEventStore(tmp_path / "a.duckdb") as old, PostgresEventStore(postgres_url) as store:
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


@pytest.mark.postgres
async def test_a_workspace_names_it_in_its_settings(postgres_url, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENTS_URL", postgres_url)
    (tmp_path / "shequn.toml").write_text('events = "env:EVENTS_URL"\n')
    (tmp_path / "log.txt").write_text("a b 1772000000\nb a 1772000100\na c 1772100000\n")
    async with AsyncShequn.open(home=tmp_path) as sq:
        assert postgres_url not in repr(sq.settings)
        done = await sq.import_history(tmp_path / "log.txt", format="edges", community="club", zone="UTC")
        assert done.added == 3
        result = await sq.metrics.compute("active_members.distinct", community="club", grain="total")
        assert [point.value for point in result.points] == [2]
        assert "active_members.dau" in (await sq.report(community="club")).csv()
    assert not (tmp_path / "events.duckdb").exists()
