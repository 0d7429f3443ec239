"""One poll on three platforms: native on two, numbered comments on the third. Runs on the local sandboxes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.domain import ChannelRef, Poll
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

PLATFORMS = ("telegram", "discord", "weibo")
PEOPLE = [Person("lin", "林小满"), Person("chen", "陈一诺"), Person("wu", "吴迪")]
INTRO = "大家定：https://club.example.com/live"


async def main() -> None:
    plugins = load_plugins()
    clock = ManualClock(datetime(2026, 3, 2, 12, tzinfo=UTC))
    async with SandboxServer([plugins.sandbox(name) for name in PLATFORMS], clock=clock) as sandbox:
        rooms = {name: sandbox.describe()[name]["channels"][0] for name in PLATFORMS}
        places = [f"{name}:{room}" for name, room in rooms.items()]
        community = Community(name="health", channels=tuple(map(ChannelRef.parse, places)))
        accounts = [sandbox.account(name) for name in PLATFORMS]
        async with (
            AsyncShequn.open(accounts=accounts, communities=[community], plugins=plugins, clock=clock) as sq,
            anyio.create_task_group() as group,
        ):
            await sq.poll_once("weibo")  # who was there before
            poll = await sq.polls.open(
                Poll(question="几点直播？", choices=("八点", "九点")),
                to=places,
                closes=timedelta(days=2),
                intro=INTRO,
            )
            posts = {one.channel.account: one for one in poll.places}
            for name, post in posts.items():
                print(f"{name}: {'its own poll' if post.native else 'numbered choices'}")
            group.start_soon(sq.run)
            await anyio.sleep(2)  # until the Gateway is connected
            for number, person in enumerate(PEOPLE):
                for name in ("telegram", "discord"):
                    sandbox[name].join(rooms[name], person)
                    sandbox[name].vote(rooms[name], person, posts[name].message, number % 2)
            sandbox["weibo"].say(rooms["weibo"], PEOPLE[0], "选2", reply_to=posts["weibo"].message)

            for _ in range(300):
                clock.advance(30.0)
                await anyio.sleep(0.1)
                if (await sq.polls.get_result(poll.id)).voters == 7:
                    break
            for one in (await sq.polls.close(poll.id)).choices:
                print(one.choice, one.votes, dict(one.by_platform))
            group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main)
