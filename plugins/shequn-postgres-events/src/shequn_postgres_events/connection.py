"""Connections to the server: a few kept open, errors in our words, one writer at a time."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Generator
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from shequn_postgres_events.schema import SCHEMA, TABLES, VERSION
from shequn_sdk.errors import ConfigError, StoreBusy, StoreDamaged, StoreError, StoreFull, StoreTooNew

__all__ = ["Connection", "Server", "translate"]

Connection = psycopg.Connection[tuple[Any, ...]]

_LOCK = 0x7368_7175_6E
"""Key of the advisory lock that writers take; it spells the package's name."""
_KEPT = 4
_QUIET = 1.0
"""Seconds after which an idle connection is asked whether it still lives."""


def translate(error: psycopg.Error, where: str) -> StoreError:
    """Give the store error that says what an error of the server means; rows and secrets stay out of it."""
    text = (error.diag.message_primary or str(error).strip().splitlines()[0] if str(error) else "") or type(
        error
    ).__name__
    text = re.sub(r"postgres(ql)?://\S+", "…", text)
    if isinstance(error, psycopg.errors.DiskFull):
        return StoreFull(f"the event store {where} has no space left: nothing of this was kept")
    if isinstance(error, (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)):
        return StoreBusy(
            f"the event store {where} is busy: another process writes; try again, or give a longer timeout"
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return StoreError(
            f"the event store {where} refuses this user: {text}; give it CREATE on the database, or make the schema "
            f"{SCHEMA} and let the user own it"
        )
    if isinstance(error, (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted)):
        return StoreDamaged(f"the event store {where} is damaged: {text}; restore a copy")
    if isinstance(error, psycopg.OperationalError):
        return StoreError(f"the event store {where} cannot be reached: {text}; is the server running?")
    return StoreError(f"the event store {where} failed: {text}")


class Server:
    """One database, reached over a few connections that are kept for the next use; safe to use from several threads."""

    def __init__(self, url: str, *, timeout: float) -> None:
        scheme, mark, rest = url.partition("://")
        self._url = scheme.partition("+")[0] + mark + rest
        self._timeout = timeout
        self._idle: list[tuple[Connection, float]] = []
        self._guard = threading.Lock()
        self._ready = False
        try:
            parts = conninfo_to_dict(self._url)
        except psycopg.Error as error:
            # the driver's message may hold the URL, and the URL a password
            raise ConfigError(
                "the URL of the event store cannot be read; write postgresql://user:password@host:5432/database"
            ) from _nameless(error)
        self.where = f"{parts.get('host') or 'local'}/{parts.get('dbname') or parts.get('user') or ''}"

    def _connect(self) -> Connection:
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=max(2, int(self._timeout)))
        try:
            connection.execute(
                sql.SQL(
                    "set search_path to {}; set timezone to 'UTC'; set jit to off; set lock_timeout to {}"
                ).format(sql.Identifier(SCHEMA), sql.Literal(f"{int(self._timeout * 1000)}ms"))
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _take(self) -> Connection:
        while True:
            with self._guard:
                if not self._idle:
                    break
                connection, since = self._idle.pop()
            try:
                if time.monotonic() - since > _QUIET:
                    connection.execute("select 1")
            except psycopg.Error:
                connection.close()
            else:
                return connection
        return self._connect()

    @contextlib.contextmanager
    def connection(self) -> Generator[Connection]:
        """Lend a connection in autocommit mode; the tables are there."""
        try:
            connection = self._take()
        except psycopg.Error as error:
            raise translate(error, self.where) from _nameless(error)
        try:
            if not self._ready:
                self._prepare(connection)
                self._ready = True
            yield connection
        except psycopg.Error as error:
            raise translate(error, self.where) from error
        finally:
            with self._guard:
                usable = not connection.closed and connection.info.transaction_status == 0
                if usable and len(self._idle) < _KEPT:
                    self._idle.append((connection, time.monotonic()))
                    connection = None
            if connection is not None:
                connection.close()

    @contextlib.contextmanager
    def write(self) -> Generator[Connection]:
        """Lend a connection in a transaction that no other writer shares: numbers and retractions depend on it."""
        with self.connection() as connection, connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            yield connection

    @contextlib.contextmanager
    def snapshot(self) -> Generator[Connection]:
        """Lend a connection that sees one state of the store and cannot change it."""
        with self.connection() as connection, connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            # How many rows come out of a step of a metric the server cannot know. It takes them for a few, and compares
            # every question with every answer: a minute and a half in place of a tenth of a second.
            connection.execute("set local enable_nestloop = off")
            yield connection

    def _prepare(self, connection: Connection) -> None:
        there = "select 1 from information_schema.tables where table_schema = %s and table_name = 'meta'"
        if connection.execute(there, (SCHEMA,)).fetchone() is None:
            with connection.transaction():
                connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
                if connection.execute(there, (SCHEMA,)).fetchone() is None:  # nobody was quicker
                    name = sql.Identifier(SCHEMA)
                    connection.execute(sql.SQL("create schema if not exists {}").format(name))
                    connection.execute(TABLES)
                    connection.execute("insert into meta values ('schema', %s)", (str(VERSION),))
        version = connection.execute("select value from meta where key = 'schema'").fetchone()
        if version is None or not str(version[0]).isdigit():
            raise StoreDamaged(
                f"the event store {self.where} does not say which version it is; restore a copy"
            )
        if int(version[0]) > VERSION:
            raise StoreTooNew(
                f"the event store {self.where} has version {version[0]}, this package knows up to {VERSION}; "
                "upgrade shequn-postgres-events"
            )

    def close(self) -> None:
        """Close the connections that nobody uses; the next use opens one again."""
        with self._guard:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _nameless(error: psycopg.Error) -> Exception:
    """Give an error to chain that holds no part of the URL."""
    return StoreError(type(error).__name__)
