"""Every number of a rehearsal's report, counted again in plain Python from the raw interactions.

Nothing of the SDK counts here: rows come out of the event store as they were heard, one rule after the other is applied
as docs/metrics.md says it, and what stands in the report's files is set against that.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

PASSIVE = {"join", "leave", "retract", "channel_moved", "role_changed", "moderation", "join_request", "other"}
SPEECH = {"message", "comment", "question", "answer"}
DAY = timedelta(days=1)


class Row(NamedTuple):
    """One interaction as it was heard."""

    person: int | None
    kind: str
    ts: Any
    day: date
    hour: int
    target: int | None
    """Person it is addressed to."""
    spam: bool
    retracted: bool
    bot: bool
    target_bot: bool
    content: int | None
    parent: int | None
    member: int | None
    value: float | None
    negative: bool
    question: bool
    arrived: Any


QUERY = (
    "select e.person_no, e.kind, e.ts, e.local_day, e.local_hour, t.person_no, e.is_spam, e.is_retracted, e.is_bot, "
    "coalesce(t.is_bot, false), e.content_no, e.parent_no, e.member_no, e.value, "
    "e.is_negative, e.is_question, e.ingested_at "
    "from events as e left join members as t on t.member_no = e.target_no "
    "where e.community_no = (select community_no from communities where name = '{community}') order by e.ts"
)
MEMBERS = "select person_no, platform || ':' || native_id, name from members"


def monday(day: date) -> date:
    """Give the first day of an ISO week."""
    return day - timedelta(days=day.weekday())


class Recount:
    """Counts rows over days."""

    def __init__(self, rows: list[Row], start: date, length: int) -> None:
        self.rows = [row for row in rows if not row.retracted]
        self.kept = [row for row in self.rows if not row.bot and not row.spam]
        self.days = [start + number * DAY for number in range(length)]
        self.acts = [row for row in self.kept if row.person is not None and row.kind not in PASSIVE]
        self.active: dict[date, set[int]] = defaultdict(set)
        for row in self.acts:
            self.active[row.day].add(row.person)
        self._move()

    def _move(self) -> None:
        """Find out who came and went; who acts before joining is there, and who is only addressed is known."""
        moves: list[tuple[Any, int, int, date]] = []
        addressed: list[tuple[Any, int, int, date]] = []
        seen: set[int] = set()
        named: set[int] = set()
        for row in self.rows:
            if row.bot:
                continue
            if row.person is not None and not row.spam:
                if row.kind in {"join", "follow"}:
                    moves.append((row.ts, 1, row.person, row.day))
                elif row.kind in {"leave", "unfollow"}:
                    moves.append((row.ts, 2, row.person, row.day))
                elif row.kind not in {"moderation", "join_request", "retract"} and row.person not in seen:
                    seen.add(row.person)
                    moves.append((row.ts, 0, row.person, row.day))
            if (
                row.target is not None
                and not row.target_bot
                and row.kind != "retract"
                and row.target not in named
            ):
                named.add(row.target)
                addressed.append((row.ts, -1, row.target, row.day))
        self.joined, self.left, _ = self._walk(moves)
        _, _, self.total = self._walk(moves + addressed)

    def _walk(self, moves: list[tuple[Any, int, int, date]]) -> tuple[Any, Any, dict[date, int]]:
        by_day: dict[date, list[tuple[int, int]]] = defaultdict(list)
        for _, turn, person, day in sorted(moves, key=lambda move: (move[0], move[1])):
            by_day[day].append((turn, person))
        present: set[int] = set()
        ever: set[int] = set()
        joined, left, total = Counter[date](), Counter[date](), dict[date, int]()
        for day in self.days:
            for turn, person in by_day.get(day, ()):
                if turn < 2 and person not in present and (turn >= 0 or person not in ever):
                    present.add(person)
                    joined[day] += 1
                elif turn == 2 and (person in present or person not in ever):
                    present.discard(person)
                    left[day] += 1
                ever.add(person)
            total[day] = len(present)
        return joined, left, total

    def within(self, length: int) -> dict[date, int]:
        """Count distinct active persons over the days that end with each day."""
        return {
            day: len(set().union(*(self.active.get(day - back * DAY, set()) for back in range(length))))
            for day in self.days
        }

    def heatmap(self) -> Counter[int]:
        """Count acts by hour of the week, Monday 00 first."""
        return Counter(row.day.weekday() * 24 + row.hour for row in self.acts)

    def retention(self) -> dict[tuple[date, int], tuple[int, int]]:
        """Of those first seen in a week, how many did something so many weeks later."""
        first: dict[int, date] = {}
        for row in self.kept:
            if row.person is not None and (row.kind not in PASSIVE or row.kind in {"join", "follow"}):
                first[row.person] = min(row.day, first.get(row.person, row.day))
        cohorts: dict[date, set[int]] = defaultdict(set)
        for person, day in first.items():
            cohorts[monday(day)].add(person)
        weeks: dict[date, set[int]] = defaultdict(set)
        for day, persons in self.active.items():
            weeks[monday(day)] |= persons
        found: dict[tuple[date, int], tuple[int, int]] = {}
        for cohort, persons in cohorts.items():
            period = 0
            while (week := cohort + 7 * period * DAY) <= self.days[-1]:
                found[cohort, period] = len(persons & weeks[week]), len(persons)
                period += 1
        return found

    def engagement(self) -> dict[date, tuple[float, int]]:
        """Give, by week, interactions with the messages that answer nothing, and how many such messages there were."""
        posts: dict[int, date] = {}
        for row in self.rows:
            if (
                row.kind in {"message", "question"}
                and row.parent is None
                and row.content is not None
                and not row.spam
            ):
                posts[row.content] = min(monday(row.day), posts.get(row.content, monday(row.day)))
        single, counter = Counter[tuple[int | None, str]](), dict[tuple[int | None, str], float]()
        for row in self.kept:
            if row.kind == "reaction":
                on, kind = row.content, "reaction"
            elif row.kind in SPEECH | {"share"} and row.parent is not None:
                on, kind = row.parent, "share" if row.kind == "share" else "comment"
            else:
                continue
            if row.member is None and row.value is not None:  # a number that the platform told, not an act
                counter[on, kind] = max(row.value, counter.get((on, kind), 0.0))
            else:
                single[on, kind] += 1
        by_post = Counter[int | None]()
        for (on, _), number in [*single.items(), *counter.items()]:
            by_post[on] += number  # type: ignore[assignment]
        found: dict[date, tuple[float, int]] = {}
        for content, week in posts.items():
            before, count = found.get(week, (0.0, 0))
            found[week] = before + by_post[content], count + 1
        return found

    def leaders(self, *, top: int = 20) -> list[tuple[int, int, float, int, float]]:
        """Rank persons by attention: person, distinct others, attention, shares, rank."""
        edges = self._edges()
        nodes = sorted({person for pair in edges for person in pair[:2]})
        weight: dict[tuple[int, int], float] = defaultdict(float)
        shares = Counter[int]()
        for (source, target, act), number in edges.items():
            weight[source, target] += {"reaction": 1.0, "share": 5.0, "aimed": 1.0}.get(act, 3.0) * number
            shares[target] += number if act == "share" else 0
        out: dict[int, float] = defaultdict(float)
        attention: dict[int, float] = defaultdict(float)
        for (source, target), value in weight.items():
            out[source] += value
            attention[target] += value
        rank = dict.fromkeys(nodes, 1 / len(nodes))
        for _ in range(200):
            lost = sum(rank[person] for person in nodes if person not in out)
            fresh = dict.fromkeys(nodes, (0.15 + 0.85 * lost) / len(nodes))
            for (source, target), value in weight.items():
                fresh[target] += 0.85 * rank[source] * value / out[source]
            moved = sum(abs(fresh[person] - rank[person]) for person in nodes)
            rank = fresh
            if moved < 1e-10:
                break
        others = Counter(target for _, target in weight)
        best = sorted(
            (person for person in nodes if others[person]), key=lambda one: (-round(rank[one], 12), one)
        )
        return [(one, others[one], attention[one], shares[one], rank[one]) for one in best[:top]]

    def _edges(self) -> Counter[tuple[int, int, str]]:
        """Count who did what to whom: an act points at the author of what it answers, or at whom it addresses."""
        authors: dict[int, int] = {}
        for row in self.kept:
            if row.kind in SPEECH | {"share"} and row.content is not None and row.person is not None:
                authors[row.content] = min(row.person, authors.get(row.content, row.person))
        edges = Counter[tuple[int, int, str]]()
        for row in self.kept:
            if row.person is None or row.kind not in SPEECH | {"reaction", "share", "mention"}:
                continue
            author = authors.get((row.content if row.kind == "reaction" else row.parent) or -1)
            if author is not None:
                if row.kind != "mention" and author != row.person:
                    edges[row.person, author, row.kind] += 1
            elif row.target is not None and not row.target_bot and row.target != row.person:
                edges[row.person, row.target, "aimed"] += 1
        return edges


def table(home: Path, name: str) -> list[dict[str, str]]:
    """Read what the report says of a metric."""
    with (home / "reports" / f"{name}.csv").open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def check(home: Path, counted: Recount, refs: dict[str, int]) -> int:
    """Set the report's CSV files against the rows; gives how many numbers agree.

    Args:
        home: of the rehearsal.
        counted: from all that was heard.
        refs: the person of each identity, `platform:native-id`.
    """
    compared = 0
    expected: dict[str, Any] = {
        "active_members.dau": counted.within(1),
        "active_members.wau": counted.within(7),
        "active_members.mau": counted.within(28),
        "members.joined": counted.joined,
        "members.left": counted.left,
        "members.total": counted.total,
        "activity.heatmap": counted.heatmap(),
    }
    for name, values in expected.items():
        said = {row["bucket"]: float(row["value"]) for row in table(home, name) if row["value"]}
        compared += len(said)
        wanted = {str(key): float(value) for key, value in values.items() if value}
        assert {key: value for key, value in said.items() if value} == wanted, name
    triangle = {
        (date.fromisoformat(row["bucket"]), int(row["period"])): (
            int(row["numerator"]),
            int(row["denominator"]),
        )
        for row in table(home, "retention.weekly")
    }
    assert triangle == counted.retention()
    engagement = {
        date.fromisoformat(row["bucket"]): (float(row["numerator"]), int(row["denominator"]))
        for row in table(home, "content.engagement")
    }
    assert engagement == counted.engagement()
    ratios = table(home, "retention.weekly") + table(home, "content.engagement")
    for row in ratios:
        assert float(row["value"]) == float(row["numerator"]) / float(row["denominator"])
    said = [
        (refs[row["member"]], int(row["supporters"]), float(row["attention"]), int(row["shares"]))
        for row in table(home, "kol.pagerank")
    ]
    leaders = counted.leaders()
    assert sorted(said) == sorted(one[:4] for one in leaders)
    for row, one in zip(table(home, "kol.pagerank"), leaders, strict=True):
        assert abs(float(row["value"]) - one[4]) < 1e-8
    known = {*expected, "retention.weekly", "content.engagement", "kol.pagerank"}
    assert {path.stem for path in (home / "reports").glob("*.csv")} == known, "a metric that nobody recounts"
    return compared + 3 * len(ratios) + 5 * len(said)
