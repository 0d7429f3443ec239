"""Commands about order: rules, what they would do, the queue, appeals, raid mode, drills."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import CommunityOption, JsonOption, client_command, command
from shequn_sdk.cli._output import Output

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.moderation.crisis import Incident
    from shequn_sdk.moderation.results import Case

__all__ = ["add_commands"]

moderation = typer.Typer(
    help="Order: rules, what they would do and did, the queue, appeals, raid mode, drills.",
    no_args_is_help=True,
)
rules = typer.Typer(help="The rules of a community.", no_args_is_help=True)
queue = typer.Typer(help="Cases that wait for a person.", invoke_without_command=True)
appeals = typer.Typer(help="Members who disagree.", invoke_without_command=True)
raid = typer.Typer(help="Protect channels that are raided.", invoke_without_command=True)
drill = typer.Typer(help="The crisis playbook: rehearsals and real ones.", invoke_without_command=True)

RulesOption = Annotated[
    str, typer.Option("--rules", help="Path of a file, or standard; by default those that hold.")
]
ActorOption = Annotated[str, typer.Option("--actor", help="Who decides, for the audit trail.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why.")]
CaseArgument = Annotated[int, typer.Argument(help="Number of the case.")]

_CASE = ["id", "state", "rule", "score", "member", "channel", "happened_at", "words"]


def _case(one: Case) -> dict[str, Any]:
    words = "; ".join(f"{part.word}: {part.why}" for part in one.decision.evidence[:4])
    return one.model_dump(mode="json") | {"member": str(one.member or ""), "words": words}


def _incident(out: Output, one: Incident) -> None:
    if out.as_json:
        out.json(one)
    else:
        for line in one.report().splitlines():
            out.line(line)


@client_command
async def set_rules(
    sq: AsyncShequn,
    out: Output,
    path: Annotated[str, typer.Argument(help="A TOML file, or standard, or standard-en.")],
    actor: ActorOption = "",
    community: CommunityOption = None,
) -> None:
    """Let rules hold from now on."""
    made = await sq.moderation.set_rules(path, community=community, actor=actor)
    out.table(made.rules, ["name", "priority", "title"])


@client_command
async def show_rules(sq: AsyncShequn, out: Output, community: CommunityOption = None) -> None:
    """Show the rules that hold."""
    found = await sq.moderation.rules(community=community)
    if out.as_json:
        out.json(found)
    else:
        rows = [one.model_dump(mode="json") | {"what": _what(one)} for one in found.rules]
        out.table(rows, ["name", "priority", "enabled", "title", "what"], empty="no rules")


def _what(rule: Any) -> str:
    then = rule.then
    parts = [name for name in ("delete", "strike", "notify", "review") if getattr(then, name)]
    parts += [f"{then.action} {then.duration or ''}".strip()] if then.action else []
    return ", ".join(parts) or "record"


@command
async def check_rules(
    out: Output,
    path: Annotated[str, typer.Argument(help="A TOML file, or standard.")],
    as_json: JsonOption = False,
) -> None:
    """Check a file of rules: what is wrong is an error, what is probably not meant a remark."""
    from shequn_sdk.moderation.checks import check
    from shequn_sdk.moderation.rules import load_rules, standard_rules

    found = standard_rules() if path == "standard" else load_rules(path)
    out.table([one.model_dump() for one in check(found)], ["rule", "problem"], empty="nothing to remark")


@command
async def schema(out: Output, as_json: JsonOption = False) -> None:
    """Write the JSON Schema of a file of rules, for editors."""
    from shequn_sdk.moderation.rules import rules_schema

    out.json(rules_schema())


@client_command
async def dry_run(
    sq: AsyncShequn,
    out: Output,
    text: Annotated[str, typer.Argument(help="What somebody might write.")],
    rules_: RulesOption = "",
    member: Annotated[str, typer.Option(help="As whom, platform:native-id.")] = "",
    community: CommunityOption = None,
) -> None:
    """Say what the rules would do to a text; nothing is done."""
    found = await sq.moderation.dry_run(
        text, member=member or None, community=community, rules=rules_ or None
    )
    if out.as_json:
        out.json(found)
        return
    out.line(found.explain())
    for verdict in found.verdicts:
        out.line(f"{verdict.kind} {verdict.score:.2f}: {verdict.words()}")


@client_command
async def backtest(
    sq: AsyncShequn,
    out: Output,
    rules_: RulesOption = "",
    since: Annotated[datetime | None, typer.Option(help="Only from this instant (UTC) on.")] = None,
    community: CommunityOption = None,
) -> None:
    """Say what rules would have done to stored history."""
    from datetime import UTC

    start = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
    found = await sq.moderation.backtest(rules_ or None, community=community, since=start)
    if out.as_json:
        out.json(found)
        return
    out.line(
        f"{found.hits:,} of {found.messages:,} messages by {found.members:,} members, {found.reviews:,} before a person; "
        f"{found.without_text:,} messages have no stored text"
    )
    if found.precision is not None:
        out.line(f"precision {found.precision:.2f} on {found.labelled:,} messages that people decided on")
    out.table([{"rule": name, "hits": number} for name, number in found.by_rule.items()], ["rule", "hits"])
    out.table(found.examples, ["at", "member", "rule", "score", "words"])


@client_command
async def show_queue(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also decided ones.")] = False,
    community: CommunityOption = None,
) -> None:
    """Show the cases that wait for a person."""
    if ctx.invoked_subcommand is not None:
        return
    states = () if everything else ("queued",)
    found = await sq.moderation.cases(community=community, states=states)
    out.table([_case(one) for one in found], _CASE, empty="nothing waits")


@client_command
async def approve(
    sq: AsyncShequn,
    out: Output,
    case: CaseArgument,
    actor: ActorOption = "",
    note: NoteOption = "",
) -> None:
    """Agree with the rules: what they call for is done now."""
    found = await sq.moderation.approve(case, actor=actor, note=note)
    await sq.deliver_due()
    done = await sq.moderation.actions(case)
    if out.as_json:
        out.json({"case": _case(found), "actions": done})
    else:
        out.table([_case(found)], _CASE)
        out.table(done, ["kind", "state", "error"], empty="no actions")


@client_command
async def overrule(
    sq: AsyncShequn,
    out: Output,
    case: CaseArgument,
    actor: ActorOption = "",
    note: NoteOption = "",
) -> None:
    """Say that nothing was wrong, and take back what can be taken back."""
    found = await sq.moderation.overrule(case, actor=actor, note=note)
    out.table([_case(found)], _CASE)


@client_command
async def show_appeals(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also decided ones.")] = False,
    community: CommunityOption = None,
) -> None:
    """Show open appeals."""
    if ctx.invoked_subcommand is not None:
        return
    found = await sq.moderation.appeals(community=community, decided=everything)
    out.table(found, ["case", "state", "text", "created_at", "note"])


@client_command
async def decide_appeal(
    sq: AsyncShequn,
    out: Output,
    case: CaseArgument,
    grant: Annotated[bool, typer.Option("--grant/--deny", help="Whether the member is right.")],
    actor: ActorOption = "",
    note: NoteOption = "",
) -> None:
    """Decide an appeal."""
    found = await sq.moderation.decide(case, grant=grant, actor=actor, note=note)
    out.table([found], ["case", "state", "text", "note"])


@client_command
async def audit(
    sq: AsyncShequn,
    out: Output,
    subject: Annotated[str, typer.Option(help="Such as case:7.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most lines.")] = 50,
    community: CommunityOption = None,
) -> None:
    """Show who did what, newest first."""
    found = await sq.moderation.audit(community=community, subject=subject, limit=limit)
    out.table(found, ["at", "actor", "what", "subject", "detail"])


@client_command
async def show_raids(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    community: CommunityOption = None,
) -> None:
    """Show raids, newest first; those without an end go on."""
    if ctx.invoked_subcommand is not None:
        return
    found = await sq.moderation.raids(community=community)
    columns = ["id", "channel", "cause", "began_at", "quiet_at", "ended_at", "notes"]
    out.table(found, columns, empty="no raids")


@client_command
async def raid_on(
    sq: AsyncShequn,
    out: Output,
    channel: Annotated[str, typer.Argument(help="account:native-id")],
    reason: Annotated[str, typer.Option(help="For the audit trail.")] = "by hand",
    actor: ActorOption = "",
    community: CommunityOption = None,
) -> None:
    """Protect a channel now."""
    found = await sq.moderation.raid_on(channel, reason=reason, actor=actor, community=community)
    out.table([found], ["id", "channel", "cause", "quiet_at", "notes"])


@client_command
async def raid_off(
    sq: AsyncShequn,
    out: Output,
    channel: Annotated[str, typer.Argument(help="account:native-id")],
    actor: ActorOption = "",
) -> None:
    """End raid mode now and restore what it changed."""
    ended = await sq.moderation.raid_off(channel, actor=actor)
    if out.as_json:
        out.json({"channel": channel, "ended": ended})
    else:
        out.line("ended" if ended else "was not on")


@client_command
async def show_incidents(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    community: CommunityOption = None,
) -> None:
    """Show drills and crises, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    found = await sq.crises.list(community=community)
    rows = [one.model_dump(mode="json") | {"taken": f"{one.done}/{len(one.steps)}"} for one in found]
    out.table(rows, ["id", "drill", "cause", "began_at", "ended_at", "taken"], empty="none")


