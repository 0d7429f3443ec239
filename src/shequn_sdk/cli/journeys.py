"""Commands about journeys: what is said and done to members step by step, and the tasks that come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import CommunityOption, HomeOption, JsonOption, client_command, command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.journeys.models import Journey, JourneyTask

__all__ = ["add_commands"]

Name = Annotated[str, typer.Argument(help="Name of the journey.")]

journeys = typer.Typer(
    help="Save journeys (SOP), see who is on them, and settle the tasks they give to people.",
    invoke_without_command=True,
)


def _row(journey: Journey, state: str) -> dict[str, Any]:
    return {
        "name": journey.name,
        "title": journey.title,
        "state": state,
        "start": journey.start.kind,
        "steps": [step.name for step in journey.steps],
    }


def _task(task: JourneyTask) -> dict[str, Any]:
    return task.model_dump(mode="json") | {"member": str(task.member) if task.member else ""}


def _read(path: Path | None, template: str) -> Journey:
    from pydantic import ValidationError

    from shequn_sdk.journeys.models import Journey as Model
    from shequn_sdk.journeys.templates import template as take

    if (path is None) == (not template):
        raise InvalidInput("give either a file with a journey as JSON, or --template")
    if path is None:
        return take(template)
    try:
        return Model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "journey"
        raise InvalidInput(f"{path}: {where}: {first['msg']}", source=str(path)) from None


@client_command
async def list_(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    community: CommunityOption = None,
) -> None:
    """Show journeys."""
    if ctx.invoked_subcommand is not None:
        return
    states = await sq.journeys.states(community=community)
    found = await sq.journeys.list(community=community)
    rows = [_row(one, states[name]) for name, one in found.items()]
    out.table(rows, ["name", "title", "state", "start", "steps"], empty="no journeys")


@command
async def templates(out: Output, home: HomeOption = Path(), as_json: JsonOption = False) -> None:
    """Show the journeys to begin with; with --json whole, to be changed and saved."""
    from shequn_sdk.journeys.templates import TEMPLATES, template

    found = [template(name) for name in TEMPLATES]
    if out.as_json:
        out.json(found)
    else:
        out.table([_row(one, "template") for one in found], ["name", "title", "start", "steps"])


@client_command
async def save(
    sq: AsyncShequn,
    out: Output,
    file: Annotated[Path | None, typer.Argument(help="Journey as JSON.", exists=True)] = None,
    template: Annotated[str, typer.Option(help="Name of a template instead.")] = "",
    community: CommunityOption = None,
) -> None:
    """Save a journey; members begin it from now on."""
    journey = _read(file, template)
    saved = await sq.journeys.save(journey, community=community)
    out.table([_row(saved, "active")], ["name", "title", "state", "start", "steps"])


@client_command
async def preview(
    sq: AsyncShequn,
    out: Output,
    name: Name,
    member: Annotated[str, typer.Argument(help="Member as platform:native-id.")],
    community: CommunityOption = None,
) -> None:
    """Show the dated steps as they would come if a member began now; sends nothing."""
    found = await sq.journeys.preview(name, member, community=community)
    rows = found
    out.table(rows, ["due", "step", "form", "runs", "text", "notes"], empty="no steps")


@client_command
async def runs(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="Name of the journey; all when not given.")] = "",
    member: Annotated[str, typer.Option(help="Only this member.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
    community: CommunityOption = None,
) -> None:
    """Show who is on journeys, and what became of each step."""
    found = await sq.journeys.runs(name or None, member=member or None, limit=limit, community=community)
    rows = [
        one.model_dump(mode="json")
        | {"member": str(one.member), "done": [f"{item.step}: {item.state}" for item in one.records]}
        for one in found
    ]
    out.table(
        rows, ["id", "journey", "member", "state", "next_step", "due", "done", "reason"], empty="nobody"
    )


@client_command
async def tasks(
    sq: AsyncShequn,
    out: Output,
    every: Annotated[bool, typer.Option("--all", help="Also what was done or dropped.")] = False,
    assignee: Annotated[str, typer.Option(help="Only theirs.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
    community: CommunityOption = None,
) -> None:
    """Show what people have to do."""
    found = await sq.journeys.tasks(every=every, assignee=assignee or None, limit=limit, community=community)
    columns = ["id", "due", "overdue", "title", "member", "name", "assignee", "state", "text"]
    out.table([_task(one) for one in found], columns, empty="nothing to do")


def _closes(name: str, text: str) -> Callable[..., None]:
    async def close(
        out: Output,
        task: Annotated[int, typer.Argument(help="Number from `journeys tasks`.")],
        by: Annotated[str, typer.Option("--by", help="Who did it.")],
        note: Annotated[str, typer.Option(help="What came of it.")] = "",
        home: HomeOption = Path(),
        as_json: JsonOption = False,
    ) -> Exit | None:
        from shequn_sdk.client import AsyncShequn

        async with AsyncShequn.open(home=home) as sq:
            await getattr(sq.journeys, name)(task, actor=by, note=note)
        if out.as_json:
            out.json({"task": task, "done": name})
        else:
            out.line(f"task {task}: {name}")
        return None

    close.__doc__ = text
    return command(close)


def _changes(name: str, text: str) -> Callable[..., None]:
    async def change(
        out: Output,
        journey: Name,
        community: CommunityOption = None,
        home: HomeOption = Path(),
        as_json: JsonOption = False,
    ) -> Exit | None:
        from shequn_sdk.client import AsyncShequn

        async with AsyncShequn.open(home=home) as sq:
            if name == "end":
                await sq.journeys.end(journey, reason="command line", community=community)
            else:
                await getattr(sq.journeys, name)(journey, community=community)
            state = (await sq.journeys.states(community=community))[journey]
        out.table([{"name": journey, "state": state}], ["name", "state"])
        return None

    change.__doc__ = text
    return command(change)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    journeys.callback()(list_)
    for name, function in (
        ("templates", templates),
        ("save", save),
        ("preview", preview),
        ("runs", runs),
        ("tasks", tasks),
        ("done", _closes("done", "Say that a task was done.")),
        ("drop", _closes("drop", "Say that a task will not be done.")),
        ("pause", _changes("pause", "Let nobody begin a journey, and nobody go on.")),
        ("resume", _changes("resume", "Let a paused journey go on.")),
        ("end", _changes("end", "End a journey for everybody, for good.")),
    ):
        journeys.command(name)(function)
    app.add_typer(journeys, name="journeys")
