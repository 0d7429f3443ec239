"""Run one community on five platforms at once. Needs no account: each platform is its local sandbox."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

import anyio

from shequn_sdk import AsyncShequn, Content
from shequn_sdk.errors import NotSupported
from shequn_sdk.listening.events import Heard
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

PLATFORMS = ("telegram", "discord", "wecom", "weibo", "handoff")
WAYS = {"wecom": {"mode": "customer"}}
LISTENING = {"wecom": {"group_events": "poll"}}  # without a public address nobody can call back
TEXT = "今晚八点共读第七章，来说说你最喜欢的一句。\n\nhttps://club.example.com/d7"
PEOPLE = (Person("lin", "林小满"), Person("chen", "陈一诺"), Person("wu", "吴迪"))


async def main() -> None:
    plugins = load_plugins()
    clock = ManualClock(datetime(2026, 3, 2, 12, tzinfo=UTC))
    specs = [plugins.sandbox(name) for name in PLATFORMS]
    async with SandboxServer(specs, clock=clock, options=WAYS) as sandbox:
        accounts = []
        for name in PLATFORMS:
            account = sandbox.account(name)
            options = {**account.options, **LISTENING.get(name, {})}
            accounts.append(account.model_copy(update={"options": options}))
        rooms = {name: sandbox.describe()[name]["channels"][0] for name in PLATFORMS}

        async def let_pass(minutes: int) -> None:
            for _ in range(minutes * 2):
                clock.advance(30.0)
                await anyio.sleep(0.05)

        async with AsyncShequn.open(accounts=accounts, plugins=plugins, clock=clock) as sq:
            heard: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

            @sq.on("member.joined", "member.followed", "message", "comment", "mention")
            async def note(event: Heard) -> None:
                heard[event.interaction.platform, str(event.interaction.kind)].add(event.interaction.member)

            # one content, five forms of it; where no API sends, a person does
            targets = [f"{name}:{room}" for name, room in rooms.items()]
            for receipt in await sq.publish(Content(text=TEXT), to=targets):
                print(f"{receipt.channel.account}: {receipt.status}")
            for name, room in rooms.items():
                for message in sandbox[name].messages(room):
                    if message.waiting_for_person:
                        sandbox[name].confirm(room, message.native_id)

            async with anyio.create_task_group() as group:
                await sq.poll_once("wecom", "weibo")  # who was there before
                group.start_soon(sq.run)
                await anyio.sleep(2)  # until the Gateway is connected

                # the same people come everywhere and talk
                for name, room in rooms.items():
                    for number, person in enumerate(PEOPLE, 1):
                        clock.advance(1.0)
                        try:
                            sandbox[name].join(room, person)
                            sandbox[name].say(room, person, f"第 {number} 句：慢慢来，比较快。")
                        except NotSupported as why:
                            print(why)
                            break
                await let_pass(15)
                with anyio.move_on_after(20):
                    while len({name for name, _ in heard}) < len(PLATFORMS) - 1:
                        await let_pass(1)
                group.cancel_scope.cancel()

            landed = await sq.deliveries.list(order="oldest")
            print("in the end:", *(f"{row.channel.account} {row.state}" for row in landed))
            for (name, kind), members in sorted(heard.items()):
                print(f"heard on {name}: {kind} by {len(members)} members")
            told = await sq.channel(targets[-1]).get_post_numbers(
                [row.post.native_id for row in landed if row.post]
            )
            print("told by a person:", told[0].views, "views")


if __name__ == "__main__":
    anyio.run(main)
