"""Journeys as data: what begins them, their steps, what ends them; and what becomes of them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field, field_validator, model_validator

from shequn_sdk.domain import ChannelRef, Frozen, InteractionKind, MemberRef, Name
from shequn_sdk.errors import InvalidInput
from shequn_sdk.listening.events import kinds_of
from shequn_sdk.members.filters import AnyFilter
from shequn_sdk.members.models import Purpose
from shequn_sdk.scheduling.recurrence.local import clock_time

__all__ = [
    "MESSAGES",
    "AddTags",
    "After",
    "AnyAction",
    "AnyStart",
    "AnyWait",
    "BeforeDate",
    "Birthday",
    "Call",
    "Cap",
    "CreateTask",
    "Entered",
    "Event",
    "Festival",
    "Joined",
    "Journey",
    "JourneyRun",
    "JourneyTask",
    "Notify",
    "OnDay",
    "PlannedStep",
    "Policy",
    "QuietHours",
    "RemoveTags",
    "RunState",
    "Say",
    "Silent",
    "Step",
    "StepRecord",
    "Until",
    "Welcome",
]

Clock = Annotated[str, Field(max_length=8)]
"""A local time such as 09:00."""


def _checked_clock(value: str) -> str:
    clock_time(value)
    return value


def _checked_event(value: str) -> str:
    kinds_of(value)
    return value


class _Timed(Frozen):
    """Something that happens at a local time of the day."""

    at: Clock = "09:00"
    """Local time of the community."""

    @field_validator("at")
    @classmethod
    def _is_clock(cls, value: str) -> str:
        return _checked_clock(value)


# what begins a journey


class Joined(Frozen):
    """Somebody joins."""

    kind: Literal["joined"] = "joined"


class Event(Frozen):
    """Somebody does something; the name is one of `sq.on`, such as `purchase`."""

    kind: Literal["event"] = "event"
    event: str
    keywords: tuple[str, ...] = ()
    """At least one must be in its text, whatever the case; none is any text."""

    @field_validator("event")
    @classmethod
    def _known(cls, value: str) -> str:
        return _checked_event(value)


class Entered(_Timed):
    """Somebody is found in a segment when members are looked through, once a day."""

    kind: Literal["segment"] = "segment"
    segment: AnyFilter


class Birthday(_Timed):
    """A member's birthday, solar or lunar as their profile says."""

    kind: Literal["birthday"] = "birthday"
    days_before: int = Field(default=0, ge=0, le=60)


class Festival(_Timed):
    """A festival (节日): begins for all members, or those of `only`."""

    kind: Literal["festival"] = "festival"
    festivals: tuple[str, ...] = Field(min_length=1)
    """Keys such as `spring_festival`; see `scheduling.chinese.festivals`."""
    days_before: int = Field(default=0, ge=0, le=60)


class Silent(_Timed):
    """Somebody did nothing for so many local days; once per silence."""

    kind: Literal["silent"] = "silent"
    days: int = Field(ge=1, le=3650)


class BeforeDate(_Timed):
    """So many local days before a date: of a declared field, or of a source such as `membership_ends`."""

    kind: Literal["date"] = "date"
    source: Name
    days_before: int = Field(default=7, ge=0, le=365)


AnyStart: TypeAlias = Annotated[
    Joined | Event | Entered | Birthday | Festival | Silent | BeforeDate, Field(discriminator="kind")
]


# when a step comes


class After(Frozen):
    """So long after the step before (of the first step: after the beginning)."""

    kind: Literal["after"] = "after"
    delay: timedelta = Field(default=timedelta(), ge=timedelta(), le=timedelta(days=3650))


class OnDay(_Timed):
    """On the so-manieth local day of the journey, the day on which it begins being day 0; never before the step before."""

    kind: Literal["day"] = "day"
    day: int = Field(ge=0, le=3650)


class Until(Frozen):
    """When the member does something, or after `within` at the latest."""

    kind: Literal["until"] = "until"
    event: str
    within: timedelta = Field(gt=timedelta(), le=timedelta(days=3650))

    @field_validator("event")
    @classmethod
    def _known(cls, value: str) -> str:
        return _checked_event(value)


AnyWait: TypeAlias = Annotated[After | OnDay | Until, Field(discriminator="kind")]


# what a step does

Words = Annotated[str, Field(min_length=1, max_length=4000)]
"""Markdown; `{name}`, `{community}`, `{days}` (of the journey) and fields as `{field.goal}` are filled in."""


class Say(Frozen):
    """Write to the member: privately where that is allowed, else by a mention in their channel, else a person does."""

    kind: Literal["say"] = "say"
    text: Words
    to: Literal["member", "channel"] = "member"
    """`channel` mentions them in their channel at once."""
    purpose: Purpose = Purpose.CARE
    fallback: Literal["channel", "task", "skip"] = "channel"
    """When they cannot be written to privately; where no channel takes it either, it is a task."""
    channel: ChannelRef | None = None
    """Where to mention them; the channel in which they are when not given."""


class Welcome(Frozen):
    """Welcome a joiner: by the platform's own welcome while its time runs (WeCom: 20 s), else as `Say`."""

    kind: Literal["welcome"] = "welcome"
    text: Words
    fallback: Literal["channel", "task", "skip"] = "channel"


class CreateTask(Frozen):
    """A task for a person, such as a call."""

    kind: Literal["task"] = "task"
    title: str = Field(min_length=1, max_length=200)
    text: str = Field(default="", max_length=4000)
    assignee: str = ""
    due_in: timedelta = Field(default=timedelta(days=1), ge=timedelta())


