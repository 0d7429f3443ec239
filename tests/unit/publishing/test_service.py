"""Publishing through the ledger against a scripted platform."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

import pytest

from shequn_sdk.domain import Content, DeliveryState, LatePolicy, OnUnknown, Priority, ReceiptStatus
from shequn_sdk.errors import (
    ContentRejected,
    InvalidInput,
    Landing,
    RateLimited,
    TargetMoved,
    Unavailable,
    UnknownName,
)
from shequn_sdk.platforms.manifest import Capability, Idempotency, RateLimit, RateScope
from shequn_sdk.platforms.ports import Confirmation
from shequn_sdk.publishing import DeliveryOptions, Publishing, failpoints

LOST = Unavailable("reset after sending")
NEVER = Unavailable("connection refused", landed=Landing.SURELY_NOT)


async def test_one_receipt_per_channel_and_what_landed(bench):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    receipts = await publishing.publish(Content(text="hello"), ["bot:1", "bot:2"])
    assert [str(receipt.channel) for receipt in receipts] == ["bot:1", "bot:2"]
    assert all(receipt.landed and receipt.posts[0].native_id for receipt in receipts)
    assert [text for _, text, _ in bench.wall.posts] == ["hello", "hello"]
    steps = await publishing.history(receipts[0].deliveries[0])
    assert [(step.old, step.new) for step in steps] == [
        (None, "planned"),
        ("planned", "claimed"),
        ("claimed", "attempting"),
        ("attempting", "landed"),
    ]
    assert (await publishing.counts())[DeliveryState.LANDED] == 2


async def test_the_trail_has_every_step_where_the_next_is_claimed_with_an_outcome(bench):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    await publishing.plan_many((Content(text=str(n)), ["bot:1"], None) for n in range(3))
    await publishing.run_due()
    for row in await publishing.deliveries():
        steps = await publishing.history(row.id)
        assert [(step.old, step.new, step.cause) for step in steps] == [
            (None, "planned", "published"),
            ("planned", "claimed", "its turn has come"),
            ("claimed", "attempting", "request follows"),
            ("attempting", "landed", "landed"),
        ]


async def test_unknown_account_is_an_error_before_anything(bench):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    with pytest.raises(UnknownName):
        await publishing.publish(Content(text="x"), ["bot:1", "nobody:2"])
    assert await publishing.deliveries() == []
    with pytest.raises(InvalidInput):
        await publishing.publish(Content(text="x"), ["no colon"])
    with pytest.raises(InvalidInput):
        await publishing.publish(Content(text="x"), [])


async def test_a_dead_platform_hides_no_other(bench):
    bench.account("bad")
    bench.account("good")
    bench.wall.script["1"] = deque([ContentRejected("no")])
    publishing = Publishing(bench.store, bench.accounts)
    refused, fine = await publishing.publish(Content(text="x"), ["bad:1", "good:2"])
    assert (refused.status, fine.status) == (ReceiptStatus.REFUSED, ReceiptStatus.LANDED)
    assert "no" in refused.reason


async def test_same_key_twice_sends_once(bench):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    first = await publishing.publish(Content(text="x"), ["bot:1"], idempotency_key="k")
    second = await publishing.publish(Content(text="x"), ["bot:1"], idempotency_key="k")
    assert first == second
    assert bench.wall.requests == 1


async def test_unknown_is_held_and_resolved_by_a_person(bench):
    bench.account()
    bench.wall.script["1"] = deque([("landed", LOST)])
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"])
    assert receipt.status is ReceiptStatus.UNKNOWN
    bench.clock.advance(timedelta(days=2))
    assert await publishing.drain() == 0
    assert bench.wall.requests == 1
    with pytest.raises(InvalidInput, match="resolve it first"):
        await publishing.retry(receipt.deliveries[0])
    done = await publishing.resolve(receipt.deliveries[0], landed=True, native_id="77")
    assert done.state is DeliveryState.LANDED
    assert done.post is not None
    assert done.post.native_id == "77"


async def test_unknown_said_not_landed_is_sent_again(bench):
    bench.account()
    bench.wall.script["1"] = deque([LOST])
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"])
    await publishing.resolve(receipt.deliveries[0], landed=False)
    await publishing.drain()
    assert (await publishing.get(receipt.deliveries[0])).state is DeliveryState.LANDED
    assert bench.wall.texts("1") == ["x"]


async def test_after_an_unknown_other_contents_go_on_but_its_own_pieces_wait(bench):
    bench.account(limits={"text": {"maximum": 10}})
    bench.wall.script["1"] = deque([LOST])
    publishing = Publishing(bench.store, bench.accounts)
    (first,) = await publishing.publish(Content(text="one two three four"), ["bot:1"])
    (second,) = await publishing.publish(Content(text="other"), ["bot:1"])
    assert first.status is ReceiptStatus.UNKNOWN
    assert second.landed
    assert bench.wall.texts("1") == ["other"]
    await publishing.resolve(first.deliveries[0], landed=True)
    await publishing.drain()
    assert (await publishing.get_receipts(second.id)) == []
    states = [(await publishing.get(identity)).state for identity in first.deliveries]
    assert set(states) == {DeliveryState.LANDED}


async def test_resend_policy_sends_again(bench):
    bench.account()
    bench.wall.script["1"] = deque([LOST])
    publishing = Publishing(bench.store, bench.accounts, on_unknown=OnUnknown.RESEND)
    await publishing.publish(Content(text="x"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=1))
    assert (await publishing.counts())[DeliveryState.LANDED] == 1


async def test_native_key_repeats_without_a_double_post(bench):
    bench.wall.native_key = True
    bench.account(idempotency=Idempotency(native_key=True, window=timedelta(minutes=3)))
    bench.wall.script["1"] = deque([("landed", LOST)])
    publishing = Publishing(bench.store, bench.accounts)
    await publishing.publish(Content(text="x"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=1))
    assert (await publishing.counts())[DeliveryState.LANDED] == 1
    assert bench.wall.requests == 2
    assert bench.wall.texts("1") == ["x"]


async def test_native_key_after_its_window_is_not_repeated(bench):
    bench.wall.native_key = True
    bench.account(idempotency=Idempotency(native_key=True, window=timedelta(minutes=3)))
    bench.wall.script["1"] = deque([NEVER] * 6 + [("landed", LOST)])
    publishing = Publishing(bench.store, bench.accounts, options=DeliveryOptions(max_attempts=20))
    await publishing.publish(Content(text="x"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(hours=1))
    # the first request surely did not land, so the window counts from the first that may have
    assert (await publishing.counts())[DeliveryState.LANDED] == 1


@pytest.mark.parametrize("landed", [True, False])
async def test_reconcile_finds_it_or_sends_it_again(bench, kinds, landed):
    bench.account(kind=kinds.looking)
    bench.wall.script["1"] = deque([("landed", LOST) if landed else LOST])
    publishing = Publishing(bench.store, bench.accounts)
    await publishing.publish(Content(text="x"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=1))
    assert (await publishing.counts())[DeliveryState.LANDED] == 1
    assert bench.wall.texts("1") == ["x"]
    assert bench.wall.requests == (1 if landed else 2)


async def test_lookup_that_keeps_failing_ends_in_a_hold(bench, kinds):
    bench.account(kind=kinds.looking)
    bench.wall.script["1"] = deque([("landed", LOST)])
    bench.wall.lookup = deque([Unavailable("down")] * 50)
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(hours=2))
    held = await publishing.get(receipt.deliveries[0])
    assert held.state is DeliveryState.UNKNOWN
    assert "resolve" in held.error
    assert bench.wall.requests == 1


async def test_a_later_content_waits_while_an_unknown_is_looked_up(bench, kinds):
    bench.account(kind=kinds.looking)
    bench.wall.script["1"] = deque([LOST])
    publishing = Publishing(bench.store, bench.accounts)
    await publishing.publish(Content(text="first"), ["bot:1"])
    await publishing.publish(Content(text="second"), ["bot:1"])
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=1))
    assert bench.wall.texts("1") == ["first", "second"]


async def test_rate_limit_waits_as_told_and_consumes_no_attempt(bench):
    bench.account()
    bench.wall.script["1"] = deque(
        [RateLimited("slow", retry_after=timedelta(seconds=30), scope="channel")] * 20
    )
    publishing = Publishing(bench.store, bench.accounts, options=DeliveryOptions(max_attempts=2))
    (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"])
    assert receipt.status is ReceiptStatus.PENDING
    begun = bench.clock.now()
    await publishing.drain(until=begun + timedelta(seconds=29))
    assert bench.wall.requests == 1
    await publishing.drain(until=begun + timedelta(hours=1))
    done = await publishing.get(receipt.deliveries[0])
    assert done.state is DeliveryState.LANDED
    assert done.attempts == 1
    assert bench.wall.requests == 21


async def test_surely_not_landed_is_tried_again_and_given_up_at_the_cap(bench):
    bench.account()
    bench.wall.script["1"] = deque([NEVER] * 3)
    bench.wall.script["2"] = deque([NEVER] * 100)
    publishing = Publishing(bench.store, bench.accounts, options=DeliveryOptions(max_attempts=5))
    await publishing.publish(Content(text="x"), ["bot:1", "bot:2"])
    await publishing.drain(until=bench.clock.now() + timedelta(hours=3))
    first, second = await publishing.deliveries()
    assert (first.state, first.attempts) == (DeliveryState.LANDED, 4)
    assert (second.state, second.attempts) == (DeliveryState.REFUSED, 5)
    assert "5 attempts" in second.error


async def test_retry_sends_a_refused_one_with_its_later_pieces(bench):
    bench.account(limits={"text": {"maximum": 10}})
    bench.wall.script["1"] = deque([ContentRejected("no")])
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.publish(Content(text="one two three four"), ["bot:1"])
    assert receipt.status is ReceiptStatus.REFUSED
    assert bench.wall.posts == []
    await publishing.retry(receipt.deliveries[0])
    await publishing.drain()
    assert (await publishing.counts())[DeliveryState.LANDED] == len(receipt.deliveries)
    assert len(receipt.deliveries) > 1


async def test_a_moved_channel_is_followed_once_and_remembered(bench):
    bench.account()
    bench.wall.script["1"] = deque([TargetMoved("moved", new_id="-100")])
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.publish(Content(text="a"), ["bot:1"])
    assert receipt.landed
    assert receipt.posts[0].channel.native_id == "-100"
    await publishing.publish(Content(text="b"), ["bot:1"])
    assert bench.wall.texts("-100") == ["a", "b"]
    assert bench.wall.requests == 3


async def test_a_channel_that_keeps_moving_is_refused(bench):
    bench.account()
    bench.wall.script["1"] = deque([TargetMoved("moved", new_id="2")])
    bench.wall.script["2"] = deque([TargetMoved("moved", new_id="1")])
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.publish(Content(text="a"), ["bot:1"])
    assert receipt.status is ReceiptStatus.REFUSED


async def test_approval_blocks_until_given(bench):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"], needs_approval=True)
    assert receipt.status is ReceiptStatus.PENDING
    assert bench.wall.requests == 0
    await publishing.approve(receipt.deliveries[0])
    await publishing.drain()
    assert bench.wall.texts("1") == ["x"]


async def test_nothing_goes_before_its_time_or_after_a_cancel(bench):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    at = bench.clock.now() + timedelta(hours=1)
    (kept,) = await publishing.plan(Content(text="kept"), ["bot:1"], at=at)
    (gone,) = await publishing.plan(Content(text="gone"), ["bot:2"], at=at)
    await publishing.cancel(gone.deliveries[0])
    await publishing.drain(until=at - timedelta(seconds=1))
    assert bench.wall.requests == 0
    await publishing.drain(until=at)
    assert [text for _, text, _ in bench.wall.posts] == ["kept"]
    with pytest.raises(InvalidInput, match="end already"):
        await publishing.cancel(kept.deliveries[0])


@pytest.mark.parametrize(
    ("late", "grace", "expected"),
    [
        (LatePolicy.SEND, timedelta(hours=1), DeliveryState.EXPIRED),
        (LatePolicy.SEND, timedelta(hours=3), DeliveryState.LANDED),
        (LatePolicy.SEND, None, DeliveryState.LANDED),
        (LatePolicy.SKIP, None, DeliveryState.EXPIRED),
        (LatePolicy.ASK, timedelta(hours=1), DeliveryState.BLOCKED),
    ],
)
async def test_late_policies(bench, late, grace, expected):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.plan(
        Content(text="x"), ["bot:1"], at=bench.clock.now(), late=late, grace=grace
    )
    bench.clock.advance(timedelta(hours=2))
    await publishing.drain()
    assert (await publishing.get(receipt.deliveries[0])).state is expected


async def test_replies_go_before_campaigns_and_order_is_kept_within_a_channel(bench):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    for number in range(5):
        await publishing.plan(Content(text=f"c{number}"), ["bot:1"], priority=Priority.CAMPAIGN)
    await publishing.plan(Content(text="reply"), ["bot:1"], priority=Priority.REPLY)
    await publishing.drain()
    assert bench.wall.texts("1") == ["reply", "c0", "c1", "c2", "c3", "c4"]


async def test_governor_waits_move_the_row_and_consume_nothing(bench):
    limit = RateLimit(name="chat", amount=2, per=timedelta(minutes=1), scope=RateScope.CHANNEL)
    bench.account(rate_limits=(limit,))
    publishing = Publishing(bench.store, bench.accounts)
    for number in range(6):
        await publishing.plan(Content(text=str(number)), ["bot:1"])
    await publishing.drain()
    assert bench.wall.texts("1") == ["0", "1"]
    await publishing.drain(until=bench.clock.now() + timedelta(minutes=3))
    assert bench.wall.texts("1") == [str(number) for number in range(6)]
    assert {delivery.attempts for delivery in await publishing.deliveries()} == {1}


class TestHandOver:
    """A person must press send."""

    def prepare(self, bench, kinds):
        capabilities = frozenset({Capability.PUBLISH_TEXT, Capability.MASS_MESSAGE})
        bench.account(
            kind=kinds.person,
            capabilities=capabilities,
            person_must_confirm=True,
            confirm_within=timedelta(days=1),
        )
        return Publishing(bench.store, bench.accounts)

    async def test_confirmed(self, bench, kinds):
        publishing = self.prepare(bench, kinds)
        (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"])
        assert receipt.status is ReceiptStatus.AWAITING_PERSON
        bench.wall.confirmation = Confirmation(sent=3, pending=0)
        await publishing.drain(until=bench.clock.now() + timedelta(minutes=30))
        assert (await publishing.get(receipt.deliveries[0])).state is DeliveryState.LANDED

    @pytest.mark.parametrize(("sent", "state"), [(0, DeliveryState.EXPIRED), (2, DeliveryState.PARTLY)])
    async def test_reminded_and_then_over(self, bench, kinds, sent, state):
        publishing = self.prepare(bench, kinds)
        bench.wall.confirmation = Confirmation(sent=sent, pending=2)
        (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"])
        await publishing.drain(until=bench.clock.now() + timedelta(hours=30))
        assert (await publishing.get(receipt.deliveries[0])).state is state
        assert len(bench.wall.reminders) == 2

    async def test_cancel_takes_the_task_back(self, bench, kinds):
        publishing = self.prepare(bench, kinds)
        (receipt,) = await publishing.publish(Content(text="x"), ["bot:1"])
        await publishing.cancel(receipt.deliveries[0])
        assert len(bench.wall.cancelled) == 1


async def test_export_and_filters(bench):
    bench.account()
    bench.wall.script["2"] = deque([ContentRejected("no, never")])
    publishing = Publishing(bench.store, bench.accounts)
    content = Content(text='早上好, "friends"\nline')
    await publishing.publish(content, ["bot:1", "bot:2"])
    assert len((await publishing.export("csv")).splitlines()) >= 3
    assert len((await publishing.export("jsonl")).splitlines()) == 2
    assert [one.channel.native_id for one in await publishing.deliveries(states=[DeliveryState.REFUSED])] == [
        "2"
    ]
    assert len(await publishing.deliveries(content_id=content.id)) == 2
    assert len(await publishing.deliveries(channel="bot:1")) == 1
    with pytest.raises(InvalidInput):
        await publishing.export("xml")


async def test_pause_and_resume(bench):
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.plan(Content(text="x"), ["bot:1"])
    await publishing.pause(receipt.deliveries[0])
    await publishing.drain()
    assert bench.wall.requests == 0
    await publishing.resume(receipt.deliveries[0])
    await publishing.drain()
    assert bench.wall.texts("1") == ["x"]


async def test_a_worker_that_stood_still_after_its_intent_sends_nothing(bench):
    """It knows that it has sent nothing, which is better than an unknown."""
    bench.account()
    publishing = Publishing(bench.store, bench.accounts)
    (receipt,) = await publishing.plan(Content(text="x"), ["bot:1"])

    def freeze(point: str) -> None:
        if point == "intent_written":
            failpoints.install(None)
            bench.clock.advance(timedelta(minutes=5))

    failpoints.install(freeze)
    try:
        await publishing.drain()
    finally:
        failpoints.install(None)
    steps = [step.cause for step in await publishing.history(receipt.deliveries[0])]
    assert any("stood still" in cause for cause in steps)
    assert bench.wall.texts("1") == ["x"]
    assert (await publishing.get(receipt.deliveries[0])).attempts == 1
