"""Erasing a member takes its raw events out of the inbox, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from shequn_sdk.domain import MemberRef
from shequn_sdk.listening.dispatch import Dispatcher, read_event
from shequn_sdk.listening.inbox import Added, Failure
from shequn_sdk.platforms.ports import RawEvent

from .conftest import EchoAdapter, FakeAccounts, raw

GONE = MemberRef(platform="echo", native_id="4711123")


def files_hold(folder: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def forgetting(inbox, accounts):
    return inbox.forget(
        [GONE],
        accounts={name: accounts.platform(name) for name in accounts.names()},
        read=lambda event: read_event(accounts, event).interactions,
    )


async def test_what_a_member_did_is_blanked_at_once_and_what_speaks_of_it_when_all_have_seen_it(
    inbox, tmp_path, manual_clock
):
    accounts = FakeAccounts(bot=EchoAdapter(), away=EchoAdapter())
    accounts._adapters["away"].platform = "other"
    mine = [raw(1, member="4711123", text="a secret"), raw(2, member="m2", text="in peace")]
    aimed = [raw(3, member="m3", target="4711123"), raw(4, member="m4", text="hello 4711123!")]
    odd = [
        RawEvent(event_id="odd", payload=b"\x00 not json 4711123"),
        RawEvent(event_id="like", payload=b"no json x4711123y"),
    ]
    await inbox.add("bot", [*mine, *aimed, *odd])
    await inbox.add("away", [raw(9, member="4711123")])
    await inbox.register("dispatch")
    events = await inbox.read("dispatch")
    await inbox.bury([Failure(events[0], "size", "x"), Failure(events[1], "parse", "x")])

    # nothing was dispatched yet: others still need what speaks of the member
    assert await forgetting(inbox, accounts) == 3
    assert [one.event_id for one in await inbox.read("dispatch")] == ["e2", "e3", "e4", "like", "e9"]
    assert [letter.event.event_id for letter in await inbox.list_dead()] == ["e2"]
    assert not files_hold(tmp_path, "a secret")

    heard: list[str] = []
    dispatcher = Dispatcher(accounts, inbox, clock=manual_clock)
    dispatcher.on("message")(lambda one: heard.append(one.interaction.id))
    await dispatcher.drain()
    assert heard == ["message:2", "message:3", "message:4", "message:9"]
    assert await forgetting(inbox, accounts) == 2
    assert not files_hold(tmp_path, "hello")
    assert files_hold(tmp_path, "in peace")
    assert files_hold(tmp_path, "x4711123y"), "an id within another word is somebody else's"
    assert await forgetting(inbox, accounts) == 0


async def test_a_blanked_event_is_not_taken_again_and_holds_nothing_up(inbox, manual_clock):
    accounts = FakeAccounts(bot=EchoAdapter())
    await inbox.register("dispatch")
    await inbox.add("bot", [raw(1, member="4711123"), raw(2)])
    await forgetting(inbox, accounts)
    assert await inbox.add("bot", [raw(1, member="4711123")]) == Added(duplicates=1)
    assert [one.lag for one in (await inbox.stats()).consumers] == [1]
    dispatcher = Dispatcher(accounts, inbox, clock=manual_clock)
    assert (await dispatcher.drain()).events == 1
    assert (await inbox.stats()).dead == 0


async def test_short_ids_are_found_only_by_reading(inbox):
    accounts = FakeAccounts(bot=EchoAdapter())
    await inbox.add("bot", [raw(1, member="42"), raw(2, text="42"), raw(42)])
    short = MemberRef(platform="echo", native_id="42")
    found = await inbox.forget([short], read=lambda event: read_event(accounts, event).interactions)
    assert found == 1
    assert await inbox.forget([short]) == 0
    assert [json.loads(one.payload)["id"] for one in await inbox.read("a")] == ["message:2", "message:42"]
