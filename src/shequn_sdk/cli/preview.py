"""The command that shows what a content becomes before it is sent: preview."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import client_command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.domain import Content
    from shequn_sdk.publishing.preview import Preview

__all__ = ["add_commands"]

_MOST_BYTES = 10 * 1024 * 1024


@client_command
async def preview(
    sq: AsyncShequn,
    out: Output,
    text: Annotated[str, typer.Argument(help="Markdown; `-` reads it from standard input.")] = "",
    to: Annotated[
        list[str] | None, typer.Option("--to", help="Channel as account:native-id; may be repeated.")
    ] = None,
    photo: Annotated[list[Path] | None, typer.Option(help="Picture to send; may be repeated.")] = None,
    content: Annotated[
        Path | None, typer.Option("--content", help="A whole content as JSON, instead of the text.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with all previews.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Write a picture per channel here.")] = None,
    language: Annotated[str, typer.Option(help="Language of the page: zh or en.")] = "zh",
) -> Exit | None:
    """Show what a content becomes in each channel, what is changed and why; sends nothing."""
    from shequn_sdk.publishing.preview_page import previews_html

    if not to:
        raise InvalidInput("say where: --to account:native-id")
    said = _content(text, photo or [], content)
    previews = await sq.preview(said, to=to)
    if html is not None:
        html.write_text(previews_html(previews, language=language), encoding="utf-8")
        out.note(f"written: {html}")
    if png is not None:
        png.mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(previews, 1):
            file = png / f"{number:02d}-{one.channel.account}.png"
            file.write_bytes(one.png())
            out.note(f"written: {file}")
    if out.as_json:
        out.json([_row(one) for one in previews])
    else:
        for one in previews:
            out.line(f"== {one.channel} ({one.title})")
            out.line(one.text)
            for problem in one.problems:
                out.line(f"  ! {problem.what}")
            for change in one.changes:
                out.line(f"  - {change.what}: {change.why}")
            out.line("")
    good = sum(one.ok for one in previews)
    return None if good == len(previews) else Exit.PARTLY if good else Exit.FAILED


def _content(text: str, photos: list[Path], file: Path | None) -> Content:
    from pydantic import ValidationError

    from shequn_sdk.domain import Content, Media, MediaKind

    try:
        if file is not None:
            if text or photos:
                raise InvalidInput("give either --content or a text with files, not both")
            if not file.is_file():
                raise InvalidInput(f"{file} is no file", source=str(file))
            if file.stat().st_size > _MOST_BYTES:
                raise InvalidInput(f"{file} is larger than {_MOST_BYTES} bytes", source=str(file))
            return Content.model_validate_json(file.read_bytes())
        if text == "-":
            text = sys.stdin.read(_MOST_BYTES)
        return Content(text=text, media=tuple(Media(kind=MediaKind.PHOTO, path=path) for path in photos))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{where}: {first['msg']}" if where else str(first["msg"])) from None


def _row(one: Preview) -> dict[str, Any]:
    return {
        "channel": str(one.channel),
        "platform": one.platform,
        "title": one.title,
        "ok": one.ok,
        "text": one.text,
        "messages": [
            {
                "text": piece.text,
                "follows": piece.follows,
                "media": [
                    {
                        "kind": str(media.kind),
                        "filename": media.filename,
                        "mime": media.mime,
                        "bytes": len(media.data) if media.data is not None else None,
                    }
                    for media in piece.media
                ],
            }
            for piece in one.pieces
        ],
        "changes": [change.model_dump() for change in one.changes],
        "problems": [problem.model_dump() for problem in one.problems],
    }


def add_commands(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("preview")(preview)
