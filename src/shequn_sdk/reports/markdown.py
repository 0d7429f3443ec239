"""The report as Markdown (GitHub tables), for chats, issues and mail."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shequn_sdk.domain import Unit
from shequn_sdk.reports._text import visible
from shequn_sdk.reports.model import Cell, Chart, Column, Finding, GoalLine, Report, Section, Table
from shequn_sdk.reports.tables import chart_table, goal_status
from shequn_sdk.reports.words import day, instant, number, word

__all__ = ["escape", "render_markdown"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")
_MAX_ROWS = 40


def escape(text: str) -> str:
    """Make text stand for itself in Markdown, in a table cell too."""
    plain = _SPECIAL.sub(r"\\\1", visible(text).replace("&", "&amp;").replace("<", "&lt;"))
    # Some renderers turn addresses into links and @names into mentions; a member's name must be neither.
    plain = re.sub(r"(?i)(https?|ftp):", r"\1&#58;", plain)
    return re.sub(r"(?i)\b(www)\.", r"\1&#46;", plain).replace("@", "&#64;")


def render_markdown(report: Report, *, pictures: Mapping[str, str]) -> str:
    """Give the report as Markdown; charts are pictures where there are some, and tables otherwise."""
    language = report.language
    lines = [f"# {escape(report.title)}", ""]
    period = f"{day(report.start, language)} – {day(report.end, language)}"
    lines.append(f"- {word('period', language)}: {period} ({report.zone})")
    if report.data_as_of:
        lines.append(f"- {word('as_of', language)}: {instant(report.data_as_of, report.zone)}")
    if report.generated_at:
        lines.append(f"- {word('made', language)}: {instant(report.generated_at, report.zone)}")
    for section in report.sections:
        lines += ["", f"## {escape(section.title)}", "", *_section(section, report, pictures)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _section(section: Section, report: Report, pictures: Mapping[str, str]) -> list[str]:
    language = report.language
    lines: list[str] = []
    for text in section.text:
        lines += [escape(text), ""]
    for card in section.cards:
        value = escape(card.text) if card.text else number(card.value, card.unit, language)
        note = f" ({escape(card.note)})" if card.note else ""
        lines.append(f"- {escape(card.label)}: **{value}**{note}")
    if section.goals:
        lines += ["", *_goals(section.goals, report)]
    for finding in section.findings:
        lines += _finding(finding, report)
    for chart in section.charts:
        lines += ["", *_chart(chart, report, pictures, covered=bool(section.tables), under=section.title)]
    for table in section.tables:
        lines += ["", *([f"### {escape(table.title)}", ""] if table.title else []), *_table(table, report)]
    lines += ["", *(f"- {escape(note)}" for note in section.notes)]
    return lines


def _goals(goals: tuple[GoalLine, ...], report: Report) -> list[str]:
    language = report.language
    columns = tuple(
        Column(title=word(key, language)) for key in ("goal", "target", "actual", "due", "status")
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            goal.title,
            number(goal.target, goal.unit, language),
            number(goal.value, goal.unit, language),
            day(goal.due, language) if goal.due else "—",
            word(goal_status(goal), language),
        )
        for goal in goals
    )
    return _table(Table(columns=columns, rows=rows), report)


def _finding(finding: Finding, report: Report) -> list[str]:
    language = report.language
    sure = ""
    if finding.confidence is not None:
        share = number(finding.confidence, Unit.RATIO, language)
        sure = f" ({word('confidence', language)} {share})"
    lines = ["", f"**{escape(finding.title)}**{sure}", "", escape(finding.evidence), ""]
    return [*lines, *(f"- {escape(action)}" for action in finding.actions)]


def _chart(
    chart: Chart, report: Report, pictures: Mapping[str, str], *, covered: bool, under: str
) -> list[str]:
    lines: list[str] = [] if chart.title == under else [f"### {escape(chart.title)}", ""]
    if address := pictures.get(chart.name):
        return [*lines, f"![{escape(chart.title)}]({address})"]
    if covered:
        return []
    table = chart_table(chart, report.language)
    if len(table.rows) > _MAX_ROWS:
        table = table.model_copy(update={"rows": table.rows[-_MAX_ROWS:]})
        lines += ["…", ""]
    return lines + _table(table, report)


def _table(table: Table, report: Report) -> list[str]:
    lines = [_row([escape(column.title) for column in table.columns])]
    numeric = [any(isinstance(row[i], int | float) for row in table.rows) for i in range(len(table.columns))]
    lines.append(_row(["---:" if right else "---" for right in numeric]))
    lines.extend(
        _row(
            [
                escape(cell) if isinstance(cell, str) else number(cell, column.unit, report.language)
                for cell, column in zip(row, table.columns, strict=True)
            ]
        )
        for row in table.rows
    )
    return lines


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
