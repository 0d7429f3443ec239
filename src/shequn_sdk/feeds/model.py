"""What the room of feeds gives."""

from __future__ import annotations

import unicodedata
from datetime import date, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from shequn_sdk.domain import Content, Frozen

__all__ = [
    "Draft",
    "Feed",
    "FeedFilter",
    "FeedItem",
    "FeedState",
    "ItemState",
    "OpmlImport",
    "Question",
    "Refreshed",
    "SharedLink",
    "Source",
    "Story",
    "TrendReport",
    "TrendingWord",
]


class FeedState(StrEnum):
    """Whether a feed is looked at."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By a person."""
    STOPPED = "stopped"
    """By the server: it is gone, or it moved to one that is followed already."""


class ItemState(StrEnum):
    """What was done about an item."""

    NEW = "new"
    FILTERED = "filtered"
    """The feed's filter keeps it out."""
    DRAFTED = "drafted"
    DISMISSED = "dismissed"


class FeedFilter(Frozen):
    """Which items of a feed are wanted; what is empty allows all. Case and width of letters do not matter."""

    words: tuple[str, ...] = ()
    """At least one of these stands in title or text."""
    without: tuple[str, ...] = ()
    """None of these does."""
    categories: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    max_age: timedelta | None = None
    """Since it was published."""

    def wants(
        self, *, title: str, text: str, author: str, categories: tuple[str, ...], age: timedelta
    ) -> bool:
        """Whether an item passes."""
        if self.max_age is not None and age > self.max_age:
            return False
        said = plain(f"{title}\n{text}")
        if self.words and not any(plain(word) in said for word in self.words):
            return False
        if any(plain(word) in said for word in self.without):
            return False
        if self.authors and not any(plain(one) in plain(author) for one in self.authors):
            return False
        named = {plain(one) for one in categories}
        return not self.categories or bool(named & {plain(one) for one in self.categories})


def plain(text: str) -> str:
    """Give a text as it is compared: one width, one case."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


class Feed(Frozen):
    """A feed that is followed (订阅源)."""

    id: int
    url: str
    title: str
    site: str = ""
    category: str = ""
    community: str = ""
    """For which community; "" for all."""
    state: FeedState = FeedState.ACTIVE
    reason: str = ""
    """Why it is stopped, or what went wrong at the last look."""
    private: bool = False
    filters: FeedFilter = FeedFilter()
    every: timedelta
    next_at: AwareDatetime
    looked_at: AwareDatetime | None = None
    failures: int = 0
    """In a row."""
    added_at: AwareDatetime


class FeedItem(Frozen):
    """One entry of a feed; all text is plain, without markup."""

    id: int
    feed_id: int
    feed_title: str
    url: str
    title: str
    author: str = ""
    text: str = ""
    image: str = ""
    categories: tuple[str, ...] = ()
    published_at: AwareDatetime
    """As the feed says, but never later than when it was first seen."""
    seen_at: AwareDatetime
    story: int
    """Id of the first item that says nearly the same; its own when it is the first."""
    state: ItemState = ItemState.NEW


class Story(Frozen):
    """Items of several feeds that say nearly the same (同一报道)."""

    id: int
    items: tuple[FeedItem, ...]
    """First seen first."""


class Source(Frozen):
    """Whence a draft comes; to be named where it is published."""

    feed: str
    url: str
    author: str = ""


class Draft(Frozen):
    """Content made of an item, for a person to look at."""

    item_id: int
    content: Content
    source: Source


class Refreshed(Frozen):
    """What one look at a feed brought."""

    feed_id: int
    title: str
    new: int = 0
    filtered: int = 0
    unchanged: bool = False
    """The server said that nothing had changed."""
    problem: str = ""
    state: FeedState = FeedState.ACTIVE


class OpmlImport(Frozen):
    """What became of each feed in an OPML file."""

    added: tuple[Feed, ...] = ()
    known: tuple[str, ...] = ()
    """Addresses that are followed already."""
    refused: tuple[str, ...] = ()
    """Address and reason."""


class TrendingWord(Frozen):
    """A word that is said more than before."""

    word: str
    messages: int
    """Messages with it in the period."""
    before: int
    """Messages with it in the weeks before."""
    score: float
    """z-score of the log-odds ratio; about 2 is unlikely to be chance."""
    in_feeds: int = 0
    """Items with it in the period."""


class SharedLink(Frozen):
    """A link and how often it was shared."""

    url: str
    messages: int
    title: str = ""
    """Of the feed item behind it, when one is known."""


class Question(Frozen):
    """A question without an answer; its text is not kept."""

    platform: str
    channel: str
    message: str
    asked_at: AwareDatetime


class TrendReport(Frozen):
    """What is talked about (热点)."""

    community: str
    start: date
    end: date
    """Last day, inclusive."""
    words: tuple[TrendingWord, ...] | None = None
    """None when no talk was counted; `notes` says why."""
    feed_words: tuple[TrendingWord, ...] = ()
    links: tuple[SharedLink, ...] | None = None
    questions: tuple[Question, ...] | None = None
    messages: int | None = None
    """Messages counted in the period."""
    days_before: int = 0
    """Days with counts before the period."""
    notes: tuple[str, ...] = Field(default=())
