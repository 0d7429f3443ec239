"""Readings of metrics that several sections make."""

from __future__ import annotations

from shequn_sdk.domain import Grain, MetricPoint, MetricResult
from shequn_sdk.errors import InvalidInput, NotSupported
from shequn_sdk.reports.model import Mark, ReportContext
from shequn_sdk.reports.words import meaning

__all__ = ["Numbers", "latest", "marks_of", "meaning_of", "total_of"]


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


def latest(result: MetricResult | None, *, complete: bool = False) -> MetricPoint | None:
    """Give the newest point that has a value."""
    for point in reversed(result.points if result else ()):
        if point.value is not None and not (complete and point.partial):
            return point
    return None


def total_of(result: MetricResult | None) -> float | int | None:
    """Give the sum of all points that have a value; None without any."""
    values = [point.value for point in (result.points if result else ()) if point.value is not None]
    return sum(values) if values else None


def marks_of(result: MetricResult, series: str = "", *, negative: bool = False) -> tuple[Mark, ...]:
    """Give a chart's marks, one per point; `negative` draws them below the line."""
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


def meaning_of(context: ReportContext, metric: str) -> str:
    """Give what a metric means: the context's own words, or those of the report's language."""
    return context.meanings.get(metric) or meaning(metric, context.language)
