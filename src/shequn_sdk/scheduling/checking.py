"""What callers give a scheduler, checked before anything is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel

from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.chinese import WorkDays
from shequn_sdk.scheduling.triggers import Occurrence, Trigger
from shequn_sdk.stores.schema import from_us

__all__ = [
    "aware",
    "catch_up_of",
    "choice",
    "count_of",
    "first_of",
    "grace_of",
    "json_of",
    "name_of",
    "trigger_of",
]

E = TypeVar("E", bound=StrEnum)

_NAME = 200
_MOST = 20_000
"""Missed occurrences that one schedule can make up for: so many are looked at."""
_MOST_ROWS = 1_000_000
_GRACE = timedelta(days=36_525)


def first_of(when: Trigger, now: datetime, days: WorkDays | None) -> Occurrence:
    """Give the first occurrence to come.

    Raises:
        InvalidInput: there is none; the message says whether there ever was one.
    """
    first = when.next_after(now, days=days)
    if first is not None:
        return first
    if when.next_after(from_us(0), days=days) is not None:
        raise InvalidInput(
            f"the schedule has nothing to come: its last time has passed, it is {now.isoformat(timespec='seconds')}"
        )
    if when.only is not None or when.quiet is not None:
        raise InvalidInput("the schedule never fires: `only` and quiet hours leave nothing of its trigger")
    raise InvalidInput(
        f"the schedule never fires: nothing of its trigger is between 1970 and as far as one looks ahead, "
        f"it is {now.isoformat(timespec='seconds')}"
    )


def trigger_of(when: object) -> Trigger:
    """Give a trigger as it is.

    Raises:
        InvalidInput: it is something else.
    """
    if isinstance(when, Trigger):
        return when
    raise InvalidInput(
        f"when must be a trigger, such as Cron('0 20 * * fri', tz='Asia/Shanghai'), not {type(when).__name__}",
        source="when",
    )


def json_of(arguments: object) -> str:
    """Give the arguments of a handler as JSON.

    Raises:
        InvalidInput: they are none.
    """
    given = arguments.model_dump(mode="json") if isinstance(arguments, BaseModel) else arguments
    if given is not None and not isinstance(given, Mapping):
        raise InvalidInput(
            f"the arguments of a schedule must be a dictionary or a model, not {type(given).__name__}",
            source="arguments",
        )
    try:
        text = json.dumps(dict(given or {}), ensure_ascii=False, allow_nan=False)  # pyright: ignore[reportUnknownArgumentType]
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the arguments of a schedule must be JSON: {error}", source="arguments") from None
    return text


def name_of(name: object) -> str:
    """Give a schedule's name without blanks around it.

    Raises:
        InvalidInput: it is none, or cannot be kept.
    """
    if not isinstance(name, str):
        raise InvalidInput(f"name must be text, not {type(name).__name__}", source="name")
    short = name.strip()
    if len(short) > _NAME or not short.isprintable():
        raise InvalidInput(
            f"name: {short[:40]!r} cannot be kept: at most {_NAME} characters on one line", source="name"
        )
    return short


def choice(kind: type[E], value: object, source: str) -> E:
    """Give one of the values of an enumeration, of it or of its text.

    Raises:
        InvalidInput: it has no such value.
    """
    try:
        return kind(value)
    except ValueError:
        raise InvalidInput(f"{source}: {value!r} must be one of {', '.join(kind)}", source=source) from None


def grace_of(grace: object) -> int | None:
    """Give a grace in microseconds.

    Raises:
        InvalidInput: it is no span, negative, or longer than a hundred years.
    """
    if grace is None:
        return None
    if not isinstance(grace, timedelta):
        raise InvalidInput(f"grace must be a timedelta, not {type(grace).__name__}", source="grace")
    if not timedelta() <= grace <= _GRACE:
        words = (
            "must not be negative"
            if grace < timedelta()
            else "is at most a hundred years; None is without end"
        )
        raise InvalidInput(f"grace {words}", source="grace")
    return grace // timedelta(microseconds=1)


def catch_up_of(count: object) -> int:
    """Give how many missed occurrences are made up for.

    Raises:
        InvalidInput: it is no number from 1 on.
    """
    if not isinstance(count, int) or count < 1:
        raise InvalidInput(
            "catch_up must be at least 1; to leave out what is late, use late=LatePolicy.SKIP",
            source="catch_up",
        )
    if count > _MOST:
        raise InvalidInput(f"catch_up is at most {_MOST:,}", source="catch_up")
    return count


def count_of(count: int, source: str = "limit") -> int:
    """Give how many rows are wanted, in bounds.

    Raises:
        InvalidInput: it is negative.
    """
    if count < 0:
        raise InvalidInput(f"{source} must not be negative", source=source)
    return min(count, _MOST_ROWS)


def aware(instant: datetime, source: str) -> datetime:
    """Give an instant as it is.

    Raises:
        InvalidInput: it has no zone.
    """
    if instant.tzinfo is None:
        raise InvalidInput(f"{source} must be aware: give it a tzinfo", source=source)
    return instant
