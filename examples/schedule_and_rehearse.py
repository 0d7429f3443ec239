"""Plan a month, see what comes, and rehearse it in a second. Needs no account: the platform is the local sandbox."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio

from shequn_sdk import AsyncShequn, Content, Cron, LunarDate, Weekly
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.server import SandboxServer


async def main() -> None:
    clock = ManualClock(datetime(2026, 9, 7, tzinfo=UTC))
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        channel = sandbox["telegram"].create_channel("健康养生社")
        account = sandbox.account("telegram", name="health_bot")
        async with AsyncShequn.open(accounts=[account], plugins=plugins, clock=clock) as sq:
            to, tz = [f"health_bot:{channel}"], "Asia/Shanghai"
            await sq.schedule(
                Content(text="今晚八点直播"), to=to, when=Cron("0 20 * * fri", tz=tz), name="live"
            )
            await sq.schedule(
                Content(text="早安,工作日的一杯水"),
                to=to,
                when=Weekly(["mon 08:00", "sun 08:00"], tz=tz, only="workdays"),
                name="morning",
            )
            await sq.schedule(
                Content(text="中秋快乐"), to=to, when=LunarDate(8, 15, "09:00", tz=tz), name="moon"
            )

            for item in await sq.schedules.upcoming(5):
                print("to come:", item.due.isoformat(), item.name)
            while (await sq.schedules.upcoming(1))[0].due < datetime(2026, 10, 1, tzinfo=UTC):
                (following,) = await sq.schedules.upcoming(1)
                clock.move_to(following.due)
                await sq.deliver_due()
            for run in await sq.schedules.history("moon"):
                print("history:", run.name, run.due.isoformat(), run.state)
        for message in reversed(sandbox["telegram"].messages(channel)):
            print("on the platform:", message.text)


if __name__ == "__main__":
    anyio.run(main)
