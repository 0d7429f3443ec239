"""The inbox: every raw event is stored durably before it is acknowledged or looked at.

One SQLite file in WAL mode. Several processes may append; each consumer reads in order and keeps its own position.
"""

from __future__ import annotations

import functools
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread

from shequn_sdk.domain import Clock
from shequn_sdk.errors import (
    InvalidInput,
    ShequnError,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreTooNew,
    UnknownName,
)
from shequn_sdk.platforms.ports import RawEvent
from shequn_sdk.scheduling.clock import SystemClock

__all__ = ["Added", "ConsumerPosition", "DeadLetter", "Failure", "Inbox", "InboxStats", "StoredEvent"]

_VERSION = 1
_SCHEMA = """
create table if not exists raw (
  seq integer primary key autoincrement,
  account text not null,
  event_id text not null,
  payload blob not null,
  headers text not null,
  received_at integer not null,
  unique (account, event_id)
);
create table if not exists cursors (account text primary key, cursor text not null, updated_at integer not null);
create table if not exists consumers (name text primary key, position integer not null);
create table if not exists unknown (
  account text not null, kind text not null, consumer text not null, count integer not null,
  primary key (account, kind, consumer)
) without rowid;
create table if not exists dead (
  id integer primary key autoincrement,
  seq integer not null,
  stage text not null,
  account text not null,
  event_id text not null,
  payload blob not null,
  headers text not null,
  received_at integer not null,
  reason text not null,
  attempts integer not null,
  at integer not null,
  unique (account, event_id, stage)
);
create table if not exists moved (
  account text not null, old text not null, new text not null, primary key (account, old)
) without rowid;
"""
_STAGE_SIZE = "size"
_KEPT_OF_OVERSIZE = 4096

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Added:
    """What became of events that were handed to the inbox."""

    new: int = 0
    duplicates: int = 0
    """Known by account and event id already; nothing was stored."""
    oversize: int = 0
    """Larger than the inbox takes: kept as dead letters with their first bytes."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A raw event as it stands in the inbox."""

    seq: int
    account: str
    event_id: str
    payload: bytes
    headers: Mapping[str, str]
    received_at: datetime

    @property
    def raw(self) -> RawEvent:
        """The event as the adapter's `parse` takes it."""
        return RawEvent(event_id=self.event_id, payload=self.payload, headers=self.headers)


@dataclass(frozen=True, slots=True)
class ConsumerPosition:
    """How far a consumer has come."""

    name: str
    position: int
    """Sequence number of the last event that it is done with."""
    lag: int
    """How many events wait for it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that could not be read, or that a handler failed on (死信)."""

    id: int
    event: StoredEvent
    stage: str
    """`parse`, `size`, or the name of the handler that failed."""
    reason: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure to record together with a consumer's new position."""

    event: StoredEvent
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class InboxStats:
    """The inbox in numbers."""

    events: int
    bytes: int
    """Size of the file without its write-ahead log."""
    consumers: tuple[ConsumerPosition, ...] = ()
    dead: int = 0
    unknown: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """Events of unknown types by (account, the platform's name of the type)."""


def _micros(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000)


def _instant(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, UTC)


