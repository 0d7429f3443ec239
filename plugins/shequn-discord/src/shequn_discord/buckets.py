"""Rate-limit buckets, learnt from the headers of Discord's answers.

A bucket is named by `X-RateLimit-Bucket` and the request's top-level resource. Discord does not say how a bucket
refills, so it is observed: when the reset moves later with every request, the bucket is leaky and one token is back
long before the reset; else the whole window has to pass.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from shequn_sdk.domain import Clock
from shequn_sdk.errors import RateLimited

__all__ = ["Bucket", "Buckets"]

GLOBAL_PER_SECOND = 50
INVALID_WINDOW = 600.0
INVALID_LIMIT = 9_500
"""Discord bans an address at 10,000 refused requests in ten minutes."""
_KEPT = 2_000


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e8 else None


@dataclass(slots=True)
class Bucket:
    """What is known of one bucket; instants are monotonic seconds of the clock."""

    limit: int = 1
    remaining: float = 1.0
    reset_at: float = 0.0
    seen_at: float = 0.0
    leaky: bool = False
    known: bool = False
    blocked_until: float = 0.0
    under_way: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def available(self, now: float) -> float:
        """Tokens there are at `now`, as far as is known."""
        if not self.known or now >= self.reset_at:
            return float(self.limit)
        if not self.leaky:
            return self.remaining
        span = self.reset_at - self.seen_at
        missing = self.limit - self.remaining
        if span <= 0 or missing <= 0:
            return self.remaining
        return min(float(self.limit), self.remaining + missing * (now - self.seen_at) / span)

    def wait(self, now: float) -> float:
        """Seconds until one more request may go."""
        blocked = max(0.0, self.blocked_until - now)
        if not self.known:
            return blocked
        free = self.available(now) - self.under_way
        if free >= 1.0:
            return blocked
        if now >= self.reset_at:  # all tokens are out with requests under way
            return max(blocked, 0.01)
        if not self.leaky:
            return max(blocked, self.reset_at - now)
        missing = self.limit - self.remaining
        per_token = (self.reset_at - self.seen_at) / missing if missing > 0 else 0.0
        return max(blocked, min((1.0 - free) * per_token, self.reset_at - now))

    def learn(self, headers: Mapping[str, str], now: float) -> None:
        """Take over what an answer says."""
        limit = _number(headers.get("x-ratelimit-limit"))
        remaining = _number(headers.get("x-ratelimit-remaining"))
        after = _number(headers.get("x-ratelimit-reset-after"))
        if limit is None or remaining is None or after is None:
            if not self.known:  # a route without limits of its own
                self.limit, self.remaining, self.known = GLOBAL_PER_SECOND, float(GLOBAL_PER_SECOND), True
            return
        reset_at = now + after
        if self.known and now < self.reset_at and remaining < self.remaining:
            self.leaky = reset_at > self.reset_at + max(0.05, 0.05 * after)
        self.limit, self.remaining, self.reset_at, self.seen_at = max(1, int(limit)), remaining, reset_at, now
        self.known = True


class Buckets:
    """All buckets of one account, its global limit, and the guard against too many refused requests.

    Args:
        clock: the account's clock.
        max_wait: longest time a request waits here; beyond it `RateLimited` is raised and nothing is sent.
    """

    def __init__(self, clock: Clock, *, max_wait: timedelta = timedelta(seconds=10)) -> None:
        self._clock = clock
        self._max_wait = max_wait.total_seconds()
        self._names: dict[str, str] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._sent: deque[float] = deque(maxlen=GLOBAL_PER_SECOND)
        self._global_until = 0.0
        self._invalid: deque[float] = deque()
        self._ahead = 0.0

    def _now(self) -> float:
        return self._clock.monotonic() + self._ahead

    async def _sleep(self, seconds: float) -> None:
        """Sleep; time counts as passed even on a clock whose `monotonic` stands still."""
        goal = self._now() + seconds
        await self._clock.sleep(seconds)
        self._ahead += max(0.0, goal - self._now())

    def bucket(self, route: str, major: str) -> Bucket:
        """Give the bucket of a route (method and path template) and its top-level resource."""
        key = (self._names.get(route, route), major)
        found = self._buckets.get(key)
        if found is None:
            if len(self._buckets) >= _KEPT:
                self._forget()
            found = self._buckets[key] = Bucket()
        return found

    def _forget(self) -> None:
        now = self._now()
        for key in [
            k for k, b in self._buckets.items() if not b.under_way and max(b.reset_at, b.blocked_until) < now
        ]:
            del self._buckets[key]

    def _global_wait(self, now: float) -> float:
        wait = max(0.0, self._global_until - now)
        if len(self._sent) == GLOBAL_PER_SECOND:
            wait = max(wait, self._sent[0] + 1.0 - now)
        return wait

    def _guard(self, now: float, operation: str) -> None:
        while self._invalid and self._invalid[0] <= now - INVALID_WINDOW:
            self._invalid.popleft()
        if len(self._invalid) >= INVALID_LIMIT:
            wait = self._invalid[0] + INVALID_WINDOW - now
            raise RateLimited(
                f"{len(self._invalid)} requests were refused in ten minutes, at 10000 Discord bans this address: "
                f"{operation} was not sent; look why requests are refused",
                retry_after=timedelta(seconds=wait),
                scope="app",
                platform="discord",
                operation=operation,
            )

    @asynccontextmanager
    async def slot(
        self, route: str, major: str, *, operation: str, exempt: bool = False
    ) -> AsyncGenerator[Bucket]:
        """Wait for a token; the request goes inside. `exempt` calls do not count against the global limit.

        Raises:
            RateLimited: the wait would be longer than `max_wait`; nothing was sent.
        """
        bucket = self.bucket(route, major)
        waited = 0.0
        while True:
            now = self._now()
            self._guard(now, operation)
            if not bucket.known and bucket.lock.locked():
                # One request at a time until the first answer has told the bucket's size.
                async with bucket.lock:
                    pass
                bucket = self.bucket(route, major)
                continue
            own = bucket.wait(now)
            shared = 0.0 if exempt else self._global_wait(now)
            wait = max(own, shared)
            if wait <= 0:
                break
            if waited + wait > self._max_wait:
                raise RateLimited(
                    f"the limit of {operation} is used up, {wait:.1f} s are left to wait: nothing was sent",
                    retry_after=timedelta(seconds=wait),
                    scope="account" if shared > own else "endpoint",
                    platform="discord",
                    operation=operation,
                )
            waited += wait
            await self._sleep(wait)
        bucket.under_way += 1
        if not exempt:
            self._sent.append(now)
        first = not bucket.known
        if first:
            await bucket.lock.acquire()
        try:
            yield bucket
        finally:
            bucket.under_way -= 1
            if first:
                bucket.lock.release()

    def observe(
        self,
        route: str,
        major: str,
        bucket: Bucket,
        status: int,
        headers: Mapping[str, str],
        retry_after: float | None,
    ) -> None:
        """Learn from an answer."""
        now = self._now()
        name = headers.get("x-ratelimit-bucket")
        if name and self._names.get(route) != name:
            self._names[route] = name
            known = self._buckets.setdefault((name, major), bucket)
            if known is not bucket:
                bucket = known
        bucket.learn(headers, now)
        scope = headers.get("x-ratelimit-scope", "")
        if status in {401, 403} or (status == 429 and scope != "shared"):
            self._invalid.append(now)
        if status == 429 and retry_after is not None:
            if scope == "global" or headers.get("x-ratelimit-global", "").lower() == "true":
                self._global_until = max(self._global_until, now + retry_after)
            else:
                bucket.blocked_until = max(bucket.blocked_until, now + retry_after)

    @property
    def refused(self) -> int:
        """Requests that Discord refused in the last ten minutes."""
        return len(self._invalid)
