"""Charts as PNG pictures, drawn without a browser and without a network."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from shequn_sdk.reports._extra import need
from shequn_sdk.reports._fonts import check_glyphs, font_directories
from shequn_sdk.reports.charts import PICTURE, Spec, config, format_locale, specification, time_locale
from shequn_sdk.reports.model import Chart, Language, Report

__all__ = ["draw", "render_png", "render_pngs", "replaced", "texts"]

_WIDTH = 760
_SCALE = 2.0
_BOX = "□"
_registered: set[str] = set()
_lock = threading.Lock()


def render_pngs(report: Report) -> dict[str, bytes]:
    """Draw every chart that has data; letters of all charts are checked before the first is drawn."""
    specs = {
        chart.name: specification(chart, report.language, theme=PICTURE, width=_WIDTH)
        for chart in report.charts
    }
    symbols = check_glyphs(text for spec in specs.values() for text in texts(spec))
    return {name: draw(replaced(spec, symbols), report.language) for name, spec in specs.items()}


def render_png(chart: Chart, *, language: Language = Language.ZH) -> bytes:
    """Draw one chart. Raises `MissingGlyphs` when no font at hand draws a letter of it."""
    spec = specification(chart, language, theme=PICTURE, width=_WIDTH)
    symbols = check_glyphs(texts(spec))
    return draw(replaced(spec, symbols), language)


def draw(spec: Spec, language: Language) -> bytes:
    """Draw a specification whose letters were checked."""
    convert: Any = need("vl_convert")
    with _lock:
        for directory in font_directories():
            if str(directory) not in _registered:
                convert.register_font_directory(str(directory))
                _registered.add(str(directory))
    return convert.vegalite_to_png(
        spec,
        scale=_SCALE,
        config=config(PICTURE),
        format_locale=format_locale(language),
        time_format_locale=time_locale(language),
        allowed_base_urls=[],  # a plugin's chart must not fetch anything
    )


def texts(value: object) -> Iterator[str]:
    """Give all text of a specification: anything of it may be drawn."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)


def replaced(value: Any, symbols: str) -> Any:
    """Put a visible box where a symbol cannot be drawn."""
    if not symbols:
        return value
    if isinstance(value, str):
        return value.translate(dict.fromkeys(map(ord, symbols), _BOX))
    if isinstance(value, Mapping):
        return {key: replaced(part, symbols) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(part, symbols) for part in value]
    return value
