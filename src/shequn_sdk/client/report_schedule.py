"""Reports that are delivered by schedule: a brief and one picture, through the ledger like everything that is sent."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import anyio.to_thread
from pydantic import Field

from shequn_sdk.client.reporting import build, which_community
from shequn_sdk.domain import ChannelRef, Content, Frozen, Media, MediaKind
from shequn_sdk.errors import ConfigError, InvalidInput, MissingGlyphs, NotSupported

if TYPE_CHECKING:
    from shequn_sdk.client.workspace import Workspace
    from shequn_sdk.publishing.service import Publishing
    from shequn_sdk.reports.model import Report
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["REPORT", "ReportArguments", "add_report_handler"]

_log = logging.getLogger(__name__)
REPORT = "report"


class ReportArguments(Frozen):
    """What the built-in handler `report` is called with (周报)."""

    to: tuple[ChannelRef, ...] = Field(min_length=1)
    community: str = ""
    """Not needed when there is one."""
    days: int = Field(default=7, ge=1, le=366)
    """Local days up to the one before the occurrence."""
    language: Literal["zh", "en"] = "zh"
    title: str = Field(default="", max_length=200)
    picture: bool = True
    """Send the overview picture where the channel takes one."""
    needs_approval: bool = False


def add_report_handler(scheduler: Scheduler, workspace: Workspace, publishing: Publishing) -> None:
    """Register the handler `report`: one delivery per channel and occurrence, however often it is called."""

    async def report(arguments: ReportArguments, firing: Firing) -> None:
        made = await _made(workspace, arguments, firing)
        text = Content(text=made.brief())
        shown = await _with_picture(text, made) if arguments.picture else None
        groups: dict[str, tuple[Content, list[ChannelRef]]] = {}
        for ref in arguments.to:
            pictured = shown is not None and _takes(publishing, shown, ref)
            name, content = ("picture", shown) if pictured and shown is not None else ("text", text)
            groups.setdefault(name, (content, []))[1].append(ref)
        for name, (content, refs) in sorted(groups.items()):
            await publishing.plan(
                content,
                refs,
                needs_approval=arguments.needs_approval,
                idempotency_key=f"{firing.key}/{name}",
                schedule_id=firing.schedule,
                actor=f"schedule {firing.name or firing.schedule}",
            )

    scheduler.handlers.add(REPORT, report, arguments=ReportArguments)


async def _made(workspace: Workspace, arguments: ReportArguments, firing: Firing) -> Report:
    """Build the report of the days before the occurrence: a late one still speaks of the same days."""
    _, zone = await which_community(workspace, arguments.community or None)
    until = firing.due.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    return await build(
        workspace,
        community=arguments.community or None,
        language=arguments.language,
        last=timedelta(days=arguments.days),
        title=arguments.title,
        until=until,
    )


async def _with_picture(text: Content, made: Report) -> Content | None:
    """Add the overview; None when it cannot be drawn here, which is no reason to say nothing."""
    try:
        data = await anyio.to_thread.run_sync(made.overview)
    except (MissingGlyphs, ConfigError) as error:
        _log.warning("the report goes out without its picture: %s", error)
        return None
    media = Media(
        kind=MediaKind.PHOTO,
        data=data,
        filename="overview.png",
        mime="image/png",
        alt=f"{made.title} {made.start} – {made.end}",
    )
    return text.model_copy(update={"media": (media,)})


def _takes(publishing: Publishing, content: Content, ref: ChannelRef) -> bool:
    """Whether the channel shows the picture, and the whole text with it."""
    try:
        return any(piece.media for piece in publishing.preview(content, ref).pieces)
    except (NotSupported, InvalidInput):
        return False