class AddTags(Frozen):
    """Put tags on the member."""

    kind: Literal["tag"] = "tag"
    tags: tuple[str, ...] = Field(min_length=1)


class RemoveTags(Frozen):
    """Take tags off the member."""

    kind: Literal["untag"] = "untag"
    tags: tuple[str, ...] = Field(min_length=1)


class Notify(Frozen):
    """Tell the operators in a channel of theirs."""

    kind: Literal["notify"] = "notify"
    text: Words
    channel: ChannelRef


class Call(Frozen):
    """Call a function that was registered by `journeys.handler`."""

    kind: Literal["call"] = "call"
    handler: str = Field(min_length=1, max_length=200)


MESSAGES = (Say, Welcome)
"""What is said to the member."""
AnyAction: TypeAlias = Annotated[
    Say | Welcome | CreateTask | AddTags | RemoveTags | Notify | Call, Field(discriminator="kind")
]


class Step(Frozen):
    """One step of a journey."""

    name: Name
    wait: AnyWait = After()
    when: AnyFilter | None = None
    """Do it only for members whom this holds for when the time has come."""
    do: AnyAction
    otherwise: AnyAction | None = None
    """Instead, for the others."""


class QuietHours(Frozen):
    """Local hours in which nobody is written to; what falls into them waits for their end. May span midnight."""

    start: Clock = "22:00"
    end: Clock = "08:00"

    @model_validator(mode="after")
    def _hours(self) -> QuietHours:
        if clock_time(self.start) == clock_time(self.end):
            raise ValueError("quiet hours must not begin and end at the same time")
        return self


class Cap(Frozen):
    """At most so many messages to one member in any stretch of `per`, over all journeys."""

    number: int = Field(ge=1)
    per: timedelta = Field(gt=timedelta())


class Policy(Frozen):
    """What holds for all journeys of a community."""

    quiet: QuietHours | None = QuietHours()
    caps: tuple[Cap, ...] = (Cap(number=2, per=timedelta(days=1)), Cap(number=5, per=timedelta(days=7)))
    on_cap: Literal["wait", "skip"] = "wait"
    """Wait until the cap lets it through, or leave the message out."""


class Journey(Frozen):
    """What is said and done to members step by step (SOP, 用户旅程)."""

    name: Name
    title: str = ""
    start: AnyStart
    steps: tuple[Step, ...] = Field(min_length=1, max_length=100)
    only: AnyFilter | None = None
    """Begins only for members whom this holds for."""
    exit_on: tuple[str, ...] = ("member.left",)
    """Events of the member that end it."""
    exit_when: AnyFilter | None = None
    """Looked at before each step; holds: the journey ends."""
    again: timedelta | None = None
    """So long after the beginning it may begin again for the same person; None is never. Birthdays, festivals, silences
    and dates begin it anew each time by themselves."""
    hold_out: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of members who are left out to compare with, always the same ones for the same seed."""
    seed: int = 0
    urgent: bool = False
    """Is not held back by quiet hours and caps: for what members ask for themselves."""

    @field_validator("exit_on")
    @classmethod
    def _events(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            _checked_event(one)
        return value

    @model_validator(mode="after")
    def _names_differ(self) -> Journey:
        names = [step.name for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError("two steps have one name")
        return self

    def waits_for(self, place: int) -> frozenset[InteractionKind]:
        """Give the kinds that bring a step on before its time."""
        if place < len(self.steps):
            wait = self.steps[place].wait
            if isinstance(wait, Until):
                return kinds_of(wait.event)
        return frozenset()

    def step(self, place: int) -> Step:
        """Give a step.

        Raises:
            InvalidInput: there is none at that place.
        """
        if not 0 <= place < len(self.steps):
            raise InvalidInput(f"journey {self.name!r} has {len(self.steps)} steps")
        return self.steps[place]


# what becomes of it


class RunState(StrEnum):
    """Where a member stands on a journey."""

    RUNNING = "running"
    FINISHED = "finished"
    EXITED = "exited"
    """An exit rule held, or the member left."""
    HELD_OUT = "held_out"
    """Left out, to compare with."""
    STOPPED = "stopped"
    """A person ended it."""


class StepRecord(Frozen):
    """What became of one step."""

    step: str
    state: Literal["done", "sent", "planned", "task", "skipped", "failed"]
    form: str = ""
    """direct, channel, welcome, task, tag …"""
    note: str = ""
    at: AwareDatetime


class JourneyRun(Frozen):
    """One member on one journey."""

    id: int
    journey: str
    community: str
    member: MemberRef
    state: RunState
    anchor: AwareDatetime
    """From which its days are counted."""
    next_step: str = ""
    due: AwareDatetime | None = None
    reason: str = ""
    records: tuple[StepRecord, ...] = ()


class JourneyTask(Frozen):
    """Something for a person to do (待办)."""

    id: int
    community: str
    journey: str
    member: MemberRef | None
    name: str = ""
    """Of the member, safe to show."""
    title: str
    text: str = ""
    assignee: str = ""
    due: AwareDatetime
    overdue: bool = False
    state: Literal["open", "done", "dropped"]
    done_at: AwareDatetime | None = None
    actor: str = ""
    note: str = ""


class PlannedStep(Frozen):
    """A step as it would come, if the journey began now and nothing happened meanwhile."""

    step: str
    due: AwareDatetime
    action: str
    form: str
    """How it would reach the member: direct, channel, task, welcome, or what it is."""
    text: str = ""
    runs: bool
    """Whether its condition holds for the member today."""
    notes: tuple[str, ...] = ()
