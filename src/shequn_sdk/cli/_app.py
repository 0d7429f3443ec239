"""All commands put together."""

from __future__ import annotations

from typing import Annotated

import typer

import shequn_sdk
from shequn_sdk.cli import (
    calendar,
    commerce,
    engagement,
    feedback,
    feeds,
    incentives,
    journeys,
    links,
    measure,
    members,
    moderation,
    playbook,
    preview,
    publish,
    run,
    schedules,
    store,
    workspace,
)

__all__ = ["app"]

app = typer.Typer(
    name="shequn",
    help="Run an online community (社群) wherever its members are.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"shequn {shequn_sdk.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Run an online community (社群) wherever its members are."""


for module in (
    workspace,
    publish,
    preview,
    calendar,
    schedules,
    measure,
    run,
    store,
    links,
    commerce,
    feeds,
    moderation,
    engagement,
    incentives,
    members,
    journeys,
    playbook,
    feedback,
):
    module.add_commands(app)
