"""A worker in a process of its own, which fault tests kill. Run: worker.py STORE URL, settings in SHEQUN_TEST_*."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx

from shequn_sdk.domain import ChannelRef, Post
from shequn_sdk.errors import ContentRejected, Landing, RateLimited, Unavailable
from shequn_sdk.platforms.gate import pass_gate
from shequn_sdk.platforms.manifest import Capability, Idempotency, Manifest
from shequn_sdk.publishing import DeliveryOptions, Publishing, desk, failpoints
from shequn_sdk.stores.store import Store


class WallAdapter:
    """Talks to the wall server of the tests."""

    platform = "wall"

    def __init__(self, url: str, idempotency: Idempotency) -> None:
        self.manifest = Manifest(
            platform="wall", capabilities=frozenset({Capability.PUBLISH_TEXT}), idempotency=idempotency
        )
        self.client = httpx.AsyncClient(base_url=url, timeout=60, trust_env=False)

    async def call(self, path: str, **body: str) -> Any:
        pass_gate()
        try:
            answer = await self.client.post(path, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(f"not reached: {error!r}", landed=Landing.SURELY_NOT) from None
        except httpx.HTTPError as error:
            raise Unavailable(f"no answer: {error!r}", landed=Landing.PERHAPS) from None
        if answer.status_code == 429:
            raise RateLimited(
                "slow down", retry_after=timedelta(seconds=answer.json()["retry_after"]), scope="channel"
            )
        if answer.status_code >= 400:
            raise ContentRejected("refused by the wall")
        return json.loads(answer.content)

    async def publish(self, channel: str, piece: Any, *, idempotency_key: str) -> Post:
        answer = await self.call("/publish", channel=channel, text=piece.text, key=idempotency_key)
        if not isinstance(answer, dict):
            raise Unavailable("an answer that makes no sense", landed=Landing.PERHAPS)
        return self.post(channel, answer["id"])

    async def find_landed(
        self, channel: str, piece: Any, *, idempotency_key: str, since: datetime
    ) -> Post | None:
        answer = await self.call("/find", channel=channel, key=idempotency_key)
        return None if answer["id"] is None else self.post(channel, answer["id"])

    @staticmethod
    def post(channel: str, native_id: str) -> Post:
        return Post(
            channel=ChannelRef(account="bot", native_id=channel),
            native_id=native_id,
            landed_at=datetime.now(UTC),
        )


class OneAccount:
    """The account `bot`."""

    def __init__(self, adapter: Any) -> None:
        self.one = adapter

    def adapter(self, name: str) -> Any:
        return self.one

    def manifest(self, name: str) -> Manifest:
        return self.one.manifest

    def platform(self, name: str) -> str:
        return "wall"

    def names(self) -> tuple[str, ...]:
        return ("bot",)


def idempotency(mode: str) -> Idempotency:
    if mode == "native":
        return Idempotency(native_key=True, window=timedelta(minutes=10))
    if mode == "reconcile":
        return Idempotency(reconcile=True, reconcile_delay=timedelta(milliseconds=500))
    return Idempotency()


def setting(name: str, default: str) -> str:
    return os.environ.get(f"SHEQUN_TEST_{name}", default)


def die_at(point: str, nth: int, *, how: signal.Signals = signal.SIGKILL) -> None:
    """Kill or freeze this process when `point` is reached for the `nth` time."""
    seen: Counter[str] = Counter()

    def hook(reached: str) -> None:
        seen[reached] += 1
        if reached == point and seen[reached] == nth:
            os.kill(os.getpid(), how)

    failpoints.install(hook)


async def main(path: str, url: str) -> None:
    point, _, nth = setting("FAILPOINT", "").partition(":")
    if point:
        die_at(point, int(nth or 1))
    point, _, nth = setting("FREEZE", "").partition(":")
    if point:
        die_at(point, int(nth or 1), how=signal.SIGSTOP)
    desk._WORTH_A_SET = int(setting("SETS", str(desk._WORTH_A_SET)))
    lease = float(setting("LEASE", "1.0"))
    options = DeliveryOptions(
        lease=timedelta(seconds=lease),
        backoff_first=timedelta(milliseconds=50),
        request_timeout=timedelta(seconds=60),
    )
    adapter = WallAdapter(url, idempotency(setting("MODE", "none")))
    store = await Store.open(path)
    publishing = Publishing(store, OneAccount(adapter), options=options)
    stop = anyio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("ready", flush=True)  # noqa: T201
    await publishing.run(stop, concurrency=int(setting("CONCURRENCY", "16")))
    await store.aclose()
    await adapter.client.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
