"""Imports as a whole: totals, resuming, killing, importing again, and files full of rubbish."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shequn_sdk.domain import InteractionBatch
from shequn_sdk.errors import InvalidInput, StoreError, StoreFull
from shequn_sdk.listening.importers.base import ImportOptions
from shequn_sdk.listening.importers.job import ImportResult, Progress, import_file
from shequn_sdk.listening.importers.registry import Importers

DATA = Path(__file__).parent / "data"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
SAMPLES = {
    "telegram": [DATA / "telegram_chat.json", DATA / "telegram_full.json"],
    "discord": [DATA / "discord_thread.json"],
    "whatsapp": [DATA / "whatsapp_android.txt", DATA / "whatsapp_ios_us.txt", DATA / "whatsapp_zh.txt"],
}


class Store:
    """Knows repeated ids, as the event store does."""

    def __init__(self, fail_after: int = 10**9) -> None:
        self.rows: dict[str, tuple[object, ...]] = {}
        self.batches = 0
        self.fail_after = fail_after

    async def append(self, batch: InteractionBatch, community: str) -> object:
        if self.batches >= self.fail_after:
            raise StoreFull("no space left")
        self.batches += 1
        before = len(self.rows)
        columns = [values for _, values in batch.columns()]
        for row in zip(*columns, strict=True):
            self.rows.setdefault(str(row[0]), row)
        new = len(self.rows) - before
        return SimpleNamespace(new=new, duplicates=len(batch) - new, late=0)


def write_log(path: Path, rows: int, *, seed: int = 1) -> list[tuple[str, str, int]]:
    rng = random.Random(seed)
    edges = [(str(rng.randint(1, 50)), str(rng.randint(1, 50)), 1_767_225_600 + n // 3) for n in range(rows)]
    edges += edges[-5:]  # whole lines that come twice
    path.write_text("src dst time\n" + "".join(f"{a} {b} {t}\n" for a, b, t in edges))
    return edges


async def run(path: Path, store: Store, state: Path | None = None, **fields: object) -> ImportResult:
    options = fields.pop("options", None) or ImportOptions(now=NOW, batch_rows=100)
    return await import_file(
        path, community="health", append=store.append, state_dir=state, options=options, **fields
    )  # type: ignore[arg-type]


async def test_totals_are_exact(tmp_path):
    path = tmp_path / "log.txt"
    edges = write_log(path, 1000)
    store = Store()
    progress: list[Progress] = []
    result = await run(path, store, on_progress=progress.append)
    assert (result.importer, result.read, result.added, result.duplicates) == ("edges", 1005, 1005, 0)
    assert result.complete
    assert result.bytes_read == result.bytes_total == path.stat().st_size
    got = Counter((row[3 + 1], row[9], int(row[2]) // 1_000_000) for row in store.rows.values())
    assert got == Counter(edges), "every line is there, as often as in the file"
    assert [one.bytes_read for one in progress] == sorted(one.bytes_read for one in progress)
    assert (progress[0].bytes_read, progress[-1].read) == (0, 1005)


async def test_importing_again_adds_nothing(tmp_path):
    path = tmp_path / "log.txt"
    write_log(path, 500)
    store = Store()
    await run(path, store, tmp_path / "state")
    again = await run(path, store, tmp_path / "state", options=ImportOptions(now=NOW, batch_rows=77))
    assert (again.added, again.duplicates, again.read) == (0, 505, 505)
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name, paths in SAMPLES.items() for path in paths]
)
@pytest.mark.parametrize("rows", [1, 3])
async def test_resuming_anywhere_gives_the_same_rows(tmp_path, name, path, rows):
    options = ImportOptions(now=NOW, batch_rows=rows)
    whole = Store()
    result = await run(path, whole, options=options, importer=name)
    for after in range(whole.batches):
        store = Store(fail_after=after)
        with pytest.raises(StoreFull):
            await run(path, store, tmp_path, options=options, importer=name)
        store.fail_after = 10**9
        resumed = await run(path, store, tmp_path, options=options, importer=name)
        assert (resumed.resumed_at is None) == (after == 0)
        assert store.rows == whole.rows
        assert (resumed.read, resumed.added, resumed.skipped) == (result.read, result.added, result.skipped)
        assert store.batches == whole.batches, "nothing was read twice"


async def test_csv_resumes_inside_quoted_records(tmp_path):
    path = tmp_path / "log.csv"
    body = "".join(f'm{n},{1767225600 + n},"line one\nline {n}"\n' for n in range(20))
    path.write_text("member,time,text\n" + body)
    options = ImportOptions(now=NOW, batch_rows=3)
    whole = Store()
    await run(path, whole, options=options)
    for after in range(1, whole.batches):
        store = Store(fail_after=after)
        with pytest.raises(StoreFull):
            await run(path, store, tmp_path / "state", options=options)
        store.fail_after = 10**9
        await run(path, store, tmp_path / "state", options=options)
        assert store.rows == whole.rows


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030"])
async def test_resuming_in_other_encodings(tmp_path, encoding):
    path = tmp_path / "log.txt"
    path.write_bytes("".join(f"用户{n} 朋友😀{n} {1767225600 + n}\n" for n in range(30)).encode(encoding))
    options = ImportOptions(now=NOW, batch_rows=7)
    whole, store = Store(), Store(fail_after=2)
    await run(path, whole, options=options, importer="edges")
    with pytest.raises(StoreFull):
        await run(path, store, tmp_path / "state", options=options, importer="edges")
    store.fail_after = 10**9
    resumed = await run(path, store, tmp_path / "state", options=options, importer="edges")
    assert resumed.resumed_at
    assert store.rows == whole.rows
    assert len(store.rows) == 30


async def test_parquet_resumes(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "log.parquet"
    pq.write_table(
        pa.table({"member": [str(n) for n in range(50)], "time": [1767225600 + n for n in range(50)]}),
        path,
        row_group_size=9,
    )
    options = ImportOptions(now=NOW, batch_rows=8)
    whole, store = Store(), Store(fail_after=3)
    await run(path, whole, options=options)
    with pytest.raises(StoreFull):
        await run(path, store, tmp_path / "state", options=options)
    store.fail_after = 10**9
    await run(path, store, tmp_path / "state", options=options)
    assert store.rows == whole.rows
    assert len(whole.rows) == 50


async def test_an_edited_file_begins_anew(tmp_path):
    path = tmp_path / "log.txt"
    write_log(path, 500)
    store = Store(fail_after=2)
    with pytest.raises(StoreFull):
        await run(path, store, tmp_path / "state")
    path.write_bytes(path.read_bytes().replace(b"src dst time", b"SRC DST TIME"))
    store.fail_after = 10**9
    assert (await run(path, store, tmp_path / "state")).resumed_at is None
    assert len(store.rows) == 505


async def test_a_grown_file_is_taken_up(tmp_path):
    path = tmp_path / "log.txt"
    write_log(path, 500)
    store = Store(fail_after=2)
    with pytest.raises(StoreFull):
        await run(path, store, tmp_path / "state")
    with path.open("a") as file:
        file.write("7 8 1767300000\n")
    store.fail_after = 10**9
    result = await run(path, store, tmp_path / "state")
    assert result.resumed_at
    assert result.read == 506


async def test_a_damaged_state_begins_anew(tmp_path):
    path = tmp_path / "log.txt"
    write_log(path, 500)
    store = Store(fail_after=2)
    with pytest.raises(StoreFull):
        await run(path, store, tmp_path / "state")
    (state,) = (tmp_path / "state").iterdir()
    state.write_bytes(b"{")
    store.fail_after = 10**9
    result = await run(path, store, tmp_path / "state")
    assert (result.resumed_at, result.added + result.duplicates) == (None, 505)


async def test_a_position_that_cannot_be_saved_is_a_typed_error(tmp_path):
    path = tmp_path / "log.txt"
    write_log(path, 500)
    (tmp_path / "state").write_text("a file, not a directory")
    with pytest.raises(StoreError, match="position cannot be saved"):
        await run(path, Store(), tmp_path / "state")


async def test_a_cut_off_export_is_imported_as_far_as_it_goes(tmp_path):
    path = tmp_path / "result.json"
    whole = (DATA / "telegram_chat.json").read_bytes()
    path.write_bytes(whole[:-900])
    store = Store()
    result = await run(path, store, tmp_path / "state")
    assert not result.complete
    assert "cut off at byte" in result.warning
    path.write_bytes(whole)
    full = await run(path, store, tmp_path / "state")
    assert full.complete
    assert full.added > 0
    assert full.duplicates == result.added
    fresh = Store()
    await run(path, fresh)
    assert store.rows.keys() == fresh.rows.keys()


async def test_what_is_no_file_is_a_typed_error(tmp_path):
    for path in (tmp_path, tmp_path / "missing.txt", tmp_path / "nul\x00byte"):
        with pytest.raises(InvalidInput):
            await run(path, Store(), importer="edges")


async def test_skips_are_listed_with_examples(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("1 2 10\n" + "broken\n" * 50 + "1 2 x\n3 4 11\n")
    result = await run(path, Store(), importer="edges")
    assert result.skipped == {"malformed": 50, "bad_time": 1}
    assert result.read == result.added + result.skipped_total == 53
    assert len(result.examples) == 20
    assert (result.examples[0].line, result.examples[0].reason, result.examples[0].detail) == (
        2,
        "malformed",
        "broken",
    )


def _rows(name: str, path: Path, **options: object) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for chunk in Importers().create(name).read(path, options=ImportOptions(now=NOW, **options), resume=None):  # type: ignore[arg-type]
        columns = [values for _, values in chunk.batch.columns()]
        rows += zip(*columns, strict=True)
        assert 0 <= chunk.position.offset <= path.stat().st_size
    return rows


def _fine(rows: list[tuple[object, ...]]) -> None:
    for row in rows:
        for cell in row:
            if isinstance(cell, str):
                cell.encode()
                assert "\x00" not in cell
        assert 0 <= int(str(row[2])) <= NOW.timestamp() * 1e6 + 86_400e6


NAMES = ("edges", "csv", "telegram", "discord", "whatsapp", "parquet")
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", NAMES)
@quick
@given(
    content=st.one_of(
        st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
)
def test_rubbish_gives_typed_errors_only(tmp_path, name, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    try:
        rows = _rows(name, path)
    except InvalidInput:
        return
    _fine(rows)


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name, paths in SAMPLES.items() for path in paths]
)
@quick
@given(data=st.data())
def test_damaged_exports_give_typed_errors_only(tmp_path, name, path, data):
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 6))
        content[at : at + cut] = data.draw(st.binary(max_size=6))
    copy = tmp_path / "file"
    copy.write_bytes(bytes(content))
    try:
        rows = _rows(name, copy)
    except InvalidInput:
        return
    _fine(rows)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
KEYS = {
    "telegram": (
        "id", "type", "date", "date_unixtime", "from", "from_id", "text", "reactions", "poll", "members", "action",
        "actor", "actor_id", "edited", "media_type", "forwarded_from", "reply_to_message_id",
    ),
    "discord": (
        "id", "type", "timestamp", "timestampEdited", "content", "author", "reactions", "stickers", "mentions",
        "reference", "interaction", "attachments", "forwardedMessage",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ["telegram", "discord"])
@quick
@given(data=st.data())
def test_messages_with_fields_of_any_shape(tmp_path, name, data):
    import json

    good = {
        "telegram": {"id": 1, "date_unixtime": "1767225600"},
        "discord": {"id": "1", "timestamp": "2026-01-01T00:00:00Z"},
    }[name]
    drawn = data.draw(st.dictionaries(st.sampled_from(KEYS[name]), json_values, max_size=6))
    kind = data.draw(st.sampled_from(["service", "message", "RecipientAdd", "Default"]))
    message = {
        **good,
        "type": kind,
        "action": data.draw(st.sampled_from(["invite_members", "remove_members", "x"])),
        **drawn,
    }
    path = tmp_path / "file"
    path.write_text(json.dumps({"id": 5, "type": "private_group", "messages": [message, message]}), "utf-8")
    _fine(_rows(name, path))


@quick
@given(
    rows=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 5)), max_size=60),
    batch=st.integers(1, 70),
    again=st.integers(1, 70),
)
async def test_any_log_imported_twice_is_there_once(tmp_path, rows, batch, again):
    path = tmp_path / "log.txt"
    path.write_text("".join(f"{a} {b} {t}\n" for a, b, t in rows))
    store = Store()
    first = await run(path, store, options=ImportOptions(now=NOW, batch_rows=batch), importer="edges")
    second = await run(path, store, options=ImportOptions(now=NOW, batch_rows=again), importer="edges")
    assert (first.added, second.added, len(store.rows)) == (len(rows), 0, len(rows))


_IMPORTER = """
import sys, sqlite3, anyio
from types import SimpleNamespace
from shequn_sdk.listening.importers.base import ImportOptions
from shequn_sdk.listening.importers.job import import_file
source, state, out, how = sys.argv[1:5]
db = sqlite3.connect(out, isolation_level=None)
db.execute("pragma journal_mode=wal")
db.execute("create table if not exists events (id text primary key, member text, at integer)")

