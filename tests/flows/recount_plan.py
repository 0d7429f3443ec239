"""How the goals stand and what the diagnosis says, counted again in plain Python from the raw interactions.

`counted` is `recount.Recount`; nothing of the SDK's metrics, goals or diagnosis counts here. Of the diagnosis only its
rules are taken as they are: which readings there are, and from where on they speak.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import linear_regression, stdev
from typing import Any

DAY = timedelta(days=1)
SPEECH = {"message", "comment", "question", "answer"}
QUANTILE = 1.2815515655446004
"""Of the normal distribution at 0.9: four fifths lie between it and its negative."""
STATUS = {"on_pace": "按计划推进", "behind": "落后于计划", "reached": "已达成"}


def close(one: float | None, other: float | None) -> bool:
    """Whether two numbers are the same but for rounding."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


# -- goals


def stands(goal: Any, counted: Any, today: date) -> dict[str, Any]:
    """Judge a goal on a count of members (a stock) or of a day's active ones (no stock)."""
    values = {"members.total": counted.total, "active_members.dau": counted.within(1)}[goal.metric]
    last = min(today - DAY, goal.due)
    days = [day for day in counted.days if goal.start <= day <= last]
    series = [float(values[day]) for day in days]
    target = goal.target * series[0] if goal.relative else goal.target
    value, size = series[-1], len(series)
    gone = min(1.0, (days[-1] - goal.start).days / (goal.due - goal.start).days)
    way = (target - series[0]) * gone
    found: dict[str, Any] = {
        "target": target,
        "value": value,
        "expected": series[0] + way,
        "pace": (value - series[0]) / way if way else None,
        "gap": max(0.0, target - value),
        "forecast": None,
        "low": None,
        "high": None,
    }
    ahead = (goal.due - days[-1]).days
    if size >= 8 and ahead > 0:
        if goal.metric == "members.total":  # a random walk with drift
            steps = [after - before for before, after in pairwise(series)]
            middle = value + ahead * (value - series[0]) / len(steps)
            error = stdev(steps) * math.sqrt(ahead * (1 + ahead / len(steps)))
        else:  # the least-squares line, and a new value on it
            slope, intercept = linear_regression(range(size), series)
            rest = sum((one - intercept - slope * at) ** 2 for at, one in enumerate(series))
            centre = (size - 1) / 2
            spread = sum((at - centre) ** 2 for at in range(size))
            far = size - 1 + ahead
            middle = intercept + slope * far
            error = math.sqrt(rest / (size - 2) * (1 + 1 / size + (far - centre) ** 2 / spread))
        found |= {"forecast": middle, "low": middle - QUANTILE * error, "high": middle + QUANTILE * error}
    left = (goal.due - today).days
    found["per_day_needed"] = found["gap"] / left if found["gap"] and left > 0 else None
    recent = series[-28:]
    found["per_day_now"] = (recent[-1] - recent[0]) / (len(recent) - 1) if len(recent) > 1 else None
    found["status"] = _status(found, over=today > goal.due)
    return found


def _status(found: dict[str, Any], *, over: bool) -> str:
    if found["value"] >= found["target"]:
        return "reached"
    if over:
        return "missed"
    if found["forecast"] is None:
        return "unknown" if found["pace"] is None else "on_track" if found["pace"] >= 1 else "unsure"
    if found["low"] >= found["target"]:
        return "on_track"
    return "behind" if found["high"] < found["target"] else "unsure"


def check_goals(reports: Sequence[Any], counted: Any, today: date, text: str) -> int:
    """Set what the goals' room and the report's table say against the rows; gives how many numbers agree."""
    table = {
        cells[0]: cells[1:]
        for cells in (
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in text.partition("## 目标达成")[2].partition("\n## ")[0].splitlines()
            if line.startswith("|")
        )
    }
    assert len(table) == len(reports) + 2  # and head and rule
    compared = 0
    for one in reports:
        mine = stands(one.goal, counted, today)
        assert one.progress.status == mine["status"], one.goal.name
        for name in ("value", "expected", "pace", "forecast", "low", "high"):
            assert close(getattr(one.progress, name), mine[name]), (one.goal.name, name)
        for name in ("target", "gap", "per_day_needed", "per_day_now"):
            assert close(getattr(one, name), mine[name]), (one.goal.name, name)
        compared += sum(value is not None for value in mine.values())
        target, value, due, status = table[one.goal.title]
        assert [float(cell.replace(",", "")) for cell in (target, value)] == [mine["target"], mine["value"]]
        assert due == f"{one.goal.due.year}年{one.goal.due.month}月{one.goal.due.day}日"
        ahead = mine["value"] >= round(mine["expected"], 2)
        way = "reached" if mine["value"] >= mine["target"] else "on_pace" if ahead else "behind"
        assert status == STATUS[way], one.goal.name
        compared += 2
    return compared


# -- diagnosis

Parts = list[tuple[float, float]]
"""Numerators and denominators of complete weeks."""


