"""Runs workers under faults, by seed, and judges what came of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from judge import Report, Verdict, judge, read_ledger, standing, under_way
from scene import Scene, WatchedFaults, calm_rules, delivery_rules, spec_of
from worker import write_control

from shequn_sdk import AsyncShequn, DeliveryState
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.server import SandboxServer

__all__ = ["Crew", "Run", "run_deliveries"]

_WORKER = Path(__file__).parent / "worker.py"
_PLATFORMS = ("telegram", "discord", "wecom", "weibo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run does; everything random in it comes from `seed`."""

    seed: int
    deliveries: int = 150
    kills: int = 4
    freezes: int = 1
    jumps: tuple[float, ...] = (25.0, -5.0)
    """Seconds by which the clock of all workers jumps, one after the other."""
    full_disks: int = 1
    stops: int = 1
    """Workers told to stop in order."""
    restarts: int = 0
    """Of the database, which must be a server."""
    engine: str = ""
    rate: float = 0.03
    """Share of requests struck by each kind of fault."""
    storm: int = 2
    """Requests in a row that each platform refuses as too many, once."""
    lease: float = 5.0
    pause: tuple[float, float] = (0.3, 1.2)
    """Shortest and longest time between two events, in seconds."""
    settle: float = 120.0
    """Seconds in which the ledger must come to rest afterwards."""
    platforms: tuple[str, ...] = _PLATFORMS


@dataclass(slots=True)
class Crew:
    """Worker processes of one run."""

    home: Path
    lease: float = 0.0
    role: str = "deliver"
    url: str = ""
    """Of the ledger, when it is on a server."""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])
    harmed: set[int] = field(default_factory=set[int])
    problems: list[str] = field(default_factory=list[str])
    events: Counter[str] = field(default_factory=Counter[str])

    @property
    def ledger(self) -> Path | str:
        return self.url or self.home / "store.db"

    @property
    def control(self) -> Path:
        return self.home / "control"

    def start(self, role: str = "") -> subprocess.Popen[bytes]:
        """Start a worker; what it complains of goes to HOME/worker.log."""
        environment = {**os.environ, "SHEQUN_TEST_LEASE": str(self.lease)}
        if self.url:
            environment["SHEQUN_TEST_RIGHT_CLOCK"] = "1"
        with (self.home / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(_WORKER), role or self.role, str(self.home), str(self.control)],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.running.append(process)
        return process

    async def end(self, process: subprocess.Popen[bytes], how: int = signal.SIGKILL) -> None:
        """End a worker, which must have been alive until now."""
        self.harmed.add(process.pid)
        if process.poll() is not None:
            told = (self.home / "worker.log").read_text(encoding="utf-8", errors="replace")[-2000:]
            self.problems.append(
                f"a worker ended by itself with {process.returncode}; worker.log ends so: {told}"
            )
        process.send_signal(how)
        await anyio.to_thread.run_sync(process.wait, 40)  # the platforms run in this thread and must go on
        self.running.remove(process)

    def clear(self) -> None:
        """End all workers."""
        for process in list(self.running):
            process.kill()
            process.wait(300)
        self.running.clear()


async def run_deliveries(
    run: Run,
    *,
    home: Path | None = None,
    tell: Callable[[str], object] = lambda text: None,
    url: str = "",
    restart: Callable[[], None] = lambda: None,
) -> Report:
    """Publish under faults, let everything come to rest, resolve what is held, judge.

    Args:
        url: of a PostgreSQL database for the ledger, instead of a file.
        restart: stops the server as a crash does, and starts it again.
    """
    report = Report(run.seed)
    plugins = load_plugins()
    specs = {name: spec_of(plugins, name) for name in run.platforms}
    report.skipped = {name: why for name, (_, why) in specs.items() if why}
    faults = WatchedFaults(run.seed)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        place = home or Path(folder) / "home"
        options = {"weibo": {"posts_per_hour": 100_000, "user_limit": 1_000_000, "ip_limit": 1_000_000}}
        async with SandboxServer(
            [spec for spec, _ in specs.values() if spec is not None],
            seed=run.seed,
            faults=faults,
            options=options,
        ) as server:
            scene = Scene(server, run.seed)
            scene.furnish(run.deliveries)
            scene.write(place, scene.contents(run.deliveries), store=url, engine=run.engine)
            faults.set(delivery_rules(run.rate, run.storm))
            crew = Crew(place, lease=run.lease, url=url)
            stalls: list[float] = []
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(_watch, stalls)
                    offsets = await _shake(run, crew, report, tell, restart)
                    tell("faults are over; waiting for the ledger to come to rest")
                    faults.set(calm_rules())
                    await _settle(run, crew, report)
                    first, _ = _judged(scene, faults, crew, offsets, stalls)
                    report.problems += [f"before people looked: {one}" for one in _wrong(first)]
                    await _resolve(crew, scene, report)
                    await _settle(run, crew, report)
                    for process in list(crew.running):
                        await crew.end(process, signal.SIGTERM)
                    group.cancel_scope.cancel()
            finally:
                crew.clear()
            report.verdicts, report.causes = _judged(scene, faults, crew, offsets, stalls)
            crew.events["machine stood still"] = len(stalls)
        report.faults = {
            f"{platform} {operation} {kind}": times
            for (platform, operation, kind), times in sorted(faults.played.items())
        }
    report.events = dict(crew.events)
    report.problems += crew.problems
    report.seconds = time.monotonic() - begun
    return report


