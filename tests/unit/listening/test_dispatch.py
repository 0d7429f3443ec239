from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from shequn_sdk.domain import ChannelRef, Community, InteractionBatch
from shequn_sdk.errors import ConfigError, InvalidInput, StoreBusy, UnknownName
from shequn_sdk.listening.dispatch import Dispatcher, Drained
from shequn_sdk.listening.events import EVENT_NAMES, Heard, event_name, kinds_of
from shequn_sdk.platforms.ports import RawEvent

from .conftest import EchoAdapter, FakeAccounts, raw

HEALTH = Community(name="health", channels=(ChannelRef(account="bot", native_id="c1"),))


class Store:
    """Keeps interactions by id, as an event store does."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], int] = {}
        self.calls: list[tuple[str, str, int]] = []
        self.refuse: set[str] = set()
        self.busy = 0

    async def append(self, batch: InteractionBatch, community: str) -> None:
        if self.busy:
            self.busy -= 1
            raise StoreBusy("somebody else holds it")
        if self.refuse & set(batch.id):
            raise InvalidInput("cannot take that")
        assert {len(column) for _, column in batch.columns()} == {len(batch)}
        self.calls.append((batch.platform, community, len(batch)))
        for one in batch.id:
            key = (batch.platform, community, one)
            self.rows[key] = self.rows.get(key, 0) + 1


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def dispatcher(inbox, manual_clock, store) -> Dispatcher:
    accounts = FakeAccounts(bot=EchoAdapter())
    return Dispatcher(accounts, inbox, clock=manual_clock, communities=[HEALTH], append=store.append)


def test_every_kind_has_one_event_name():
    from shequn_sdk.domain import InteractionKind

    assert {event_name(kind) for kind in InteractionKind} == set(EVENT_NAMES)
    assert kinds_of("*") == frozenset(InteractionKind)
    with pytest.raises(UnknownName, match=r"member\.joined"):
        kinds_of("member.join")


async def test_handlers_get_what_they_asked_for(inbox, dispatcher):
    heard: dict[str, list[str]] = {
        "all": [],
        "joins": [],
        "sync": [],
        "elsewhere": [],
        "community": [],
        "bots": [],
    }

    @dispatcher.on("*", name="all")
    async def everything(one: Heard) -> None:
        heard["all"].append(one.interaction.id)

    @dispatcher.on("member.joined", name="joins")
    async def joined(one: Heard) -> None:
        assert (one.name, one.community, one.account) == ("member.joined", "health", "bot")
        assert str(one.channel) == "bot:c1"
        assert one.interaction.account == "bot"
        heard["joins"].append(one.interaction.id)

    @dispatcher.on(name="sync")
    def blocking(one: Heard) -> None:
        heard["sync"].append(one.interaction.id)

    dispatcher.on("message", channel="bot:c2", name="elsewhere")(
        lambda one: heard["elsewhere"].append(one.interaction.id)
    )
    dispatcher.on("message", community="health", name="in")(
        lambda one: heard["community"].append(one.interaction.id)
    )
    dispatcher.on("message", include_bots=True, name="bots")(
        lambda one: heard["bots"].append(one.interaction.id)
    )
    await inbox.add(
        "bot",
        [raw(1), raw(2, kind="join"), raw(3, channel="c2"), raw(4, is_bot=True), raw(5, kind="mystery")],
    )
    done = await dispatcher.dispatch_pending()
    assert done == Drained(events=5, interactions=4, unknown=1)
    assert heard == {
        "all": ["message:1", "message:2", "message:3"],
        "joins": ["message:2"],
        "sync": ["message:1", "message:3"],
        "elsewhere": ["message:3"],
        "community": ["message:1"],
        "bots": ["message:1", "message:3", "message:4"],
    }
    assert (await inbox.stats()).unknown == {("bot", "mystery"): 1}
    assert await dispatcher.dispatch_pending() == Drained()


async def test_a_failing_handler_stops_nobody_and_can_be_retried(inbox, dispatcher):
    calls: list[str] = []
    broken = True

    @dispatcher.on("message", name="fragile")
    async def fragile(one: Heard) -> None:
        if broken and one.interaction.id == "message:1":
            raise ValueError("no route to the shop")
        calls.append("fragile " + one.interaction.id)

    @dispatcher.on("message", name="steady")
    async def steady(one: Heard) -> None:
        calls.append("steady " + one.interaction.id)

    await inbox.add("bot", [raw(1), raw(2)])
    assert (await dispatcher.drain()).failures == 1
    assert calls == ["steady message:1", "fragile message:2", "steady message:2"]
    (letter,) = await dispatcher.list_dead()
    assert (letter.stage, letter.reason) == ("fragile", "ValueError: no route to the shop")
    assert await dispatcher.retry_dead(letter.id) is False
    assert (await inbox.get_dead(letter.id)).attempts == 2
    broken = False
    assert await dispatcher.retry_dead(letter.id) is True
    assert calls[-1] == "fragile message:1"
    assert calls.count("steady message:1") == 1
    assert await dispatcher.list_dead() == []


async def test_a_hanging_handler_is_given_up(inbox, manual_clock):
    dispatcher = Dispatcher(
        FakeAccounts(bot=EchoAdapter()), inbox, clock=manual_clock, handler_timeout=timedelta(milliseconds=20)
    )
    dispatcher.on(name="hangs")(lambda _: anyio.sleep_forever())
    await inbox.add("bot", [raw(1)])
    assert (await dispatcher.dispatch_pending()).failures == 1
    assert "no answer within" in (await dispatcher.list_dead())[0].reason


async def test_unreadable_events_are_dead_letters(inbox, dispatcher, store):
    await inbox.add(
        "bot",
        [RawEvent("bad", b"{"), raw(1), raw(2, kind="bug"), raw(3, kind="join", occurred_at="yesterday")],
    )
    await inbox.add("gone", [raw(4)])
    assert (await dispatcher.drain()).failures == 4
    dead = await dispatcher.list_dead()
    assert {(one.event.event_id, one.stage, one.attempts) for one in dead} == {
        ("bad", "parse", 1), ("e2", "parse", 1), ("e3", "parse", 1), ("e4", "parse", 1),
    }  # fmt: skip
    assert list(store.rows) == [("echo", "health", "message:1")]
    assert await dispatcher.retry_dead(dead[0].id) is False


async def test_batches_are_per_platform_and_community(inbox, dispatcher, store):
    await inbox.add("bot", [raw(n, channel="c1" if n % 2 else "x") for n in range(10)])
    await dispatcher.forward_pending()
    assert store.calls == [("echo", "unassigned", 5), ("echo", "health", 5)]
    assert set(store.rows.values()) == {1}


async def test_a_busy_event_store_keeps_everything_in_the_inbox(inbox, dispatcher, store):
    store.busy = 1
    await inbox.add("bot", [raw(n) for n in range(5)])
    with pytest.raises(StoreBusy):
        await dispatcher.forward_pending()
    await dispatcher.forward_pending()
    assert len(store.rows) == 5


async def test_events_that_the_store_refuses_are_singled_out(inbox, dispatcher, store):
    store.refuse = {"message:3"}
    await inbox.add("bot", [raw(n) for n in range(7)])
    await dispatcher.forward_pending()
    assert {key[2] for key in store.rows} == {f"message:{n}" for n in range(7) if n != 3}
    (letter,) = await dispatcher.list_dead()
    assert (letter.event.event_id, letter.stage) == ("e3", "append")
    store.refuse = set()
    assert await dispatcher.retry_dead(letter.id) is True
    assert len(store.rows) == 7


async def test_a_moved_channel_stays_in_its_community(inbox, manual_clock, store, dispatcher):
    moved = raw(1, kind="channel_moved", target="c1-new")
    await inbox.add("bot", [moved, raw(2, channel="c1-new"), raw(3, channel="c1-new/77")])
    await dispatcher.drain()
    assert {key[1] for key in store.rows if key[2] != "message:3"} == {"health"}
    await inbox.add("bot", [raw(4, channel="c1-new")])
    again = Dispatcher(
        FakeAccounts(bot=EchoAdapter()), inbox, clock=manual_clock, communities=[HEALTH], append=store.append
    )
    await again.drain()
    assert ("echo", "health", "message:4") in store.rows
    # and when the settings name the new id, late events of the old one still belong there
    renamed = HEALTH.model_copy(update={"channels": (ChannelRef(account="bot", native_id="c1-new"),)})
    await inbox.add("bot", [raw(5, channel="c1")])
    late = Dispatcher(
        FakeAccounts(bot=EchoAdapter()), inbox, clock=manual_clock, communities=[renamed], append=store.append
    )
    await late.drain()
    assert ("echo", "health", "message:5") in store.rows


async def test_observers_see_everything_and_cannot_disturb(inbox, manual_clock):
    seen: list[str] = []

    def notify(one: object) -> None:
        seen.append(one.id)  # type: ignore[attr-defined]
        raise RuntimeError("a plugin's bug")

    dispatcher = Dispatcher(FakeAccounts(bot=EchoAdapter()), inbox, clock=manual_clock, notify=notify)
    await inbox.add("bot", [raw(1), raw(2)])
    await dispatcher.dispatch_pending()
    assert seen == ["message:1", "message:2"]
    assert await dispatcher.list_dead() == []


async def test_run_handles_what_comes_later(inbox, dispatcher, store):
    seen = anyio.Event()
    dispatcher.on(name="once")(lambda _: anyio.from_thread.run_sync(seen.set))
    with anyio.fail_after(300):
        async with anyio.create_task_group() as group:
            group.start_soon(dispatcher.run)
            await anyio.wait_all_tasks_blocked()
            await inbox.add("bot", [raw(1)])
            await seen.wait()
            while not store.rows:  # noqa: ASYNC110 - no bell rings there
                await anyio.sleep(0.005)
            group.cancel_scope.cancel()


async def test_run_outlives_a_failing_event_store(inbox, manual_clock):
    calls: list[int] = []

    async def append(batch: InteractionBatch, community: str) -> None:
        calls.append(len(batch))
        if len(calls) == 1:
            raise RuntimeError("somebody's bug")

    dispatcher = Dispatcher(FakeAccounts(bot=EchoAdapter()), inbox, clock=manual_clock, append=append)
    await inbox.add("bot", [raw(1)])
    with anyio.fail_after(300):
        async with anyio.create_task_group() as group:
            group.start_soon(dispatcher.run)
            while not dispatcher.trouble:  # noqa: ASYNC110 - no bell rings there
                await anyio.sleep(0.005)
            assert dispatcher.trouble == ("RuntimeError: somebody's bug",)
            while len(calls) < 2 or dispatcher.trouble:
                manual_clock.advance(1)
                await anyio.sleep(0.005)
            group.cancel_scope.cancel()
    assert calls == [1, 1]


async def test_run_waits_for_an_inbox_that_is_away_when_it_starts(
    inbox, manual_clock, store, dispatcher, monkeypatch
):
    register, away = inbox.register, [1]

    async def sometimes(consumer: str) -> int:
        if away[0]:
            away[0] -= 1
            raise StoreBusy("somebody else holds it")
        return await register(consumer)

    monkeypatch.setattr(inbox, "register", sometimes)
    await inbox.add("bot", [raw(1)])
    with anyio.fail_after(300):
        async with anyio.create_task_group() as group:
            group.start_soon(dispatcher.run)
            while not store.rows or dispatcher.trouble:
                manual_clock.advance(1)
                await anyio.sleep(0.005)
            group.cancel_scope.cancel()
    assert away == [0]


async def test_names_and_channels_must_be_clear(inbox, manual_clock):
    dispatcher = Dispatcher(FakeAccounts(), inbox, clock=manual_clock)
    dispatcher.on(name="a")(print)
    with pytest.raises(ConfigError, match="another name"):
        dispatcher.on(name="a")(print)
    with pytest.raises(ConfigError, match="another name"):
        dispatcher.on(name="parse")(print)
    twice = HEALTH.model_copy(update={"name": "beauty"})
    with pytest.raises(ConfigError, match="belongs to both"):
        Dispatcher(FakeAccounts(), inbox, clock=manual_clock, communities=[HEALTH, twice])


async def test_retrying_needs_the_handler(inbox, dispatcher, manual_clock):
    dispatcher.on(name="old")(lambda _: 1 / 0)
    await inbox.add("bot", [raw(1)])
    await dispatcher.dispatch_pending()
    fresh = Dispatcher(FakeAccounts(bot=EchoAdapter()), inbox, clock=manual_clock)
    (letter,) = await fresh.list_dead()
    with pytest.raises(ConfigError, match="not registered"):
        await fresh.retry_dead(letter.id)


_DRAINER = """
import json, sys, sqlite3, anyio
from datetime import UTC, datetime
from shequn_sdk.domain import Interaction
from shequn_sdk.listening.dispatch import Dispatcher
from shequn_sdk.listening.inbox import Inbox
from shequn_sdk.platforms.ports import Parsed
from shequn_sdk.scheduling.clock import SystemClock

