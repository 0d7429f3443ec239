"""How many there are, how many of them are active, when, and who stays."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from shequn_sdk.domain import Grain, MetricPoint, Unit
from shequn_sdk.reports.model import Chart, ChartKind, Mark, ReportContext, Section
from shequn_sdk.reports.sections.readings import Numbers, marks_of, meaning_of, total_of
from shequn_sdk.reports.words import hour_of_week, word

__all__ = ["activity", "growth", "heatmap", "retention"]

_COHORTS = 16


async def growth(context: ReportContext, numbers: Numbers) -> Section | None:
    """Joined, left and total by day."""
    language = context.language
    total = await numbers.get("members.total", grain=Grain.DAY)
    joined = await numbers.get("members.joined", grain=Grain.DAY)
    left = await numbers.get("members.left", grain=Grain.DAY)
    charts: list[Chart] = []
    if total and total.points:
        charts.append(
            Chart(
                name="members_total",
                title=word("members", language),
                kind=ChartKind.LINE,
                marks=marks_of(total, word("members", language)),
                unit=total.unit,
                description=meaning_of(context, "members.total"),
            )
        )
    flows: tuple[Mark, ...] = ()
    names: list[str] = []
    notes: list[str] = []
    for key, result in (("joined", joined), ("left", left)):
        if result is None:
            continue
        if total_of(result) is None:
            notes.append(f"{word(key, language)}: {word('not_reported', language)}")
            continue
        names.append(word(key, language))
        flows += marks_of(result, names[-1], negative=key == "left")
    if flows:
        title = " / ".join(names)
        charts.append(
            Chart(name="members_flow", title=title, kind=ChartKind.BARS, marks=flows, unit=Unit.MEMBERS)
        )
    if not charts:
        return None
    return Section(name="growth", title=word("growth", language), charts=tuple(charts), notes=tuple(notes))


async def activity(context: ReportContext, numbers: Numbers) -> Section | None:
    """Daily, weekly and monthly active members."""
    language = context.language
    marks: list[Mark] = []
    for key in ("dau", "wau", "mau"):
        result = await numbers.get(f"active_members.{key}", grain=Grain.DAY)
        marks.extend(marks_of(result, word(key, language)) if result else ())
    if not marks:
        return None
    chart = Chart(
        name="active_members",
        title=word("active_members", language),
        kind=ChartKind.LINE,
        marks=tuple(marks),
        unit=Unit.MEMBERS,
    )
    return Section(name="activity", title=word("activity", language), charts=(chart,))


async def heatmap(context: ReportContext, numbers: Numbers) -> Section | None:
    """Activity by hour of the week, with the best hour."""
    language = context.language
    result = await numbers.get("activity.heatmap", grain=Grain.HOUR_OF_WEEK)
    if result is None or not result.points:
        return None
    known = [(point.value, int(point.bucket)) for point in result.points if point.value is not None]
    text: tuple[str, ...] = ()
    if any(value for value, _ in known):
        _, best = max(known, key=lambda cell: (cell[0], -cell[1]))
        text = (word("best_hour_text", language, hour=hour_of_week(best, language)),)
    chart = Chart(
        name="activity_heatmap",
        title=word("heatmap", language),
        kind=ChartKind.HEATMAP,
        marks=marks_of(result),
        unit=result.unit,
        x_title=word("hour", language),
        y_title=word("weekday", language),
        description=meaning_of(context, "activity.heatmap"),
    )
    return Section(name="heatmap", title=word("heatmap", language), text=text, charts=(chart,))


async def retention(context: ReportContext, numbers: Numbers) -> Section | None:
    """Cohorts by week of joining and age."""
    language = context.language
    result = await numbers.get(context.retention)
    if result is None or not result.points:
        return None
    cells = [
        (point, age) for point in result.points if (age := _age(point.dims, cohort=point.bucket)) is not None
    ]
    cohorts = sorted({_cohort(point) for point, _ in cells})[-_COHORTS:]
    marks = tuple(
        Mark(x=str(age), y=cohort, value=point.value, partial=point.partial)
        for point, age in cells
        if (cohort := _cohort(point)) in cohorts and 0 <= age <= _COHORTS
    )
    if not marks:
        return None
    chart = Chart(
        name="retention",
        title=word("retention", language),
        kind=ChartKind.MATRIX,
        marks=marks,
        unit=result.unit,
        x_title=word("weeks_since", language),
        y_title=word("cohort", language),
        description=meaning_of(context, result.metric),
    )
    return Section(name="retention", title=word("retention", language), charts=(chart,))


def _cohort(point: MetricPoint) -> str:
    cohort = point.dims.get("cohort")
    return cohort if isinstance(cohort, str) else point.bucket


def _age(dims: Mapping[str, JsonValue], *, cohort: str) -> int | None:
    """Give a cell's age in periods from whichever dimension counts it."""
    for key in ("period", "age", "week", "weeks", "offset", "n", "day"):
        if isinstance(value := dims.get(key), int):
            return value
    counted = [value for value in dims.values() if isinstance(value, int) and not isinstance(value, bool)]
    return counted[0] if len(counted) == 1 and cohort else None
