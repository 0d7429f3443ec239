"""What the plugin's own calls give, beyond the SDK's common models: frozen, with aware times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import AwareDatetime

from shequn_sdk.domain import Frozen

__all__ = [
    "BehaviourNumbers",
    "Customer",
    "Follower",
    "GroupDay",
    "MassMessage",
    "MomentActivity",
    "Rule",
    "Tag",
    "TagGroup",
    "TransferState",
    "instant",
]


def instant(seconds: int) -> datetime | None:
    """Give the instant of a WeCom timestamp (seconds); None for 0, which means not told."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (OverflowError, ValueError, OSError):
        return None


class Follower(Frozen):
    """A member of the corporation who has a customer among the contacts (跟进人)."""

    userid: str
    remark: str = ""
    description: str = ""
    since: AwareDatetime | None = None
    add_way: int = 0
    """1 QR code, 2 mobile search, 3 card, 4 group chat … ; new values appear over time."""
    state: str = ""
    """State of the contact way by which the customer came (渠道)."""
    tags: tuple[str, ...] = ()
    """Ids of the tags that this member put on the customer."""


class Customer(Frozen):
    """A customer, that is an outside contact of one or more members (客户). Holds personal data."""

    id: str
    name: str = ""
    kind: int = 0
    """1 WeChat, 2 WeCom."""
    unionid: str = ""
    company: str = ""
    followers: tuple[Follower, ...] = ()


class Tag(Frozen):
    """A corporate tag (企业标签)."""

    id: str
    name: str


class TagGroup(Frozen):
    """A group of corporate tags (标签组)."""

    id: str
    name: str
    tags: tuple[Tag, ...] = ()


class GroupDay(Frozen):
    """Counts of customer groups, of one owner over the days asked for, or of all owners on one day (群统计)."""

    owner: str = ""
    day: AwareDatetime | None = None
    """00:00 in China of the day; None in counts per owner."""
    new_groups: int
    groups: int
    groups_with_messages: int
    new_members: int
    members: int
    members_with_messages: int
    messages: int


class BehaviourNumbers(Frozen):
    """What members did with customers on one day (联系客户统计). None is not reported."""

    day: AwareDatetime | None
    chats: int
    messages: int
    reply_share: float | None
    """Share of chats that were answered, 0 to 1."""
    reply_minutes: float | None
    """Average minutes to the first answer."""
    lost: int
    """Customers who deleted or blocked the member."""
    applications: int
    new_customers: int


class MassMessage(Frozen):
    """A mass message (群发) as the list of them tells it."""

    id: str
    text: str = ""
    kinds: tuple[str, ...] = ()
    """What is attached: image, video, file, miniprogram, or link with its address; sorted."""
    creator: str = ""
    created_at: AwareDatetime | None = None


class MomentActivity(Frozen):
    """Who liked and commented on one member's moment (朋友圈互动); WeCom tells no comment's text."""

    comments: Mapping[str, AwareDatetime | None]
    """Native id of the person to time."""
    likes: Mapping[str, AwareDatetime | None]


class Rule(Frozen):
    """An intercept rule on words that employees send (敏感词规则)."""

    id: str
    name: str
    words: tuple[str, ...] = ()
    semantics: tuple[int, ...] = ()
    """1 mobile numbers, 2 e-mail addresses, 3 red packets."""
    blocks: bool = True
    """False only warns."""
    users: tuple[str, ...] = ()
    departments: tuple[int, ...] = ()


class TransferState(Frozen):
    """How one customer's hand-over goes (继承)."""

    customer: str
    code: int
    """0 started; else why not."""
    state: str = ""
    """One of "done", "waiting", "refused", "full", "none", or "" when only the start was asked for."""
