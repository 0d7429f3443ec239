"""The whole plan of a community: what `Plan` holds, and everything else that handbooks want decided before it opens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, Field, StringConstraints

from shequn_sdk.domain import ChannelRef, Frozen, InteractionKind, Name, Role
from shequn_sdk.playbook.plan import Plan, Weekday

__all__ = [
    "AudiencePlan",
    "CarePlan",
    "ChannelPlan",
    "CheckInPlan",
    "EntranceSpec",
    "EntryPlan",
    "FeedbackPlan",
    "FestivalPlan",
    "IncentivePlan",
    "JourneyPlan",
    "JourneyStep",
    "ModerationPlan",
    "OneOff",
    "PartnerSpec",
    "Playbook",
    "ProductSpec",
    "PromotionPlan",
    "RolePlan",
    "Threshold",
]

Line = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class AudiencePlan(Frozen):
    """Whom the community is for, in particular (目标人群画像)."""

    ages: tuple[int, int] | None = None
    """Youngest and oldest, in years."""
    occupations: tuple[str, ...] = ()
    interests: tuple[str, ...] = ()
    habits: tuple[str, ...] = ()
    """For example when they read."""


class ChannelPlan(Frozen):
    """A channel, and what it is for."""

    name: Name
    """By which the rest of the file names it."""
    ref: ChannelRef | None = None
    """`account:native-id`; without it the channel can be checked and rehearsed, but not applied."""
    platform: str = ""
    """Needed where `ref` is missing, for checks and rehearsals."""
    purpose: str = ""
    subjects: tuple[str, ...] = ()
    """What is talked about here; a channel for all subjects is past mending later."""
    level: str = ""
    """For whom: newcomers, advanced, members who paid."""
    link: AnyHttpUrl | None = None
    """Goes with every content here; Weibo takes no post of a program without a link under the application's domain."""


class RolePlan(Frozen):
    """Who does what, and when (分工, 值班)."""

    role: Role
    people: tuple[str, ...] = Field(min_length=1)
    """`platform:native-id`, or names."""
    on_duty: tuple[Weekday, ...] = ()
    start: time | None = None
    end: time | None = None
    tasks: tuple[str, ...] = ()


class Threshold(StrEnum):
    """What it takes to come in (门槛)."""

    NONE = "none"
    INVITED = "invited"
    TASK = "task"
    PAID = "paid"


class EntryPlan(Frozen):
    """How people come in and go (入群门槛与退出机制)."""

    threshold: Threshold = Threshold.NONE
    task: str = ""
    """What is to be done first, for `task`."""
    price: Decimal | None = Field(default=None, ge=0)
    currency: str = "CNY"
    leave: str = ""
    """When and how people are shown out."""


class OneOff(Frozen):
    """A content for one day (单次内容)."""

    name: Name
    day: date
    at: time
    text: Line
    category: str = ""
    promotional: bool = False
    channels: tuple[Name, ...] = ()


class FestivalPlan(Frozen):
    """A content for a festival, each year (节日内容)."""

    festival: str
    """Key or Chinese name, such as `mid_autumn` or 中秋节, or `MM-DD` for a day of your own, such as 11-11."""
    text: Line
    at: time = time(9, 0)
    days_before: int = Field(default=0, ge=0, le=60)
    promotional: bool = False
    channels: tuple[Name, ...] = ()


class CheckInPlan(Frozen):
    """A check-in (打卡)."""

    name: Name
    title: str
    words: tuple[str, ...] = ("打卡",)
    points: int = Field(default=1, ge=0)
    make_up_cards: int = Field(default=0, ge=0)
    channels: tuple[Name, ...] = ()
    """Where members can check in; all channels when none is named."""


class JourneyStep(Frozen):
    """One step of a path (SOP 步骤)."""

    day: int = Field(ge=0, le=3650)
    """Days after the start."""
    at: time | None = None
    """Local time; at once when not given, on day 0."""
    text: Line
    """`{name}` is the member's name."""


