"""Writing a report's files: each appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from shequn_sdk.reports._extra import need
from shequn_sdk.reports.csvs import render_csvs
from shequn_sdk.reports.model import Report

__all__ = ["check_formats", "write_atomic", "write_report"]


def write_atomic(path: Path, data: bytes) -> Path:
    """Replace a file in one step, so that a reader sees the old or the new content and never half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def check_formats(formats: frozenset[str]) -> None:
    """See that what the forms need is installed, before long work whose end they are.

    Raises:
        MissingExtra: it is not.
    """
    if formats & {"html", "overview", "png"}:
        for module in ("altair", "vl_convert", "jinja2", "fontTools"):
            need(module)


def write_report(report: Report, directory: Path, formats: frozenset[str]) -> list[Path]:
    """Write the forms asked for; pictures last, because only they can lack glyphs."""
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    if "csv" in formats:
        for name, text in render_csvs(report).items():
            written.append(write_atomic(directory / f"{name}.csv", text.encode()))
    if "md" in formats:
        pictures = {chart.name: f"{chart.name}.png" for chart in report.charts} if "png" in formats else {}
        written.append(write_atomic(directory / "report.md", report.markdown(pictures=pictures).encode()))
    if "parquet" in formats:
        from shequn_sdk.reports.parquet import write_parquet  # noqa: PLC0415  (pyarrow is heavy)

        written.extend(write_parquet(report, directory))
    if "html" in formats:
        written.append(write_atomic(directory / "report.html", report.html().encode()))
    if "overview" in formats:
        written.append(write_atomic(directory / "overview.png", report.overview()))
    if "png" in formats:
        for name, picture in report.png().items():
            written.append(write_atomic(directory / f"{name}.png", picture))
    return written
