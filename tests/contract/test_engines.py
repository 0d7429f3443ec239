"""One contract over store and engine; the embedded engine on SQLite is in `tests/unit/scheduling`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.scheduling.embedded import EmbeddedEngine
from shequn_sdk.scheduling.engine import Wake, in_packs
from shequn_sdk.stores.store import Store
from shequn_sdk.testing.engine_contract import EngineContract


class OnPostgres(EngineContract):
    """The contract on a PostgreSQL store."""

    @pytest.fixture(autouse=True)
    def _database(self, postgres_url):
        self.url = postgres_url

    async def open_store(self, tmp_path):
        return await Store.open(self.url)


@pytest.mark.postgres
class TestEmbeddedOnPostgres(OnPostgres):
    """The embedded loop over the ledger's index, on a server."""

    def make_engine(self, source, clock):
        return EmbeddedEngine(source, clock=clock)


@pytest.mark.postgres
class TestPgQueuer(OnPostgres):
    """Wakes in PgQueuer's queue."""

    def make_engine(self, source, clock):
        engine = pytest.importorskip("shequn_pgqueuer.engine")
        return engine.PgQueuerEngine(self.url, clock=clock)


@pytest.mark.postgres
class TestProcrastinate(OnPostgres):
    """Wakes in Procrastinate's queue."""

    def make_engine(self, source, clock):
        engine = pytest.importorskip("shequn_procrastinate.engine")
        return engine.ProcrastinateEngine(self.url, clock=clock)


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WAKES = st.lists(
    st.builds(
        lambda at, priority: (NOW + timedelta(seconds=at), priority), st.integers(-3, 2), st.integers(0, 2)
    ),
    max_size=80,
)


@given(WAKES, st.integers(1, 8))
def test_packs_hold_every_wake_once_and_none_beside_one_of_another_instant(kinds, jobs):
    wakes = [Wake(number, at, priority) for number, (at, priority) in enumerate(kinds)]
    packs = in_packs(wakes, now=NOW, jobs=jobs)
    assert sorted(one.delivery for pack in packs for one in pack) == list(range(len(wakes)))
    for pack in packs:
        assert len({(max(one.at, NOW), one.priority) for one in pack}) == 1
    if len(wakes) <= jobs:
        assert all(len(pack) == 1 for pack in packs)


@pytest.mark.postgres
@pytest.mark.parametrize(("name", "many"), [("pgqueuer", 1100), ("procrastinate", 150)])
async def test_many_wakes_share_jobs_and_one_that_fails_takes_no_other_with_it(name, many, postgres_url):
    """At most `concurrency` are worked on at once, however many come in a job; what is to come again comes again."""
    module = pytest.importorskip(f"shequn_{name}.engine")
    make = module.PgQueuerEngine if name == "pgqueuer" else module.ProcrastinateEngine
    engine, queue = make(postgres_url, clock=SystemClock()), ("pgqueuer", "procrastinate_jobs")
    seen: dict[int, int] = {}
    running = most = 0
    stop = anyio.Event()

    async def handle(delivery):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(0.01)
        running -= 1
        seen[delivery] = seen.get(delivery, 0) + 1
        if delivery == 7:
            raise KeyError(delivery)
        return datetime.now(UTC) + timedelta(seconds=0.3) if delivery == 8 and seen[8] == 1 else None

    async with await Store.open(postgres_url) as store:
        await engine.prepare()
        now = datetime.now(UTC)
        await store.write(lambda conn: engine.enlist(conn, [Wake(number, now) for number in range(many)]))
        jobs = await store.read(
            lambda conn: conn.exec_driver_sql(f"select count(*) from {queue[name != 'pgqueuer']}").scalar()
        )
        assert jobs <= many / 2
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: engine.run(handle, concurrency=5, stop=stop))
            with anyio.fail_after(300):
                while len(seen) < many or seen[8] < 2:  # noqa: ASYNC110 - the engine gives no event
                    await anyio.sleep(0.05)
            stop.set()
    assert most <= 5
    assert {number for number, times in seen.items() if times > 1} <= {7, 8}