class JourneyPlan(Frozen):
    """What happens to a member day by day (成员旅程 SOP)."""

    name: Name
    start: Literal["joined", "silent", "membership_ends"] = "joined"
    after_days: int = Field(default=0, ge=0, le=3650)
    """Days of silence, or days before a membership ends."""
    steps: tuple[JourneyStep, ...] = Field(min_length=1)
    hold_out: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of members who are left out by chance, to see what it does."""


class CarePlan(Frozen):
    """Care for members (关怀)."""

    birthday: str = ""
    """Said on a member's birthday; `{name}` is the member's name."""
    wake_after_days: int | None = Field(default=None, ge=1)
    """Days of silence after which a member is spoken to."""
    wake: str = ""


class IncentivePlan(Frozen):
    """Points for what members do (积分)."""

    points: Mapping[InteractionKind, int] = Field(default_factory=dict)
    daily_cap: int | None = Field(default=None, ge=1)
    badges: Mapping[Name, int] = Field(default_factory=dict)
    """Badge to points that it takes."""


class ModerationPlan(Frozen):
    """What is not wanted, and what happens then (群规执行)."""

    banned_words: tuple[str, ...] = ()
    detect: tuple[Literal["advertisement", "flooding", "duplicate", "scam", "conflict"], ...] = ()
    ladder: tuple[Literal["warn", "mute", "kick", "ban"], ...] = ("warn", "mute", "kick")
    notify: Name | None = None
    """Channel in which operators are told."""


class FeedbackPlan(Frozen):
    """What is promised to who says something (反馈承诺)."""

    reply_within_minutes: int = Field(default=24 * 60, ge=1)
    words: tuple[str, ...] = ("建议", "反馈", "投诉")
    digest: Weekday | None = None
    """Day on which what became of it is published."""


class PromotionPlan(Frozen):
    """How much may be sold (商业化尺度)."""

    share: float = Field(default=1 / 3, ge=0.0, le=1.0)
    """Largest share of promotional contents; above a third communities die."""


class PartnerSpec(Frozen):
    """A partner."""

    name: Name
    title: str
    kind: Literal["brand", "sponsor", "kol", "community", "media"]
    note: str = ""


class EntranceSpec(Frozen):
    """A named way in."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,29}$")]
    channel: Name | None = None
    campaign: str = ""
    partner: str = ""
    place: str = ""


class ProductSpec(Frozen):
    """Something that is sold."""

    sku: str
    title: str
    price: Decimal = Field(ge=0)
    currency: str = "CNY"
    kind: Literal["goods", "membership", "course", "service", "placement"] = "goods"
    term_days: int | None = Field(default=None, ge=1)


class Playbook(Plan):
    """The plan of a community, whole (运营方案)."""

    version: Literal[1] = 1
    starts: date | None = None
    """First day; the day on which it is applied when not given."""
    ends: date | None = None
    """Last day, for communities that end, such as training camps."""
    distinction: str = ""
    """What it has that others have not (特色)."""
    audience_profile: AudiencePlan = AudiencePlan()
    channels: tuple[ChannelPlan, ...] = ()
    roles: tuple[RolePlan, ...] = ()
    entry: EntryPlan = EntryPlan()
    one_offs: tuple[OneOff, ...] = ()
    festivals: tuple[FestivalPlan, ...] = ()
    check_ins: tuple[CheckInPlan, ...] = ()
    journeys: tuple[JourneyPlan, ...] = ()
    care: CarePlan = CarePlan()
    incentives: IncentivePlan = IncentivePlan()
    moderation: ModerationPlan = ModerationPlan()
    feedback: FeedbackPlan | None = None
    promotion: PromotionPlan = PromotionPlan()
    partners: tuple[PartnerSpec, ...] = ()
    entrances: tuple[EntranceSpec, ...] = ()
    products: tuple[ProductSpec, ...] = ()
    quiet: tuple[time, time] = (time(22, 30), time(7, 0))
    """Local hours in which nothing is to be published: begin and end."""

    def links(self) -> dict[str, AnyHttpUrl]:
        """Give the link that goes with every content of a channel, by the channel's address."""
        return {
            str(one.ref): one.link for one in self.channels if one.ref is not None and one.link is not None
        }

    def refs(self, names: tuple[Name, ...]) -> tuple[ChannelRef, ...]:
        """Give the addresses of named channels, of all when none is named; those without an address are left out."""
        return tuple(
            one.ref for one in self.channels if one.ref is not None and (not names or one.name in names)
        )
