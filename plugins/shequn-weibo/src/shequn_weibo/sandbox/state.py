"""What the local Weibo remembers: users, tokens, posts, comments, counters of calls."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shequn_sdk.domain import Clock
from shequn_weibo.wire import CHINA, format_time

__all__ = ["App", "CommentRecord", "Refuse", "StatusRecord", "TokenRecord", "UserRecord", "World"]

_ID_EPOCH = 515483463
"""Seconds since 1970 from which Weibo's ids count, 22 bits below."""
HOUR = timedelta(hours=1)


class Refuse(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, text: str = "", *, status: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.status = status


@dataclass(slots=True)
class App:
    """An application with its level."""

    key: str
    secret: str
    level: str
    redirect_uri: str
    safe_domains: tuple[str, ...]
    name: str = "读书会"
    test_users: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class UserRecord:
    """A user."""

    uid: str
    name: str
    authorised: bool = True
    """Whether the user authorised our application: others are hidden from a normal one."""
    followers: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """Who follows, in the order in which they came."""
    verified: bool = False
    description: str = ""
    reset: dict[str, int] = field(default_factory=dict[str, int])
    """Up to which id each unread counter was set back."""
    new_followers: int = 0


@dataclass(slots=True)
class TokenRecord:
    """A token of a user for an application."""

    token: str
    uid: str
    app: App
    created_at: datetime
    expires_at: datetime
    revoked: bool = False
    fan: bool = False


@dataclass(slots=True)
class StatusRecord:
    """A post."""

    id: int
    author: str
    text: str
    at: datetime
    picture: bytes = b""
    origin: int = 0
    mentions: set[str] = field(default_factory=set[str])
    likes: dict[str, str] = field(default_factory=dict[str, str])
    visible_at: datetime | None = None
    twice: bool = False
    deleted: bool = False
    by_app: bool = False


@dataclass(slots=True)
class CommentRecord:
    """A comment."""

    id: int
    status: int
    author: str
    text: str
    at: datetime
    answers: int = 0
    mentions: set[str] = field(default_factory=set[str])
    visible_at: datetime | None = None
    twice: bool = False
    deleted: bool = False
    by_app: bool = False


class World:
    """Everything, in memory."""

    def __init__(self, *, clock: Clock, rng: random.Random, options: Mapping[str, Any]) -> None:
        self.clock = clock
        self.rng = rng
        self.options = options
        self.users: dict[str, UserRecord] = {}
        self.tokens: dict[str, TokenRecord] = {}
        self.codes: dict[str, tuple[str, App, str, datetime]] = {}
        """Code to user, application, redirect address and time."""
        self.apps: dict[str, App] = {}
        self.statuses: dict[int, StatusRecord] = {}
        self.by_author: dict[str, list[int]] = {}
        self.mentioning: dict[str, list[int]] = {}
        self.reposts: dict[int, list[int]] = {}
        self.feeds: defaultdict[str, list[int]] = defaultdict(list)
        """What each user sees of their own: posts, mentions, shares and comments, in order of their growing ids."""
        self.comments: dict[int, CommentRecord] = {}
        self.under: dict[int, list[int]] = {}
        self.comments_to: dict[str, list[int]] = {}
        self.comments_mentioning: dict[str, list[int]] = {}
        self.comments_by: dict[str, list[int]] = {}
        self.odd: set[int] = set()
        """Posts and comments that were taken away, or that appear late; all others are shown."""
        self.follows: Counter[str] = Counter()
        """How many each user follows."""
        self.short: dict[str, str] = {}
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self.sent: dict[tuple[str, str], deque[datetime]] = {}
        self._last_id = 0

    def now(self) -> datetime:
        """Give the present instant."""
        return self.clock.now()

    def new_id(self) -> int:
        """Make an id that grows with time, beyond 2^53 or near it, as Weibo's do."""
        wanted = (int(self.now().timestamp()) - _ID_EPOCH) << 22
        self._last_id = max(self._last_id + self.rng.randrange(1, 64), wanted)
        return self._last_id

    def hex(self, digits: int) -> str:
        """Make a random text of hexadecimal digits."""
        return f"{self.rng.getrandbits(4 * digits):0{digits}x}"

    def option(self, name: str, default: Any) -> Any:
        """Give an option of the sandbox."""
        return self.options.get(name, default)

    # limits

    def day(self) -> str:
        """Give the day in China."""
        return self.now().astimezone(CHINA).date().isoformat()

    def hour(self) -> str:
        """Give the hour in China."""
        return self.now().astimezone(CHINA).strftime("%Y-%m-%dT%H")

    def recent(self, uid: str, what: str, per: timedelta = HOUR) -> int:
        """Count what a user did in the last hour."""
        queue = self.sent.setdefault((uid, what), deque())
        while queue and queue[0] <= self.now() - per:
            queue.popleft()
        return len(queue)

    def did(self, uid: str, what: str) -> None:
        """Note that a user did something."""
        self.sent.setdefault((uid, what), deque()).append(self.now())

    # following, posts and comments

    def follow(self, user: UserRecord, follower: str) -> bool:
        """Let somebody follow a user; gives False when they do already."""
        if follower in user.followers:
            return False
        user.followers[follower] = self.now()
        self.follows[follower] += 1
        return True

    def unfollow(self, user: UserRecord, follower: str) -> bool:
        """Let somebody follow a user no longer; gives False when they did not."""
        if user.followers.pop(follower, None) is None:
            return False
        self.follows[follower] -= 1
        return True

    def add_status(self, status: StatusRecord) -> StatusRecord:
        """Keep a post."""
        self.statuses[status.id] = status
        self.by_author.setdefault(status.author, []).append(status.id)
        for uid in status.mentions:
            self.mentioning.setdefault(uid, []).append(status.id)
        if status.origin:
            self.reposts.setdefault(status.origin, []).append(status.id)
        shared = {self.statuses[status.origin].author} if status.origin in self.statuses else set[str]()
        for uid in {status.author} | status.mentions | shared:
            self.feeds[uid].append(status.id)
        return status

    def add_comment(self, comment: CommentRecord) -> CommentRecord:
        """Keep a comment."""
        self.comments[comment.id] = comment
        self.under.setdefault(comment.status, []).append(comment.id)
        self.comments_by.setdefault(comment.author, []).append(comment.id)
        receivers = {self.statuses[comment.status].author}
        if comment.answers and comment.answers in self.comments:
            receivers.add(self.comments[comment.answers].author)
        for uid in receivers - {comment.author}:
            self.comments_to.setdefault(uid, []).append(comment.id)
            self.feeds[uid].append(comment.id)
        for uid in comment.mentions:
            self.comments_mentioning.setdefault(uid, []).append(comment.id)
        return comment

    def remove_comment(self, comment: CommentRecord) -> None:
        """Forget a comment."""
        self.comments.pop(comment.id, None)
        self.odd.add(comment.id)

    def visible(self, ids: Sequence[int], rows: Mapping[int, Any]) -> Iterator[Any]:
        """Give the rows of growing ids that stand and are shown already, newest first."""
        now = self.now()
        found = (rows.get(native) for native in reversed(ids))
        return (
            row
            for row in found
            if row is not None and not row.deleted and (row.visible_at is None or row.visible_at <= now)
        )

    def count(self, ids: Sequence[int], rows: Mapping[int, Any], *, above: int = 0) -> int:
        """Count what `visible` gives of growing ids that are larger than `above`, without a look at each."""
        first = bisect_right(ids, above)
        odd = [native for native in self.odd if native > above and _holds(ids, native)]
        return len(ids) - first - len(odd) + sum(1 for _ in self.visible(odd, rows))

    def count_comments(self, status: int) -> int:
        """Count the comments under a post."""
        return sum(native in self.comments for native in self.under.get(status, ()))

    # shapes

    def user_json(self, uid: str, *, viewer: str = "") -> dict[str, Any]:
        """Write a user."""
        user = self.users[uid]
        number = int(uid)
        return {
            "id": number,
            "idstr": uid,
            "screen_name": user.name,
            "name": user.name,
            "province": "11",
            "city": "8",
            "location": "北京 海淀区",
            "description": user.description,
            "url": "",
            "profile_image_url": f"https://tvax.example.com/50/{uid}",
            "avatar_large": f"https://tvax.example.com/180/{uid}",
            "avatar_hd": f"https://tvax.example.com/1024/{uid}",
            "profile_url": f"u/{uid}",
            "domain": "",
            "weihao": "",
            "gender": "n",
            "followers_count": len(user.followers),
            "friends_count": self.follows[uid],
            "statuses_count": len(self.by_author.get(uid, ())),
            "favourites_count": 0,
            "bi_followers_count": 0,
            "created_at": "Sat Feb 12 12:50:15 +0800 2011",
            "following": viewer in user.followers,
            "follow_me": bool(viewer) and uid in self.users[viewer].followers,
            "verified": user.verified,
            "verified_type": 2 if user.verified else -1,
            "verified_reason": "",
            "remark": "",
            "lang": "zh-cn",
            "online_status": 0,
            "allow_all_act_msg": True,
            "allow_all_comment": True,
            "geo_enabled": False,
        }

    def status_json(
        self, status: StatusRecord, *, viewer: str = "", trim_user: bool = False
    ) -> dict[str, Any]:
        """Write a post."""
        native = status.id
        if status.deleted:
            return {
                "created_at": format_time(status.at),
                "id": native,
                "idstr": str(native),
                "mid": str(native),
                "text": "此微博已被原作者删除。",
                "deleted": "1",
            }
        app = next(iter(self.apps.values()))
        link = f"https://{app.safe_domains[0]}" if app.safe_domains else "https://weibo.com"
        body: dict[str, Any] = {
            "created_at": format_time(status.at),
            "id": native,
            "idstr": str(native),
            "mid": str(native),
            "text": status.text,
            "source": f'<a href="{link}" rel="nofollow">{app.name}</a>'
            if status.by_app
            else '<a href="https://weibo.com" rel="nofollow">微博网页版</a>',
            "favorited": False,
            "truncated": False,
            "in_reply_to_status_id": "",
            "in_reply_to_user_id": "",
            "in_reply_to_screen_name": "",
            "pic_urls": [],
            "geo": None,
            "reposts_count": len(self.reposts.get(native, ())),
            "comments_count": self.count_comments(native),
            "attitudes_count": len(status.likes),
            "mlevel": 0,
            "visible": {"type": 0, "list_id": 0},
        }
        if status.picture:
            name = f"{native:x}.jpg"
            body["pic_urls"] = [{"thumbnail_pic": f"https://wx1.example.com/thumbnail/{name}"}]
            for size, key in (
                ("thumbnail", "thumbnail_pic"),
                ("bmiddle", "bmiddle_pic"),
                ("large", "original_pic"),
            ):
                body[key] = f"https://wx1.example.com/{size}/{name}"
        if trim_user:
            body["uid"] = int(status.author)
        else:
            body["user"] = self.user_json(status.author, viewer=viewer)
        if status.origin:
            body["retweeted_status"] = self.status_json(self.statuses[status.origin], viewer=viewer)
        return body

    def comment_json(self, comment: CommentRecord, *, viewer: str = "") -> dict[str, Any]:
        """Write a comment."""
        body: dict[str, Any] = {
            "created_at": format_time(comment.at),
            "id": comment.id,
            "idstr": str(comment.id),
            "mid": str(comment.id),
            "text": comment.text,
            "source": '<a href="https://weibo.com" rel="nofollow">微博网页版</a>',
            "user": self.user_json(comment.author, viewer=viewer),
            "status": self.status_json(self.statuses[comment.status], viewer=viewer),
        }
        answered = self.comments.get(comment.answers)
        if answered is not None:
            inner = self.comment_json(answered, viewer=viewer)
            inner.pop("status", None)
            inner.pop("reply_comment", None)
            body["reply_comment"] = inner
        return body


def _holds(ids: Sequence[int], native: int) -> bool:
    """Whether growing ids hold one."""
    place = bisect_left(ids, native)
    return place < len(ids) and ids[place] == native
