"""What writes an SQLite file for a process, with group commit: a thread, or its event loop itself."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Engine

from shequn_sdk.stores.failures import typed
from shequn_sdk.stores.turns import short_turns

__all__ = ["BEAT", "Writer"]

T = TypeVar("T")

_GROUP = 1000
"""Most write functions in one transaction."""
BEAT = 20.0
"""Seconds between signs of life of an open store."""
_FEW = 4
"""Most quick functions that the loop does itself; more are worth the way to the thread."""
_SLOW = 0.003
"""Seconds that a commit may hold up the loop, as the mean of the last few; beyond it the thread does them for a while."""
_REST = 2.0
"""Seconds of that while."""
_CHECKPOINT = 80
"""Transactions on the loop after which the thread does one, and moves what they wrote from the log into the file."""


class _Job:
    """A write function that waits for its turn."""

    __slots__ = ("apart", "error", "fn", "future", "loop", "result")

    def __init__(
        self, fn: Callable[[Connection], Any], loop: asyncio.AbstractEventLoop, *, apart: bool = False
    ) -> None:
        self.fn = fn
        self.apart = apart
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


class Writer:
    """Commits as one transaction whatever has been queued while the one before it ran.

    Each function stands behind a savepoint, so that one that fails takes nothing with it. A quick function that is
    alone is done by the loop: the way to the thread and back takes as long as its whole transaction.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        where: str,
        prepare: Callable[[Connection], None],
        beat: Callable[[Connection], None],
        part: Callable[[Connection], None],
        on: Literal["thread", "loop"] = "thread",
        quick: bool = True,
    ) -> None:
        """Write to the file of `engine`.

        Args:
            where: its name in errors.
            prepare: makes the file ready, in transactions of its own; called once, before all others.
            beat: writes a sign of life, now and then, in a transaction that runs.
            part: takes it back at the end.
            on: where functions run. On the loop nothing is handed over, and everything else waits meanwhile.
            quick: whether the loop may do quick functions although the others run on the thread.
        """
        self._engine = engine
        self._where = where
        self._prepare = prepare
        self._beat = beat
        self._part = part
        self._on = on
        self._conn: Connection | None = None
        """Of the loop; the thread has its own."""
        self._waiting: list[_Job] = []
        self._beaten = 0.0
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._quick = quick
        self._home: asyncio.AbstractEventLoop | None = None
        self._turned: Connection | None = None
        """Of the loop, for quick functions."""
        self._turns = 0
        self._took = 0.0
        """Mean duration of the last of them, in seconds."""
        self._rests_until = 0.0
        self._file = threading.Lock()
        """Held by whoever writes, thread or loop."""

    async def start(self) -> None:
        """Start the thread, and return when the file is ready; raises what prevents that."""
        if self._on == "loop":
            self._conn = self._opened()
            self._beaten = time.monotonic()
            return
        self._home = asyncio.get_running_loop()
        ready = self._home.create_future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="shequn-write", daemon=True)
        self._thread.start()
        await ready

    async def write(self, fn: Callable[[Connection], T], *, quick: bool = False, apart: bool = False) -> T:
        """Queue a function, and return its result once it is durable."""
        job = _Job(fn, asyncio.get_running_loop(), apart=apart)
        if self._conn is None and quick and self._quick and job.loop is self._home:
            if not self._waiting:
                job.loop.call_soon(self._quick_turn)
            self._waiting.append(job)
        elif self._conn is None:
            self._queue.put(job)
        else:
            if not self._waiting:
                job.loop.call_soon(self._turn)
            self._waiting.append(job)
        return await job.future

    def end(self) -> None:
        """Let the thread end after what is queued; see `join`."""
        self._ended = True
        if self._conn is not None:
            while self._waiting:
                self._turn()
            self._end(self._conn)
            self._conn = None
        waiting, self._waiting = self._waiting, []
        self._hand_over(waiting)
        self._queue.put(None)

    def join(self) -> None:
        """Wait for the end of the thread, if it was started."""
        if self._thread is not None:
            self._thread.join()
        if self._turned is not None:
            with contextlib.suppress(Exception):
                self._turned.close()
            self._turned = None

    def _opened(self) -> Connection:
        conn: Connection | None = None
        try:
            conn = self._engine.connect()
            self._prepare(conn)
        except BaseException as error:
            if conn is not None:
                with contextlib.suppress(Exception):
                    conn.close()
            failure = typed(error, self._where)
            if failure is error:
                raise
            raise failure from error
        return conn

    def _end(self, conn: Connection) -> None:
        with contextlib.suppress(Exception):
            conn.exec_driver_sql("begin immediate")
            self._part(conn)
            conn.commit()
        with contextlib.suppress(Exception):
            conn.close()

    def _turn(self) -> None:
        """Commit on the loop what was asked for in one round of it."""
        jobs, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
        if self._conn is None or not jobs:
            return
        if self._waiting:
            jobs[0].loop.call_soon(self._turn)
        beat = time.monotonic() - self._beaten > BEAT
        if beat:
            self._beaten = time.monotonic()
        self._commit(self._conn, jobs, beat=beat)
        _settle(jobs)

    # quick functions

    def _quick_turn(self) -> None:
        """Do on the loop what was asked for in one round of it, or hand it to the thread."""
        jobs, self._waiting = self._waiting, []
        here = (
            0 < len(jobs) <= _FEW
            and not self._ended
            and self._turns < _CHECKPOINT
            and self._queue.empty()
            and time.monotonic() >= self._rests_until
            and self._file.acquire(blocking=False)
        )
        if not here:
            self._hand_over(jobs)
            return
        done = False
        try:
            done = self._quickly(jobs)
        finally:
            self._file.release()
            if done:
                _settle(jobs)
            else:
                self._hand_over(jobs)

    def _quickly(self, jobs: list[_Job]) -> bool:
        """Commit without waiting for anybody; False when that failed, and nothing was written."""
        begun = time.monotonic()
        self._turns += 1
        try:
            if self._turned is None:
                conn = self._turned = self._engine.connect()
                conn.exec_driver_sql("pragma busy_timeout=0")
                conn.exec_driver_sql("pragma wal_autocheckpoint=0")
            self._transaction(self._turned, jobs, beat=False, guarded=False)
        except Exception:  # noqa: BLE001 - the thread meets it again, and says what it is
            if self._turned is not None:
                self._rollback(self._turned)
            return False
        ended = time.monotonic()
        self._took += (ended - begun - self._took) / 8
        if self._took > _SLOW:
            self._took, self._rests_until = 0.0, ended + _REST
        return True

    def _hand_over(self, jobs: list[_Job]) -> None:
        self._turns = 0
        for job in jobs:
            self._queue.put(job)

    # the thread

    def _run(self, ready: asyncio.Future[None]) -> None:
        loop = ready.get_loop()
        try:
            conn = self._opened()
        except BaseException as error:  # noqa: BLE001 - the opener raises it
            failure = error
            loop.call_soon_threadsafe(lambda: ready.done() or ready.set_exception(failure))
            return
        loop.call_soon_threadsafe(lambda: ready.done() or ready.set_result(None))
        beaten = time.monotonic()
        kept: _Job | None = None
        while True:
            try:
                first, kept = kept or self._queue.get(timeout=BEAT), None
            except queue.Empty:
                first = None
                if not self._ended:
                    with self._file, contextlib.suppress(Exception):
                        conn.exec_driver_sql("begin immediate")
                        self._beat(conn)
                        conn.commit()
                    conn.rollback()
                    beaten = time.monotonic()
                    continue
            if first is None:
                break
            jobs = [first]
            stop, alone = False, first.apart
            while len(jobs) < _GROUP:
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    stop = True
                    break
                if job.apart and alone:
                    kept = job
                    break
                alone = alone or job.apart
                jobs.append(job)
            beat = time.monotonic() - beaten > BEAT
            with self._file, short_turns() if alone else contextlib.nullcontext():
                self._commit(conn, jobs, beat=beat)
            self._hand_back(jobs)
            if beat:
                beaten = time.monotonic()
            if stop:
                break
        self._end(conn)

    @staticmethod
    def _hand_back(jobs: list[_Job]) -> None:
        by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Job]] = defaultdict(list)
        for job in jobs:
            by_loop[job.loop].append(job)
        for loop, done in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, done)

    def _commit(self, conn: Connection, jobs: list[_Job], *, beat: bool) -> None:
        """Run `jobs` in one transaction.

        The first time without savepoints, which cost as much as a small write; when a function fails, again with
        them; when even that fails as a whole, each in a transaction of its own.
        """
        try:
            try:
                self._transaction(conn, jobs, beat=beat, guarded=False)
            except Exception:
                if len(jobs) == 1 and not beat:
                    raise
                self._rollback(conn)
                for job in jobs:
                    job.error = None
                # without the sign of life, for which there may be no room although there is for them
                self._transaction(conn, jobs, beat=False, guarded=len(jobs) > 1)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self._rollback(conn)
            if len(jobs) == 1:
                jobs[0].error = typed(error, self._where)
            else:
                for job in jobs:
                    job.error = None
                    try:
                        self._transaction(conn, [job], beat=False, guarded=False)
                    except BaseException as single:  # noqa: BLE001 - handed to whoever waits
                        self._rollback(conn)
                        job.error = typed(single, self._where)

    def _transaction(self, conn: Connection, jobs: list[_Job], *, beat: bool, guarded: bool) -> None:
        raw: sqlite3.Connection = conn.connection.driver_connection  # pyright: ignore[reportAssignmentType]
        raw.execute("begin immediate")
        if beat:
            self._beat(conn)
        if not guarded:
            for job in jobs:
                job.result = job.fn(conn)
        else:
            for job in jobs:
                raw.execute("savepoint job")
                try:
                    job.result = job.fn(conn)
                except BaseException as error:
                    if not raw.in_transaction:  # SQLite rolled back everything, as it does on a full disk
                        raise
                    raw.execute("rollback to job")
                    job.error = typed(error, self._where)
                raw.execute("release job")
        raw.commit()

    @staticmethod
    def _rollback(conn: Connection) -> None:
        with contextlib.suppress(Exception):
            conn.rollback()
        with contextlib.suppress(Exception):
            raw: Any = conn.connection.driver_connection
            raw.rollback()
