"""What the room of members gives: persons, merges, counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from shequn_sdk.domain import ChannelRef, Frozen, MemberRef, Role
from shequn_sdk.members.lifecycle import Stage

__all__ = [
    "Birthday",
    "Consent",
    "CountReason",
    "DirectoryImport",
    "Erased",
    "IdentityInfo",
    "MemberCount",
    "MemberInfo",
    "MembershipInfo",
    "PersonChange",
    "Proof",
    "Purpose",
    "Suggestion",
    "Swept",
]


class Purpose(StrEnum):
    """Why somebody is written to; a member says yes or no to each."""

    SERVICE = "service"
    """About what they asked for or take part in: allowed unless refused, even under do-not-disturb."""
    CARE = "care"
    """Welcome, birthday, waking up: allowed unless refused."""
    MARKETING = "marketing"
    """Offers: refused unless allowed."""
    RESEARCH = "research"
    """Surveys: refused unless allowed."""


class Birthday(Frozen):
    """A birthday (生日), by the solar or the lunar calendar."""

    month: int = Field(ge=1, le=12)
    day: int = Field(ge=1, le=31)
    year: int | None = Field(default=None, ge=1880, le=2200)
    lunar: bool = False
    """By the lunar calendar (农历); `year` is then the lunar one."""
    leap: bool = False
    """In the leap month (闰月)."""

    @model_validator(mode="after")
    def _exists(self) -> Birthday:
        if self.lunar:
            if self.day > 30:
                raise ValueError("a lunar month has at most 30 days")
            return self
        if self.leap:
            raise ValueError("only a lunar birthday can be in a leap month")
        date(self.year or 2000, self.month, self.day)
        return self


class Consent(Frozen):
    """What a member said to being written to (同意)."""

    purpose: str
    """A `Purpose`, or `do_not_disturb`."""
    allowed: bool
    until: AwareDatetime | None = None
    """None is without end."""
    at: AwareDatetime
    source: str = ""


class IdentityInfo(Frozen):
    """A person on one platform."""

    ref: MemberRef
    name: str
    """Safe to show."""
    username: str = ""
    is_bot: bool = False
    first_seen: AwareDatetime
    last_seen: AwareDatetime


class MembershipInfo(Frozen):
    """A person in one community, over all their identities."""

    community: str
    stage: Stage
    role: Role
    first_at: AwareDatetime
    """First known there, by joining or acting."""
    joined_at: AwareDatetime | None = None
    """None: was there before we listened."""
    left_at: AwareDatetime | None = None
    """None: is there."""
    joins: int
    entrance: str = ""
    last_active: AwareDatetime | None = None
    tags: tuple[str, ...] = ()
    consents: tuple[Consent, ...] = ()


class MemberInfo(Frozen):
    """A person over all platforms, with what is known of them (成员档案)."""

    number: int
    """Of the person; it changes when persons are merged, so keep a `MemberRef` instead."""
    name: str
    identities: tuple[IdentityInfo, ...]
    memberships: tuple[MembershipInfo, ...] = ()
    fields: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Custom fields; contacts only when asked for, else `•••`."""
    birthday: Birthday | None = None

    @property
    def ref(self) -> MemberRef:
        """The identity seen last."""
        return self.identities[0].ref


class Suggestion(Frozen):
    """Two identities that may be one person."""

    a: MemberRef
    b: MemberRef
    names: tuple[str, str]
    score: float = Field(ge=0, le=1)
    reasons: tuple[str, ...]


class PersonChange(Frozen):
    """A merge of persons, or its undoing."""

    id: int
    at: AwareDatetime
    kind: Literal["merge", "unmerge"]
    moved: tuple[MemberRef, ...]
    kept: int
    gone: int
    reason: str
    actor: str
    score: float | None = None
    undone: bool = False


class Proof(Frozen):
    """A code that proves that two accounts are of one person."""

    member: MemberRef
    code: str = Field(repr=False)
    """To be written by the same person with their other account, once."""
    expires_at: AwareDatetime


class CountReason(Frozen):
    """A part of the difference between two counts."""

    why: str
    number: int
    """What it adds to our number on the way to the platform's."""
    note: str = ""


class MemberCount(Frozen):
    """Our number of members in a channel, the platform's, and why they differ."""

    channel: ChannelRef
    ours: int
    """Persons in the channel, bots left out."""
    theirs: int | None
    """None: the platform tells no number."""
    reasons: tuple[CountReason, ...] = ()
    """They add up: ours plus all of these is theirs."""
    certain: bool = False
    """Compared name by name with the platform's directory."""
    community_members: int = 0
    """Persons in the community over all its channels."""


class DirectoryImport(Frozen):
    """What reading a platform's directory of members changed."""

    read: int
    new: int
    """Never seen before."""
    left: int
    """Were taken for members and are not in the directory any more."""


class Erased(Frozen):
    """What the erasure of a person removed."""

    members: tuple[MemberRef, ...]
    rows: Mapping[str, int]
    """By room."""
    events: int
    raw_events: int | None = None
    """None: the inbox was not searched."""


class Swept(Frozen):
    """What enforcing the retention periods removed."""

    raw_events: int
    texts: int
    members: int
    unfinished: int
    """Erasures that were begun earlier and finished now."""
