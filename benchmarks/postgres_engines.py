"""Engines on PostgreSQL: bare PgQueuer and Procrastinate against the ledger that runs on them, in one run.

    python benchmarks/postgres_engines.py [--rows 4000] [--url postgresql://…]

Without --url a private cluster is started (durable settings as they come, on this machine's disk). Prints rates, their
ratios, due-to-start times with 10,000 pending, and how long recovery after kill -9 takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import signal
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import psycopg

from shequn_sdk.domain import ChannelRef, Content, Post
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.publishing import DeliveryOptions, Publishing
from shequn_sdk.stores.store import Store

CONCURRENCY = 64
LEASE = 10.0


class NoOp:
    """A platform that answers at once, or after `pause` seconds, and notes when."""

    manifest_ = Manifest(
        platform="noop", capabilities=frozenset({Capability.PUBLISH_TEXT}), max_concurrency=256
    )

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause
        self.late: list[float] = []

    async def publish(self, channel: str, piece: Any, *, idempotency_key: str) -> Post:
        now = datetime.now(UTC)
        if piece.text.startswith("@"):
            self.late.append((now - datetime.fromisoformat(piece.text[1:])) / timedelta(milliseconds=1))
        if self.pause:
            await anyio.sleep(self.pause)
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


async def work(kind: str, engine: str, url: str, pause: float, concurrency: int) -> None:
    """Work until killed; tells when it begins."""
    print("ready", flush=True)
    if kind == "ledger":
        async with publishing(engine, url, NoOp(pause)) as room:
            await room.run(concurrency=concurrency)
    elif engine == "pgqueuer":
        from pgqueuer import PgQueuer
        from pgqueuer.db import AsyncpgDriver

        queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(url)))

        @queuer.entrypoint("noop")
        async def noop(job: Any) -> None:
            pass

        await queuer.qm.run(batch_size=concurrency // 2, max_concurrent_tasks=concurrency)
    else:
        app = bare_procrastinate(url)
        async with app.open_async():
            await app.run_worker_async(
                concurrency=concurrency, install_signal_handlers=False, fetch_job_polling_interval=0.2,
                delete_jobs="always",
            )  # fmt: skip


def bare_procrastinate(url: str) -> Any:
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="noop")
    async def noop() -> None:
        pass

    return app


def start(kind: str, engine: str, url: str, *, pause: float = 0.0, concurrency: int = CONCURRENCY) -> Any:
    arguments = [sys.executable, __file__, "--worker", kind, engine, url, str(pause), str(concurrency)]
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(*processes: Any) -> None:
    for process in processes:
        process.kill()
        process.wait()


async def fill(kind: str, engine: str, url: str, rows: int) -> str:
    """Put `rows` jobs in; gives the statement that counts what is left."""
    if kind == "ledger":
        async with publishing(engine, url, NoOp()) as room:
            await room.plan_many((Content(text=f"t{n}"), [f"bot:c{n % 500}"], None) for n in range(rows))
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


async def drained(
    kind: str, engine: str, server: Server, rows: int, *, workers: int = 1, pause: float = 0.0
) -> float:
    """Give the jobs per second of `workers` processes, from the first that is done to the last.

    Args:
        pause: seconds that the platform takes for an answer.
    """
    url = server.database()
    left = await fill(kind, engine, url, rows)
    processes = [start(kind, engine, url, pause=pause) for _ in range(workers)]
    began = 0.0
    first = rows
    try:
        with psycopg.connect(url, autocommit=True) as watch:
            while True:
                found = watch.execute(left).fetchone()
                assert found is not None
                now = time.perf_counter()
                if not began and found[0] <= rows * 0.95:  # every worker has come up
                    began, first = now, found[0]
                if not found[0]:
                    return first / (now - began)
                await asyncio.sleep(0.02)
    finally:
        stop(*processes)


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
    frozen = start("ledger", engine, url, pause=60.0, concurrency=20)
    with psycopg.connect(url, autocommit=True) as watch:
        under_way = "select count(*) from delivery where state = 'attempting'"
        while (watch.execute(under_way).fetchone() or (0,))[0] < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        other = start("ledger", engine, url)
        begun = "select count(*) from delivery where state = 'landed'"
        while (watch.execute(begun).fetchone() or (0,))[0] < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        number = (watch.execute(under_way).fetchone() or (0,))[0]
        frozen.send_signal(signal.SIGKILL)
        killed = time.perf_counter()
        busy = "select count(*) from delivery where state in ('planned', 'claimed', 'attempting')"
        while (watch.execute(busy).fetchone() or (0,))[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        took = time.perf_counter() - killed
    stop(frozen, other)
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

    def close(self) -> None:
        if self.cluster is not None:
            self.cluster.close()


async def main(rows: int, url: str) -> None:
    server = Server(url)
    try:
        print(f"load before: {', '.join(f'{one:.1f}' for one in os.getloadavg())} on {os.cpu_count()} cores")
        rate: dict[str, float] = {}
        slow = 0.1
        for label, kind, engine, number, workers, pause in (
            ("bare PgQueuer", "bare", "pgqueuer", rows, 1, 0.0),
            ("ledger + PgQueuer", "ledger", "pgqueuer", rows, 1, 0.0),
            ("bare PgQueuer, 2 workers", "bare", "pgqueuer", rows, 2, 0.0),
            ("ledger + PgQueuer, 2 workers", "ledger", "pgqueuer", rows, 2, 0.0),
            ("ledger + embedded loop", "ledger", "embedded", rows, 1, 0.0),
            ("ledger + embedded loop, 2 workers", "ledger", "embedded", rows, 2, 0.0),
            ("bare Procrastinate", "bare", "procrastinate", rows // 4, 1, 0.0),
            ("ledger + Procrastinate", "ledger", "procrastinate", rows // 4, 1, 0.0),
            ("ledger + PgQueuer, 0.1 s an answer", "ledger", "pgqueuer", rows, 1, slow),
            ("ledger + PgQueuer, the same, 2 workers", "ledger", "pgqueuer", rows, 2, slow),
        ):
            rate[label] = await drained(kind, engine, server, number, workers=workers, pause=pause)
            print(f"{label:40} {rate[label]:8.0f} /s", flush=True)
        ours = rate["ledger + PgQueuer"]
        print(f"ledger + PgQueuer / bare PgQueuer            {ours / rate['bare PgQueuer']:6.2f}")
        print(f"ledger + PgQueuer / bare Procrastinate       {ours / rate['bare Procrastinate']:6.1f}")
        print(
            f"two workers / one, PgQueuer                  {rate['ledger + PgQueuer, 2 workers'] / ours:6.2f}"
        )
        bare = rate["bare PgQueuer, 2 workers"] / rate["bare PgQueuer"]
        print(f"two workers / one, bare PgQueuer             {bare:6.2f}")
        answers = rate["ledger + PgQueuer, the same, 2 workers"] / rate["ledger + PgQueuer, 0.1 s an answer"]
        print(f"two workers / one, PgQueuer, 0.1 s an answer {answers:6.2f}")
        loop = rate["ledger + embedded loop, 2 workers"] / rate["ledger + embedded loop"]
        print(f"two workers / one, embedded loop             {loop:6.2f}")
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
        asyncio.run(work(sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]), int(sys.argv[6])))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--rows", type=int, default=4000)
        parser.add_argument("--url", default="")
        arguments = parser.parse_args()
        asyncio.run(main(arguments.rows, arguments.url))
