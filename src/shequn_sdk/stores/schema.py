"""The tables of all rooms on one `MetaData`, and how instants are kept in them."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Integer, MetaData

__all__ = ["BigId", "Instant", "from_us", "load_tables", "metadata", "to_us"]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Where every table is registered; migrations and tests compare against it."""

Instant = BigInteger
"""An instant: microseconds since 1970 in UTC. Integers compare alike on every database and every driver."""

BigId = BigInteger().with_variant(Integer, "sqlite")
"""Key counted by the database; SQLite counts only columns declared INTEGER."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def to_us(instant: datetime) -> int:
    """Give microseconds since 1970 for an aware instant."""
    return (instant - _EPOCH) // _US


def from_us(value: int) -> datetime:
    """Give the instant that `to_us` made `value` from."""
    return _EPOCH + timedelta(microseconds=value)


def load_tables() -> MetaData:
    """Import the tables of every room and give the metadata that knows them all."""
    import shequn_sdk.stores.tables as package  # noqa: PLC0415 - the tables import this module

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return metadata
