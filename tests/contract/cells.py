"""The pairs of store and engine under test, and the platform they deliver to. Also the process that is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from shequn_sdk.domain import ChannelRef, Post
from shequn_sdk.errors import RateLimited
from shequn_sdk.platforms.manifest import Capability, Idempotency, Manifest
from shequn_sdk.publishing import DeliveryOptions, Publishing
from shequn_sdk.stores.store import Store

ENGINES = ("embedded", "pgqueuer", "procrastinate")
QUEUES = {"pgqueuer": "pgqueuer", "procrastinate": "procrastinate_jobs"}


def factory(name: str, url: str) -> Any:
    """Give what `Publishing(engine=…)` takes."""
    if name == "embedded":
        return None
    if name == "pgqueuer":
        from shequn_pgqueuer.engine import PgQueuerEngine

        return lambda source, clock: PgQueuerEngine(url, clock=clock)
    from shequn_procrastinate.engine import ProcrastinateEngine

    return lambda source, clock: ProcrastinateEngine(url, clock=clock)


@dataclass
class Board:
    """A platform and the account book in one; remembers every request."""

    pause: float = 0.0
    native_key: bool = False
    log: Path | None = None
    refuse: Callable[[int], RateLimited | None] = lambda _: None
    sent: list[tuple[str, str, datetime]] = field(default_factory=list)
    platform_name = "board"

    @property
    def manifest_(self) -> Manifest:
        able = (
            Idempotency(native_key=True, window=timedelta(minutes=10)) if self.native_key else Idempotency()
        )
        return Manifest(
            platform="board",
            capabilities=frozenset({Capability.PUBLISH_TEXT}),
            max_concurrency=256,
            idempotency=able,
        )

    async def publish(self, channel: str, piece: Any, *, idempotency_key: str) -> Post:
        self.sent.append((channel, piece.text, datetime.now(UTC)))
        if self.log is not None:
            file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, f"{channel} {piece.text}\n".encode())
            os.close(file)
        refusal = self.refuse(len(self.sent))
        if refusal is not None:
            raise refusal
        await anyio.sleep(self.pause)
        return Post(
            channel=ChannelRef(account="bot", native_id=channel),
            native_id=str(len(self.sent)),
            landed_at=datetime.now(UTC),
        )

    def adapter(self, name: str) -> Any:
        return self

    def manifest(self, name: str) -> Manifest:
        return self.manifest_

    def platform(self, name: str) -> str:
        return "board"

    def names(self) -> tuple[str, ...]:
        return ("bot",)

    def copies(self) -> Counter[str]:
        return Counter(text for _, text, _ in self.sent)


@dataclass
class Cell:
    """One store and one engine."""

    engine: str
    url: str
    lease: float = 1.5

    @asynccontextmanager
    async def publishing(self, board: Board, **options: Any) -> Any:
        """Open the store anew, as another process or host would."""
        async with await Store.open(self.url) as store:
            yield Publishing(
                store,
                board,
                engine=factory(self.engine, self.url),
                options=DeliveryOptions(
                    lease=timedelta(seconds=self.lease), backoff_first=timedelta(milliseconds=50)
                ),
                **options,
            )


async def work(cell: Cell, board: Board, concurrency: int) -> None:
    """Work until killed."""
    async with cell.publishing(board) as publishing:
        print("ready", flush=True)  # noqa: T201
        await publishing.run(concurrency=concurrency)


if __name__ == "__main__":
    _, name, address, log, pause, seconds, most = sys.argv
    asyncio.run(
        work(
            Cell(engine=name, url=address, lease=float(seconds)),
            Board(pause=float(pause), log=Path(log)),
            int(most),
        )
    )
