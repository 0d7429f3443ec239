"""What becomes of an occurrence that comes late, and of those that were missed. Pure: no I/O, no clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shequn_sdk.domain import LatePolicy
from shequn_sdk.scheduling.book import Claim, read_trigger
from shequn_sdk.scheduling.chinese import WorkDays
from shequn_sdk.scheduling.models import Overlapping
from shequn_sdk.scheduling.triggers import Occurrence, Trigger
from shequn_sdk.stores.schema import from_us

__all__ = ["Decision", "after_run", "decide"]

_TICK = timedelta(microseconds=1)
_ON_TIME = timedelta(minutes=1)
"""Later than this is late for `skip` and `ask`, when no grace is given."""
_MOST = 20_000
"""Occurrences of one window that are looked at."""


class Decision(NamedTuple):
    """What to do with a claimed occurrence."""

    act: Literal["run", "skip", "ask"]
    note: str = ""
    following: Occurrence | None = None
    """What comes after it; for `run` found out when it has ended."""
    left_out: Occurrence | None = None
    """The first of further occurrences that are left out."""


def _latest(
    trigger: Trigger, first: datetime, now: datetime, count: int, days: WorkDays | None
) -> list[Occurrence]:
    """Give the last `count` occurrences from `first` to `now`, looking back only as far as needed."""
    span = timedelta(hours=1)
    while True:
        start = max(first - _TICK, now - span)
        found: list[Occurrence] = []
        following = trigger.next_after(start, days=days)
        for _ in range(_MOST):
            if following is None or following.nominal > now:
                break
            if following.due <= now:
                found.append(following)
            following = trigger.next_after(following.nominal, days=days)
        if len(found) >= count or start < first:
            return found[-count:]
        span *= 6


def decide(claimed: Claim, now: datetime, days: WorkDays | None = None) -> Decision:
    """Say what to do with an occurrence that was claimed at `now`."""
    entry, row = claimed
    if row.state in {"paused", "cancelled"} and entry.version not in {0, row.version}:
        return Decision("skip", f"the schedule was {row.state} meanwhile")
    if entry.attempts > 1 or entry.version != row.version:
        return Decision("run")  # begun before, or a person wants it
    trigger = read_trigger(row.trigger)
    nominal = from_us(entry.nominal_at)
    if entry.provisional:
        again = trigger.next_after(nominal - _TICK, days=days)
        if again is None or again.nominal != nominal:
            return Decision("skip", "the days off that were announced leave this day out", again)
    following = trigger.next_after(nominal, days=days)
    if following is not None and following.due <= now:
        kept = _latest(trigger, nominal, now, row.catch_up, days)
        if kept and kept[0].nominal > nominal:
            others = following if following.nominal < kept[0].nominal else None
            return Decision(
                "skip", f"missed; at most {row.catch_up} of those are made up for", kept[0], others
            )
    late = now - from_us(entry.due)
    policy = LatePolicy(row.late)
    grace = None if row.grace is None else timedelta(microseconds=row.grace)
    if policy is LatePolicy.SEND:
        if grace is not None and late > grace:
            return Decision("skip", f"{_span(late)} late, {_span(grace)} are allowed", following)
    elif late > (grace if grace is not None else _ON_TIME):
        act: Literal["skip", "ask"] = "skip" if policy is LatePolicy.SKIP else "ask"
        return Decision(act, f"{_span(late)} late", following)
    return Decision("run")


def after_run(
    claimed: Claim, *, started: datetime, now: datetime, days: WorkDays | None = None
) -> tuple[Occurrence | None, Occurrence | None]:
    """Give the next occurrence after one that ran, and the first of those left out because it still ran."""
    entry, row = claimed
    trigger = read_trigger(row.trigger)
    following = trigger.next_after(from_us(entry.nominal_at), days=days)
    if following is None or row.overlap != Overlapping.SKIP or not started < following.due <= now:
        return following, None
    left_out = following
    for _ in range(1000):
        if following is None or following.due > now:
            return following, left_out
        following = trigger.next_after(following.nominal, days=days)
    return trigger.next_after(now, days=days), left_out


def _span(value: timedelta) -> str:
    seconds = int(value / timedelta(seconds=1))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return f"{seconds} seconds"
