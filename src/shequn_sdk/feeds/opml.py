"""Lists of feeds as other readers write and take them (OPML)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from shequn_sdk.errors import InvalidInput
from shequn_sdk.feeds.model import Feed
from shequn_sdk.feeds.reading import refuse_entities

__all__ = ["MOST_BYTES", "Outline", "read_opml", "write_opml"]

MOST_BYTES = 5 * 1024 * 1024
_MOST_FEEDS = 5000
_MOST_DEPTH = 20


class Outline(NamedTuple):
    """One feed of a list."""

    url: str
    title: str
    site: str
    category: str
    line: int


def read_opml(data: bytes | str) -> list[Outline]:
    """Read the feeds of an OPML file; folders become categories.

    Raises:
        InvalidInput: too large, no XML, no OPML, or with entities of its own; says the line and the column.
    """
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > MOST_BYTES:
        raise InvalidInput(f"the OPML file has {len(raw)} bytes; up to {MOST_BYTES} are read")
    refuse_entities(raw, "the OPML file")
    found: list[Outline] = []
    folders: list[str] = []
    path: list[str] = []
    outermost: list[str] = []
    parser = expat.ParserCreate()

    def entity(*_: object) -> None:
        raise InvalidInput("the OPML file declares XML entities of its own, which is not read")

    def opened(name: str, attributes: dict[str, str]) -> None:
        if not path:
            outermost.append(name.lower())
        path.append(name)
        if len(path) > _MOST_DEPTH:
            raise InvalidInput("the OPML file is nested too deeply", line=parser.CurrentLineNumber)
        if name.lower() != "outline":
            return
        told = {key.lower(): value.strip() for key, value in attributes.items()}
        title = told.get("title") or told.get("text", "")
        url = told.get("xmlurl", "")
        folders.append("" if url else title)
        if url:
            category = told.get("category", "").split(",")[0].strip("/ ") or next(
                (one for one in reversed(folders) if one), ""
            )
            found.append(Outline(url, title, told.get("htmlurl", ""), category, parser.CurrentLineNumber))
            if len(found) > _MOST_FEEDS:
                raise InvalidInput(f"the OPML file lists more than {_MOST_FEEDS} feeds")

    def closed(name: str) -> None:
        path.pop()
        if name.lower() == "outline":
            folders.pop()

    parser.EntityDeclHandler = entity
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise InvalidInput(
            f"the OPML file is broken in line {error.lineno}, column {error.offset + 1}: {expat.ErrorString(error.code)}",
            line=error.lineno,
            column=error.offset + 1,
        ) from None
    except (LookupError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"the OPML file cannot be read: {error}") from None
    if outermost != ["opml"]:
        raise InvalidInput("this is no OPML file: its outermost element is not <opml>")
    return found


def write_opml(feeds: Iterable[Feed], *, title: str = "shequn-sdk") -> str:
    """Write feeds as OPML 2.0, each category as a folder."""
    folders: dict[str, list[Feed]] = {}
    for feed in feeds:
        folders.setdefault(feed.category, []).append(feed)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<opml version="2.0">']
    lines += [f"  <head><title>{escape(title)}</title></head>", "  <body>"]
    for category, members in sorted(folders.items()):
        indent = "    "
        if category:
            lines.append(f"    <outline text={quoteattr(category)} title={quoteattr(category)}>")
            indent = "      "
        for feed in members:
            site = f" htmlUrl={quoteattr(feed.site)}" if feed.site else ""
            name = quoteattr(feed.title or feed.url)
            lines.append(
                f'{indent}<outline type="rss" text={name} title={name} xmlUrl={quoteattr(feed.url)}{site}/>'
            )
        if category:
            lines.append("    </outline>")
    return "\n".join((*lines, "  </body>", "</opml>", ""))