@client_command
async def set_plan(
    sq: AsyncShequn,
    out: Output,
    path: Annotated[Path, typer.Argument(help="A TOML file.")],
    actor: ActorOption = "",
    community: CommunityOption = None,
) -> None:
    """Let a crisis playbook hold from now on."""
    made = await sq.crises.set_plan(path, community=community, actor=actor)
    out.table(made.steps, ["name", "role", "within", "text"])


@client_command
async def start_drill(
    sq: AsyncShequn,
    out: Output,
    cause: Annotated[str, typer.Option(help="What is rehearsed.")] = "drill",
    real: Annotated[bool, typer.Option("--real", help="No drill: it burns.")] = False,
    actor: ActorOption = "",
    community: CommunityOption = None,
) -> None:
    """Begin a drill; with --real a crisis."""
    begin = sq.crises.start if real else sq.crises.drill
    found = await begin(cause=cause, community=community, actor=actor)
    await sq.deliver_due()
    _incident(out, found)


@client_command
async def step_done(
    sq: AsyncShequn,
    out: Output,
    incident: Annotated[int, typer.Argument(help="Its number.")],
    step: Annotated[str, typer.Argument(help="Name of the step.")],
    actor: ActorOption = "",
    note: NoteOption = "",
) -> None:
    """Note that a step was taken."""
    _incident(out, await sq.crises.done(incident, step, actor=actor, note=note))


