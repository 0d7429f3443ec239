"""From an item of a feed to content that a person can look at and publish."""

from __future__ import annotations

import regex
from pydantic import AnyHttpUrl

from shequn_sdk.domain import Content, Link, Media, MediaKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.feeds.model import Draft, FeedItem, Source

__all__ = ["draft_of", "excerpt", "verbatim"]

_MARKS = regex.compile(r"([\\`*_~\[\]<>#|])")
_LIST = regex.compile(r"(?m)^( *)([+-]|\d{1,9}[.)])(?=\s)")
_SENTENCE = regex.compile(r"[。！？!?…]+[”’」』）)]*|[.;；]+(?=\s)|\n")


def verbatim(text: str) -> str:
    """Write text so that nothing in it is taken for Markdown: what a stranger wrote formats and mentions nothing."""
    escaped = _MARKS.sub(r"\\\1", text)
    return _LIST.sub(lambda found: found[1] + found[2][:-1] + "\\" + found[2][-1], escaped)


def excerpt(text: str, *, most: int) -> str:
    """Give the beginning of a text, up to a sentence's end where one comes late enough, with … where it is cut."""
    text = text.strip()
    if len(text) <= most:
        return text
    ends = [found.end() for found in _SENTENCE.finditer(text, 0, most)]
    if ends and ends[-1] >= most // 2:
        return text[: ends[-1]].strip()
    graphemes = [found.end() for found in regex.finditer(r"\X", text[:most])]
    cut = graphemes[-2] if len(graphemes) > 1 else most
    space = text.rfind(" ", cut // 2, cut)
    return text[: space if space > 0 else cut].rstrip(" ，,、；;：:") + "…"


def draft_of(item: FeedItem, *, most: int = 200, picture: bool = True, source_word: str = "来源") -> Draft:
    """Make content of an item: its title, an excerpt, its link and its picture, with the source named.

    Args:
        item: what to make it of.
        most: code points of the excerpt.
        picture: whether the item's picture goes with it; it is given by its address.
        source_word: what stands before the name of the source.

    Raises:
        InvalidInput: the item has neither title nor text.
    """
    if not item.title and not item.text:
        raise InvalidInput(f"item {item.id} has neither title nor text; open its address and write something")
    body = excerpt(item.text, most=most)
    if body.startswith(item.title):
        body = body.removeprefix(item.title).lstrip(" \n。，：:")
    named = f"{item.author}，{item.feed_title}" if item.author else item.feed_title
    lines = [verbatim(one) for one in (body, f"{source_word}：{named}" if named else "") if one]
    media: tuple[Media, ...] = ()
    if picture and item.image:
        media = (Media(kind=MediaKind.PHOTO, url=AnyHttpUrl(item.image), alt=item.title),)
    link = None
    if item.url:
        link = Link(url=AnyHttpUrl(item.url), title=item.title, description=excerpt(item.text, most=100))
    content = Content(
        title=item.title,
        text="\n\n".join(lines),
        media=media,
        link=link,
        category=item.categories[0] if item.categories else "",
    )
    return Draft(
        item_id=item.id,
        content=content,
        source=Source(feed=item.feed_title, url=item.url, author=item.author),
    )
