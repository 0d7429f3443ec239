"""Commands about what is to be said when: calendar, with slots, files and approvals."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shequn_sdk.cli import approvals
from shequn_sdk.cli._common import CommunityOption, client_command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.editorial.model import Entry

__all__ = ["add_commands"]

calendar = typer.Typer(
    help="Show and change the content calendar: entries, slots, approvals.", invoke_without_command=True
)

ActorOption = Annotated[
    str, typer.Option("--by", envvar="SHEQUN_BY", help="Who does it, as platform:native-id or desk:name.")
]
ToOption = Annotated[
    list[str] | None, typer.Option("--to", help="Channel as account:native-id; may be repeated.")
]
AtOption = Annotated[datetime | None, typer.Option(help="When, in the community's zone.")]
EntryArgument = Annotated[int, typer.Argument(help="Number of the entry.")]
NoteOption = Annotated[str, typer.Option("--note", help="For the record.")]

_CARD = ["id", "at", "state", "channels", "title", "category"]
_ENTRY = ["id", "at", "state", "channels", "text", "version"]
_SLOT = ["id", "channel", "day", "time", "zone", "category"]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _zone(sq: AsyncShequn, community: str | None) -> str:
    found = sq.settings.community(community) if community else None
    if found is None and len(sq.settings.communities) == 1:
        found = sq.settings.communities[0]
    return found.zone if found is not None else "UTC"


def _local(sq: AsyncShequn, community: str | None, at: datetime | None) -> datetime | None:
    if at is None or at.tzinfo is not None:
        return at
    from shequn_sdk.editorial._days import instant_of

    return instant_of(at, _zone(sq, community))


def _shown(at: datetime | None, zone: str) -> str:
    from zoneinfo import ZoneInfo

    return "" if at is None else at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def _entry(sq: AsyncShequn, one: Entry) -> dict[str, Any]:
    zone = _zone(sq, one.community)
    return one.model_dump(mode="json") | {
        "at": _shown(one.at, zone),
        "instant": one.at,
        "channels": [str(ref) for ref in one.channels],
        "text": " ".join(one.content.text.split())[:80] or one.content.title,
        "state": str(one.state),
    }


@client_command
async def show(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First local day.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last local day.")
    ] = None,
    channel: Annotated[str, typer.Option(help="Only what goes there.")] = "",
    state: Annotated[list[str] | None, typer.Option(help="Only these states; may be repeated.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page instead, of the month or week that holds --from.")
    ] = None,
    week: Annotated[bool, typer.Option("--week", help="A page of a week.")] = False,
    language: Annotated[
        str, typer.Option(help="Of the page: zh or en; the community's when not given.")
    ] = "",
    community: CommunityOption = None,
) -> None:
    """Show a stretch of the calendar, by default this month."""
    if ctx.invoked_subcommand is not None:
        return
    first, last = (None if day is None else day.date() for day in (start, end))
    if html is not None:
        form: Literal["month", "week"] = "week" if week else "month"
        page = await sq.calendar.page(start=first, form=form, language=language or None, community=community)
        html.write_text(page, encoding="utf-8")
        if out.as_json:
            out.json({"page": str(html)})
        else:
            out.line(f"written: {html}")
        return
    view = await sq.calendar.view(
        start=first,
        end=last,
        channel=channel or None,
        states=state or (),
        community=community,
    )
    days = {note.day: note for note in view.days}
    rows: list[dict[str, Any]] = []
    for card in (*view.cards, *view.undated):
        shown = _shown(card.at, view.zone)
        row: dict[str, Any] = card.model_dump(mode="json") | {"at": shown, "instant": card.at}
        note = days.get(date.fromisoformat(shown[:10])) if shown else None
        row["festivals"] = list(note.festivals) if note is not None else []
        if not out.as_json and card.held:
            row["state"] = f"{card.state} (held)"
        rows.append(row)
    columns = [*_CARD, "festivals"] if any(row["festivals"] for row in rows) else _CARD
    title = f"{view.start} – {view.end} ({view.zone})"
    out.table(rows, columns, title=title, empty=f"nothing from {view.start} to {view.end}")


@client_command
async def add(
    sq: AsyncShequn,
    out: Output,
    text: Annotated[str, typer.Argument(help="Markdown of the content.")],
    to: ToOption = None,
    at: AtOption = None,
    title: Annotated[str, typer.Option(help="Title.")] = "",
    category: Annotated[str, typer.Option(help="Kind of content in the plan.")] = "",
    promotional: Annotated[bool, typer.Option("--promotional", help="It advertises something.")] = False,
    photo: Annotated[list[Path] | None, typer.Option(help="Picture; may be repeated.")] = None,
    idea: Annotated[bool, typer.Option("--idea", help="Keep it as an idea.")] = False,
    hand_in: Annotated[bool, typer.Option("--schedule", help="Hand it in at once.")] = False,
    queue: Annotated[bool, typer.Option("--queue", help="Take the next free slot of each channel.")] = False,
    key: Annotated[str, typer.Option("--key", help="Adding it again under the same key adds nothing.")] = "",
    by: ActorOption = "",
    community: CommunityOption = None,
) -> None:
    """Put a content into the calendar: as a draft, an idea, scheduled, or into the queue."""
    from pydantic import ValidationError

    from shequn_sdk.domain import Content, Media, MediaKind

    for path in photo or []:
        if not path.is_file():
            raise InvalidInput(f"{path} is no file")
    if queue and (at is not None or idea or hand_in):
        raise InvalidInput("--queue chooses the time by itself: leave --at, --idea and --schedule out")
    try:
        content = Content(
            text=text,
            title=title,
            category=category,
            promotional=promotional,
            media=tuple(Media(kind=MediaKind.PHOTO, path=path.resolve()) for path in photo or []),
        )
    except ValidationError as error:
        raise InvalidInput(error.errors(include_url=False)[0]["msg"]) from None
    if queue:
        made = await sq.queue.add(content, to=to or (), key=key or None, community=community, actor=by)
    else:
        made = [
            await sq.calendar.add(
                content,
                to=to or (),
                at=_local(sq, community, at),
                state="idea" if idea else "scheduled" if hand_in else "draft",
                key=key or None,
                community=community,
                actor=by,
            )
        ]
    rows = [_entry(sq, one) for one in made]
    for one in made:
        if one.at is not None:
            for clash in await sq.calendar.check(one.id):
                out.note(f"entry {one.id}: {clash.message}")
    out.table(rows, _ENTRY)


@client_command
async def schedule(
    sq: AsyncShequn,
    out: Output,
    entry: EntryArgument,
    at: AtOption = None,
    by: ActorOption = "",
) -> None:
    """Hand an entry in: to those who approve, or to the ledger."""
    where = (await sq.calendar.get(entry)).community
    done = await sq.calendar.schedule(entry, at=_local(sq, where, at), actor=by)
    out.table([_entry(sq, done)], _ENTRY)


@client_command
async def move(
    sq: AsyncShequn,
    out: Output,
    entry: EntryArgument,
    at: AtOption = None,
    by: ActorOption = "",
) -> None:
    """Give an entry another time; without --at it has none any more and leaves the ledger."""
    where = (await sq.calendar.get(entry)).community
    out.table([_entry(sq, await sq.calendar.move(entry, at=_local(sq, where, at), actor=by))], _ENTRY)


@client_command
async def shift(
    sq: AsyncShequn,
    out: Output,
    days: Annotated[float, typer.Argument(help="By how many days; whole ones keep the local hour.")],
    start: Annotated[datetime | None, typer.Option("--from", help="Only from this local time on.")] = None,
    end: Annotated[datetime | None, typer.Option("--until", help="Only before this local time.")] = None,
    channel: Annotated[str, typer.Option(help="Only what goes there.")] = "",
    by: ActorOption = "",
    community: CommunityOption = None,
) -> None:
    """Move everything that is to come, all or nothing."""
    done = await sq.calendar.shift(
        timedelta(days=days),
        start=_local(sq, community, start),
        end=_local(sq, community, end),
        channel=channel or None,
        community=community,
        actor=by,
    )
    out.table([_entry(sq, one) for one in done], _ENTRY, empty="nothing to move")


@client_command
async def copy(
    sq: AsyncShequn,
    out: Output,
    entry: EntryArgument,
    to: ToOption = None,
    at: AtOption = None,
    by: ActorOption = "",
) -> None:
    """Make a draft with the same content."""
    where = (await sq.calendar.get(entry)).community
    made = await sq.calendar.copy(entry, to=to or None, at=_local(sq, where, at), actor=by)
    out.table([_entry(sq, made)], _ENTRY)


@client_command
async def cancel(
    sq: AsyncShequn,
    out: Output,
    entry: EntryArgument,
    note: NoteOption = "",
    by: ActorOption = "",
) -> None:
    """Take an entry off the calendar and out of the ledger."""
    out.table([_entry(sq, await sq.calendar.cancel(entry, reason=note, actor=by))], _ENTRY)


@client_command
async def undo(
    sq: AsyncShequn,
    out: Output,
    steps: Annotated[int, typer.Argument(min=1, help="How many.")] = 1,
    by: ActorOption = "",
    community: CommunityOption = None,
) -> None:
    """Take back the last changes."""
    found = await sq.calendar.undo(steps=steps, community=community, actor=by)
    out.table(found, ["id", "note", "entries"])


@client_command
async def log(
    sq: AsyncShequn,
    out: Output,
    entry: Annotated[int | None, typer.Argument(help="Only of this entry.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
    community: CommunityOption = None,
) -> None:
    """Show who changed what, latest first."""
    found = await sq.calendar.log(number=entry, limit=limit, community=community)
    columns = ["id", "at", "actor", "action", "entries", "note"]
    out.table(found, columns, empty="nothing yet")


@client_command
async def import_(
    sq: AsyncShequn,
    out: Output,
    file: Annotated[Path, typer.Argument(help="CSV or JSON.")],
    partial: Annotated[bool, typer.Option("--partial", help="Take the rows that are right.")] = False,
    files: Annotated[
        Path | None, typer.Option(help="Where its pictures lie; beside it when not given.")
    ] = None,
    by: ActorOption = "",
    community: CommunityOption = None,
) -> Exit | None:
    """Read entries from a table; one wrong row and nothing is imported, unless --partial."""
    found = await sq.calendar.import_file(file, partial=partial, files=files, community=community, actor=by)
    for note in found.notes:
        out.note(note)
    if out.as_json:
        out.json(found)
    else:
        wrong = [row.model_dump(mode="json") for row in found.rows if not row.ok]
        if wrong:
            out.table(wrong, ["line", "column", "field", "message"])
        out.line(f"{found.imported} imported, {found.rejected} wrong")
    if found.ok:
        return None
    return Exit.PARTLY if found.imported else Exit.USAGE


@client_command
async def export(
    sq: AsyncShequn,
    out: Output,
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output when not given.")] = None,
    community: CommunityOption = None,
) -> None:
    """Write all entries as CSV."""
    _write(out, file, await sq.calendar.export_csv(community=community))


@client_command
async def ical(
    sq: AsyncShequn,
    out: Output,
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output when not given.")] = None,
    community: CommunityOption = None,
) -> None:
    """Write what has a time as an iCalendar file."""
    _write(out, file, await sq.calendar.export_ical(community=community))


def _write(out: Output, file: Path | None, text: str) -> None:
    if file is None:
        if out.as_json:
            out.json({"text": text})
        else:
            typer.echo(text, nl=False)
        return
    file.write_bytes(text.encode())
    if out.as_json:
        out.json({"file": str(file)})
    else:
        out.line(f"written: {file}")


@client_command
async def slots(
    sq: AsyncShequn,
    out: Output,
    channel: Annotated[str, typer.Argument(help="Channel as account:native-id; all when not given.")] = "",
    new: Annotated[
        list[str] | None, typer.Option("--add", help="Slot such as 'fri 20:00'; may be repeated.")
    ] = None,
    remove: Annotated[int | None, typer.Option(help="Number of a slot to take away.")] = None,
    zone: Annotated[str, typer.Option(help="By whose clock; the community's when not given.")] = "",
    category: Annotated[str, typer.Option(help="Takes contents of this category only.")] = "",
    community: CommunityOption = None,
) -> None:
    """Show, add or take away slots of the week."""
    if remove is not None:
        await sq.queue.remove_slot(remove)
    if new:
        if not channel:
            raise InvalidInput(
                "say for which channel: shequn calendar slots account:native-id --add 'fri 20:00'"
            )
        await sq.queue.add_slots(channel, new, zone=zone or None, category=category, community=community)
    found = await sq.queue.slots(channel or None, community=community)
    rows = [one.model_dump(mode="json") | {"day": _DAYS[one.weekday]} for one in found]
    out.table(rows, _SLOT, empty="no slots")


@client_command
async def next_slot(
    sq: AsyncShequn,
    out: Output,
    channel: Annotated[str, typer.Argument(help="Channel as account:native-id.")],
    category: Annotated[str, typer.Option(help="For a content of this category.")] = "",
    community: CommunityOption = None,
) -> None:
    """Show the next free slot of a channel."""
    found = await sq.queue.next_slot(channel, category=category, community=community)
    if found is None:
        raise InvalidInput(f"{channel} has no slot for it: shequn calendar slots {channel} --add 'fri 20:00'")
    row = found.model_dump(mode="json") | {"at": _shown(found.at, found.zone), "instant": found.at}
    out.table([row], ["channel", "at", "zone", "slot"])


@client_command
async def best_time(
    sq: AsyncShequn,
    out: Output,
    count: Annotated[int, typer.Option(min=1, max=168, help="How many hours.")] = 5,
    last: Annotated[int, typer.Option(min=7, help="Days to look back.")] = 56,
    community: CommunityOption = None,
) -> None:
    """Show the hours in which most members are active, with how sure that is."""
    found = await sq.calendar.best_time(count=count, last=timedelta(days=last), community=community)
    zone = _zone(sq, community)
    rows = [
        one.model_dump(mode="json")
        | {"day": _DAYS[one.weekday], "hour": f"{one.hour:02}:00", "next": _shown(one.next_at, zone)}
        for one in found
    ]
    columns = ["day", "hour", "members", "weeks", "confidence", "next"]
    out.table(rows, columns, empty="no activity known yet: listen (shequn run) or import a history")


@client_command
async def diff(
    sq: AsyncShequn,
    out: Output,
    entry: EntryArgument,
    old: Annotated[int | None, typer.Option(min=1, help="Version; the one before when not given.")] = None,
    new: Annotated[int | None, typer.Option(min=1, help="Version; the newest when not given.")] = None,
) -> None:
    """Show what differs between two versions of an entry."""
    found = await sq.calendar.diff(entry, old=old, new=new)
    if out.as_json:
        out.json(found)
    else:
        for line in found.text.splitlines() or ["no difference"]:
            out.line(line)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    calendar.callback()(show)
    for name, function in (
        ("add", add),
        ("schedule", schedule),
        ("move", move),
        ("shift", shift),
        ("copy", copy),
        ("cancel", cancel),
        ("undo", undo),
        ("log", log),
        ("import", import_),
        ("export", export),
        ("ical", ical),
        ("slots", slots),
        ("next-slot", next_slot),
        ("best-time", best_time),
        ("diff", diff),
    ):
        calendar.command(name)(function)
    approvals.add_commands(calendar)
    app.add_typer(calendar, name="calendar")
