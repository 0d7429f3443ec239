"""Commands about who says yes: the approvals of `shequn calendar`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import CommunityOption, client_command
from shequn_sdk.cli._output import Output
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.editorial.model import Approval

__all__ = ["add_commands"]

ByOption = Annotated[
    str, typer.Option("--by", envvar="SHEQUN_BY", help="Who decides, as platform:native-id or desk:name.")
]
EntryArgument = Annotated[int, typer.Argument(help="Number of the entry.")]
NoteOption = Annotated[str, typer.Option("--note", help="For the record.")]


def _approval(one: Approval) -> dict[str, Any]:
    return one.model_dump(mode="json")


_APPROVAL = ["entry", "version", "state", "approved", "needed", "missing", "code"]


@client_command
async def approvals(
    sq: AsyncShequn,
    out: Output,
    entry: Annotated[
        int | None, typer.Argument(help="All versions of this entry, with who said what.")
    ] = None,
    community: CommunityOption = None,
) -> None:
    """Show what waits for approval."""
    found: Sequence[Approval]
    if entry is None:
        found = await sq.approvals.waiting(community=community)
    else:
        found = await sq.approvals.history(entry)
    out.table([_approval(one) for one in found], _APPROVAL, empty="nothing waits for approval")
    if entry is not None and not out.as_json:
        for one in found:
            for vote in one.votes:
                who = str(vote.member) if vote.member is not None else "erased"
                words = f": {vote.note}" if vote.note else ""
                out.line(f"version {one.version}: {who} {vote.decision} {vote.at:%Y-%m-%d %H:%M} UTC{words}")


@client_command
async def approve(
    sq: AsyncShequn,
    out: Output,
    entry: EntryArgument,
    by: ByOption = "",
    note: NoteOption = "",
) -> None:
    """Approve an entry."""
    out.table([_approval(await sq.approvals.approve(entry, by=_who(by), note=note))], _APPROVAL)


@client_command
async def request_changes(
    sq: AsyncShequn,
    out: Output,
    entry: EntryArgument,
    note: NoteOption,
    by: ByOption = "",
) -> None:
    """Send an entry back to be changed."""
    out.table([_approval(await sq.approvals.request_changes(entry, by=_who(by), note=note))], _APPROVAL)


@client_command
async def hold(
    sq: AsyncShequn,
    out: Output,
    entry: EntryArgument,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
    by: ByOption = "",
    note: NoteOption = "",
) -> None:
    """Keep an entry back, approved or not; --release ends it."""
    await (sq.approvals.release if release else sq.approvals.hold)(entry, by=_who(by), note=note)
    found = await sq.calendar.get(entry)
    rows = [found.model_dump(mode="json", include={"id", "state", "held", "at", "version"})]
    out.table(rows, ["id", "state", "held", "at", "version"])


def _who(by: str) -> str:
    if not by:
        raise InvalidInput("say who decides: --by platform:native-id, or set SHEQUN_BY")
    return by


def add_commands(group: typer.Typer) -> None:
    """Add the commands of this module to `shequn calendar`."""
    for name, function in (
        ("approvals", approvals),
        ("approve", approve),
        ("request-changes", request_changes),
        ("hold", hold),
    ):
        group.command(name)(function)
