"""Commands about what members are invited to do: polls, lotteries, check-ins, questions, gatherings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shequn_sdk.cli._common import HomeOption, JsonOption, client_command, command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.engagement.lotteries import LotteryResult
    from shequn_sdk.engagement.models import Activity
    from shequn_sdk.engagement.polls import PollTally

__all__ = ["add_commands"]

_ACTIVITY = ["id", "title", "state", "closes", "channels"]

polls = typer.Typer(help="Open, count and close polls over all platforms.", invoke_without_command=True)
lottery = typer.Typer(help="Run and check verifiable lotteries.", invoke_without_command=True)
check_ins = typer.Typer(help="Show check-ins and their streaks.", invoke_without_command=True)
questions = typer.Typer(help="Show what members asked and what waits.", invoke_without_command=True)
gatherings = typer.Typer(help="Show gatherings, who comes and who came.", invoke_without_command=True)

To = Annotated[list[str] | None, typer.Option("--to", help="Channel account:native-id; repeat for more.")]
Hours = Annotated[float, typer.Option("--hours", min=0.01, help="How many hours it is open.")]
Key = Annotated[str, typer.Option("--key", help="The same key opens it once.")]
StateOption = Annotated[str, typer.Option("--state", help="open, closed or cancelled; all when not given.")]


def _row(found: Activity) -> dict[str, Any]:
    return {
        "id": found.id,
        "title": found.title,
        "state": str(found.state),
        "community": found.community,
        "closes": found.closes_at.isoformat() if found.closes_at else "",
        "channels": [str(one.channel) for one in found.places],
        "notes": list(found.notes),
    }


def _state(text: str) -> str | None:
    if text not in {"", "open", "closed", "cancelled"}:
        raise InvalidInput(f"--state is open, closed or cancelled, not {text!r}")
    return text or None


def _channels(to: list[str] | None) -> list[str]:
    if not to:
        raise InvalidInput("say where: --to account:native-id")
    return to


def _lists(attribute: str, doc: str, empty: str) -> Any:
    @command
    async def list_(
        out: Output,
        ctx: typer.Context,
        state: StateOption = "",
        limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
        home: HomeOption = Path(),
        as_json: JsonOption = False,
    ) -> Exit | None:
        from shequn_sdk.client import AsyncShequn

        if ctx.invoked_subcommand is not None:
            return None
        chosen = _state(state)
        async with AsyncShequn.open(home=home) as sq:
            rows = [_row(one) for one in await getattr(sq, attribute).list(state=chosen, limit=limit)]
        out.table(rows, _ACTIVITY, empty=empty)
        return None

    list_.__doc__ = doc
    return list_


# polls


def _tally(out: Output, tally: PollTally) -> None:
    if out.as_json:
        out.json(tally)
        return
    rows = [
        {"choice": one.choice, "votes": one.votes, "share": f"{one.share:.0%}", **one.by_platform}
        for one in tally.choices
    ]
    out.table(rows, ["choice", "votes", "share", *tally.by_platform], title=tally.question)
    out.line(
        f"{tally.voters} voters, {tally.state}" + (f", {tally.late} votes too late" if tally.late else "")
    )
    for note in tally.notes:
        out.line(note)


@client_command
async def polls_open(
    sq: AsyncShequn,
    out: Output,
    question: Annotated[str, typer.Argument(help="What is asked.")],
    choice: Annotated[list[str] | None, typer.Option("--choice", help="One choice; repeat.")] = None,
    to: To = None,
    hours: Hours = 24.0,
    multiple: Annotated[bool, typer.Option("--multiple", help="Several choices per voter.")] = False,
    key: Key = "",
) -> None:
    """Open a poll and post it."""
    from shequn_sdk.domain import Poll

    if not choice:
        raise InvalidInput("give at least two choices: --choice 面 --choice 饭")
    made = await sq.polls.open(
        Poll(question=question, choices=tuple(choice), multiple=multiple),
        to=_channels(to),
        closes=timedelta(hours=hours),
        idempotency_key=key or None,
    )
    out.table([_row(made)], _ACTIVITY)
    for note in made.notes:
        out.note(note)


@client_command
async def polls_show(
    sq: AsyncShequn,
    out: Output,
    poll: Annotated[str, typer.Argument(help="Id of the poll.")],
) -> None:
    """Show how a poll stands."""
    _tally(out, await sq.polls.get_result(poll))


@client_command
async def polls_close(
    sq: AsyncShequn,
    out: Output,
    poll: Annotated[str, typer.Argument(help="Id of the poll.")],
) -> None:
    """End a poll now; its result is posted by `shequn run`, `worker` or `publish`."""
    _tally(out, await sq.polls.close(poll))
    await sq.deliver_due()


# lotteries


def _result(out: Output, found: LotteryResult) -> None:
    if out.as_json:
        out.json(found)
        return
    out.line(f"{found.title}: {found.state}, {found.entrants} entrants, commitment {found.commitment}")
    for reason, count in found.excluded.items():
        out.line(f"{count} left off the list: {reason}")
    rows = [
        {
            "position": one.position,
            "prize": one.prize,
            "name": one.name,
            "member": one.member,
            "code": one.code,
            "remark": f"replaced: {one.reason}" if one.replaced else "",
        }
        for one in found.winners
    ]
    out.table(rows, ["position", "prize", "name", "member", "code", "remark"], empty="nobody was drawn")
    if found.unawarded:
        out.line(f"{found.unawarded} prizes not awarded")


@client_command
async def lottery_open(
    sq: AsyncShequn,
    out: Output,
    title: Annotated[str, typer.Argument(help="What it is called.")],
    prize: Annotated[list[str] | None, typer.Option("--prize", help="NAME or NAME=COUNT; repeat.")] = None,
    to: To = None,
    hours: Hours = 24.0,
    word: Annotated[str, typer.Option("--word", help="What members say to enter.")] = "抽奖",
    check_in_days: Annotated[int, typer.Option("--check-ins", min=0, help="Days of check-in needed.")] = 0,
    joined_before: Annotated[str, typer.Option("--joined-before", help="ISO instant with zone.")] = "",
    randomness: Annotated[str, typer.Option("--randomness", help="Where public randomness comes from.")] = "",
    key: Key = "",
) -> None:
    """Open a lottery: its rules and the commitment to its seed are posted before anybody enters."""
    from shequn_sdk.engagement.lotteries import Eligibility, Prize

    prizes: list[Prize] = []
    for one in prize or ():
        name, _, count = one.partition("=")
        if count and not count.isdecimal():
            raise InvalidInput(f"--prize {one!r}: write NAME or NAME=COUNT")
        prizes.append(Prize(name=name, count=int(count or 1)))
    made = await sq.lotteries.open(
        title,
        prizes=prizes,
        to=_channels(to),
        closes=timedelta(hours=hours),
        word=word,
        eligibility=Eligibility(check_ins=check_in_days, joined_before=_instant(joined_before)),
        randomness=randomness,
        idempotency_key=key or None,
    )
    out.table([_row(made)], _ACTIVITY)


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput(f"{text!r} is no instant with a zone: write 2026-03-01T20:00+08:00")
    return found


@client_command
async def lottery_show(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[str, typer.Argument(metavar="LOTTERY", help="Its id.")],
) -> None:
    """Show how a lottery stands."""
    _result(out, await sq.lotteries.get_result(number))


@client_command
async def lottery_draw(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[str, typer.Argument(metavar="LOTTERY", help="Its id.")],
    public: Annotated[str, typer.Option("--public", help="The public randomness, as it was published.")] = "",
) -> None:
    """Fix the list if that was not done, draw, and post the winners."""
    found = await sq.lotteries.close(number)
    if found.state == "waiting":
        found = await sq.lotteries.draw(number, public=public)
    await sq.deliver_due()
    _result(out, found)


@client_command
async def lottery_redraw(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[str, typer.Argument(metavar="LOTTERY", help="Its id.")],
    position: Annotated[int, typer.Argument(min=1, help="Position of the winner to be replaced.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the certificate.")] = "",
) -> None:
    """Replace a winner by the next of the same stream."""
    found = await sq.lotteries.redraw(number, position=position, reason=reason)
    await sq.deliver_due()
    _result(out, found)


@client_command
async def lottery_certificate(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[str, typer.Argument(metavar="LOTTERY", help="Its id.")],
    to_file: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; the terminal when not given.")
    ] = None,
) -> None:
    """Write what everybody needs to repeat the draw."""
    certificate = await sq.lotteries.get_certificate(number)
    if to_file is None:
        out.json(certificate)
        return
    to_file.write_text(certificate.model_dump_json(indent=1) + "\n", encoding="utf-8")
    out.line(f"written: {to_file}")


@command
async def lottery_verify(
    out: Output,
    file: Annotated[Path, typer.Argument(help="A certificate.")],
    member: Annotated[
        list[str] | None, typer.Option("--member", help="platform:native-id to look for on the list; repeat.")
    ] = None,
    as_json: JsonOption = False,
) -> Exit | None:
    """Repeat a draw from its certificate, offline; fails when anything does not agree."""
    from shequn_sdk.engagement.draw import entrant_code, read_certificate, verify

    certificate = read_certificate(file.read_bytes())
    found = verify(certificate)
    codes = {code for code, _ in certificate.entries}
    number = str(certificate.statement.get("id", ""))
    listed = {one: entrant_code(number, one) in codes for one in member or ()}
    if out.as_json:
        out.json({"ok": found.ok, "problems": list(found.problems), "listed": listed})
    else:
        for problem in found.problems:
            out.line(f"wrong: {problem}")
        for one, there in listed.items():
            out.line(f"{one} is {'' if there else 'NOT '}on the list")
        if found.ok:
            out.line(
                f"the draw is right: {len(certificate.entries)} entries, "
                f"commitment {certificate.statement['commitment']}, rules {certificate.statement_sha256}"
            )
    return Exit.OK if found.ok else Exit.FAILED


# check-ins, questions, gatherings


@client_command
async def check_ins_ranking(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[str, typer.Argument(metavar="CHECK_IN", help="Its id.")],
    by: Annotated[
        Literal["current", "longest", "total"], typer.Option("--by", help="What counts.")
    ] = "current",
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 20,
) -> None:
    """Rank persons by streak or days."""
    lines = await sq.check_ins.get_ranking(number, by=by, limit=limit)
    out.table([one.model_dump() for one in lines], ["rank", "name", "member", "score"], empty="nobody yet")


@client_command
async def check_ins_show(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[str, typer.Argument(metavar="CHECK_IN", help="Its id.")],
    member: Annotated[str, typer.Argument(help="platform:native-id.")],
) -> None:
    """Show how a person stands."""
    found = await sq.check_ins.get_state(number, member)
    row = {
        "member": found.member,
        "streak": found.streak.current,
        "longest": found.streak.longest,
        "days": found.streak.total,
        "last": found.streak.last.isoformat() if found.streak.last else "",
        "cards": found.cards,
    }
    out.table([row], list(row))


@client_command
async def questions_list(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    state: Annotated[
        Literal["open", "overdue", "answered", "dismissed"], typer.Option("--state", help="Only these.")
    ] = "open",
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
) -> None:
    """Show questions, the one that is due first, first."""
    if ctx.invoked_subcommand is not None:
        return
    found = await sq.questions.list(state=state, limit=limit)
    rows = [
        {
            "id": one.id,
            "asked": one.asked_at,
            "due": one.due_at,
            "by": one.name or one.member,
            "assignee": one.assignee,
            "text": one.text,
        }
        for one in found
    ]
    out.table(rows, ["id", "asked", "due", "by", "assignee", "text"], empty="no questions")


@client_command
async def questions_report(
    sq: AsyncShequn,
    out: Output,
    desk: Annotated[str, typer.Argument(help="Id of the desk; the only open one when not given.")] = "",
    days: Annotated[int, typer.Option("--days", min=1, help="How many days back.")] = 30,
) -> None:
    """Show how well questions were answered, and who is on duty."""
    desks = [desk] if desk else [one.id for one in await sq.questions.list_desks()]
    since = datetime.now(UTC) - timedelta(days=days)
    rows: list[dict[str, Any]] = []
    for one in desks:
        found = await sq.questions.report(one, since=since)
        rows.append({"desk": one, "on_duty": await sq.questions.get_on_duty(one), **found.model_dump()})
    columns = ["desk", "on_duty", "asked", "answered", "open", "overdue", "in_time", "median_minutes"]
    out.table(rows, columns, empty="no desk is open")


@client_command
async def gatherings_show(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[str, typer.Argument(metavar="GATHERING", help="Its id.")],
) -> None:
    """Show who has a place, who waits, and who came."""
    found = await sq.gatherings.get(number)
    rows = [
        {"list": name, "number": one.number, "name": one.name, "member": one.member, "came": one.came}
        for name, guests in (("place", found.guests), ("waiting", found.waiting))
        for one in guests
    ]
    out.table(rows, ["list", "number", "name", "member", "came"], title=found.title, empty="nobody yet")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    polls.callback()(_lists("polls", "Show polls, newest first.", "no polls"))
    polls.command("open")(polls_open)
    polls.command("show")(polls_show)
    polls.command("close")(polls_close)
    app.add_typer(polls, name="polls")
    lottery.callback()(_lists("lotteries", "Show lotteries, newest first.", "no lotteries"))
    for name, function in (
        ("open", lottery_open),
        ("show", lottery_show),
        ("draw", lottery_draw),
        ("redraw", lottery_redraw),
        ("certificate", lottery_certificate),
        ("verify", lottery_verify),
    ):
        lottery.command(name)(function)
    app.add_typer(lottery, name="lottery")
    check_ins.callback()(_lists("check_ins", "Show check-ins, newest first.", "no check-ins"))
    check_ins.command("ranking")(check_ins_ranking)
    check_ins.command("show")(check_ins_show)
    app.add_typer(check_ins, name="check-ins")
    questions.callback()(questions_list)
    questions.command("report")(questions_report)
    app.add_typer(questions, name="questions")
    gatherings.callback()(_lists("gatherings", "Show gatherings, newest first.", "no gatherings"))
    gatherings.command("show")(gatherings_show)
    app.add_typer(gatherings, name="gatherings")
