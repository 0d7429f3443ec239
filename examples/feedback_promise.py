"""Members complain in the group, an answer is promised and given, and what was done is told. Runs on the local sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from shequn_sdk import AsyncShequn, Community
from shequn_sdk.domain import ChannelRef
from shequn_sdk.feedback.model import FeedbackDesk
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

LIN, WANG = Person("lin", "林小满"), Person("wang", "王一")


async def main() -> None:
    plugins = load_plugins()
    clock = ManualClock(datetime(2026, 3, 2, 2, tzinfo=UTC))
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        platform = sandbox["telegram"]
        channel, staff = platform.create_channel("健康养生社"), platform.create_channel("值班群")
        place, desk = f"bot:{channel}", f"bot:{staff}"
        account = sandbox.account("telegram", name="bot")
        account = account.model_copy(update={"options": {**account.options, "poll_timeout": 0}})
        community = Community(name="health", channels=(ChannelRef.parse(place),))
        async with AsyncShequn.open(
            accounts=[account], communities=[community], plugins=plugins, clock=clock
        ) as sq:
            promise = FeedbackDesk(promise=timedelta(hours=12), notify=(ChannelRef.parse(desk),))
            await sq.feedback.open(promise)
            for person in (LIN, WANG):
                platform.join(channel, person)
            platform.say(channel, LIN, "建议群文件加一个目录，找资料太难了")
            platform.say(channel, WANG, "投诉：打卡链接打不开！")
            await sq.poll_once()
            await sq.drain()
            await sq.feedback.submit("电话里说：希望周末也有直播", key="call-17")

            for item in await sq.feedback.list():
                due = (item.due_at - item.created_at) / timedelta(hours=1)
                print(f"{item.source} {item.kind} ({item.urgency}), due in {due:g} h: {item.text}")

            clock.advance(timedelta(hours=13))
            await sq.drain()  # every five minutes what is overdue is told to the operators
            told = [message.text for message in platform.messages(staff) if message.by_account]
            print("operators were told:", len(told), "times")

            for item in await sq.feedback.list():
                if item.member:
                    await sq.feedback.answer(item.id, "收到，今天处理。", by="小满")
                await sq.feedback.settle(item.id, f"已办：{item.text[:12]}", public=True)
            digest = await sq.feedback.digest()
            if digest is not None:
                await sq.publish(digest, to=[place])
            await sq.drain()
            for message in reversed(platform.messages(channel)):
                if message.by_account:
                    print("in the group:", message.text.replace("\n", " / "))
            report = await sq.feedback.report()
            print("answered in time:", report.in_time)


if __name__ == "__main__":
    anyio.run(main)
