"""Commands about members: who they are, what is known of them, and segments of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import CommunityOption, client_command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.members.models import MemberInfo, PersonChange

__all__ = ["add_commands"]

Member = Annotated[str, typer.Argument(help="Member as platform:native-id.")]
Actor = Annotated[str, typer.Option("--by", help="Who decides it; stands in the history.")]
_CHANGES = ["id", "at", "kind", "moved", "reason", "actor", "undone"]

members = typer.Typer(
    help="Show members, merge and part them, tag them, export and erase them.", invoke_without_command=True
)
segments = typer.Typer(help="Save, count and list segments of members.", invoke_without_command=True)


def _row(info: MemberInfo) -> dict[str, Any]:
    own = info.memberships
    return {
        "member": str(info.ref),
        "name": info.name,
        "identities": [str(one.ref) for one in info.identities],
        "communities": [one.community for one in own],
        "stages": [str(one.stage) for one in own],
        "tags": sorted({tag for one in own for tag in one.tags}),
        "last_active": max((one.last_active for one in own if one.last_active), default=None),
    }


def _change(change: PersonChange) -> dict[str, Any]:
    return change.model_dump(mode="json") | {"moved": [str(one) for one in change.moved]}


@client_command
async def list_(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    find: Annotated[str, typer.Option(help="Part of a name or user name.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
) -> None:
    """Show members, those seen last first."""
    if ctx.invoked_subcommand is not None:
        return
    rows = [_row(one) for one in await sq.members.find(find, limit=limit)]
    out.table(rows, ["member", "name", "identities", "stages", "tags"], empty="no members")


@client_command
async def show(
    sq: AsyncShequn,
    out: Output,
    member: Member,
    contacts: Annotated[bool, typer.Option("--contacts", help="Open phone numbers and addresses.")] = False,
) -> None:
    """Show everything that is known of a member."""
    info = await sq.members.get(member, contacts=contacts)
    if out.as_json:
        out.json(info)
        return
    out.table([_row(info)], ["member", "name", "identities", "tags"])
    rows = info.memberships
    out.table(
        rows, ["community", "stage", "role", "joins", "entrance", "last_active"], empty="in no community"
    )
    if info.fields:
        out.table(
            [{"field": name, "value": value} for name, value in info.fields.items()], ["field", "value"]
        )


@client_command
async def merge(
    sq: AsyncShequn,
    out: Output,
    first: Member,
    second: Member,
    reason: Annotated[str, typer.Option(help="Kept in the history.")],
    by: Actor,
) -> None:
    """Make two identities one person."""
    found = await sq.members.merge(first, second, reason=reason, actor=by)
    out.table([_change(found)] if found else [], _CHANGES, empty="they were one person already")


@client_command
async def unmerge(
    sq: AsyncShequn,
    out: Output,
    change: Annotated[int, typer.Argument(help="Number from `members history`.")],
    reason: Annotated[str, typer.Option(help="Kept in the history.")],
    by: Actor,
) -> None:
    """Take a merge back."""
    found = await sq.members.unmerge(change, reason=reason, actor=by)
    out.table([_change(found)], _CHANGES)


@client_command
async def history(sq: AsyncShequn, out: Output, member: Member) -> None:
    """Show the merges of a member and their undoing."""
    rows = [_change(one) for one in await sq.members.history(member)]
    out.table(rows, _CHANGES, empty="never merged")


@client_command
async def suggest(
    sq: AsyncShequn,
    out: Output,
    minimum: Annotated[float, typer.Option(min=0, max=1, help="Least score.")] = 0.5,
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
) -> None:
    """Show pairs that may be one person, with reasons."""
    found = await sq.members.suggest_merges(minimum=minimum, limit=limit)
    rows = [
        one.model_dump(mode="json") | {"a": str(one.a), "b": str(one.b), "names": list(one.names)}
        for one in found
    ]
    out.table(rows, ["score", "a", "b", "names", "reasons"], empty="no pair looks alike")


@client_command
async def proof(sq: AsyncShequn, out: Output, member: Member) -> None:
    """Make a code that proves that another account is theirs."""
    found = await sq.members.start_proof(member)
    if out.as_json:
        out.json({"member": str(found.member), "code": found.code, "expires_at": found.expires_at})
    else:
        out.line(f"{found.code}  until {found.expires_at.isoformat(timespec='minutes')}")
        out.line("Give it to the member privately; they write it with their other account.")


@client_command
async def tag(
    sq: AsyncShequn,
    out: Output,
    member: Member,
    tags: Annotated[list[str], typer.Argument(help="Tags.")],
    by: Actor,
    remove: Annotated[bool, typer.Option("--remove", help="Take them off instead.")] = False,
    community: CommunityOption = None,
) -> Exit | None:
    """Put tags on a member, or take them off."""
    change = sq.members.untag if remove else sq.members.tag
    reasons = await change(member, *tags, community=community, actor=by)
    rows = [_row(await sq.members.get(member))]
    out.table(rows, ["member", "name", "tags"])
    for reason in reasons:
        out.note(reason)
    return Exit.PARTLY if reasons else None


@client_command
async def consent(
    sq: AsyncShequn,
    out: Output,
    member: Member,
    purpose: Annotated[str, typer.Argument(help="service, care, marketing, research or do_not_disturb.")],
    answer: Annotated[str, typer.Argument(help="yes or no.")],
    source: Annotated[str, typer.Option(help="Where they said it.")],
    community: CommunityOption = None,
) -> None:
    """Note what a member said to being written to."""
    if answer not in {"yes", "no"}:
        raise InvalidInput(f"{answer!r} is neither yes nor no")
    await sq.members.set_consent(member, purpose, allowed=answer == "yes", source=source, community=community)
    info = await sq.members.get(member)
    rows = [
        {"community": one.community, **said.model_dump(mode="json")}
        for one in info.memberships
        for said in one.consents
    ]
    out.table(rows, ["community", "purpose", "allowed", "until", "source"], empty="noted")


@client_command
async def count(
    sq: AsyncShequn,
    out: Output,
    channel: Annotated[str, typer.Argument(help="Channel as account:native-id.")],
) -> None:
    """Explain our number of members in a channel against the platform's."""
    found = await sq.members.explain_count(channel)
    if out.as_json:
        out.json(found)
        return
    rows = [{"what": "our members", "number": found.ours, "note": ""}]
    rows += [{"what": one.why, "number": one.number, "note": one.note} for one in found.reasons]
    rows.append(
        {
            "what": "the platform's number",
            "number": "not told" if found.theirs is None else found.theirs,
            "note": "compared name by name" if found.certain else "",
        }
    )
    out.table(rows, ["what", "number", "note"])