def _judged(
    scene: Scene,
    faults: WatchedFaults,
    crew: Crew,
    offsets: list[float],
    stalls: list[float],
) -> tuple[dict[str, Verdict], dict[str, int]]:
    return judge(
        scene,
        crew.ledger,
        faults=faults.log,
        harmed=frozenset(crew.harmed),
        offsets=offsets,
        stalls=stalls,
    )


def _wrong(verdicts: dict[str, Verdict]) -> list[str]:
    found = Report(0)
    found.verdicts = verdicts
    return found.findings()


async def _watch(stalls: list[float]) -> None:
    """Note when this process, in which the platforms run, could not go on: the machine was busy with something else."""
    while True:
        asked = time.monotonic()
        await anyio.sleep(0.1)
        if time.monotonic() - asked > 1.0:
            stalls.append(time.time())


async def _shake(
    run: Run,
    crew: Crew,
    report: Report,
    tell: Callable[[str], object],
    restart: Callable[[], None],
) -> list[float]:
    """Run two workers and do to them what the run asks for; gives how wrong their clock ever was."""
    rng = random.Random(f"{run.seed}/events")
    offset, offsets = 0.0, [0.0]
    write_control(crew.control, offset=offset, full=False)
    publisher = crew.start("publish")
    pair = [crew.start(), crew.start()]
    events = ["kill"] * run.kills + ["freeze"] * run.freezes + ["stop"] * run.stops
    events += ["full"] * run.full_disks + ["jump"] * len(run.jumps) + ["restart"] * run.restarts
    rng.shuffle(events)
    jumps = list(run.jumps)
    for _ in range(max(1, run.kills // 8)):  # of the one who publishes as well
        await anyio.sleep(rng.uniform(0.8, 2.0))
        if publisher.poll() is None:
            await crew.end(publisher)
            crew.events["publisher killed"] += 1
            publisher = crew.start("publish")
    await anyio.to_thread.run_sync(publisher.wait)
    if publisher.returncode:
        report.problems.append(f"publishing ended with {publisher.returncode}; see worker.log")
    crew.running.remove(publisher)
    for event in events:
        await anyio.sleep(rng.uniform(*run.pause))
        which = rng.randrange(2)
        victim = pair[which]
        crew.events[event] += 1
        open_ = await anyio.to_thread.run_sync(under_way, crew.ledger)
        tell(f"{event}; {open_} deliveries under way")
        if event == "kill":
            await crew.end(victim)
            pair[which] = crew.start()
        elif event == "stop":
            await crew.end(victim, signal.SIGTERM)
            pair[which] = crew.start()
        elif event == "freeze":
            victim.send_signal(signal.SIGSTOP)
            crew.harmed.add(victim.pid)
            await anyio.sleep(run.lease + rng.uniform(0.5, 2.0))
            victim.send_signal(signal.SIGCONT)
        elif event == "restart":
            crew.harmed.update(process.pid for process in pair)
            await anyio.to_thread.run_sync(restart)
        elif event == "full":
            write_control(crew.control, offset=offset, full=True)
            await anyio.sleep(rng.uniform(0.5, 1.5))
            write_control(crew.control, offset=offset, full=False)
            crew.harmed.update(process.pid for process in pair)
        else:
            offset += jumps.pop(0)
            offsets.append(offset)
            crew.harmed.update(process.pid for process in pair)
            write_control(crew.control, offset=offset, full=False)
    return offsets


async def _settle(run: Run, crew: Crew, report: Report) -> None:
    """Wait until nothing is under way any more."""
    with anyio.move_on_after(run.settle) as scope:
        while await anyio.to_thread.run_sync(under_way, crew.ledger):  # noqa: ASYNC110 - other processes
            await anyio.sleep(0.2)
    if scope.cancelled_caught:
        rows, trail = read_ledger(crew.ledger)
        last = {line.delivery: line for line in trail}
        open_ = [
            row for row in rows if row.state in {"planned", "claimed", "attempting", "deferred", "unknown"}
        ]
        report.problems.append(
            f"not at rest after {run.settle:.0f} s: {len(open_)} deliveries, such as "
            + "; ".join(f"{row.id} {row.state}: {last[row.id].cause}" for row in open_[:3])
        )


async def _resolve(crew: Crew, scene: Scene, report: Report) -> None:
    """Look at the channels, as a person would, and say what became of each unknown."""
    there = {
        (place.account, place.channel, content, part): stand.native_id
        for place, found in standing(scene).items()
        for content, part, stand in found
    }
    async with AsyncShequn.open(home=crew.home) as sq:
        for delivery in await sq.deliveries.list(states=[DeliveryState.UNKNOWN], limit=100_000):
            key = (delivery.channel.account, delivery.channel.native_id, delivery.content_id, delivery.part)
            native = there.get(key, "")
            done = await sq.deliveries.resolve(delivery.id, landed=bool(native), native_id=native)
            wanted = {DeliveryState.LANDED} if native else {DeliveryState.PLANNED}
            crew.events["resolved as landed" if native else "resolved as not landed"] += 1
            if done.state not in wanted:
                report.problems.append(f"delivery {delivery.id} was resolved and is {done.state}")
