"""What the operator set out to do and did."""

from __future__ import annotations

from shequn_sdk.domain import Unit
from shequn_sdk.reports.model import Cell, Column, GoalLine, ReportContext, Section, Table
from shequn_sdk.reports.sections.readings import Numbers, latest
from shequn_sdk.reports.words import word

__all__ = ["deliveries", "findings", "goals"]


async def goals(context: ReportContext, numbers: Numbers) -> Section | None:
    """Goals of the plan against what was measured."""
    if not context.goals:
        return None
    lines: list[GoalLine] = []
    for goal in context.goals:
        line = goal
        if goal.value is None and goal.metric:
            result = await numbers.get(goal.metric)
            point = latest(result, complete=True) or latest(result)
            line = goal.model_copy(
                update={
                    "value": point.value if point else None,
                    "unit": goal.unit or (result.unit if result else None),
                }
            )
        lines.append(line)
    return Section(name="goals", title=word("goals", context.language), goals=tuple(lines))


async def deliveries(context: ReportContext, _numbers: Numbers) -> Section | None:
    """How deliveries ended, by channel."""
    counts = context.deliveries
    if counts is None:
        return None
    language = context.language
    keys = ("landed", "refused", "unknown", "waiting")
    total = (counts.landed, counts.refused, counts.unknown, counts.waiting)
    notes = (word("untaken_note", language, count=counts.untaken),) if counts.untaken else ()
    columns = (
        Column(title=word("channel", language)),
        *(Column(title=word(key, language), unit=Unit.POSTS) for key in keys),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (row.channel, row.landed, row.refused, row.unknown, row.waiting) for row in counts.channels
    )
    rows = (*rows, ("Σ", *total)) if rows else (("Σ", *total),)
    return Section(
        name="deliveries",
        title=word("deliveries", language),
        tables=(Table(columns=columns, rows=rows),),
        notes=notes,
    )


async def findings(context: ReportContext, _numbers: Numbers) -> Section | None:
    """Findings of the diagnosis with recommended actions."""
    if not context.findings:
        return None
    return Section(name="findings", title=word("findings", context.language), findings=context.findings)
