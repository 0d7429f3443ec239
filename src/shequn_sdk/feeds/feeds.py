"""The room of feeds: what the community follows, what that brings, and what is talked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread

from shequn_sdk.errors import InvalidInput, ShequnError
from shequn_sdk.feeds import records, talk, trends
from shequn_sdk.feeds.drafts import draft_of
from shequn_sdk.feeds.looking import look_at
from shequn_sdk.feeds.model import (
    Draft,
    Feed,
    FeedFilter,
    FeedItem,
    FeedState,
    ItemState,
    OpmlImport,
    Refreshed,
    Story,
    TrendReport,
)
from shequn_sdk.feeds.opml import read_opml, write_opml
from shequn_sdk.feeds.words import segmenter
from shequn_sdk.house import House, Room
from shequn_sdk.platforms.fetch import Fetcher, host_of
from shequn_sdk.stores.schema import to_us

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler
    from shequn_sdk.stores.store import Store

__all__ = ["Feeds"]

_US = timedelta(microseconds=1)
_LEAST = timedelta(minutes=5)
_MOST = timedelta(days=30)
_CLAIM = timedelta(minutes=5)
"""For how long a look at a feed keeps other processes from it."""
_AT_ONCE = 4


class Feeds(Room):
    """The feeds that a community follows, and its trends (资讯与热点)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._make_fetcher: Callable[[], Fetcher] = Fetcher

    def listen(self, dispatcher: Dispatcher) -> None:
        """Count words and links of the communities whose talk is watched."""
        dispatcher.on_batch("shequn.feeds.talk", self._count)

    def serve(self, scheduler: Scheduler) -> None:
        """Look at feeds when a schedule says so."""
        scheduler.handlers.add("shequn.feeds.refresh", self._scheduled)

    async def _scheduled(self, arguments: Any, firing: Firing) -> None:
        await self.refresh()

    # feeds

    async def add(
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
        """Follow a feed; one of that address that is followed already is given as it is. Makes no request.

        Args:
            url: address of the feed itself, http or https.
            title: the feed's own when not given.
            category: folder, for people.
            community: for which community; "" for all.
            every: how often to look, 5 minutes to 30 days; the server may ask for less often.
            filters: which items are wanted.
            private: the feed is in our own network. Only its own host and port may then be reached there, no others.

        Raises:
            InvalidInput: the address or `every` cannot be used.
            UnknownName: there is no such community.
        """
        url = url.strip()
        host_of(url)
        if len(url) > 2000:
            raise InvalidInput("an address of a feed has 2000 characters at most")
        _check_every(every)
        if community:
            self._community(community)
        store = await self._house.store()
        now = to_us(store.clock.now())
        values: dict[str, Any] = {
            "url": url,
            "title": title.strip(),
            "site": "",
            "category": category.strip(),
            "community": community,
            "state": str(FeedState.ACTIVE),
            "reason": "",
            "private": int(private),
            "filters": (filters or FeedFilter()).model_dump_json(),
            "etag": "",
            "modified": "",
            "every": every // _US,
            "next_at": now,
            "failures": 0,
            "added_at": now,
        }
        found, _ = await store.write(lambda conn: records.add_feed(conn, values))
        return found

    async def list(self, *, category: str | None = None, community: str | None = None) -> Sequence[Feed]:
        """Give the feeds, in the order in which they were added.

        Args:
            category: only of this folder.
            community: only those for this community or for all.
        """
        store = await self._house.store()
        return await store.read(lambda conn: records.list_feeds(conn, category=category, community=community))

    async def get(self, feed: int) -> Feed:
        """Give one feed.

        Raises:
            UnknownName: there is none of that id.
        """
        store = await self._house.store()
        return await store.read(lambda conn: records.find_feed(conn, feed))

    async def change(
        self,
        feed: int,
        *,
        title: str | None = None,
        category: str | None = None,
        every: timedelta | None = None,
        filters: FeedFilter | None = None,
        paused: bool | None = None,
    ) -> Feed:
        """Change what is given of a feed; `paused=False` also takes up one that was stopped. New filters hold for new items.

        Raises:
            UnknownName: there is none of that id.
            InvalidInput: `every` cannot be used.
        """
        values: dict[str, Any] = {}
        if title is not None:
            values["title"] = title.strip()
        if category is not None:
            values["category"] = category.strip()
        if every is not None:
            _check_every(every)
            values["every"] = every // _US
        if filters is not None:
            values["filters"] = filters.model_dump_json()
        store = await self._house.store()
        if paused is not None:
            values["state"] = str(FeedState.PAUSED if paused else FeedState.ACTIVE)
            if not paused:
                values |= {"reason": "", "failures": 0, "next_at": to_us(store.clock.now())}
        await self.get(feed)
        if not values:
            return await self.get(feed)
        return await store.write(lambda conn: records.set_feed(conn, feed, **values))

    async def remove(self, feed: int) -> None:
        """Stop following a feed and forget its items.

        Raises:
            UnknownName: there is none of that id.
        """
        store = await self._house.store()
        await store.write(lambda conn: records.remove_feed(conn, feed))

    async def refresh(self, *feeds: int) -> Sequence[Refreshed]:
        """Look at feeds whose time has come, or at the named ones now; one that fails hides no other.

        A server is asked only for what has changed since, and is left alone for as long as it asks.

        Args:
            feeds: ids; all that are due when none is given.

        Raises:
            UnknownName: a named feed does not exist.
            ConfigError: the extra `feeds` is not installed.
        """
        store = await self._house.store()
        if feeds:
            chosen = [await self.get(one) for one in dict.fromkeys(feeds)]
        else:
            now = to_us(store.clock.now())
            chosen = await store.read(lambda conn: records.due(conn, now=now))
        done: dict[int, Refreshed] = {}
        failed: list[ShequnError] = []
        slots = anyio.Semaphore(_AT_ONCE)

        async def one(feed: Feed) -> None:
            async with slots:
                try:
                    found = await self._look(store, fetcher, feed)
                except ShequnError as error:
                    failed.append(error)
                    return
                if found is not None:
                    done[feed.id] = found

        async with self._make_fetcher() as fetcher, anyio.create_task_group() as group:
            for feed in chosen:
                group.start_soon(one, feed)
        if failed:
            raise failed[0]
        return [done[feed.id] for feed in chosen if feed.id in done]

    async def _look(self, store: Store, fetcher: Fetcher, feed: Feed) -> Refreshed | None:
        now = store.clock.now()
        at = to_us(now)
        claimed = await store.write(lambda conn: records.claim(conn, feed, until=at + _CLAIM // _US))
        if claimed is None:  # another process looks at it
            return None
        etag, modified = claimed
        look = await look_at(feed, fetcher, etag=etag, modified=modified, now=now)

        def write(conn: Any) -> Refreshed:
            values = look.values | {"looked_at": at, "next_at": at + look.wait // _US}
            mine = records.set_feed(conn, feed.id, **values)
            if look.moved_to:
                mine = records.move_feed(conn, feed.id, look.moved_to)
            stored = records.Stored(0, 0)
            if look.parsed is not None and mine.state is not FeedState.STOPPED:
                stored = records.store_items(conn, mine, look.parsed.items, now=at)
            return Refreshed(
                feed_id=feed.id,
                title=mine.title or mine.url,
                new=stored.new,
                filtered=stored.filtered,
                unchanged=look.unchanged,
                problem=look.problem or (mine.reason if mine.state is FeedState.STOPPED else ""),
                state=mine.state,
            )

        return await store.write(write)

    async def import_opml(
        self, source: str | bytes, *, community: str = "", every: timedelta = timedelta(hours=1)
    ) -> OpmlImport:
        """Follow the feeds of an OPML file, given as its text; folders become categories.

        Either the file can be read, and each feed in it has its verdict, or nothing is followed.

        Raises:
            InvalidInput: the file cannot be read; says the line and the column.
        """
        outlines = read_opml(source)
        added: list[Feed] = []
        known: list[str] = []
        refused: list[str] = []
        before = {one.url for one in await self.list()}
        for line in outlines:
            if line.url in before:
                known.append(line.url)
                continue
            try:
                feed = await self.add(
                    line.url, title=line.title, category=line.category, community=community, every=every
                )
            except InvalidInput as error:
                refused.append(f"line {line.line}: {error}")
                continue
            before.add(line.url)
            added.append(feed)
        return OpmlImport(added=tuple(added), known=tuple(known), refused=tuple(refused))

    async def export_opml(self, *, category: str | None = None) -> str:
        """Give the feeds as OPML, for other readers."""
        return write_opml(await self.list(category=category))

    # items

    async def items(
        self,
        *,
        feed: int | None = None,
        community: str | None = None,
        states: Sequence[ItemState] = (ItemState.NEW,),
        since: datetime | None = None,
        words: Sequence[str] = (),
        limit: int = 100,
    ) -> Sequence[FeedItem]:
        """Give items, newest first.

        Args:
            feed: only of this feed.
            community: only of feeds for this community or for all.
            states: what was done about them; empty is any.
            since: published at or after this instant.
            words: each stands in title or text.
            limit: at most so many.
        """
        store = await self._house.store()
        first = None if since is None else to_us(since)
        return await store.read(
            lambda conn: records.list_items(
                conn,
                feed_id=feed,
                community=community,
                states=states,
                since=first,
                words=words,
                limit=limit,
            )
        )

    async def stories(self, *, since: datetime | None = None, limit: int = 50) -> Sequence[Story]:
        """Give items grouped by what they say: a story that several feeds tell comes first, then the newest.

        Args:
            since: published at or after this instant; the last 7 days when not given.
            limit: at most so many stories.
        """
        store = await self._house.store()
        first = to_us(since or store.clock.now() - timedelta(days=7))
        wanted = (ItemState.NEW, ItemState.DRAFTED)
        found = await store.read(
            lambda conn: records.list_items(conn, states=wanted, since=first, limit=5000)
        )
        groups: dict[int, list[FeedItem]] = {}
        for item in found:
            groups.setdefault(item.story, []).append(item)
        made = [
            Story(id=story, items=tuple(sorted(items, key=lambda one: one.id)))
            for story, items in groups.items()
        ]
        made.sort(key=lambda one: max(item.published_at for item in one.items), reverse=True)
        made.sort(key=lambda one: len({item.feed_id for item in one.items}), reverse=True)
        return made[:limit]

    async def draft(self, item: int, *, most: int = 200, picture: bool = True) -> Draft:
        """Make content of an item, with its source named, and note that it was drafted; publishes nothing.

        Args:
            item: its id.
            most: code points of the excerpt.
            picture: whether the item's picture goes with it, by its address.

        Raises:
            UnknownName: there is none of that id.
            InvalidInput: it has neither title nor text.
        """
        store = await self._house.store()
        found = await store.read(lambda conn: records.find_item(conn, item))
        made = draft_of(found, most=most, picture=picture)
        await store.write(lambda conn: records.mark_item(conn, item, ItemState.DRAFTED))
        return made

    async def mark(self, item: int, *, state: ItemState) -> FeedItem:
        """Note what was done about an item, for example that nobody wants it.

        Raises:
            UnknownName: there is none of that id.
        """
        store = await self._house.store()
        return await store.write(lambda conn: records.mark_item(conn, item, state))

    async def prune(self, *, older: timedelta = timedelta(days=90)) -> int:
        """Forget texts of old items and counts of old days; gives how many rows were touched. Items stay known."""
        store = await self._house.store()
        before = store.clock.now() - older

        def write(conn: Any) -> int:
            gone = records.prune(conn, before=to_us(before))
            return gone + talk.forget(
                conn, before=before.date() - timedelta(days=275), rare_before=before.date()
            )

        return await store.write(write)

    # trends

    async def watch_talk(self, *, community: str | None = None, on: bool = True) -> None:
        """Begin or end to count the words and links of a community's messages, per day (默认不统计).

        Nothing else is kept: no texts, no members, no messages. Off by default.

        Raises:
            ConfigError: the extra `chinese` is not installed.
            InvalidInput: there are several communities, and none is named.
        """
        name = self._community(community).name
        if on:
            await self._cutter()
        store = await self._house.store()
        now = to_us(store.clock.now())
        await store.write(lambda conn: talk.set_watch(conn, name, on=on, now=now))

    async def trends(
        self,
        *,
        community: str | None = None,
        end: date | None = None,
        days: int = 7,
        weeks_before: int = 4,
        top: int = 20,
        least: int = 3,
    ) -> TrendReport:
        """Say what is talked about: rising words, shared links and open questions, of the talk and of the feeds.

        Rising words are compared with the weeks before; the formula is in `shequn_sdk.feeds.words`. What was not counted is
        None, never 0, and `notes` says why.

        Args:
            community: its name; not needed when there is one.
            end: last local day; today when not given.
            days: length of the period, 1 to 92.
            weeks_before: how far back to compare, 1 to 26.
            top: most words, links and questions.
            least: messages that a word needs.

        Raises:
            InvalidInput: a length is out of range.
            ConfigError: the extra `chinese` is not installed.
        """
        for name, value, most in (("days", days, 92), ("weeks_before", weeks_before, 26), ("top", top, 1000)):
            if not 1 <= value <= most:
                raise InvalidInput(f"{name} is {value}; give 1 to {most}")
        chosen = self._community(community)
        store = await self._house.store()
        today = store.clock.now().astimezone(ZoneInfo(chosen.zone)).date()
        period = trends.Period(end=end or today, days=days, weeks=weeks_before, zone=chosen.zone)
        found, items = await store.read(
            lambda conn: (
                trends.read_talk(conn, chosen.name, period, top=top),
                trends.read_items(conn, chosen.name, period),
            )
        )
        cut = await self._cutter() if items or found.counted else None
        events = await self._house.events()
        questions = await events.query(
            lambda session: trends.open_questions(session, chosen.name, period, most=top), purpose="trends"
        )
        return await anyio.to_thread.run_sync(
            lambda: trends.report(chosen.name, period, found, items, questions, cut, top=top, least=least)
        )

    async def _cutter(self) -> trends.Cut:
        folder = self._house.home / "words"
        return await anyio.to_thread.run_sync(segmenter, folder)

    async def _count(self, heard: Sequence[Heard]) -> None:
        if not any(one.community and one.interaction.text for one in heard):
            return
        store = await self._house.store()
        watching = await store.read(talk.watched)
        if not any(state == "on" for state, _, _ in watching.values()):
            return
        cut = await self._cutter()
        zones = {one.name: one.zone for one in self._house.communities}
        await store.write(
            lambda conn: talk.count(conn, heard, zones=lambda name: zones.get(name, "UTC"), cut=cut)
        )


def _check_every(every: timedelta) -> None:
    if not _LEAST <= every <= _MOST:
        raise InvalidInput("a feed is looked at every 5 minutes at most and every 30 days at least")
