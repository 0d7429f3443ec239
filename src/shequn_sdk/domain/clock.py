"""Time comes in as an argument, so that a year can be rehearsed in seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

__all__ = ["Clock"]


@runtime_checkable
class Clock(Protocol):
    """The only source of time in the SDK. See `shequn_sdk.scheduling.clock` for the real ones."""

    def now(self) -> datetime:
        """Give the present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never run backwards; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when this clock has advanced by `seconds` (at once when not positive)."""
        ...
