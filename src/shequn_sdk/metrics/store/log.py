# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""The log as queries see it: live events plus Parquet archives of closed months."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from shequn_sdk.errors import StoreDamaged
from shequn_sdk.metrics.store.schema import EVENT_COLUMNS

__all__ = [
    "LOG",
    "archive",
    "archive_file",
    "directory",
    "drop_orphans",
    "months_with_texts",
    "refresh_view",
    "restore",
    "rewrite",
    "rewrite_files",
    "settle_retractions",
    "want_rewrite",
    "wants_rewrite",
]

LOG = "event_log"
"""Temporary view over everything; metrics read from it."""


def directory(path: Path) -> Path:
    """Give the folder of the archives of a store."""
    return path.with_name(path.name + ".archive")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _as_of_now() -> str:
    """Write the columns of archived rows `a` with what may have changed since of their members `m`."""
    now = {"person_no": "m.person_no", "is_bot": "coalesce(m.is_bot, a.is_bot)"}
    return ", ".join(now.get(name, f"a.{name}") + f" as {name}" for name in EVENT_COLUMNS)


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
        kept = _as_of_now()
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
            _settle_file(folder / name)
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


def _settle_file(file: Path) -> None:
    """Make a written file and its name survive a power cut: the rows will be nowhere else."""
    with file.open("rb+") as written:
        os.fsync(written.fileno())
    if os.name == "posix":
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def rewrite_files(
    con: duckdb.DuckDBPyConnection, path: Path, *, touched: str, kept: str, changed: dict[str, str]
) -> int:
    """Write the archive files that hold `touched` rows anew, within the caller's transaction; give how many.

    Args:
        con: connection within a transaction.
        path: the store's file.
        touched: condition on a row `a`.
        kept: condition on a row `a`; the others are left out.
        changed: new values of columns.
    """
    count = 0
    selected = ", ".join(f"{changed.get(name, 'a.' + name)} as {name}" for name in EVENT_COLUMNS)
    for (file,) in con.execute("select file from archives order by file").fetchall():
        source = f"read_parquet({_quoted(directory(path) / file)}) as a"
        if not con.execute(f"select 1 from {source} where {touched} limit 1").fetchall():
            continue
        count += 1
        name = f"{file[:7]}-{uuid.uuid4().hex[:8]}.parquet"
        fresh = directory(path) / name
        con.execute(
            f"copy (select {selected} from {source} where {kept} order by a.ts) "
            f"to {_quoted(fresh)} (format parquet, compression zstd)"
        )
        _settle_file(fresh)
        con.execute("delete from archives where file = $f", {"f": file})
        con.execute(
            f"insert into archives select $f, min(ts), max(ts), count(*) from read_parquet({_quoted(fresh)}) having count(*) > 0",
            {"f": name},
        )
    return count


def settle_retractions(con: duckdb.DuckDBPyConnection, path: Path, taken_back: str) -> int:
    """Take back what lies in archived months; give how many files were rewritten.

    Args:
        con: connection without a transaction.
        path: the store's file.
        taken_back: condition that retraction `r` takes event `a` back.
    """
    if not con.execute("select 1 from late_retractions limit 1").fetchall():
        return 0
    found = f"not a.is_retracted and exists (select 1 from late_retractions as r where {taken_back})"
    con.begin()
    try:
        con.execute(
            f"insert into dirty_days select distinct a.community_no, a.local_day from {LOG} as a where {found}"
        )
        count = rewrite_files(
            con, path, touched=found, kept="true", changed={"is_retracted": f"a.is_retracted or ({found})"}
        )
        con.execute("delete from late_retractions")
        con.commit()
    except BaseException:
        con.rollback()
        raise
    refresh_view(con, path)
    drop_orphans(con, path)
    return count


def months_with_texts(con: duckdb.DuckDBPyConnection, path: Path, before: datetime) -> list[str]:
    """List the archive files with kept texts of events before an instant."""
    naive = before.astimezone(UTC).replace(tzinfo=None)
    rows = con.execute("select file from archives where first_ts < $t order by file", {"t": naive}).fetchall()
    return [
        file
        for (file,) in rows
        if con.execute(
            f"""select 1 from read_parquet({_quoted(directory(path) / file)}) where ts < $t and attrs is not null
                and (json_exists(attrs, '$.text') or json_exists(attrs, '$.text_hash')) limit 1""",
            {"t": naive},
        ).fetchall()
    ]


def restore(con: duckdb.DuckDBPyConnection, path: Path, file: str) -> None:
    """Put an archived month back into the live table, within the caller's transaction."""
    con.execute(
        f"""insert into events ({", ".join(EVENT_COLUMNS)}) select {_as_of_now()}
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


def want_rewrite(con: duckdb.DuckDBPyConnection) -> None:
    """Note, with the deletion itself, that the bytes of deleted rows are still in the file."""
    con.execute("delete from meta where key = 'rewrite'")
    con.execute("insert into meta values ('rewrite', 'due')")


def wants_rewrite(con: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a deletion was not followed by `rewrite`."""
    return bool(con.execute("select 1 from meta where key = 'rewrite'").fetchall())


def rewrite(path: Path, config: dict[str, str | bool | int | float | list[str]]) -> None:
    """Copy what is alive into a new file and put it in the old one's place; the caller has the turn."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    con = duckdb.connect(config=config)
    try:
        con.execute(f"attach {_quoted(path)} as old (read_only)")
        con.execute(f"attach {_quoted(fresh)} as fresh")
        con.execute("copy from database old to fresh")
        con.execute("delete from fresh.meta where key = 'rewrite'")
        con.execute("detach fresh")
    finally:
        con.close()
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())
    fresh.replace(path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
