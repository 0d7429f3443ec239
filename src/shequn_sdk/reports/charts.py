"""Charts as Vega-Lite specifications, made with Altair.

Colours are given by theme: in a page they are CSS variables, so that one specification is right in light, dark and
print; in a picture they are fixed. The series palette is Okabe and Ito's, which colour-blind readers can tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shequn_sdk.domain import Unit
from shequn_sdk.reports._extra import need
from shequn_sdk.reports.model import Chart, ChartKind, Language, Mark
from shequn_sdk.reports.words import WEEKDAYS, hour_of_week, number, word

__all__ = ["PAGE", "PICTURE", "Theme", "config", "format_locale", "specification", "time_locale"]

Spec = dict[str, Any]
_FEW = 31


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours and font of a chart."""

    series: tuple[str, ...]
    ink: str
    muted: str
    grid: str
    background: str
    font: str
    legends: bool
    """Whether the picture names its series itself; a page does it in HTML, where names wrap."""


PAGE_FONT = (
    '"Page CJK", system-ui, -apple-system, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'
)
"""Fonts of a page; `Page CJK` has East Asian characters only, the reader's own where there are some."""
PAGE = Theme(
    series=tuple(f"var(--series-{n})" for n in range(1, 7)),
    ink="var(--ink)",
    muted="var(--muted)",
    grid="var(--grid)",
    background="transparent",
    font=PAGE_FONT,
    legends=False,
)
PICTURE = Theme(
    series=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    ink="#1f2933",
    muted="#52606d",
    grid="#e4e7eb",
    background="#ffffff",
    font="Shequn Sans SC, Noto Sans CJK SC, WenQuanYi Micro Hei, sans-serif",
    legends=True,
)


def config(theme: Theme) -> Spec:
    """Give the Vega-Lite configuration that all charts share."""
    text = {
        "labelFont": theme.font,
        "titleFont": theme.font,
        "labelColor": theme.muted,
        "titleColor": theme.muted,
    }
    return {
        "font": theme.font,
        "background": theme.background,
        "view": {"stroke": None},
        "title": {
            "font": theme.font,
            "color": theme.ink,
            "fontWeight": "normal",
            "fontSize": 15,
            "anchor": "start",
        },
        "axis": {
            **text,
            "gridColor": theme.grid,
            "domainColor": theme.grid,
            "tickColor": theme.grid,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
        },
        "legend": {**text, "orient": "bottom", "title": None, "labelFontSize": 12, "symbolStrokeWidth": 3},
        "range": {"category": list(theme.series)},
        "text": {"font": theme.font, "color": theme.ink},
        "bar": {"color": theme.series[0]},
    }


def time_locale(language: Language) -> Spec | str:
    """Give the d3 time locale of a language, for pages."""
    name = "zh-CN" if language is Language.ZH else "en-US"
    return need("vl_convert").get_time_format_locale(name)


def format_locale(language: Language) -> Spec | str:
    """Give the d3 number locale of a language, for pages."""
    name = "zh-CN" if language is Language.ZH else "en-US"
    return need("vl_convert").get_format_locale(name)


def specification(chart: Chart, language: Language, *, theme: Theme, width: int | None = None) -> Spec:
    """Draw a chart; without a width it fills the element that holds it."""
    if chart.kind is ChartKind.CUSTOM:
        spec: Spec = dict(chart.spec or {})
    else:
        spec = _DRAWERS[chart.kind](chart, language, theme)
    spec.setdefault("$schema", "https://vega.github.io/schema/vega-lite/v6.json")
    spec.pop("config", None)
    spec["width"] = width or "container"
    if width:
        spec["title"] = chart.title
        spec["padding"] = 16
    else:
        spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["description"] = chart.description or chart.title
    return spec


def _axis_format(language: Language) -> str:
    return "%-m月%-d日" if language is Language.ZH else "%b %-d"


def _number_format(unit: Unit | None) -> str:
    return ".0%" if unit is Unit.RATIO else ",~r"