class Readings:
    """What the signals of the rules read in the days up to the last one with data."""

    def __init__(self, counted: Any, everything: Sequence[Any], today: date, *, length: int = 56) -> None:
        self.counted = counted
        self.rows = [row for row in everything if not row.retracted]
        self.first, self.last = min(row.day for row in everything), max(row.day for row in everything)
        self.start = self.last - (length - 1) * DAY
        self.today = today
        self.days = [day for day in counted.days if self.start <= day <= self.last]
        self.flagged: dict[str, set[int]] = {
            flag: {row.content for row in self.rows if row.kind == "moderation" and getattr(row, flag)}
            - {None}
            for flag in ("spam", "negative")
        }

    def all(self) -> dict[str, float | None]:
        """Give each reading by the name that evidence has."""
        engagement = self._weekly(self._engagement())
        spam, negative = self._weekly(self._flags("spam")), self._weekly(self._flags("negative"))
        held, others = self._contributions()
        return {
            "active_members.mau / members.total": self._reached(),
            "active_members.stickiness": self._sticky(),
            "change of active_members.wau": self._change(self._whole(self.counted.within(7), 6)),
            "retention.weekly": self._kept(),
            "change of active_members.dormant": self._change(self._dormant()),
            "contributors.top_share": held,
            **others,
            "atmosphere.spam_share": _ratio(spam),
            "change of atmosphere.spam_share": self._ratio_change(spam),
            "atmosphere.negative_share": _ratio(negative),
            "change of atmosphere.negative_share": self._ratio_change(negative),
            "response.unanswered": _ratio(self._weekly(self._unanswered())),
            "change of content.engagement": self._ratio_change(engagement),
        }

    def _whole(self, values: dict[date, int], back: int) -> Parts:
        """Give values of days that are over, whose window does not reach before the first data."""
        return [
            (float(values[day]), 1.0)
            for day in self.days
            if day < self.today and day - back * DAY >= self.first
        ]

    def _weekly(self, parts: dict[date, tuple[float, float]]) -> Parts:
        """Give the weeks that are over and lie within the range; those without a denominator have no value."""
        kept = [
            parts[week]
            for week in sorted(parts)
            if self.start <= week and week + 6 * DAY <= self.last and week + 6 * DAY < self.today
        ]
        return [(above, below) for above, below in kept if below]

    def _change(self, parts: Parts) -> float | None:
        half = len(parts) // 2
        before, after = sum(one for one, _ in parts[:half]), sum(one for one, _ in parts[len(parts) - half :])
        return None if half < 2 or not before else after / before - 1

    def _ratio_change(self, parts: Parts) -> float | None:
        half = len(parts) // 2
        before, after = _ratio(parts[:half]), _ratio(parts[len(parts) - half :])
        return None if half < 2 or not before or after is None else after / before - 1

    def _reached(self) -> float | None:
        monthly = self.counted.within(28)
        whole = self._whole(monthly, 27) or [(float(monthly[day]), 1.0) for day in self.days]
        total = self._whole(self.counted.total, 0)
        return whole[-1][0] / total[-1][0] if total and total[-1][0] else None

    def _sticky(self) -> float | None:
        daily, monthly = self.counted.within(1), self.counted.within(28)
        whole = [day for day in self.days if day < self.today and day - 27 * DAY >= self.first]
        chosen = [day for day in whole or self.days if monthly[day]]
        return _ratio([(float(daily[day]), float(monthly[day])) for day in chosen])

    def _kept(self) -> float | None:
        """Of those who came in a week of the range, the share active in the week after, once that is over."""
        monday = self.start - self.start.weekday() * DAY
        return _ratio(
            [
                (float(stayed), float(size))
                for (cohort, period), (stayed, size) in self.counted.retention().items()
                if period == 1
                and monday <= cohort
                and cohort + 13 * DAY <= self.last
                and cohort + 13 * DAY < self.today
            ]
        )

    def _dormant(self) -> Parts:
        weeks: dict[date, set[int]] = defaultdict(set)
        for day, persons in self.counted.active.items():
            weeks[day - day.weekday() * DAY] |= persons
        monday = self.start - self.start.weekday() * DAY
        found: dict[date, tuple[float, float]] = {}
        for week in (monday + 7 * number * DAY for number in range(9)):
            if week <= self.last and week + 6 * DAY >= self.first:
                gone = weeks.get(week - 7 * DAY, set()) - weeks.get(week, set())
                found[week] = float(len(gone)), 1.0
        return self._weekly(found)

    def _contributions(self) -> tuple[float | None, dict[str, float | None]]:
        by_person = Counter(
            row.person
            for row in self.counted.kept
            if row.person is not None
            and row.kind in SPEECH | {"share"}
            and self.start <= row.day <= self.last
        )
        sizes = sorted(by_person.values(), reverse=True)
        names = "contributors.gini", "contributors.absence_factor"
        if not sizes:
            return None, dict.fromkeys(names)
        total, count = sum(sizes), len(sizes)
        apart = sum(abs(one - other) for one in sizes for other in sizes)
        held, fewest = 0, 0
        while held * 2 < total:
            held += sizes[fewest]
            fewest += 1
        gini = apart / (2 * count * total)  # half the mean difference over the mean
        return sum(sizes[: max(1, round(count / 10))]) / total, dict(
            zip(names, (gini, float(fewest)), strict=True)
        )

    def _flags(self, flag: str) -> dict[date, tuple[float, float]]:
        found: dict[date, tuple[float, float]] = {}
        for row in self.rows:
            if row.bot or row.kind not in SPEECH or not self.start <= row.day <= self.last:
                continue
            if flag == "negative" and (row.spam or row.content in self.flagged["spam"]):
                continue
            week = row.day - row.day.weekday() * DAY
            above, below = found.get(week, (0.0, 0.0))
            said = getattr(row, flag) or row.content in self.flagged[flag]
            found[week] = above + said, below + 1
        return found

    def _unanswered(self) -> dict[date, tuple[float, float]]:
        asked: dict[int, list[Any]] = defaultdict(list)
        replies: dict[int, list[Any]] = defaultdict(list)
        for row in self.counted.kept:
            if row.person is None or row.kind not in SPEECH:
                continue
            if row.parent is not None:
                replies[row.parent].append(row)
            if row.question and row.kind != "answer" and row.content is not None:
                asked[row.content].append(row)
        found: dict[date, tuple[float, float]] = {}
        for content, rows in asked.items():
            question = min(rows, key=lambda row: row.ts)
            if not self.start <= question.day <= self.last:
                continue
            met = any(one.person != question.person and one.ts >= question.ts for one in replies[content])
            week = question.day - question.day.weekday() * DAY
            above, below = found.get(week, (0.0, 0.0))
            found[week] = above + (not met), below + 1
        return found

    def _engagement(self) -> dict[date, tuple[float, float]]:
        return {week: (above, float(below)) for week, (above, below) in self.counted.engagement().items()}