async def append(batch, community):
    db.execute("begin")
    before = db.total_changes
    db.executemany("insert or ignore into events values (?,?,?)", zip(batch.id, batch.member, batch.occurred_at))
    new = db.total_changes - before
    db.execute("commit")
    print("stored", flush=True)
    return SimpleNamespace(new=new, duplicates=len(batch) - new)

async def main():
    result = await import_file(source, community="c", append=append, importer=how, state_dir=state,
                               options=ImportOptions(batch_rows=200))
    print("done", result.read, result.added + result.duplicates, result.resumed_at or 0, flush=True)
anyio.run(main)
"""


def kill_import(tmp_path: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    source, out = tmp_path / "log.txt", tmp_path / "events.db"
    edges = write_log(source, 4_000 + 2_000 * kills, seed=seed)
    killed = 0
    while True:
        command = [sys.executable, "-c", _IMPORTER, str(source), str(tmp_path / "state"), str(out), "edges"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        last = b""
        # two at least: then the first batch's position is on disk for certain
        wait = rng.randint(2, 5) if killed < kills else 10**9
        for _ in range(wait):
            last = process.stdout.readline()
            if last != b"stored\n":
                break
        process.kill()
        process.communicate()
        if not last.startswith(b"stored"):
            break
        killed += 1
    assert killed == kills
    done, read, handed, resumed = last.split()
    assert (done, int(read), int(handed)) == (b"done", len(edges), len(edges))
    assert int(resumed) > 0
    with sqlite3.connect(out) as db:
        assert db.execute("select count(*) from events").fetchone() == (len(edges),)
        got = Counter(db.execute("select member, at / 1000000 from events").fetchall())
    db.close()
    assert got == Counter((a, t) for a, _, t in edges)


def test_a_killed_import_loses_and_doubles_nothing(tmp_path):
    kill_import(tmp_path, 3, seed=1)


@pytest.mark.slow
def test_an_import_killed_thirty_times_loses_and_doubles_nothing(tmp_path):
    kill_import(tmp_path, 30, seed=2)


def test_memory_does_not_grow_with_the_file(tmp_path):
    import tracemalloc

    peaks: list[int] = []
    for many in (5_000, 60_000):
        path = tmp_path / f"{many}.txt"
        write_log(path, many)
        tracemalloc.start()
        for chunk in (
            Importers()
            .create("edges")
            .read(path, options=ImportOptions(now=NOW, batch_rows=1000), resume=None)
        ):
            assert len(chunk.batch) <= 1000
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # reading goes by chunks of a mebibyte, which the small file does not fill
    assert peaks[1] < 12_000_000


async def test_it_feeds_the_event_store(tmp_path):
    """The rows are what the event store takes, and it recognises them when they come again."""
    store_module = pytest.importorskip("shequn_sdk.metrics.store.duckdb")
    path = tmp_path / "log.txt"
    edges = write_log(path, 2000)
    store = store_module.DuckDBEventStore(tmp_path / "events.duckdb")
    with store:
        store.ensure_community("health", zone="UTC")

        async def append(batch: InteractionBatch, community: str) -> object:
            return store.append(batch, community=community)

        first = await import_file(path, community="health", append=append, options=ImportOptions(now=NOW))
        again = await import_file(path, community="health", append=append, options=ImportOptions(now=NOW))
    assert (first.added, first.duplicates) == (len(edges), 0)
    assert (again.added, again.duplicates) == (0, len(edges))
