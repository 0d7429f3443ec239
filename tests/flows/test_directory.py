"""Our number of members against the platform's, and its list read into ours, on the local sandboxes."""

from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, ChannelRef, Community, NotSupported
from shequn_sdk.members.filters import Left
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import Person
from shequn_sdk.testing.sandbox.server import SandboxServer


def person(number):
    return Person(id=f"p{number}", name=f"member {number}")


@pytest.fixture(params=["discord", "telegram"])
async def place(request, tmp_path):
    name = request.param
    plugins = load_plugins(only=[name])
    clock = ManualClock(datetime(2026, 3, 2, 4, tzinfo=UTC))
    async with SandboxServer([plugins.sandbox(name)], clock=clock) as server:
        sandbox = server[name]
        channel = sandbox.create_channel("健康养生社")
        before = [person(number) for number in range(3)]
        for one in before:
            sandbox.join(channel, one)
        async with AsyncShequn.open(
            home=tmp_path,
            accounts=[server.account(name, name="bot")],
            communities=[Community(name="club", channels=(ChannelRef(account="bot", native_id=channel),))],
            plugins=plugins,
            clock=clock,
        ) as sq:
            yield name, sq, sandbox, ChannelRef(account="bot", native_id=channel), clock


async def acted(sq, name, sandbox, channel, people):
    """These members acted where we could hear it."""
    from shequn_sdk import Interaction, InteractionKind
    from shequn_sdk.listening.events import Heard

    for number, one in enumerate(people):
        event = Interaction(
            id=f"heard/{one.id}/{number}",
            kind=InteractionKind.MESSAGE,
            platform=name,
            channel=channel.native_id,
            member=sandbox.member_id(one),
            member_name=one.name,
            occurred_at=sq._workspace.clock.now(),
        )
        await sq.members._note([Heard("message", event, "club", "bot", number)])


def adds_up(count):
    assert count.theirs is not None
    assert count.ours + sum(one.number for one in count.reasons) == count.theirs
    return {one.why: one.number for one in count.reasons}


async def test_every_part_of_the_difference_has_a_reason(place):
    name, sq, sandbox, channel, _ = place
    empty = await sq.members.explain_count(channel)
    assert empty.ours == 0
    assert sum(adds_up(empty).values()) == empty.theirs >= 3
    await acted(sq, name, sandbox, channel, [person(0), person(9)])  # 9 left before we asked
    await sq.members.merge(
        f"{name}:{sandbox.member_id(person(0))}",
        f"{name}:{sandbox.member_id(person(9))}",
        reason="two accounts",
        actor="lin",
    )
    count = await sq.members.explain_count(channel)
    assert count.ours == 1
    reasons = adds_up(count)
    assert reasons["one person, several accounts here"] == 1
    if count.certain:
        assert reasons["left unseen"] == -1
        assert reasons["joined before we listened"] == adds_up(empty)["joined before we listened"] - 1


async def test_the_directory_is_read_in_and_who_is_not_in_it_left(place):
    name, sq, sandbox, channel, clock = place
    if name == "telegram":
        with pytest.raises(NotSupported, match="list_members"):
            await sq.members.import_directory(channel)
        return
    await acted(sq, name, sandbox, channel, [person(9)])
    clock.advance(timedelta(hours=1))
    told = []
    first = await sq.members.import_directory(channel, progress=told.append)
    assert first.new == first.read >= 3
    assert first.left == 1
    assert told == [first.read]
    assert (await sq.members.import_directory(channel)).model_dump() == {
        "read": first.read,
        "new": 0,
        "left": 0,
    }
    assert [one.ref.native_id for one in await sq.segments.members(Left())] == [sandbox.member_id(person(9))]
    sandbox.leave(channel.native_id, person(1))
    clock.advance(timedelta(hours=1))
    assert (await sq.members.import_directory(channel)).left == 1
    count = await sq.members.explain_count(channel)
    assert count.certain
    assert set(adds_up(count)) <= {"bots"}
    info = await sq.members.get(f"{name}:{sandbox.member_id(person(0))}")
    assert info.memberships[0].joined_at is not None
