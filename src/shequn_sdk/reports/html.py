"""The report as one HTML page: no network, no evaluation of code, everything of strangers escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from shequn_sdk.domain import Unit
from shequn_sdk.reports._extra import need
from shequn_sdk.reports._fonts import web_font
from shequn_sdk.reports.charts import PAGE, config, format_locale, specification, time_locale
from shequn_sdk.reports.model import Chart, ChartKind, Language, Report, Table
from shequn_sdk.reports.tables import chart_table, goal_status
from shequn_sdk.reports.words import day, instant, number, word

__all__ = ["json_for_script", "render_html"]

_PAGE = Path(__file__).parent / "page"
_LOCAL = ("PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Micro Hei")
_LANG = {Language.ZH: "zh-CN", Language.EN: "en"}


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What the page needs of one chart."""

    id: str
    json: Any
    table: Table
    partial: bool
    missing: bool
    wide: bool
    legend: tuple[str, ...]


def render_html(report: Report) -> str:
    """Give the whole page. Raises `ConfigError` when extra [report] is not installed."""
    jinja2: Any = need("jinja2")
    markup: Any = need("markupsafe").Markup
    language = report.language
    drawn = {
        chart.name: _draw(chart, f"chart-{index}", language, markup)
        for index, chart in enumerate(report.charts, start=1)
    }
    bundle = _bundle() if drawn else ""
    script = (_PAGE / "page.js").read_text(encoding="utf-8")
    settings = (
        {
            "config": config(PAGE),
            "formatLocale": format_locale(language),
            "timeFormatLocale": time_locale(language),
        }
        if drawn
        else {}
    )
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((_PAGE / "page.html.j2").read_text(encoding="utf-8"))
    render = partial(
        template.render,
        report=report,
        lang=_LANG[language],
        csp=_policy(bundle, script) if drawn else _policy(),
        css=markup((_PAGE / "page.css").read_text(encoding="utf-8")),
        charts=drawn,
        settings=markup(json_for_script(settings)),
        script=markup(script),
        w=lambda key: word(key, language),
        number=lambda value, unit: number(value, unit, language),
        share=lambda value: number(value, Unit.RATIO, language),
        day=lambda value: day(value, language),
        instant=lambda value: instant(value, report.zone),
        status=goal_status,
        numeric=_numeric,
    )
    # The first pass tells which characters the page shows; the second brings those that a reader may lack.
    shown: str = render(fonts="", bundle="")
    return render(fonts=markup(_font_css(shown)), bundle=markup(bundle))


def json_for_script(value: object) -> str:
    """Write JSON that can stand in a script block: nothing in it can end the block or the line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char, escaped in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(char, escaped)
    return text


def _draw(chart: Chart, element: str, language: Language, markup: Any) -> _Drawn:
    spec: Mapping[str, Any] = specification(chart, language, theme=PAGE)
    series = tuple(dict.fromkeys(mark.series for mark in chart.marks))
    return _Drawn(
        legend=series if len(series) > 1 else (),
        id=element,
        json=markup(json_for_script(spec)),
        table=chart_table(chart, language),
        partial=any(mark.partial for mark in chart.marks),
        missing=any(mark.value is None for mark in chart.marks),
        wide=chart.kind is ChartKind.MATRIX,
    )


def _numeric(table: Table, column: int) -> bool:
    return any(isinstance(row[column], int | float) for row in table.rows)


def _font_css(text: str) -> str:
    """Name the page's fonts and bring the Chinese characters it shows, for readers without a Chinese font."""
    css = f":root{{--font:{PAGE.font}}}"
    if font := web_font(text):
        data = base64.b64encode(font).decode()
        sources = ",".join([*(f'local("{name}")' for name in _LOCAL), f"url(data:font/otf;base64,{data})"])
        css += (
            f'@font-face{{font-family:"Page CJK";font-display:block;src:{sources};'
            "unicode-range:U+2E80-9FFF,U+F900-FAFF,U+FE30-FE4F,U+FF00-FFEF}"
        )
    return css


@lru_cache(maxsize=1)
def _bundle() -> str:
    """Give the one script with Vega, Vega-Lite and Vega-Embed, safe to stand in a page."""
    source: str = need("vl_convert").javascript_bundle()
    return source.replace("</script", "<\\/script").replace("<!--", "\\x3c!--")


def _policy(*scripts: str) -> str:
    """Allow exactly the given scripts and no request of any kind."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    allowed = hashes or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
