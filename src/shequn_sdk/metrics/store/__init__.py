"""The event store: every interaction once, in one file, for the metrics to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.metrics.store.base import Appended, CommunityInfo, EventStore, Forgotten, MemberFacts, Session

if TYPE_CHECKING:
    from shequn_sdk.metrics.store.aio import AsyncEventStore
    from shequn_sdk.metrics.store.duckdb import DuckDBEventStore

__all__ = [
    "Appended",
    "AsyncEventStore",
    "CommunityInfo",
    "DuckDBEventStore",
    "EventStore",
    "Forgotten",
    "MemberFacts",
    "Session",
]


def __getattr__(name: str) -> object:
    # DuckDB and Arrow take a third of a second to import: only who opens a store pays for them.
    if name == "DuckDBEventStore":
        from shequn_sdk.metrics.store.duckdb import DuckDBEventStore  # noqa: PLC0415

        return DuckDBEventStore
    if name == "AsyncEventStore":
        from shequn_sdk.metrics.store.aio import AsyncEventStore  # noqa: PLC0415

        return AsyncEventStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
