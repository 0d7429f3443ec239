"""The blocking twin of `feeds`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin
from shequn_sdk.feeds.model import ItemState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.feeds.feeds import Feeds as AsyncFeeds
    from shequn_sdk.feeds.model import (
        Draft,
        Feed,
        FeedFilter,
        FeedItem,
        OpmlImport,
        Refreshed,
        Story,
        TrendReport,
    )

__all__ = ["Feeds"]


class Feeds(Twin):
    """The blocking twin of `shequn_sdk.feeds.feeds.Feeds`."""

    def __init__(self, inner: AsyncFeeds, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def add(
        self,
        url: str,
        *,
        title: str = "",
        category: str = "",
        community: str = "",
        every: timedelta = timedelta(hours=1),
        filters: FeedFilter | None = None,
        private: bool = False,
    ) -> Feed:
        """See `Feeds.add`."""
        return self._do(
            self._inner.add,
            url,
            title=title,
            category=category,
            community=community,
            every=every,
            filters=filters,
            private=private,
        )

    def list(self, *, category: str | None = None, community: str | None = None) -> Sequence[Feed]:
        """See `Feeds.list`."""
        return self._do(self._inner.list, category=category, community=community)

    def get(self, feed: int) -> Feed:
        """See `Feeds.get`."""
        return self._do(self._inner.get, feed)

    def change(
        self,
        feed: int,
        *,
        title: str | None = None,
        category: str | None = None,
        every: timedelta | None = None,
        filters: FeedFilter | None = None,
        paused: bool | None = None,
    ) -> Feed:
        """See `Feeds.change`."""
        return self._do(
            self._inner.change,
            feed,
            title=title,
            category=category,
            every=every,
            filters=filters,
            paused=paused,
        )

    def remove(self, feed: int) -> None:
        """See `Feeds.remove`."""
        self._do(self._inner.remove, feed)

    def refresh(self, *feeds: int) -> Sequence[Refreshed]:
        """See `Feeds.refresh`."""
        return self._do(self._inner.refresh, *feeds)

    def import_opml(
        self, source: str | bytes, *, community: str = "", every: timedelta = timedelta(hours=1)
    ) -> OpmlImport:
        """See `Feeds.import_opml`."""
        return self._do(self._inner.import_opml, source, community=community, every=every)

    def export_opml(self, *, category: str | None = None) -> str:
        """See `Feeds.export_opml`."""
        return self._do(self._inner.export_opml, category=category)

    def items(
        self,
        *,
        feed: int | None = None,
        community: str | None = None,
        states: Sequence[ItemState] = (ItemState.NEW,),
        since: datetime | None = None,
        words: Sequence[str] = (),
        limit: int = 100,
    ) -> Sequence[FeedItem]:
        """See `Feeds.items`."""
        return self._do(
            self._inner.items,
            feed=feed,
            community=community,
            states=states,
            since=since,
            words=words,
            limit=limit,
        )

    def stories(self, *, since: datetime | None = None, limit: int = 50) -> Sequence[Story]:
        """See `Feeds.stories`."""
        return self._do(self._inner.stories, since=since, limit=limit)

    def draft(self, item: int, *, most: int = 200, picture: bool = True) -> Draft:
        """See `Feeds.draft`."""
        return self._do(self._inner.draft, item, most=most, picture=picture)

    def mark(self, item: int, *, state: ItemState) -> FeedItem:
        """See `Feeds.mark`."""
        return self._do(self._inner.mark, item, state=state)

    def prune(self, *, older: timedelta = timedelta(days=90)) -> int:
        """See `Feeds.prune`."""
        return self._do(self._inner.prune, older=older)

    def watch_talk(self, *, community: str | None = None, on: bool = True) -> None:
        """See `Feeds.watch_talk`."""
        self._do(self._inner.watch_talk, community=community, on=on)

    def trends(
        self,
        *,
        community: str | None = None,
        end: date | None = None,
        days: int = 7,
        weeks_before: int = 4,
        top: int = 20,
        least: int = 3,
    ) -> TrendReport:
        """See `Feeds.trends`."""
        return self._do(
            self._inner.trends,
            community=community,
            end=end,
            days=days,
            weeks_before=weeks_before,
            top=top,
            least=least,
        )
