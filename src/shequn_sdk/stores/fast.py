"""SQL for hot paths: the driver's own cursor, without SQLAlchemy's per-call work.

A delivery takes about five statements, at most 10 µs each this way; `benchmarks/RESULTS.md` has the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

__all__ = ["Fast"]

_NAME = re.compile(r"(?<![:\w]):([a-z_]+)")


class Fast:
    """A statement with `:name` parameters that runs on SQLite and PostgreSQL alike."""

    __slots__ = ("_pyformat", "_sql")

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._pyformat = _NAME.sub(r"%(\1)s", sql)

    def _cursor(self, conn: Connection) -> tuple[Any, str]:
        cursor = conn.connection.cursor()
        return cursor, self._sql if conn.dialect.name == "sqlite" else self._pyformat

    def run(self, conn: Connection, params: Mapping[str, Any] | None = None) -> int:
        """Execute; give the number of rows that were changed."""
        cursor, sql = self._cursor(conn)
        try:
            cursor.execute(sql, params or {})
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

    def all(self, conn: Connection, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Execute and give all rows."""
        cursor, sql = self._cursor(conn)
        try:
            cursor.execute(sql, params or {})
            return cursor.fetchall()
        finally:
            cursor.close()

    def one(self, conn: Connection, params: Mapping[str, Any] | None = None) -> tuple[Any, ...] | None:
        """Execute and give the first row, or None."""
        cursor, sql = self._cursor(conn)
        try:
            cursor.execute(sql, params or {})
            return cursor.fetchone()
        finally:
            cursor.close()
