"""Commands about a community's plan: playbook and goals."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import CommunityOption, HomeOption, JsonOption, client_command, command
from shequn_sdk.cli._output import Exit, Output, printable

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.playbook.playbooks import PlaybookDiff

__all__ = ["add_commands"]

playbook = typer.Typer(
    help="A community's whole plan as one file: check, plan, apply, rehearse.", no_args_is_help=True
)
goals = typer.Typer(
    help="What is to be reached, how it stands, and what would close the gap.", no_args_is_help=True
)

FileArgument = Annotated[Path, typer.Argument(help="Playbook: TOML, or YAML with the extra yaml.")]


@command
async def template(
    out: Output,
    name: Annotated[str, typer.Argument(help="Lists them when not given.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Write a template to edit, or list them; its output is a file to edit."""
    from shequn_sdk.playbook.source import builtin_playbook, template_text, templates

    if name:
        text = template_text(name)
        if out.as_json:
            out.json({"name": name, "text": text})
        else:
            typer.echo(text, nl=False)
        return
    rows = [
        {"name": one, "title": plan.title, "kind": str(plan.kind), "positioning": plan.positioning}
        for one, plan in ((one, builtin_playbook(one)) for one in templates())
    ]
    out.table(rows, ["name", "title", "kind", "positioning"])


@command
async def schema(out: Output) -> None:
    """Write the JSON Schema of playbooks, for editors."""
    import json

    from shequn_sdk.playbook.model import Playbook

    typer.echo(json.dumps(Playbook.model_json_schema(), ensure_ascii=False, indent=2))


