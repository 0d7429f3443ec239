"""Engines on PostgreSQL: bare PgQueuer and Procrastinate against the ledger that runs on them, in one run.

    python benchmarks/postgres_engines.py [--rows 8000] [--url postgresql://…]

Without --url a private cluster is started (durable settings as they come, on this machine's disk). Prints rates, the
CPU time of one job in workers and server, ratios, due-to-start times with 10,000 pending, and how long recovery after
kill -9 takes. The jobs go over 500 channels, whose order is kept, or to a channel each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import mmap
import os
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import asyncpg
import psycopg

from shequn_sdk.domain import ChannelRef, Content, Post
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.publishing import DeliveryOptions, Publishing
from shequn_sdk.stores.store import Store

CONCURRENCY = 64
ROUNDS = 3
LEASE = 10.0


class Count:
    """A number in a file that the parent reads: asking the database how far it is would be half of its work."""

    def __init__(self, path: str = "") -> None:
        if path:
            with Path(path).open("r+b") as file:
                self._view = mmap.mmap(file.fileno(), 8)
        else:
            self._view = mmap.mmap(-1, 8)
        self.number = 0

    def one_more(self) -> None:
        self.number += 1
        struct.pack_into("q", self._view, 0, self.number)

    def read(self) -> int:
        return struct.unpack_from("q", self._view, 0)[0]


class NoOp:
    """A platform that answers at once, or after `pause` seconds, and notes when."""

    manifest_ = Manifest(
        platform="noop", capabilities=frozenset({Capability.PUBLISH_TEXT}), max_concurrency=256
    )

    def __init__(self, pause: float = 0.0, done: Count | None = None) -> None:
        self.pause = pause
        self.done = done or Count()
        self.late: list[float] = []

    async def publish(self, channel: str, piece: Any, *, idempotency_key: str) -> Post:
        now = datetime.now(UTC)
        if piece.text.startswith("@"):
            self.late.append((now - datetime.fromisoformat(piece.text[1:])) / timedelta(milliseconds=1))
        if self.pause:
            await anyio.sleep(self.pause)
        self.done.one_more()
        return Post(channel=ChannelRef(account="bot", native_id=channel), native_id="1", landed_at=now)

    def adapter(self, name: str) -> Any:
        return self

    def manifest(self, name: str) -> Manifest:
        return self.manifest_

    def platform(self, name: str) -> str:
        return "noop"

    def names(self) -> tuple[str, ...]:
        return ("bot",)


def factory(engine: str, url: str) -> Any:
    if engine == "embedded":
        return None
    if engine == "pgqueuer":
        from shequn_pgqueuer.engine import PgQueuerEngine

        return lambda source, clock: PgQueuerEngine(url, clock=clock)
    from shequn_procrastinate.engine import ProcrastinateEngine

    return lambda source, clock: ProcrastinateEngine(url, clock=clock)


@contextlib.asynccontextmanager
async def publishing(engine: str, url: str, board: NoOp) -> Any:
    async with await Store.open(url) as store:
        options = DeliveryOptions(lease=timedelta(seconds=LEASE))
        yield Publishing(store, board, engine=factory(engine, url), options=options)


# worker processes


async def work(kind: str, engine: str, url: str, pause: float, concurrency: int, path: str) -> None:
    """Work until killed."""
    done = Count(path)
    if kind == "ledger":
        async with publishing(engine, url, NoOp(pause, done)) as room:
            await room.run(concurrency=concurrency)
    elif engine == "pgqueuer":
        from pgqueuer import PgQueuer
        from pgqueuer.db import AsyncpgDriver

        queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(url)))

        @queuer.entrypoint("noop")
        async def noop(job: Any) -> None:
            done.one_more()

        await queuer.qm.run(batch_size=concurrency // 2, max_concurrent_tasks=concurrency)
    else:
        app = bare_procrastinate(url, done)
        async with app.open_async():
            await app.run_worker_async(
                concurrency=concurrency, install_signal_handlers=False, fetch_job_polling_interval=0.2,
                delete_jobs="always",
            )  # fmt: skip


def bare_procrastinate(url: str, done: Count | None = None) -> Any:
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="noop")
    async def noop() -> None:
        if done is not None:
            done.one_more()

    return app


class Worker:
    """A worker process, the jobs it has done, and the CPU time it has taken."""

    def __init__(
        self, kind: str, engine: str, url: str, *, pause: float = 0.0, concurrency: int = CONCURRENCY
    ) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(bytes(8))
        self._path = Path(file.name)
        self.done = Count(file.name)
        arguments = [
            sys.executable, __file__, "--worker", kind, engine, url, str(pause), str(concurrency), file.name
        ]  # fmt: skip
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._path.unlink(missing_ok=True)


async def fill(kind: str, engine: str, url: str, rows: int, lanes: int = 500) -> str:
    """Put `rows` jobs in; gives the statement that counts what is left."""
    if kind == "ledger":
        async with publishing(engine, url, NoOp()) as room:
            await room.plan_many((Content(text=f"t{n}"), [f"bot:c{n % lanes}"], None) for n in range(rows))
        return "select count(*) from delivery where state <> 'landed'"
    if engine == "pgqueuer":
        from pgqueuer.db import AsyncpgDriver
        from pgqueuer.queries import Queries

        connection = await asyncpg.connect(url)
        queries = Queries(AsyncpgDriver(connection))
        await queries.install()
        await queries.enqueue(["noop"] * rows, [None] * rows, [0] * rows)
        await connection.close()
        return "select count(*) from pgqueuer"
    app = bare_procrastinate(url)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.configure_task("noop").batch_defer_async(*({} for _ in range(rows)))
    return "select count(*) from procrastinate_jobs"


class Drained(NamedTuple):
    """How fast jobs were done, and the CPU time of one in microseconds."""

    rate: float
    worker: float
    server: float


async def drained(
    kind: str,
    engine: str,
    server: Server,
    rows: int,
    *,
    workers: int = 1,
    pause: float = 0.0,
    lanes: int = 500,
) -> Drained:
    """Measure `workers` processes, from when all work and a tenth is done until nearly all is.

    Args:
        pause: seconds that the platform takes for an answer.
        lanes: channels over which the deliveries go.
    """
    url = server.database()
    left = await fill(kind, engine, url, rows, lanes)
    crew = [Worker(kind, engine, url, pause=pause) for _ in range(workers)]
    try:
        began, until = 0.0, int(rows * 0.95)
        first, busy = 0, (0.0, 0.0)
        while True:
            done = [worker.done.read() for worker in crew]
            now = time.perf_counter()
            if not began and sum(done) >= rows / (10 if all(done) else 2):
                began, first = now, sum(done)
                busy = sum(cpu(worker.process.pid) for worker in crew), server.cpu()
            elif sum(done) >= until:
                break
            await asyncio.sleep(0.01)
        mine, its = sum(cpu(worker.process.pid) for worker in crew), server.cpu()
        jobs = sum(done) - first
        with psycopg.connect(url, autocommit=True) as watch:
            # each one has to come to its end
            while (watch.execute(left).fetchone() or (0,))[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        for worker in crew:
            worker.kill()
    return Drained(jobs / (now - began), (mine - busy[0]) / jobs * 1e6, (its - busy[1]) / jobs * 1e6)


def cpu(process: int) -> float:
    """Give the CPU seconds of a process and of its children that have ended; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(one) for one in fields[11:15]) / os.sysconf("SC_CLK_TCK")


