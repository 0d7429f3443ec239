"""Brings a database to the schema of this version of the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from sqlalchemy import Connection, create_mock_engine, inspect, text

from shequn_sdk.errors import StoreDamaged, StoreTooNew
from shequn_sdk.stores.schema import load_tables

__all__ = ["bring_up", "head", "revision_of", "revisions", "upgrade"]

_PACKAGE = "shequn_sdk.stores.migrations"


def revisions() -> tuple[str, ...]:
    """Give the known revisions, oldest first; read from file names, so that Alembic need not be imported."""
    folder = files(_PACKAGE).joinpath("versions")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[:-3] for name in names if name.endswith(".py") and name[:4].isdigit()))


def head() -> str:
    """Give the revision of this version of the package."""
    return revisions()[-1]


def revision_of(conn: Connection) -> str | None:
    """Give the revision of a database; None when it has no table of ours.

    Raises:
        StoreDamaged: it has tables, but no revision: some other program's database.
        StoreTooNew: a newer version of the package wrote it.
    """
    tables = set(inspect(conn).get_table_names())
    if "alembic_version" not in tables:
        if tables:
            shown = ", ".join(sorted(tables)[:3])
            raise StoreDamaged(
                f"the database holds tables that are not ours ({shown}); give the store a file of its own"
            )
        return None
    found = conn.execute(text("select version_num from alembic_version")).scalar()
    if found is None:
        return None
    known = revisions()
    if found in known:
        return str(found)
    if str(found)[:4] > known[-1][:4]:
        raise StoreTooNew(
            f"the store has schema {found}, this version of shequn-sdk knows up to {known[-1]}; upgrade shequn-sdk"
        )
    raise StoreDamaged(f"the store has the unknown schema {found}; restore it from a backup")


def bring_up(conn: Connection) -> None:
    """Make an empty database whole at once, or apply what it misses; `conn` must be inside a transaction."""
    if inspect(conn).has_table("alembic_version"):
        upgrade(conn)
        return
    for statement in _whole(conn.dialect.name):
        conn.exec_driver_sql(statement)
    # as Alembic makes it, so that the next migration finds where to go on
    conn.execute(
        text(
            "create table alembic_version (version_num varchar(32) not null, "
            "constraint alembic_version_pkc primary key (version_num))"
        )
    )
    conn.execute(text("insert into alembic_version values (:head)"), {"head": head()})


@cache
def _whole(dialect: str) -> tuple[str, ...]:
    """Give what makes an empty database whole; to put it together takes several times as long as to carry it out."""
    found: list[str] = []

    def keep(statement: Any, *_: Any, **__: Any) -> None:
        found.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine(f"{dialect}://", keep)
    load_tables().create_all(engine, checkfirst=False)
    return tuple(found)


def upgrade(conn: Connection) -> None:
    """Apply all missing migrations on `conn`, one by one; `conn` must be inside a transaction."""
    from alembic import command  # noqa: PLC0415 - costs 100 ms, needed only when the schema changes
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(files(_PACKAGE)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
