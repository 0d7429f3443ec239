"""Moves an operational store from SQLite to PostgreSQL: every table, in one transaction, counted on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import Connection, Engine, Table, func, insert, select, text

from shequn_sdk.errors import InvalidInput, StoreBusy, StoreDamaged
from shequn_sdk.stores import migrate
from shequn_sdk.stores.schema import load_tables
from shequn_sdk.stores.store import Store

__all__ = ["StoreInfo", "Transferred", "describe", "transfer"]

_BATCH = 1000
_LEFT_BEHIND = frozenset({"worker", "alembic_version"})
"""Processes that have the source open, and the revision, which the target has already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreInfo:
    """What a store is and how much it holds."""

    where: str
    """Its address, without any password."""
    kind: str
    schema: str
    """Name of its newest migration."""
    rows: Mapping[str, int]
    """Rows per table."""
    workers: int
    """Processes that have it open, this one among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What was copied."""

    source: str
    target: str
    """Address without password."""
    rows: Mapping[str, int]


def _tables() -> Sequence[Table]:
    return [table for table in load_tables().sorted_tables if table.name not in _LEFT_BEHIND]


def _count(conn: Connection, tables: Sequence[Table]) -> dict[str, int]:
    return {
        table.name: int(conn.execute(select(func.count()).select_from(table)).scalar() or 0)
        for table in tables
    }


async def describe(store: Store) -> StoreInfo:
    """Give what an open store holds."""
    since = store.stamp() - 60_000_000

    def look(conn: Connection) -> tuple[str, dict[str, int], int]:
        alive = conn.execute(
            text("select count(*) from worker where seen > :since"), {"since": since}
        ).scalar()
        return migrate.revision_of(conn) or "", _count(conn, _tables()), int(alive or 0)

    schema, rows, workers = await store.read(look)
    kind = "SQLite" if store.is_sqlite else "PostgreSQL"
    return StoreInfo(where=store.where, kind=kind, schema=schema, rows=rows, workers=workers)


async def transfer(
    source: Path,
    target: str,
    *,
    progress: Callable[[int, int], None] | None = None,
    force: bool = False,
) -> Transferred:
    """Copy the SQLite store at `source` into the empty database `target`; the source is only read.

    Everything is copied in one transaction: when it fails, the target is as empty as before.

    Args:
        progress: told of rows copied and rows in all.
        force: copy although another process has the source open; what it writes meanwhile is not copied.

    Raises:
        InvalidInput: there is no such file, or the target is no PostgreSQL database, or holds rows already.
        StoreBusy: a process has the source open.
        StoreDamaged: the counts differ after copying; nothing was kept.
    """
    if not await anyio.Path(source).is_file():
        raise InvalidInput(f"{source} does not exist: there is nothing to move")
    if target.partition("://")[0].partition("+")[0] not in {"postgresql", "postgres"}:
        raise InvalidInput("the target must be a PostgreSQL database: give postgresql://user@host/name")
    async with await Store.open(source) as old:
        others = (await describe(old)).workers - 1
        if others > 0 and not force:
            raise StoreBusy(
                f"{source} is in use by {others} other process(es): stop `shequn run` and workers first "
                "(one that was killed counts for a minute)"
            )
        async with await Store.open(target) as new:
            loop = asyncio.get_running_loop()

            def tell(done: int, total: int) -> None:
                if progress is not None:
                    loop.call_soon_threadsafe(progress, done, total)

            rows = await new.write(lambda conn: _copy(old.engine, conn, new.where, tell))
            return Transferred(source=str(source), target=new.where, rows=rows)


def _copy(
    engine: Engine, conn: Connection, where: str, progress: Callable[[int, int], None]
) -> dict[str, int]:
    tables = _tables()
    # nobody may write between the look at the target and the end of the copy
    names = ", ".join(f'"{table.name}"' for table in tables)
    conn.execute(text(f"lock table {names} in share row exclusive mode"))
    held = {name: number for name, number in _count(conn, tables).items() if number}
    if held:
        shown = ", ".join(f"{number} rows in {name}" for name, number in list(held.items())[:3])
        raise InvalidInput(f"{where} is not empty ({shown}): give an empty database")
    with engine.connect() as reader:
        reader.exec_driver_sql("begin")  # one consistent state of the source
        wanted = _count(reader, tables)
        total, done = sum(wanted.values()), 0
        for table in tables:
            for batch in (
                reader.execution_options(yield_per=_BATCH).execute(select(table)).mappings().partitions()
            ):
                conn.execute(insert(table), [dict(row) for row in batch])
                done += len(batch)
                progress(done, total)
            _go_on_counting(conn, table)
        reader.rollback()
    copied = _count(conn, tables)
    if copied != wanted:
        wrong = ", ".join(name for name, number in wanted.items() if copied[name] != number)
        raise StoreDamaged(
            f"rows are missing after copying ({wrong}); nothing was kept, the source is untouched"
        )
    return copied


def _go_on_counting(conn: Connection, table: Table) -> None:
    """Let the next number that the server gives follow the highest one that was copied."""
    key: Any = table.autoincrement_column
    if key is None:
        return
    found = conn.execute(
        text("select pg_get_serial_sequence(:table, :key)"), {"table": table.name, "key": key.name}
    ).scalar()
    if found is None:
        return
    highest = conn.execute(select(func.max(key))).scalar()
    if highest is not None:
        conn.execute(text("select setval(:sequence, :value)"), {"sequence": found, "value": int(highest)})
