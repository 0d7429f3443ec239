"""Commands about what members earn: points, rewards, tiers, badges."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import CommunityOption, client_command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.incentives.leaderboards import Period
    from shequn_sdk.incentives.rewards import Redemption

__all__ = ["add_commands"]

points = typer.Typer(help="Look into the ledger of points, and award by hand.", invoke_without_command=True)
rewards = typer.Typer(help="Show rewards, redeem and refund them.", invoke_without_command=True)
tiers = typer.Typer(help="Show tiers and who stands where.", invoke_without_command=True)

Member = Annotated[str, typer.Argument(help="platform:native-id.")]


@client_command
async def points_board(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    period: Annotated[str, typer.Option("--period", help="day, week, month or all.")] = "week",
    back: Annotated[int, typer.Option("--back", min=0, help="How many periods ago.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="How many places.")] = 10,
    community: CommunityOption = None,
) -> None:
    """Show who earned most."""
    if ctx.invoked_subcommand is not None:
        return
    board = await sq.leaderboards.get(period=_period(period), back=back, limit=limit, community=community)
    rows = [one.model_dump() for one in board.lines]
    out.table(rows, ["rank", "name", "member", "points"], empty="nobody yet")


def _period(text: str) -> Period:
    periods: dict[str, Period] = {"day": "day", "week": "week", "month": "month", "all": "all"}
    if text not in periods:
        raise InvalidInput(f"--period is day, week, month or all, not {text!r}")
    return periods[text]


@client_command
async def points_show(
    sq: AsyncShequn,
    out: Output,
    member: Member,
    limit: Annotated[int, typer.Option(min=1, help="Most entries to show.")] = 20,
    community: CommunityOption = None,
) -> None:
    """Show what a person has, and where it came from."""
    balance = await sq.points.get_balance(member, community=community)
    entries = await sq.points.get_history(member, community=community, limit=limit)
    rows = entries
    if out.as_json:
        out.json({**balance.model_dump(mode="json"), "entries": rows})
        return
    out.line(f"{balance.balance} points, {balance.earned} earned in all")
    for one, held in balance.by_member.items():
        out.line(f"  {one}: {held}")
    out.table(rows, ["id", "at", "kind", "rule", "points", "note"], empty="no entries")


@client_command
async def points_award(
    sq: AsyncShequn,
    out: Output,
    member: Member,
    amount: Annotated[int, typer.Argument(min=1, metavar="POINTS", help="How many.")],
    key: Annotated[str, typer.Option("--key", help="What it is for: the same key is booked once.")],
    note: Annotated[str, typer.Option("--note", help="Kept with the entry.")] = "",
    community: CommunityOption = None,
) -> None:
    """Give points by hand."""
    found = await sq.points.award(member, points=amount, note=note, community=community, idempotency_key=key)
    out.table([{"member": found.member, "balance": found.balance}], ["member", "balance"])


@client_command
async def points_rules(
    sq: AsyncShequn,
    out: Output,
    file: Annotated[
        Path | None, typer.Argument(help="JSON of the rules to set; without it they are shown.")
    ] = None,
    community: CommunityOption = None,
) -> None:
    """Show or set the rules by which interactions earn points."""
    from pydantic import ValidationError

    from shequn_sdk.incentives.models import PointRules

    if file is not None:
        try:
            rules = PointRules.model_validate_json(file.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in first["loc"])
            raise InvalidInput(f"{file}: {where}: {first['msg']}", source=str(file)) from None
        await sq.points.set_rules(rules, community=community)
    found = await sq.points.get_rules(community=community)
    if out.as_json:
        out.json(found)
        return
    rows = found.rules
    out.table(rows, ["name", "kind", "points", "per_day", "per_week", "to"], empty="no rules")


@client_command
async def points_check(sq: AsyncShequn, out: Output, community: CommunityOption = None) -> Exit | None:
    """Add up the whole ledger; fails when it does not agree with the balances."""
    found = await sq.points.check(community=community)
    if out.as_json:
        out.json({**found.model_dump(), "ok": found.ok})
    else:
        out.line(f"{found.entries} entries in {found.accounts} accounts, sum {found.total}")
        for one in found.wrong:
            out.line(f"wrong: {one}")
    return Exit.OK if found.ok else Exit.FAILED


@client_command
async def points_signals(
    sq: AsyncShequn,
    out: Output,
    days: Annotated[int, typer.Option("--days", min=1, help="How many days back.")] = 7,
    community: CommunityOption = None,
) -> None:
    """Show signs of farming, with their evidence; nothing is done about them."""
    found = await sq.points.find_signals(last=timedelta(days=days), community=community)
    rows = [one.model_dump() for one in found]
    out.table(rows, ["kind", "members", "count", "words"], empty="no signs of farming")


@client_command
async def rewards_list(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    community: CommunityOption = None,
) -> None:
    """Show what points can be turned into."""
    if ctx.invoked_subcommand is not None:
        return
    rows = [one.model_dump(mode="json") for one in await sq.rewards.list(community=community)]
    out.table(rows, ["name", "title", "cost", "kind", "stock", "per_person"], empty="nothing is offered")


def _redemption(found: Redemption) -> dict[str, Any]:
    return {
        "id": found.id,
        "at": found.at,
        "reward": found.reward,
        "name": found.name or found.member,
        "cost": found.cost,
        "state": str(found.state),
    }


_REDEMPTION = ["id", "at", "reward", "name", "cost", "state"]


@client_command
async def rewards_redemptions(
    sq: AsyncShequn,
    out: Output,
    state: Annotated[
        str, typer.Option("--state", help="open, fulfilled, refunded or expired; all when not given.")
    ] = "",
    community: CommunityOption = None,
) -> None:
    """Show what was redeemed, newest first; codes of coupons are not shown."""
    if state not in {"", "open", "fulfilled", "refunded", "expired"}:
        raise InvalidInput(f"--state is open, fulfilled, refunded or expired, not {state!r}")
    found = await sq.rewards.list_redemptions(state=state or None, community=community)
    out.table([_redemption(one) for one in found], _REDEMPTION, empty="nothing was redeemed")


@client_command
async def rewards_refund(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[int, typer.Argument(metavar="REDEMPTION", help="Its number.")],
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    community: CommunityOption = None,
) -> None:
    """Give the points of a redemption back."""
    found = await sq.rewards.refund(number, note=note, community=community)
    out.table([_redemption(found)], _REDEMPTION)


@client_command
async def tiers_list(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    tier: Annotated[str, typer.Option("--tier", help="Only this one.")] = "",
    community: CommunityOption = None,
) -> None:
    """Show where everybody stands, highest first."""
    if ctx.invoked_subcommand is not None:
        return
    found = await sq.tiers.list(tier=tier or None, community=community)
    rows = found
    out.table(rows, ["name", "member", "tier", "points", "missing", "falls_at", "notes"], empty="nobody yet")


@client_command
async def tiers_review(sq: AsyncShequn, out: Output, community: CommunityOption = None) -> None:
    """Let members climb and fall now, and give or take the roles."""
    found = await sq.tiers.review(community=community)
    await sq.deliver_due()
    out.table([one.model_dump() for one in found], ["name", "member", "old", "new"], empty="nothing changed")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    points.callback()(points_board)
    for name, function in (
        ("show", points_show),
        ("award", points_award),
        ("rules", points_rules),
        ("check", points_check),
        ("signals", points_signals),
    ):
        points.command(name)(function)
    app.add_typer(points, name="points")
    rewards.callback()(rewards_list)
    rewards.command("redemptions")(rewards_redemptions)
    rewards.command("refund")(rewards_refund)
    app.add_typer(rewards, name="rewards")
    tiers.callback()(tiers_list)
    tiers.command("review")(tiers_review)
    app.add_typer(tiers, name="tiers")
