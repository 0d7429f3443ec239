"""An event store on PostgreSQL: many hosts write, many read, nobody takes turns on a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shequn_sdk.domain import Clock
from shequn_sdk.platforms.hooks import EventStoreSpec, hookimpl

if TYPE_CHECKING:
    from shequn_postgres_events.store import PostgresEventStore

__all__ = ["PostgresEventStore", "shequn_event_stores"]


def _create(url: str, clock: Clock) -> Any:
    from shequn_postgres_events.store import PostgresEventStore  # noqa: PLC0415 - psycopg is loaded when it is used

    return PostgresEventStore(url, clock=clock)


def __getattr__(name: str) -> object:
    if name == "PostgresEventStore":
        from shequn_postgres_events.store import PostgresEventStore  # noqa: PLC0415

        return PostgresEventStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@hookimpl
def shequn_event_stores() -> Iterable[EventStoreSpec]:
    """Offer PostgreSQL."""
    return [EventStoreSpec(name="postgres", schemes=("postgresql", "postgres"), create=_create)]
