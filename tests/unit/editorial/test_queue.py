"""Slots with their zones, the queue that fills them, evergreens with cooldown and maximum."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from shequn_sdk import Content, InvalidInput
from shequn_sdk.editorial.model import EntryState
from shequn_sdk.errors import UnknownName

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)


def at(day, hour, minute=0):
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


async def test_slots_go_by_their_own_zone_and_dst(place):
    sq = place.sq
    slots = await sq.queue.add_slots(place.one, ["周一 20:00", "thu 08:30"])
    assert [(one.weekday, one.time, one.zone) for one in slots] == [
        (0, "20:00", "Asia/Shanghai"),
        (3, "08:30", "Asia/Shanghai"),
    ]
    assert (await sq.queue.next_slot(place.one)).at == at(2, 12)
    assert (await sq.queue.next_slot(place.one, after=at(2, 12))).at == at(5, 0, 30)
    # adding again adds nothing
    assert await sq.queue.add_slots(place.one, "mon 20:00") == slots
    await sq.queue.add_slots(place.two, "sun 09:00", zone="Europe/Berlin")
    free = await sq.queue.next_slot(place.two, after=at(23, 0))
    assert (free.at, free.zone) == (at(29, 7), "Europe/Berlin")  # the night in which clocks are put forward
    assert (await sq.queue.next_slot(place.two, after=at(16, 0))).at == at(22, 8)
    assert await sq.queue.next_slot("bot:-5") is None


async def test_the_queue_fills_slots_by_category_and_leaves_taken_ones_and_blackouts_out(place):
    sq = place.sq
    await sq.queue.add_slots(place.one, ["mon 20:00", "wed 20:00"])
    (only,) = [
        one for one in await sq.queue.add_slots(place.one, "tue 20:00", category="product") if one.category
    ]
    by_hand = await sq.calendar.add(Content(text="手动"), to=[place.one], at=at(2, 12))
    (first,) = await sq.queue.add(Content(text="一"), to=[place.one])
    (second,) = await sq.queue.add(Content(text="二", category="product"), to=[place.one])
    assert (first.at, second.at) == (at(4, 12), at(3, 12))
    assert first.state is EntryState.SCHEDULED
    await sq.queue.add_blackout(at(8, 0), at(14, 0), reason="春季大会")
    (third,) = await sq.queue.add(Content(text="三"), to=[place.one])
    assert third.at == at(16, 12)
    # a slot that becomes free is the next one again
    await sq.calendar.cancel(first.id)
    assert (await sq.queue.next_slot(place.one)).at == at(4, 12)
    await sq.calendar.undo()
    assert (await sq.queue.next_slot(place.one)).at == at(18, 12)
    await sq.queue.remove_slot(only.id)
    assert len(await sq.queue.slots(place.one)) == 2
    (hole,) = await sq.queue.blackouts()
    await sq.queue.remove_blackout(hole.id)
    assert (await sq.queue.next_slot(place.one)).at == at(9, 12)
    with pytest.raises(UnknownName):
        await sq.queue.remove_slot(only.id)
    with pytest.raises(InvalidInput, match="no slot for the category 'gossip'"):
        await sq.queue.add(Content(text="x", category="gossip"), to=[place.two])
    assert by_hand.queued is False


async def test_slots_that_are_added_later_count_what_stands_there(place):
    sq = place.sq
    await sq.calendar.add(Content(text="先来"), to=[place.one], at=at(2, 12))
    await sq.queue.add_slots(place.one, "mon 20:00")
    assert (await sq.queue.next_slot(place.one)).at == at(9, 12)


async def test_adding_under_a_key_twice_queues_once(place):
    sq = place.sq
    for channel in (place.one, place.two):
        await sq.queue.add_slots(channel, "mon 20:00")
    first = await sq.queue.add(Content(text="一"), to=[place.one, place.two], key="k")
    again = await sq.queue.add(Content(text="一"), to=[place.one, place.two], key="k")
    assert [one.id for one in first] == [one.id for one in again]
    assert len(await sq.deliveries.list()) == 2


async def test_reshuffling_deals_the_same_times_anew_with_fewer_advertisements_in_a_row(place):
    sq = place.sq
    await sq.queue.add_slots(
        place.one, [f"{day} 20:00" for day in ("mon", "tue", "wed", "thu", "fri", "sat")]
    )
    before = [
        (await sq.queue.add(Content(text=f"第{number}条", promotional=number < 3), to=[place.one]))[0]
        for number in range(6)
    ]
    after = await sq.queue.reshuffle(place.one, rng=random.Random(7))
    listed = await sq.calendar.entries()
    assert [one.at for one in listed] == [one.at for one in before]
    promotional = [one.content.promotional for one in listed]
    assert not any(one and other for one, other in pairwise(promotional))
    assert after
    await sq.calendar.undo()
    assert [one.content.text for one in await sq.calendar.entries()] == [one.content.text for one in before]
    live = [one for one in await sq.deliveries.list() if one.state == "planned"]
    assert sorted((one.due, one.text) for one in live) == [(one.at, one.content.text) for one in before]


async def test_evergreens_fill_free_slots_within_cooldown_and_maximum(place):
    sq = place.sq
    await sq.queue.add_slots(place.one, ["mon 20:00", "thu 20:00"])
    tip = await sq.queue.add_evergreen(
        Content(text="多喝水"), to=[place.one], cooldown=timedelta(days=6), max_uses=2
    )
    other = await sq.queue.add_evergreen(Content(text="早睡"), to=[place.one], cooldown=timedelta(days=10))
    made = await sq.queue.fill(until=at(20, 0))
    assert [(one.at, one.evergreen) for one in made] == [
        (at(2, 12), tip.id),
        (at(5, 12), other.id),
        (at(9, 12), tip.id),
        (at(16, 12), other.id),
    ]
    tip, other = await sq.queue.evergreens()
    assert (tip.uses, tip.last_use, other.uses) == (2, at(9, 12), 2)
    assert await sq.queue.fill(until=at(20, 0)) == []
    await sq.calendar.undo()
    assert [one.uses for one in await sq.queue.evergreens()] == [0, 0]
    await sq.queue.end_evergreen(tip.id)
    assert [one.id for one in await sq.queue.evergreens()] == [other.id]
    with pytest.raises(InvalidInput, match="positive cooldown"):
        await sq.queue.add_evergreen(Content(text="x"), to=[place.one], cooldown=timedelta(0))


@pytest.mark.parametrize("slots", ["fri", "frei 20:00", "fri 25:00", []])
async def test_bad_slots(place, slots):
    with pytest.raises(InvalidInput):
        await place.sq.queue.add_slots(place.one, slots)
    with pytest.raises(InvalidInput, match="Asia/Shanghai"):
        await place.sq.queue.add_slots(place.one, "fri 20:00", zone="Asia/Shangai")
    assert await place.sq.queue.slots() == []
