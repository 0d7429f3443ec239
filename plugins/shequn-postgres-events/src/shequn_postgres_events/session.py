"""Reading: metric SQL on the server, rows or Arrow back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from shequn_postgres_events.connection import Connection, translate
from shequn_sdk.metrics.store.keyed import bind

__all__ = ["PostgresSession", "arrow_table"]


class PostgresSession:
    """One snapshot of the store, for reading."""

    dialect = "postgres"

    def __init__(self, connection: Connection, where: str) -> None:
        self.connection = connection
        self._where = where

    def _run(self, query: str, parameters: Mapping[str, object] | None) -> Any:
        text = bind(query.replace("%", "%%"), lambda name: f"%({name})s")
        try:
            return self.connection.execute(text.encode(), dict(parameters or {}))
        except psycopg.Error as error:
            raise translate(error, self._where) from error

    def rows(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one query; give the column names and all rows."""
        cursor = self._run(sql, parameters)
        return [column.name for column in cursor.description or ()], cursor.fetchall()

    def arrow(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """Run one query; give a `pyarrow.Table`."""
        return arrow_table(self._run(sql, parameters))


def arrow_table(cursor: Any) -> Any:
    """Give what a cursor found as a `pyarrow.Table`, typed by the server's types."""
    import pyarrow as pa  # noqa: PLC0415

    kinds: dict[int, Any] = {
        16: pa.bool_(),
        20: pa.int64(),
        21: pa.int16(),
        23: pa.int32(),
        25: pa.string(),
        701: pa.float64(),
        1043: pa.string(),
        1082: pa.date32(),
        1114: pa.timestamp("us"),
        1700: pa.decimal128(38, 4),
    }
    described = cursor.description or ()
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(described)
    arrays: list[Any] = []
    for column, values in zip(described, columns, strict=True):
        if column.type_code == 2950:  # uuid
            arrays.append(
                pa.array([None if value is None else value.bytes for value in values], pa.binary(16)).cast(
                    pa.uuid()
                )
            )
        else:
            arrays.append(pa.array(values, kinds.get(column.type_code, pa.string())))
    return pa.Table.from_arrays(arrays, names=[column.name for column in described])
