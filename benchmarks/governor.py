"""The governor against a strict local server, at the machine's clock. Run: python benchmarks/governor.py [--peer].

The server counts each request when it arrives and answers 429 beyond the published limits, so that a governor that is
too fast is refused and one that is too slow is late. The figure is the share of the fastest possible time.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import time
from collections import defaultdict, deque
from datetime import timedelta

from shequn_sdk.errors import RateLimited
from shequn_sdk.platforms.governor import BucketReport, Governor
from shequn_sdk.platforms.manifest import Capability, Manifest, RateLimit, RateScope, RateShape
from shequn_sdk.scheduling.clock import SystemClock


class Strict:
    """Sliding windows, counted on arrival; the way there takes 1-4 ms at random."""

    def __init__(self, *limits: tuple[str, int, float]) -> None:
        self.limits = limits
        self.seen: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self.refused = 0
        self.rng = random.Random(3)

    async def request(self, channel: str) -> None:
        await asyncio.sleep(self.rng.uniform(0.001, 0.004))
        now = time.monotonic()
        windows = []
        for scope, amount, per in self.limits:
            window = self.seen[scope, channel if scope == "channel" else ""]
            while window and window[0] <= now - per:
                window.popleft()
            if len(window) >= amount:
                self.refused += 1
                raise RateLimited(
                    "429", retry_after=timedelta(seconds=window[0] + per - now), scope="account"
                )
            windows.append(window)
        for window in windows:
            window.append(now)
        await asyncio.sleep(self.rng.uniform(0.001, 0.004))


class Bucket:
    """A Discord-like bucket that tells its state in each answer."""

    def __init__(self, limit: int, per: float, *, leaky: bool) -> None:
        self.limit, self.per, self.leaky = limit, per, leaky
        self.tokens, self.at, self.reset = float(limit), time.monotonic(), 0.0
        self.refused = 0

    async def request(self, channel: str) -> BucketReport:
        del channel
        await asyncio.sleep(0.002)
        now = time.monotonic()
        if self.leaky:
            self.tokens = min(self.limit, self.tokens + (now - self.at) * self.limit / self.per)
        elif now >= self.reset:
            self.tokens, self.reset = float(self.limit), now + self.per
        self.at = now
        if self.tokens < 1:
            self.refused += 1
            wait = (1 - self.tokens) * self.per / self.limit if self.leaky else self.reset - now
            raise RateLimited("429", retry_after=timedelta(seconds=wait), scope="channel")
        self.tokens -= 1
        after = (self.limit - self.tokens) * self.per / self.limit if self.leaky else self.reset - now
        await asyncio.sleep(0.002)
        return BucketReport("b", self.limit, int(self.tokens), round(after, 3))


async def drive(
    server: Strict | Bucket, manifest: Manifest, queues: dict[str, int], concurrency: int = 64
) -> float:
    governor = Governor(SystemClock())
    slots = asyncio.Semaphore(concurrency)
    begun = time.monotonic()

    async def lane(channel: str, number: int) -> None:
        left = number
        while left:
            wait = await governor.acquire("bot", manifest, channel, queued=left, longest=120.0)
            if wait:
                await asyncio.sleep(wait)
                continue
            async with slots:
                try:
                    report = await server.request(channel)
                except RateLimited as error:
                    governor.penalise("bot", manifest, channel, error=error)
                    continue
            governor.answered("bot", manifest, channel)
            if report is not None:
                governor.observe("bot", manifest, channel, report)
            left -= 1

    await asyncio.gather(*(lane(channel, number) for channel, number in queues.items()))
    return time.monotonic() - begun


def manifest(*limits: RateLimit) -> Manifest:
    return Manifest(platform="p", capabilities=frozenset({Capability.PUBLISH_TEXT}), rate_limits=limits)


def limit(amount: int, per: float, scope: RateScope, shape: RateShape = RateShape.SLIDING) -> RateLimit:
    return RateLimit(
        name=f"{scope}{amount}", amount=amount, per=timedelta(seconds=per), scope=scope, shape=shape
    )


def ideal(total: int, amount: int, per: float) -> float:
    """Seconds that the last of `total` requests must wait under strict windows: bursts at the start of each."""
    return (math.ceil(total / amount) - 1) * per


async def ours() -> None:
    print(f"{'case':44} {'s':>7} {'ideal':>7} {'share':>7} refused")

    def show(name: str, took: float, best: float, refused: int) -> None:
        print(f"{name:44} {took:7.2f} {best:7.2f} {best / took:7.1%} {refused:7d}")

    telegram = manifest(
        limit(30, 1, RateScope.ACCOUNT), limit(20, 60, RateScope.CHANNEL), limit(1, 1, RateScope.CHANNEL)
    )
    server = Strict(("account", 30, 1), ("channel", 20, 60), ("channel", 1, 1))
    server.limits = (("account", 30, 1.0), ("channel", 1, 1.0))
    took = await drive(server, telegram, {f"-{number}": 3 for number in range(200)})
    show("600 messages, 200 chats, 30/s and 1/s per chat", took, ideal(600, 30, 1), server.refused)

    server = Strict(("channel", 1, 1.0))
    took = await drive(server, manifest(limit(1, 1, RateScope.CHANNEL)), {"-1": 16})
    show("one hot chat, 1/s, 16 messages", took, ideal(16, 1, 1), server.refused)

    server = Strict(("channel", 20, 6.0))
    took = await drive(server, manifest(limit(20, 6, RateScope.CHANNEL)), {"r": 80})
    show("robot, 20 per window (6 s instead of 60)", took, ideal(80, 20, 6), server.refused)

    bucket = Bucket(5, 2.0, leaky=True)
    took = await drive(bucket, manifest(limit(1000, 1, RateScope.APP)), {"1": 45})
    show("leaky bucket 5 per 2 s, learnt", took, (45 - 5) * 2.0 / 5, bucket.refused)

    bucket = Bucket(5, 2.0, leaky=False)
    took = await drive(bucket, manifest(limit(1000, 1, RateScope.APP)), {"1": 40})
    show("fixed window 5 per 2 s, learnt", took, ideal(40, 5, 2.0), bucket.refused)


async def peer() -> None:
    from telegram.ext import AIORateLimiter

    server = Strict(("account", 30, 1.0), ("channel", 1, 1.0))
    limiter = AIORateLimiter(
        overall_max_rate=30, overall_time_period=1, group_max_rate=1, group_time_period=1, max_retries=50
    )
    await limiter.initialize()
    begun = time.monotonic()

    async def send(channel: str) -> None:
        from telegram.error import RetryAfter

        async def call(*_: object, **__: object) -> bool:
            try:
                await server.request(channel)
            except RateLimited as error:
                raise RetryAfter(error.retry_after or 1) from None
            return True

        await limiter.process_request(call, (), {}, "sendMessage", {"chat_id": int(channel)}, None)

    async def lane(channel: str) -> None:
        for _ in range(3):
            await send(channel)

    await asyncio.gather(*(lane(str(-1 - number)) for number in range(200)))
    took = time.monotonic() - begun
    best = ideal(600, 30, 1)
    print(
        f"{'PTB AIORateLimiter, same 600 messages':44} {took:7.2f} {best:7.2f} {best / took:7.1%} {server.refused:7d}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(ours())
    if arguments.peer:
        asyncio.run(peer())
