"""Buckets that a platform describes in its answers, learnt as they are seen."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BucketReport", "LearnedBucket"]

_SAME_RESET = 0.25
"""Two reports name the same reset when they differ by less than this share of one token's time."""


@dataclass(frozen=True, slots=True)
class BucketReport:
    """State of a bucket after one request, as headers tell it."""

    bucket: str
    """The platform's name of the bucket; requests that share it share the budget."""
    limit: int
    remaining: int
    reset_after: float
    """Seconds until it is full again."""


class LearnedBucket:
    """One bucket; finds out whether it refills at once (fixed window) or evenly (leaky)."""

    def __init__(self, identity: str) -> None:
        """Know the bucket's name only."""
        self.identity = identity
        self.leaky: bool | None = None
        self._limit = 1
        self._tokens = 1.0
        self._at = 0.0
        self._reset_at = 0.0
        self._rate = 0.0

    def observe(self, report: BucketReport, now: float) -> None:
        """Take over a report.

        In a fixed window all requests name one reset; in a leaky bucket each pushes the reset by one token's time.
        """
        reset_at = now + report.reset_after
        used = max(report.limit - report.remaining, 1)
        token = report.reset_after / used
        if (
            self._at
            and self._limit == report.limit
            and now < self._reset_at
            and report.remaining < report.limit - 1
        ):
            moved = reset_at - self._reset_at
            self.leaky = abs(moved) > _SAME_RESET * max(token, 0.001)
        self._limit = report.limit
        self._tokens = float(report.remaining)
        self._at = now
        self._reset_at = reset_at
        if self.leaky and report.reset_after > 0:
            self._rate = used / report.reset_after

    def wait(self, now: float) -> float:
        """Give the seconds until a token is there: for leaky buckets one token's time, not the full reset."""
        if now >= self._reset_at:
            return 0.0
        if self.leaky and self._rate:
            tokens = self._tokens + (now - self._at) * self._rate
            return 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        return 0.0 if self._tokens >= 1 else self._reset_at - now

    def take(self, now: float) -> None:
        """Count a request that has no report yet."""
        if now >= self._reset_at:
            self._tokens = float(self._limit)
        elif self.leaky and self._rate:
            self._tokens = min(self._tokens + (now - self._at) * self._rate, float(self._limit))
            self._at = now
        self._tokens -= 1
