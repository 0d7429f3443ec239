"""What the time is where answers come from: the `Date` of HTTP answers that a block of code caused.

`HttpClient` notes it. An adapter with connections of its own calls `note_date` with the headers of an answer, else a
look-up cannot put a wrong clock of this machine right.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["note_date", "overheard"]

_heard: ContextVar[list[datetime] | None] = ContextVar("shequn_dates", default=None)


def note_date(headers: Mapping[str, str]) -> None:
    """Keep the `date` of an answer for who listens; names of headers are in small letters."""
    heard = _heard.get()
    if heard is None:
        return
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return
    heard.append(date if date.tzinfo is not None else date.replace(tzinfo=UTC))


@contextmanager
def overheard() -> Generator[list[datetime]]:
    """Give the list into which dates of answers go that come inside, also to tasks that are started inside."""
    heard: list[datetime] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)
