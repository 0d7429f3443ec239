"""What Weibo sends, as lean structures; numbers may come as text, and fields it hides are None.

They are read by `shequn_sdk.platforms.lenient`, for which null is the same as left out.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from shequn_sdk.errors import InvalidInput

__all__ = [
    "Comment",
    "CommentPage",
    "Count",
    "FollowerPage",
    "Friendship",
    "Head",
    "Raws",
    "Status",
    "StatusPage",
    "Token",
    "TokenInfo",
    "Uid",
    "Unread",
    "User",
    "UserCount",
    "format_time",
    "ident",
    "number",
    "parse_time",
    "time_of",
]

Id = int | str | None
Number = int | float | str | None

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TIME = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2}):?(\d{2}) (\d{4})",
    re.ASCII,
)
CHINA = timezone(timedelta(hours=8))
"""Weibo's times and days are those of China, which has no summer time."""


def parse_time(text: str) -> datetime:
    """Read `Tue May 31 17:46:55 +0800 2011`; English names whatever the machine's language.

    Raises:
        InvalidInput: it is no such time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is not None and match[1] in _MONTHS:
        month = _MONTHS.index(match[1]) + 1
        offset = timedelta(hours=int(match[7]), minutes=int(match[8])) * (-1 if match[6] == "-" else 1)
        try:
            return datetime(
                int(match[9]),
                month,
                int(match[2]),
                int(match[3]),
                int(match[4]),
                int(match[5]),
                tzinfo=timezone(offset),
            )
        except ValueError:
            pass
    raise InvalidInput(f"{text[:60]!r} is no time as Weibo writes it", source="weibo")


def time_of(text: str, *, otherwise: datetime) -> datetime:
    """Read a time as `parse_time`; what cannot be read gives `otherwise`, because the rest of a row is still good."""
    try:
        return parse_time(text)
    except InvalidInput:
        return otherwise


def format_time(instant: datetime) -> str:
    """Write an instant as Weibo does, in China's time."""
    at = instant.astimezone(CHINA)
    return (
        f"{_DAYS[at.weekday()]} {_MONTHS[at.month - 1]} {at.day:02d} "
        f"{at.hour:02d}:{at.minute:02d}:{at.second:02d} +0800 {at.year}"
    )


def ident(*candidates: Id) -> str:
    """Give the first id that is there, as text; "" for none."""
    for value in candidates:
        if value is not None and value != "" and not isinstance(value, bool):
            return str(value)
    return ""


def number(value: Number) -> int | None:
    """Read a counter; None when it is hidden or no number."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


class Head(msgspec.Struct):
    """Where an answer says that it is an error."""

    error_code: Any = None
    error: Any = None
    error_description: Any = None


class User(msgspec.Struct):
    """A user; most fields are left out."""

    id: Id = None
    idstr: Id = None
    screen_name: str = ""
    name: str = ""
    description: str = ""
    domain: str = ""
    location: str = ""
    followers_count: Number = None
    friends_count: Number = None
    statuses_count: Number = None
    verified: Any = False
    verified_type: Number = None
    follow_me: Any = None

    @property
    def uid(self) -> str:
        """Id as text."""
        return ident(self.idstr, self.id)


class Status(msgspec.Struct):
    """A post (微博); deleted ones are sparse."""

    id: Id = None
    idstr: Id = None
    mid: Id = None
    created_at: str = ""
    text: str = ""
    user: User | None = None
    uid: Id = None
    retweeted_status: Status | None = None
    deleted: Any = None
    reposts_count: Number = None
    comments_count: Number = None
    attitudes_count: Number = None
    original_pic: str | None = None

    @property
    def native_id(self) -> str:
        """Id as text."""
        return ident(self.idstr, self.id, self.mid)

    @property
    def author(self) -> str:
        """Id of who wrote it, "" when it is hidden."""
        return self.user.uid if self.user is not None else ident(self.uid)


class Comment(msgspec.Struct):
    """A comment (评论)."""

    id: Id = None
    idstr: Id = None
    mid: Id = None
    created_at: str = ""
    text: str = ""
    user: User | None = None
    status: Status | None = None
    reply_comment: Comment | None = None

    @property
    def native_id(self) -> str:
        """Id as text."""
        return ident(self.idstr, self.id, self.mid)


class StatusPage(msgspec.Struct):
    """A page of posts; `total_number` is left out, because it is not the number of rows."""

    statuses: list[Status] = []
    reposts: list[Status] = []


class CommentPage(msgspec.Struct):
    """A page of comments."""

    comments: list[Comment] = []


class Raws(msgspec.Struct):
    """A page whose rows are kept as they came."""

    statuses: list[msgspec.Raw] = []
    comments: list[msgspec.Raw] = []
    reposts: list[msgspec.Raw] = []


class FollowerPage(msgspec.Struct):
    """A page of users; `next_cursor` 0 is the end."""

    users: list[User] = []
    next_cursor: Number = 0


class Count(msgspec.Struct):
    """Counters of a post."""

    id: Id = None
    comments: Number = None
    reposts: Number = None
    attitudes: Number = None


class UserCount(msgspec.Struct):
    """Counters of a user."""

    id: Id = None
    followers_count: Number = None
    friends_count: Number = None
    statuses_count: Number = None


class Unread(msgspec.Struct):
    """What moved since somebody looked."""

    status: Number = 0
    follower: Number = 0
    cmt: Number = 0
    dm: Number = 0
    mention_status: Number = 0
    mention_cmt: Number = 0


class Side(msgspec.Struct):
    """One side of a friendship."""

    id: Id = None
    screen_name: str = ""
    followed_by: bool = False
    following: bool = False


class Friendship(msgspec.Struct):
    """How two users follow each other; `following` of a side: it follows the other one."""

    target: Side
    source: Side


class Uid(msgspec.Struct):
    """Whose token it is."""

    uid: Id = None


class Token(msgspec.Struct):
    """What a code was exchanged for."""

    access_token: str = ""
    expires_in: Number = None
    uid: Id = None

    def __repr__(self) -> str:
        return "Token(***)"


class TokenInfo(msgspec.Struct):
    """What a token is good for; `expire_in` counts seconds from now."""

    uid: Id = None
    appkey: Id = None
    scope: str | None = None
    create_at: Number = None
    expire_in: Number = None


class RateStatus(msgspec.Struct):
    """What is left of the limits."""

    reset_time_in_seconds: Number = None
    remaining_user_hits: Number = None
    remaining_ip_hits: Number = None
    user_limit: Number = None


class Push(msgspec.Struct):
    """A delivery of the fan service (粉丝服务)."""

    type: str = ""
    sender_id: Id = None
    receiver_id: Id = None
    created_at: str = ""
    text: str = ""
    data: Any = None

    def told(self, name: str) -> str:
        """Give a part of `data` as text, "" when it is not there."""
        value: object = self.data.get(name) if isinstance(self.data, dict) else None  # pyright: ignore[reportUnknownMemberType]
        return "" if value is None else str(value)
