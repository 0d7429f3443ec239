"""Every number that a report's text shows, set against a count of the raw interactions.

`counted` is `recount.Recount`. A table that nobody counts again fails the check, and so does a first number.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

DAY = timedelta(days=1)
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
Table = list[list[str]]


def tables(text: str) -> dict[str, Table]:
    """Give the tables by the heading above them, cells without escapes, first row the head."""
    found: dict[str, Table] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.replace("\\", "").strip("|").split("|")]
            if not all(set(cell) <= set("-: ") for cell in cells) or not any(cells):
                found.setdefault(heading, []).append(cells)
    return found


def plain(cell: str) -> str:
    """Take away the mark of what is not over, and the commas of thousands."""
    return cell.replace("(未完整)", "").replace(",", "").strip()


def check_text(
    home: Path, text: str, counted: Any, everything: Sequence[Any], names: Mapping[int, str]
) -> int:
    """Set first numbers, tables and notes against the rows; gives how many numbers agree.

    Args:
        home: of the rehearsal, for the ledger's rows.
        text: of the report, in Markdown.
        counted: from all that was heard.
        everything: that was heard, what was taken back too.
        names: how a person is called.
    """
    states = _states(home)
    compared = _cards(text, counted, states) + _notes(text, everything, counted.heatmap())
    found = tables(text)
    windows = [counted.within(length) for length in (1, 7, 28)]
    heat = counted.heatmap()
    weekly = {day: dict[int, tuple[int, int]]() for day, _ in counted.retention()}
    for (cohort, period), value in counted.retention().items():
        weekly[cohort][period] = value
    expected: dict[str, dict[str, Sequence[object]]] = {
        "成员总数": {str(day): (counted.total[day],) for day in counted.days},
        "新增成员 / 退出成员": {str(day): (counted.joined[day], counted.left[day]) for day in counted.days},
        "活跃成员": {str(day): tuple(window[day] for window in windows) for day in counted.days},
        "活跃时段": {
            name: tuple(heat[24 * number + hour] for hour in range(24))
            for number, name in enumerate(WEEKDAYS)
        },
        "成员留存": {
            str(cohort): tuple(f"{100 * stayed / size:.1f}%" for _, (stayed, size) in sorted(periods.items()))
            for cohort, periods in weekly.items()
        },
        "内容互动": {
            str(week): (below, above, round(above / below, 2))
            for week, (above, below) in counted.engagement().items()
        },
        "意见领袖": {
            str(rank): (names[person], f"{score:.4f}", others, attention, shares)
            for rank, (person, others, attention, shares, score) in enumerate(counted.leaders(top=10), 1)
        },
        "投递结果": {
            "Σ": tuple(states.get(state, 0) for state in ("landed", "refused", "unknown", "planned"))
        },
    }
    for heading, wanted in expected.items():
        rows = found.pop(heading)[1:]
        assert rows, heading
        for row in rows:
            key, *said = (plain(cell) for cell in row)
            mine = [_shown(value) for value in wanted[key]]
            assert [cell for cell in said if cell] == mine, (heading, key)
            compared += len(mine)
    assert set(found) == {"目标达成", "指标定义"}, "a table that nobody recounts"
    return compared


def _shown(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _states(home: Path) -> dict[str, int]:
    ledger = sqlite3.connect(home / "store.db")
    try:
        return dict(
            ledger.execute(
                "select case when state = 'refused' and batch like 'journey/%/direct' "
                "and error_type in ('TargetNotFound', 'PermissionDenied') then 'untaken' else state end, count(*) "
                "from delivery group by 1"
            ).fetchall()
        )
    finally:
        ledger.close()


def _cards(text: str, counted: Any, states: dict[str, int]) -> int:
    """Set the first numbers against the rows, and deliveries against the ledger's rows."""
    said = {
        name.replace("\\", "").strip(): value.replace(",", "")
        for name, value in re.findall(r"^- ([^:\n]+): \*\*([^*]+)\*\*", text, re.MULTILINE)
    }
    days = counted.days
    whole = days[:-1]  # the last day is not over
    dau, mau = counted.within(1), counted.within(28)
    monthly = [day for day in whole if day - 27 * DAY >= days[0]]
    gained, lost = sum(counted.joined.values()), sum(counted.left.values())
    before = counted.total[days[-1]] - gained + lost
    wanted = {
        "成员总数": str(counted.total[whole[-1]]),
        "新增成员": str(gained),
        "退出成员": str(lost),
        "日均活跃成员": f"{sum(dau[day] for day in whole) / len(whole):.1f}",
        "月活跃 (MAU)": str(mau[monthly[-1] if monthly else days[-1]]),
        "粘性 (DAU/MAU)": f"{100 * sum(dau[d] for d in monthly) / sum(mau[d] for d in monthly):.1f}%"
        if monthly
        else "未上报",
    }
    if before > 0 and before * 50 >= gained:
        wanted["净增长率"] = f"{100 * (gained - lost) / before:.1f}%"
    for name, state in (("已送达", "landed"), ("被拒绝", "refused"), ("结果未知", "unknown")):
        wanted[f"内容投递 · {name}"] = str(states.get(state, 0))
    if states.get("untaken"):
        wanted["内容投递 · 私信未能送达"] = str(states["untaken"])
    assert said == wanted
    return len(wanted)


def _notes(text: str, everything: Sequence[Any], heat: Mapping[int, int]) -> int:
    """Set the share that came late, and the hour that the report recommends, against the rows."""
    late = sum(row.arrived - row.ts > DAY for row in everything) / len(everything)
    (share,) = re.findall(r"([0-9.]+)% 的事件迟到一天以上", text) or ("0.0",)
    assert share == f"{100 * late:.1f}"
    ((weekday, hour),) = re.findall(r"成员最活跃的时段是 (周.) ([0-9]{2}):00", text)
    best = 24 * WEEKDAYS.index(weekday) + int(hour)
    assert best == max(range(168), key=lambda one: (heat[one], -one))
    return 2