class Adapter:
    async def receive(self, cursor): raise NotImplementedError
    def parse(self, raw):
        return Parsed("message", (Interaction(id=raw.event_id, kind="message", platform="echo",
                                              occurred_at=datetime(2026, 3, 1, tzinfo=UTC)),))

class Accounts:
    def adapter(self, name): return Adapter()

store = sqlite3.connect(sys.argv[2], isolation_level=None)
store.execute("pragma journal_mode=wal")
store.execute("create table if not exists events (id text primary key)")
store.execute("create table if not exists handled (id text, seq integer)")

async def append(batch, community):
    store.execute("begin")
    store.executemany("insert or ignore into events values (?)", [(one,) for one in batch.id])
    store.execute("commit")
    print("events", len(batch), flush=True)

async def main():
    async with await Inbox.open(sys.argv[1]) as box:
        dispatcher = Dispatcher(Accounts(), box, clock=SystemClock(), append=append, batch=5, forward_batch=20)
        @dispatcher.on("message", name="record")
        async def record(heard):
            store.execute("insert into handled values (?,?)", (heard.interaction.id, heard.seq))
        async with anyio.create_task_group() as group:
            group.start_soon(dispatcher.dispatch_pending)
            group.start_soon(dispatcher.forward_pending)
    print("done", flush=True)
