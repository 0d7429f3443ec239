"""Budgets: how a published rate limit fills and drains, one small class per shape. Pure; time comes in."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from shequn_sdk.platforms.manifest import RateLimit, RateShape

__all__ = ["Budget", "make_budget"]

_MARGIN = 0.002
_LEAST_MARGIN = 0.002
_MOST_MARGIN = 0.05
_TRANSIT = 0.2
"""Longest time on the way that is reckoned with, as share of the window, while it is not known to be longer."""
_MOST_TRANSIT = 5.0
_LOST = 5.0
"""Seconds after which a request without an answer is taken to have arrived."""
_NOTHING = 1e-6
"""Seconds since 1970 as floats are no more precise than this."""
_ENOUGH = 5
"""Round trips to have seen before the quickest of them is relied on: the first ones open connections."""
_QUICKEST = 0.8
"""Share of the quickest round trip that every later one is trusted to take as well."""


class Budget(Protocol):
    """What is left of one limit in one scope. Times are seconds since 1970."""

    def wait(self, now: float, *, usable: int, spread: bool) -> float:
        """Give the seconds until one more request fits.

        Args:
            usable: how much of the amount the asker may use (less than all where a reserve is kept).
            spread: whether the asker must spread over the window instead of using it up.
        """
        ...

    def take(self, now: float) -> None:
        """Count one request."""
        ...

    def settle(self, taken: float, now: float, *, left: float | None = None) -> None:
        """Note that the request counted at `taken`, which `left` then or later, was answered.

        The platform counted it no later than now.
        """
        ...

    def widen(self) -> None:
        """Keep more distance: the platform counted otherwise than we did."""
        ...

    def dump(self) -> Any:
        """Give the state as JSON, for sharing."""
        ...

    def load(self, state: Any) -> None:
        """Take over a state that `dump` gave."""
        ...


class _Base:
    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self.per = limit.per / timedelta(seconds=1)
        # The platform counts arrivals, which lie between departure and answer: until the answer is there, a request
        # counts as late as it may have arrived. Afterwards it counts from its answer on, less the quickest round
        # trip, because a later request needs at least that long as well.
        self.transit = min(self.per * _TRANSIT, _MOST_TRANSIT)
        self.quickest = math.inf
        self.trips = 0
        self.margin = min(max(self.per * _MARGIN, _LEAST_MARGIN), _MOST_MARGIN)

    def arrived(self, left: float, now: float) -> float:
        """Give the instant at which a request can have arrived at the latest."""
        self.trips += 1
        self.quickest = min(self.quickest * 1.01, max(now - left, 0.0))
        return min(now, left + _LOST + self.ahead)

    @property
    def ahead(self) -> float:
        """Seconds that a request needs at least before it counts."""
        return self.quickest * _QUICKEST if self.trips >= _ENOUGH else 0.0

    def settle(self, taken: float, now: float, *, left: float | None = None) -> None:
        """Do nothing: even pacing does not depend on when a request arrived."""

    def widen(self) -> None:
        self.margin = min(self.margin * 2 + 0.001, self.per * 0.1)


class _Gcra(_Base):
    """A leaky bucket as one number: the instant at which it is empty again (theoretical arrival time)."""

    def __init__(self, limit: RateLimit, burst: int) -> None:
        super().__init__(limit)
        self.burst = burst
        self.tat = 0.0
        self.open: deque[float] = deque()
        """When those left that have no answer yet."""

    @property
    def step(self) -> float:
        return self.per / self.limit.amount + self.margin / max(self.limit.amount, 10)

    def wait(self, now: float, *, usable: int, spread: bool) -> float:
        del spread
        room = max(min(self.burst, math.ceil(self.burst * usable / self.limit.amount)), 1)
        wait = self._known(now) - self.ahead - now - (room - 1) * self.step
        return wait if wait > _NOTHING else 0.0

    def take(self, now: float) -> None:
        self.open.append(now)

    def settle(self, taken: float, now: float, *, left: float | None = None) -> None:
        """Let it count from its answer on: a late arrival is followed by one that must not be early."""
        if taken not in self.open:
            return
        self.open.remove(taken)
        self.tat = max(self.tat, self.arrived(left or taken, now)) + self.step

    def widen(self) -> None:
        """Keep more distance, and trust less in bursts."""
        super().widen()
        self.burst = max(self.burst // 2, 1)

    def _known(self, now: float) -> float:
        # a clock that jumped back must not block for long
        while self.open and not now - _LOST < self.open[0] <= now + self.per:
            self.tat = max(self.tat, min(self.open.popleft(), now)) + self.step
        self.tat = min(self.tat, now + self.ahead + (self.burst + 1) * self.step)
        return self.dump()

    def dump(self) -> Any:
        tat = self.tat
        for taken in self.open:
            tat = max(tat, taken + self.ahead) + self.step
        return tat

    def load(self, state: Any) -> None:
        self.tat = float(state)


class _Sliding(_Base):
    """At most `amount` in any stretch of `per`: remembers when each request of the last stretch was answered."""

    def __init__(self, limit: RateLimit) -> None:
        super().__init__(limit)
        self.stamps: deque[float] = deque()
        self.open: deque[float] = deque()
        """Until when those that have no answer yet are reckoned to arrive."""
        self.pace = None if limit.burst is None or limit.burst >= limit.amount else _Gcra(limit, limit.burst)

    def wait(self, now: float, *, usable: int, spread: bool) -> float:
        stretch = self.per + self.margin - self.ahead
        soon = now + self.transit + stretch
        while self.open and not now - _LOST < self.open[0] <= soon:
            self.open.popleft()
        while self.stamps and not now - stretch < self.stamps[0] <= soon:
            self.stamps.popleft()
        over = len(self.stamps) + len(self.open) - usable
        wait = 0.0
        if over >= len(self.stamps):
            # one that is on its way for longer than was reckoned with counts as if it arrived now
            wait = max(self.open[over - len(self.stamps)], now) + stretch - now
        elif over >= 0:
            wait = max(self.stamps[over] + stretch - now, 0.0)
        if self.pace is not None:
            wait = max(wait, self.pace.wait(now, usable=usable, spread=spread))
        return wait

    def take(self, now: float) -> None:
        insort(self.open, now + self.transit)
        if self.pace is not None:
            self.pace.take(now)

    def settle(self, taken: float, now: float, *, left: float | None = None) -> None:
        """Count the request from its answer on."""
        late = taken + self.transit
        for stamps in (self.open, self.stamps):  # after `load` they are all in the second
            if late in stamps:
                stamps.remove(late)
                insort(self.stamps, self.arrived(left or taken, now))
                break
        if self.pace is not None:
            self.pace.settle(taken, now, left=left)

    def dump(self) -> Any:
        quickest = self.quickest if math.isfinite(self.quickest) else None
        return [
            sorted([*self.stamps, *self.open]),
            self.pace.dump() if self.pace is not None else 0.0,
            quickest,
        ]

    def load(self, state: Any) -> None:
        self.stamps = deque(state[0])
        if state[2] is not None:  # many processes have seen many trips
            self.quickest, self.trips = float(state[2]), _ENOUGH
        if self.pace is not None:
            self.pace.load(state[1])


class _Window(_Base):
    """Windows of length `per`, from their first request or aligned to the clock of the platform's zone."""

    def __init__(self, limit: RateLimit) -> None:
        super().__init__(limit)
        self.zone = ZoneInfo(limit.zone)
        self.start = -math.inf
        self.count = 0

    def _bounds(self, now: float) -> tuple[float, float]:
        if self.limit.shape is RateShape.FIXED:
            if now >= self.start + self.per + self.margin - self.ahead or now < self.start - self.per:
                return now + self.transit, now + self.transit + self.per + self.margin
            return self.start, self.start + self.per + self.margin - self.ahead
        if self.per >= 86_400:
            local = datetime.fromtimestamp(now, UTC).astimezone(self.zone)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            days = round(self.per / 86_400)
            begin = midnight - timedelta(days=midnight.toordinal() % days)
            return begin.timestamp(), (begin + timedelta(days=days)).timestamp()
        offset = datetime.fromtimestamp(now, UTC).astimezone(self.zone).utcoffset()
        shift = 0.0 if offset is None else offset.total_seconds()
        begin = math.floor((now + shift) / self.per) * self.per - shift
        return begin, begin + self.per

    def _roll(self, now: float) -> tuple[float, float]:
        start, end = self._bounds(now)
        if start != self.start:
            self.start, self.count = start, 0
        return start, end

    def wait(self, now: float, *, usable: int, spread: bool) -> float:
        if self.limit.shape is RateShape.FIXED and now >= self.start + self.per + self.margin - self.ahead:
            return 0.0
        start, end = self._roll(now)
        if self.count >= usable:
            return end - now + (self.margin if self.limit.shape is RateShape.CALENDAR else 0.0)
        if spread and self.limit.shape is RateShape.CALENDAR and self.per >= 3600:
            earliest = start + self.count * (end - start) / usable
            return max(earliest - now, 0.0)
        return 0.0

    def take(self, now: float) -> None:
        self._roll(now)
        self.count += 1

    def settle(self, taken: float, now: float, *, left: float | None = None) -> None:
        """A fixed window began when its first request arrived, which was before the answer."""
        if self.limit.shape is RateShape.FIXED and self.start == taken + self.transit:
            self.start = self.arrived(left or taken, now)

    def dump(self) -> Any:
        return [self.start if math.isfinite(self.start) else 0.0, self.count]

    def load(self, state: Any) -> None:
        self.start, self.count = float(state[0]), int(state[1])


def make_budget(limit: RateLimit) -> Budget:
    """Give an untouched budget for a limit."""
    if limit.shape in {RateShape.FIXED, RateShape.CALENDAR}:
        return _Window(limit)
    if limit.shape is RateShape.LEAKY:
        return _Gcra(limit, limit.burst or limit.amount)
    if limit.burst is not None and limit.burst > limit.amount:
        return _Gcra(limit, limit.burst)
    return _Sliding(limit)
