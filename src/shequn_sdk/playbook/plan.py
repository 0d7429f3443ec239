"""A community's plan as one validated TOML file: who it is for, what is said when, what is to be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from pydantic import AnyHttpUrl, Field

from shequn_sdk.domain import (
    Community,
    CommunityKind,
    Content,
    Frozen,
    Link,
    MetricName,
    Name,
    Poll,
    ZoneName,
)
from shequn_sdk.domain.content import Override

__all__ = [
    "ContentSlot",
    "GoalPlan",
    "Plan",
    "PlannedPost",
    "Weekday",
    "slot_content",
    "turn_of",
    "with_links",
]


class Weekday(StrEnum):
    """Day of the week, in the order of ISO 8601."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    @property
    def number(self) -> int:
        """0 for Monday to 6 for Sunday."""
        return list(Weekday).index(self)


class ContentSlot(Frozen):
    """A column of the content plan (栏目): on which days, at what local time, and what in turn."""

    name: Name
    title: str
    days: tuple[Weekday, ...] = Field(min_length=1)
    at: time
    """Local time in the community's zone."""
    category: str = ""
    promotional: bool = False
    texts: tuple[str, ...] = ()
    """Markdown, used in turn."""
    poll: tuple[str, ...] = ()
    """Choices: the text becomes the question of a poll."""
    hashtags: tuple[str, ...] = ()
    form: str = ""
    """Picture, article, video, live, recipe, notes … (内容形式)."""
    subject: str = ""
    """Which of the community's subjects it is about."""
    channels: tuple[Name, ...] = ()
    """Names of the playbook's channels; all when none is named."""


class GoalPlan(Frozen):
    """A goal (目标): a metric, what it is to reach, and by when."""

    name: Name
    title: str
    metric: MetricName
    target: float
    within_days: int = Field(default=365, ge=1)
    relative: bool = False
    """The target is a multiple of the value at the start."""
    at_most: bool = False
    """The goal is to stay below the target."""


class PlannedPost(Frozen):
    """One content with the instant at which it is due."""

    slot: Name
    due: datetime
    content: Content


class Plan(Frozen):
    """The plan of a community (运营方案)."""

    name: Name
    title: str
    kind: CommunityKind = CommunityKind.INTEREST
    positioning: str
    audience: str
    zone: ZoneName = "Asia/Shanghai"
    language: str = "zh-CN"
    rules: tuple[str, ...] = ()
    welcome: str = ""
    """Said to newcomers; `{name}` is the member's name."""
    content: tuple[ContentSlot, ...] = Field(min_length=1)
    goals: tuple[GoalPlan, ...] = ()

    def community(self) -> Community:
        """Give the community that the plan describes, still without channels."""
        return Community(
            name=self.name,
            title=self.title,
            kind=self.kind,
            positioning=self.positioning,
            audience=self.audience,
            zone=self.zone,
            language=self.language,
            rules=self.rules,
        )

    def posts(self, start: date, days: int) -> Iterator[PlannedPost]:
        """Give what the plan publishes on `days` local days from `start`, in order of time.

        The content's id names plan, slot and day, so that planning twice plans nothing twice.
        """
        zone = ZoneInfo(self.zone)
        turns = dict.fromkeys((slot.name for slot in self.content), 0)
        for offset in range(days):
            day = start + timedelta(days=offset)
            due = [slot for slot in self.content if any(item.number == day.weekday() for item in slot.days)]
            for slot in sorted(due, key=lambda slot: (slot.at, slot.name)):
                turn = turns[slot.name]
                turns[slot.name] += 1
                at = datetime.combine(day, slot.at, tzinfo=zone)
                yield PlannedPost(slot=slot.name, due=at, content=self._content(slot, day, turn))

    def _content(self, slot: ContentSlot, day: date, turn: int) -> Content:
        return slot_content(self.name, slot, day, turn)


def slot_content(community: str, slot: ContentSlot, day: date, turn: int) -> Content:
    """Give what a column says on a day, the `turn`-th time from 0."""
    text = slot.texts[turn % len(slot.texts)] if slot.texts else slot.title
    return Content(
        id=f"{community}/{slot.name}/{day.isoformat()}",
        text="" if slot.poll else text,
        poll=Poll(question=text, choices=slot.poll) if slot.poll else None,
        category=slot.category or slot.name,
        promotional=slot.promotional,
        hashtags=slot.hashtags,
    )


def with_links(content: Content, links: Mapping[str, AnyHttpUrl | str]) -> Content:
    """Let a link go with a content in some channels, named by their addresses."""
    if not links:
        return content
    more = {ref: Override(link=Link(url=AnyHttpUrl(str(url)))) for ref, url in links.items()}
    return content.model_copy(update={"overrides": {**content.overrides, **more}})


def turn_of(slot: ContentSlot, start: date, day: date) -> int:
    """Give how many times a column was due from `start` on before `day`, without counting them one by one."""
    weeks, rest = divmod((day - start).days, 7)
    numbers = {item.number for item in slot.days}
    return weeks * len(numbers) + sum((start.weekday() + ahead) % 7 in numbers for ahead in range(rest))
