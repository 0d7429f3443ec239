"""One contract over store and engine; the embedded engine on SQLite is in `tests/unit/scheduling`."""

from __future__ import annotations

import pytest

from shequn_sdk.scheduling.embedded import EmbeddedEngine
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
