"""The content calendar at 50,000 entries beside two peers on the same entries, in one run.

Run: python benchmarks/editorial_calendar.py [--entries 50000] [--repeats 20]. The peers: an `icalendar` calendar of the same entries,
which is walked and filtered, and a pandas table, which is filtered and sorted. They answer less (no ledger, no festivals, no
slots), so the ratios flatter them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import anyio

START = datetime(2026, 1, 5, tzinfo=UTC)
WORDS = [
    "健康",
    "早餐",
    "步数",
    "睡眠",
    "喝水",
    "拉伸",
    "打卡",
    "直播",
    "营养",
    "食谱",
    "跑步",
    "瑜伽",
    "护肤",
    "情绪",
    "体检",
    "分享",
    "挑战",
    "抽奖",
    "问答",
    "周末",
]


def text(number: int) -> str:
    picks = [WORDS[(number * step + number // 7) % len(WORDS)] for step in (1, 3, 7, 11, 13, 17)]
    return f"第{number}期:" + ",".join(picks) + f"。今天聊聊{picks[0]}和{picks[3]},欢迎留言{number % 97}。"


Taken = tuple[list[float], list[float]]
"""Seconds by the clock, and of processor time: on a busy machine only the second says anything."""


def shown(label: str, taken: Taken) -> float:
    clock, cpu = (statistics.median(values) * 1e3 for values in taken)
    print(f"{label:<58} p50 {clock:8.2f} ms, processor {cpu:8.2f} ms; worst {max(taken[0]) * 1e3:8.2f} ms")
    return cpu


async def timed(repeats: int, call: Callable[[int], Awaitable[object]]) -> Taken:
    await call(0)
    clock: list[float] = []
    cpu: list[float] = []
    for number in range(repeats):
        begun, worked = time.perf_counter(), time.process_time()
        await call(number)
        clock.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - worked)
    return clock, cpu


def plain(repeats: int, call: Callable[[int], object]) -> Taken:
    call(0)
    clock: list[float] = []
    cpu: list[float] = []
    for number in range(repeats):
        begun, worked = time.perf_counter(), time.process_time()
        call(number)
        clock.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - worked)
    return clock, cpu


async def main(entries: int, repeats: int) -> None:
    from shequn_sdk import Account, AsyncShequn, Community, Content
    from shequn_sdk.scheduling.clock import ManualClock

    channels = [f"bot:-{number}" for number in range(1, 5)]
    step = timedelta(days=365) / entries
    times = [START + number * step for number in range(entries)]
    lines = ["at,channels,text,category,promotional"]
    lines += [
        f'{at.isoformat()},{channels[number % 4]},"{text(number)}",{WORDS[number % 5]},{"yes" if number % 9 == 0 else ""}'
        for number, at in enumerate(times)
    ]
    with tempfile.TemporaryDirectory() as folder:
        account = Account.model_validate(
            {
                "name": "bot",
                "platform": "telegram",
                "base_url": "http://127.0.0.1:9",
                "secrets": {"token": "1:T"},
            }
        )
        async with AsyncShequn.open(
            home=Path(folder),
            accounts=[account],
            communities=[Community.model_validate({"name": "health", "channels": channels})],
            clock=ManualClock(START),
        ) as sq:
            begun, worked = time.perf_counter(), time.process_time()
            verdict = await sq.calendar.import_file("\n".join(lines).encode())
            took = time.perf_counter() - begun
            worked = time.process_time() - worked
            assert verdict.imported == entries, verdict.rows[:3]
            print(
                f"ours: {entries:,} rows of CSV checked and imported in one step: {entries / took:,.0f}/s by the clock, ",
                end="",
            )
            print(f"{entries / worked:,.0f}/s by processor time")
            # the hardest case for the slots of one channel: every one of them is taken for years
            slots = [f"{day} {hour:02}:00" for day in ("mon", "wed", "fri") for hour in (8, 12, 20)]
            await sq.queue.add_slots("bot:-1", slots)
            rows = ["at,channels,text"]
            after = START
            for number in range(min(entries, 50_000)):
                free = START + timedelta(days=7 * (number // 9) + (0, 2, 4)[number % 9 // 3])
                hour = (0, 4, 12)[number % 3]
                after = free.replace(hour=hour)
                if number < 9 * 52 * 60:
                    rows.append(f"{after.isoformat()},bot:-1,槽 {number}")
            queued = await sq.calendar.import_file("\n".join(rows).encode())
            print(f"ours: {queued.imported:,} more, one in each of the next slots of one channel")

            week = [date(2026, 1, 5) + timedelta(days=7 * (number % 50)) for number in range(repeats)]
            month = [date(2026, 1 + number % 12, 1) for number in range(repeats)]
            one = shown(
                "ours: view of a week (~960 entries)",
                await timed(
                    repeats, lambda n: sq.calendar.view(start=week[n], end=week[n] + timedelta(days=6))
                ),
            )
            shown(
                "ours: view of a month (~4,200 entries)",
                await timed(repeats, lambda n: sq.calendar.view(start=month[n])),
            )
            shown(
                "ours: view of a month of one channel",
                await timed(repeats, lambda n: sq.calendar.view(start=month[n], channel="bot:-2")),
            )
            asked = [Content(text=text(number * 31 + 5), promotional=True) for number in range(repeats)]
            clash = shown(
                "ours: clash check with near-duplicates of 90 days around",
                await timed(
                    repeats,
                    lambda n: sq.calendar.check(
                        asked[n], to=["bot:-1", "bot:-2"], at=START + timedelta(days=7 * n + 3)
                    ),
                ),
            )
            shown(
                "ours: the same, near-duplicates of all 50,000",
                await timed(
                    repeats,
                    lambda n: sq.calendar.check(
                        asked[n],
                        to=["bot:-1", "bot:-2"],
                        at=START + timedelta(days=180),
                        memory=timedelta(days=200),
                    ),
                ),
            )
            shown(
                "ours: next_slot behind all of them",
                await timed(repeats, lambda _: sq.queue.next_slot("bot:-1")),
            )
            ical = await sq.calendar.export_ical(end=START + timedelta(days=366))

    import icalendar
    import pandas as pd

    begun = time.perf_counter()
    calendar = icalendar.Calendar.from_ical(ical)
    print(f"icalendar: read in {time.perf_counter() - begun:.1f} s")
    events = calendar.walk("VEVENT")
    print(f"icalendar: {len(events):,} events")

    def peer_view(n: int) -> object:
        low = datetime.combine(week[n], datetime.min.time(), UTC) - timedelta(hours=8)
        high = low + timedelta(days=7)
        found = [one for one in events if low <= one["DTSTART"].dt < high]
        return sorted(found, key=lambda one: one["DTSTART"].dt)

    def peer_clash(n: int) -> object:
        at = START + timedelta(days=7 * n + 3)
        near = timedelta(minutes=30)
        return [
            one for one in events if abs(one["DTSTART"].dt - at) <= near and "bot:-1" in str(one["LOCATION"])
        ]

    theirs = shown("icalendar: walk and filter a week", plain(repeats, peer_view))
    theirs_clash = shown(
        "icalendar: walk and filter neighbours (no near-duplicates)", plain(repeats, peer_clash)
    )
    table = pd.DataFrame(
        {
            "at": times,
            "channel": [channels[n % 4] for n in range(entries)],
            "text": [text(n) for n in range(entries)],
        }
    )

    def pandas_view(n: int) -> object:
        low = datetime.combine(week[n], datetime.min.time(), UTC) - timedelta(hours=8)
        chosen = table[(table["at"] >= low) & (table["at"] < low + timedelta(days=7))].sort_values("at")
        return chosen.to_dict("records")

    frame = shown("pandas, all in memory: filter, sort, give records of a week", plain(repeats, pandas_view))
    print(
        f"\nratios of processor time (peer / ours): view of a week: icalendar {theirs / one:.1f}, pandas {frame / one:.2f}; ",
        end="",
    )
    print(f"clash check: icalendar {theirs_clash / clash:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    anyio.run(main, options.entries, options.repeats)
