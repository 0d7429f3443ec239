"""The golden data on each engine: DuckDB by its store, the others by a copy of its tables."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shequn_sdk.domain import InteractionBatch, MemberRef
from shequn_sdk.metrics import DuckDBEventStore, Metrics
from shequn_sdk.scheduling.clock import ManualClock

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(HERE.glob("*.json"))}
TABLES = (
    "communities",
    "channels",
    "members",
    "profiles",
    "member_tags",
    "contents",
    "events",
    "member_day",
    "person_day",
    "community_hour",
    "ingest_stats",
)
_NAMES = re.compile(r"\$([a-z_][a-z0-9_]*)")


def fill(store: DuckDBEventStore, golden: dict[str, Any]) -> None:
    """Store a golden data set in a store."""
    store.ensure_community("golden", zone=golden["zone"])
    for platform, rows in golden["batches"].items():
        batch = InteractionBatch(platform=platform)
        for row in rows:
            fields = dict(row)
            batch.append(occurred_at=datetime.fromisoformat(fields.pop("at")), **fields)
        store.append(batch, community="golden")
    for refs in golden["link"]:
        store.link_persons(
            [MemberRef(platform=p, native_id=n) for p, _, n in (ref.partition(":") for ref in refs)]
        )


class ReadOnly:
    """Just enough of an event store for `Metrics` to read another engine."""

    def __init__(self, session: Any) -> None:
        self.store = self
        self._session = session

    @contextmanager
    def read(self, *, purpose: str = "read") -> Iterator[Any]:
        yield self._session


def copy_tables(
    store: DuckDBEventStore,
) -> dict[str, tuple[list[tuple[str, str, bool]], list[tuple[Any, ...]]]]:
    """Give columns with types, and rows, of each table."""
    found = {}
    with store.read() as session:
        for table in TABLES:
            types = session.rows(
                "select column_name, data_type, is_nullable from duckdb_columns() where table_name = $t order by column_index",
                {"t": table},
            )[1]
            found[table] = (types, session.rows(f"select * from {table}")[1])
    return found


class PostgresSession:
    dialect = "postgres"

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, sql: str, parameters: Any = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        text = _NAMES.sub(r"%(\1)s", sql.replace("%", "%%"))
        cursor = self._connection.execute(text, dict(parameters or {}))
        return [column.name for column in cursor.description], [tuple(row) for row in cursor.fetchall()]


_PG = {"TINYINT": "smallint", "DOUBLE": "double precision", "UUID": "uuid"}


def to_postgres(connection: Any, store: DuckDBEventStore) -> None:
    schema = f"golden_{uuid.uuid4().hex[:12]}"
    connection.execute(f"create schema {schema}")
    connection.execute(f"set search_path to {schema}")
    for table, (columns, rows) in copy_tables(store).items():
        spelled = ", ".join(f'"{name}" {_PG.get(kind, kind)}' for name, kind, _ in columns)
        connection.execute(f"create table {table} ({spelled})")
        if rows:
            marks = ", ".join(["%s"] * len(columns))
            with connection.cursor() as cursor:
                cursor.executemany(f"insert into {table} values ({marks})", rows)
    connection.execute("create view event_log as select * from events")


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"'{value:%Y-%m-%d %H:%M:%S.%f}'"
    if isinstance(value, date):
        return f"'{value:%Y-%m-%d}'"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


_CH = {
    "TINYINT": "Int8",
    "SMALLINT": "Int16",
    "INTEGER": "Int32",
    "BIGINT": "Int64",
    "DOUBLE": "Float64",
    "VARCHAR": "String",
    "BOOLEAN": "Bool",
    "DATE": "Date",
    "TIMESTAMP": "DateTime64(6, 'UTC')",
    "UUID": "UUID",
    "DECIMAL(18,4)": "Decimal(18, 4)",
}


class ClickHouseSession:
    dialect = "clickhouse"

    def __init__(self, connection: Any, settings: str) -> None:
        self._connection = connection
        self._settings = settings

    def rows(self, sql: str, parameters: Any = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        values = dict(parameters or {})
        text = _NAMES.sub(lambda found: _literal(values[found[1]]), sql)
        answer = self._connection.query(f"{text} {self._settings}", "JSONCompact")
        data = json.loads(answer.bytes() or b'{"meta": [], "data": []}')
        kinds = [column["type"] for column in data["meta"]]
        return [column["name"] for column in data["meta"]], [
            tuple(_read(kind, value) for kind, value in zip(kinds, row, strict=True)) for row in data["data"]
        ]


def _read(kind: str, value: Any) -> Any:
    plain = kind.removeprefix("Nullable(").rstrip(")") if kind.startswith("Nullable(") else kind
    if value is None:
        return None
    if plain.startswith("DateTime"):
        return datetime.fromisoformat(value)
    if plain.startswith("Date"):
        return date.fromisoformat(value)
    if plain.startswith(("Int", "UInt")):
        return int(value)
    if plain.startswith("Decimal"):
        return Decimal(str(value)).quantize(Decimal("0.0001"))
    return value


def to_clickhouse(connection: Any, store: DuckDBEventStore) -> None:
    for table, (columns, rows) in copy_tables(store).items():
        spelled = ", ".join(
            f"`{name}` Nullable({_CH[kind]})" if optional else f"`{name}` {_CH[kind]}"
            for name, kind, optional in columns
        )
        connection.query(f"create table {table} ({spelled}) engine = Memory")
        if rows:
            values = ", ".join("(" + ", ".join(_literal(value) for value in row) + ")" for row in rows)
            connection.query(f"insert into {table} values {values}")
    connection.query("create view event_log as select * from events")


def metrics_over(source: Any, golden: dict[str, Any], *, rollups: bool) -> Metrics:
    return Metrics(source, clock=ManualClock(datetime.fromisoformat(golden["now"])), rollups=rollups)


Make = Callable[[dict[str, Any]], Metrics]
