"""Entries from idea to landed: once in the ledger, changed whole or not at all, undone step by step."""

from datetime import UTC, date, datetime, timedelta

import pytest

from shequn_sdk import Community, Content, InvalidInput
from shequn_sdk.domain import DeliveryState
from shequn_sdk.editorial.model import ClashKind, EntryState
from shequn_sdk.errors import UnknownName
from shequn_sdk.stores.tables.editorial import calendar_entry
from shequn_sdk.testing.sandbox import Person

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
TONIGHT = NOW + timedelta(hours=8)


async def states(sq):
    return [(one.state, str(one.channel), one.due) for one in reversed(await sq.deliveries.list())]


async def test_from_idea_to_landed(place):
    sq = place.sq
    idea = await sq.calendar.add(Content(text="春天吃什么"), state="idea", actor="desk:anna")
    assert idea.state is EntryState.IDEA
    with pytest.raises(InvalidInput, match="no channel"):
        await sq.calendar.schedule(idea.id)
    draft = await sq.calendar.edit(
        idea.id, content=Content(text="春天吃什么?韭菜、荠菜、春笋。"), to=[place.one, place.two]
    )
    assert (draft.version, draft.content.id) == (2, idea.content.id)
    entry = await sq.calendar.schedule(idea.id, at=TONIGHT)
    assert entry.state is EntryState.SCHEDULED
    assert {(state, due) for state, _, due in await states(sq)} == {(DeliveryState.PLANNED, TONIGHT)}
    await place.pass_to(TONIGHT)
    entry = await sq.calendar.get(idea.id)
    assert (entry.state, entry.landed_at) == (EntryState.LANDED, TONIGHT)
    assert place.posts(place.one) == ["春天吃什么?韭菜、荠菜、春笋。"] == place.posts(place.two)
    for change in (
        sq.calendar.move(idea.id, at=TONIGHT + timedelta(days=1)),
        sq.calendar.edit(idea.id, content=Content(text="别的")),
        sq.calendar.cancel(idea.id),
        sq.calendar.undo(),
    ):
        with pytest.raises(InvalidInput, match="has landed"):
            await change
    again = await sq.calendar.copy(idea.id)
    assert (again.state, again.at) == (EntryState.DRAFT, None)
    assert again.content.id != entry.content.id


async def test_a_change_after_scheduling_cancels_and_plans_anew(place):
    sq = place.sq
    entry = await sq.calendar.add(Content(text="第一版"), to=[place.one], at=TONIGHT, state="scheduled")
    entry = await sq.calendar.edit(entry.id, content=Content(text="第二版"))
    entry = await sq.calendar.move(entry.id, at=TONIGHT + timedelta(hours=1))
    assert [state for state, *_ in await states(sq)] == ["cancelled", "cancelled", "planned"]
    await place.pass_to(TONIGHT + timedelta(hours=2))
    assert place.posts(place.one) == ["第二版"]
    difference = await sq.calendar.diff(entry.id)
    assert difference.fields == ("text",)
    assert "-第一版" in difference.text
    assert "+第二版" in difference.text


async def test_planning_is_repeated_after_a_crash_and_sends_once(place):
    """Between the change and the ledger a process dies; the next one finds the note and plans under the same key."""
    sq = place.sq
    entry = await sq.calendar.add(Content(text="只发一次"), to=[place.one], at=TONIGHT, state="scheduled")
    store = await sq._workspace.store()

    def forget(conn):
        conn.execute(calendar_entry.update().values(handing=1))

    await store.write(forget)
    await sq.calendar.settle()
    assert len(await states(sq)) == 1
    # died before planning: the ledger knows nothing
    other = await sq.calendar.add(Content(text="也只发一次"), to=[place.one], at=TONIGHT)

    def crash(conn):
        conn.execute(
            calendar_entry.update()
            .where(calendar_entry.c.id == other.id)
            .values(state="scheduled", handing=1, batch="calendar/2/1", batches=1)
        )

    await store.write(crash)
    moved = await sq.calendar.move(other.id, at=TONIGHT + timedelta(hours=1))
    assert moved.idempotency_key == "calendar/2/2"
    assert sorted(state for state, *_ in await states(sq)) == ["cancelled", "planned", "planned"]
    await place.pass_to(TONIGHT + timedelta(hours=2))
    assert place.posts(place.one) == ["只发一次", "也只发一次"]
    assert (await sq.calendar.get(entry.id)).state is EntryState.LANDED


