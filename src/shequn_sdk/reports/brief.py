"""A report in a few lines, for a chat: headline numbers, goals, and what to do next."""

from __future__ import annotations

import re

from shequn_sdk.domain import Unit
from shequn_sdk.reports._text import visible
from shequn_sdk.reports.model import Card, Finding, GoalLine, Report
from shequn_sdk.reports.tables import goal_status
from shequn_sdk.reports.words import day, number, word

__all__ = ["render_brief"]

_MARKS = re.compile(r"([\\`*_~\[\]|])")
_FINDINGS = 3


def _plain(text: str) -> str:
    """Make text stand for itself in the subset of Markdown that contents are written in, and mention nobody."""
    return _MARKS.sub(r"\\\1", visible(text)).replace("@", "@\u200b")


def render_brief(report: Report, *, limit: int = 1500) -> str:
    """Give the brief as Markdown of at most `limit` characters; whole lines are left out at the end, never half ones."""
    language = report.language
    period = f"{day(report.start, language)} – {day(report.end, language)}"
    lines = [f"**{_plain(report.title)}**", f"{word('period', language)}: {period}", ""]
    lines += [_card(card, report) for section in report.sections[:1] for card in section.cards if _says(card)]
    goals = [goal for section in report.sections for goal in section.goals]
    if goals:
        lines += ["", f"**{word('goals', language)}**", *(_goal(goal, report) for goal in goals)]
    findings = [finding for section in report.sections for finding in section.findings][:_FINDINGS]
    if findings:
        lines += ["", f"**{word('findings', language)}**"]
        for finding in findings:
            lines += _finding(finding)
    kept: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > limit:
            break
        kept.append(line)
    return "\n".join(kept).strip()


def _says(card: Card) -> bool:
    return card.value is not None or bool(card.text)


def _card(card: Card, report: Report) -> str:
    value = _plain(card.text) if card.text else number(card.value, card.unit, report.language)
    return f"- {_plain(card.label)}: {value}"


def _goal(goal: GoalLine, report: Report) -> str:
    language = report.language
    unit: Unit | None = goal.unit
    state = word(goal_status(goal), language)
    return f"- {_plain(goal.title)}: {number(goal.value, unit, language)} / {number(goal.target, unit, language)} ({state})"


def _finding(finding: Finding) -> list[str]:
    lines = [f"- {_plain(finding.title)}"]
    if finding.actions:
        lines.append(f"  → {_plain(finding.actions[0])}")
    return lines
