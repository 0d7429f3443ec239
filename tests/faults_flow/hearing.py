"""Listens under kills, broken connections, doubled and late events; compares what was counted with what people did."""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from harness import Crew
from scene import Scene, WatchedFaults
from worker import write_control

from shequn_sdk import AsyncShequn
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.api import FaultKind, Person
from shequn_sdk.testing.sandbox.faults import FaultRule
from shequn_sdk.testing.sandbox.server import SandboxServer

__all__ = ["Heard", "Hearing", "run_listening"]

_ACCOUNTS = {"telegram": "tg", "discord": "dc"}
_EMOJI = "👍"


@dataclass(slots=True)
class Heard:
    """What was heard of one platform."""

    said: int = 0
    reacted: int = 0
    once: int = 0
    missing: list[str] = field(default_factory=list[str])
    twice: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Hearing:
    """What a listening run came to."""

    seed: int
    seconds: float = 0.0
    kills: int = 0
    cuts: int = 0
    """Gateway connections cut."""
    faults: dict[str, int] = field(default_factory=dict[str, int])
    platforms: dict[str, Heard] = field(default_factory=dict[str, Heard])
    problems: list[str] = field(default_factory=list[str])

    def findings(self) -> list[str]:
        """Give everything that must not be."""
        found = list(self.problems)
        for name, one in self.platforms.items():
            found += [f"{name} missing: {what}" for what in one.missing]
            found += [f"{name} counted twice: {what}" for what in one.twice]
        return found

    def as_json(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)


def _rules() -> list[FaultRule]:
    kinds = FaultKind
    broken = (kinds.RESET_BEFORE, kinds.RESET_AFTER, kinds.SERVER_ERROR, kinds.MALFORMED)
    return [
        FaultRule(kinds.DUPLICATE_EVENT, rate=0.15),
        FaultRule(kinds.LATE_EVENT, rate=0.15, delay=0.3),
        *(FaultRule(kind, operation="receive", rate=0.05) for kind in broken),
    ]


