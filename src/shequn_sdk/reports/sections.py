"""The built-in sections, each a pure reading of computed metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from pydantic import JsonValue

from shequn_sdk.domain import Grain, MetricPoint, MetricResult, Unit
from shequn_sdk.errors import InvalidInput, NotSupported
from shequn_sdk.reports._text import short, visible
from shequn_sdk.reports.model import (
    Card,
    Cell,
    Chart,
    ChartKind,
    Column,
    GoalLine,
    Language,
    Mark,
    ReportContext,
    Section,
    Table,
)
from shequn_sdk.reports.words import hour_of_week, meaning, number, part_title, word

__all__ = [
    "BUILT_IN",
    "Numbers",
    "activity",
    "content",
    "data_notes",
    "definitions",
    "deliveries",
    "findings",
    "goals",
    "growth",
    "heatmap",
    "leaders",
    "retention",
    "summary",
]

_LEADERS = 10
_TINY = 50
"""A growth rate says nothing when so many times as many joined as there were."""
_POSTS = 15
_COHORTS = 16
_WEEKS = 16
_LABEL_KEYS = ("name", "title", "display_name", "label")


class Numbers:
    """Computes each metric once and remembers which are not available."""

    def __init__(self, context: ReportContext) -> None:
        self._context = context
        self._results: dict[tuple[str, Grain | None], MetricResult | None] = {}

    async def get(self, name: str, *, grain: Grain | None = None) -> MetricResult | None:
        """Compute a metric over the report's period; None when it is not available."""
        key = (name, grain)
        if key not in self._results:
            context = self._context
            try:
                self._results[key] = await context.compute(
                    name, community=context.community, start=context.start, end=context.end, grain=grain
                )
            except (InvalidInput, NotSupported):
                self._results[key] = None
        return self._results[key]

    @property
    def results(self) -> tuple[MetricResult, ...]:
        """All results that came, in the order they were asked for."""
        return tuple(result for result in self._results.values() if result is not None)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of metrics that are not available."""
        known = {name for (name, _), result in self._results.items() if result is not None}
        return tuple(dict.fromkeys(name for name, _ in self._results if name not in known))


def _latest(result: MetricResult | None, *, complete: bool = False) -> MetricPoint | None:
    """Give the newest point that has a value."""
    for point in reversed(result.points if result else ()):
        if point.value is not None and not (complete and point.partial):
            return point
    return None


def _sum(result: MetricResult | None) -> float | int | None:
    values = [point.value for point in (result.points if result else ()) if point.value is not None]
    return sum(values) if values else None


def _marks(result: MetricResult, series: str = "", *, negative: bool = False) -> tuple[Mark, ...]:
    sign = -1 if negative else 1
    return tuple(
        Mark(
            x=point.bucket,
            value=None if point.value is None else sign * point.value,
            series=series,
            partial=point.partial,
        )
        for point in result.points
    )


def _stock_card(label: str, result: MetricResult | None, language: Language) -> Card:
    point = _latest(result, complete=True) or _latest(result)
    if point is None:
        return Card(label=label, value=None)
    note = word("partial_value" if point.partial else "last_complete", language, bucket=point.bucket)
    return Card(label=label, value=point.value, unit=result.unit if result else None, note=note)


async def summary(context: ReportContext, numbers: Numbers) -> Section:
    """Give the numbers that a reader wants first."""
    language = context.language
    cards: list[Card] = []
    total = await numbers.get("members.total", grain=Grain.DAY)
    joined, left = (
        await numbers.get("members.joined", grain=Grain.DAY),
        await numbers.get("members.left", grain=Grain.DAY),
    )
    dau = await numbers.get("active_members.dau", grain=Grain.DAY)
    mau = await numbers.get("active_members.mau", grain=Grain.DAY)
    if total:
        cards.append(_stock_card(word("members", language), total, language))
    gained, lost = _sum(joined), _sum(left)
    if joined:
        cards.append(Card(label=word("joined", language), value=gained, unit=joined.unit))
    if left:
        cards.append(Card(label=word("left", language), value=lost, unit=left.unit))
    if total and joined and left:
        end = _latest(total)
        before = None if end is None or end.value is None else end.value - (gained or 0) + (lost or 0)
        # A community that starts at zero has no growth rate, and one that starts at hardly anything has a silly one.
        known = before is not None and before > 0 and before * _TINY >= (gained or 0)
        rate = ((gained or 0) - (lost or 0)) / before if before and known else None
        if rate is not None:
            cards.append(Card(label=word("growth_rate", language), value=rate, unit=Unit.RATIO))
    if dau:
        full = [point.value for point in dau.points if point.value is not None and not point.partial]
        mean = round(sum(full) / len(full), 1) if full else None
        cards.append(Card(label=word("mean_dau", language), value=mean, unit=dau.unit))
    if mau:
        cards.append(_stock_card(word("mau", language), mau, language))
    if dau and mau:
        cards.append(Card(label=word("stickiness", language), value=_stickiness(dau, mau), unit=Unit.RATIO))
    cards.extend(_delivery_cards(context))
    notes = () if total or joined or dau else (word("empty_store", language),)
    return Section(name="summary", title=word("summary", language), cards=tuple(cards), notes=notes)


def _stickiness(dau: MetricResult, mau: MetricResult) -> float | None:
    """Sum of DAU over sum of MAU for days on which both are complete; None without any."""
    monthly = {
        point.bucket: point.value for point in mau.points if point.value is not None and not point.partial
    }
    days = [
        (point.value, monthly[point.bucket])
        for point in dau.points
        if point.value is not None and not point.partial and monthly.get(point.bucket)
    ]
    return sum(day for day, _ in days) / sum(month for _, month in days) if days else None


def _delivery_cards(context: ReportContext) -> tuple[Card, ...]:
    counts = context.deliveries
    if counts is None:
        return ()
    language = context.language
    return tuple(
        Card(label=f"{word('posts', language)} · {word(key, language)}", value=value, unit=Unit.POSTS)
        for key, value in (
            ("landed", counts.landed),
            ("refused", counts.refused),
            ("untaken", counts.untaken),
            ("unknown", counts.unknown),
        )
        if value or key != "untaken"
    )


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
                marks=_marks(total, word("members", language)),
                unit=total.unit,
                description=_meaning(context, "members.total"),
            )
        )
    flows: tuple[Mark, ...] = ()
    names: list[str] = []
    notes: list[str] = []
    for key, result in (("joined", joined), ("left", left)):
        if result is None:
            continue
        if _sum(result) is None:
            notes.append(f"{word(key, language)}: {word('not_reported', language)}")
            continue
        names.append(word(key, language))
        flows += _marks(result, names[-1], negative=key == "left")
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
        marks.extend(_marks(result, word(key, language)) if result else ())
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
        marks=_marks(result),
        unit=result.unit,
        x_title=word("hour", language),
        y_title=word("weekday", language),
        description=_meaning(context, "activity.heatmap"),
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
        description=_meaning(context, result.metric),
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


def _ranked(result: MetricResult, limit: int) -> list[MetricPoint]:
    known = [point for point in result.points if point.value is not None and point.dims]
    known.sort(key=lambda point: point.value or 0, reverse=True)
    return known[:limit]


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
        description=_meaning(context, result.metric),
    )
    table = Table(columns=tuple(columns), rows=tuple(rows))
    return Section(name=name, title=title, charts=(chart,), tables=(table,))


def _cell(value: JsonValue) -> Cell:
    return value if isinstance(value, str | int | float) else None


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
        description=_meaning(context, result.metric),
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


def _meaning(context: ReportContext, metric: str) -> str:
    return context.meanings.get(metric) or meaning(metric, context.language)


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


async def goals(context: ReportContext, numbers: Numbers) -> Section | None:
    """Goals of the plan against what was measured."""
    if not context.goals:
        return None
    lines: list[GoalLine] = []
    for goal in context.goals:
        line = goal
        if goal.value is None and goal.metric:
            result = await numbers.get(goal.metric)
            point = _latest(result, complete=True) or _latest(result)
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


def data_notes(context: ReportContext, results: Sequence[MetricResult]) -> tuple[str, ...]:
    """Say what a reader must know before trusting the numbers."""
    language = context.language
    # The same note on many metrics is one line that names them all.
    notes: dict[str, list[str]] = {}
    for result in results:
        for note in _notes_of(result, language):
            names = notes.setdefault(note, [])
            if result.metric not in names:
                names.append(result.metric)
    return tuple(f"{', '.join(names)}: {note}" for note, names in notes.items())


def _notes_of(result: MetricResult, language: Language) -> list[str]:
    # coverage and partial buckets are said below, in the report's language
    said = ("not reported (", "some buckets are partial")
    notes = [warning for warning in result.warnings if not warning.startswith(said)]
    coverage = result.coverage
    if coverage and coverage.covered < coverage.total:
        missing = ", ".join(coverage.missing) or "—"
        notes.append(
            word("coverage_note", language, covered=coverage.covered, total=coverage.total, missing=missing)
        )
    if result.late_share:
        notes.append(word("late_note", language, share=number(result.late_share, Unit.RATIO, language)))
    if partial := sum(point.partial for point in result.points):
        notes.append(word("partial_count", language, count=partial))
    if unknown := sum(point.value is None for point in result.points):
        notes.append(word("missing_count", language, count=unknown))
    return notes


def definitions(context: ReportContext, results: Sequence[MetricResult]) -> Section:
    """How each number is defined and how fresh and complete it is."""
    language = context.language
    columns = tuple(
        Column(title=word(key, language)) for key in ("metric", "version", "unit", "grain", "definition")
    )
    rows: dict[tuple[str, str], tuple[Cell, ...]] = {}
    for result in results:
        rows[result.metric, result.grain.value] = (
            result.metric,
            f"v{result.version}",
            word(f"unit.{result.unit.value}", language),
            word(f"grain.{result.grain.value}", language),
            _meaning(context, result.metric) or "—",
        )
    return Section(
        name="notes",
        title=word("notes", language),
        tables=(Table(columns=columns, rows=tuple(rows.values()), title=word("definitions", language)),),
        notes=data_notes(context, results),
    )


SectionMaker = Callable[[ReportContext, Numbers], Awaitable[Section | None]]

BUILT_IN: tuple[tuple[int, str, SectionMaker], ...] = (
    (100, "summary", summary),
    (150, "goals", goals),
    (200, "growth", growth),
    (250, "activity", activity),
    (300, "heatmap", heatmap),
    (350, "retention", retention),
    (400, "content", content),
    (450, "kol", leaders),
    (460, "deliveries", deliveries),
    (480, "findings", findings),
)
"""Order, word of the title, and maker of each built-in section."""