def _base(mark: Mark, chart: Chart, language: Language) -> dict[str, Any]:
    value = abs(mark.value) if chart.kind is ChartKind.BARS and mark.value is not None else mark.value
    return {
        "v": mark.value,
        "shown": number(value, chart.unit, language),
        "state": word("partial" if mark.partial else "complete", language),
        "part": mark.partial,
    }


def _stamp(bucket: str) -> str:
    """Give a bucket as UTC: it is local wall time already and must not be moved by the reader's zone."""
    return f"{bucket}T00:00:00Z" if len(bucket) == len("2026-01-01") else f"{bucket[:13]}:00:00Z"


def _finish(made: Any) -> Spec:
    spec: Spec = made.to_dict()
    spec.pop("config", None)
    return spec


def _data(alt: Any, rows: list[dict[str, Any]]) -> Any:
    return alt.InlineData(values=rows)


def _line_rows(chart: Chart, language: Language) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Give points and line pieces; a piece breaks at missing values and where partial values begin or end."""
    points: list[dict[str, Any]] = []
    pieces: list[dict[str, Any]] = []
    for series in dict.fromkeys(mark.series for mark in chart.marks):
        piece, before = 0, None
        for mark in sorted((m for m in chart.marks if m.series == series), key=lambda m: m.x):
            row = {"t": _stamp(mark.x), "day": mark.x, "s": series, **_base(mark, chart, language)}
            points.append(row)
            if mark.value is None:
                before, piece = None, piece + 1
                continue
            if before is not None and before["part"] != mark.partial:
                piece += 1
                # The joint belongs to the partial side, so that only whole values are drawn solid.
                if mark.partial:
                    pieces.append({**before, "part": True, "piece": f"{series}{piece}"})
                else:
                    pieces.append({**row, "piece": f"{series}{piece - 1}", "part": True})
            pieces.append({**row, "piece": f"{series}{piece}"})
            before = row
    return points, pieces


def _color(alt: Any, marks: tuple[Mark, ...], theme: Theme) -> Any:
    series = list(dict.fromkeys(mark.series for mark in marks))
    show = theme.legends and len(series) > 1
    return alt.Color(
        "s:N",
        sort=series,
        scale=alt.Scale(domain=series),
        legend=alt.Legend() if show else None,
    )


def _tips(alt: Any, language: Language, *names: tuple[str, str]) -> list[Any]:
    return [alt.Tooltip(f"{name}:N", title=word(key, language)) for name, key in names]


def _time_axis(alt: Any, chart: Chart, language: Language, *, padding: int = 0) -> Any:
    """Give the axis of days; few buckets are labelled themselves, because weeks start on Monday here."""
    buckets = sorted({mark.x for mark in chart.marks})
    ticks: Spec = {"tickCount": {"expr": "max(3, floor(width / 80))"}}
    if len(buckets) <= _FEW:
        days = [datetime.fromisoformat(_stamp(bucket)) for bucket in buckets]
        ticks = {
            "values": [
                alt.DateTime(year=t.year, month=t.month, date=t.day, hours=t.hour, utc=True) for t in days
            ]
        }
    axis = alt.Axis(
        title=None,
        format=_axis_format(language),
        labelOverlap="greedy",
        labelSeparation=6,
        grid=False,
        labelFlush=True,
        **ticks,
    )
    return alt.X("t:T", scale=alt.Scale(type="utc", padding=padding), axis=axis)


def _value_axis(alt: Any, chart: Chart, *, absolute: bool = False) -> Any:
    form = _number_format(chart.unit)
    extra = {"labelExpr": f"format(abs(datum.value), '{form}')"} if absolute else {"format": form}
    axis = alt.Axis(title=chart.y_title or None, tickCount=5, minExtent=28, **extra)
    return alt.Y("v:Q", axis=axis, stack="zero" if absolute else None)


def _line(chart: Chart, language: Language, theme: Theme) -> Spec:
    alt: Any = need("altair")
    points, pieces = _line_rows(chart, language)
    tips = _tips(alt, language, ("day", "day_word"), ("s", "series"), ("shown", "value"), ("state", "state"))
    color, x, y = _color(alt, chart.marks, theme), _time_axis(alt, chart, language), _value_axis(alt, chart)
    dash = alt.condition("datum.part", alt.value([3, 4]), alt.value([1, 0]))
    line = (
        alt.Chart(_data(alt, pieces))
        .mark_line(strokeWidth=2.2)
        .encode(x=x, y=y, color=color, detail="piece:N", strokeDash=dash)
    )
    known = [row for row in points if row["v"] is not None]
    hover = alt.Chart(_data(alt, known)).mark_point(size=70, opacity=0, filled=True).encode(
        x=x, y=y, color=color, tooltip=tips
    )  # fmt: skip
    layers = [line, hover]
    if missing := [row for row in points if row["v"] is None]:
        layers.append(_crosses(alt, missing, x, tips, theme))
    return _finish(alt.layer(*layers).properties(height=220))


def _crosses(alt: Any, rows: list[dict[str, Any]], x: Any, tips: list[Any], theme: Theme) -> Any:
    return (
        alt.Chart(_data(alt, rows))
        .mark_text(text="×", fontSize=13, color=theme.muted, baseline="bottom")
        .encode(x=x, y=alt.value("height"), tooltip=tips)
    )


def _bars(chart: Chart, language: Language, theme: Theme) -> Spec:
    alt: Any = need("altair")
    rows = [
        {"t": _stamp(mark.x), "day": mark.x, "s": mark.series, **_base(mark, chart, language)}
        for mark in chart.marks
    ]
    tips = _tips(alt, language, ("day", "day_word"), ("s", "series"), ("shown", "value"), ("state", "state"))
    days = len({mark.x for mark in chart.marks})
    x = _time_axis(alt, chart, language, padding=18 if days <= _FEW else 6)
    bars = (
        alt.Chart(_data(alt, [row for row in rows if row["v"] is not None]))
        .mark_bar(width={"expr": f"max(1, min(28, 0.72 * width / {max(days, 1)}))"})
        .encode(
            x=x,
            y=_value_axis(alt, chart, absolute=True),
            color=_color(alt, chart.marks, theme),
            opacity=alt.condition("datum.part", alt.value(0.4), alt.value(1)),
            tooltip=tips,
        )
    )
    missing = [row for row in rows if row["v"] is None]
    layers = [bars, *([_crosses(alt, missing, x, tips, theme)] if missing else [])]
    return _finish(alt.layer(*layers).properties(height=220))


def _ranking(chart: Chart, language: Language, theme: Theme) -> Spec:
    alt: Any = need("altair")
    rows = [{"x": mark.x, **_base(mark, chart, language)} for mark in chart.marks]
    order = [mark.x for mark in chart.marks]
    base = alt.Chart(_data(alt, rows)).encode(
        y=alt.Y("x:N", sort=order, axis=alt.Axis(title=None, labelLimit=170, ticks=False, domain=False)),
        x=alt.X("v:Q", axis=alt.Axis(title=chart.x_title or None, format=_number_format(chart.unit), tickCount=4)),
        tooltip=[alt.Tooltip("x:N", title=word("rank", language)),
                 *_tips(alt, language, ("shown", "value"), ("state", "state"))],
    )  # fmt: skip
    bars = base.mark_bar(cornerRadiusEnd=3, color=theme.series[0])
    # Pale tells partial bars from whole ones; where all are partial there is nothing to tell apart.
    if not all(mark.partial for mark in chart.marks):
        bars = bars.encode(opacity=alt.condition("datum.part", alt.value(0.4), alt.value(1)))
    return _finish(alt.layer(bars).properties(height={"step": 24}))


def _heatmap(chart: Chart, language: Language, theme: Theme) -> Spec:
    alt: Any = need("altair")
    names = WEEKDAYS[language]
    rows: list[dict[str, Any]] = [
        {
            "h": int(mark.x) % 24,
            "d": names[int(mark.x) // 24],
            "when": hour_of_week(int(mark.x), language),
            **_base(mark, chart, language),
        }
        for mark in chart.marks
    ]
    x = alt.X("h:O", axis=alt.Axis(title=chart.x_title or None, labelAngle=0, labelOverlap="greedy", ticks=False, domain=False))  # fmt: skip
    y = alt.Y("d:N", sort=list(names), axis=alt.Axis(title=None, ticks=False, domain=False))
    tips = [
        alt.Tooltip("when:N", title=word("hour", language)),
        *_tips(alt, language, ("shown", "value"), ("state", "state")),
    ]
    known: list[dict[str, Any]] = [row for row in rows if row["v"] is not None]
    top = max((float(row["v"]) for row in known), default=0.0)
    cells = (
        alt.Chart(_data(alt, known))
        .mark_rect(color=theme.series[0], stroke=theme.grid, strokeWidth=0.5)
        .encode(x=x, y=y, fillOpacity=_shade(alt, top), tooltip=tips)
    )
    layers = [cells]
    if top:
        best = next(row for row in known if row["v"] == top)
        layers.append(
            alt.Chart(_data(alt, [best]))
            .mark_rect(filled=False, stroke=theme.series[1], strokeWidth=2.5)
            .encode(x=x, y=y, tooltip=tips)
        )
    layers.extend(_unknown_cells(alt, [row for row in rows if row["v"] is None], x, y, tips, theme))
    return _finish(alt.layer(*layers).properties(height={"step": 24}))


def _shade(alt: Any, top: float) -> Any:
    """Darken by value, so that one colour works on light and dark ground."""
    return alt.FillOpacity("v:Q", scale=alt.Scale(domain=[0, top or 1], range=[0.03, 0.95]), legend=None)


def _unknown_cells(
    alt: Any, rows: list[dict[str, Any]], x: Any, y: Any, tips: list[Any], theme: Theme
) -> list[Any]:
    if not rows:
        return []
    cross = alt.Chart(_data(alt, rows)).mark_text(text="×", color=theme.muted, fontSize=11)
    return [cross.encode(x=x, y=y, tooltip=tips)]


def _matrix(chart: Chart, language: Language, theme: Theme) -> Spec:
    alt: Any = need("altair")
    rows: list[dict[str, Any]] = [
        {"n": int(mark.x), "c": mark.y, "row": mark.y[5:] or mark.y, **_base(mark, chart, language)}
        for mark in chart.marks
    ]
    for row in rows:
        row["label"] = "" if row["v"] is None else _brief(row["v"], chart.unit, partial=row["part"])
    x = alt.X("n:O", axis=alt.Axis(title=chart.x_title or None, labelAngle=0, orient="top", ticks=False, domain=False))  # fmt: skip
    y = alt.Y("c:O", axis=alt.Axis(title=None, ticks=False, domain=False, labelExpr="slice(datum.label, 5)"))
    tips = _tips(alt, language, ("c", "cohort"), ("n", "weeks_since"), ("shown", "value"), ("state", "state"))
    known = [row for row in rows if row["v"] is not None]
    top = max((row["v"] for row in known if row["n"] > 0), default=1) or 1
    scale = alt.Scale(domain=[0, top], range=[0.05, 0.7], clamp=True)
    cells = (
        alt.Chart(_data(alt, known))
        .mark_rect(color=theme.series[2], strokeWidth=1)
        .encode(
            x=x,
            y=y,
            fillOpacity=alt.FillOpacity("v:Q", scale=scale, legend=None),
            stroke=alt.condition("datum.part", alt.value(theme.muted), alt.value("transparent")),
            tooltip=tips,
        )
    )
    text = (
        alt.Chart(_data(alt, known))
        .mark_text(fontSize=10, color=theme.ink)
        .encode(x=x, y=y, text="label:N", tooltip=tips)
    )
    unknown = _unknown_cells(alt, [row for row in rows if row["v"] is None], x, y, tips, theme)
    return _finish(alt.layer(cells, text, *unknown).properties(height={"step": 24}))


def _brief(value: float, unit: Unit | None, *, partial: bool) -> str:
    text = f"{value * 100:.0f}%" if unit is Unit.RATIO else f"{value:,.4g}"
    return f"{text}*" if partial else text


_DRAWERS = {
    ChartKind.LINE: _line,
    ChartKind.BARS: _bars,
    ChartKind.RANKING: _ranking,
    ChartKind.HEATMAP: _heatmap,
    ChartKind.MATRIX: _matrix,
}
