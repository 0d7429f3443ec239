"""Listening within the budget: the free unread counters say what moved, and only that is fetched.

The cursor holds per feed the ids told last, so that a row that appears late below newer ones is still found, and the
calls spent today, so that a restart does not spend them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from shequn_sdk.domain import Clock
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms import lenient
from shequn_sdk.platforms.deepjson import members
from shequn_sdk.platforms.ports import RawBatch, RawEvent
from shequn_weibo import wire
from shequn_weibo.api import Api
from shequn_weibo.events import wrap
from shequn_weibo.manifest import Options

__all__ = ["Poller"]

_KEPT = 30
"""Ids remembered and asked for again per feed; a row that appears late is found this far back."""
_PAGES = 8
"""Pages read by one poll of one feed."""
_POSTS = 20
"""Own posts whose share counters are watched."""
_FEEDS: tuple[tuple[str, str, str, str, int], ...] = (
    # counter, interface, key of the rows, kind of event, rows per page
    ("cmt", "comments/to_me", "comments", "comment", 50),
    ("mention_status", "statuses/mentions", "statuses", "mention", 200),
    ("mention_cmt", "comments/mentions", "comments", "comment_mention", 50),
)


class _Feed(msgspec.Struct):
    seen: list[str] = []
    """Ids told, oldest first."""
    counter: int = 0
    at: float = 0.0
    """When it was read, in seconds since 1970."""
    gaps: list[tuple[int, int]] = []
    """Stretches that were not read yet, because a poll has only so many pages: above an id, up to another."""


class _State(msgspec.Struct):
    """What the cursor holds."""

    feeds: dict[str, _Feed] = {}
    posts: dict[str, int] = {}
    """Own posts with their share counters when their shares were read."""
    shares_at: float = 0.0
    posts_at: float = 0.0
    followers: list[str] = []
    follower_counter: int = -1
    day: str = ""
    spent: int = 0


class _Row(msgspec.Struct):
    """What of a row decides about its place."""

    id: wire.Id = None
    idstr: wire.Id = None
    created_at: str = ""
    deleted: Any = None
    user: Any = None
    uid: wire.Id = None


def _read_row(raw: bytes) -> _Row:
    try:
        return lenient.decode(raw, _Row)
    except RecursionError:  # its place is known all the same; what reads it makes a dead letter of it
        parts = {key: value for key, value in members(bytes(raw)).items() if key in _Row.__struct_fields__}
        return lenient.decode(
            b"{%b}" % b",".join(b'"%b":%b' % (key.encode(), value) for key, value in parts.items()), _Row
        )


def _load(cursor: str | None) -> _State:
    if not cursor:
        return _State()
    try:
        return msgspec.json.decode(cursor, type=_State)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            "the cursor of weibo's polling is damaged; start anew without one", source="cursor"
        ) from error


class Poller:
    """Reads what is new, as cheaply as Weibo allows."""

    def __init__(self, api: Api, *, options: Options, clock: Clock, followers: bool) -> None:
        self._api = api
        self._options = options
        self._clock = clock
        self._followers = followers
        """False where pushes tell of followers already."""

    async def receive(self, cursor: str | None, *, uid: str) -> RawBatch:
        """Poll once; see `EventSource.receive`."""
        state = _load(cursor)
        if state.day:
            try:
                self._api.plan.restore(date.fromisoformat(state.day), state.spent)
            except ValueError as error:
                raise InvalidInput("the cursor of weibo's polling is damaged", source="cursor") from error
        unread = await self._api.unread(uid)
        found: list[tuple[datetime, int, RawEvent]] = []
        for counter, operation, key, kind, size in _FEEDS:
            feed = state.feeds.setdefault(counter, _Feed())
            now = wire.number(getattr(unread, counter)) or 0
            if self._due(feed, now) and self._api.plan.may_poll():
                found += await self._read_feed(feed, operation, key, kind, size, uid)
                feed.counter = now
        found += await self._read_shares(state, uid)
        if self._followers:
            found += await self._read_followers(state, wire.number(unread.follower) or 0, uid)
        found.sort(key=lambda item: item[:2])
        state.day, state.spent = self._api.plan.day.isoformat(), self._api.plan.spent
        events: dict[str, RawEvent] = {}
        for _, _, event in found:
            events.setdefault(event.event_id, event)
        return RawBatch(events=list(events.values()), cursor=msgspec.json.encode(state).decode())

    def _due(self, feed: _Feed, counter: int) -> bool:
        stale = self._stamp() - feed.at >= self._options.sweep_hours * 3600
        return bool(feed.gaps) or stale or (counter != feed.counter and counter > 0)

    def _stamp(self) -> float:
        return self._clock.now().timestamp()

    async def _read_feed(
        self, feed: _Feed, operation: str, key: str, kind: str, size: int, uid: str
    ) -> list[tuple[datetime, int, RawEvent]]:
        # from the oldest remembered one on, because rows may appear late
        seen = [int(native) for native in feed.seen if native.isdigit()]
        stretches = [(seen[0] - 1 if seen else 0, 0), *feed.gaps]
        fresh: dict[str, tuple[datetime, int, RawEvent]] = {}
        gaps: list[tuple[int, int]] = []
        for number, (above, upto) in enumerate(stretches):
            if number and not self._api.plan.may_poll():
                gaps.append((above, upto))
                continue
            rows, rest = await self._read_stretch(operation, key, kind, size, uid, above=above, upto=upto)
            fresh |= {str(row[1]): row for row in rows if str(row[1]) not in feed.seen}
            if rest:
                gaps.append((seen[-1] if seen and not number else above, rest))
        feed.at, feed.gaps = self._stamp(), gaps
        feed.seen = sorted({*feed.seen, *fresh}, key=int)[-_KEPT:]
        return list(fresh.values())

    async def _read_stretch(
        self, operation: str, key: str, kind: str, size: int, uid: str, *, above: int, upto: int
    ) -> tuple[list[tuple[datetime, int, RawEvent]], int]:
        """Read down from `upto` (0: from the newest) to `above`; gives rows, and where it had to stop, else 0."""
        found: list[tuple[datetime, int, RawEvent]] = []
        for page in range(_PAGES):
            if page and not self._api.plan.may_poll():
                break
            asked: dict[str, str | int] = {"count": size, "page": 1}
            if above:
                asked["since_id"] = above
            if upto:
                asked["max_id"] = upto
            raws = getattr(await self._api.get(operation, wire.Raws, asked), key)
            rows = [row for raw in raws if (row := self._row(raw, kind, uid)) is not None]
            found += rows
            lowest = min((row[1] for row in rows), default=0)
            # hidden rows make pages shorter; a page with hardly anything is taken for the last
            if len(raws) * 4 < size or lowest <= above + 1 or (upto and lowest > upto):
                return found, 0
            upto = lowest - 1
        return found, upto

    def _row(self, raw: bytes, kind: str, uid: str) -> tuple[datetime, int, RawEvent] | None:
        """Give a row its place; None for one that is deleted: those are sparse."""
        try:
            row = _read_row(bytes(raw))
            native = wire.ident(row.idstr, row.id)
            place = int(native)
        except ValueError:
            return None
        now = self._clock.now()
        at = wire.time_of(row.created_at, otherwise=now)
        if row.deleted or (at is now and not row.user and not row.uid):
            return None
        prefix = "comment" if kind in {"comment", "comment_mention"} else "status"
        payload = wrap(kind, raw, owner=uid, at=at)
        return at, place, RawEvent(event_id=f"{prefix}:{native}", payload=payload)

    async def _read_shares(self, state: _State, uid: str) -> list[tuple[datetime, int, RawEvent]]:
        """Compare the share counters of own posts, and fetch the shares of those that moved."""
        now = self._stamp()
        if now - state.shares_at < self._options.share_minutes * 60 or not self._api.plan.may_poll(2):
            return []
        counters = await self._share_counters(state, uid, now)
        state.shares_at = now
        found: list[tuple[datetime, int, RawEvent]] = []
        for post, shares in counters.items():
            before = state.posts.get(post, 0)
            if shares > before:
                if not self._api.plan.may_poll():
                    state.posts.setdefault(post, before)
                    continue
                found += await self._read_reposts(post, uid)
            state.posts[post] = shares
        for old in sorted(state.posts, key=int)[:-_POSTS]:
            del state.posts[old]
        return found

    async def _share_counters(self, state: _State, uid: str, now: float) -> dict[str, int]:
        if not state.posts or now - state.posts_at >= 3 * self._options.share_minutes * 60:
            page = await self._api.get("statuses/user_timeline", wire.StatusPage, {"uid": uid, "count": 5})
            state.posts_at = now
            return {
                status.native_id: wire.number(status.reposts_count) or 0
                for status in page.statuses
                if status.native_id.isdigit()
            }
        ids = ",".join(state.posts)
        counts = await self._api.get("statuses/count", list[wire.Count], {"ids": ids})
        told = {wire.ident(count.id): wire.number(count.reposts) for count in counts}
        return {post: shares for post, shares in told.items() if shares is not None and post in state.posts}

    async def _read_reposts(self, post: str, uid: str) -> list[tuple[datetime, int, RawEvent]]:
        page = await self._api.get("statuses/repost_timeline", wire.Raws, {"id": post, "count": 200})
        rows = (self._row(raw, "repost", uid) for raw in page.reposts)
        return [row for row in rows if row is not None]

    async def _read_followers(
        self, state: _State, counter: int, uid: str
    ) -> list[tuple[datetime, int, RawEvent]]:
        """Tell followers who were not seen before; Weibo shows the newest few, without a time."""
        first = state.follower_counter < 0
        if not first and counter in {0, state.follower_counter}:
            return []
        if not self._api.plan.may_poll():
            return []
        size = 200 if self._options.level == "commercial" else 5
        page = await self._api.get("friendships/followers", wire.FollowerPage, {"uid": uid, "count": size})
        state.follower_counter = counter
        known = set(state.followers)
        fresh: Sequence[wire.User] = [user for user in page.users if user.uid and user.uid not in known]
        state.followers = [*state.followers, *(user.uid for user in fresh)][-2000:]
        if first:
            return []  # they followed before we began to listen
        now = self._clock.now().replace(microsecond=0)
        events: list[tuple[datetime, int, RawEvent]] = []
        for place, user in enumerate(reversed(fresh)):
            row = {"id": user.uid, "screen_name": user.screen_name or user.name}
            payload = wrap("follower", msgspec.json.encode(row), owner=uid, at=now)
            events.append((now, place, RawEvent(event_id=f"follow:{user.uid}", payload=payload)))
        return events
