"""Opening the store's file for a turn, and letting it go again."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from shequn_sdk.errors import StoreBusy, StoreDamaged, StoreError, StoreFull, StoreTooNew
from shequn_sdk.metrics.store import log, schema
from shequn_sdk.metrics.store.known import Known
from shequn_sdk.metrics.store.snapshot import Snapshot
from shequn_sdk.metrics.store.turns import Turn

__all__ = ["TurnTaker", "translate"]


def translate(error: duckdb.Error, path: Path) -> StoreError:
    """Give the store error that says what an error of DuckDB means."""
    text = str(error).replace(str(path), path.name).replace(path.name, "the file")
    if any(sign in text for sign in ("No space left", "Disk quota", "File too large")):
        return StoreFull(
            f"no space left for the event store {path}: nothing of this was kept; free some space"
        )
    if isinstance(error, duckdb.IOException):
        if "Could not set lock" in text or "Conflicting lock" in text:
            return StoreBusy(
                f"another program has {path} open without taking turns; close it (a DuckDB shell?) and try again"
            )
        if "newer" in text or "version number" in text:
            return StoreTooNew(f"{path} was written by a newer DuckDB; upgrade shequn-sdk and duckdb")
        if (
            "not a valid DuckDB" in text
            or "Corrupt" in text
            or "checksum" in text
            or "Is a directory" in text
        ):
            return StoreDamaged(
                f"{path} is no event store, or is damaged: {text.splitlines()[0]}; restore a copy"
            )
    if isinstance(error, (duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)):
        return StoreDamaged(f"{path} cannot be read: {text.splitlines()[0]}; restore a copy or import again")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError(
            f"a query on {path} needs more memory than allowed; raise memory_limit or ask for less"
        )
    return StoreError(f"the event store {path} failed: {text.splitlines()[0]}")


def _migrate(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    for text in schema.ADDED[version - 1 :]:
        connection.execute(text)


class TurnTaker:
    """Holds a DuckDB file for a turn: shared by threads, given up when idle or wanted elsewhere."""

    def __init__(
        self,
        path: Path | str,
        *,
        timeout: float,
        idle: float,
        memory_limit: str,
        threads: int | None,
        snapshot_every: float | None = None,
    ) -> None:
        self.path = Path(path)
        self._snapshot = Snapshot(self.path, every=snapshot_every)
        self._memo: dict[object, object] = {}
        self._timeout = timeout
        self._idle = idle
        # A checkpoint copies the log of changes into the file: with DuckDB's 16 MB it would come every few batches.
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "checkpoint_threshold": "128MB",
        }
        if threads is not None:
            self._config["threads"] = threads
        self._known = Known()
        self._turn = Turn(self.path.with_name(self.path.name + ".lock"))
        self._lock = threading.RLock()
        self._threads = threads or os.cpu_count() or 1
        self._threads_now = self._threads
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._depth = 0
        self._used = 0.0
        self._timer: threading.Timer | None = None

    @contextlib.contextmanager
    def _session(self, purpose: str) -> Generator[duckdb.DuckDBPyConnection]:
        with self._lock:
            connection = self._open(purpose)
            self._depth += 1
            try:
                yield connection
            except duckdb.Error as error:
                raise translate(error, self.path) from error
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._leave()

    @contextlib.contextmanager
    def _write(self, purpose: str, *, keep: bool = False) -> Generator[duckdb.DuckDBPyConnection]:
        """Give a transaction; with `keep` the caller keeps what is known of the store in step itself."""
        with self._session(purpose) as connection:
            self._memo.clear()
            self._snapshot.changed()
            if not keep:
                self._known.clear()
            connection.begin()
            try:
                yield connection
                connection.commit()
            except BaseException as error:
                self._known.clear()
                with contextlib.suppress(duckdb.Error):
                    connection.rollback()
                if isinstance(
                    error, (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException)
                ):
                    self._close()  # after a failed write DuckDB refuses further work on this connection
                raise

    def _open(self, purpose: str, *, timeout: float | None = None) -> duckdb.DuckDBPyConnection:
        if self._connection is not None:
            return self._connection
        self._turn.take(purpose=purpose, timeout=self._timeout if timeout is None else timeout)
        try:
            if not self.path.exists():
                self._create()
            connection = duckdb.connect(str(self.path), config=self._config)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except duckdb.Error as error:
            self._turn.release()
            raise translate(error, self.path) from error
        except BaseException:
            self._turn.release()
            raise
        self._connection = connection
        self._threads_now = self._threads
        return connection

    def _create(self) -> None:
        """Make the empty file whole or not at all: DuckDB refuses one whose first blocks a full disk cut off."""
        new = self.path.with_name(self.path.name + ".new")
        try:
            new.unlink(missing_ok=True)
            duckdb.connect(str(new)).close()
            new.replace(self.path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise StoreError(
                    f"cannot make the event store {self.path}: {error.strerror or error}; "
                    "check that the directory exists and is writable"
                ) from error
            raise

    def _use_threads(self, connection: duckdb.DuckDBPyConnection, threads: int) -> None:
        if threads != self._threads_now:
            connection.execute(f"set threads = {threads:d}")
            self._threads_now = threads

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("set enable_progress_bar = false")  # a library prints nothing
        tables = {row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()}
        if not tables:
            connection.begin()
            connection.execute(schema.TABLES)
            connection.execute("insert into meta values ('schema', '1')")
            _migrate(connection, 1)
            connection.commit()
        elif "meta" not in tables or "events" not in tables:
            raise StoreDamaged(f"{self.path} is a DuckDB file, but no event store; choose another name")
        version = connection.execute("select value from meta where key = 'schema'").fetchall()
        if not version or not str(version[0][0]).isdigit():
            raise StoreDamaged(
                f"{self.path} does not say which version of the event store it is; restore a copy"
            )
        if int(version[0][0]) > schema.SCHEMA_VERSION:
            raise StoreTooNew(
                f"{self.path} has version {version[0][0]} of the event store, this package knows up to "
                f"{schema.SCHEMA_VERSION}; upgrade shequn-sdk"
            )
        if int(version[0][0]) < schema.SCHEMA_VERSION:
            connection.begin()
            _migrate(connection, int(version[0][0]))
            connection.commit()
        log.refresh_view(connection, self.path)

    def _leave(self) -> None:
        self._used = time.monotonic()
        if self._idle <= 0 or self._turn.wanted() or self._snapshot.due():
            self._close()
        elif self._timer is None:
            self._arm(self._idle)

    def _arm(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._tick)
        self._timer.daemon = True
        self._timer.start()

    def _tick(self) -> None:
        with self._lock:
            self._timer = None
            if self._connection is None or self._depth:
                return
            rest = self._used + self._idle - time.monotonic()
            if rest <= 0 or self._turn.wanted():
                self._close()
            else:
                self._arm(rest)

    def _settle(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Bring the file into the state of which a snapshot is to be made."""

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._known.clear()
        self._memo.clear()
        try:
            if connection is not None:
                copying = self._snapshot.due()
                if copying:
                    try:
                        self._settle(connection)
                    except (
                        duckdb.Error,
                        StoreError,
                    ):  # who waits for the file must not be kept by a copy that fails
                        copying = False
                with contextlib.suppress(duckdb.Error):  # what was committed is in the log file beside it
                    self._use_threads(
                        connection, self._threads
                    )  # to write that into the file is work for all
                    connection.close()
                # Closed first: to close another handle of a file gives up DuckDB's own lock on it.
                if copying:
                    self._snapshot.take()
        finally:
            self._turn.release()

    def close(self) -> None:
        """Let the file go; the next use opens it again."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
