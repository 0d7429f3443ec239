"""One look at one feed: a polite request, and what its answer means for the next one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import anyio.to_thread

from shequn_sdk.errors import InvalidInput, Unavailable
from shequn_sdk.feeds.model import Feed, FeedState
from shequn_sdk.feeds.reading import ParsedFeed, parse_feed
from shequn_sdk.platforms.fetch import Fetcher, host_of, retry_after

__all__ = ["Look", "look_at"]

_LONGEST = timedelta(days=1)
"""No feed is left alone for longer, whatever it or our failures say."""
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})")
_GONE = 410
_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/rdf+xml;q=0.9, application/xml;q=0.8, */*;q=0.1"
)


class Look(NamedTuple):
    """What one look found; `values` are the columns that change."""

    values: dict[str, Any]
    wait: timedelta
    """Until the next look."""
    parsed: ParsedFeed | None = None
    moved_to: str = ""
    unchanged: bool = False
    problem: str = ""
    state: FeedState = FeedState.ACTIVE


async def look_at(feed: Feed, fetcher: Fetcher, *, etag: str, modified: str, now: datetime) -> Look:
    """Ask for a feed unless it is unchanged; errors of the server and of the text become part of what is given.

    Raises:
        ConfigError: the extra `feeds` is not installed.
    """
    headers = {"Accept": _ACCEPT}
    if etag:
        headers["If-None-Match"] = etag
    if modified:
        headers["If-Modified-Since"] = modified
    try:
        private = frozenset({host_of(feed.url)}) if feed.private else frozenset[str]()
        answer = await fetcher.get(feed.url, headers=headers, private=private)
        if answer.status == _GONE:
            why = "the server says that it is gone for good"
            return Look(
                {"state": str(FeedState.STOPPED), "reason": why},
                feed.every,
                problem=why,
                state=FeedState.STOPPED,
            )
        if answer.status == 304:
            wait = _next(feed, answer.headers)
            return Look({"failures": 0, "reason": ""}, wait, moved_to=answer.moved_to, unchanged=True)
        if answer.status != 200:
            asked = retry_after(answer.headers, now=now)
            return _failed(feed, f"the server answers with HTTP {answer.status}", at_least=asked)
        parsed = await anyio.to_thread.run_sync(
            lambda: parse_feed(answer.body, url=answer.url, headers=answer.headers)
        )
    except (InvalidInput, Unavailable) as error:
        return _failed(feed, str(error))
    values: dict[str, Any] = {
        "etag": _header(answer.headers, "etag"),
        "modified": _header(answer.headers, "last-modified"),
        "failures": 0,
        "reason": "",
    }
    if not feed.title:
        values["title"] = parsed.title or feed.url
    if parsed.site and not feed.site:
        values["site"] = parsed.site
    return Look(values, _next(feed, answer.headers), parsed=parsed, moved_to=answer.moved_to)


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    return value if len(value) <= 500 and value.isprintable() and value.isascii() else ""


def _next(feed: Feed, headers: Mapping[str, str]) -> timedelta:
    """Wait as long as we want to, or as long as the server says that its answer is good."""
    found = _MAX_AGE.search(headers.get("cache-control", "").lower())
    told = timedelta(seconds=int(found[1])) if found is not None else timedelta(0)
    return max(feed.every, min(told, _LONGEST))


def _failed(feed: Feed, why: str, *, at_least: timedelta | None = None) -> Look:
    """Wait twice as long after every further failure, and as long as the server asks."""
    failures = feed.failures + 1
    wait = min(feed.every * 2 ** min(failures - 1, 10), max(_LONGEST, feed.every))
    if at_least is not None:
        wait = max(wait, min(at_least, timedelta(days=30)))
    return Look({"failures": failures, "reason": why[:1000]}, wait, problem=why)
