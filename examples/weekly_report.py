"""A weekly report in a channel, rehearsed in a second. Needs no account: the platform is the local sandbox."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from shequn_sdk import AsyncShequn, Cron
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.server import SandboxServer

START = datetime(2026, 8, 24, tzinfo=UTC)
SUNDAY = datetime(2026, 9, 6, 20, tzinfo=UTC)


def history(path: Path) -> Path:
    lines = ["who,when,what"]
    for day in range(14):
        for member in range(3 + day % 4):
            when = START + timedelta(days=day, hours=1 + member)
            lines.append(f"member{member},{when.isoformat()},打卡")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


async def main() -> None:
    clock = ManualClock(SUNDAY)
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        channel = sandbox["telegram"].create_channel("运营群")
        account = sandbox.account("telegram", name="health_bot")
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncShequn.open(home=folder, accounts=[account], plugins=plugins, clock=clock) as sq:
                await sq.import_history(
                    history(Path(folder, "history.csv")),
                    format="csv",
                    community="walkers",
                    zone="Asia/Shanghai",
                    columns={"member": "who", "occurred_at": "when", "text": "what"},
                )
                await sq.schedules.report(
                    to=[f"health_bot:{channel}"],
                    when=Cron("0 9 * * mon", tz="Asia/Shanghai"),
                    name="weekly",
                    title="健走打卡社 周报",
                )
                clock.move_to(datetime(2026, 9, 7, 1, tzinfo=UTC))
                await sq.deliver_due()
        for message in sandbox["telegram"].messages(channel):
            print(message.text)
            print(f"with {message.attachments} picture")


if __name__ == "__main__":
    anyio.run(main)