@client_command
async def import_(
    sq: AsyncShequn,
    out: Output,
    channel: Annotated[str, typer.Argument(help="Channel as account:native-id.")],
) -> None:
    """Read the platform's list of members into ours."""
    with out.progress("members", None) as bar:
        found = await sq.members.import_directory(channel, progress=bar)
    out.table([found.model_dump()], ["read", "new", "left"])


@client_command
async def export(
    sq: AsyncShequn,
    out: Output,
    member: Member,
    to: Annotated[Path | None, typer.Option("--to", help="File to write; stdout when not given.")] = None,
) -> None:
    """Write everything that is kept of a member as one JSON document."""
    document = await sq.members.export(member)
    if to is None:
        out.json(document)
        return
    to.write_text(json.dumps(document, ensure_ascii=False, indent=2), encoding="utf-8")
    to.chmod(0o600)
    if out.as_json:
        out.json({"written": str(to)})
    else:
        out.line(f"written to {to}, readable by you only")


@client_command
async def erase(
    sq: AsyncShequn,
    out: Output,
    member: Member,
    by: Actor,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
) -> None:
    """Erase a member everywhere; this cannot be taken back."""
    info = await sq.members.get(member)
    shown = ", ".join(str(one.ref) for one in info.identities)
    if not yes:
        raise InvalidInput(f"this erases {shown} for good: add --yes to do it")
    found = await sq.members.erase(member, actor=by)
    if out.as_json:
        out.json(found)
    else:
        out.table([{"room": name, "rows": rows} for name, rows in found.rows.items()], ["room", "rows"])
        out.line(f"erased {shown}: {found.events} events of the event store")
        if found.raw_events is None:
            out.note("raw events stay in the inbox until its retention period ends")


