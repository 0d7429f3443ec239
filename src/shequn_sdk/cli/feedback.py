"""Commands about feedback."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import CommunityOption, client_command
from shequn_sdk.cli._output import Output

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.feedback.model import FeedbackItem

__all__ = ["add_commands"]

feedback = typer.Typer(
    help="What members say of the community, and what becomes of it.", no_args_is_help=True
)
ItemArgument = Annotated[int, typer.Argument(help="Number from `feedback list`.")]
_COLUMNS = ["id", "due_at", "urgency", "kind", "state", "assignee", "text", "outcome"]


def _row(one: FeedbackItem) -> dict[str, Any]:
    return one.model_dump(mode="json") | {"member": str(one.member or "")}


@client_command
async def open_(
    sq: AsyncShequn,
    out: Output,
    promise: Annotated[float, typer.Option(min=0.1, help="Hours within which an answer comes.")] = 24.0,
    notify: Annotated[
        list[str] | None, typer.Option(help="Channel of the operators; may be repeated.")
    ] = None,
    community: CommunityOption = None,
) -> None:
    """Take feedback from now on."""
    from shequn_sdk.domain import ChannelRef
    from shequn_sdk.feedback.model import FeedbackDesk

    desk = FeedbackDesk(
        promise=timedelta(hours=promise), notify=tuple(ChannelRef.parse(one) for one in notify or [])
    )
    made = await sq.feedback.open(desk, community=community)
    if out.as_json:
        out.json(made)
    else:
        out.line(f"feedback is taken; an answer is promised within {promise:g} hours")


@client_command
async def list_(
    sq: AsyncShequn,
    out: Output,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what nobody answered in time.")] = False,
    state: Annotated[list[str] | None, typer.Option(help="Only these; what is open when not given.")] = None,
    assignee: Annotated[str, typer.Option(help="Only theirs.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
    community: CommunityOption = None,
) -> None:
    """Show feedback, the item that is due first in front."""
    found = await sq.feedback.list(
        states=state or [],
        assignee=assignee or None,
        overdue=overdue,
        limit=limit,
        community=community,
    )
    out.table([_row(one) for one in found], _COLUMNS, empty="nothing waits")


@client_command
async def submit(
    sq: AsyncShequn,
    out: Output,
    text: Annotated[str, typer.Argument(help="What was said.")],
    member: Annotated[str, typer.Option(help="platform:native-id; anonymous when not given.")] = "",
    key: Annotated[str, typer.Option(help="Names it: it is taken once.")] = "",
    community: CommunityOption = None,
) -> None:
    """Enter feedback that came by a form, a hot line or by mail."""
    made = await sq.feedback.submit(text, member=member or None, key=key, community=community)
    out.table([_row(made)], _COLUMNS)


@client_command
async def assign(
    sq: AsyncShequn,
    out: Output,
    item: ItemArgument,
    assignee: Annotated[str, typer.Argument(help="Whose task it is.")],
) -> None:
    """Make an item somebody's task."""
    out.table([_row(await sq.feedback.triage(item, assignee=assignee))], _COLUMNS)


@client_command
async def answer(
    sq: AsyncShequn,
    out: Output,
    item: ItemArgument,
    text: Annotated[str, typer.Argument(help="Markdown.")],
    by: Annotated[str, typer.Option(help="Who answers.")] = "",
) -> None:
    """Answer where it came from; a worker or `run` sends it."""
    out.table([_row(await sq.feedback.answer(item, text, by=by))], _COLUMNS)
    await sq.deliver_due()


@client_command
async def settle(
    sq: AsyncShequn,
    out: Output,
    item: ItemArgument,
    outcome: Annotated[str, typer.Argument(help="What was done, or why nothing will be.")],
    declined: Annotated[bool, typer.Option("--declined", help="Nothing will be done.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Tell it in the next digest.")] = False,
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
) -> None:
    """Say what became of an item."""
    made = await sq.feedback.settle(item, outcome, done=not declined, public=public, by=by)
    out.table([_row(made)], _COLUMNS)


@client_command
async def report(
    sq: AsyncShequn,
    out: Output,
    days: Annotated[int, typer.Option(min=1, help="Of the last so many days.")] = 30,
    community: CommunityOption = None,
) -> None:
    """Show how well feedback was taken, and what it is about."""
    span = timedelta(days=days)
    found = await sq.feedback.report(last=span, community=community)
    themes = await sq.feedback.themes(last=span, community=community)
    if out.as_json:
        out.json({"report": found, "themes": list(themes)})
        return
    out.table([found.model_dump()], ["items", "open", "overdue", "answered", "in_time", "median_minutes"])
    out.table([one.model_dump() for one in themes], ["word", "items", "before"], empty="no words yet")


@client_command
async def digest(sq: AsyncShequn, out: Output, community: CommunityOption = None) -> None:
    """Show what the next digest would tell."""
    found = await sq.feedback.digest(community=community)
    if out.as_json:
        out.json({"text": found.text if found is not None else None})
    else:
        out.line(found.text if found is not None else "nothing to tell")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for name, function in (
        ("open", open_),
        ("list", list_),
        ("submit", submit),
        ("assign", assign),
        ("answer", answer),
        ("settle", settle),
        ("report", report),
        ("digest", digest),
    ):
        feedback.command(name)(function)
    app.add_typer(feedback, name="feedback")
