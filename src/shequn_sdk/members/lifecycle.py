"""Where a member stands in their life with a community. Pure: no I/O, no clock.

The stages are those of the metric `members.lifecycle`, by the same rules and local days, so that both give one number;
`resurrected` is the part of its `active` that came back.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from shequn_sdk.domain import LifecycleDays

__all__ = ["Days", "Stage", "stage_of"]


class Stage(StrEnum):
    """A stage of membership (生命周期)."""

    NEW = "new"
    ACTIVE = "active"
    RESURRECTED = "resurrected"
    """Active again, after being churned or having left."""
    SILENT = "silent"
    CHURNED = "churned"


class Days(NamedTuple):
    """The local days by which a member is judged."""

    first: date
    """First known in the community, by joining or acting."""
    last: date | None = None
    """Of the latest activity; None: none yet."""
    left: bool = False
    """Left, and did not join again."""
    away: date | None = None
    """Last activity before the latest long silence, or the day of leaving."""
    returned: date | None = None
    """Of the activity or the joining that ended it."""
    rejoined: bool = False
    """Returned by joining again."""


def stage_of(days: Days, *, today: date, thresholds: LifecycleDays | None = None) -> Stage:
    """Give the stage at the end of a local day.

    Who left is churned. Else who is first known in the last `new_days` is new; who acted in the last `active_days` is
    active, or resurrected when those days brought them back from `churned_days` of silence or from having left; who
    acted (or came) in the last `churned_days` is silent; the others are churned.

    Args:
        days: what is known of the member; days after `today` count as today.
        today: the local day at whose end is judged.
        thresholds: those of the community; the default ones when not given.
    """
    limits = thresholds or LifecycleDays()
    if days.left:
        return Stage.CHURNED
    if days.first > today - timedelta(days=limits.new_days):
        return Stage.NEW
    if days.last is not None and days.last > today - timedelta(days=limits.active_days):
        recent = days.returned is not None and days.returned > today - timedelta(days=limits.active_days)
        if recent and days.returned is not None and days.away is not None:
            gap = days.returned - days.away
            if days.rejoined or gap >= timedelta(days=limits.churned_days):
                return Stage.RESURRECTED
        return Stage.ACTIVE
    if (days.last or days.first) > today - timedelta(days=limits.churned_days):
        return Stage.SILENT
    return Stage.CHURNED
