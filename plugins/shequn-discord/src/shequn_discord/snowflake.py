"""Snowflakes: Discord's ids, which hold the instant of their making."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shequn_sdk.errors import InvalidInput

__all__ = ["EPOCH_MS", "checked", "made_at", "parse_time", "snowflake_at", "time_of", "time_or_none"]

EPOCH_MS = 1_420_070_400_000
"""First instant of 2015 in milliseconds since 1970."""
_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)


def time_of(snowflake: str | int) -> datetime:
    """Give the instant at which a snowflake was made."""
    return _ORIGIN + timedelta(milliseconds=(int(snowflake) >> 22) + EPOCH_MS)


def snowflake_at(instant: datetime) -> int:
    """Give the smallest snowflake of an instant, for `before` and `after`; 0 before 2015."""
    millis = (instant - _ORIGIN) // timedelta(milliseconds=1) - EPOCH_MS
    return max(0, millis) << 22


def checked(value: str, what: str) -> str:
    """Check that `value` is a snowflake, so that it cannot change the path of a request.

    Raises:
        InvalidInput: it is none.
    """
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise InvalidInput(f"{value!r} is no Discord {what} id: it is a number such as 1300000000000000020")
    return value


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 instant; Discord leaves the offset out in a few places and means UTC."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def time_or_none(text: str | None) -> datetime | None:
    """Read an instant; None for none, and for what is no instant."""
    try:
        return parse_time(text) if text else None
    except (ValueError, OverflowError):
        return None


def made_at(snowflake: str | int, timestamp: str | None) -> datetime:
    """Give when a thing was made: by its timestamp, or by its id where that cannot be read."""
    try:
        return parse_time(timestamp or "")
    except (ValueError, OverflowError):
        return time_of(snowflake)
