"""How numbers are defined, and what a reader must know before trusting them."""

from __future__ import annotations

from collections.abc import Sequence

from shequn_sdk.domain import MetricResult, Unit
from shequn_sdk.reports.model import Cell, Column, Language, ReportContext, Section, Table
from shequn_sdk.reports.sections.readings import meaning_of
from shequn_sdk.reports.words import number, word

__all__ = ["data_notes", "definitions"]


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
            meaning_of(context, result.metric) or "—",
        )
    return Section(
        name="notes",
        title=word("notes", language),
        tables=(Table(columns=columns, rows=tuple(rows.values()), title=word("definitions", language)),),
        notes=data_notes(context, results),
    )
