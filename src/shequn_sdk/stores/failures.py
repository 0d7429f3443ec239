"""What drivers raise, in the words of `shequn_sdk.errors`."""

from __future__ import annotations

import errno
import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shequn_sdk.errors import ConfigError, ShequnError, StoreBusy, StoreDamaged, StoreError, StoreFull

__all__ = ["CONFLICTS", "typed"]

CONFLICTS = frozenset({"40001", "40P01"})
"""SQL states after which a server wants a transaction to be repeated."""
_REFUSED = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")
"""What a server says that lets nobody in; the driver gives no SQL state for it."""


def typed(error: BaseException, where: str) -> BaseException:
    """Translate what a driver raised; errors of ours and of the caller's function pass."""
    if isinstance(error, (ShequnError, PoolTimeout)):
        return error
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary == sqlite3.SQLITE_FULL:
            return StoreFull(f"no space left for {where}: free some and repeat; nothing half-written stays")
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreBusy(f"{where} stayed locked by another process; repeat when it has finished")
        if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return StoreDamaged(
                f"{where} is no intact SQLite database ({original}); restore it from a backup"
            )
        if primary == sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"{where} cannot be opened: check that its folder exists and may be written to")
        if primary == sqlite3.SQLITE_READONLY:
            return StoreError(f"{where} is read-only: check its permissions")
        if primary == sqlite3.SQLITE_IOERR:
            return StoreError(f"{where} could not be read or written ({original}); check the disk")
        return error
    if isinstance(original, OSError) and original.errno == errno.ENOSPC:
        return StoreFull(f"no space left for {where}: free some and repeat; nothing half-written stays")
    return _typed_server(error, original, where)


def _typed_server(error: BaseException, original: Any, where: str) -> BaseException:
    """Translate what a server's driver raised, by names, so that no driver need be imported."""
    state = getattr(original, "sqlstate", None)
    if state == "53100":
        return StoreFull(f"the server's disk is full at {where}: free some and repeat")
    kinds = {kind.__name__ for kind in type(original).__mro__ if kind.__module__.startswith("psycopg")}
    if state in CONFLICTS:
        return StoreBusy(f"{where}: other processes write the same rows; repeat")
    if kinds and state is None and any(hint in str(original) for hint in _REFUSED):
        return ConfigError(
            f"{where}: the server refuses this user, password or database; correct the store's URL"
        )
    if "OperationalError" in kinds or "InterfaceError" in kinds:
        return StoreBusy(f"{where} cannot be reached ({type(original).__name__}); check that the server runs")
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return StoreBusy(f"{where} closed the connection; repeat")
    return error
