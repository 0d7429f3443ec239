"""The best posts and the members who lead opinions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from shequn_sdk.domain import Grain, MetricPoint, MetricResult
from shequn_sdk.reports._text import short, visible
from shequn_sdk.reports.model import (
    Cell,
    Chart,
    ChartKind,
    Column,
    Language,
    Mark,
    ReportContext,
    Section,
    Table,
)
from shequn_sdk.reports.sections.readings import Numbers, meaning_of
from shequn_sdk.reports.words import part_title, word

__all__ = ["content", "leaders"]

_LEADERS = 10
_POSTS = 15
_WEEKS = 16
_LABEL_KEYS = ("name", "title", "display_name", "label")


async def content(context: ReportContext, numbers: Numbers) -> Section | None:
    """Posts by engagement."""
    result = await numbers.get("content.engagement", grain=Grain.WEEK) or await numbers.get(
        "content.engagement"
    )
    language = context.language
    if result is None or not result.points:
        return None
    if not any(point.dims for point in result.points):
        return _engagement_over_time(context, result)
    return _ranking(
        context,
        result,
        name="content_engagement",
        title=word("content", language),
        what=word("post", language),
        value=word("engagement", language),
        names=context.titles,
        limit=_POSTS,
    )


def _engagement_over_time(context: ReportContext, result: MetricResult) -> Section:
    """Interactions per post by week, or by day when the metric has no weeks."""
    language = context.language
    title = word("content", language)
    if all(point.value is None for point in result.points):
        note = f"{title}: {word('not_reported', language)}"
        return Section(name="content_engagement", title=title, notes=(note,))
    marks = tuple(Mark(x=p.bucket, value=p.value, partial=p.partial) for p in result.points)
    chart = Chart(
        name="content_engagement",
        title=title,
        kind=ChartKind.BARS,
        marks=marks,
        x_title=word("per_post", language),
        description=meaning_of(context, result.metric),
    )
    # Interactions per post is no share of anything: 3.2 is written 3.2, not 320%.
    columns = tuple(
        Column(title=word(key, language)) for key in ("week_of", "posts_made", "interactions", "per_post")
    )
    rows = tuple(
        (_marked(p, language), _whole(p.denominator), _whole(p.numerator), p.value)
        for p in result.points[-_WEEKS:]  # the chart has all of them, and so has the CSV
    )
    return Section(
        name="content_engagement", title=title, charts=(chart,), tables=(Table(columns=columns, rows=rows),)
    )


def _marked(point: MetricPoint, language: Language) -> str:
    return f"{point.bucket} ({word('partial', language)})" if point.partial else point.bucket


def _whole(value: float | None) -> float | int | None:
    return int(value) if value is not None and float(value).is_integer() else value


async def leaders(context: ReportContext, numbers: Numbers) -> Section | None:
    """Opinion leaders by score, with the parts of the score."""
    result = await numbers.get("kol.pagerank")
    language = context.language
    if result is None:
        return None
    return _ranking(
        context,
        result,
        name="opinion_leaders",
        title=word("kol", language),
        what=word("member", language),
        value=word("score", language),
        names=context.names,
        limit=_LEADERS,
    )


def _ranking(
    context: ReportContext,
    result: MetricResult,
    *,
    name: str,
    title: str,
    what: str,
    value: str,
    names: Mapping[str, str],
    limit: int,
) -> Section | None:
    points = _ranked(result, limit)
    if not points:
        return None
    language = context.language
    labels = [_label(point, names) for point in points]
    parts = _extra_columns(points)
    fractions = any(point.denominator is not None for point in points)
    columns = [
        Column(title=word("rank", language)),
        Column(title=what),
        Column(title=value, unit=result.unit),
    ]
    if fractions:
        columns += [Column(title=f"{value} · n"), Column(title=f"{value} · N")]
    columns += [Column(title=part_title(part, language)) for part in parts]
    rows: list[tuple[Cell, ...]] = []
    for place, (point, label) in enumerate(zip(points, labels, strict=True), start=1):
        cells: list[Cell] = [place, label, point.value]
        if fractions:
            cells += [point.numerator, point.denominator]
        rows.append((*cells, *(_cell(point.dims.get(part)) for part in parts)))
    marks = tuple(
        Mark(
            x=f"{place}. {short(visible(label).strip() or '—', columns=22)}",
            value=point.value,
            partial=point.partial,
        )
        for place, (point, label) in enumerate(zip(points, labels, strict=True), start=1)
    )
    chart = Chart(
        name=name,
        title=title,
        kind=ChartKind.RANKING,
        marks=marks,
        unit=result.unit,
        x_title=value,
        description=meaning_of(context, result.metric),
    )
    table = Table(columns=tuple(columns), rows=tuple(rows))
    return Section(name=name, title=title, charts=(chart,), tables=(table,))


def _ranked(result: MetricResult, limit: int) -> list[MetricPoint]:
    known = [point for point in result.points if point.value is not None and point.dims]
    known.sort(key=lambda point: point.value or 0, reverse=True)
    return known[:limit]


def _label(point: MetricPoint, names: Mapping[str, str]) -> str:
    for key in _LABEL_KEYS:
        if isinstance(value := point.dims.get(key), str) and value:
            return value
    # a rank or a count is no name
    texts = [value for value in point.dims.values() if isinstance(value, str) and value]
    for text in texts:
        if text in names:
            return names[text]
    return texts[0] if texts else point.bucket


def _extra_columns(points: Sequence[MetricPoint]) -> tuple[str, ...]:
    """Name dimensions that hold numbers: the parts that a score is made of."""
    found: dict[str, bool] = {}
    for point in points:
        for key, value in point.dims.items():
            if isinstance(value, float | int) and not isinstance(value, bool) and key != "rank":
                # A score that is repeated as its own part says nothing.
                found.setdefault(key, False)
                found[key] = found[key] or value != point.value
    return tuple(key for key, says_more in found.items() if says_more)


def _cell(value: JsonValue) -> Cell:
    return value if isinstance(value, str | int | float) else None
