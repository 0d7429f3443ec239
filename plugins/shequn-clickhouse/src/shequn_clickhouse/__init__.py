"""An event store on ClickHouse: the same metrics over logs that outgrow one machine's file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shequn_sdk.domain import Clock
from shequn_sdk.platforms.hooks import EventStoreSpec, hookimpl

if TYPE_CHECKING:
    from shequn_clickhouse.store import ClickHouseEventStore

__all__ = ["ClickHouseEventStore", "shequn_event_stores"]


def _create(url: str, clock: Clock) -> Any:
    from shequn_clickhouse.store import ClickHouseEventStore  # noqa: PLC0415 - the driver is loaded when it is used

    return ClickHouseEventStore(url, clock=clock)


def __getattr__(name: str) -> object:
    if name == "ClickHouseEventStore":
        from shequn_clickhouse.store import ClickHouseEventStore  # noqa: PLC0415

        return ClickHouseEventStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@hookimpl
def shequn_event_stores() -> Iterable[EventStoreSpec]:
    """Offer ClickHouse."""
    return [EventStoreSpec(name="clickhouse", schemes=("clickhouse", "clickhouses"), create=_create)]
