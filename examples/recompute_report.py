"""Every number of a report, worked out again from the raw lines in plain Python.

    python examples/recompute_report.py                      # the sample beside this file
    python examples/recompute_report.py collegemsg.txt       # the whole data set, or any file of `source target time`

Nothing of shequn-sdk is used for the counting: only the standard library, one rule after the other as docs/metrics.md
says them. At the end the report's numbers are set against these, all of them.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from shequn_sdk import Shequn

ZONE = "America/Los_Angeles"
SAMPLE = Path(__file__).with_name("data") / "collegemsg-head.txt"
DAY = timedelta(days=1)


class Counted:
    """What the lines say."""

    def __init__(self, path: Path) -> None:
        zone = ZoneInfo(ZONE)
        self.acts: list[tuple[datetime, str, str]] = []
        for line in path.read_text().splitlines()[1:]:
            source, target, at = line.split()
            self.acts.append((datetime.fromtimestamp(int(at), zone), source, target))
        self.active: dict[date, set[str]] = defaultdict(set)  # who sent something on a local day
        self.known: dict[str, date] = {}  # day on which a name occurs first, on either side
        self.joined: dict[str, date] = {}  # day on which a member acts first
        for when, source, target in sorted(self.acts, key=lambda act: act[0]):
            self.active[when.date()].add(source)
            self.joined.setdefault(source, when.date())
            self.known.setdefault(source, when.date())
            self.known.setdefault(target, when.date())
        self.first, self.last = min(self.active), max(self.active)
        self.days = [self.first + n * DAY for n in range((self.last - self.first).days + 1)]

    def members_total(self) -> dict[str, float]:
        return {str(day): sum(1 for first in self.known.values() if first <= day) for day in self.days}

    def members_joined(self) -> dict[str, float]:
        per_day = Counter(self.joined.values())
        return {str(day): per_day[day] for day in self.days}

    def active_in(self, days: int) -> dict[str, float]:
        """Distinct persons over the days that end with each day."""
        return {
            str(day): len(set().union(*(self.active.get(day - n * DAY, set()) for n in range(days))))
            for day in self.days
        }

    def heatmap(self) -> dict[str, float]:
        cells = Counter(when.weekday() * 24 + when.hour for when, _, _ in self.acts)
        return {str(cell): cells[cell] for cell in range(168)}

    def retention(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Of those first seen in a week, how many sent something k weeks later; weeks start on Monday."""

        def week(day: date) -> date:
            return day - timedelta(days=day.weekday())

        cohorts: dict[date, set[str]] = defaultdict(set)
        for member, first in self.joined.items():
            cohorts[week(first)].add(member)
        weeks: dict[date, set[str]] = defaultdict(set)
        for day, members in self.active.items():
            weeks[week(day)] |= members
        found: dict[tuple[str, int], tuple[int, int]] = {}
        for cohort, members in cohorts.items():
            k = 0
            while cohort + 7 * k * DAY <= self.last:
                found[str(cohort), k] = len(members & weeks[cohort + 7 * k * DAY]), len(members)
                k += 1
        return found

    def pagerank(self, *, top: int = 20) -> list[tuple[str, float, int, float]]:
        """Rank members by attention: (id, rank, distinct others, messages received)."""
        weight: Counter[tuple[str, str]] = Counter((s, t) for _, s, t in self.acts if s != t)
        nodes = sorted({name for pair in weight for name in pair})
        out: Counter[str] = Counter()
        for (source, _), count in weight.items():
            out[source] += count
        rank = dict.fromkeys(nodes, 1 / len(nodes))
        for _ in range(200):
            lost = sum(rank[name] for name in nodes if name not in out)
            fresh = dict.fromkeys(nodes, (0.15 + 0.85 * lost) / len(nodes))
            for (source, target), count in weight.items():
                fresh[target] += 0.85 * rank[source] * count / out[source]
            moved = sum(abs(fresh[name] - rank[name]) for name in nodes)
            rank = fresh
            if moved < 1e-10:
                break
        supporters = Counter(target for _, target in weight)
        received: Counter[str] = Counter()
        for (_, target), count in weight.items():
            received[target] += count
        best = sorted(nodes, key=lambda name: -rank[name])[:top]
        return [(name, rank[name], supporters[name], float(received[name])) for name in best]


def check(name: str, found: Any, wanted: Any) -> int:
    """Compare, and give how many numbers were compared."""
    if found != wanted:
        raise SystemExit(f"{name} differs: the report says {found!r:.200}, the lines say {wanted!r:.200}")
    size = len(wanted) if isinstance(wanted, (dict, list)) else 1
    print(f"{name}: {size} numbers agree")
    return size


def near(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
    counted = Counted(path)
    with tempfile.TemporaryDirectory() as folder, Shequn.open(home=folder) as sq:
        added = sq.import_history(path, format="edges", community="college", zone=ZONE).added
        report = sq.report(community="college", language="en")
    points = {result.metric: result.points for result in report.results}
    by_bucket = {name: {point.bucket: point.value for point in found} for name, found in points.items()}

    total = check("lines", added, len(counted.acts))
    members, joined = counted.members_total(), counted.members_joined()
    dau, wau, mau = (counted.active_in(days) for days in (1, 7, 28))
    total += check("members.total", by_bucket.pop("members.total"), members)
    total += check("members.joined", by_bucket.pop("members.joined"), joined)
    for name, wanted in (("dau", dau), ("wau", wau), ("mau", mau)):
        total += check(f"active_members.{name}", by_bucket.pop(f"active_members.{name}"), wanted)
    total += check("activity.heatmap", by_bucket.pop("activity.heatmap"), counted.heatmap())

    triangle = {
        (point.bucket, int(str(point.dims["period"]))): (point.numerator, point.denominator)
        for point in points["retention.weekly"]
    }
    del by_bucket["retention.weekly"]
    total += check("retention.weekly", triangle, counted.retention())

    leaders = [
        (str(p.dims["member"]).partition(":")[2], near(p.value), p.dims["supporters"], p.dims["attention"])
        for p in points["kol.pagerank"]
    ]
    del by_bucket["kol.pagerank"]
    wanted_leaders = [(name, near(rank), others, got) for name, rank, others, got in counted.pagerank()]
    total += check("kol.pagerank", sorted(leaders), sorted(wanted_leaders))

    # a log of messages says nothing of leaving, nor of reactions: not reported, which is not 0
    for name, found in by_bucket.items():
        total += check(f"{name} (not reported)", found, dict.fromkeys(found))

    last = str(counted.last)
    new, size = sum(joined.values()), members[last]
    # a trailing window that reaches before the first line is partial and left out of stickiness
    whole = [str(day) for day in counted.days if day - 27 * DAY >= counted.first]
    cards = {
        "Members": size,
        "Joined": new,
        "Left": None,
        "Net growth": near(new / (size - new)),
        "Mean daily active": round(sum(dau.values()) / len(dau), 1),
        "Monthly active (MAU)": mau[last],
        "Stickiness (DAU/MAU)": near(sum(dau[day] for day in whole) / sum(mau[day] for day in whole)) if whole else None,
    }  # fmt: skip
    shown = {card.label: near(card.value) for card in report.sections[0].cards}
    total += check("summary", shown, {name: near(value) for name, value in cards.items()})
    print(f"all {total} numbers of the report agree with {len(counted.acts)} lines")


if __name__ == "__main__":
    main()
