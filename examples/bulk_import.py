"""A month's plan from a spreadsheet: a verdict for each row, nothing half imported, one step to undo. Needs no account."""

from __future__ import annotations

from datetime import UTC, date, datetime

import anyio

from shequn_sdk import Account, AsyncShequn, ChannelRef, Community
from shequn_sdk.scheduling.clock import ManualClock

PLAN = """编号,时间,标题,内容,栏目,广告
w1,2026-03-03 20:00,早春喝粥,"山药、小米、红枣,慢火四十分钟。",健康,
w2,明天晚上,散步打卡,晒出你今天的步数,互动,
w3,2026-03-06 20:00,空气炸锅,=立减200,产品,是
"""


async def main() -> None:
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    account = Account(name="bot", platform="telegram", base_url="http://127.0.0.1:9")
    health = Community(name="health", channels=(ChannelRef.parse("bot:-100"),))
    async with AsyncShequn.open(accounts=[account], communities=[health], clock=clock) as sq:
        found = await sq.calendar.import_file(PLAN.encode())
        for row in found.rows:
            print(f"line {row.line}:", "right" if row.ok else f"column {row.column}: {row.message}")
        print(f"{found.imported} imported")

        found = await sq.calendar.import_file(PLAN.replace("明天晚上", "2026-03-04 20:00").encode())
        print(f"corrected: {found.imported} imported")
        again = await sq.calendar.import_file(PLAN.replace("明天晚上", "2026-03-04 20:00").encode())
        print(f"again: {again.imported} imported")
        for entry in await sq.calendar.entries():
            for clash in await sq.calendar.check(entry.id):
                print(f"entry {entry.id}: {clash.message}")
        text = await sq.calendar.export_csv()
        print("a formula is only text:", "'=立减200" in text)
        march = anyio.Path("march.html")
        await march.write_text(await sq.calendar.page(start=date(2026, 3, 1)), encoding="utf-8")
        await anyio.Path("march.ics").write_bytes((await sq.calendar.export_ical()).encode())
        await sq.calendar.undo()
        print(f"after undo: {len(await sq.calendar.entries())} entries")


if __name__ == "__main__":
    anyio.run(main)
