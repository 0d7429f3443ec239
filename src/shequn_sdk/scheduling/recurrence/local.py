"""Local time made of instants and back: zones, and the nights on which clocks are changed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from shequn_sdk.errors import InvalidInput

__all__ = ["Gap", "Overlap", "clock_time", "next_local", "resolve", "zone_of"]


class Gap(StrEnum):
    """What becomes of a local time that does not exist, because clocks were put forward."""

    SHIFT_FORWARD = "shift_forward"
    """The first instant after the gap, as cron does."""
    SKIP = "skip"


class Overlap(StrEnum):
    """What becomes of a local time that exists twice, because clocks were put back."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


_WIDEST = timedelta(hours=26)
"""More than the widest jump of any zone: Samoa left out a whole day in 2011."""
_NO_ZONES = ("localtime", "posixrules", "Factory", "posix/", "right/")
"""What lies beside the zones on many machines: another thing on each, or with leap seconds."""
_CHINA = {
    "beijing",
    "peking",
    "china",
    "prc",
    "cst",
    "北京",
    "上海",
    "中国",
    "utc+8",
    "gmt+8",
    "+08:00",
    "+8",
    "+0800",
}
_TIME = re.compile(r"(?P<hour>\d{1,2})[:：](?P<minute>\d{2})(?:[:：](?P<second>\d{2}))?")


@lru_cache(maxsize=512)
def zone_of(name: str) -> ZoneInfo:
    """Give an IANA zone.

    Raises:
        InvalidInput: the name is empty or unknown; the nearest names are in the message.
    """
    if not name:
        raise InvalidInput("tz is missing: name an IANA zone such as Asia/Shanghai", source="tz")
    try:
        found = None if name.startswith(_NO_ZONES) else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found = None
    if found is None:
        if name.rpartition("/")[2].strip().lower() in _CHINA:
            near = ["Asia/Shanghai"]
        else:
            known = [one for one in available_timezones() if not one.startswith(_NO_ZONES)]
            near = difflib.get_close_matches(name[:64], known, n=2, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "name one such as Asia/Shanghai"
        raise InvalidInput(f"{name[:64]!r} is no IANA time zone; {hint}", source="tz")
    return found


def clock_time(text: str, *, source: str = "at") -> time:
    """Read `20:00` or `20:00:30`.

    Raises:
        InvalidInput: it is no time of the day.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(f"{source}: {text!r} is no time of the day; write it as 20:00", source=source)
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    try:
        return time(hour, minute, second)
    except ValueError:
        raise InvalidInput(
            f"{source}: {text!r} is no time of the day: hours go from 0 to 23, minutes to 59", source=source
        ) from None


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Give the instant at which the offset changes, between two instants in UTC; accurate to a second."""
    old = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before) / timedelta(seconds=1)) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return before.replace(microsecond=0) + timedelta(seconds=high)


def resolve(naive: datetime, zone: ZoneInfo, *, gap: Gap, overlap: Overlap) -> tuple[datetime, ...]:
    """Give the instants (in UTC, ascending) that a local time stands for."""
    first = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return (first,)
    if first > second:  # no such local time
        if gap is Gap.SKIP:
            return ()
        return (_end_of_gap(second - timedelta(seconds=1), first, zone),)
    if overlap is Overlap.BOTH:
        return first, second
    return (first,) if overlap is Overlap.FIRST else (second,)


def next_local(
    step: Callable[[datetime], datetime | None],
    zone: ZoneInfo,
    after: datetime,
    *,
    gap: Gap = Gap.SHIFT_FORWARD,
    overlap: Overlap = Overlap.FIRST,
) -> datetime | None:
    """Give the first instant after `after` that a series of local times has.

    Args:
        step: gives the next naive local time strictly after one; None at the end.
        zone: where the local times count.
        after: aware instant.
        gap: what to do with local times that do not exist.
        overlap: what to do with local times that exist twice.
    """
    try:
        here = after.astimezone(zone)
        before, later = (after - _WIDEST).astimezone(zone), (after + _WIDEST).astimezone(zone)
    except OverflowError:
        return None
    quiet = before.utcoffset() == here.utcoffset() == later.utcoffset()
    margin = timedelta() if quiet else _WIDEST
    cursor = here.replace(tzinfo=None, fold=0) - margin
    best: datetime | None = None
    edge: datetime | None = None
    while True:
        following = step(cursor)
        if following is None or (edge is not None and following > edge):
            return best
        cursor = following
        try:
            found = resolve(cursor, zone, gap=gap, overlap=overlap)
        except OverflowError:
            return best
        for instant in found:
            if instant > after and (best is None or instant < best):
                best = instant
                edge = instant.astimezone(zone).replace(tzinfo=None, fold=0) + margin
        if quiet and best is not None:
            return best  # local times that follow one another are instants that do, away from where one looked from
