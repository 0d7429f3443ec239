"""The clock of the database server, read through the machine's own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from shequn_sdk.scheduling.clock import SystemClock

__all__ = ["ServerClock"]

_TIMER = getattr(time, "CLOCK_BOOTTIME", None)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _elapsed() -> float:
    """Give seconds that no change of the machine's clock touches, and that go on while the machine sleeps."""
    return time.monotonic() if _TIMER is None else time.clock_gettime(_TIMER)


class ServerClock(SystemClock):
    """One time for all hosts: leases and due instants are compared by the database's clock.

    Between two readings it goes on by this machine's timer, so that neither a host whose clock is wrong nor one whose
    clock jumps sends early or loses a lease.
    """

    def __init__(self) -> None:
        """Go by the machine's clock until the first `read`."""
        self._at = _elapsed()
        self._us = time.time_ns() // 1000

    def now(self) -> datetime:
        """Give the present instant of the server in UTC."""
        return _EPOCH + timedelta(microseconds=self._us + int((_elapsed() - self._at) * 1e6))

    @staticmethod
    def mark() -> float:
        """Give what `read` needs to know about the moment before the question."""
        return _elapsed()

    def read(self, asked: float, microseconds: int) -> None:
        """Take over an answer of the server, given between `asked` and now; `microseconds` since 1970."""
        answered = _elapsed()
        self._at, self._us = (asked + answered) / 2, microseconds

    @property
    def age(self) -> float:
        """Seconds since the last reading."""
        return _elapsed() - self._at