@client_command
async def sweep(sq: AsyncShequn, out: Output) -> None:
    """Enforce the retention periods of the settings now."""
    found = await sq.members.sweep()
    out.table([found.model_dump()], ["raw_events", "texts", "members", "unfinished"])


@client_command
async def list_segments(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    community: CommunityOption = None,
) -> None:
    """Show saved segments with their live counts."""
    if ctx.invoked_subcommand is not None:
        return
    rows = [
        {
            "name": one.name,
            "members": await sq.segments.count(one.name, community=one.community),
            "filter": one.filter.model_dump_json(exclude_defaults=False),
            "note": one.note,
        }
        for one in await sq.segments.list(community=community)
    ]
    out.table(rows, ["name", "members", "note", "filter"], empty="no segments")


@client_command
async def save_segment(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="Its name.")],
    wanted: Annotated[str, typer.Argument(help='Filter as JSON, such as {"kind": "tag", "tag": "gold"}.')],
    note: Annotated[str, typer.Option(help="For people.")] = "",
    community: CommunityOption = None,
) -> None:
    """Save a filter by name."""
    from shequn_sdk.members.filters import parse_filter

    saved = await sq.segments.save(name, parse_filter(wanted), note=note, community=community)
    number = await sq.segments.count(name, community=saved.community)
    out.table([{"name": name, "members": number}], ["name", "members"])


@client_command
async def count_segment(
    sq: AsyncShequn,
    out: Output,
    wanted: Annotated[str, typer.Argument(help="Name of a saved segment, or a filter as JSON.")],
    community: CommunityOption = None,
) -> None:
    """Count the members of a segment."""
    from shequn_sdk.members.filters import parse_filter

    chosen = parse_filter(wanted) if wanted.lstrip().startswith("{") else wanted
    number = await sq.segments.count(chosen, community=community)
    out.table([{"members": number}], ["members"])


@client_command
async def show_segment(
    sq: AsyncShequn,
    out: Output,
    wanted: Annotated[str, typer.Argument(help="Name of a saved segment, or a filter as JSON.")],
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 100,
    community: CommunityOption = None,
) -> None:
    """List the members of a segment."""
    from shequn_sdk.members.filters import parse_filter

    chosen = parse_filter(wanted) if wanted.lstrip().startswith("{") else wanted
    found = await sq.segments.members(chosen, limit=limit, community=community)
    rows = [{"member": str(one.ref), "name": one.name, "person": one.person} for one in found]
    out.table(rows, ["member", "name"], empty="nobody")


@client_command
async def delete_segment(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="Its name.")],
    community: CommunityOption = None,
) -> None:
    """Forget a saved segment."""
    await sq.segments.delete(name, community=community)
    if out.as_json:
        out.json({"deleted": name})
    else:
        out.line(f"segment {name} is forgotten")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    members.callback()(list_)
    for name, function in (
        ("show", show),
        ("merge", merge),
        ("unmerge", unmerge),
        ("history", history),
        ("suggest", suggest),
        ("proof", proof),
        ("tag", tag),
        ("consent", consent),
        ("count", count),
        ("import", import_),
        ("export", export),
        ("erase", erase),
        ("sweep", sweep),
    ):
        members.command(name)(function)
    app.add_typer(members, name="members")
    segments.callback()(list_segments)
    for name, function in (
        ("save", save_segment),
        ("count", count_segment),
        ("members", show_segment),
        ("delete", delete_segment),
    ):
        segments.command(name)(function)
    app.add_typer(segments, name="segments")
