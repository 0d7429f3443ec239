"""Rows of feeds and items, and what is read and written in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, update

from shequn_sdk.errors import UnknownName
from shequn_sdk.feeds.model import Feed, FeedFilter, FeedItem, FeedState, ItemState
from shequn_sdk.feeds.reading import ParsedItem
from shequn_sdk.publishing.similar import SAME, candidates, fingerprint, overlap, signed
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.feeds import feed, feed_item

__all__ = [
    "Stored",
    "add_feed",
    "claim",
    "due",
    "feed_at",
    "find_feed",
    "find_item",
    "list_feeds",
    "list_items",
    "mark_item",
    "move_feed",
    "prune",
    "remove_feed",
    "set_feed",
    "store_items",
]

_US = timedelta(microseconds=1)
_RECENT = timedelta(days=14) // _US
"""How far back an item is compared with others."""
_MOST_COMPARED = 3000


class Stored(NamedTuple):
    """What became of the items of one look."""

    new: int
    filtered: int


def _feed(row: RowMapping) -> Feed:
    return Feed(
        id=row["id"],
        url=row["url"],
        title=row["title"],
        site=row["site"],
        category=row["category"],
        community=row["community"],
        state=FeedState(row["state"]),
        reason=row["reason"],
        private=bool(row["private"]),
        filters=FeedFilter.model_validate_json(row["filters"]),
        every=row["every"] * _US,
        next_at=from_us(row["next_at"]),
        looked_at=None if row["looked_at"] is None else from_us(row["looked_at"]),
        failures=row["failures"],
        added_at=from_us(row["added_at"]),
    )


def _item(row: RowMapping) -> FeedItem:
    return FeedItem(
        id=row["id"],
        feed_id=row["feed_id"],
        feed_title=row["feed_title"],
        url=row["url"],
        title=row["title"],
        author=row["author"],
        text=row["text"],
        image=row["image"],
        categories=tuple(json.loads(row["categories"])),
        published_at=from_us(row["published_at"]),
        seen_at=from_us(row["seen_at"]),
        story=row["story"],
        state=ItemState(row["state"]),
    )


def add_feed(conn: Connection, values: dict[str, Any]) -> tuple[Feed, bool]:
    """Add a feed, or give the one of that address; says whether it is new."""
    known = feed_at(conn, values["url"])
    if known is not None:
        return known, False
    number = conn.execute(insert(feed).values(**values).returning(feed.c.id)).scalar_one()
    return find_feed(conn, number), True


def feed_at(conn: Connection, url: str) -> Feed | None:
    """Give the feed of an address."""
    row = conn.execute(select(feed).where(feed.c.url == url)).mappings().first()
    return None if row is None else _feed(row)


def find_feed(conn: Connection, number: int) -> Feed:
    """Give a feed.

    Raises:
        UnknownName: there is none of that id.
    """
    row = conn.execute(select(feed).where(feed.c.id == number)).mappings().first()
    if row is None:
        raise UnknownName("feed", str(number))
    return _feed(row)


def list_feeds(conn: Connection, *, category: str | None, community: str | None) -> list[Feed]:
    """Give feeds, in the order in which they were added."""
    query = select(feed).order_by(feed.c.id)
    if category is not None:
        query = query.where(feed.c.category == category)
    if community is not None:
        query = query.where(feed.c.community.in_(("", community)))
    return [_feed(row) for row in conn.execute(query).mappings()]


def due(conn: Connection, *, now: int) -> list[Feed]:
    """Give the feeds whose time has come, longest waiting first."""
    query = (
        select(feed)
        .where(and_(feed.c.state == str(FeedState.ACTIVE), feed.c.next_at <= now))
        .order_by(feed.c.next_at)
    )
    return [_feed(row) for row in conn.execute(query).mappings()]


def set_feed(conn: Connection, number: int, **values: Any) -> Feed:
    """Change columns of a feed."""
    conn.execute(update(feed).where(feed.c.id == number).values(**values))
    return find_feed(conn, number)


def claim(conn: Connection, about: Feed, *, until: int) -> tuple[str, str] | None:
    """Keep others from looking at a feed for a while; gives its ETag and Last-Modified, None when another was quicker."""
    here = and_(feed.c.id == about.id, feed.c.next_at == to_us(about.next_at))
    changed = update(feed).where(here).values(next_at=until).returning(feed.c.etag, feed.c.modified)
    row = conn.execute(changed).first()
    return None if row is None else (row[0], row[1])


def move_feed(conn: Connection, number: int, url: str) -> Feed:
    """Remember that a feed has moved for good; it stops when another feed has that address already."""
    other = feed_at(conn, url)
    if other is not None and other.id != number:
        reason = f"moved to {url}, which is followed as feed {other.id}"
        return set_feed(conn, number, state=str(FeedState.STOPPED), reason=reason)
    return set_feed(conn, number, url=url)


def remove_feed(conn: Connection, number: int) -> None:
    """Forget a feed and its items; stories that began with it go on with the next item.

    Raises:
        UnknownName: there is none of that id.
    """
    find_feed(conn, number)
    mine = select(feed_item.c.id).where(feed_item.c.feed_id == number)
    orphans = conn.execute(
        select(feed_item.c.story, func.min(feed_item.c.id))
        .where(and_(feed_item.c.story.in_(mine), feed_item.c.feed_id != number))
        .group_by(feed_item.c.story)
    ).all()
    for story, heir in orphans:
        conn.execute(
            update(feed_item)
            .where(and_(feed_item.c.story == story, feed_item.c.feed_id != number))
            .values(story=heir)
        )
    conn.execute(delete(feed_item).where(feed_item.c.feed_id == number))
    conn.execute(delete(feed).where(feed.c.id == number))


class _Told(NamedTuple):
    """An item that others are compared with."""

    mark: int
    story: int
    text: str


def _story(mark: int, text: str, others: Sequence[_Told]) -> int | None:
    """Give the story of the item that says most nearly the same; None when none does."""
    best, story = SAME, None
    for at in candidates(mark, [other.mark for other in others]):
        shared = overlap(text, others[at].text)
        if shared > best or (story is None and shared >= SAME):
            best, story = shared, others[at].story
    return story


def store_items(conn: Connection, about: Feed, items: Sequence[ParsedItem], *, now: int) -> Stored:
    """Keep the items that are new, each with the story to which it belongs."""
    keys = [item.key for item in items]
    known: set[str] = set()
    for first in range(0, len(keys), 400):
        part = keys[first : first + 400]
        query = select(feed_item.c.key).where(
            and_(feed_item.c.feed_id == about.id, feed_item.c.key.in_(part))
        )
        known.update(conn.execute(query).scalars())
    fresh = [item for item in items if item.key not in known]
    if not fresh:
        return Stored(0, 0)
    recent = conn.execute(
        select(feed_item.c.print, feed_item.c.story, feed_item.c.title, feed_item.c.text)
        .where(feed_item.c.published_at >= now - _RECENT)
        .order_by(feed_item.c.id.desc())
        .limit(_MOST_COMPARED)
    ).all()
    others = [_Told(mark, story, f"{title}\n{text}") for mark, story, title, text in recent]
    new = filtered = 0
    for item in reversed(fresh):  # feeds give the newest first
        published = min(to_us(item.published_at), now) if item.published_at is not None else now
        wanted = about.filters.wants(
            title=item.title,
            text=item.text,
            author=item.author,
            categories=item.categories,
            age=(now - published) * _US,
        )
        text = f"{item.title}\n{item.text}"
        mark = signed(fingerprint(text))
        story = _story(mark, text, others)
        number = conn.execute(
            insert(feed_item)
            .values(
                feed_id=about.id,
                key=item.key,
                url=item.url,
                title=item.title,
                author=item.author,
                text=item.text,
                image=item.image,
                categories=json.dumps(item.categories, ensure_ascii=False),
                published_at=published,
                seen_at=now,
                print=mark,
                story=story or 0,
                state=str(ItemState.NEW if wanted else ItemState.FILTERED),
            )
            .returning(feed_item.c.id)
        ).scalar_one()
        if story is None:
            conn.execute(update(feed_item).where(feed_item.c.id == number).values(story=number))
        others.append(_Told(mark, story or number, text))
        new += wanted
        filtered += not wanted
    return Stored(new, filtered)


_WITH_TITLE = select(feed_item, feed.c.title.label("feed_title")).join(feed, feed.c.id == feed_item.c.feed_id)


def find_item(conn: Connection, number: int) -> FeedItem:
    """Give an item.

    Raises:
        UnknownName: there is none of that id.
    """
    row = conn.execute(_WITH_TITLE.where(feed_item.c.id == number)).mappings().first()
    if row is None:
        raise UnknownName("feed item", str(number))
    return _item(row)


def list_items(
    conn: Connection,
    *,
    feed_id: int | None = None,
    community: str | None = None,
    states: Iterable[ItemState] = (),
    since: int | None = None,
    until: int | None = None,
    words: Sequence[str] = (),
    story: int | None = None,
    limit: int | None = None,
) -> list[FeedItem]:
    """Give items, newest first."""
    query = _WITH_TITLE.order_by(feed_item.c.published_at.desc(), feed_item.c.id.desc())
    chosen = [str(one) for one in states]
    if chosen:
        query = query.where(feed_item.c.state.in_(chosen))
    if feed_id is not None:
        query = query.where(feed_item.c.feed_id == feed_id)
    if community is not None:
        query = query.where(feed.c.community.in_(("", community)))
    if since is not None:
        query = query.where(feed_item.c.published_at >= since)
    if until is not None:
        query = query.where(feed_item.c.published_at < until)
    if story is not None:
        query = query.where(feed_item.c.story == story)
    for word in words:
        like = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        query = query.where(
            or_(
                feed_item.c.title.ilike(f"%{like}%", escape="\\"),
                feed_item.c.text.ilike(f"%{like}%", escape="\\"),
            )
        )
    if limit is not None:
        query = query.limit(limit)
    return [_item(row) for row in conn.execute(query).mappings()]


def mark_item(conn: Connection, number: int, state: ItemState) -> FeedItem:
    """Note what was done about an item."""
    find_item(conn, number)
    conn.execute(update(feed_item).where(feed_item.c.id == number).values(state=str(state)))
    return find_item(conn, number)


def prune(conn: Connection, *, before: int) -> int:
    """Forget the text of items that were last seen long ago; their keys stay, so that none comes back as new."""
    found = conn.execute(
        update(feed_item)
        .where(and_(feed_item.c.published_at < before, feed_item.c.text != ""))
        .values(text="", image="")
    )
    return found.rowcount
