from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from shequn_sdk.errors import (
    InvalidInput,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreTooNew,
    UnknownName,
)
from shequn_sdk.listening.inbox import Added, Failure, Inbox
from shequn_sdk.platforms.ports import RawEvent


def event(number: int, size: int = 10) -> RawEvent:
    return RawEvent(event_id=f"e{number}", payload=b"x" * size, headers={"h": str(number)})


async def test_events_are_stored_once_and_in_order(inbox):
    assert await inbox.add("bot", [event(1), event(2), event(1)]) == Added(new=2, duplicates=1)
    assert await inbox.add("bot", [event(2), event(3)]) == Added(new=1, duplicates=1)
    assert await inbox.add("other", [event(1)]) == Added(new=1), "ids are unique per account only"
    found = await inbox.read("dispatch")
    assert [(one.account, one.event_id) for one in found] == [
        ("bot", "e1"), ("bot", "e2"), ("bot", "e3"), ("other", "e1"),
    ]  # fmt: skip
    assert found[0].raw == event(1)


async def test_cursor_is_stored_with_the_events(inbox):
    assert await inbox.cursor("bot") is None
    await inbox.add("bot", [event(1)], cursor="7")
    await inbox.add("bot", [event(2)])
    assert await inbox.cursor("bot") == "7"


async def test_each_consumer_has_its_own_position(inbox):
    await inbox.add("bot", [event(n) for n in range(5)])
    first = await inbox.read("a", limit=3)
    await inbox.advance("a", first[-1].seq)
    assert [one.event_id for one in await inbox.read("a")] == ["e3", "e4"]
    assert len(await inbox.read("b")) == 5
    stats = await inbox.stats()
    assert [(one.name, one.lag) for one in stats.consumers] == [("a", 2), ("b", 5)]


async def test_two_drainers_of_one_consumer_are_noticed(inbox):
    await inbox.add("bot", [event(n) for n in range(5)])
    found = await inbox.read("a", limit=2)
    await inbox.advance("a", found[-1].seq, after=found[0].seq - 1)
    with pytest.raises(StoreBusy, match="another process drains"):
        await inbox.advance("a", found[-1].seq, after=found[0].seq - 1)


async def test_position_and_failures_are_one_transaction(inbox):
    await inbox.add("bot", [event(1)])
    (one,) = await inbox.read("a")
    with pytest.raises(StoreBusy):
        await inbox.advance("a", one.seq, after=-1, failures=[Failure(one, "parse", "no")])
    assert await inbox.list_dead() == []
    await inbox.advance("a", one.seq, failures=[Failure(one, "parse", "no")], unknown={("bot", "x"): 2})
    (letter,) = await inbox.list_dead()
    assert (letter.stage, letter.reason, letter.attempts, letter.event.payload) == (
        "parse",
        "no",
        1,
        one.payload,
    )
    assert (await inbox.stats()).unknown == {("bot", "x"): 2}
    await inbox.bury([Failure(one, "parse", "again")])
    assert (await inbox.get_dead(letter.id)).attempts == 2
    await inbox.drop_dead([letter.id])
    with pytest.raises(UnknownName):
        await inbox.get_dead(letter.id)


async def test_prune_takes_only_what_all_consumers_passed_and_is_old(inbox, manual_clock):
    await inbox.add("bot", [event(n) for n in range(4)])
    await inbox.register("slow")
    found = await inbox.read("fast")
    await inbox.advance("fast", found[-1].seq)
    manual_clock.advance(timedelta(days=8))
    assert await inbox.prune() == 0
    await inbox.advance("slow", found[1].seq)
    await inbox.add("bot", [event(9)])
    assert await inbox.prune() == 2
    assert [one.event_id for one in await inbox.read("slow")] == ["e2", "e3", "e9"]
    assert await inbox.add("bot", [event(3)]) == Added(duplicates=1)


async def test_old_dead_letters_are_pruned(inbox, manual_clock):
    await inbox.add("bot", [event(1)])
    (one,) = await inbox.read("a")
    await inbox.bury([Failure(one, "parse", "no")])
    manual_clock.advance(timedelta(days=89))
    await inbox.prune()
    assert len(await inbox.list_dead()) == 1
    manual_clock.advance(timedelta(days=2))
    await inbox.prune()
    assert await inbox.list_dead() == []


async def test_sequence_is_never_reused_after_pruning(inbox, manual_clock):
    await inbox.add("bot", [event(1)])
    (one,) = await inbox.read("a")
    await inbox.advance("a", one.seq)
    manual_clock.advance(timedelta(days=8))
    assert await inbox.prune() == 1
    await inbox.add("bot", [event(2)])
    assert [found.event_id for found in await inbox.read("a")] == ["e2"]


