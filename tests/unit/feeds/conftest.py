"""A workspace whose feeds come from a small web that the test writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.feeds.feeds import Feeds
from shequn_sdk.platforms.discovery import Plugins
from shequn_sdk.platforms.fetch import Fetcher
from shequn_sdk.scheduling.clock import ManualClock

START = datetime(2026, 11, 21, 8, tzinfo=UTC)


class Body(httpx.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self.data = data

    async def __aiter__(self):
        yield self.data


class Web:
    """Pages by address; what was asked is remembered."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[httpx.Request] = []
        self.addresses: dict[str, str] = {}

    def put(self, url: str, body: str | bytes = b"", *, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[url] = (status, named, body.encode() if isinstance(body, str) else body)

    async def resolve(self, host: str, port: int) -> list[str]:
        return [self.addresses.get(host, "93.184.216.34")]

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.raw_path.decode()
        status, headers, body = self.pages[f"{request.url.scheme}://{request.headers['host']}{path}"]
        etag = headers.get("etag")
        if etag and request.headers.get("if-none-match") == etag:
            return httpx.Response(304, headers=headers)
        return httpx.Response(status, headers=headers, stream=Body(body))


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def sq(tmp_path, web, clock) -> AsyncIterator[AsyncShequn]:
    async with opened(tmp_path, web, clock) as sq:
        yield sq


@asynccontextmanager
async def opened(home, web, clock, **options):
    community = Community(name="health", title="健康")
    async with AsyncShequn.open(
        home=home, clock=clock, plugins=Plugins(()), communities=[community], **options
    ) as sq:
        room = sq._workspace.room(Feeds)
        room._make_fetcher = lambda: Fetcher(resolver=web.resolve, transport=httpx.MockTransport(web))
        yield sq


@pytest.fixture
def open_again(tmp_path, web, clock):
    """Give what opens the same workspace once more."""
    return lambda: opened(tmp_path, web, clock)
