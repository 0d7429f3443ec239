"""Metrics: an event store, a registry of definitions, and the engine that computes them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shequn_sdk.metrics.model import ActiveParams, Gaps, Metric, MetricParams, Segment
    from shequn_sdk.metrics.registry import Registry
    from shequn_sdk.metrics.service import Metrics
    from shequn_sdk.metrics.store import (
        Appended,
        AsyncEventStore,
        CommunityInfo,
        DuckDBEventStore,
        EventStore,
        Forgotten,
        MemberFacts,
    )

__all__ = [
    "ActiveParams",
    "Appended",
    "AsyncEventStore",
    "CommunityInfo",
    "DuckDBEventStore",
    "EventStore",
    "Forgotten",
    "Gaps",
    "MemberFacts",
    "Metric",
    "MetricParams",
    "Metrics",
    "Registry",
    "Segment",
]

_HOMES = {
    "shequn_sdk.metrics.model": ("ActiveParams", "Gaps", "Metric", "MetricParams", "Segment"),
    "shequn_sdk.metrics.registry": ("Registry",),
    "shequn_sdk.metrics.service": ("Metrics",),
    "shequn_sdk.metrics.store": (
        "Appended",
        "AsyncEventStore",
        "CommunityInfo",
        "DuckDBEventStore",
        "EventStore",
        "Forgotten",
        "MemberFacts",
    ),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
