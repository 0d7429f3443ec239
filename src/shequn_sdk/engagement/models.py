"""What all subjects of engagement share: an activity, where it was posted, and how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from pydantic import AwareDatetime

from shequn_sdk.domain import ChannelRef, Frozen, Identifier, Name

__all__ = ["Activity", "ActivityState", "Closing", "Place", "Ranked", "Span"]

Span: TypeAlias = datetime | timedelta | None
"""When something ends: an aware instant, a span from now, or None for when somebody ends it."""


class ActivityState(StrEnum):
    """Where an activity stands."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Place(Frozen):
    """A channel in which an activity was posted."""

    channel: ChannelRef
    native: bool = False
    """Whether the platform's own form is used, such as its poll."""
    message: str = ""
    """Native id of the post; "" until it has landed."""


class Activity(Frozen):
    """Something that members are invited to do (活动)."""

    id: Identifier
    community: Name
    kind: str
    title: str
    state: ActivityState
    opens_at: AwareDatetime
    closes_at: AwareDatetime | None = None
    places: tuple[Place, ...] = ()
    notes: tuple[str, ...] = ()
    """What had to be done otherwise somewhere, and why."""


class Ranked(Frozen):
    """One line of a ranking. Equal scores share a rank, and the ranks after them are left out: 1, 2, 2, 4."""

    rank: int
    member: str
    """One of the person's members, as `platform:native-id`."""
    name: str
    score: int


class Closing(Frozen):
    """Arguments of the schedule that ends an activity, or reminds of it."""

    activity: Identifier
    what: str = ""


def ranked(scores: Sequence[tuple[str, str, int]]) -> tuple[Ranked, ...]:
    """Rank (member, name, score), highest first; among equals by member.

    >>> [line.rank for line in ranked([("a:1", "", 3), ("a:2", "", 5), ("a:3", "", 3), ("a:4", "", 1)])]
    [1, 2, 2, 4]
    """
    lines: list[Ranked] = []
    for position, (member, name, score) in enumerate(sorted(scores, key=lambda one: (-one[2], one[0])), 1):
        rank = lines[-1].rank if lines and lines[-1].score == score else position
        lines.append(Ranked(rank=rank, member=member, name=name, score=score))
    return tuple(lines)