async def run_listening(
    seed: int,
    *,
    messages: int = 80,
    kills: int | None = None,
    home: Path | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> Hearing:
    """Let people talk on each platform while the listener is killed again and again."""
    kills = max(3, messages // 20) if kills is None else kills
    hearing = Hearing(seed)
    rng = random.Random(f"{seed}/hearing")
    faults = WatchedFaults(seed)
    plugins = load_plugins()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        place = home or Path(folder) / "home"
        async with SandboxServer(
            [plugins.sandbox(name) for name in _ACCOUNTS], seed=seed, faults=faults
        ) as server:
            scene = Scene(server, seed)
            channels = _furnish(scene)
            wanted = ", ".join(f'"{_ACCOUNTS[name]}:{channel}"' for name, channel in channels.items())
            scene.write(place, [], communities=f'[communities.club]\nzone = "UTC"\nchannels = [{wanted}]\n')
            crew = Crew(place, role="listen")
            write_control(crew.control, offset=0.0, full=False)
            truth: dict[str, Counter[tuple[str, str, str]]] = {name: Counter() for name in channels}
            try:
                listener = crew.start()
                people = [Person(id=f"reader{number}", name=f"读者{number}") for number in range(6)]
                for name, channel in channels.items():
                    for person in people:
                        server[name].join(channel, person)
                await _first_words(scene, channels, people[0], place, truth)
                faults.set(_rules())
                left = messages
                for kill in range(kills + 1):
                    for _ in range(messages // (kills + 1) if kill < kills else left):
                        left -= 1
                        _act(scene, channels, rng, people, truth)
                        await anyio.sleep(rng.uniform(0.0, 0.08))
                    if kill == kills:
                        break
                    if rng.random() < 0.5:
                        hearing.cuts += server.drop_websockets()
                    await anyio.sleep(rng.uniform(0.0, 2.5))
                    tell(f"kill {kill + 1} of the listener")
                    await crew.end(listener)
                    hearing.kills += 1
                    listener = crew.start()
                    if rng.random() < 0.7:  # the other kills and cuts come while it starts
                        await _connected(server)
                faults.clear()
                for name, channel in channels.items():  # lets the platform hand out what it kept back
                    _say(scene, name, channel, people[0], truth)
                await anyio.sleep(1.0)
                await crew.end(listener)
            finally:
                crew.clear()
            hearing.problems += crew.problems
            await _catch_up(place)
            counted = await anyio.to_thread.run_sync(_counted, place / "events.duckdb")
        hearing.faults = {
            f"{platform} {operation} {kind}": times
            for (platform, operation, kind), times in sorted(faults.played.items())
        }
    for name, facts in truth.items():
        one = hearing.platforms[name] = Heard()
        one.said = sum(kind == "message" for kind, _, _ in facts)
        one.reacted = sum(kind == "reaction" for kind, _, _ in facts)
        for fact in facts:
            times = counted[(name, *fact)]
            one.once += times == 1
            if not times:
                one.missing.append(" ".join(fact))
            elif times > 1:
                one.twice.append(f"{' '.join(fact)}, {times} times")
    hearing.seconds = time.monotonic() - begun
    return hearing


def _furnish(scene: Scene) -> dict[str, str]:
    for name, account in _ACCOUNTS.items():
        options: dict[str, Any] = {"poll_timeout": 1} if name == "telegram" else {"receive_wait": 1.0}
        scene._account(account, name, scene.server[name].describe(), **options)
    return {name: scene.server[name].create_channel("读书会") for name in _ACCOUNTS}


def _say(
    scene: Scene,
    name: str,
    channel: str,
    person: Person,
    truth: dict[str, Counter[tuple[str, str, str]]],
) -> str:
    sandbox = scene.server[name]
    native = sandbox.say(channel, person, f"第 {len(truth[name])} 句")
    truth[name]["message", native, sandbox.member_id(person)] += 1
    return native


def _act(
    scene: Scene,
    channels: dict[str, str],
    rng: random.Random,
    people: list[Person],
    truth: dict[str, Counter[tuple[str, str, str]]],
) -> None:
    """Let one person write on each platform, and sometimes another react."""
    for name, channel in channels.items():
        sandbox = scene.server[name]
        native = _say(scene, name, channel, rng.choice(people), truth)
        if rng.random() < 0.3:
            other = rng.choice(people)
            sandbox.react(channel, other, native, _EMOJI)
            truth[name]["reaction", native, sandbox.member_id(other)] += 1


async def _first_words(
    scene: Scene,
    channels: dict[str, str],
    person: Person,
    home: Path,
    truth: dict[str, Counter[tuple[str, str, str]]],
) -> None:
    """Speak once both sources listen.

    A Gateway tells nothing of the time before its first session; what comes after that is what this run is about.
    """
    hub: Any = scene.server["discord"]
    with anyio.fail_after(300):
        while not hub.hub.sessions:  # noqa: ASYNC110 - the sandbox gives no event
            await anyio.sleep(0.05)
        for name, channel in channels.items():
            _say(scene, name, channel, person, truth)
        while await anyio.to_thread.run_sync(_known_accounts, home / "inbox.db") < len(channels):  # noqa: ASYNC110
            await anyio.sleep(0.1)


def _known_accounts(path: Path) -> int:
    """Count the accounts whose place in the stream is on disk."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as conn:
            return int(conn.execute("select count(*) from cursors").fetchone()[0])
    except sqlite3.OperationalError:  # not made yet
        return 0


async def _connected(server: SandboxServer) -> None:
    """Wait until the listener is on the Gateway again."""
    gateway: Any = server["discord"]
    with anyio.fail_after(300):
        while all(session.link is None for session in gateway.hub.sessions.values()):  # noqa: ASYNC110
            await anyio.sleep(0.05)


async def _catch_up(home: Path) -> None:
    """Receive and count what still waits."""
    async with AsyncShequn.open(home=home) as sq:
        quiet = 0
        while quiet < 2:
            new = await sq.poll_once()
            await sq.process()
            await sq.collect()
            quiet = 0 if new else quiet + 1


def _counted(path: Path) -> Counter[tuple[str, str, str, str]]:
    """Count the events in the store by platform, kind, message and member."""
    import duckdb

    with duckdb.connect(str(path), read_only=True) as conn:
        rows = conn.execute(
            "select e.platform, e.kind, c.native_id, m.native_id, count(*) from events e "
            "join contents c using (content_no) join members m using (member_no) group by all"
        ).fetchall()
    return Counter(
        {(platform, kind, native, member): times for platform, kind, native, member, times in rows}
    )
