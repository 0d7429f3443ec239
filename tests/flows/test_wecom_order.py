"""Order on WeChat Work: what its manifests allow is done, and what they do not allow becomes a task with the reason."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from shequn_sdk import AsyncShequn, ChannelRef, Community
from shequn_sdk.moderation.rules import Effects, LadderAction, RaidSettings, Rule, standard_rules
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.ports import RawEvent
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ADVERT = "加 V 芯：ab12345 领优惠券，名额有限"


class Office:
    """A corporation with an application (`desk`) and customer groups (`shop`), and one operator."""

    def __init__(self, sq, sandbox, clock, group):
        self.sq, self.sandbox, self.clock, self.group = sq, sandbox, clock, group
        self._heard = 0

    async def hear(self):
        """What the platform calls back with, as the webhook stores it once it is verified."""
        inbox = await self.sq._workspace.inbox()
        for plain in list(self.sandbox.callbacks.waiting)[self._heard :]:
            self._heard += 1
            for account in ("desk", "shop"):
                await inbox.add(account, [RawEvent(f"event/{self._heard}", plain.encode())])
        await self.sq.process()
        await self.sq.drain()

    def told(self, member="lin"):
        """What somebody of the corporation was told."""
        return [one.text for one in reversed(self.sandbox.messages(f"user:{member}", limit=500))]


@pytest.fixture
async def office(tmp_path):
    plugins = load_plugins(only=["wecom"])
    clock = ManualClock(START)
    async with SandboxServer(
        [plugins.sandbox("wecom")], clock=clock, options={"wecom": {"mode": "customer"}}
    ) as server:
        sandbox = server["wecom"]
        accounts = []
        for name, mode in (("desk", "app"), ("shop", "customer")):
            ready = sandbox.describe()["accounts"][mode]
            accounts.append(
                server.account("wecom", name=name).model_copy(
                    update={
                        "options": ready["options"],
                        "secrets": {key: SecretStr(value) for key, value in ready["secrets"].items()},
                    }
                )
            )
        group = sandbox.create_channel("读书会")
        club = Community(
            name="club",
            channels=(
                ChannelRef(account="desk", native_id="@all"),
                ChannelRef(account="shop", native_id=group),
            ),
        )
        async with AsyncShequn.open(
            home=tmp_path, accounts=accounts, communities=[club], plugins=plugins, clock=clock
        ) as sq:
            yield Office(sq, sandbox, clock, group)


def rules(**changes):
    operators = (ChannelRef(account="desk", native_id="user:lin"),)
    return standard_rules().model_copy(update={"operators": operators, **changes})


WORD = Rule(
    name="word",
    keywords=("违规词",),
    then=Effects(delete=True, action=LadderAction.MUTE, duration=timedelta(hours=1)),
)


async def test_what_is_written_to_the_application_is_judged_and_what_cannot_be_done_is_a_task(office):
    await office.sq.moderation.set_rules(rules(rules=(WORD,)))
    wang = Person(id="wang", name="小王")
    office.sandbox.join("@all", wang)
    office.sandbox.say("@all", wang, "大家好")
    office.sandbox.say("@all", wang, "这里有违 规 词")
    await office.hear()
    (case,) = [one for one in await office.sq.moderation.cases() if one.channel.startswith("desk:")]
    actions = {one.kind: one for one in await office.sq.moderation.actions(case.id)}
    assert actions["mute"].state == "unsupported"
    assert "cannot mute or remove" in actions["mute"].error
    assert actions["delete"].state == "unsupported"
    assert "its own messages only" in actions["delete"].error
    told = office.told()
    assert sum("敏感词" in text for text in told) == 1, told
    assert len(told) == 2
    assert not any("不能发言" in text for text in office.told("wang")), "nobody is told what was not done"


async def test_joins_of_a_customer_group_are_a_raid_and_the_notes_say_what_a_person_has_to_do(office):
    quick = RaidSettings(joins=10, seconds=60, calm=timedelta(minutes=10))
    await office.sq.moderation.set_rules(rules(raid=quick))
    for number in range(12):
        office.sandbox.join(office.group, Person(id=f"raider{number}", name=f"路人{chr(0x4E00 + number)}"))
    await office.hear()
    (raid,) = await office.sq.moderation.raids()
    assert raid.channel == f"shop:{office.group}"
    assert any("slow_mode" in note for note in raid.notes)
    assert any("restrict" in note for note in raid.notes)
    told = office.told()
    assert sum("防炸群" in text for text in told) == len(told) == 1, told
    assert any("intercept rules" in text for text in told)
    assert office.sandbox.messages(office.group) == []
    scheduler = await office.sq._workspace.scheduler()
    await scheduler.drain(until=office.clock.now() + timedelta(minutes=30))
    await office.sq.drain()
    (raid,) = await office.sq.moderation.raids()
    assert raid.ended_at is not None
    assert any("恢复正常" in text for text in office.told())


async def test_messages_in_a_customer_group_are_not_heard(office):
    await office.sq.moderation.set_rules(rules(rules=(WORD,)))
    wang = Person(id="wang", name="小王")
    office.sandbox.join(office.group, wang)
    office.sandbox.say(office.group, wang, "违规词")
    await office.hear()
    assert await office.sq.moderation.cases() == []