async def latency(engine: str, server: Server, pending: int) -> tuple[float, float]:
    """Give p50 and p99 of due-to-start in ms: 200 due over ten seconds, `pending` more for tomorrow."""
    url = server.database()
    board = NoOp()
    ending = anyio.Event()
    async with publishing(engine, url, board) as room:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        await room.plan_many((Content(text="t"), [f"bot:p{n}"], tomorrow) for n in range(pending))
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: room.run(ending, concurrency=CONCURRENCY))
            await asyncio.sleep(1)
            begin = datetime.now(UTC) + timedelta(seconds=2)
            due = [begin + timedelta(milliseconds=50 * n) for n in range(200)]
            await room.plan_many(
                (Content(text=f"@{at.isoformat()}"), [f"bot:d{n % 50}"], at) for n, at in enumerate(due)
            )
            while len(board.late) < 200:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            ending.set()
    return statistics.median(board.late), statistics.quantiles(board.late, n=100)[98]


async def recovery(engine: str, server: Server) -> tuple[float, int]:
    """Give the seconds from kill -9 until nothing is under way any more, and how many were."""
    url = server.database()
    await fill("ledger", engine, url, 40)
    frozen = Worker("ledger", engine, url, pause=60.0, concurrency=20)
    with psycopg.connect(url, autocommit=True) as watch:
        under_way = "select count(*) from delivery where state = 'attempting'"
        while (watch.execute(under_way).fetchone() or (0,))[0] < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        other = Worker("ledger", engine, url)
        begun = "select count(*) from delivery where state = 'landed'"
        while (watch.execute(begun).fetchone() or (0,))[0] < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        number = (watch.execute(under_way).fetchone() or (0,))[0]
        frozen.process.send_signal(signal.SIGKILL)
        killed = time.perf_counter()
        busy = "select count(*) from delivery where state in ('planned', 'claimed', 'attempting')"
        while (watch.execute(busy).fetchone() or (0,))[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        took = time.perf_counter() - killed
    frozen.kill()
    other.kill()
    return took, number


class Server:
    """A PostgreSQL server and fresh databases on it."""

    def __init__(self, url: str) -> None:
        self.cluster: Any = None
        if not url:
            path = Path(__file__).resolve().parents[1] / "conftest.py"
            spec = importlib.util.spec_from_file_location("root_conftest", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            binaries = module._postgres_bin()  # noqa: SLF001
            if binaries is None:
                raise SystemExit("no PostgreSQL server is installed; give --url")
            self.cluster = module.PostgresCluster(binaries, durable=True)
            url = self.cluster.url
        self.url = url

    def database(self) -> str:
        name = f"bench{os.urandom(4).hex()}"
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(f'create database "{name}"')
        return self.url.rsplit("/", 1)[0] + f"/{name}"

    def cpu(self) -> float:
        """Give the CPU seconds of the private server with all its processes."""
        if self.cluster is None:
            return 0.0
        main = int((self.cluster.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return cpu(main) + sum(cpu(int(child)) for child in children)

    def close(self) -> None:
        if self.cluster is not None:
            self.cluster.close()


async def rates(rows: int, server: Server) -> None:
    """Print rates, CPU times and ratios; the cases take turns, and a ratio is the median of those of the rounds."""
    slow = {"pause": 0.1}
    alone = {"lanes": rows}
    cases: tuple[tuple[str, str, str, int, dict[str, Any]], ...] = (
        ("bare PgQueuer", "bare", "pgqueuer", rows, {}),
        ("ledger + PgQueuer", "ledger", "pgqueuer", rows, {}),
        ("bare PgQueuer, 2 workers", "bare", "pgqueuer", rows, {"workers": 2}),
        ("ledger + PgQueuer, 2 workers", "ledger", "pgqueuer", rows, {"workers": 2}),
        ("ledger + PgQueuer, a channel each", "ledger", "pgqueuer", rows, alone),
        ("the same, 2 workers", "ledger", "pgqueuer", rows, {"workers": 2} | alone),
        ("ledger + PgQueuer, 0.1 s an answer", "ledger", "pgqueuer", rows // 2, slow),
        ("the same with 0.1 s, 2 workers", "ledger", "pgqueuer", rows // 2, {"workers": 2} | slow),
        ("ledger + embedded loop", "ledger", "embedded", rows, {}),
        ("ledger + embedded loop, 2 workers", "ledger", "embedded", rows, {"workers": 2}),
        ("bare Procrastinate", "bare", "procrastinate", rows // 8, {}),
        ("ledger + Procrastinate", "ledger", "procrastinate", rows // 8, {}),
    )
    ratios = (
        ("ledger + PgQueuer", "bare PgQueuer"),
        ("ledger + PgQueuer", "bare Procrastinate"),
        ("ledger + PgQueuer, a channel each", "bare PgQueuer"),
        ("ledger + PgQueuer, a channel each", "bare Procrastinate"),
        ("ledger + PgQueuer, 2 workers", "ledger + PgQueuer"),
        ("the same, 2 workers", "ledger + PgQueuer, a channel each"),
        ("the same with 0.1 s, 2 workers", "ledger + PgQueuer, 0.1 s an answer"),
        ("bare PgQueuer, 2 workers", "bare PgQueuer"),
        ("ledger + embedded loop, 2 workers", "ledger + embedded loop"),
    )
    rounds: list[dict[str, Drained]] = []
    for _ in range(ROUNDS):
        rounds.append({})
        for label, kind, engine, number, options in cases:
            rounds[-1][label] = await drained(kind, engine, server, number, **options)
    for label, *_ in cases:
        rate, mine, its = (statistics.median(found[label][n] for found in rounds) for n in range(3))
        print(
            f"{label:40} {rate:8.0f} /s, CPU of one: worker {mine:5.0f} µs, server {its:5.0f} µs", flush=True
        )
    for one, other in ratios:
        found = sorted(each[one].rate / each[other].rate for each in rounds)
        print(f"{one} / {other}: {statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})")


async def main(rows: int, url: str) -> None:
    server = Server(url)
    try:
        print(f"load before: {', '.join(f'{one:.1f}' for one in os.getloadavg())} on {os.cpu_count()} cores")
        await rates(rows, server)
        for engine in ("embedded", "pgqueuer", "procrastinate"):
            half, most = await latency(engine, server, 10_000)
            print(
                f"due to start, 10,000 pending, {engine:14} p50 {half:6.1f} ms, p99 {most:6.1f} ms",
                flush=True,
            )
        for engine in ("pgqueuer", "procrastinate"):
            took, number = await recovery(engine, server)
            print(
                f"kill -9, {engine:14} {number} under way, recovered after {took:.1f} s (lease {LEASE:.0f} s)",
                flush=True,
            )
        print(f"load after: {', '.join(f'{one:.1f}' for one in os.getloadavg())}")
    finally:
        server.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        kind, engine, url, pause, concurrency, path = sys.argv[2:]
        asyncio.run(work(kind, engine, url, float(pause), int(concurrency), path))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--rows", type=int, default=8000)
        parser.add_argument("--url", default="")
        arguments = parser.parse_args()
        asyncio.run(main(arguments.rows, arguments.url))
