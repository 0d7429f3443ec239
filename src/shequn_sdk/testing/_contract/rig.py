"""What a contract test works with: a sandbox, an account, an adapter, a clock and faults."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import httpx
from pydantic import SecretStr

from shequn_sdk.domain import Account, Interaction, InteractionKind
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec
from shequn_sdk.platforms.manifest import Capability, LengthUnit, Manifest, TextLimit, measure
from shequn_sdk.platforms.ports import Parsed, RawEvent
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person, PlatformSandbox
from shequn_sdk.testing.sandbox.faults import SeededFaults
from shequn_sdk.testing.sandbox.server import SandboxServer

__all__ = ["START", "HastyClock", "Recorder", "Rig", "fill", "ids", "within"]

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PATIENCE = 30.0
_T = TypeVar("_T")


class HastyClock(ManualClock):
    """A clock on which sleepers are woken at once: sleeping moves it. `slept` adds up the spans."""

    def __init__(self, shared: ManualClock) -> None:
        super().__init__(shared.now())
        self._shared = shared
        self.slept = 0.0

    def now(self) -> datetime:
        """Give the shared clock's instant."""
        return self._shared.now()

    async def sleep(self, seconds: float) -> None:
        """Move the shared clock by `seconds`."""
        if seconds > 0:
            self.slept += seconds
            self._shared.advance(seconds)
        await anyio.lowlevel.checkpoint()


class Recorder(httpx.AsyncBaseTransport):
    """The real network, with a count of the requests that went through."""

    def __init__(self) -> None:
        self._real = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=10))
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Count, then send."""
        self.requests += 1
        return await self._real.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._real.aclose()


@dataclass(slots=True)
class Rig:
    """One adapter on one fresh sandbox."""

    spec: PlatformSpec
    server: SandboxServer
    sandbox: PlatformSandbox
    account: Account
    channel: str
    described: Mapping[str, Any]
    clock: ManualClock
    faults: SeededFaults
    recorder: Recorder
    adapter: Any
    _people: list[Person] = field(default_factory=list[Person])

    @property
    def manifest(self) -> Manifest:
        """The adapter's manifest."""
        return self.adapter.manifest

    def person(self) -> Person:
        """Give somebody new."""
        number = len(self._people)
        person = Person(id=f"contract{number}", name=f"成员{number}", username=f"contract{number}")
        self._people.append(person)
        return person

    def texts(self, channel: str = "", *, limit: int = 500) -> list[str]:
        """Give what the account has published to a channel, oldest first; what waits for a person counts too."""
        found = self.sandbox.messages(channel or self.channel, limit=limit)
        return [message.text for message in reversed(found) if message.by_account]

    def standing(self, token: str, channel: str = "") -> int:
        """Count the account's messages that contain `token`."""
        return sum(token in text for text in self.texts(channel))

    @asynccontextmanager
    async def another(
        self,
        *,
        secrets: Mapping[str, str] | None = None,
        base_url: str | None = None,
        timeout: float = PATIENCE,
        clock: ManualClock | None = None,
    ) -> AsyncGenerator[Any]:
        """Open a second adapter on the same sandbox with something changed."""
        changed: dict[str, Any] = {}
        if secrets is not None:
            changed["secrets"] = {key: SecretStr(value) for key, value in secrets.items()}
        if base_url is not None:
            changed["base_url"] = base_url
        account = self.account.model_copy(update=changed)
        context = AdapterContext(clock=clock or self.clock, transport=Recorder(), timeout=timeout)
        async with self.spec.create(account, context) as adapter:
            yield adapter

    async def hear(
        self,
        act: Callable[[int], object],
        enough: Callable[[list[tuple[RawEvent, Parsed]]], bool],
        *,
        adapter: Any = None,
    ) -> list[tuple[RawEvent, Parsed]]:
        """Receive while people act, until what was heard is enough.

        `act` is called with 0; over a gateway it is called again with 1, 2 … while nothing was heard, because what
        happens before the connection stands is not told.
        """
        source = adapter or self.adapter
        again = self.manifest.supports(Capability.GATEWAY)
        heard: list[tuple[RawEvent, Parsed]] = []
        done = anyio.Event()

        async def listen() -> None:
            cursor: str | None = None
            while not done.is_set():
                batch = await source.receive(cursor)
                heard.extend((raw, source.parse(raw)) for raw in batch.events)
                cursor = batch.cursor
                if enough(heard):
                    done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            for turn in range(200):
                if turn == 0 or (again and not done.is_set()):
                    act(turn)
                with anyio.move_on_after(0.15 if again or turn == 0 else 0.5):
                    await done.wait()
                if done.is_set():
                    break
                if not again and turn * 0.5 > PATIENCE:
                    break
            group.cancel_scope.cancel()
        assert done.is_set(), f"events did not come; heard only {[parsed.kind for _, parsed in heard]}"
        return heard

    async def hear_one(self, kind: InteractionKind, act: Callable[[int], object]) -> Interaction:
        """Receive while people act, and give the first interaction of a kind."""

        def found(heard: list[tuple[RawEvent, Parsed]]) -> list[Interaction]:
            return [one for _, parsed in heard for one in parsed.interactions if one.kind is kind]

        return found(await self.hear(act, lambda heard: bool(found(heard))))[0]


async def within(awaitable: Awaitable[_T], *, clock: ManualClock | None = None) -> _T:
    """Await, but not for ever; with `clock`, time begins to pass there when nothing comes for a second.

    An adapter that waits on the clock where it should not is then found out instead of hanging.
    """

    async def pass_time() -> None:
        await anyio.sleep(1.0)
        while clock is not None:
            clock.advance(1.0)
            await anyio.sleep(0.05)

    results: list[_T] = []
    errors: list[Exception] = []
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(pass_time)
            try:
                results.append(await awaitable)
            except Exception as error:  # noqa: BLE001 - raised below, outside of the group
                errors.append(error)
            group.cancel_scope.cancel()
    for error in errors:
        raise error
    return results[0]


def ids(value: Any) -> list[str]:
    """Give the native ids in what a sandbox describes as `channels` or `members`."""
    if isinstance(value, Mapping):
        return [str(item) for item in value.values() if isinstance(item, str | int)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        found: list[str] = []
        for item in value:
            native = item.get("id") or item.get("native_id") if isinstance(item, Mapping) else item
            if native is not None:
                found.append(str(native))
        return found
    return []


_ALPHABETS = {"ascii": "a", "hanzi": "汉", "emoji": "😀", "family": "👨‍👩‍👧"}


def fill(limit: TextLimit, alphabet: str, *, over: bool = False, prefix: str = "") -> str:
    """Make a text that measures exactly `limit.maximum`, or one unit more.

    Args:
        alphabet: `ascii`, `hanzi`, `emoji` or `family` (a grapheme of several code points).
        prefix: how the text starts.
    """
    goal = limit.maximum + (1 if over else 0)
    unit = _ALPHABETS[alphabet]
    step = max(measure(unit * 2, limit.unit) - measure(unit, limit.unit), 1)
    text = prefix + unit * max((goal - measure(prefix, limit.unit)) // step - 1, 0)
    while measure(text + unit, limit.unit) <= goal:
        text += unit
    pad = "汉" if limit.unit is LengthUnit.HANZI else "a"
    while measure(text, limit.unit) < goal:
        text += pad
    assert measure(text, limit.unit) == goal
    return text


def soon_after(clock: ManualClock, instant: datetime) -> bool:
    """Whether `instant` is about now on the sandbox's clock; platforms give whole seconds."""
    return abs(instant - clock.now()) < timedelta(minutes=5)
