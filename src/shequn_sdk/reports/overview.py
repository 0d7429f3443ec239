"""A report on one picture: headline numbers, activity, and when members are active."""

from __future__ import annotations

from typing import Any

from shequn_sdk.reports._fonts import check_glyphs
from shequn_sdk.reports._text import short
from shequn_sdk.reports.charts import PICTURE, Spec, specification
from shequn_sdk.reports.model import Card, Report
from shequn_sdk.reports.png import draw, replaced, texts
from shequn_sdk.reports.words import day, instant, number, word

__all__ = ["render_overview"]

_WIDTH = 760
_COLUMNS = 4
_CARDS = 8
_CARD_HEIGHT = 78
_CHARTS = ("active_members", "activity_heatmap", "members_total")
"""The first two of these that the report has are drawn."""


def render_overview(report: Report) -> bytes:
    """Draw the picture; letters are checked before.

    Raises:
        MissingGlyphs: no font at hand draws a letter of it; the message says how to get one.
        ConfigError: extra [report] is not installed.
    """
    language = report.language
    charts = [chart for name in _CHARTS for chart in report.charts if chart.name == name][:2]
    parts: list[Spec] = []
    data: Spec = {}
    cards = [card for section in report.sections[:1] for card in section.cards][:_CARDS]
    if cards:
        parts.append(_cards(cards, report))
    for chart in charts:
        spec = specification(chart, language, theme=PICTURE, width=_WIDTH)
        data |= spec.pop("datasets", {})  # named data is known at the top only
        parts.append(
            {key: value for key, value in spec.items() if key not in {"$schema", "padding", "autosize"}}
        )
    period = f"{day(report.start, language)} – {day(report.end, language)} ({report.zone})"
    below = [f"{word('period', language)}: {period}"]
    if report.data_as_of:
        below.append(f"{word('as_of', language)}: {instant(report.data_as_of, report.zone)}")
    spec: Spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "padding": 28,
        "spacing": 28,
        "resolve": {"scale": {"color": "independent"}, "legend": {"color": "independent"}},
        "datasets": data,
        "title": {
            "text": short(report.title, columns=40),
            "subtitle": below,
            "fontSize": 24,
            "fontWeight": "bold",
            "subtitleFontSize": 13,
            "subtitleColor": PICTURE.muted,
            "subtitlePadding": 8,
            "offset": 18,
        },
        "vconcat": parts or [_nothing(report)],
    }
    return draw(replaced(spec, check_glyphs(texts(spec))), language)


def _nothing(report: Report) -> Spec:
    return {
        "width": _WIDTH,
        "height": 80,
        "data": {"values": [{"text": word("no_data", report.language)}]},
        "mark": {"type": "text", "fontSize": 16, "color": PICTURE.muted},
        "encoding": {"text": {"field": "text"}},
    }


def _cards(cards: list[Card], report: Report) -> Spec:
    """Lay headline numbers out in rows."""
    language = report.language
    values: list[dict[str, Any]] = [
        {
            "x": place % _COLUMNS,
            "y": place // _COLUMNS,
            "label": short(card.label, columns=28),
            "shown": short(card.text or number(card.value, card.unit, language), columns=14),
            "note": short(card.note or "", columns=30),
        }
        for place, card in enumerate(cards)
    ]
    rows = 1 + (len(cards) - 1) // _COLUMNS

    def line(field: str, size: int, colour: str, offset: int, *, bold: bool = False) -> Spec:
        return {
            "mark": {
                "type": "text",
                "align": "left",
                "baseline": "middle",
                "fontSize": size,
                "fontWeight": "bold" if bold else "normal",
                "color": colour,
                "dy": offset,
            },
            "encoding": {"text": {"field": field, "type": "nominal"}},
        }

    return {
        "width": _WIDTH,
        "height": rows * _CARD_HEIGHT,
        "data": {"values": values},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "axis": None,
                "scale": {"domain": [0, _COLUMNS], "nice": False},
            },
            "y": {
                "field": "y",
                "type": "quantitative",
                "axis": None,
                "scale": {"domain": [0, rows], "nice": False, "reverse": True},
            },
        },
        "layer": [
            line("label", 12, PICTURE.muted, 10),
            line("shown", 24, PICTURE.series[0], 36, bold=True),
            line("note", 10, PICTURE.muted, 60),
        ],
    }
