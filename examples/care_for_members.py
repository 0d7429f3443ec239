"""Two accounts of one person, a segment, and a newcomer's first week, rehearsed in seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from shequn_sdk import AsyncShequn, ChannelRef, Community
from shequn_sdk.members.filters import ActiveWithin, OnPlatform
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

MONDAY = datetime(2026, 3, 2, 4, tzinfo=UTC)


async def main() -> None:
    plugins = load_plugins(only=["telegram", "discord"])
    clock = ManualClock(MONDAY)
    async with SandboxServer(
        [plugins.sandbox(name) for name in ("telegram", "discord")], clock=clock
    ) as sandbox:
        places = {name: sandbox[name].create_channel("健康养生社") for name in ("telegram", "discord")}
        accounts = [sandbox.account(name, name=f"{name}_bot") for name in places]
        channels = tuple(
            ChannelRef(account=f"{name}_bot", native_id=channel) for name, channel in places.items()
        )
        async with AsyncShequn.open(
            accounts=accounts,
            communities=[Community(name="health", title="健康养生社", channels=channels)],
            plugins=plugins,
            clock=clock,
        ) as sq:

            async def listen() -> None:
                for name in places:
                    with anyio.move_on_after(2):
                        while await sq.poll_once(f"{name}_bot"):
                            await sq.process()

            lin = Person(id="lin", name="林小满", username="lin")
            await sq.journeys.save(sq.journeys.template("newcomer-week"))
            await listen()
            sandbox["telegram"].join(places["telegram"], lin)
            sandbox["discord"].say(places["discord"], Person(id="lin-d", name="Lin"), "hello")
            await listen()
            here, there = f"telegram:{sandbox['telegram'].member_id(lin)}", ""
            for found in await sq.members.find("Lin"):
                there = next(
                    (str(one.ref) for one in found.identities if one.ref.platform == "discord"), there
                )

            proof = await sq.members.start_proof(here)
            sandbox["discord"].say(
                places["discord"], Person(id="lin-d", name="Lin"), f"it is me: {proof.code}"
            )
            await listen()
            info = await sq.members.get(here)
            print("one person:", " + ".join(sorted(one.ref.platform for one in info.identities)))
            print("why:", (await sq.members.history(there))[0].reason)
            both = OnPlatform(platforms=("telegram",)) & OnPlatform(platforms=("discord",))
            print("on both and active:", await sq.segments.count(both & ActiveWithin(days=7)))

            for day in range(1, 9):
                clock.move_to(MONDAY + timedelta(days=day))
                await sq.deliver_due()
                clock.advance(timedelta(minutes=5))
                await sq.deliver_due()
            for run in await sq.journeys.runs():
                print("journey:", *(f"{one.step} {one.state} ({one.form})" for one in run.records))
            for task in await sq.journeys.tasks():
                print("task:", task.title, "until", f"{task.due:%d %B}")


if __name__ == "__main__":
    anyio.run(main)
