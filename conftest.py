"""Settings and fixtures that every test of the workspace shares."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# a busy machine is no failure
settings.register_profile("shequn", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shequn")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long forms out, unless they are asked for by `-m slow` or SHEQUN_SLOW=1."""
    if "slow" in (config.getoption("-m") or "") or os.environ.get("SHEQUN_SLOW"):
        return
    skip = pytest.mark.skip(reason="long form: run with -m slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


def _postgres_bin() -> Path | None:
    named = os.environ.get("SHEQUN_TEST_PGBIN")
    candidates = [Path(named)] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    candidates += [Path(found).parent] if found else []
    return next((path for path in candidates if (path / "initdb").exists()), None)


def free_port() -> int:
    """Give a port that nobody uses, of those that the system gives to no connection in between."""
    for port in random.SystemRandom().sample(range(15_000, 32_000), 500):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port was found")


@pytest.fixture(name="free_port")
def _free_port() -> int:
    return free_port()


class PostgresCluster:
    """A private PostgreSQL cluster on a loopback port, thrown away at the end."""

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        """Make the cluster and start it; only a `durable` one waits for the disk, as users' servers do."""
        self.binaries = binaries
        self.fsync = "on" if durable else "off"
        self.folder = Path(tempfile.mkdtemp(prefix="shequn-pg-"))
        self.port = free_port()
        self._user: str | None = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._user = "postgres"
        self._run(
            "initdb",
            "-D",
            str(self.folder / "data"),
            "-U",
            "shequn",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        )
        self.start()
        self.url = f"postgresql://shequn@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        # through files, because a started server keeps the pipes of its starter open
        with (self.folder / f"{program}.out").open("wb") as output:
            done = subprocess.run(
                [self.binaries / program, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                user=self._user,
                cwd=self.folder,
                check=False,
            )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {(self.folder / f'{program}.out').read_text()[-2000:]}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync={self.fsync} -c max_connections=200"
        self._run(
            "pg_ctl",
            "-D",
            str(self.folder / "data"),
            "-l",
            str(self.folder / "log"),
            "-w",
            "-o",
            options,
            "start",
        )

    def stop(self, *, mode: str = "immediate") -> None:
        """Stop the server; `immediate` is like a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def close(self) -> None:
        """Stop and remove it."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """Give a private cluster that a test may stop and start again (the test must leave it running)."""
    binaries = _postgres_bin()
    if binaries is None:
        reason = "no PostgreSQL server is installed (Debian package postgresql)"
        if os.environ.get("SHEQUN_REQUIRE_POSTGRES"):
            pytest.fail(reason)
        pytest.skip(reason)
    cluster = PostgresCluster(binaries)
    yield cluster
    cluster.close()


@pytest.fixture
def postgres_url(postgres_cluster: PostgresCluster) -> Iterator[str]:
    """Give the URL of a fresh, empty database on the private cluster."""
    import psycopg

    name = f"t{os.urandom(6).hex()}"
    with psycopg.connect(postgres_cluster.url, autocommit=True) as admin:
        admin.execute(f'create database "{name}"')
    yield postgres_cluster.url.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(postgres_cluster.url, autocommit=True) as admin:
        admin.execute(f'drop database if exists "{name}" with (force)')


@pytest.fixture(scope="session")
def clickhouse_server() -> Iterator[object]:
    """Give ClickHouse's engine behind its HTTP interface, in this process: `.url` lacks the database."""
    from shequn_clickhouse.local import LocalServer

    with LocalServer(password="s3cret&pass") as server:  # noqa: S106 - of a server of ours
        yield server
