"""Nothing goes out before two people have pressed a button in the editors' group. Needs no account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from shequn_sdk import AsyncShequn, ChannelRef, Community, Content
from shequn_sdk.domain import MemberRef
from shequn_sdk.editorial.model import ApprovalPolicy
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)


async def main() -> None:
    clock = ManualClock(NOON)
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        platform = sandbox["telegram"]
        club, desk = platform.create_channel("健康养生社"), platform.create_channel("编辑部")
        anna, bo, eve = (Person(id=name, name=name) for name in ("Anna", "Bo", "Eve"))
        for person in (anna, bo, eve):
            platform.join(desk, person)
        health = Community(name="health", channels=(ChannelRef.parse(f"bot:{club}"),))
        account = sandbox.account("telegram", name="bot")
        account = account.model_copy(
            update={"options": {"poll_timeout": 0}}
        )  # nobody waits for what does not come
        async with AsyncShequn.open(
            accounts=[account],
            communities=[health],
            plugins=plugins,
            clock=clock,
        ) as sq:

            async def minute() -> None:
                clock.advance(timedelta(minutes=1))
                while await sq.poll_once():
                    await sq.process()
                await sq.deliver_due()

            await sq.approvals.set_policy(
                ApprovalPolicy(
                    approvers=tuple(
                        MemberRef(platform="telegram", native_id=platform.member_id(person))
                        for person in (anna, bo)
                    ),
                    needed=2,
                    channel=ChannelRef.parse(f"bot:{desk}"),
                )
            )
            entry = await sq.calendar.add(
                Content(text="今晚八点直播"),
                to=[f"bot:{club}"],
                at=NOON + timedelta(hours=8),
                state="scheduled",
                actor="desk:chen",
            )
            print("handed in:", entry.state)
            await minute()
            question = platform.messages(desk)[0]
            code = (await sq.approvals.get(entry.id)).code
            for person in (eve, anna, anna, bo):  # a stranger, somebody twice, and the second one
                platform.press(desk, person, question.native_id, f"sqap:{code}:a")
                await minute()
                approval = await sq.approvals.get(entry.id)
                print(f"{person.name} pressed: {approval.approved} of {approval.needed}, {approval.state}")
            clock.move_to(NOON + timedelta(hours=8))
            await minute()
            print("on the platform:", platform.messages(club)[0].text)
            print("now it is", (await sq.calendar.get(entry.id)).state)


if __name__ == "__main__":
    anyio.run(main)
