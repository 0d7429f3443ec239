"""Commands about what is to happen when: schedules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import HomeOption, JsonOption, client_command, command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.scheduling.models import Run, Schedule
    from shequn_sdk.scheduling.triggers import Trigger

__all__ = ["add_commands"]

_COLUMNS = ["id", "name", "handler", "trigger", "state", "next"]
_RUNS = ["id", "schedule", "due", "state", "attempts", "note", "error"]

schedules = typer.Typer(
    help="Show and change schedules: what is published when, what is to come, what became of it.",
    invoke_without_command=True,
)


def _words(trigger: Trigger) -> str:
    data = trigger.model_dump(mode="json", exclude_defaults=True, exclude={"kind", "tz"})
    said = " ".join(" ".join(value) if isinstance(value, list) else str(value) for value in data.values())
    return f"{trigger.model_dump()['kind']} {said} {trigger.tz}"


def _row(schedule: Schedule) -> dict[str, Any]:
    return {
        "id": schedule.id,
        "name": schedule.name,
        "handler": schedule.handler,
        "trigger": _words(schedule.trigger),
        "state": str(schedule.state),
        "next": schedule.next_due.isoformat() if schedule.next_due else "",
        "provisional": schedule.provisional,
        "arguments": schedule.arguments,
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "schedule": run.name or run.schedule,
        "nominal": run.nominal.isoformat(),
        "due": run.due.isoformat(),
        "state": str(run.state),
        "attempts": run.attempts,
        "note": run.note,
        "error": run.error,
    }


@client_command
async def list_(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    ended: Annotated[bool, typer.Option("--all", help="Also those that ended or were cancelled.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 100,
) -> None:
    """Show schedules."""
    if ctx.invoked_subcommand is not None:
        return
    rows = [_row(item) for item in await sq.schedules.list(limit=limit, ended=ended)]
    out.table(rows, _COLUMNS, empty="no schedules")


@client_command
async def upcoming(
    sq: AsyncShequn,
    out: Output,
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
) -> None:
    """Show what comes next, of all schedules."""
    found = await sq.schedules.upcoming(count)
    rows = [
        {
            "due": item.due.isoformat(),
            "schedule": item.name or item.schedule,
            "handler": item.handler,
            "notes": "; ".join(item.notes),
            "provisional": item.provisional,
        }
        for item in found
    ]
    out.table(rows, ["due", "schedule", "handler", "notes"], empty="nothing to come")


@client_command
async def history(
    sq: AsyncShequn,
    out: Output,
    schedule: Annotated[str, typer.Argument(help="Id or name; all when not given.")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="Only what waits for a person.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
) -> None:
    """Show what became of occurrences, latest first."""
    from shequn_sdk.scheduling.models import RunState

    states = (RunState.FAILED, RunState.PARKED, RunState.ASKING) if dead else ()
    found = await sq.schedules.history(schedule or None, states=states, limit=limit)
    out.table([_run(item) for item in found], _RUNS, empty="nothing yet")


def _changes(name: str, text: str) -> Callable[..., None]:
    async def change(
        out: Output,
        schedule: Annotated[str, typer.Argument(help="Id or name.")],
        home: HomeOption = Path(),
        as_json: JsonOption = False,
    ) -> Exit | None:
        from shequn_sdk.client import AsyncShequn

        async with AsyncShequn.open(home=home) as sq:
            out.table([_row(await getattr(sq.schedules, name)(schedule))], _COLUMNS)
        return None

    change.__doc__ = text
    return command(change)


def _settles(name: str, text: str) -> Callable[..., None]:
    async def settle(
        out: Output,
        occurrence: Annotated[int, typer.Argument(help="Number from `schedules history --dead`.")],
        home: HomeOption = Path(),
        as_json: JsonOption = False,
    ) -> Exit | None:
        from shequn_sdk.client import AsyncShequn

        async with AsyncShequn.open(home=home) as sq:
            await getattr(sq.schedules, name)(occurrence)
        if out.as_json:
            out.json({"occurrence": occurrence, "done": name})
        else:
            out.line(f"occurrence {occurrence}: {name}")
        return None

    settle.__doc__ = text
    return command(settle)


def _zone(sq: AsyncShequn, zone: str, to: list[str]) -> str:
    if zone:
        return zone
    from shequn_sdk.domain import ChannelRef

    communities = sq.settings.communities
    found = sq.settings.community_of(ChannelRef.parse(to[0])) if to else None
    if found is None and len(communities) == 1:
        found = communities[0]
    if found is None:
        raise InvalidInput("say by whose clock: --zone Asia/Shanghai")
    return found.zone


def _trigger(
    zone: str, *, cron: str, at: datetime | None, weekly: list[str], lunar: str, only: str
) -> Trigger:
    from shequn_sdk.scheduling.chinese import DayFilter
    from shequn_sdk.scheduling.triggers import Cron, LunarDate, Once, Weekly

    given = [bool(cron), at is not None, bool(weekly), bool(lunar)]
    if sum(given) != 1:
        raise InvalidInput("say when, in one way: --cron, --at, --weekly or --lunar")
    try:
        chosen = DayFilter(only) if only else None
    except ValueError:
        raise InvalidInput(f"--only {only!r} must be one of {', '.join(DayFilter)}") from None
    if cron:
        return Cron(cron, tz=zone, only=chosen)
    if weekly:
        return Weekly(weekly, tz=zone, only=chosen)
    if at is not None:
        return Once(at, tz=zone, only=chosen)
    day, _, clock = lunar.partition(" ")
    month, _, number = day.partition("-")
    if not (month.isdecimal() and number.isdecimal()):
        raise InvalidInput(f"--lunar {lunar!r} must be month-day and a time, such as '8-15 09:00'")
    return LunarDate(int(month), int(number), clock or "09:00", tz=zone, only=chosen)


@client_command
async def add(
    sq: AsyncShequn,
    out: Output,
    text: Annotated[str, typer.Argument(help="Markdown to publish.")],
    to: Annotated[
        list[str] | None, typer.Option("--to", help="Channel as account:native-id; may be repeated.")
    ] = None,
    cron: Annotated[str, typer.Option(help="Cron expression, such as '0 20 * * fri'.")] = "",
    at: Annotated[datetime | None, typer.Option(help="Once, at this local time.")] = None,
    weekly: Annotated[
        list[str] | None, typer.Option(help="Slot of the week, such as 'fri 20:00'; may be repeated.")
    ] = None,
    lunar: Annotated[str, typer.Option(help="Lunar date, such as '8-15 09:00'.")] = "",
    only: Annotated[str, typer.Option(help="workdays, days_off or holidays of the Chinese calendar.")] = "",
    zone: Annotated[str, typer.Option(help="IANA zone; the community's when not given.")] = "",
    name: Annotated[str, typer.Option(help="By which you will find it.")] = "",
) -> None:
    """Publish a text again and again."""
    from shequn_sdk.domain import Content

    if not to:
        raise InvalidInput("say where: --to account:native-id")
    when = _trigger(_zone(sq, zone, to), cron=cron, at=at, weekly=weekly or [], lunar=lunar, only=only)
    made = await sq.schedule(Content(text=text), to=to, when=when, name=name)
    out.table([_row(made)], _COLUMNS)


@client_command
async def reschedule(
    sq: AsyncShequn,
    out: Output,
    schedule: Annotated[str, typer.Argument(help="Id or name.")],
    cron: Annotated[str, typer.Option(help="Cron expression, such as '0 20 * * fri'.")] = "",
    at: Annotated[datetime | None, typer.Option(help="Once, at this local time.")] = None,
    weekly: Annotated[
        list[str] | None, typer.Option(help="Slot of the week, such as 'fri 20:00'; may be repeated.")
    ] = None,
    lunar: Annotated[str, typer.Option(help="Lunar date, such as '8-15 09:00'.")] = "",
    only: Annotated[str, typer.Option(help="workdays, days_off or holidays of the Chinese calendar.")] = "",
    zone: Annotated[str, typer.Option(help="IANA zone; the one it has when not given.")] = "",
) -> None:
    """Give a schedule another trigger from now on; an ended one lives again, a paused one stays paused."""
    present = await sq.schedules.get(schedule)
    when = _trigger(zone or present.trigger.tz, cron=cron, at=at, weekly=weekly or [], lunar=lunar, only=only)
    out.table([_row(await sq.schedules.reschedule(schedule, when=when))], _COLUMNS)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    schedules.callback()(list_)
    for name, function in (
        ("upcoming", upcoming),
        ("history", history),
        ("add", add),
        ("reschedule", reschedule),
        ("pause", _changes("pause", "Stop firing a schedule until it is resumed.")),
        ("resume", _changes("resume", "Let a paused schedule go on from now.")),
        ("cancel", _changes("cancel", "End a schedule for good; its history stays.")),
        ("retry", _settles("retry", "Let an occurrence that failed or was parked run again.")),
        ("dismiss", _settles("dismiss", "Put an occurrence that waits for a person aside.")),
    ):
        schedules.command(name)(function)
    app.add_typer(schedules, name="schedules")