def _typed(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy(f"inbox {path.name} is locked by another process; try again")
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(
            f"inbox {path.name} is full or no space is left on the device; nothing of this batch was stored. "
            "Free space, prune, or raise its size limit"
        )
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreDamaged(f"inbox {path.name} is damaged or no inbox: move it away and start anew")
    return StoreError(f"inbox {path.name}: {error}")


class _File:
    """The blocking side: one connection, used by one thread at a time."""

    def __init__(
        self, path: Path, *, clock: Clock, max_payload: int, max_bytes: int, busy_timeout: float
    ) -> None:
        self.path = path
        self.clock = clock
        self.max_payload = max_payload
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(
                path, timeout=busy_timeout, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StoreError(f"inbox {path.name} cannot be opened: {error}") from error
        try:
            self._prepare_patiently(max_bytes, busy_timeout)
        except sqlite3.Error as error:
            self._db.close()
            raise _typed(error, path) from error
        except ShequnError:
            self._db.close()
            raise

    def _prepare_patiently(self, max_bytes: int, busy_timeout: float) -> None:
        # SQLite does not wait while two processes switch a new file to WAL; it answers busy at once.
        until = time.monotonic() + busy_timeout
        while True:
            try:
                self._prepare(max_bytes)
            except sqlite3.OperationalError as error:
                if not isinstance(_typed(error, self.path), StoreBusy) or time.monotonic() > until:
                    raise
                if self._db.in_transaction:
                    self._db.execute("rollback")
                time.sleep(0.02)
            else:
                return

    def _prepare(self, max_bytes: int) -> None:
        db = self._db
        version = int(db.execute("pragma user_version").fetchone()[0])
        if version > _VERSION:
            raise StoreTooNew(
                f"inbox {self.path.name} was written by a newer version of shequn-sdk: update the package"
            )
        db.execute("pragma journal_mode=wal")
        # FULL: an acknowledged event must survive a power cut, not only a killed process.
        db.execute("pragma synchronous=full")
        db.execute("pragma journal_size_limit=16777216")
        page = int(db.execute("pragma page_size").fetchone()[0])
        db.execute(f"pragma max_page_count={max(64, max_bytes // page)}")
        if version < _VERSION:
            others = db.execute(
                "select count(*) from sqlite_master where name not like 'sqlite_%'"
            ).fetchone()[0]
            if (
                version == 0
                and others
                and not db.execute("select 1 from sqlite_master where name='raw'").fetchone()
            ):
                raise StoreDamaged(f"{self.path.name} is a database of something else, not an inbox")
            db.executescript(f"begin immediate; {_SCHEMA} pragma user_version={_VERSION}; commit;")

    @contextmanager
    def use(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.ProgrammingError as error:
                raise StoreError(f"inbox {self.path.name} is closed") from error
            except sqlite3.Error as error:
                raise _typed(error, self.path) from error

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        with self.use() as db:
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            except BaseException:
                if db.in_transaction:
                    db.execute("rollback")
                raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- producers

    def add(self, account: str, events: Sequence[RawEvent], cursor: str | None) -> Added:
        now = _micros(self.clock.now())
        new = duplicates = oversize = 0
        with self.transaction() as db:
            for event in events:
                if len(event.payload) > self.max_payload:
                    oversize += self._refuse(db, account, event, now)
                    continue
                done = db.execute(
                    "insert or ignore into raw (account, event_id, payload, headers, received_at) values (?,?,?,?,?)",
                    (account, event.event_id, event.payload, _headers(event.headers), now),
                ).rowcount
                new += done
                duplicates += 1 - done
            if cursor is not None:
                db.execute(
                    "insert into cursors values (?,?,?) on conflict (account) do update "
                    "set cursor = excluded.cursor, updated_at = excluded.updated_at",
                    (account, cursor, now),
                )
        return Added(new, duplicates, oversize)

    def _refuse(self, db: sqlite3.Connection, account: str, event: RawEvent, now: int) -> int:
        reason = f"{len(event.payload)} bytes; the inbox takes at most {self.max_payload}"
        db.execute(
            "insert or ignore into dead (seq, stage, account, event_id, payload, headers, received_at, reason, "
            "attempts, at) values (0,?,?,?,?,?,?,?,1,?)",
            (
                _STAGE_SIZE,
                account,
                event.event_id,
                event.payload[:_KEPT_OF_OVERSIZE],
                _headers(event.headers),
                now,
                reason,
                now,
            ),
        )
        return 1

    def cursor(self, account: str) -> str | None:
        with self.use() as db:
            row = db.execute("select cursor from cursors where account = ?", (account,)).fetchone()
        return None if row is None else str(row[0])

    # -- consumers

    def register(self, consumer: str) -> int:
        with self.transaction() as db:
            db.execute("insert or ignore into consumers values (?, 0)", (consumer,))
            row = db.execute("select position from consumers where name = ?", (consumer,)).fetchone()
        return int(row[0])

    def read(self, consumer: str, limit: int, max_bytes: int) -> list[StoredEvent]:
        position = self.register(consumer)
        found: list[StoredEvent] = []
        size = 0
        with self.use() as db:
            rows = db.execute(
                "select seq, account, event_id, payload, headers, received_at from raw where seq > ? "
                "order by seq limit ?",
                (position, limit),
            )
            for row in rows:
                found.append(_event(row))
                size += len(row[3])
                if size >= max_bytes:
                    break
            rows.close()
        return found

    def advance(
        self,
        consumer: str,
        seq: int,
        after: int | None,
        failures: Sequence[Failure],
        unknown: Mapping[tuple[str, str], int],
        moved: Sequence[tuple[str, str, str]],
    ) -> None:
        now = _micros(self.clock.now())
        with self.transaction() as db:
            guard = "" if after is None else " and position <= ?"
            values: tuple[object, ...] = (
                (seq, consumer, seq) if after is None else (seq, consumer, seq, after)
            )
            done = db.execute(
                f"update consumers set position = ? where name = ? and position < ?{guard}",  # noqa: S608 - constant text
                values,
            ).rowcount
            if not done:
                raise StoreBusy(f"another process drains the inbox as {consumer!r}; stop one of them")
            for failure in failures:
                # both consumers meet an unreadable event: that is one attempt
                _bury(db, failure, now, more=0)
            db.executemany(
                "insert into unknown values (?,?,?,?) on conflict do update set count = count + excluded.count",
                [(account, kind, consumer, count) for (account, kind), count in unknown.items()],
            )
            db.executemany("insert or replace into moved values (?,?,?)", moved)

    def bury(self, failures: Sequence[Failure]) -> None:
        now = _micros(self.clock.now())
        with self.transaction() as db:
            for failure in failures:
                _bury(db, failure, now, more=1)

    def dead(self, ids: Sequence[int] | None, limit: int) -> list[DeadLetter]:
        columns = "id, seq, account, event_id, payload, headers, received_at, stage, reason, attempts, at"
        with self.use() as db:
            if ids is None:
                rows = db.execute(f"select {columns} from dead order by id limit ?", (limit,)).fetchall()  # noqa: S608 - constant text
            else:
                rows = [
                    row
                    for wanted in ids
                    for row in db.execute(f"select {columns} from dead where id = ?", (wanted,))  # noqa: S608 - constant text
                ]
        return [
            DeadLetter(row[0], _event(row[1:7]), row[7], row[8], row[9], _instant(row[10])) for row in rows
        ]

    def revive(self, ids: Sequence[int]) -> None:
        with self.transaction() as db:
            db.executemany("delete from dead where id = ?", [(wanted,) for wanted in ids])

    def moves(self) -> list[tuple[str, str, str]]:
        with self.use() as db:
            return [(row[0], row[1], row[2]) for row in db.execute("select account, old, new from moved")]

    # -- care

    def prune(self, keep: timedelta) -> int:
        before = _micros(self.clock.now() - keep)
        with self.transaction() as db:
            passed = db.execute("select min(position) from consumers").fetchone()[0]
            if passed is None:
                return 0
            gone = db.execute("delete from raw where seq <= ? and received_at < ?", (passed, before)).rowcount
        with self.use() as db:
            db.execute("pragma wal_checkpoint(passive)")
        return gone

    def stats(self) -> InboxStats:
        with self.use() as db:
            events = int(db.execute("select count(*) from raw").fetchone()[0])
            consumers = tuple(
                ConsumerPosition(row[0], row[1], row[2])
                for row in db.execute(
                    "select name, position, (select count(*) from raw where seq > position) from consumers order by 1"
                )
            )
            dead = int(db.execute("select count(*) from dead").fetchone()[0])
            unknown = {
                (str(row[0]), str(row[1])): int(row[2])
                for row in db.execute("select account, kind, max(count) from unknown group by 1, 2")
            }
        return InboxStats(events, self.path.stat().st_size, consumers, dead, unknown)


def _headers(headers: Mapping[str, str]) -> str:
    return json.dumps(dict(headers)) if headers else ""


def _event(row: Sequence[object]) -> StoredEvent:
    seq, account, event_id, payload, headers, received_at = row
    assert isinstance(seq, int)
    assert isinstance(payload, bytes)
    assert isinstance(received_at, int)
    return StoredEvent(
        seq,
        str(account),
        str(event_id),
        payload,
        json.loads(str(headers)) if headers else {},
        _instant(received_at),
    )


def _bury(db: sqlite3.Connection, failure: Failure, now: int, *, more: int) -> None:
    event = failure.event
    db.execute(
        "insert into dead (seq, stage, account, event_id, payload, headers, received_at, reason, attempts, at) "
        "values (?,?,?,?,?,?,?,?,1,?) on conflict (account, event_id, stage) do update "
        "set attempts = attempts + ?, reason = excluded.reason, at = excluded.at",
        (
            event.seq,
            failure.stage,
            event.account,
            event.event_id,
            event.payload,
            _headers(event.headers),
            _micros(event.received_at),
            failure.reason[:2000],
            now,
            more,
        ),
    )


class Inbox:
    """The durable queue between platforms and everything that listens (收件箱). An async context manager.

    Events are recognised by (account, event id) for as long as they are kept (`prune`), so a redelivery is stored
    once. What `add` has returned for survives a killed process and a power cut.
    """

    def __init__(self, file: _File) -> None:
        """Use `Inbox.open`."""
        self._file = file
        # one connection: more threads would only wait for each other
        self._limiter = anyio.CapacityLimiter(1)
        self._bell: anyio.Event | None = None

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        clock: Clock | None = None,
        max_payload: int = 1 << 20,
        max_bytes: int = 4 << 30,
        busy_timeout: float = 10.0,
    ) -> Self:
        """Open or create the inbox at `path`.

        Args:
            path: the file; its directory must exist.
            clock: source of the time of receipt.
            max_payload: largest event in bytes; larger ones become dead letters.
            max_bytes: largest size of the file; a fuller inbox raises `StoreFull`.
            busy_timeout: seconds to wait for another process's transaction before `StoreBusy`.

        Raises:
            StoreDamaged: the file is damaged or no inbox.
            StoreTooNew: a newer version wrote it.
            StoreBusy: another process held it for too long.
        """
        file = await anyio.to_thread.run_sync(
            functools.partial(
                _File,
                Path(path),
                clock=clock or SystemClock(),
                max_payload=max_payload,
                max_bytes=max_bytes,
                busy_timeout=busy_timeout,
            )
        )
        return cls(file)

    async def __aenter__(self) -> Self:
        """Give itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the file."""
        with anyio.CancelScope(shield=True):
            await self._run(self._file.close)

    async def _run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await anyio.to_thread.run_sync(functools.partial(call, *args, **kwargs), limiter=self._limiter)

    async def add(self, account: str, events: Sequence[RawEvent], *, cursor: str | None = None) -> Added:
        """Store events together with the source's cursor, in one durable transaction.

        Raises:
            StoreFull: nothing was stored, the cursor is as before.
            StoreBusy: another process holds the file.
            InvalidInput: an event has no id.
        """
        if any(not event.event_id for event in events):
            raise InvalidInput(f"an event of account {account!r} has no id: its adapter must give one")
        added = await self._run(self._file.add, account, events, cursor)
        if added.new and self._bell is not None:
            bell, self._bell = self._bell, None
            bell.set()
        return added

    async def cursor(self, account: str) -> str | None:
        """Give the cursor stored with the last batch of a source, None before the first."""
        return await self._run(self._file.cursor, account)

    async def register(self, consumer: str) -> int:
        """Make a consumer known, so that nothing is pruned before it has seen it; gives its position."""
        return await self._run(self._file.register, consumer)

    async def read(self, consumer: str, *, limit: int = 500, max_bytes: int = 8 << 20) -> list[StoredEvent]:
        """Give the next events for a consumer, in order, without moving its position."""
        return await self._run(self._file.read, consumer, limit, max_bytes)

    async def advance(
        self,
        consumer: str,
        seq: int,
        *,
        after: int | None = None,
        failures: Sequence[Failure] = (),
        unknown: Mapping[tuple[str, str], int] | None = None,
        moved: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        """Record durably that a consumer is done with all events up to `seq`.

        Args:
            consumer: name of the consumer.
            seq: sequence number of the last event done.
            after: highest position at which the consumer may stand now; guards against a second drainer.
            failures: dead letters to record in the same transaction.
            unknown: counts of unknown event types by (account, type).
            moved: channels that got another id, as (account, old, new).

        Raises:
            StoreBusy: another process has moved the position meanwhile.
        """
        await self._run(self._file.advance, consumer, seq, after, failures, unknown or {}, moved)

    async def bury(self, failures: Sequence[Failure]) -> None:
        """Record failures without moving a position; a known one counts another attempt."""
        await self._run(self._file.bury, failures)

    async def list_dead(self, *, limit: int = 1000) -> list[DeadLetter]:
        """Give dead letters, oldest first."""
        return await self._run(self._file.dead, None, limit)

    async def get_dead(self, letter: int) -> DeadLetter:
        """Give one dead letter.

        Raises:
            UnknownName: there is none with that id.
        """
        found = await self._run(self._file.dead, [letter], 1)
        if not found:
            raise UnknownName("dead letter", str(letter))
        return found[0]

    async def drop_dead(self, letters: Iterable[int]) -> None:
        """Forget dead letters: they were handled, or nobody wants them."""
        await self._run(self._file.revive, list(letters))

    async def list_moved(self) -> list[tuple[str, str, str]]:
        """Give channels that got another id, as (account, old, new)."""
        return await self._run(self._file.moves)

    async def prune(self, *, keep: timedelta = timedelta(days=7)) -> int:
        """Delete events that every consumer has passed and that are older than `keep`; gives how many.

        A redelivery after that time is taken for a new event, so `keep` must exceed the platform's redelivery time.
        """
        return await self._run(self._file.prune, keep)

    async def stats(self) -> InboxStats:
        """Give sizes, positions and counts."""
        return await self._run(self._file.stats)

    async def wait(self, seconds: float) -> None:
        """Return when this process has added something, or after `seconds` (others cannot ring the bell)."""
        bell = self._bell
        if bell is None:
            bell = self._bell = anyio.Event()
        with anyio.move_on_after(seconds):
            await bell.wait()
