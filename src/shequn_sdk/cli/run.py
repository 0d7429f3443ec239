"""Commands that keep running: run, worker, sandbox, and the demo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shequn_sdk.cli._common import HomeOption, JsonOption, client_command, command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn

__all__ = ["add_commands"]


@command
async def run(
    out: Output,
    host: Annotated[str, typer.Option(help="Address for webhooks.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port for webhooks; 0 serves none.")] = 0,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Listen, deliver what is due, and fill the event store, until stopped (SIGTERM finishes what is under way)."""
    from shequn_sdk.client import AsyncShequn

    async with AsyncShequn.open(home=home) as sq:
        out.note(f"running {len(sq.accounts.names())} accounts of {home.resolve()}; stop with Ctrl+C")
        await sq.run(webhook_host=host, webhook_port=port)


@client_command
async def worker(sq: AsyncShequn, out: Output) -> None:
    """Deliver what is due, as one of several workers, until stopped."""
    out.note("delivering; stop with Ctrl+C")
    await sq.deliver()


@command
async def sandbox(
    out: Output,
    platform: Annotated[
        list[str] | None,
        typer.Argument(help="Platforms to serve; all that are installed when none is named."),
    ] = None,
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
) -> None:
    """Serve the platforms' sandboxes; prints one JSON line with addresses, tokens, channels and members."""
    from shequn_sdk.platforms.discovery import load_plugins
    from shequn_sdk.testing.sandbox.server import serve

    plugins = load_plugins()
    names = platform or list(plugins.sandboxes)
    if not names:
        raise InvalidInput("no sandbox is installed: platforms are packages named shequn-PLATFORM")
    await serve([plugins.sandbox(name) for name in names], host=host, port=port, seed=seed, out=sys.stdout)


@command
async def demo(
    out: Output,
    days: Annotated[int, typer.Option(min=1, max=400, help="Local days that the community lives.")] = 90,
    members: Annotated[int, typer.Option(min=5, max=5000, help="People who may become members.")] = 240,
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.")] = 7,
    plan: Annotated[
        Path | None, typer.Option(help="Plan file; the built-in health community when not given.")
    ] = None,
    directory: Annotated[
        Path, typer.Option("--home", help="Where its workspace is made; an older demo there is replaced.")
    ] = Path("demo"),
    as_json: JsonOption = False,
) -> Exit | None:
    """Let the health community live 90 days on the local sandbox; needs no account."""
    from shequn_sdk.cli._demo import play

    return await play(out, days=days, members=members, seed=seed, plan_file=plan, home=directory)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for function in (demo, run, worker, sandbox):
        app.command()(function)
