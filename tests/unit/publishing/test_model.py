"""The ledger against a simple reference, under every order of events that hypothesis can think of.

Two workers share a store whose clock is moved by hand. Requests are held open by the test, which decides when and how
they end, so that leases expire under them, people interfere, and answers come late.
"""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from shequn_sdk.domain import TRANSITIONS, ChannelRef, Content, DeliveryState, Post
from shequn_sdk.errors import ContentRejected, InvalidInput, Landing, RateLimited, Unavailable
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.publishing import DeliveryOptions, Publishing
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.stores.store import Store

OPTIONS = DeliveryOptions(lease=timedelta(seconds=20), request_timeout=timedelta(hours=1), max_attempts=3)
ENDINGS = ["landed", "lost after", "lost before", "refused", "limited", "not reached"]


class Held:
    """Requests that wait for the test to end them."""

    platform = "held"
    manifest = Manifest(
        platform="held", capabilities=frozenset({Capability.PUBLISH_TEXT}), max_concurrency=100
    )

    def __init__(self) -> None:
        self.open: list[tuple[str, str, asyncio.Future[str]]] = []
        self.stands: list[tuple[str, str]] = []
        self.requests: list[tuple[str, str]] = []

    async def publish(self, channel: str, piece: Any, *, idempotency_key: str) -> Post:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.requests.append((channel, piece.text))
        self.open.append((channel, piece.text, future))
        how = await future
        if how in {"landed", "lost after"}:
            self.stands.append((channel, piece.text))
        if how == "landed":
            return Post(
                channel=ChannelRef(account="bot", native_id=channel),
                native_id=str(len(self.stands)),
                landed_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        raise {
            "lost after": Unavailable("reset"),
            "lost before": Unavailable("reset"),
            "refused": ContentRejected("no"),
            "limited": RateLimited("slow", retry_after=timedelta(seconds=7), scope="channel"),
            "not reached": Unavailable("refused", landed=Landing.SURELY_NOT),
        }[how]

    def adapter(self, name: str) -> Any:
        return self

    def names(self) -> tuple[str, ...]:
        return ("bot",)


class Book:
    def __init__(self, held: Held) -> None:
        self.held = held

    def adapter(self, name: str) -> Any:
        return self.held

    def manifest(self, name: str) -> Manifest:
        return self.held.manifest

    def platform(self, name: str) -> str:
        return "held"

    def names(self) -> tuple[str, ...]:
        return ("bot",)


class LedgerMachine(RuleBasedStateMachine):
    """What may happen, and what must always hold."""

    deliveries = Bundle("deliveries")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory()
        self.clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
        self.held = Held()
        self.store: Store = self.do(Store.open(Path(self.folder.name) / "s.db", clock=self.clock))
        self.workers = [
            Publishing(self.store, Book(self.held), worker=f"w{number}", options=OPTIONS)
            for number in range(2)
        ]
        self.tasks: list[asyncio.Task[Any]] = []
        self.texts: dict[int, tuple[str, str]] = {}
        self.due: dict[int, datetime] = {}
        self.cancelled: dict[int, int] = {}
        self.asked_again: set[int] = set()
        """Where a person said that an unknown did not land, rightly or not: only there two may stand."""

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def settle(self) -> None:
        """Let everything run that does not wait for the test."""

        async def pause() -> None:
            for _ in range(3):
                await asyncio.sleep(0.003)
                await self.store.write(lambda conn: None)

        self.do(pause())

    @rule(target=deliveries, channel=st.sampled_from("ab"), later=st.sampled_from([0, 0, 5, 60]))
    def plan(self, channel: str, later: int) -> Any:
        at = self.clock.now() + timedelta(seconds=later)
        text = f"t{len(self.texts):03}"
        (receipt,) = self.do(self.workers[0].plan(Content(text=text), [f"bot:{channel}"], at=at))
        (identity,) = receipt.deliveries
        self.texts[identity] = (channel, text)
        self.due[identity] = at
        return multiple(identity)

    @rule(which=st.integers(0, 1))
    def work(self, which: int) -> None:
        self.tasks.append(self.loop.create_task(self.workers[which].drain()))
        self.settle()

    @rule(index=st.integers(0, 5), how=st.sampled_from(ENDINGS))
    def answer(self, index: int, how: str) -> None:
        if self.held.open:
            _, _, future = self.held.open.pop(index % len(self.held.open))
            if not future.done():
                future.set_result(how)
        self.settle()

    @rule(seconds=st.sampled_from([1, 8, 25, 90, -30]))
    def move(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(identity=deliveries)
    def cancel(self, identity: int) -> None:
        before = len([one for one in self.held.requests if one == self.texts[identity]])
        if self.care(self.workers[1].cancel(identity)):
            self.cancelled[identity] = before

    @rule(identity=deliveries)
    def retry(self, identity: int) -> None:
        self.care(self.workers[0].retry(identity))

    @rule(identity=deliveries, truth=st.booleans())
    def resolve(self, identity: int, truth: bool) -> None:
        stands = self.texts[identity] in self.held.stands
        pending = any((channel, text) == self.texts[identity] for channel, text, _ in self.held.open)
        landed = stands or truth
        if self.care(self.workers[0].resolve(identity, landed=landed)) and not landed and pending:
            self.asked_again.add(identity)

    def care(self, work: Any) -> bool:
        try:
            self.do(work)
        except InvalidInput:
            return False
        return True

    @invariant()
    def every_row_is_where_the_reference_says(self) -> None:
        rows = {row.id: row for row in self.do(self.workers[0].deliveries())}
        assert set(rows) == set(self.texts), "lost"
        for identity, row in rows.items():
            place = self.texts[identity]
            copies = self.held.stands.count(place)
            if identity not in self.asked_again:
                assert copies <= 1, "twice"
                if row.state is DeliveryState.REFUSED:
                    assert copies == 0, "a false report"
            if row.state is DeliveryState.LANDED and row.post is not None:
                known = row.post.attrs.get("native_id_unknown")
                assert copies >= 1 or known, "a false report"
            requests = self.held.requests.count(place)
            if identity in self.cancelled:
                assert requests == self.cancelled[identity], "sent after a cancel"
            assert row.attempts <= OPTIONS.max_attempts or identity in self.asked_again

    @invariant()
    def every_trail_is_a_walk_of_the_state_machine(self) -> None:
        for identity in self.texts:
            steps = self.do(self.workers[0].history(identity))
            assert steps[0].old is None
            for before, after in itertools.pairwise(steps):
                assert after.old is before.new
                assert after.new is before.new or after.new in TRANSITIONS[before.new]
                assert after.cause
            assert steps[-1].new is self.do(self.workers[0].get(identity)).state

    @invariant()
    def one_request_per_channel_at_a_time(self) -> None:
        alive = self.do(self.workers[0].deliveries(states=[DeliveryState.ATTEMPTING, DeliveryState.CLAIMED]))
        channels = [row.channel for row in alive]
        assert len(channels) == len(set(channels))

    def teardown(self) -> None:
        for _, _, future in self.held.open:
            if not future.done():
                future.cancel()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            self.do(asyncio.wait(self.tasks))
        self.do(self.store.aclose())
        self.loop.close()
        self.folder.cleanup()


LedgerMachine.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedger = LedgerMachine.TestCase
