"""Records of feedback."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from shequn_sdk.domain import ChannelRef, Frozen, MemberRef
from shequn_sdk.engagement.duty import Hours, Shift

__all__ = [
    "FeedbackDesk",
    "FeedbackItem",
    "FeedbackKind",
    "FeedbackReport",
    "FeedbackState",
    "Source",
    "Theme",
    "Urgency",
]


class FeedbackKind(StrEnum):
    """What somebody says."""

    COMPLAINT = "complaint"
    """投诉."""
    PROBLEM = "problem"
    """Something does not work."""
    IDEA = "idea"
    """建议."""
    PRAISE = "praise"
    """表扬."""
    OTHER = "other"


class Urgency(StrEnum):
    """How soon an answer is needed."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class FeedbackState(StrEnum):
    """What became of it."""

    NEW = "new"
    ASSIGNED = "assigned"
    ANSWERED = "answered"
    """Somebody answered; it is not settled yet."""
    DONE = "done"
    DECLINED = "declined"


class Source(StrEnum):
    """By which way it came."""

    MESSAGE = "message"
    COMMENT = "comment"
    REACTION = "reaction"
    FORM = "form"
    PLATFORM = "platform"
    """The platform's own feedback, such as a rating."""


_WORDS: Mapping[FeedbackKind, tuple[str, ...]] = {
    FeedbackKind.COMPLAINT: ("投诉", "差评", "太差", "不满意", "退款", "骗", "complain", "refund"),
    FeedbackKind.PROBLEM: ("打不开", "坏了", "用不了", "报错", "卡住", "bug", "broken", "does not work"),
    FeedbackKind.IDEA: ("建议", "希望能", "能不能加", "要是能", "suggest", "feature request"),
    FeedbackKind.PRAISE: ("表扬", "好评", "太棒了", "很喜欢", "well done", "love it"),
}


class FeedbackDesk(Frozen):
    """How a community takes feedback (反馈渠道与承诺)."""

    words: Mapping[FeedbackKind, tuple[str, ...]] = Field(default_factory=lambda: dict(_WORDS))
    """Words that make feedback of a message or comment, by kind; the first kind that fits decides."""
    marks: tuple[str, ...] = ("反馈", "feedback")
    """Words that make feedback of a message whatever its kind."""
    reactions: tuple[str, ...] = ("👎", "😡", "🤮", "💩")
    """Reactions to our own posts that count as a complaint without words."""
    urgent: tuple[str, ...] = (
        "紧急",
        "受伤",
        "过敏",
        "扣费",
        "盗",
        "报警",
        "urgent",
        "injured",
        "charged twice",
    )
    promise: timedelta = timedelta(hours=24)
    """How soon an answer comes, in hours of business; a quarter of it for what is urgent."""
    hours: tuple[Hours, ...] = ()
    """Of business, in the community's zone; none is always."""
    shifts: tuple[Shift, ...] = ()
    """Who is on duty when."""
    notify: tuple[ChannelRef, ...] = ()
    """Where operators are told of what is urgent, and of what is overdue."""


class FeedbackItem(Frozen):
    """One thing that somebody said (反馈)."""

    id: int
    community: str
    source: Source
    kind: FeedbackKind
    urgency: Urgency
    state: FeedbackState
    text: str
    """At most 1,000 characters; "" for a reaction."""
    member: MemberRef | None = None
    channel: ChannelRef | None = None
    message: str = ""
    assignee: str = ""
    outcome: str = ""
    """What was done."""
    public: bool = False
    created_at: AwareDatetime
    due_at: AwareDatetime
    answered_at: AwareDatetime | None = None
    settled_at: AwareDatetime | None = None

    def is_overdue(self, now: AwareDatetime) -> bool:
        """Whether nobody has answered in the time that was promised."""
        return self.answered_at is None and self.settled_at is None and now > self.due_at


class FeedbackReport(Frozen):
    """How well feedback was taken (反馈统计)."""

    items: int
    by_kind: Mapping[str, int]
    by_source: Mapping[str, int]
    open: int
    overdue: int
    answered: int
    in_time: float | None
    """Share of those answered, settled or overdue that were answered in time; None without any."""
    median_minutes: float | None
    """Of business, to the first answer; None without any."""


class Theme(Frozen):
    """A word that feedback is about (主题)."""

    word: str
    items: int
    """In which it stands, in the period."""
    before: int
    """In the period of the same length before."""