@client_command
async def end_incident(
    sq: AsyncShequn,
    out: Output,
    incident: Annotated[int, typer.Argument(help="Its number.")],
    actor: ActorOption = "",
    note: NoteOption = "",
) -> None:
    """End a drill or crisis, and show its report."""
    _incident(out, await sq.crises.end(incident, actor=actor, note=note))


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for name, function in (
        ("set", set_rules),
        ("show", show_rules),
        ("check", check_rules),
        ("schema", schema),
    ):
        rules.command(name)(function)
    queue.callback()(show_queue)
    queue.command("approve")(approve)
    queue.command("overrule")(overrule)
    appeals.callback()(show_appeals)
    appeals.command("decide")(decide_appeal)
    raid.callback()(show_raids)
    raid.command("on")(raid_on)
    raid.command("off")(raid_off)
    drill.callback()(show_incidents)
    for name, function in (
        ("plan", set_plan),
        ("start", start_drill),
        ("done", step_done),
        ("end", end_incident),
    ):
        drill.command(name)(function)
    moderation.command("dry-run")(dry_run)
    moderation.command("backtest")(backtest)
    moderation.command("audit")(audit)
    for name, group in (
        ("rules", rules),
        ("queue", queue),
        ("appeals", appeals),
        ("raid", raid),
        ("drill", drill),
    ):
        moderation.add_typer(group, name=name)
    app.add_typer(moderation, name="moderation")
