"""Publish to a channel and read the outcome. Needs no account: the platform is the local sandbox."""

from __future__ import annotations

import anyio

from shequn_sdk import AsyncShequn, Content, Poll
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.server import SandboxServer


async def main() -> None:
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        channel = sandbox["telegram"].create_channel("健康养生社")
        async with AsyncShequn.open(
            accounts=[sandbox.account("telegram", name="health_bot")], plugins=plugins
        ) as sq:
            target = f"health_bot:{channel}"
            receipts = await sq.publish(Content(text="**早安！** 今晚八点直播：_睡前放松瑜伽_"), to=[target])
            receipts += await sq.publish(
                Content(poll=Poll(question="下周聊什么？", choices=("饮食", "运动", "睡眠"))),
                to=[target, "health_bot:-1"],
            )
            for receipt in receipts:
                print(
                    receipt.channel,
                    receipt.status,
                    receipt.reason or [post.native_id for post in receipt.posts],
                )
        for message in sandbox["telegram"].messages(channel):
            print(f"on the platform: {message.text!r} {list(message.choices)}")


if __name__ == "__main__":
    anyio.run(main)
