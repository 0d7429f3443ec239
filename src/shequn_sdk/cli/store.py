"""Commands about the operational store: what it holds, and moving it to PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shequn_sdk.cli._common import HomeOption, JsonOption, command
from shequn_sdk.cli._output import Output
from shequn_sdk.errors import InvalidInput

__all__ = ["add_commands"]

store_app = typer.Typer(
    name="store", help="Look at the operational store, or move it to PostgreSQL.", no_args_is_help=True
)


@store_app.command("info")
@command
async def info(out: Output, home: HomeOption = Path(), as_json: JsonOption = False) -> None:
    """Show where the store is, its schema, and how much it holds."""
    from shequn_sdk.settings import load_settings
    from shequn_sdk.stores.store import Store
    from shequn_sdk.stores.transfer import describe

    settings = load_settings(home)
    if not settings.store and not (settings.home / "store.db").exists():
        raise InvalidInput(f"{settings.home} has no store yet: it is made by the first command that needs it")
    async with await Store.open(settings.store_url) as store:
        found = await describe(store)
    if out.as_json:
        out.json(
            {
                "where": found.where,
                "kind": found.kind,
                "schema": found.schema,
                "workers": found.workers - 1,
                "rows": found.rows,
            }
        )
        return
    out.line(f"{found.kind} at {found.where}, schema {found.schema}")
    out.line(f"other processes that have it open: {found.workers - 1}")
    out.table([{"table": name, "rows": number} for name, number in found.rows.items()], ["table", "rows"])


@store_app.command("migrate")
@command
async def move(
    out: Output,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            envvar="SHEQUN_STORE",
            help="Empty database: postgresql://user:password@host/name.",
            show_envvar=True,
        ),
    ],
    home: HomeOption = Path(),
    force: Annotated[
        bool,
        typer.Option(help="Copy although a process has the store open; what it still writes stays behind."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the workspace's SQLite store into an empty PostgreSQL database; the source stays as it is."""
    from shequn_sdk.settings import load_settings
    from shequn_sdk.stores.transfer import transfer

    settings = load_settings(home)
    if settings.store and not settings.store.startswith("sqlite:"):
        raise InvalidInput(
            "the settings name a PostgreSQL store already: take `store` out of shequn.toml first"
        )
    source = Path(settings.store_url.removeprefix("sqlite:///"))
    with out.progress("copying", 1) as advance:
        moved = await transfer(
            source, to, progress=lambda done, total: advance(done / max(total, 1)), force=force
        )
    if out.as_json:
        out.json({"source": moved.source, "target": moved.target, "rows": moved.rows})
        return
    out.line(
        f"copied {sum(moved.rows.values())} rows of {len(moved.rows)} tables to {moved.target}, counts agree"
    )
    out.line("now change shequn.toml on every host, and give the URL with its password in the environment:")
    out.line('  store = "env:SHEQUN_STORE"')
    out.line(f"{moved.source} is untouched; keep it until the move has proved itself")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(store_app)