@command
async def check(
    out: Output,
    file: FileArgument,
    offline: Annotated[
        bool, typer.Option("--offline", help="Without this workspace's accounts and metrics.")
    ] = False,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> Exit | None:
    """Look a playbook over: contradictions, and what handbooks warn of. Exit code 1 when there are errors."""
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.playbook.check import Level, check_playbook
    from shequn_sdk.playbook.source import load_playbook

    plan = load_playbook(file)
    if offline:
        found = check_playbook(plan, today=datetime.now().astimezone().date())
    else:
        async with AsyncShequn.open(home=home) as sq:
            found = await sq.playbook.check(plan)
    rows = found
    out.table(rows, ["level", "where", "message", "advice"], empty="nothing to object to")
    return Exit.FAILED if any(one.level is Level.ERROR for one in found) else None


@client_command
async def plan(
    sq: AsyncShequn,
    out: Output,
    file: FileArgument,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many days.")] = 30,
    start: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First local day.")] = None,
) -> None:
    """Show what a playbook publishes, and what each channel cannot do."""
    found = await sq.playbook.plan(file, days=days, start=start.date() if start is not None else None)
    if out.as_json:
        out.json([one.model_dump(mode="json", exclude_defaults=True) for one in found])
        return
    rows: list[dict[str, Any]] = [
        {
            "due": f"{one.due:%a %Y-%m-%d %H:%M}",
            "slot": one.slot,
            "channel": one.channel,
            "text": (one.content.text or (one.content.poll.question if one.content.poll else ""))[:36],
            "not as written": one.refused or "; ".join(one.changes),
        }
        for one in found
    ]
    out.table(
        rows, ["due", "slot", "channel", "text", "not as written"], empty="nothing is planned in these days"
    )


def _show(out: Output, diff: PlaybookDiff) -> Exit | None:
    rows = diff.changes
    if out.as_json:
        out.json(diff)
    else:
        out.table(rows, ["action", "kind", "key", "title", "error"], empty="nothing changes")
        out.line(f"{diff.kept} kept")
    return Exit.PARTLY if any(one.error for one in diff.changes) else None


@client_command
async def diff(sq: AsyncShequn, out: Output, file: FileArgument) -> Exit | None:
    """Show what applying would change."""
    return _show(out, await sq.playbook.diff(file))


@client_command
async def apply(sq: AsyncShequn, out: Output, file: FileArgument) -> Exit | None:
    """Make what a playbook asks for; a second time changes nothing."""
    return _show(out, await sq.playbook.apply(file))


@client_command
async def withdraw(sq: AsyncShequn, out: Output, community: CommunityOption = None) -> Exit | None:
    """End everything that a playbook made."""
    return _show(out, await sq.playbook.withdraw(community=community))


@command
async def rehearse(
    out: Output,
    file: FileArgument,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days are lived.")] = 90,
    members: Annotated[int, typer.Option(min=1, max=20_000, help="How many people join.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed gives the same life.")] = 7,
    start: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First local day.")] = None,
    raids: Annotated[int, typer.Option(min=0, max=50, help="Raids by spammers.")] = 0,
    crises: Annotated[int, typer.Option(min=0, max=12, help="Times at which members are angry.")] = 0,
    campaigns: Annotated[int, typer.Option(min=0, max=12, help="Campaigns with entrance and coupon.")] = 0,
    target: Annotated[Path, typer.Option("--to", help="Directory for the workspace and its report.")] = Path(
        "rehearsal"
    ),
    as_json: JsonOption = False,
) -> None:
    """Live a playbook on local sandboxes with simulated members, and report."""
    from shequn_sdk.playbook.source import load_playbook, template_text, templates
    from shequn_sdk.reports.files import check_formats
    from shequn_sdk.testing.rehearsal import Rehearsal

    check_formats(frozenset({"html"}))
    name = str(file)
    if not file.exists() and name in templates():
        from shequn_sdk.playbook.source import parse_playbook

        book = parse_playbook(template_text(name), source=f"template {name}")
    else:
        book = load_playbook(file)
    begin: date | None = start.date() if start is not None else None
    rehearsal = Rehearsal(
        book,
        days=days,
        members=members,
        seed=seed,
        start=begin,
        raids=raids,
        crises=crises,
        campaigns=campaigns,
        home=target,
    )
    with out.progress(f"{days} days", float(days)) as show:
        lived = await rehearsal.run(progress=show)
    if out.as_json:
        out.json(lived)
        return
    out.line(
        f"{book.title}: {days} days on {', '.join(lived.platforms)}, {members} members, seed {seed}, {lived.seconds:.0f} s"
    )
    rows = [
        {"what": key.replace("_", " "), "result": printable(value)} for key, value in lived.numbers.items()
    ]
    out.table(rows, ["what", "result"])
    for path in lived.report:
        if path.suffix == ".html":
            out.line(f"report: {path}")


@client_command
async def list_goals(sq: AsyncShequn, out: Output, community: CommunityOption = None) -> None:
    """Show how each goal stands, and what would close the gap."""
    found = await sq.goals.report(community=community)
    if out.as_json:
        out.json(found)
        return
    rows: list[dict[str, Any]] = []
    for one in found:
        progress = one.progress
        interval = (
            ""
            if progress is None or progress.low is None or progress.high is None
            else f" ({printable(progress.low)} to {printable(progress.high)})"
        )
        rows.append(
            {
                "goal": one.goal.title,
                "due": one.goal.due.isoformat(),
                "status": str(progress.status) if progress is not None else "unknown",
                "value": None if progress is None else progress.value,
                "target": one.target,
                "forecast": "–"
                if progress is None or progress.forecast is None
                else f"{printable(progress.forecast)}{interval}",
                "advice": "; ".join(one.advice),
            }
        )
    out.table(rows, ["goal", "due", "status", "value", "target", "forecast", "advice"], empty="no goals")


@client_command
async def put_goal(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="By which it is found.")],
    metric: Annotated[str, typer.Argument(help="Such as members.total.")],
    target: Annotated[float, typer.Argument(help="What it is to reach.")],
    due: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Local day by which.")],
    title: Annotated[str, typer.Option(help="For people.")] = "",
    relative: Annotated[
        bool, typer.Option("--relative", help="A multiple of the value at the start.")
    ] = False,
    at_most: Annotated[bool, typer.Option("--at-most", help="The value is to stay below.")] = False,
    community: CommunityOption = None,
) -> None:
    """Set a goal, or change it."""
    made = await sq.goals.put(
        name,
        metric=metric,
        target=target,
        due=due.date(),
        title=title,
        relative=relative,
        at_most=at_most,
        community=community,
    )
    out.table([made], ["name", "title", "metric", "target", "start", "due"])


@client_command
async def remove_goal(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="Of the goal.")],
    community: CommunityOption = None,
) -> None:
    """Give a goal up."""
    await sq.goals.remove(name, community=community)
    if out.as_json:
        out.json({"removed": name})
    else:
        out.line(f"goal {name} removed")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for name, function in (
        ("template", template),
        ("schema", schema),
        ("check", check),
        ("plan", plan),
        ("diff", diff),
        ("apply", apply),
        ("withdraw", withdraw),
        ("rehearse", rehearse),
    ):
        playbook.command(name)(function)
    for name, function in (("list", list_goals), ("put", put_goal), ("remove", remove_goal)):
        goals.command(name)(function)
    app.add_typer(playbook, name="playbook")
    app.add_typer(goals, name="goals")
