# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""The log as queries see it: live events plus Parquet archives of closed months."""

from __future__ import annotations

import os
import uuid
from datetime import date, datetime
from pathlib import Path

import duckdb

from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import StoreDamaged
from shequn_sdk.metrics.store.schema import EVENT_COLUMNS

__all__ = [
    "LOG",
    "archive",
    "archive_file",
    "directory",
    "drop_orphans",
    "months_of",
    "refresh_view",
    "restore",
    "rewrite",
]

LOG = "event_log"
"""Temporary view over everything; metrics read from it."""


def directory(path: Path) -> Path:
    """Give the folder of the archives of a store."""
    return path.with_name(path.name + ".archive")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def refresh_view(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Point the view at the live events and the archives that are committed."""
    files = [row[0] for row in con.execute("select file from archives order by file").fetchall()]
    missing = [file for file in files if not (directory(path) / file).is_file()]
    if missing:
        raise StoreDamaged(
            f"{path} has archived months whose files are gone: {', '.join(missing[:3])}; put them back into "
            f"{directory(path)}"
        )
    columns = ", ".join(EVENT_COLUMNS)
    sql = f"select {columns} from events"
    if files:
        # Persons may have been linked since the month was archived: their number comes from the members.
        kept = ", ".join("m.person_no" if name == "person_no" else f"a.{name}" for name in EVENT_COLUMNS)
        listed = ", ".join(_quoted(directory(path) / file) for file in files)
        sql += f" union all select {kept} from read_parquet([{listed}]) as a left join members as m using (member_no)"
    con.execute(f"create or replace temp view {LOG} as {sql}")


def archive(con: duckdb.DuckDBPyConnection, path: Path, before: date) -> int:
    """Move every month that ended before `before` out of the live table; give the number of events moved."""
    first_kept = datetime(before.year, before.month, 1)  # noqa: DTZ001 - the store's times are naive UTC
    months = [
        row[0]
        for row in con.execute(
            "select distinct strftime(ts, '%Y-%m') from events where ts < $t order by 1", {"t": first_kept}
        ).fetchall()
    ]
    moved = sum(archive_file(con, path, month) for month in months)
    drop_orphans(con, path)
    return moved


def archive_file(con: duckdb.DuckDBPyConnection, path: Path, month: str) -> int:
    """Write one month to a new file, then drop it from the live table in the transaction that lists the file.

    A crash in between leaves a file that is listed nowhere; `drop_orphans` removes it.
    """
    month = month[:7]
    folder = directory(path)
    folder.mkdir(exist_ok=True)
    name = f"{month}-{uuid.uuid4().hex[:8]}.parquet"
    where = f"strftime(ts, '%Y-%m') = '{month}'"
    first = datetime.strptime(month, "%Y-%m")  # noqa: DTZ007
    bounds = (
        f"ts >= '{first:%Y-%m-%d}' and ts < cast('{first:%Y-%m-%d}' as date) + interval 1 month and {where}"
    )
    con.begin()
    try:
        count, low, high = con.execute(
            f"select count(*), min(ts), max(ts) from events where {bounds}"
        ).fetchall()[0]
        if count:
            columns = ", ".join(EVENT_COLUMNS)
            con.execute(
                f"copy (select {columns} from events where {bounds} order by ts) "
                f"to {_quoted(folder / name)} (format parquet, compression zstd)"
            )
            with (folder / name).open("rb+") as file:
                os.fsync(file.fileno())
            con.execute(f"delete from events where {bounds}")
            con.execute(
                "insert into archives values ($f, $low, $high, $n)",
                {"f": name, "low": low, "high": high, "n": count},
            )
        con.commit()
    except BaseException:
        con.rollback()
        raise
    refresh_view(con, path)
    return count


def months_of(con: duckdb.DuckDBPyConnection, ref: MemberRef) -> list[str]:
    """List the archive files; each may hold the member as actor or as target."""
    del ref  # reading all files to find out costs as much as rewriting them
    return [row[0] for row in con.execute("select file from archives order by file").fetchall()]


def restore(con: duckdb.DuckDBPyConnection, path: Path, file: str) -> None:
    """Put an archived month back into the live table, within the caller's transaction."""
    kept = ", ".join("m.person_no" if name == "person_no" else f"a.{name}" for name in EVENT_COLUMNS)
    con.execute(
        f"""insert into events ({", ".join(EVENT_COLUMNS)}) select {kept}
        from read_parquet({_quoted(directory(path) / file)}) as a left join members as m using (member_no)"""
    )
    con.execute("delete from archives where file = $f", {"f": file})
    refresh_view(con, path)


def drop_orphans(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Delete archive files that no committed transaction names."""
    folder = directory(path)
    if folder.is_dir():
        listed = {row[0] for row in con.execute("select file from archives").fetchall()}
        for file in folder.glob("*.parquet"):
            if file.name not in listed:
                file.unlink()


def rewrite(path: Path, config: dict[str, str | bool | int | float | list[str]]) -> None:
    """Copy what is alive into a new file and put it in the old one's place; the caller has the turn."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    con = duckdb.connect(config=config)
    try:
        con.execute(f"attach {_quoted(path)} as old (read_only)")
        con.execute(f"attach {_quoted(fresh)} as fresh")
        con.execute("copy from database old to fresh")
        con.execute("detach fresh")
    finally:
        con.close()
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())
    fresh.replace(path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
