# ruff: noqa: S608 - names of this package and literals it quotes itself
"""The way to the server: statements, inserts, errors in our words, and the writers' turn."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from shequn_clickhouse.schema import TABLES, TURN, VERSION
from shequn_sdk.errors import ConfigError, StoreBusy, StoreDamaged, StoreError, StoreFull, StoreTooNew

__all__ = ["Server", "chunks", "literal"]

_TABLE_EXISTS = 57
_DENIED = frozenset({193, 194, 497, 516})
_FULL = frozenset({243, 252})
_SAFE_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
_LEASE = 120
"""Seconds after which the turn of a writer that gives no sign is over."""
_SETTINGS = {"final": 1, "join_use_nulls": 1, "async_insert": 0, "max_query_size": 4_000_000}


def literal(value: object) -> str:
    """Write a value into a statement."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date)):
        return f"'{value}'"
    if isinstance(value, (int, float)):
        return repr(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'").replace("\x00", "\\0") + "'"


def chunks(values: Iterable[object], size: int = 4_000) -> Generator[str]:
    """Write lists for `in (…)`, each short enough for one statement."""
    some: list[str] = []
    for value in values:
        some.append(literal(value))
        if len(some) == size:
            yield ", ".join(some)
            some = []
    if some:
        yield ", ".join(some)


class Server:
    """One database on a server; safe to use from several threads."""

    def __init__(self, url: str, *, timeout: float, lease: float = _LEASE) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        database = parts.path.strip("/") or "shequn"
        if not parts.hostname or parts.query or not _SAFE_NAME.match(database):
            raise ConfigError(
                "the URL of the event store cannot be read; write clickhouse://user:password@host:8123/database, or "
                "clickhouses:// for HTTPS; a database's name is letters, digits and underscores"
            )
        secure = parts.scheme.partition("+")[0] == "clickhouses"
        self.database = database
        self.where = f"{parts.hostname}/{database}"
        self._options: dict[str, Any] = {
            "host": parts.hostname,
            "port": port or (8443 if secure else 8123),
            "username": unquote(parts.username or "default"),
            "password": unquote(parts.password or ""),
            "secure": secure,
        }
        self._timeout = timeout
        self._lease = lease
        self._client: Any = None
        self._lock = threading.RLock()
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._depth = 0
        self._until = 0.0

    # -- statements --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except ClickHouseError as error:
            raise self._meaning(error) from error

    def _meaning(self, error: ClickHouseError) -> StoreError:
        code = getattr(error, "code", None)
        text = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        if code in _FULL:
            return StoreFull(f"the event store {self.where} has no space left: nothing of this was kept")
        if code in _DENIED:
            return StoreError(
                f"the event store {self.where} refuses this user; check name and password, and that it may create tables "
                f"in the database: {text}"
            )
        if isinstance(error, OperationalError) and code is None:
            return StoreError(
                f"the event store {self.where} cannot be reached; is the server running? {text}"
            )
        return StoreError(f"the event store {self.where} failed: {text}")

    def open(self) -> Any:
        """Give the client; the database and its tables are there."""
        with self._lock:
            if self._client is None:
                with self._translated():
                    client = clickhouse_connect.get_client(
                        **self._options,
                        autogenerate_session_id=False,
                        connect_timeout=max(1, int(self._timeout)),
                        settings=dict(_SETTINGS),
                    )
                    try:
                        self._prepare(client)
                    except BaseException:
                        client.close()
                        raise
                self._client = client
            return self._client

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """Run a query; gives the driver's result with `column_names` and `result_rows`."""
        client = self.open()
        with self._translated():
            return client.query(sql, parameters=dict(parameters or {}))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query; give its rows."""
        return list(self.query(sql).result_rows)

    def run(self, sql: str, *, wait: bool = False) -> None:
        """Run a statement; `wait` for a mutation on all replicas."""
        client = self.open()
        with self._translated():
            client.command(sql, settings={"mutations_sync": 2} if wait else None)

    def insert(self, table: str, columns: Mapping[str, Sequence[object]]) -> None:
        """Insert rows, given by columns, in one block."""
        if not columns or not len(next(iter(columns.values()))):
            return
        client = self.open()
        with self._translated():
            client.insert(
                table,
                [list(values) for values in columns.values()],
                column_names=list(columns),
                column_oriented=True,
            )

    def arrow(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """Run a query; give a `pyarrow.Table`."""
        client = self.open()
        with self._translated():
            return client.query_arrow(sql, parameters=dict(parameters or {}), use_strings=True)

    def _prepare(self, client: Any) -> None:
        known = client.query(
            f"select 1 from system.databases where name = {literal(self.database)}"
        ).result_rows
        if not known:
            client.command(f"create database if not exists {self.database}")
        client.database = self.database
        tables = {
            row[0]
            for row in client.query(
                f"select name from system.tables where database = {literal(self.database)}"
            ).result_rows
        }
        if "meta" not in tables:
            # several may come at once: `meta` comes last, and says that all the others are there
            for statement in (*TABLES[1:], TABLES[0]):
                client.command(re.sub(r"^create (table|view)", r"create \1 if not exists", statement))
            client.insert("meta", [["schema", str(VERSION)]], column_names=["key", "value"])
        found = client.query("select value from meta where key = 'schema'").result_rows
        if not found or not str(found[0][0]).isdigit():
            raise StoreDamaged(
                f"the event store {self.where} does not say which version it is; restore a copy"
            )
        if int(found[0][0]) > VERSION:
            raise StoreTooNew(
                f"the event store {self.where} has version {found[0][0]}, this package knows up to {VERSION}; upgrade "
                "shequn-clickhouse"
            )

    # -- turns -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def turn(self, purpose: str) -> Generator[None]:
        """Be the only writer: a table's name is taken by at most one of those who create it.

        Raises:
            StoreBusy: another writer kept the turn for longer than the time-out.
        """
        with self._lock:
            if self._depth == 0:
                self._take(purpose)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._give_up()

    def _note(self, purpose: str) -> str:
        now = self.rows("select toUnixTimestamp(now())")[0][0]
        self._until = time.monotonic() + self._lease
        return literal(json.dumps({"owner": self._owner, "until": now + self._lease, "purpose": purpose}))

    def _holder(self, table: str = TURN) -> dict[str, Any]:
        found = self.rows(
            "select comment, toUnixTimestamp(now()) from system.tables "
            f"where database = {literal(self.database)} and name = {literal(table)}"
        )
        if not found:
            return {}
        try:
            note: dict[str, Any] = json.loads(found[0][0])
            return note | {"over": found[0][1] > float(note["until"])}
        except (ValueError, KeyError, TypeError):
            return {"owner": "somebody", "over": False}

    def _take(self, purpose: str) -> None:
        deadline = time.monotonic() + self._timeout
        step = 0.01
        client = self.open()
        while True:
            try:
                client.command(
                    f"create table {TURN} (nothing UInt8) engine = Memory comment {self._note(purpose)}"
                )
            except ClickHouseError as error:
                if getattr(error, "code", None) != _TABLE_EXISTS:
                    raise self._meaning(error) from error
            else:
                return
            holder = self._holder()
            if holder.get("over"):
                self._take_away(holder)
                continue
            if holder and time.monotonic() >= deadline:
                owner = f"{holder.get('owner')} ({holder.get('purpose', '')})"
                raise StoreBusy(
                    f"the event store {self.where} is written by {owner}; waited {self._timeout:g} s. Try again when it "
                    "is done, or give a longer timeout",
                    owner=owner,
                )
            time.sleep(step)
            step = min(step * 1.5, 0.2)

    def _take_away(self, holder: dict[str, Any]) -> None:
        """Remove the turn of a writer that gives no sign any more; only one of those who try succeeds."""
        aside = f"{TURN}_{uuid.uuid4().hex[:12]}"
        client = self.open()
        with contextlib.suppress(ClickHouseError):  # somebody else was quicker
            client.command(f"rename table {TURN} to {aside}")
            if self._holder(aside).get("owner") == holder.get("owner"):
                client.command(f"drop table {aside}")
            else:  # between looking and renaming it became another's
                client.command(f"rename table {aside} to {TURN}")

    def still_mine(self, purpose: str) -> None:
        """Make sure of the turn before what others must not see half: renew it, or find that it was taken away.

        Raises:
            StoreBusy: this writer was silent for so long that another one took over.
        """
        holder = self._holder()
        if holder.get("owner") != self._owner:
            raise StoreBusy(
                f"the event store {self.where} took the turn away from this writer, which was silent for too long; "
                "nothing of this was kept: try again",
                owner=str(holder.get("owner", "")),
            )
        if self._until - time.monotonic() < self._lease / 2:
            self.run(f"alter table {TURN} modify comment {self._note(purpose)}")

    def _give_up(self) -> None:
        # Should this fail, what was written stands all the same; whoever comes next waits until the lease is over.
        with contextlib.suppress(ClickHouseError, StoreError):
            if self._holder().get("owner") == self._owner:
                self.open().command(f"drop table {TURN}")

    def close(self) -> None:
        """Let the connections go; the next use opens them again."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None:
                client.close()
