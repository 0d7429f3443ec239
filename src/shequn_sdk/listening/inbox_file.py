"""The inbox's file: its tables, records and blocking operations; `inbox.Inbox` is the async side."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from shequn_sdk.domain import Clock
from shequn_sdk.errors import (
    ShequnError,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreTooNew,
)
from shequn_sdk.platforms.ports import RawEvent

__all__ = ["Added", "ConsumerPosition", "DeadLetter", "Failure", "InboxFile", "InboxStats", "StoredEvent"]

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
_ERASED = "erased"
"""In the place of the headers of an event whose payload was blanked; its id stays, so that it is not taken again."""


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
    payload: bytes = field(repr=False)
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


class InboxFile:
    """The blocking side: one connection, used by one thread at a time."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        max_payload: int,
        max_bytes: int,
        busy_timeout: float,
        sync: Literal["full", "normal"] = "full",
    ) -> None:
        self.path = path
        self._sync = sync
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
        db.execute(f"pragma synchronous={self._sync}")
        db.execute("pragma journal_size_limit=16777216")
        # Payloads are personal data: what is pruned or erased must not stay readable in free pages.
        db.execute("pragma secure_delete=on")
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
        """Give the connection to one thread at a time; SQLite's errors become typed ones."""
        with self._lock:
            try:
                yield self._db
            except sqlite3.ProgrammingError as error:
                raise StoreError(f"inbox {self.path.name} is closed") from error
            except sqlite3.Error as error:
                raise _typed(error, self.path) from error

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Give the connection inside a transaction that is committed whole or not at all."""
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
        """Close the file."""
        with self._lock:
            self._db.close()

    # -- producers

    def add(self, account: str, events: Sequence[RawEvent], cursor: str | None) -> Added:
        """Store events and the cursor; see `Inbox.add`."""
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
        """Give a source's cursor."""
        with self.use() as db:
            row = db.execute("select cursor from cursors where account = ?", (account,)).fetchone()
        return None if row is None else str(row[0])

    # -- consumers

    def register(self, consumer: str) -> int:
        """Make a consumer known; gives its position."""
        with self.transaction() as db:
            db.execute("insert or ignore into consumers values (?, 0)", (consumer,))
            row = db.execute("select position from consumers where name = ?", (consumer,)).fetchone()
        return int(row[0])

    def _position(self, consumer: str) -> int:
        with self.use() as db:
            row = db.execute("select position from consumers where name = ?", (consumer,)).fetchone()
        return self.register(consumer) if row is None else int(row[0])

    def read(self, consumer: str, limit: int, max_bytes: int) -> list[StoredEvent]:
        """Give the next events of a consumer."""
        position = self._position(consumer)
        found: list[StoredEvent] = []
        size = 0
        with self.use() as db:
            rows = db.execute(
                "select seq, account, event_id, payload, headers, received_at from raw where seq > ? "
                "and headers <> ? order by seq limit ?",
                (position, _ERASED, limit),
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
        """Move a consumer's position; see `Inbox.advance`."""
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
        """Record failures; known ones count another attempt."""
        now = _micros(self.clock.now())
        with self.transaction() as db:
            for failure in failures:
                _bury(db, failure, now, more=1)

    def dead(self, ids: Sequence[int] | None, limit: int) -> list[DeadLetter]:
        """Give dead letters: those with `ids`, else the oldest."""
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
        """Take dead letters off the list."""
        with self.transaction() as db:
            db.executemany("delete from dead where id = ?", [(wanted,) for wanted in ids])

    def moves(self) -> list[tuple[str, str, str]]:
        """Give channels that got another id."""
        with self.use() as db:
            return [(row[0], row[1], row[2]) for row in db.execute("select account, old, new from moved")]

    # -- care

    def prune(self, keep: timedelta, keep_dead: timedelta) -> int:
        """Delete what all consumers have passed and that is older than `keep`."""
        before = _micros(self.clock.now() - keep)
        with self.transaction() as db:
            db.execute("delete from dead where at < ?", (_micros(self.clock.now() - keep_dead),))
            passed = db.execute("select min(position) from consumers").fetchone()[0]
            if passed is None:
                return 0
            gone = db.execute("delete from raw where seq <= ? and received_at < ?", (passed, before)).rowcount
        with self.use() as db:
            db.execute("pragma wal_checkpoint(passive)")
        return gone

    def page(self, account: str, after: int, limit: int) -> list[StoredEvent]:
        """Give stored events of an account behind `after`, whoever has seen them."""
        with self.use() as db:
            rows = db.execute(
                "select seq, account, event_id, payload, headers, received_at from raw where account = ? and seq > ? "
                "and headers <> ? order by seq limit ?",
                (account, after, _ERASED, limit),
            ).fetchall()
        return [_event(row) for row in rows]

    def dead_of(self, account: str) -> list[DeadLetter]:
        """Give all dead letters of an account."""
        with self.use() as db:
            ids = [row[0] for row in db.execute("select id from dead where account = ?", (account,))]
        return self.dead(ids, len(ids))

    def blank(self, seqs: Sequence[int], dead: Sequence[int]) -> None:
        """Blank the payloads of events and drop dead letters."""
        with self.transaction() as db:
            db.executemany(
                "update raw set payload = x'', headers = ? where seq = ?", [(_ERASED, seq) for seq in seqs]
            )
            db.executemany("delete from dead where id = ?", [(one,) for one in dead])

    def settle(self) -> None:
        """Write the log of changes into the file and empty it, so that what was blanked is in neither."""
        with self.use() as db:
            db.execute("pragma wal_checkpoint(truncate)")

    def accounts(self) -> list[str]:
        """Give the accounts that have events or dead letters."""
        with self.use() as db:
            return [
                str(row[0])
                for row in db.execute("select account from raw union select account from dead order by 1")
            ]

    def passed(self) -> int:
        """Give the number up to which all consumers have seen the events."""
        with self.use() as db:
            return int(db.execute("select coalesce(min(position), 0) from consumers").fetchone()[0])

    def stats(self) -> InboxStats:
        """Give sizes, positions and counts."""
        with self.use() as db:
            events = int(db.execute("select count(*) from raw").fetchone()[0])
            consumers = tuple(
                ConsumerPosition(row[0], row[1], row[2])
                for row in db.execute(
                    "select name, position, (select count(*) from raw where seq > position and headers <> ?) "
                    "from consumers order by 1",
                    (_ERASED,),
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
