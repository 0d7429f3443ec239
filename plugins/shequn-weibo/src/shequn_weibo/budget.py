"""The daily budget of calls, spread over China's day, with a reserve that only writes may use."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from shequn_sdk.domain import Clock
from shequn_sdk.errors import RateLimited
from shequn_weibo.errors import PLATFORM
from shequn_weibo.wire import CHINA

__all__ = ["DayPlan"]

_DAY = timedelta(days=1)
BURST = 8
"""Polling may run this many calls ahead of the even pace."""


class DayPlan:
    """Counts the calls of one account and says which of them may still be made today.

    Args:
        per_day: calls a day, None for no limit.
        reserve: how many of them are kept for writes.
    """

    def __init__(self, *, clock: Clock, per_day: int | None, reserve: int = 0) -> None:
        self._clock = clock
        self.per_day = per_day
        self.reserve = reserve
        self._day = self._today()
        self._spent = 0

    @property
    def day(self) -> date:
        """The day in China that is counted."""
        self._roll()
        return self._day

    @property
    def spent(self) -> int:
        """Calls made today, as far as is known."""
        self._roll()
        return self._spent

    @property
    def left(self) -> int | None:
        """Calls left today, None for no limit."""
        return None if self.per_day is None else max(0, self.per_day - self.spent)

    def resets_in(self) -> timedelta:
        """Give the time until the next day in China."""
        now = self._now()
        midnight = datetime(now.year, now.month, now.day, tzinfo=CHINA) + _DAY
        return midnight - now

    def note(self, calls: int = 1) -> None:
        """Count calls that were sent."""
        self._roll()
        self._spent += calls

    def restore(self, day: date, spent: int) -> None:
        """Take over what an earlier process counted; only for today, and never downwards."""
        self._roll()
        if day == self._day:
            self._spent = max(self._spent, spent)

    def exhaust(self) -> None:
        """Believe the platform that today's calls are used up."""
        if self.per_day is not None:
            self._roll()
            self._spent = max(self._spent, self.per_day)

    def may_poll(self, calls: int = 1) -> bool:
        """Whether polling may make `calls` now: not ahead of the day by more than a burst, never into the reserve."""
        if self.per_day is None:
            return True
        share = self.per_day - self.reserve
        elapsed = 1 - self.resets_in() / _DAY
        return self.spent + calls <= min(share, share * elapsed + BURST)

    def check(self, operation: str, *, write: bool) -> None:
        """Refuse a call for which nothing is left, before it is sent.

        Raises:
            RateLimited: with the time until the next day.
        """
        if self.per_day is None:
            return
        most = self.per_day if write else self.per_day - self.reserve
        if self.spent < most:
            return
        kept = (
            ""
            if write or self.spent >= self.per_day
            else f"; the last {self.reserve} are kept for posts and comments"
        )
        raise RateLimited(
            f"weibo: {operation} was not sent, because {self.spent} of {self.per_day} calls of the day are used{kept}; "
            "wait for the next day in China, or set daily_budget to what the application really has",
            retry_after=self.resets_in(),
            scope="account",
            platform=PLATFORM,
            operation=operation,
        )

    def _now(self) -> datetime:
        return self._clock.now().astimezone(CHINA)

    def _today(self) -> date:
        return self._now().date()

    def _roll(self) -> None:
        today = self._today()
        if today != self._day:
            self._day, self._spent = today, 0
