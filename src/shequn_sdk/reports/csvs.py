"""One CSV per metric, readable by spreadsheets and safe to open in them."""

from __future__ import annotations

import csv
import io

from shequn_sdk.domain import MetricResult
from shequn_sdk.reports._text import visible
from shequn_sdk.reports.model import Report

__all__ = ["BOM", "metric_csv", "metric_file_name", "render_csvs", "safe_cell"]

BOM = "\ufeff"
"""Spreadsheets read UTF-8 only when a file starts with it."""

# A cell that starts so is taken for a formula (OWASP: CSV injection); full-width forms count in East Asian locales.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


def safe_cell(value: object) -> str | int | float:
    """Make a value of strangers safe for a spreadsheet: text that looks like a formula gets a leading quote."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = visible(str(value))
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text


def metric_csv(result: MetricResult) -> str:
    """Give a result as CSV, starting with a byte order mark; what was not reported is an empty cell."""
    dims = tuple(dict.fromkeys(key for point in result.points for key in point.dims))
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    head = ["metric", "version", "unit", "bucket"]
    writer.writerow(
        [*head, *(safe_cell(key) for key in dims), "value", "numerator", "denominator", "partial"]
    )
    for point in result.points:
        writer.writerow(
            [
                result.metric,
                result.version,
                result.unit.value,
                safe_cell(point.bucket),
                *(safe_cell(point.dims.get(key)) for key in dims),
                safe_cell(point.value),
                safe_cell(point.numerator),
                safe_cell(point.denominator),
                safe_cell(point.partial),
            ]
        )
    return BOM + out.getvalue()


def metric_file_name(result: MetricResult, taken: set[str]) -> str:
    """Name a result's file; the grain is added when the metric comes in several."""
    name = result.metric if result.metric not in taken else f"{result.metric}.{result.grain.value}"
    number = 2
    while name in taken:
        name = f"{result.metric}.{result.grain.value}-{number}"
        number += 1
    taken.add(name)
    return name


def render_csvs(report: Report) -> dict[str, str]:
    """Give one CSV text per metric, by metric name."""
    taken: set[str] = set()
    return {metric_file_name(result, taken): metric_csv(result) for result in report.results}
