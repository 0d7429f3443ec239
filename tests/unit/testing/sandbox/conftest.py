"""A platform of twenty lines, to test the runtime under it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from shequn_sdk.platforms.hooks import SandboxSpec
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import BaseSandbox, Person, SandboxChannel, SandboxMessage, SandboxServer


class Wall(BaseSandbox):
    """Everybody writes on one wall."""

    platform = "wall"
    reasons: ClassVar = {"vote": "a wall has no polls"}

    def __init__(self, context) -> None:
        super().__init__(context)
        self.texts: list[SandboxMessage] = []
        self.stopped = asyncio.Event()
        self.started = False
        self.paths: list[tuple[str, str]] = []
        self.app = Starlette(
            routes=[
                Route("/post/{rest:path}", self.post, methods=["POST"]),
                Route("/wait", self.wait),
                Route("/nothing", self.nothing, methods=["POST"]),
                WebSocketRoute("/live", self.live),
            ]
        )

    def describe(self) -> dict[str, Any]:
        return {
            "base_url": self.context.base_url,
            "secrets": {"token": "wall-secret"},
            "options": {"mode": "brick"},
            "channels": ["wall"],
            "members": [],
        }

    async def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        self.stopped.set()

    def channels(self) -> Sequence[SandboxChannel]:
        return [SandboxChannel(native_id="wall", title="墙 <b>", members=len(self.people()))]

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        return self.texts[::-1][:limit]

    def say(self, channel: str, person: Person, text: str, *, reply_to: str = "") -> str:
        return self.write(self.member_id(person), person.name, text, by_account=False)

    def write(self, author: str, name: str, text: str, *, by_account: bool) -> str:
        number = str(len(self.texts) + 1)
        self.texts.append(
            SandboxMessage(
                channel="wall",
                native_id=number,
                author_id=author,
                author_name=name,
                by_account=by_account,
                text=text,
                at=self.now(),
                reactions={"👍": 2},
                attachments=1,
                choices=(("好", 3),),
                waiting_for_person=True,
            )
        )
        return number

    async def post(self, request: Request) -> Response:
        self.paths.append((request.scope["root_path"], request.scope["path"]))
        body = await request.body()
        number = self.write("bot", "机器人", body.decode(), by_account=True)
        return JSONResponse({"id": number, "size": len(body)})

    async def nothing(self, request: Request) -> Response:
        self.write("bot", "机器人", "silent", by_account=True)
        return Response(status_code=204)

    async def wait(self, request: Request) -> Response:
        await self.stopped.wait()
        return JSONResponse([])

    async def live(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(json.dumps({"said": await socket.receive_text()}))
        except WebSocketDisconnect:
            return


@pytest.fixture
def wall_spec() -> SandboxSpec:
    return SandboxSpec(platform="wall", create=Wall)


@pytest.fixture
def wall_clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
async def wall_server(wall_spec: SandboxSpec, wall_clock: ManualClock) -> AsyncIterator[SandboxServer]:
    async with SandboxServer([wall_spec], clock=wall_clock, seed=5) as server:
        yield server
