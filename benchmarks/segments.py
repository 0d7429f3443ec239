"""A segment of a million members by three conditions, beside pandas on the same rows, in one run.

    .venv/bin/python benchmarks/segments.py [--members 1000000] [--rounds 7]

The store is a real SQLite file: persons, identities, memberships, tags, and 2 % of persons merged out of two identities.
The segment: has the tag `gold` (30 %), active in the last 30 local days, came by one of two entrances. Counted are persons.

pandas gets the same rows as a frame in memory (built before the clock runs) and does what a competent user writes: boolean
masks over columns, `isin` over the tagged identities, and a `groupby` over persons, because a person passes when their
identities together do. `pandas, no merges` leaves that `groupby` out, which is right only when nobody was merged.

Printed are: the count by the client's own call (`sq.segments.count`) when nothing changed, when one member acted since, and
the first time (which reads all rows), and pandas' times, with ratios. The counts must be equal.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pandas as pd
from sqlalchemy import insert, select

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.domain import MemberRef
from shequn_sdk.members.filters import ActiveWithin, Entrance, Tagged
from shequn_sdk.members.membership import Act, bump, note_acts
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.members import identity, membership, person
from shequn_sdk.stores.tables.profiles import member_tag

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
DOORS = [f"door{number}" for number in range(20)]
DAY = 86_400_000_000


def fill(conn, members: int, seed: int) -> None:
    rng = random.Random(seed)
    now = to_us(NOW)
    change = bump(conn, "change")
    for start in range(0, members, 50_000):
        numbers = range(start + 1, min(members, start + 50_000) + 1)
        conn.execute(insert(person), [{"id": n, "name": "", "created_at": now} for n in numbers])
        conn.execute(
            insert(identity),
            [
                {
                    "id": n,
                    "platform": "telegram" if n % 3 else "discord",
                    "native_id": str(n),
                    "person_id": n - 1 if n % 50 == 0 else n,
                    "display_name": f"member {n}",
                    "username": "",
                    "is_bot": 0,
                    "account": "bot",
                    "first_seen": now,
                    "last_seen": now,
                }
                for n in numbers
            ],
        )
        rows, tags = [], []
        for n in numbers:
            joined = now - rng.randrange(700) * DAY
            active = rng.random()
            rows.append(
                {
                    "community": "club",
                    "identity_id": n,
                    "role": "member",
                    "joined_at": joined,
                    "left_at": now - DAY if rng.random() < 0.1 else None,
                    "joins": 1,
                    "entrance": DOORS[rng.randrange(20)],
                    "first_at": joined,
                    "last_active": joined + int(active * (now - joined)) if active > 0.2 else None,
                    "change": change,
                }
            )
            if rng.random() < 0.3:
                tags.append({"community": "club", "identity_id": n, "tag": "gold", "at": now, "actor": "x"})
        conn.execute(insert(membership), rows)
        conn.execute(insert(member_tag), tags)


def timed(work, rounds: int) -> tuple[float, int]:
    times, result = [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


async def timed_async(work, rounds: int, between=None) -> tuple[float, int]:
    times, result = [], 0
    for number in range(rounds):
        if between is not None:
            await between(number)
        start = time.perf_counter()
        result = await work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


async def main(members: int, rounds: int) -> None:
    print(f"{members:,} members, load average before {os.getloadavg()[0]:.2f}")
    wanted = Tagged(tag="gold") & ActiveWithin(days=30) & Entrance(names=("door3", "door7"))
    with tempfile.TemporaryDirectory() as home:
        clock = ManualClock(NOW)
        async with AsyncShequn.open(home=Path(home), communities=[Community(name="club")], clock=clock) as sq:
            store = await sq._workspace.store()  # noqa: SLF001 - filled past the public calls
            start = time.perf_counter()
            await store.write(lambda conn: fill(conn, members, 1))
            print(f"filled in {time.perf_counter() - start:.1f} s")

            async def count() -> int:
                return await sq.segments.count(wanted)

            async def act(number: int) -> None:
                def write(conn) -> None:
                    row = conn.execute(select(identity).where(identity.c.id == 7 + number)).one()
                    ref = MemberRef(platform=row.platform, native_id=row.native_id)
                    note_acts(conn, [Act("club", ref, to_us(NOW) + number, active=True)], {ref: row.id})

                await store.write(write)

            first, _ = await timed_async(count, 1)
            warm, ours = await timed_async(count, rounds)

            def frame(conn) -> tuple[pd.DataFrame, pd.Index]:
                joined = identity.join(membership, membership.c.identity_id == identity.c.id)
                columns = (
                    identity.c.id,
                    identity.c.person_id,
                    membership.c.left_at,
                    membership.c.last_active,
                    membership.c.entrance,
                    membership.c.joined_at,
                )
                rows = conn.execute(joined.select().with_only_columns(*columns)).all()
                data = pd.DataFrame(rows, columns=["id", "person", "left", "active", "entrance", "joined"])
                data["entrance"] = data["entrance"].astype("category")
                gold = conn.execute(select(member_tag.c.identity_id)).scalars().all()
                return data, pd.Index(gold)

            start = time.perf_counter()
            data, gold = await store.read(frame)
            reading = time.perf_counter() - start
            zone_midnight = datetime(2026, 3, 1, tzinfo=UTC) - timedelta(hours=8) - timedelta(days=29)
            since = to_us(zone_midnight)

            def plain() -> int:
                return int(
                    (
                        data["id"].isin(gold)
                        & (data["active"] >= since)
                        & data["entrance"].isin(["door3", "door7"])
                        & data["left"].isna()
                    ).sum()
                )

            def right() -> int:
                by = data["person"]
                some = (
                    pd.DataFrame(
                        {
                            "gold": data["id"].isin(gold),
                            "active": data["active"] >= since,
                            "in": data["left"].isna(),
                        }
                    )
                    .groupby(by)
                    .any()
                )
                last = data.sort_values(["person", "joined"]).groupby("person")["entrance"].last()
                return int((some["gold"] & some["active"] & some["in"] & last.isin(["door3", "door7"])).sum())

            peer, theirs = timed(right, max(3, rounds // 2))
            easy, _ = timed(plain, rounds)
            patched, _ = await timed_async(count, rounds, between=act)
    print(f"counted {ours:,} (pandas over persons {theirs:,})")
    for name, seconds, against in (
        ("segments.count, nothing changed", warm, peer),
        ("segments.count, a member acted", patched, peer),
        ("pandas over persons", peer, peer),
        ("pandas, no merges", easy, peer),
    ):
        print(f"{name:<34}{seconds * 1000:9.1f} ms   pandas over persons / this {against / seconds:6.1f}")
    print(f"segments.count, the first time {first:.2f} s; pandas reading the rows {reading:.2f} s")
    print(f"load average after {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    anyio.run(main, arguments.members, arguments.rounds)