async def test_what_the_ledger_says_is_read_back(place):
    sq = place.sq
    entry = await sq.calendar.add(
        Content(text="去一个没有的群"), to=["bot:-100999", place.one], at=TONIGHT, state="scheduled"
    )
    gone = await sq.calendar.add(Content(text="不发了"), to=[place.one], at=TONIGHT, state="scheduled")
    (row,) = [one for one in await sq.deliveries.list() if one.text == "不发了"]
    await sq.deliveries.cancel(row.id)
    view = await sq.calendar.view(states=list(EntryState))
    assert {card.id: card.state for card in view.cards} == {
        entry.id: EntryState.SCHEDULED,
        gone.id: EntryState.CANCELLED,
    }
    await place.pass_to(TONIGHT)
    found = await sq.calendar.get(entry.id)
    assert found.state is EntryState.FAILED
    assert "bot:-100999 refused" in found.note
    with pytest.raises(InvalidInput, match="landed"):
        await sq.calendar.edit(entry.id, content=Content(text="改"))


async def test_undo_takes_back_step_by_step_also_from_the_ledger(place):
    sq = place.sq
    entry = await sq.calendar.add(Content(text="甲"), to=[place.one], at=TONIGHT)
    await sq.calendar.edit(entry.id, content=Content(text="乙"))
    await sq.calendar.schedule(entry.id)
    await sq.calendar.move(entry.id, at=TONIGHT + timedelta(days=1))
    await sq.calendar.undo()
    found = await sq.calendar.get(entry.id)
    assert (found.at, found.state) == (TONIGHT, EntryState.SCHEDULED)
    assert [state for state, *_ in await states(sq)] == ["cancelled", "cancelled", "planned"]
    await sq.calendar.undo(steps=2, actor="desk:anna")
    found = await sq.calendar.get(entry.id)
    assert (found.state, found.content.text, found.version) == (EntryState.DRAFT, "甲", 3)
    assert {state for state, *_ in await states(sq)} == {"cancelled"}
    await sq.calendar.undo()
    with pytest.raises(UnknownName):
        await sq.calendar.get(entry.id)
    with pytest.raises(InvalidInput, match="nothing to undo"):
        await sq.calendar.undo()
    log = await sq.calendar.log(limit=100)
    assert [step.action for step in log] == ["undo"] * 4 + ["move", "schedule", "edit", "add"]
    assert log[1].actor == "desk:anna"
    assert not any(step.undoable for step in log)


async def test_a_cancelled_entry_leaves_the_ledger_and_undo_brings_it_back(place):
    sq = place.sq
    entry = await sq.calendar.add(Content(text="直播"), to=[place.one], at=TONIGHT, state="scheduled")
    assert (await sq.calendar.cancel(entry.id, reason="嘉宾病了")).note == "嘉宾病了"
    await sq.calendar.undo()
    await place.pass_to(TONIGHT)
    assert place.posts(place.one) == ["直播"]


async def test_shift_keeps_the_local_hour_and_is_all_or_nothing(place):
    sq = place.sq
    first = await sq.calendar.add(
        Content(text="一"), to=[place.one], at=NOW + timedelta(hours=1), state="scheduled"
    )
    second = await sq.calendar.add(Content(text="二"), to=[place.two], at=NOW + timedelta(hours=30))
    with pytest.raises(InvalidInput, match="past"):
        await sq.calendar.shift(timedelta(hours=-2))
    assert (await sq.calendar.get(second.id)).at == second.at
    await sq.calendar.shift(timedelta(days=1))
    assert [(await sq.calendar.get(one.id)).at - one.at for one in (first, second)] == [timedelta(days=1)] * 2
    await sq.calendar.undo()
    assert [(await sq.calendar.get(one.id)).at for one in (first, second)] == [first.at, second.at]


async def test_shift_over_the_night_on_which_clocks_change(tmp_path):
    from shequn_sdk import AsyncShequn
    from shequn_sdk.testing import ManualClock

    berlin = Community(name="verein", zone="Europe/Berlin")
    start = datetime(2026, 3, 28, 18, tzinfo=UTC)
    async with AsyncShequn.open(home=tmp_path, communities=[berlin], clock=ManualClock(start)) as sq:
        entry = await sq.calendar.add(Content(text="x"), at=start + timedelta(hours=1))
        (moved,) = await sq.calendar.shift(timedelta(days=1))
        assert moved.at - entry.at == timedelta(hours=23)


async def test_keys_make_adding_safe_to_repeat(place):
    first = await place.sq.calendar.add(Content(text="甲"), key="row-1")
    again = await place.sq.calendar.add(Content(text="乙"), key="row-1")
    assert again == first


async def test_view_has_festivals_days_off_and_undated(place):
    sq = place.sq
    await sq.calendar.add(
        Content(text="清明踏青", category="life"), to=[place.one], at=datetime(2026, 4, 5, 1, tzinfo=UTC)
    )
    await sq.calendar.add(Content(text="待定"), state="idea")
    view = await sq.calendar.view(start=date(2026, 4, 1))
    assert (view.start, view.end) == (date(2026, 4, 1), date(2026, 4, 30))
    assert [card.title for card in view.cards] == ["清明踏青"]
    assert [card.title for card in view.undated] == ["待定"]
    day = view.days[4]
    assert (day.day, day.festivals, day.works, day.lunar) == (
        date(2026, 4, 5),
        ("清明节",),
        False,
        "二月十八",
    )
    assert (await sq.calendar.view(start=date(2026, 4, 1), channel=place.two)).cards == ()
    with pytest.raises(InvalidInput, match="no stretch"):
        await sq.calendar.view(start=date(2026, 4, 1), end=date(2026, 3, 1))


