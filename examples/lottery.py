"""A lottery on two platforms that everybody can check. Needs no account: each platform is its local sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.domain import ChannelRef
from shequn_sdk.engagement.lotteries import Prize
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

PEOPLE = [Person("lin", "林小满"), Person("chen", "陈一诺"), Person("wu", "吴迪"), Person("he", "何川")]


async def main() -> None:
    plugins = load_plugins()
    clock = ManualClock(datetime(2026, 3, 2, 12, tzinfo=UTC))
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        platform = sandbox["telegram"]
        channel = platform.create_channel("健康养生社")
        community = Community(name="health", channels=(ChannelRef.parse(f"health_bot:{channel}"),))
        account = sandbox.account("telegram", name="health_bot")
        async with AsyncShequn.open(
            accounts=[account], communities=[community], plugins=plugins, clock=clock
        ) as sq:
            lottery = await sq.lotteries.open(
                "春日抽奖",
                prizes=[Prize(name="瑜伽垫"), Prize(name="毛巾", count=2)],
                to=community.channels,
                closes=timedelta(hours=1),
            )
            for person in PEOPLE:
                platform.join(channel, person)
                platform.say(channel, person, "抽奖")
                platform.say(channel, person, "抽奖")  # once is enough
            await sq.poll_once()
            await sq.drain()

            clock.advance(timedelta(hours=1))  # the list is fixed and drawn on schedule
            await sq.drain()
            result = await sq.lotteries.redraw(lottery.id, position=1, reason="放弃")
            print(f"{result.entrants} entrants, {sum(not one.replaced for one in result.winners)} winners")

            path = anyio.Path("certificate.json")
            certificate = await sq.lotteries.get_certificate(lottery.id)
            await path.write_text(certificate.model_dump_json(), encoding="utf-8")

        print(next(text for text in (one.text for one in platform.messages(channel)) if "种子" in text))
    script = Path(__file__).with_name("verify_lottery.py")
    await anyio.run_process([sys.executable, "-I", str(script), str(path)], stdout=sys.stdout)

    data = json.loads(await path.read_text(encoding="utf-8"))
    data["entries"].append(["ffffffffffffffff", 1])  # somebody who did not enter
    await path.write_text(json.dumps(data), encoding="utf-8")
    forged = await anyio.run_process(
        [sys.executable, "-I", str(script), str(path)], check=False, stderr=subprocess.STDOUT
    )
    print("with one entrant more:", forged.stdout.decode().strip())


if __name__ == "__main__":
    anyio.run(main)
