"""A chart's data as a table: what readers without pictures or scripts get."""

from __future__ import annotations

from shequn_sdk.reports.model import Cell, Chart, ChartKind, Column, GoalLine, Language, Mark, Table
from shequn_sdk.reports.words import WEEKDAYS, number, word

__all__ = ["chart_table", "goal_status"]


def goal_status(goal: GoalLine) -> str:
    """Give the word that says how a goal stands."""
    if goal.value is None:
        return "not_reported"
    if goal.reached:
        return "reached"
    if goal.expected is None:
        return "open"
    ahead = goal.value <= goal.expected if goal.at_most else goal.value >= goal.expected
    return "on_pace" if ahead else "behind"


def chart_table(chart: Chart, language: Language) -> Table:
    """Put a chart's marks into rows; partial values carry a mark, missing ones stay missing."""
    if chart.kind is ChartKind.HEATMAP:
        return _heatmap(chart, language)
    if chart.kind is ChartKind.MATRIX:
        keys = sorted({int(mark.x) for mark in chart.marks})
        heads = tuple(word("week_n", language, n=key) for key in keys)
        grid = {(mark.y, int(mark.x)): mark for mark in chart.marks}
        rows = tuple(
            (y, *(_shown(grid.get((y, key)), chart, language) for key in keys))
            for y in sorted({mark.y for mark in chart.marks})
        )
        return _table((word("cohort", language), *heads), rows)
    series = tuple(dict.fromkeys(mark.series for mark in chart.marks))
    by = {(mark.x, mark.series): mark for mark in chart.marks}
    first = word("rank" if chart.kind is ChartKind.RANKING else "day_word", language)
    heads = tuple(name or chart.x_title or word("value", language) for name in series)
    rows = tuple(
        (x, *(_shown(by.get((x, name)), chart, language) for name in series))
        for x in dict.fromkeys(mark.x for mark in chart.marks)
    )
    return _table((first, *heads), rows)


def _heatmap(chart: Chart, language: Language) -> Table:
    grid = {int(mark.x): mark for mark in chart.marks}
    rows = tuple(
        (name, *(_shown(grid.get(24 * weekday + hour), chart, language) for hour in range(24)))
        for weekday, name in enumerate(WEEKDAYS[language])
    )
    return _table((word("weekday", language), *(f"{hour:02d}" for hour in range(24))), rows)


def _shown(mark: Mark | None, chart: Chart, language: Language) -> Cell:
    if mark is None:
        return ""
    value = abs(mark.value) if chart.kind is ChartKind.BARS and mark.value is not None else mark.value
    text = number(value, chart.unit, language)
    return f"{text} ({word('partial', language)})" if mark.partial else text


def _table(heads: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...]) -> Table:
    return Table(columns=tuple(Column(title=head) for head in heads), rows=rows)
