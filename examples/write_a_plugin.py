"""Write a platform plugin: a bulletin board that lives in a text file. `shequn new-plugin` makes a full package."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from shequn_sdk import AsyncShequn, Capability, Content, Manifest, hookimpl
from shequn_sdk.domain import Account, ChannelRef, Piece, Post
from shequn_sdk.errors import ConfigError
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec
from shequn_sdk.platforms.manifest import Idempotency, Limits, TextLimit

MANIFEST = Manifest(
    platform="board",
    title="Bulletin board",
    capabilities=frozenset({Capability.PUBLISH_TEXT}),
    limits=Limits(text=TextLimit(maximum=80)),
    idempotency=Idempotency(native_key=True),
)


class BoardAdapter:
    """Appends each message as a line; the same key twice writes one line."""

    platform = "board"
    manifest = MANIFEST

    def __init__(self, account: Account, context: AdapterContext) -> None:
        if not account.base_url:
            raise ConfigError("the board needs base_url: the path of its file")
        self._account = account
        self._path = Path(account.base_url)
        self._clock = context.clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def check(self) -> str:
        return f"writes to {self._path.name}"

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        native_id = hashlib.sha256(idempotency_key.encode()).hexdigest()[:8]
        board = anyio.Path(self._path)
        written = await board.read_text("utf-8") if await board.exists() else ""
        if native_id not in written:
            async with await board.open("a", encoding="utf-8") as file:
                await file.write(f"{native_id} {channel} {piece.text!r}\n")
        return Post(
            channel=ChannelRef(account=self._account.name, native_id=channel),
            native_id=native_id,
            landed_at=self._clock.now(),
            text=piece.text,
        )


class BoardPlugin:
    """In a package of its own this would be a module under the entry-point group `shequn`."""

    @hookimpl
    def shequn_platforms(self) -> Iterable[PlatformSpec]:
        return [
            PlatformSpec(
                name="board",
                title="Bulletin board",
                create=BoardAdapter,
                manifest=lambda account: MANIFEST,
                manifests=(MANIFEST,),
            )
        ]


async def main() -> None:
    plugins = load_plugins(discover=False, extra=[("board", BoardPlugin())])
    with tempfile.TemporaryDirectory() as folder:
        account = Account(name="hall", platform="board", base_url=str(Path(folder, "board.txt")))
        async with AsyncShequn.open(accounts=[account], plugins=plugins) as sq:
            [receipt] = await sq.publish(
                Content(text="**本周话题：** 晒出你的今日健康餐！\n\n" + "点赞最多的三位送食谱一份。" * 6),
                to=["hall:door"],
            )
            print(receipt.status, "in", len(receipt.posts), "pieces")
        print(await anyio.Path(folder, "board.txt").read_text("utf-8"))


if __name__ == "__main__":
    anyio.run(main)
