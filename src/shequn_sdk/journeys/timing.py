"""When steps come. Pure: no I/O, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from shequn_sdk.journeys.models import After, Journey, OnDay, Policy, QuietHours, Step, Until
from shequn_sdk.scheduling.recurrence.base import Quiet
from shequn_sdk.scheduling.recurrence.local import Gap, Overlap, clock_time, resolve

__all__ = ["after_caps", "after_quiet", "due_of", "is_held_out", "minute_after"]


def due_of(step: Step, *, anchor: datetime, reached: datetime, zone: str) -> datetime:
    """Give the instant at which a step comes, before quiet hours and caps; never before the step before it.

    Args:
        step: the step.
        anchor: when the journey began.
        reached: when the step before was done; the anchor for the first.
        zone: by whose days and hours.
    """
    wait = step.wait
    if isinstance(wait, After):
        return reached + wait.delay
    if isinstance(wait, Until):
        return reached + wait.within
    assert isinstance(wait, OnDay)
    local = ZoneInfo(zone)
    day = anchor.astimezone(local).date() + timedelta(days=wait.day)
    naive = datetime.combine(day, clock_time(wait.at))
    at = resolve(naive, local, gap=Gap.SHIFT_FORWARD, overlap=Overlap.FIRST)[0].astimezone(UTC)
    return max(at, reached)


def after_quiet(at: datetime, quiet: QuietHours | None, zone: str) -> datetime:
    """Give the first instant from `at` on that is not in quiet hours."""
    if quiet is None:
        return at
    local = ZoneInfo(zone)
    ends = Quiet(quiet.start, quiet.end).ends(at.astimezone(local).replace(tzinfo=None))
    if ends is None:
        return at
    return max(at, resolve(ends, local, gap=Gap.SHIFT_FORWARD, overlap=Overlap.SECOND)[0].astimezone(UTC))


def after_caps(at: datetime, policy: Policy, contacts: Sequence[datetime]) -> datetime:
    """Give the first instant from `at` on at which one more message keeps all caps.

    Args:
        at: when it would be sent.
        policy: the caps.
        contacts: when the member was written to.
    """
    known = sorted(contacts)
    while True:
        moved = at
        for cap in policy.caps:
            recent = [one for one in known if at - cap.per < one <= at]
            if len(recent) >= cap.number:
                moved = max(moved, recent[-cap.number] + cap.per)
        if moved == at:
            return at
        at = moved


def is_held_out(journey: Journey, member: str) -> bool:
    """Say whether a member is left out to compare with; the same answer for ever, by the journey's name and seed."""
    if not journey.hold_out:
        return False
    digest = hashlib.sha256(f"{journey.seed}:{journey.name}:{member}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 < journey.hold_out


def minute_after(at: datetime) -> datetime:
    """Give the end of the minute in which an instant is; a whole minute is its own end."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)
