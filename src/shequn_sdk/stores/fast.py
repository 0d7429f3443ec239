"""SQL for hot paths: the driver's own cursor, without SQLAlchemy's per-call work.

A delivery takes about five statements, at most 10 µs each this way; `benchmarks/RESULTS.md` has the whole.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Generator, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, cast

from sqlalchemy import Connection

from shequn_sdk.errors import InvalidInput

__all__ = ["Asked", "Fast", "FastSet", "one_trip"]

_NAME = re.compile(r"(?<![:\w]):([a-z_]+)")
_LIST = re.compile(r"\bin :([a-z_]+)")


@contextlib.contextmanager
def one_trip(conn: Connection) -> Generator[None]:
    """Send a server at once what is asked (see `Fast.ask`) in a block; the answers are there when it has ended."""
    if not _can_join():
        yield
        return
    raw: Any = conn.connection.driver_connection
    with raw.pipeline():
        yield


@lru_cache(1)
def _can_join() -> bool:
    from psycopg import Pipeline  # noqa: PLC0415 - needed where there is a server

    return Pipeline.is_supported()


class Asked:
    """The answer to a statement, to be read once."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: Any) -> None:
        """Read from a cursor that has executed, or has sent, its statement."""
        self._cursor = cursor

    def all(self) -> list[tuple[Any, ...]]:
        """Give all rows."""
        try:
            return self._cursor.fetchall()
        finally:
            self._cursor.close()


class Fast:
    """A statement with `:name` parameters that runs on SQLite and PostgreSQL alike.

    `in :names` takes a list of any length, of numbers or of texts: the statement stays one text, which a database
    parses once.
    """

    __slots__ = ("_lists", "_pyformat", "_sql")

    def __init__(self, sql: str) -> None:
        self._lists: tuple[str, ...] = tuple(_LIST.findall(sql))
        self._sql = _LIST.sub(r"in (select value from json_each(:\1))", sql)
        self._pyformat = _NAME.sub(r"%(\1)s", _LIST.sub(r"= any(:\1)", sql))

    def _cursor(self, conn: Connection) -> tuple[Any, str]:
        # not the pool's own `cursor`, which only passes the call on
        cursor: Any = cast("Any", conn.connection.dbapi_connection).cursor()
        return cursor, self._sql if conn.dialect.name == "sqlite" else self._pyformat

    def _execute(self, conn: Connection, params: Mapping[str, Any] | None) -> Any:
        cursor, sql = self._cursor(conn)
        if self._lists and params is not None and sql is self._sql:
            params = {**params, **{name: json.dumps(params[name]) for name in self._lists}}
        try:
            cursor.execute(sql, params or {})
        except BaseException:
            cursor.close()
            raise
        return cursor

    def ask(self, conn: Connection, params: Mapping[str, Any] | None = None) -> Asked:
        """Execute; what it gives is read later, inside `one_trip` after the end of the block."""
        return Asked(self._execute(conn, params))

    def run(self, conn: Connection, params: Mapping[str, Any] | None = None) -> int:
        """Execute; give the number of rows that were changed."""
        cursor = self._execute(conn, params)
        try:
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def many(self, conn: Connection, rows: Sequence[Mapping[str, Any] | tuple[Any, ...]]) -> None:
        """Execute once per row; tuples fit statements with `?`, which only SQLite takes."""
        if not rows:
            return
        cursor, sql = self._cursor(conn)
        try:
            cursor.executemany(sql, rows)
        finally:
            cursor.close()

    def insert(self, conn: Connection, row: tuple[Any, ...]) -> int:
        """Execute a statement with `?` for one new row on SQLite; give the number that the row has there."""
        raw: Any = conn.connection.dbapi_connection
        return int(raw.execute(self._sql, row).lastrowid)

    def all(self, conn: Connection, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Execute and give all rows."""
        cursor = self._execute(conn, params)
        try:
            return cursor.fetchall()
        finally:
            cursor.close()

    def one(self, conn: Connection, params: Mapping[str, Any] | None = None) -> tuple[Any, ...] | None:
        """Execute and give the first row, or None."""
        cursor = self._execute(conn, params)
        try:
            return cursor.fetchone()
        finally:
            cursor.close()


class FastSet:
    """A statement for SQLite with fixed values and many rows of values: `{fixed}` and `{rows}` stand for them.

    It is written for some numbers of rows, so that SQLite need not read it anew for each; what a set lacks is filled up
    with rows of nulls.
    """

    sizes: ClassVar = (8, 16, 32, 64, 128)

    __slots__ = ("_sql", "_width")

    def __init__(self, sql: str, *, fixed: int, width: int) -> None:
        """Take `fixed` values and rows of `width` values."""
        self._width = width
        one, row = f"({','.join('?' * fixed)})", f"({','.join('?' * width)})"
        self._sql = {
            size: sql.replace("{fixed}", one).replace("{rows}", ",".join([row] * size)) for size in self.sizes
        }

    def _execute(self, conn: Connection, fixed: tuple[Any, ...], values: Sequence[Any]) -> Any:
        count = len(values) // self._width
        size = next((size for size in self.sizes if size >= count), None)
        if size is None:
            raise InvalidInput(f"a set has at most {self.sizes[-1]} rows, not {count}")
        cursor: Any = cast("Any", conn.connection.dbapi_connection).cursor()
        try:
            cursor.execute(self._sql[size], (*fixed, *values, *[None] * ((size - count) * self._width)))
        except BaseException:
            cursor.close()
            raise
        return cursor

    def change(self, conn: Connection, fixed: tuple[Any, ...], values: Sequence[Any]) -> int:
        """Execute; give the number of rows that were changed. `values` are those of all rows, one after another."""
        raw: Any = conn.connection.driver_connection
        before = raw.total_changes  # the driver counts no changes where a statement begins with `with`
        self._execute(conn, fixed, values).close()
        return int(raw.total_changes - before)

    def value(self, conn: Connection, fixed: tuple[Any, ...], values: Sequence[Any]) -> Any:
        """Execute; give the one value of the one row of the answer."""
        cursor = self._execute(conn, fixed, values)
        try:
            return cursor.fetchone()[0]
        finally:
            cursor.close()
