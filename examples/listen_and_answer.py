"""Listen to members and answer them. The answer goes through the same ledger as everything else."""

from __future__ import annotations

import anyio

from shequn_sdk import AsyncShequn, Content, Priority
from shequn_sdk.listening.events import Heard
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer


async def main() -> None:
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        platform = sandbox["telegram"]
        channel = platform.create_channel("健康养生社")
        async with AsyncShequn.open(
            accounts=[sandbox.account("telegram", name="health_bot")], plugins=plugins
        ) as sq:

            @sq.on("member.joined")
            async def welcome(heard: Heard) -> None:
                event = heard.interaction
                await sq.publish(
                    Content(text=f"欢迎 {event.member_name}！说说你最想养成的一个习惯吧。"),
                    to=[f"{event.account}:{event.channel}"],
                    idempotency_key=f"welcome/{event.id}",
                )

            @sq.on("message")
            async def answer(heard: Heard) -> None:
                event = heard.interaction
                if event.text.endswith(("?", "？")):
                    await sq.publish(
                        Content(text="好问题，管理员马上来答。", reply_to=event.message),
                        to=[f"{event.account}:{event.channel}"],
                        priority=Priority.REPLY,
                        idempotency_key=f"answer/{event.id}",
                    )

            member = Person(id="lin", name="林小满")
            platform.join(channel, member)
            platform.say(channel, member, "每天走多少步合适？")
            while await sq.poll_once():
                await sq.drain()
        for message in reversed(platform.messages(channel)):
            print(f"{message.author_name}: {message.text}")


if __name__ == "__main__":
    anyio.run(main)
