"""A rehearsed community: seconds and CPU per simulated year, beside its members' life alone, in one run.

    .venv/bin/python benchmarks/rehearse.py [--days 365] [--members 1000] [--stop 60]

Rehearsed is the health community of the templates on the sandboxes of Telegram, Discord, WeCom and Weibo, with three raids, a crisis
and a campaign: schedules fire, deliveries go over HTTP, events come back, rooms act on them, metrics and the report are made.

The members' life alone is the same people on the same sandboxes with nobody who publishes or listens: what it takes is the
simulation's own, and the difference is what running the community takes. With `--stop` only so many days of the year are lived,
and the rest is extrapolated from the acts of members there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio

from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.playbook.source import builtin_playbook
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.rehearsal import Rehearsal
from shequn_sdk.testing.sandbox.server import SandboxServer
from shequn_sdk.testing.simulate import Place, SimulatedCommunity
from shequn_sdk.testing.world import World

START = date(2026, 3, 2)
PLATFORMS = ("telegram", "discord", "wecom", "weibo")
HEARD = ("telegram", "discord", "weibo")
"""On WeCom the health community has a robot, which hears nobody."""


class _Enough(Exception):
    """The days that were asked for are over."""


async def rehearse(days: int, members: int, stop: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rehearsal = Rehearsal(
            builtin_playbook("health"),
            days=days,
            members=members,
            raids=3,
            crises=1,
            campaigns=1,
            buyers=0.2,
            start=START,
            home=Path(folder) / "home",
        )

        settled: list[tuple[float, float, float]] = []

        def progress(reached: float) -> None:
            if reached >= 1 and not settled:  # the founders came, the playbook is applied
                settled.append((reached, time.monotonic(), time.process_time()))
            if reached >= stop:
                raise _Enough

        began, cpu = time.monotonic(), time.process_time()
        try:
            lived = await rehearsal.run(progress=progress)
        except* _Enough:
            lived = None
        seconds, spent = time.monotonic() - began, time.process_time() - cpu
    lasted = min(days, stop)
    first, wall, busy = settled[0]
    rate, work = ((began + seconds - wall) / (lasted - first), (cpu + spent - busy) / (lasted - first))
    print(f"{lasted} of {days} days, {members} members: {seconds:.1f} s, {spent:.1f} s of CPU")
    print(
        f"per day after the first: {rate:.2f} s, {work:.2f} s of CPU; 365 of them: {365 * rate:.0f} s, {365 * work:.0f} s"
    )
    if lived is not None:
        heard, landed = lived.numbers["interactions"], lived.numbers["posts_landed"]
        private = lived.numbers["private_messages"]
        print(f"{heard:,.0f} interactions, {landed:,} deliveries to channels, {private:,} private ones")
        print(f"{heard / seconds:.0f} interactions/s, {(landed + private) / seconds:.0f} deliveries/s")


async def live(days: int, members: int, stop: int) -> None:
    plugins = load_plugins()
    clock = ManualClock(datetime.combine(START, datetime.min.time(), tzinfo=ZoneInfo("Asia/Shanghai")))
    async with SandboxServer([plugins.sandbox(name) for name in PLATFORMS], clock=clock, seed=7) as server:
        places = [
            Place(server[name], server[name].create_channel("life", kind="group"), weight=1 / (1 + number))
            for number, name in enumerate(HEARD)
        ]
        began = time.process_time()
        life = SimulatedCommunity(World(clock, seed=7), places, size=members, days=days)
        start = clock.now()
        for day in range(1, min(days, stop) + 1):
            life.live_until(start + timedelta(days=day))
        cpu = time.process_time() - began
    print(f"the members' life alone: {cpu:.1f} s of CPU, {len(life.truth.acts):,} acts")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--stop", type=int, default=10_000)
    asked = parser.parse_args()
    anyio.run(live, asked.days, asked.members, asked.stop)
    anyio.run(rehearse, asked.days, asked.members, asked.stop)


if __name__ == "__main__":
    main()