async def test_oversize_events_are_kept_as_dead_letters_and_do_not_block(tmp_path):
    async with await Inbox.open(tmp_path / "i.db", max_payload=100) as small:
        assert await small.add("bot", [event(1, 50), event(2, 101)], cursor="3") == Added(new=1, oversize=1)
        (letter,) = await small.list_dead()
        assert letter.stage == "size"
        assert await small.cursor("bot") == "3"


async def test_a_full_inbox_keeps_nothing_of_the_batch(tmp_path):
    async with await Inbox.open(tmp_path / "i.db", max_bytes=64 * 4096) as small:
        with pytest.raises(StoreFull, match="nothing of this batch"):
            await small.add("bot", [event(n, 10_000) for n in range(200)], cursor="1")
        assert (await small.stats()).events == 0
        assert await small.cursor("bot") is None
        assert await small.add("bot", [event(1)]) == Added(new=1)


async def test_no_id_is_refused(inbox):
    with pytest.raises(InvalidInput, match="no id"):
        await inbox.add("bot", [RawEvent(event_id="", payload=b"")])


async def test_bad_files_are_typed_errors(tmp_path):
    path = tmp_path / "damaged.db"
    path.write_bytes(b"this is no database " * 100)
    with pytest.raises(StoreDamaged):
        await Inbox.open(path)
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("create table users (id)")
    other.close()
    with pytest.raises(StoreDamaged, match="something else"):
        await Inbox.open(path)
    path = tmp_path / "new.db"
    with sqlite3.connect(path) as other:
        other.execute("pragma user_version=99")
    other.close()
    with pytest.raises(StoreTooNew):
        await Inbox.open(path)
    with pytest.raises(StoreError):
        await Inbox.open(tmp_path / "missing" / "inbox.db")


async def test_a_locked_inbox_is_busy(tmp_path):
    path = tmp_path / "i.db"
    async with await Inbox.open(path, busy_timeout=0.05) as box:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")
        with pytest.raises(StoreBusy):
            await box.add("bot", [event(1)])
        other.execute("rollback")
        other.close()
        assert await box.add("bot", [event(1)]) == Added(new=1)


async def test_closed_inbox_is_a_typed_error(tmp_path):
    box = await Inbox.open(tmp_path / "i.db")
    await box.aclose()
    with pytest.raises(StoreError, match="closed"):
        await box.cursor("bot")


async def test_add_wakes_who_waits(inbox):
    with anyio.fail_after(300):
        async with anyio.create_task_group() as group:
            group.start_soon(inbox.wait, 60.0)
            await anyio.wait_all_tasks_blocked()
            await inbox.add("bot", [event(1)])


_WRITER = """
import sys, anyio
from shequn_sdk.listening.inbox import Inbox
from shequn_sdk.platforms.ports import RawEvent
path, name, many = sys.argv[1], sys.argv[2], int(sys.argv[3])
async def main():
    async with await Inbox.open(path, busy_timeout=60) as box:
        for n in range(many):
            # every process adds its own event and one that all share
            await box.add("bot", [RawEvent(f"{name}-{n}", b"{}"), RawEvent(f"shared-{n}", b"{}")], cursor=str(n))
            print(n, flush=True)
anyio.run(main)
"""


def test_several_processes_append_at_once(tmp_path: Path):
    path = tmp_path / "inbox.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), f"p{n}", "30"], stdout=subprocess.PIPE)
        for n in range(3)
    ]
    for writer in writers:
        writer.communicate(timeout=600)
        assert writer.returncode == 0
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*), count(distinct event_id) from raw").fetchone() == (120, 120)
    db.close()


def kill_writer_at(tmp_path: Path, after: int) -> None:
    path = tmp_path / f"inbox-{after}.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), "p", "100000"], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    acknowledged = -1
    while acknowledged < after:
        acknowledged = int(writer.stdout.readline())
    writer.kill()
    rest, _ = writer.communicate()
    told = rest.split()
    acknowledged = max([acknowledged, *map(int, told)])
    with sqlite3.connect(path) as db:
        ids = {row[0] for row in db.execute("select event_id from raw")}
        cursor = int(db.execute("select cursor from cursors").fetchone()[0])
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()
    assert ids >= {f"p-{n}" for n in range(acknowledged + 1)}, "nothing acknowledged is lost"
    assert ids == {f"{who}-{n}" for n in range(cursor + 1) for who in ("p", "shared")}, "nothing half-written"


@pytest.mark.parametrize("after", [0, 7, 40])
def test_a_killed_writer_loses_nothing_acknowledged(tmp_path, after):
    kill_writer_at(tmp_path, after)


@pytest.mark.slow
@pytest.mark.parametrize("after", range(30))
def test_thirty_killed_writers_lose_nothing_acknowledged(tmp_path, after):
    kill_writer_at(tmp_path, after * 5)