def _ratio(parts: Parts) -> float | None:
    below = sum(one for _, one in parts)
    return sum(one for one, _ in parts) / below if below else None


def loud(rules: Sequence[Any]) -> tuple[Any, ...]:
    """Give the rules so that each speaks, whatever it reads: then all readings come out as evidence."""
    return tuple(
        rule.model_copy(
            update={
                "signals": tuple(
                    one.model_copy(update={"worse": "above", "threshold": -math.inf}) for one in rule.signals
                )
            }
        )
        for rule in rules
    )


def check_readings(findings: Sequence[Any], readings: Readings) -> int:
    """Set the evidence of `loud` rules against the rows; gives how many numbers agree."""
    said = {one.what: one.value for finding in findings for one in finding.evidence}
    mine = {name: value for name, value in readings.all().items() if value is not None and name in said}
    for name, value in said.items():
        assert close(value, mine.get(name)), (name, value, mine.get(name))
    return len(mine)


def check_findings(findings: Sequence[Any], rules: Sequence[Any], readings: Readings, text: str) -> int:
    """Set what the diagnosis and the report's findings say against the rows; gives how many numbers agree.

    Args:
        findings: of the diagnosis.
        rules: by which it judges.
        readings: counted from the rows.
        text: of the report, in Markdown.
    """
    mine = readings.all()
    said = {one.rule: one for one in findings}
    section = text.partition("## 诊断与建议")[2].partition("\n## ")[0].replace("\\", "")
    shown = dict(re.findall(r"^\*\*(.+)\*\* \(置信度 ([0-9.]+)%\)$", section, re.MULTILINE))
    compared = 0
    for rule in rules:
        read = [(mine.get(_name(one)), one) for one in rule.signals]
        speaks = [
            None
            if value is None
            else value > one.threshold
            if one.worse == "above"
            else value < one.threshold
            for value, one in read
        ]
        assert (rule.name in said) == bool(speaks[0]), (rule.name, read[0][0])
        if not speaks[0]:
            assert rule.zh not in shown, rule.name
            continue
        finding = said[rule.name]
        evidence = {one.what: one for one in finding.evidence}
        assert set(evidence) == {_name(one) for value, one in read if value is not None}, rule.name
        for (value, one), speaking in zip(read, speaks, strict=True):
            if value is None:
                continue
            piece = evidence[_name(one)]
            assert close(piece.value, value), (rule.name, piece.what, piece.value, value)
            assert piece.speaks == speaking, (rule.name, piece.what)
            compared += 1
            sign = ">" if one.worse == "above" else "<"
            what = re.sub(r"^change of (.*)", r"\1 的变化", piece.what)
            line = f"{what} = {value:.3g} ({sign} {one.threshold:g})"
            assert (line in section) == speaking, line
        others = [each for each in speaks[1:] if each is not None]
        sure = 0.5 + (0.4 * sum(others) / len(others) if others else 0.0)
        sure *= (1 + len(others)) / len(read)
        assert abs(finding.confidence - sure) <= 5e-4
        assert abs(float(shown.pop(rule.zh)) - 100 * sure) <= 0.1
        compared += 2
    assert not shown, "a finding that no rule gives"
    return compared


def _name(signal: Any) -> str:
    name = str(signal.metric or signal.fact)
    name = f"change of {name}" if signal.read == "change" else name
    return f"{name} / {signal.per}" if signal.per else name