async def test_clashes(place):
    sq = place.sq
    text = "每天走够八千步,晚饭后散步半小时,少吃油炸食品,早睡早起"
    near = await sq.calendar.add(Content(text=text, promotional=True), to=[place.one], at=TONIGHT)
    await sq.queue.add_blackout(TONIGHT, TONIGHT + timedelta(hours=2), reason="系统维护", channel=place.one)
    found = await sq.calendar.check(
        Content(text=text + "。", promotional=True), to=[place.one], at=TONIGHT + timedelta(minutes=20)
    )
    assert {one.kind for one in found} == {
        ClashKind.TOO_CLOSE,
        ClashKind.PROMOTIONAL_IN_A_ROW,
        ClashKind.BLACKOUT,
        ClashKind.NEAR_DUPLICATE,
    }
    assert {one.entry for one in found} == {near.id, None}
    assert await sq.calendar.check(Content(text="完全不同的话"), to=[place.two], at=TONIGHT) == []
    assert [one.kind for one in await sq.calendar.check(near.id)] == [ClashKind.BLACKOUT]
    (feast,) = await sq.calendar.check(
        Content(text="下单立减", promotional=True), to=[place.two], at=datetime(2026, 9, 25, 4, tzinfo=UTC)
    )
    assert feast.kind is ClashKind.FESTIVAL
    assert "中秋节" in feast.message
    with pytest.raises(InvalidInput, match="no time"):
        await sq.calendar.check(Content(text="x"), to=[place.one])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"at": datetime(2026, 3, 3)}, "time zone"),
        ({"to": ["nocolon"]}, "account:native-id"),
        ({"to": "bot:-1"}, "not one text"),
        ({"state": "landed"}, "begins as"),
        ({"state": "idee"}, "no state"),
        ({"state": "scheduled", "at": TONIGHT}, "no channel"),
    ],
)
async def test_bad_input_changes_nothing(place, options, words):
    with pytest.raises(InvalidInput, match=words):
        await place.sq.calendar.add(Content(text="x"), **options)
    with pytest.raises(UnknownName):
        await place.sq.calendar.add(Content(text="x"), to=["bto:-1"])
    assert await place.sq.calendar.entries() == []
    assert await place.sq.calendar.log() == []


async def test_an_entry_that_cannot_reach_the_ledger_holds_up_no_other(place):
    sq = place.sq
    store = await sq._workspace.store()
    lost = await sq.calendar.add(Content(text="账号没了"), to=[place.one], at=TONIGHT)
    kept = await sq.calendar.add(Content(text="照常"), to=[place.one], at=TONIGHT)

    def crash(conn):
        for number, channels in ((lost.id, '["gone:-1"]'), (kept.id, f'["{place.one}"]')):
            conn.execute(
                calendar_entry.update()
                .where(calendar_entry.c.id == number)
                .values(
                    state="scheduled", handing=1, batch=f"calendar/{number}/1", batches=1, channels=channels
                )
            )

    await store.write(crash)
    await sq.calendar.settle()
    assert "not in the ledger yet" in (await sq.calendar.get(lost.id)).note
    assert await states(sq) == [("planned", place.one, TONIGHT)]


async def test_a_calendar_that_mostly_sells_is_a_finding(place):
    sq = place.sq
    for number in range(6):
        content = Content(
            text=f"第 {number} 篇：{'限时折扣' if number % 2 else '春天吃什么'}", promotional=number % 2 == 1
        )
        at = TONIGHT + timedelta(minutes=30 * number)
        entry = await sq.calendar.add(content, to=[place.one], at=at, state="scheduled")
        if number == 4:
            await sq.calendar.cancel(entry.id)
    wang, group = Person(id="wang", name="小王"), place.one.partition(":")[2]
    place.platform.join(group, wang)
    place.platform.say(group, wang, "大家好")

    async def sells():
        await sq.collect()
        found = [one for one in await sq.metrics.diagnose() if one.rule == "over_commercial"]
        return [(piece.what, piece.value) for one in found for piece in one.evidence]

    await place.pass_to(TONIGHT + timedelta(minutes=110))
    assert await sells() == []  # four posts so far
    await place.pass_to(TONIGHT + timedelta(hours=3))
    assert await sells() == [("promotional_share", 3 / 5)]
    await place.pass_to(TONIGHT + timedelta(days=70))
    place.platform.say(group, wang, "还有人吗")
    await place.pass_to(TONIGHT + timedelta(days=70, hours=1))
    assert await sells() == []  # long ago
