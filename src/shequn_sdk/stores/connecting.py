"""From a URL to an engine of SQLAlchemy."""

from __future__ import annotations

import functools
import sqlite3
from typing import Any, Literal

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from shequn_sdk.errors import ConfigError, MissingExtra

__all__ = ["make_engine"]

_OLDEST_SQLITE = (3, 35, 0)


def make_engine(url: str, sync: Literal["full", "normal"]) -> tuple[Engine, str]:
    """Give the engine of a store's URL or path, and the name of the place, without a password, for errors.

    Raises:
        ConfigError: the URL cannot be used, or its driver is not installed.
    """
    if "://" not in url:
        url = f"sqlite:///{url}"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # its text may hold the password
        raise ConfigError("the store's URL cannot be read; write sqlite:///path or postgresql://…") from None
    backend = parsed.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        backend, parsed = "postgresql", parsed.set(drivername="postgresql+psycopg")
    where = parsed.render_as_string(hide_password=True)
    if backend == "sqlite":
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise ConfigError(f"SQLite 3.35 or newer is needed, this Python has {sqlite3.sqlite_version}")
        engine = create_engine(
            parsed,
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False, "timeout": 10.0},
            poolclass=NullPool,
        )
        event.listen(engine, "connect", functools.partial(_pragmas, sync))
        return engine, parsed.database or "memory"
    if backend == "postgresql":
        try:
            # The connection used last first: its statements are prepared, and those of the others need not be.
            server = create_engine(
                parsed, pool_size=8, pool_use_lifo=True, connect_args={"connect_timeout": 10}
            )
        except ModuleNotFoundError as error:
            raise MissingExtra("PostgreSQL needs its client", "postgres") from error
        return server, where
    raise ConfigError(f"the store cannot be a {backend} database: use SQLite or PostgreSQL")


def _pragmas(sync: str, connection: Any, record: Any) -> None:
    del record
    cursor = connection.cursor()
    cursor.execute("pragma busy_timeout=10000")
    cursor.execute(f"pragma synchronous={sync}")
    cursor.execute("pragma foreign_keys=1")
    cursor.execute("pragma cache_size=-16384")
    # 4 MB: a log that is begun anew soon overwrites what the disk holds already, and syncing that takes half as long as
    # syncing what makes the file longer
    cursor.execute("pragma wal_autocheckpoint=1000")
    cursor.close()
