"""Reports that people read: one page, pictures, tables and text, built from computed metrics only."""

from __future__ import annotations

from shequn_sdk.reports.build import build_report
from shequn_sdk.reports.model import (
    Card,
    ChannelDeliveries,
    Chart,
    ChartKind,
    Column,
    Compute,
    DeliveryCounts,
    Finding,
    GoalLine,
    Language,
    Mark,
    Report,
    ReportContext,
    Section,
    Table,
)

__all__ = [
    "Card",
    "ChannelDeliveries",
    "Chart",
    "ChartKind",
    "Column",
    "Compute",
    "DeliveryCounts",
    "Finding",
    "GoalLine",
    "Language",
    "Mark",
    "Report",
    "ReportContext",
    "Section",
    "Table",
    "build_report",
]
