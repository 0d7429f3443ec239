"""Reading: metric SQL on the server, rows or Arrow back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from shequn_clickhouse.connection import Server
from shequn_sdk.metrics.store.keyed import bind

__all__ = ["ClickHouseSession"]


def _type(value: object) -> str:
    if value is None:
        return "Nullable(String)"
    if isinstance(value, bool):
        return "Bool"
    if isinstance(value, int):
        return "Int64"
    if isinstance(value, float):
        return "Float64"
    if isinstance(value, datetime):
        return "DateTime64(6, 'UTC')"
    return "Date" if isinstance(value, date) else "String"


class ClickHouseSession:
    """One reading; each query sees the store as it is at that moment."""

    dialect = "clickhouse"

    def __init__(self, server: Server) -> None:
        self._server = server

    @staticmethod
    def _typed(sql: str, values: Mapping[str, object]) -> str:
        return bind(sql, lambda name: f"{{{name}:{_type(values[name])}}}")

    def rows(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one query; give the column names and all rows."""
        values = dict(parameters or {})
        result = self._server.query(self._typed(sql, values), values)
        return list(result.column_names), [tuple(row) for row in result.result_rows]

    def arrow(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """Run one query; give a `pyarrow.Table`."""
        values = dict(parameters or {})
        return self._server.arrow(self._typed(sql, values), values)
