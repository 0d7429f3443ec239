"""Commands that send, and that show what became of it: publish, deliveries."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import client_command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.domain import Delivery, DeliveryState, OnUnknown
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn

__all__ = ["add_commands"]

_COLUMNS = ["id", "channel", "state", "due", "attempts", "text", "error"]


@client_command
async def publish(
    sq: AsyncShequn,
    out: Output,
    text: Annotated[str, typer.Argument(help="Markdown; `-` reads it from standard input.")] = "",
    to: Annotated[
        list[str] | None, typer.Option("--to", help="Channel as account:native-id; may be repeated.")
    ] = None,
    photo: Annotated[list[Path] | None, typer.Option(help="Picture to send; may be repeated.")] = None,
    document: Annotated[list[Path] | None, typer.Option(help="File to send; may be repeated.")] = None,
    poll: Annotated[
        list[str] | None, typer.Option("--choice", help="Makes the text a poll; give each choice.")
    ] = None,
    at: Annotated[
        datetime | None, typer.Option(help="When, in the community's zone; now when not given.")
    ] = None,
    key: Annotated[
        str, typer.Option("--key", help="Idempotency key: publishing it again sends nothing.")
    ] = "",
    on_unknown: Annotated[
        OnUnknown | None, typer.Option(help="What to do when nobody knows whether it landed.")
    ] = None,
    approval: Annotated[
        bool, typer.Option("--needs-approval", help="Wait until somebody approves it.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the outcome.")] = 60.0,
) -> Exit | None:
    """Publish to channels and say what became of it, channel by channel."""
    from pydantic import ValidationError

    from shequn_sdk.domain import Content, Media, MediaKind, Poll, ReceiptStatus

    if not to:
        raise InvalidInput("say where: --to account:native-id")
    if text == "-":
        text = sys.stdin.read()
    media = [Media(kind=MediaKind.PHOTO, path=path) for path in photo or []]
    media += [Media(kind=MediaKind.DOCUMENT, path=path) for path in document or []]
    for item in media:
        if item.path is not None and not item.path.is_file():
            raise InvalidInput(f"{item.path} is no file")
    try:
        content = (
            Content(poll=Poll(question=text, choices=tuple(poll)), media=tuple(media))
            if poll
            else Content(text=text, media=tuple(media))
        )
    except ValidationError as error:
        raise InvalidInput(error.errors(include_url=False)[0]["msg"]) from None
    receipts = await sq.publish(
        content,
        to=to,
        at=sq.local(at, to[0]) if at is not None else None,
        idempotency_key=key or None,
        on_unknown=on_unknown,
        needs_approval=approval,
        timeout=timeout,
    )
    rows = [
        {
            "channel": str(receipt.channel),
            "status": str(receipt.status),
            "posts": [post.native_id for post in receipt.posts],
            "deliveries": list(receipt.deliveries),
            "reason": receipt.reason,
        }
        for receipt in receipts
    ]
    out.table(rows, ["channel", "status", "posts", "deliveries", "reason"])
    waiting = {ReceiptStatus.LANDED, ReceiptStatus.PENDING, ReceiptStatus.AWAITING_PERSON}
    good = sum(receipt.status in waiting for receipt in receipts)
    return None if good == len(receipts) else Exit.PARTLY if good else Exit.FAILED


deliveries = typer.Typer(
    help="Show and settle deliveries: what landed, what did not, what nobody knows.",
    invoke_without_command=True,
)


def _row(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "channel": str(delivery.channel),
        "state": str(delivery.state),
        "due": delivery.due,
        "part": f"{delivery.part + 1}/{delivery.parts}",
        "attempts": delivery.attempts,
        "message": delivery.post.native_id if delivery.post else "",
        "text": delivery.text[:60],
        "error": delivery.error,
        "content": delivery.content_id,
        "key": delivery.idempotency_key,
    }


@client_command
async def list_(
    sq: AsyncShequn,
    out: Output,
    ctx: typer.Context,
    state: Annotated[
        list[DeliveryState] | None, typer.Option(help="Only these states; may be repeated.")
    ] = None,
    channel: Annotated[str, typer.Option(help="Only this channel.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    counts: Annotated[bool, typer.Option("--counts", help="Only how many are in each state.")] = False,
) -> None:
    """Show deliveries, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    if counts:
        found = await sq.deliveries.counts()
        out.table(
            [{"state": str(key), "deliveries": value} for key, value in found.items()],
            ["state", "deliveries"],
        )
        return
    rows = [
        _row(item)
        for item in await sq.deliveries.list(states=tuple(state or ()), channel=channel or None, limit=limit)
    ]
    out.table(rows, _COLUMNS, empty="no deliveries")


@client_command
async def show(sq: AsyncShequn, out: Output, delivery: int) -> None:
    """Show one delivery with its audit trail."""
    item = await sq.deliveries.get(delivery)
    trail = await sq.deliveries.history(delivery)
    if out.as_json:
        out.json({"delivery": item, "history": list(trail)})
        return
    out.table([_row(item)], _COLUMNS)
    out.table(
        [
            {
                "at": entry.at,
                "from": entry.old,
                "to": entry.new,
                "cause": entry.cause,
                "by": entry.actor,
            }
            for entry in trail
        ],
        ["at", "from", "to", "cause", "by"],
    )


@client_command
async def retry(sq: AsyncShequn, out: Output, delivery: int) -> None:
    """Plan a refused or expired delivery again."""
    out.table([_row(await sq.deliveries.retry(delivery))], _COLUMNS)


@client_command
async def cancel(sq: AsyncShequn, out: Output, delivery: int) -> None:
    """Cancel a delivery that was not sent yet."""
    out.table([_row(await sq.deliveries.cancel(delivery))], _COLUMNS)


@client_command
async def approve(
    sq: AsyncShequn,
    out: Output,
    delivery: int,
    by: Annotated[str, typer.Option(help="Who approves.")] = "",
) -> None:
    """Approve a delivery that waits for it."""
    out.table([_row(await sq.deliveries.approve(delivery, by=by or "command line"))], _COLUMNS)


@client_command
async def resolve(
    sq: AsyncShequn,
    out: Output,
    delivery: int,
    landed: Annotated[
        bool | None, typer.Option("--landed/--not-landed", help="What you saw on the platform.")
    ] = None,
    message: Annotated[str, typer.Option(help="Native id of the message, when it landed.")] = "",
) -> None:
    """Say whether an unknown delivery landed; what did not land is planned again."""
    if landed is None:
        raise InvalidInput("look at the channel, then say --landed or --not-landed")
    out.table([_row(await sq.deliveries.resolve(delivery, landed=landed, native_id=message))], _COLUMNS)


@client_command
async def export(
    sq: AsyncShequn,
    out: Output,
    file: Annotated[Path, typer.Argument(help="Where to write; ends in .csv or .jsonl.")],
) -> None:
    """Write the whole ledger to a file."""
    if file.suffix not in {".csv", ".jsonl"}:
        raise InvalidInput(f"{file} must end in .csv or .jsonl")
    text = await sq.deliveries.export("csv" if file.suffix == ".csv" else "jsonl")
    file.write_text(text, encoding="utf-8")
    if out.as_json:
        out.json({"file": file, "bytes": len(text.encode())})
    else:
        out.line(f"wrote {file}")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(publish)
    deliveries.callback()(list_)
    for name, function in (
        ("show", show),
        ("retry", retry),
        ("cancel", cancel),
        ("approve", approve),
        ("resolve", resolve),
        ("export", export),
    ):
        deliveries.command(name)(function)
    app.add_typer(deliveries, name="deliveries")
