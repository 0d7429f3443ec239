from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shequn_sdk.domain import Interaction
from shequn_sdk.errors import ConfigError, InvalidInput, UnknownName, VerificationFailed
from shequn_sdk.listening.inbox import Inbox
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import Parsed, RawBatch, RawEvent, WebhookReply, WebhookRequest
from shequn_sdk.scheduling.clock import ManualClock

START = datetime(2026, 3, 1, tzinfo=UTC)


def raw(number: int, **fields: object) -> RawEvent:
    body = {
        "id": f"message:{number}",
        "kind": "message",
        "channel": "c1",
        "member": f"m{number % 7}",
        **fields,
    }
    return RawEvent(event_id=f"e{number}", payload=json.dumps(body).encode())


class EchoAdapter:
    """An adapter whose events are the fields of interactions as JSON."""

    platform = "echo"

    def __init__(self, batches: Sequence[RawBatch | Exception] = (), **manifest: object) -> None:
        self.script = list(batches)
        self.cursors: list[str | None] = []
        self.manifest = Manifest(
            platform="echo", capabilities=frozenset({Capability.POLL_EVENTS, Capability.WEBHOOK}), **manifest
        )

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def check(self) -> str:
        return "echo"

    async def receive(self, cursor: str | None) -> RawBatch:
        import anyio

        self.cursors.append(cursor)
        if not self.script:
            await anyio.sleep_forever()
        following = self.script.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    def verify(self, request: WebhookRequest) -> WebhookReply:
        if request.headers.get("x-secret") != "s3cret":
            raise VerificationFailed("the secret s3cret was expected")
        if request.method == "GET":
            return WebhookReply(body=request.query.get("echostr", "").encode())
        try:
            number = json.loads(request.body)["number"]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput("no number in it") from error
        return WebhookReply(events=[raw(number)], body=b"success")

    def parse(self, event: RawEvent) -> Parsed:
        try:
            fields = json.loads(event.payload)
        except ValueError as error:
            raise InvalidInput("no JSON") from error
        if fields.get("kind") == "mystery":
            return Parsed(kind="mystery", known=False)
        if fields.get("kind") == "bug":
            raise KeyError("a bug of the adapter")
        fields.setdefault("occurred_at", START.isoformat())
        return Parsed(kind=fields["kind"], interactions=(Interaction(platform="echo", **fields),))


class FakeAccounts:
    def __init__(self, **adapters: EchoAdapter) -> None:
        self._adapters = adapters

    def names(self) -> tuple[str, ...]:
        return tuple(self._adapters)

    def adapter(self, name: str) -> EchoAdapter:
        try:
            return self._adapters[name]
        except KeyError:
            raise UnknownName("account", name) from None

    def manifest(self, name: str) -> Manifest:
        found = self.adapter(name)
        if found.platform == "broken":
            raise ConfigError("no such platform")
        return found.manifest

    def platform(self, name: str) -> str:
        return self.adapter(name).platform


@pytest.fixture
def manual_clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def inbox(tmp_path: Path, manual_clock: ManualClock) -> AsyncIterator[Inbox]:
    async with await Inbox.open(tmp_path / "inbox.db", clock=manual_clock) as opened:
        yield opened
