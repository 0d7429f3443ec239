"""The built-in sections, each a pure reading of computed metrics, by what they show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shequn_sdk.reports.model import ReportContext, Section
from shequn_sdk.reports.sections.best import content, leaders
from shequn_sdk.reports.sections.notes import definitions
from shequn_sdk.reports.sections.people import activity, growth, heatmap, retention
from shequn_sdk.reports.sections.readings import Numbers
from shequn_sdk.reports.sections.summary import summary
from shequn_sdk.reports.sections.work import deliveries, findings, goals

__all__ = ["BUILT_IN", "Numbers", "definitions"]

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