anyio.run(main)
"""


async def kill_drainer(tmp_path: Path, kills: list[int]) -> None:
    import sqlite3

    from shequn_sdk.listening.inbox import Inbox

    path, out = tmp_path / "inbox.db", tmp_path / "store.db"
    ids = [f"message:{n}" for n in range(400)]
    async with await Inbox.open(path) as box:
        await box.add("bot", [RawEvent(one, json.dumps({"id": one}).encode()) for one in ids])
    for lines in [*kills, 10**9]:
        command = [sys.executable, "-c", _DRAINER, str(path), str(out)]
        drainer = await anyio.to_thread.run_sync(
            lambda command=command: subprocess.Popen(command, stdout=subprocess.PIPE)
        )
        assert drainer.stdout is not None
        told = b""
        for _ in range(lines):
            told = drainer.stdout.readline()
            if not told or told == b"done\n":
                break
        drainer.kill()
        drainer.communicate()
    assert told == b"done\n"
    db = sqlite3.connect(out)
    assert {row[0] for row in db.execute("select id from events")} == set(ids), "nothing lost"
    handled = db.execute("select id, count(*) from handled group by 1").fetchall()
    assert {row[0] for row in handled} == set(ids)
    # at least once: a kill repeats at most the five events that were under way
    assert sum(row[1] - 1 for row in handled) <= 5 * len(kills)
    db.close()


async def test_a_killed_drainer_loses_nothing(tmp_path):
    await kill_drainer(tmp_path, [1, 3])


@pytest.mark.slow
async def test_many_killed_drainers_lose_nothing(tmp_path):
    await kill_drainer(tmp_path, [1 + n % 4 for n in range(30)])


async def test_one_join_told_by_two_events_is_handled_once(inbox, dispatcher, store):
    joins = []
    dispatcher.on("member.joined", name="welcome")(joins.append)
    await inbox.add("bot", [raw(1, id="join:c1:m1:7", kind="join"), raw(2, id="join:c1:m1:7", kind="join")])
    await dispatcher.drain()
    await inbox.add("bot", [raw(3, id="join:c1:m1:7", kind="join"), raw(4, id="join:c1:m2:8", kind="join")])
    await dispatcher.drain()
    assert [heard.interaction.id for heard in joins] == ["join:c1:m1:7", "join:c1:m2:8"]
