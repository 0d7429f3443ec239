"""Durable awards of points per second, against a ledger in SQLite that commits each award by itself.

`python benchmarks/points.py [--awards 20000] [--batch 500]`. All in one run on the same disk; the ratio is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sqlite3
import tempfile
import time
from pathlib import Path

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.incentives.models import Award, PointRule, PointRules

MEMBERS = 1000


async def ours(folder: Path, awards: int, batch: int) -> float:
    """Award by hand in batches: each batch is durable (synchronous=full) before the next."""
    rows = [Award(member=f"telegram:{n % MEMBERS}", points=n % 5 + 1, key=str(n)) for n in range(awards)]
    async with AsyncShequn.open(home=folder, communities=[Community(name="club")]) as sq:
        await sq.points.award_many(
            [Award(member=f"telegram:{n}", points=1, key=f"warm{n}") for n in range(MEMBERS)]
        )
        start = time.perf_counter()
        for first in range(0, awards, batch):
            await sq.points.award_many(rows[first : first + batch])
        took = time.perf_counter() - start
        found = await sq.points.check()
        assert found.ok
        assert found.entries == awards + MEMBERS
    return awards / took


async def by_rules(folder: Path, awards: int) -> float:
    """The whole way: interactions in the inbox, heard in batches of 100, capped per day, booked."""
    from shequn_sdk import Interaction, InteractionKind

    now = dt.datetime(2026, 3, 2, 4, tzinfo=dt.UTC)
    async with AsyncShequn.open(home=folder, communities=[Community(name="club")]) as sq:
        rule = PointRule(name="talk", kind=InteractionKind.MESSAGE, points=1, per_day=1000)
        await sq.points.set_rules(PointRules(rules=(rule,)))
        events = [
            Interaction(
                id=f"m{n}",
                kind=InteractionKind.MESSAGE,
                platform="telegram",
                channel="1",
                member=str(n % MEMBERS),
                member_name=f"成员{n % MEMBERS}",
                message=str(n),
                occurred_at=now + dt.timedelta(seconds=n),
                text="今天也来打卡",
            )
            for n in range(awards)
        ]
        await sq._workspace.record(events, community="club")  # noqa: SLF001
        start = time.perf_counter()
        await sq.process()
        took = time.perf_counter() - start
        found = await sq.points.check()
        assert found.ok
        assert found.entries == awards
    return awards / took


def naive(folder: Path, awards: int) -> float:
    """One row, one transaction, the same durability; a unique key so that nothing is booked twice."""
    conn = sqlite3.connect(folder / "naive.sqlite", isolation_level=None)
    conn.execute("pragma journal_mode=wal")
    conn.execute("pragma synchronous=full")
    conn.execute("create table entry(key text primary key, member text, points integer)")
    conn.execute("create table balance(member text primary key, points integer)")
    start = time.perf_counter()
    for n in range(awards):
        conn.execute("begin immediate")
        conn.execute("insert into entry values (?, ?, ?)", (str(n), str(n % MEMBERS), n % 5 + 1))
        conn.execute(
            "insert into balance values (?, ?) on conflict(member) do update set points = points + excluded.points",
            (str(n % MEMBERS), n % 5 + 1),
        )
        conn.execute("commit")
    took = time.perf_counter() - start
    conn.close()
    return awards / took


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--awards", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=500)
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
        tempfile.TemporaryDirectory() as three,
    ):
        rate = asyncio.run(ours(Path(one), chosen.awards, chosen.batch))
        heard = asyncio.run(by_rules(Path(two), chosen.awards))
        slow = naive(Path(three), min(chosen.awards, 5000))
    print(f"ours, batches of {chosen.batch}: {rate:,.0f} durable awards/s")
    print(f"ours, by rules from the inbox: {heard:,.0f} durable awards/s")
    print(
        f"naive SQLite, one transaction per award: {slow:,.0f} durable awards/s; ours is {rate / slow:.1f} times as fast"
    )


if __name__ == "__main__":
    main()
