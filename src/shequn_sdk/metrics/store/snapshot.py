"""A copy of the store's file that stands still, for readers who need not wait for whoever has the file."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from shequn_sdk.metrics.store import log

__all__ = ["Snapshot"]

_SHARE = 50
"""Copying may take one part of so many of the time: a copy that took a second is not repeated for fifty."""


class Snapshot:
    """The copy beside a store's file; replaced whole, so that readers have the old one or the new one."""

    def __init__(self, path: Path, *, every: float | None) -> None:
        """Keep the copy of the store `path`, at most every so many seconds; None never makes one."""
        self._store = path
        self.path = path.with_name(path.name + ".snapshot")
        self._every = every
        self._rest = 0.0
        self._changed = False
        self.held = False
        """No copy is made, because the file holds what must go."""

    def changed(self) -> None:
        """Know that the store was written to."""
        self._changed = True

    def due(self) -> bool:
        """Whether a copy should be made now."""
        if self._every is None or not self._changed or self.held or os.name != "posix":
            return False  # elsewhere a file that somebody reads cannot be replaced
        try:
            age = time.time() - self.path.stat().st_mtime
        except OSError:
            return True
        return age < 0 or age >= max(self._every, self._rest)

    def take(self) -> None:
        """Copy the closed file; a copy that fails leaves the old one."""
        began = time.monotonic()
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            # A file with a log of changes beside it was not closed properly: it is copied the next time.
            if not self._store.with_name(self._store.name + ".wal").exists():
                shutil.copyfile(self._store, fresh)
                fresh.replace(self.path)
                self._changed = False
        except OSError:  # a full disk, for example: readers wait for their turn as they did
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
        self._rest = (time.monotonic() - began) * _SHARE

    def drop(self) -> None:
        """Delete the copy: it holds what must go, or names files that will."""
        for name in (self.path, self.path.with_name(self.path.name + ".new")):
            name.unlink(missing_ok=True)
        self._changed = True

    def exists(self) -> bool:
        """Whether there is a copy to read."""
        return self.path.exists()

    def open(self, config: dict[str, str | bool | int | float | list[str]]) -> duckdb.DuckDBPyConnection:
        """Open the copy for reading, beside other readers."""
        connection = duckdb.connect(str(self.path), read_only=True, config=config)
        try:
            connection.execute("set enable_progress_bar = false")
            log.refresh_view(connection, self._store)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def made_at(connection: duckdb.DuckDBPyConnection) -> datetime:
        """Give the instant of which a copy tells."""
        rows = connection.execute("select value from meta where key = 'snapshot_at'").fetchall()
        return datetime.fromisoformat(rows[0][0]).replace(tzinfo=UTC)

    @staticmethod
    def mark(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        """Write the instant into the store that will be copied."""
        connection.begin()
        connection.execute("delete from meta where key = 'snapshot_at'")
        connection.execute("insert into meta values ('snapshot_at', $t)", {"t": now.isoformat()})
        connection.commit()
