"""Clocks: the machine's, and one that tests and rehearsals move by hand."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import anyio

__all__ = ["ManualClock", "SystemClock"]


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Give the present instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep really."""
        await anyio.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that stands still until it is moved; sleepers wake when their time is reached.

    >>> clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    >>> clock.advance(timedelta(hours=2)).isoformat()
    '2026-03-01T02:00:00+00:00'
    """

    def __init__(self, start: datetime) -> None:
        """Start at `start`, which must be aware."""
        if start.tzinfo is None:
            raise ValueError("start must be aware: give it a tzinfo")
        self._now = start.astimezone(UTC)
        self._zero = self._now
        self._moved: anyio.Event | None = None
        self._sleepers: Counter[datetime] = Counter()

    @property
    def next_wake(self) -> datetime | None:
        """The instant at which the first sleeper wakes; None when nobody sleeps."""
        return min(self._sleepers, default=None)

    def now(self) -> datetime:
        """Give the instant at which the clock stands, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Give seconds since the start."""
        return (self._now - self._zero).total_seconds()

    def advance(self, by: timedelta | float) -> datetime:
        """Move by a span or by seconds; backwards is allowed for tests of clock jumps."""
        return self.move_to(self._now + (by if isinstance(by, timedelta) else timedelta(seconds=by)))

    def move_to(self, instant: datetime) -> datetime:
        """Move to `instant` and wake the sleepers whose time has come."""
        self._now = instant.astimezone(UTC)
        if self._moved is not None:
            moved, self._moved = self._moved, None
            moved.set()
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was moved by `seconds`; must run in the loop that moves the clock."""
        until = self._now + timedelta(seconds=seconds)
        self._sleepers[until] += 1
        try:
            while self._now < until:
                moved = self._moved
                if moved is None:
                    moved = self._moved = anyio.Event()
                await moved.wait()
        finally:
            self._sleepers[until] -= 1
            if not self._sleepers[until]:
                del self._sleepers[until]
