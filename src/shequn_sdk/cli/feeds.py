"""Commands about feeds and what is talked about."""

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

__all__ = ["add_commands"]

feeds = typer.Typer(help="Follow feeds, and make drafts of what they bring.", no_args_is_help=True)
_MOST_BYTES = 5 * 1024 * 1024


@client_command
async def list_feeds(sq: AsyncShequn, out: Output) -> None:
    """List the feeds with their state."""
    found = await sq.feeds.list()
    rows = found
    out.table(rows, ["id", "title", "category", "state", "next_at", "reason", "url"], empty="no feeds yet")


@client_command
async def add(
    sq: AsyncShequn,
    out: Output,
    url: Annotated[str, typer.Argument(help="Address of the feed itself.")],
    title: Annotated[str, typer.Option(help="The feed's own when not given.")] = "",
    category: Annotated[str, typer.Option(help="Folder.")] = "",
    community: Annotated[str, typer.Option(help="For which community; all when not given.")] = "",
    every: Annotated[float, typer.Option(help="Minutes between two looks.")] = 60.0,
    word: Annotated[list[str] | None, typer.Option(help="Only items with one of these words.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="No items with this word.")] = None,
    private: Annotated[bool, typer.Option("--private", help="The feed is in our own network.")] = False,
) -> None:
    """Follow a feed; makes no request."""
    from shequn_sdk.feeds.model import FeedFilter

    found = await sq.feeds.add(
        url,
        title=title,
        category=category,
        community=community,
        every=timedelta(minutes=every),
        filters=FeedFilter(words=tuple(word or ()), without=tuple(without or ())),
        private=private,
    )
    if out.as_json:
        out.json(found)
    else:
        out.line(f"feed {found.id}: {found.url}")


@client_command
async def remove(
    sq: AsyncShequn,
    out: Output,
    feed: Annotated[int, typer.Argument(help="Its id.")],
) -> None:
    """Stop following a feed and forget its items."""
    await sq.feeds.remove(feed)
    out.note(f"feed {feed} is not followed any more")


@client_command
async def refresh(
    sq: AsyncShequn,
    out: Output,
    feed: Annotated[
        list[int] | None, typer.Argument(help="Ids; all that are due when none is given.")
    ] = None,
) -> Exit | None:
    """Look at feeds now; ends with 3 when some could not be read."""
    found = await sq.feeds.refresh(*(feed or ()))
    rows = found
    out.table(rows, ["feed_id", "title", "new", "filtered", "unchanged", "problem"], empty="none is due")
    bad = sum(bool(one.problem) for one in found)
    return None if not bad else Exit.PARTLY if bad < len(found) else Exit.FAILED


@client_command
async def items(
    sq: AsyncShequn,
    out: Output,
    word: Annotated[list[str] | None, typer.Option(help="Stands in title or text.")] = None,
    feed: Annotated[int | None, typer.Option(help="Only of this feed.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also filtered, drafted and dismissed ones.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 30,
) -> None:
    """List what the feeds brought, newest first."""
    from shequn_sdk.feeds.model import ItemState

    found = await sq.feeds.items(
        words=word or (), feed=feed, states=() if every else (ItemState.NEW,), limit=limit
    )
    rows = found
    out.table(rows, ["id", "published_at", "feed_title", "title", "state", "url"], empty="no items")


@client_command
async def draft(
    sq: AsyncShequn,
    out: Output,
    item: Annotated[int, typer.Argument(help="Its id.")],
    most: Annotated[int, typer.Option(help="Characters of the excerpt.")] = 200,
    file: Annotated[Path | None, typer.Option("--out", help="Write the content as JSON here.")] = None,
) -> None:
    """Make content of an item; `shequn preview --content` shows what it becomes."""
    made = await sq.feeds.draft(item, most=most)
    if file is not None:
        file.write_text(made.content.model_dump_json(indent=2, exclude_defaults=True), encoding="utf-8")
        out.note(f"written: {file}")
    if out.as_json:
        out.json(made)
    elif file is None:
        out.line(f"{made.content.title}\n\n{made.content.text}")


@client_command
async def opml(
    sq: AsyncShequn,
    out: Output,
    read: Annotated[Path | None, typer.Option("--import", help="Follow the feeds of this file.")] = None,
    write: Annotated[Path | None, typer.Option("--export", help="Write the feeds to this file.")] = None,
) -> Exit | None:
    """Take feeds from other readers, and give them to others."""
    if (read is None) == (write is None):
        raise InvalidInput("give either --import FILE or --export FILE")
    if write is not None:
        write.write_text(await sq.feeds.export_opml(), encoding="utf-8")
        out.note(f"written: {write}")
        return None
    assert read is not None
    if not read.is_file():
        raise InvalidInput(f"{read} is no file", source=str(read))
    if read.stat().st_size > _MOST_BYTES:
        raise InvalidInput(f"{read} is larger than {_MOST_BYTES} bytes", source=str(read))
    done = await sq.feeds.import_opml(read.read_bytes())
    rows: list[dict[str, Any]] = [{"verdict": "added", "feed": one.url} for one in done.added]
    rows += [{"verdict": "known", "feed": url} for url in done.known]
    rows += [{"verdict": "refused", "feed": why} for why in done.refused]
    out.table(rows, ["verdict", "feed"], empty="the file lists no feeds")
    return Exit.PARTLY if done.refused else None


@client_command
async def watch(
    sq: AsyncShequn,
    out: Output,
    community: CommunityOption = None,
    off: Annotated[bool, typer.Option("--off", help="End the counting.")] = False,
) -> None:
    """Count words and links of the community's messages per day, for trends; keeps no texts and no names."""
    await sq.feeds.watch_talk(community=community, on=not off)
    out.note("talk is not counted any more" if off else "talk is counted from now on")


@client_command
async def trends(
    sq: AsyncShequn,
    out: Output,
    community: CommunityOption = None,
    days: Annotated[int, typer.Option(help="Length of the period.")] = 7,
    top: Annotated[int, typer.Option(help="Most words, links and questions.")] = 20,
) -> None:
    """Show rising words, shared links and open questions."""
    found = await sq.feeds.trends(community=community, days=days, top=top)
    if out.as_json:
        out.json(found)
        return
    columns = ["word", "messages", "before", "score", "in_feeds"]
    for title, words in (("rising in talk", found.words), ("rising in feeds", found.feed_words)):
        if words:
            out.table([one.model_dump() for one in words], columns, title=title)
    if found.links:
        out.table(
            [one.model_dump() for one in found.links], ["url", "messages", "title"], title="shared links"
        )
    if found.questions:
        out.table(
            found.questions,
            ["asked_at", "platform", "channel", "message"],
            title="questions without an answer",
        )
    for note in found.notes:
        out.line(f"note: {note}")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    feeds.command("list")(list_feeds)
    feeds.command("add")(add)
    feeds.command("remove")(remove)
    feeds.command("refresh")(refresh)
    feeds.command("items")(items)
    feeds.command("draft")(draft)
    feeds.command("opml")(opml)
    feeds.command("watch")(watch)
    feeds.command("trends")(trends)
    app.add_typer(feeds, name="feeds")
