"""An in-process platform whose answers tests script."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import text as sql

from shequn_sdk.domain import ChannelRef, Post
from shequn_sdk.errors import UnknownName
from shequn_sdk.platforms.manifest import Capability, Idempotency, Manifest
from shequn_sdk.platforms.ports import Confirmation
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.stores.schema import load_tables
from shequn_sdk.stores.store import Store

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Wall:
    """What stands on the fake platform, and what it answers next."""

    posts: list[tuple[str, str, str]] = field(default_factory=list)
    """Channel, text and key, in the order in which they landed."""
    requests: int = 0
    script: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    """Per channel: what the next requests do. An exception is raised before landing; ("landed", exception) after."""
    native_key: bool = False
    reminders: list[str] = field(default_factory=list)
    confirmation: Confirmation = field(default_factory=lambda: Confirmation(sent=0, pending=1))
    cancelled: list[str] = field(default_factory=list)
    lookup: Any = None
    before: Callable[[str], Any] | None = None

    def texts(self, channel: str) -> list[str]:
        return [text for where, text, _ in self.posts if where == channel]


class FakeAdapter:
    """Publisher on a wall."""

    platform = "wall"

    def __init__(self, account: str, manifest: Manifest, wall: Wall, clock: Any) -> None:
        self.account, self.manifest, self.wall, self.clock = account, manifest, wall, clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def check(self) -> str:
        return "wall"

    async def publish(self, channel: str, piece: Any, *, idempotency_key: str) -> Post:
        self.wall.requests += 1
        if self.wall.before is not None:
            result = self.wall.before(channel)
            if result is not None:
                await result
        steps = self.wall.script.get(channel)
        step = steps.popleft() if steps else None
        if isinstance(step, BaseException):
            raise step
        known = [index for index, one in enumerate(self.wall.posts) if one[2] == idempotency_key]
        if not (self.wall.native_key and known):
            self.wall.posts.append((channel, piece.text, idempotency_key))
            known = [len(self.wall.posts) - 1]
        if isinstance(step, tuple):
            raise step[1]
        return self._post(channel, known[-1], piece.text)

    def _post(self, channel: str, index: int, text: str) -> Post:
        return Post(
            channel=ChannelRef(account=self.account, native_id=channel),
            native_id=str(index + 1),
            landed_at=self.clock.now(),
            text=text,
        )


class LookingAdapter(FakeAdapter):
    """Can look posts up."""

    async def find_landed(
        self, channel: str, piece: Any, *, idempotency_key: str, since: datetime
    ) -> Post | None:
        if isinstance(self.wall.lookup, deque) and self.wall.lookup:
            step = self.wall.lookup.popleft()
            if isinstance(step, BaseException):
                raise step
        for index, (where, text, key) in enumerate(self.wall.posts):
            if where == channel and key == idempotency_key:
                return self._post(channel, index, text)
        return None


class PersonAdapter(FakeAdapter):
    """A person must press send."""

    async def get_confirmation(self, channel: str, task: str) -> Confirmation:
        return self.wall.confirmation

    async def remind(self, channel: str, task: str) -> None:
        self.wall.reminders.append(task)

    async def cancel_task(self, channel: str, task: str) -> None:
        self.wall.cancelled.append(task)


class FakeAccounts:
    """Accounts by name."""

    def __init__(self) -> None:
        self.adapters: dict[str, FakeAdapter] = {}

    def adapter(self, name: str) -> Any:
        self.platform(name)
        return self.adapters[name]

    def manifest(self, name: str) -> Manifest:
        self.platform(name)
        return self.adapters[name].manifest

    def platform(self, name: str) -> str:
        if name not in self.adapters:
            raise UnknownName("account", name)
        return self.adapters[name].platform

    def names(self) -> tuple[str, ...]:
        return tuple(self.adapters)


@dataclass
class Bench:
    """Store, clock and accounts of one test."""

    store: Store
    clock: Any
    accounts: FakeAccounts
    wall: Wall
    path: Path

    def account(
        self, name: str = "bot", kind: type[FakeAdapter] = FakeAdapter, **manifest: Any
    ) -> FakeAdapter:
        manifest.setdefault("capabilities", frozenset({Capability.PUBLISH_TEXT}))
        manifest.setdefault("platform", "wall")
        if kind is LookingAdapter:
            manifest.setdefault("idempotency", Idempotency(reconcile=True))
        adapter = kind(name, Manifest(**manifest), self.wall, self.clock)
        self.accounts.adapters[name] = adapter
        return adapter


@pytest.fixture
def kinds() -> Any:
    """The adapters of this module, for tests."""

    class Kinds:
        plain, looking, person = FakeAdapter, LookingAdapter, PersonAdapter
        start = START
        accounts, wall, bench = FakeAccounts, Wall, Bench

    return Kinds


@pytest.fixture(scope="session")
def postgres_ledger(postgres_cluster: Any) -> str:
    """One database for all tests of this folder; each begins with empty tables."""
    import psycopg

    with psycopg.connect(postgres_cluster.url, autocommit=True) as admin:
        admin.execute("create database ledger_tests")
    return postgres_cluster.url.rsplit("/", 1)[0] + "/ledger_tests"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    clock = ManualClock(START)
    url = (
        str(tmp_path / "store.db")
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_ledger")
    )
    store = await Store.open(url, clock=clock)
    if request.param != "sqlite":
        names = ", ".join(
            f'"{table.name}"' for table in load_tables().sorted_tables if table.name != "worker"
        )
        await store.write(lambda conn: conn.execute(sql(f"truncate {names} restart identity cascade")))
    yield Bench(store, clock, FakeAccounts(), Wall(), tmp_path / "store.db")
    await store.aclose()
