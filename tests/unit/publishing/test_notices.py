"""Who has to decide is told: listeners at once, the operators' channel through the ledger."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from shequn_sdk.domain import Content, DeliveryState, LatePolicy, OnUnknown
from shequn_sdk.errors import InvalidInput, Landing, Unavailable, UnknownName
from shequn_sdk.platforms.ports import Confirmation
from shequn_sdk.publishing import NoticeKind, Publishing

LOST = Unavailable("reset", landed=Landing.PERHAPS)


def told(publishing):
    notices = []
    publishing.on_notice(notices.append)
    return notices


async def test_an_unknown_that_is_asked_about_reaches_listeners_and_operators(bench):
    bench.account()
    bench.wall.script["1"].append(("landed", LOST))
    publishing = Publishing(bench.store, bench.accounts, on_unknown=OnUnknown.ASK, notify="bot:ops")
    notices = told(publishing)
    (receipt,) = await publishing.publish(Content(text="*sale* [now](https://x.example)"), ["bot:1"])
    await publishing.drain()
    (notice,) = notices
    assert notice.kind is NoticeKind.UNKNOWN
    assert notice.asked
    assert notice.delivery.id == receipt.deliveries[0]
    (asked,) = bench.wall.texts("ops")
    assert f"resolve {receipt.deliveries[0]} --landed" in asked
    assert "https://x.example" not in asked  # what others wrote makes no link and no mark among the operators
    await publishing.drain()
    await Publishing(bench.store, bench.accounts, on_unknown=OnUnknown.ASK, notify="bot:ops").drain()
    assert len(bench.wall.texts("ops")) == 1


async def test_a_held_one_is_told_to_listeners_only(bench):
    bench.account()
    bench.wall.script["1"].append(LOST)
    publishing = Publishing(bench.store, bench.accounts, notify="bot:ops")
    notices = told(publishing)
    await publishing.publish(Content(text="x"), ["bot:1"])
    await publishing.drain()
    assert [(one.kind, one.asked) for one in notices] == [(NoticeKind.UNKNOWN, False)]
    assert bench.wall.texts("ops") == []


async def test_a_question_that_is_itself_unknown_asks_nothing(bench):
    """Else an operators' channel that does not answer would be asked about itself without end."""
    bench.account()
    bench.wall.script["1"].append(LOST)
    bench.wall.script["ops"].extend([LOST] * 9)
    publishing = Publishing(bench.store, bench.accounts, on_unknown=OnUnknown.ASK, notify="bot:ops")
    notices = told(publishing)
    await publishing.publish(Content(text="x"), ["bot:1"])
    for _ in range(5):
        await publishing.drain()
    assert len(await publishing.deliveries()) == 2
    assert len(notices) == 2


async def test_resolved_and_unknown_again_is_asked_again(bench):
    bench.account()
    bench.wall.script["1"].extend([LOST, LOST])
    publishing = Publishing(bench.store, bench.accounts, on_unknown=OnUnknown.ASK, notify="bot:ops")
    (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"])
    await publishing.drain()
    await publishing.resolve(receipt.deliveries[0], landed=False)
    await publishing.drain()
    await publishing.drain()
    assert len(bench.wall.texts("ops")) == 2


async def test_what_a_dead_process_could_not_ask_is_asked_at_the_next_start(bench):
    bench.account()
    bench.wall.script["1"].append(LOST)
    silent = Publishing(bench.store, bench.accounts, on_unknown=OnUnknown.ASK)
    await silent.publish(Content(text="x"), ["bot:1"])
    publishing = Publishing(bench.store, bench.accounts, on_unknown=OnUnknown.ASK, notify="bot:ops")
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(publishing.run, stop)
        with anyio.fail_after(300):
            while not bench.wall.texts("ops"):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        stop.set()
    assert len(bench.wall.texts("ops")) == 1


async def test_hand_overs_reminders_and_deadlines(bench, kinds):
    bench.account("app", kind=kinds.person, person_must_confirm=True, confirm_within=timedelta(days=1))
    bench.account()
    publishing = Publishing(bench.store, bench.accounts, notify="bot:ops")
    notices = told(publishing)
    await publishing.publish(Content(text="x"), ["app:1"])
    assert [one.kind for one in notices] == [NoticeKind.AWAITING_PERSON]
    await publishing.drain(until=bench.clock.now() + timedelta(hours=23))
    assert [one.number for one in notices] == [0, 1, 2]
    bench.wall.confirmation = Confirmation(sent=0, pending=2)
    await publishing.drain(until=bench.clock.now() + timedelta(hours=2))
    assert [one.kind for one in notices][3:] == [NoticeKind.OVERDUE]
    assert notices[3].delivery.state is DeliveryState.EXPIRED
    asked = bench.wall.texts("ops")
    assert len(asked) == 4
    assert "press send" in asked[0]
    assert "reminder 2" in asked[2]
    assert "not confirmed in time" in asked[3]


async def test_what_is_late_and_asks_is_told(bench):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts, notify="bot:ops")
    notices = told(publishing)
    await publishing.plan(Content(text="x"), ["bot:1"], late=LatePolicy.ASK, grace=timedelta(minutes=1))
    bench.clock.advance(timedelta(hours=1))
    await publishing.drain()
    assert [one.kind for one in notices] == [NoticeKind.OVERDUE]
    assert "approve" in bench.wall.texts("ops")[0]


async def test_a_listener_that_fails_stops_nothing(bench, caplog):
    bench.account()
    bench.wall.script["1"].append(LOST)
    publishing = Publishing(bench.store, bench.accounts, on_unknown=OnUnknown.ASK, notify="bot:ops")
    heard = []

    @publishing.on_notice
    async def broken(notice):
        raise RuntimeError("mine")

    @publishing.on_notice
    async def sound(notice):
        heard.append(notice.kind)

    await publishing.publish(Content(text="x"), ["bot:1"])
    await publishing.drain()
    assert heard == [NoticeKind.UNKNOWN]
    assert "listener failed" in caplog.text
    assert len(bench.wall.texts("ops")) == 1


@pytest.mark.parametrize(("channel", "error"), [("nothing", InvalidInput), ("other:1", UnknownName)])
async def test_a_channel_that_cannot_be_told_is_an_early_error(bench, channel, error):
    bench.account()
    with pytest.raises(error):
        Publishing(bench.store, bench.accounts, notify=channel)
