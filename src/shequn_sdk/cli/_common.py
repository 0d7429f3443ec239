"""What commands share: options, the opened client, and what an error becomes."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, TypeAlias, TypeVar

import anyio
import typer

from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import ShequnError, StoreFull

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn

__all__ = ["CommunityOption", "HomeOption", "JsonOption", "client_command", "command", "default_home"]

F = TypeVar("F", bound=Callable[..., Any])
Work: TypeAlias = "Callable[Concatenate[AsyncShequn, Output, ...], Coroutine[Any, Any, Exit | None]]"

HomeOption = Annotated[
    Path,
    typer.Option(
        "--home", envvar="SHEQUN_HOME", help="Directory of the workspace.", show_default="this directory"
    ),
]
CommunityOption = Annotated[
    str | None,
    typer.Option(
        "--community", help="Name of the community; not needed when there is one.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of tables.")]


def default_home() -> Path:
    """Give the directory that is the workspace when --home is not given."""
    return Path()


def command(function: Callable[..., Coroutine[Any, Any, Exit | None]]) -> Callable[..., None]:
    """Make a command of a coroutine function whose first parameter is an `Output`.

    Typed errors become one line on stderr and an exit code; a traceback is for bugs only.
    """
    signature = inspect.signature(function, eval_str=True)
    parameters = [item for name, item in signature.parameters.items() if name != "out"]

    @functools.wraps(function)
    def run(**options: Any) -> None:
        out = Output(as_json=bool(options.get("as_json")))
        logging.basicConfig(
            level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
        )
        try:
            code = anyio.run(functools.partial(function, out, **options)) or Exit.OK
        except ShequnError as error:
            code = out.error(error)
        except BaseExceptionGroup as group:
            code = _of_group(out, group)
        except KeyboardInterrupt:
            out.note("interrupted")
            code = Exit.INTERRUPTED
        except BrokenPipeError:
            code = Exit.OK
        except OSError as error:
            code = out.error(_of_system(error))
        if code is not Exit.OK:
            raise typer.Exit(int(code))

    run.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    return run


def client_command(function: Work) -> Callable[..., None]:
    """Make a command of a coroutine function that takes the opened client, an `Output` and options of its own.

    `--home`, which names the workspace, and `--json` are added.
    """
    given = inspect.signature(function, eval_str=True, locals={"AsyncShequn": Any})
    own = [item for name, item in given.parameters.items() if name != "sq"]
    named = inspect.Parameter.KEYWORD_ONLY
    home = inspect.Parameter("home", named, default=Path(), annotation=HomeOption)
    as_json = inspect.Parameter("as_json", named, default=False, annotation=JsonOption)

    @functools.wraps(function)
    async def opened(out: Output, *, home: Path, as_json: bool, **options: Any) -> Exit | None:
        from shequn_sdk.client import AsyncShequn

        async with AsyncShequn.open(home=home) as sq:
            return await function(sq, out, **options)

    opened.__signature__ = given.replace(parameters=[*own, home, as_json])  # type: ignore[attr-defined]
    return command(opened)


def _of_group(out: Output, group: BaseExceptionGroup[BaseException]) -> Exit:
    known, others = group.split(ShequnError)
    if others is not None or known is None:
        stopped, others = (others or group).split(KeyboardInterrupt)
        if others is not None:
            raise group
        if stopped is not None:
            out.note("interrupted")
            return Exit.INTERRUPTED
    code = Exit.FAILED
    leaves: list[BaseException] = [known] if known is not None else []
    while leaves:
        leaf = leaves.pop(0)
        if isinstance(leaf, BaseExceptionGroup):
            leaves[:0] = leaf.exceptions
        elif isinstance(leaf, ShequnError):
            code = out.error(leaf)
    return code


def _of_system(error: OSError) -> ShequnError:
    import errno

    where = f" ({error.filename})" if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull(f"no space left on the device{where}: free some and run the command again")
    return ShequnError(f"{error.strerror or error}{where}")
