"""One claimed occurrence: its handler is called, and what became of it is written down with what comes next."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import anyio
from sqlalchemy import Connection

from shequn_sdk.domain import Clock
from shequn_sdk.errors import ConfigError, InvalidInput, StoreBusy, StoreFull
from shequn_sdk.scheduling import book
from shequn_sdk.scheduling.book import Claim
from shequn_sdk.scheduling.chinese import WorkDays
from shequn_sdk.scheduling.handlers import Handlers
from shequn_sdk.scheduling.models import Firing, Overlapping
from shequn_sdk.scheduling.policies import after_run, decide
from shequn_sdk.scheduling.triggers import Occurrence
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.store import Store

__all__ = ["Performer", "WorkerOptions"]

_log = logging.getLogger(__name__)
_STORE_PAUSE = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Times and numbers of the worker."""

    lease: timedelta = timedelta(seconds=30)
    """How long a worker may be silent before another one takes over what it held."""
    concurrency: int = 32
    """Handlers that run at the same time."""
    max_attempts: int = 3
    """Calls that raise, after which an occurrence is a dead letter."""
    backoff: timedelta = timedelta(seconds=10)
    """Wait before the second call; each further one is six times as long."""
    poll: float = 1.0
    """Seconds between two looks for schedules that other processes made, and at the clock."""
    patience: timedelta = timedelta(minutes=10)
    """How long an occurrence waits for a process that knows its handler, before it is parked."""
    replan_every: timedelta = timedelta(hours=6)
    """How often provisional occurrences are planned again."""


class Performer:
    """Performs occurrences that were claimed."""

    def __init__(
        self,
        store: Store,
        handlers: Handlers,
        *,
        clock: Clock,
        days: WorkDays | None,
        options: WorkerOptions,
        nudge: Callable[[], None],
    ) -> None:
        """Call `handlers`; `nudge` is called when something was planned."""
        self._store = store
        self._handlers = handlers
        self._clock = clock
        self._days = days
        self._options = options
        self.nudge = nudge

    async def perform(self, claimed: Claim) -> None:
        """Do it; a cancelled one is given back."""
        try:
            await self._fire(claimed)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                ready = to_us(self._clock.now())
                with contextlib.suppress(StoreBusy, StoreFull):  # else its lease ends by itself
                    await self._store.write(lambda conn: book.release(conn, claimed.entry, ready_at=ready))
            raise

    async def _write(self, fn: Callable[[Connection], T]) -> T:
        """Write down what became of an occurrence, as soon as the store lets us."""
        while True:
            try:
                return await self._store.write(fn)
            except (StoreBusy, StoreFull) as error:
                _log.warning("the store cannot be written, next try in %.0f s: %s", _STORE_PAUSE, error)
                await anyio.sleep(_STORE_PAUSE)

    async def _fire(self, claimed: Claim) -> None:
        entry, row = claimed
        started = self._clock.now()
        try:
            decision = decide(claimed, started, self._days)
        except (InvalidInput, ConfigError, ValueError) as error:  # cannot be read or worked out here
            await self._settle(claimed, "parked", note=entry.note, following=None, error=error, plan=False)
            return
        if decision.act != "run":
            state = "skipped" if decision.act == "skip" else "asking"
            await self._settle(
                claimed, state, note=decision.note, following=decision.following, left_out=decision.left_out
            )
            return
        try:
            handler = self._handlers.get(row.handler)
            arguments = handler.check(json.loads(row.arguments))
        except (InvalidInput, ValueError) as error:
            await self._settle_after(claimed, "parked", started, error=error)
            return
        parallel = row.overlap == Overlapping.PARALLEL
        if parallel:
            following, _ = after_run(claimed, started=started, now=started, days=self._days)
            now = to_us(started)
            await self._write(lambda conn: book.following(conn, claimed, following, now=now))
            self.nudge()
        nominal = from_us(entry.nominal_at)
        firing = Firing(
            schedule=row.id,
            name=row.name,
            nominal=nominal,
            due=from_us(entry.due),
            attempt=entry.attempts,
            key=f"{row.id}@{nominal.isoformat()}",
        )
        try:
            await handler(arguments, firing)
        except (StoreBusy, StoreFull) as error:
            await self._again(claimed, started, error, endless=True)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the others go on
            await self._again(claimed, started, error)
        else:
            await self._settle_after(claimed, "done", started)

    async def _again(
        self, claimed: Claim, started: datetime, error: Exception, *, endless: bool = False
    ) -> None:
        entry, row = claimed
        hopeless = isinstance(error, (InvalidInput, ConfigError))
        if hopeless or (entry.attempts >= self._options.max_attempts and not endless):
            _log.error("schedule %s (%s) failed for good: %s", row.name or row.id, row.handler, error)
            await self._settle_after(claimed, "failed", started, error=error)
            return
        wait = min(self._options.backoff * 6 ** min(entry.attempts - 1, 5), timedelta(hours=6))
        _log.warning(
            "schedule %s (%s) is tried again in %s: %s", row.name or row.id, row.handler, wait, error
        )
        ready = to_us(self._clock.now() + wait)
        await self._write(
            lambda conn: book.release(
                conn, entry, ready_at=ready, error=str(error)[:2000], error_type=type(error).__name__
            )
        )

    async def _settle_after(
        self, claimed: Claim, state: str, started: datetime, *, error: Exception | None = None
    ) -> None:
        following, left_out = after_run(claimed, started=started, now=self._clock.now(), days=self._days)
        await self._settle(
            claimed,
            state,
            note=claimed.entry.note,
            following=following,
            left_out=left_out,
            error=error,
            plan=not (claimed.schedule.overlap == Overlapping.PARALLEL and state != "parked"),
        )

    async def _settle(
        self,
        claimed: Claim,
        state: str,
        *,
        note: str,
        following: Occurrence | None,
        left_out: Occurrence | None = None,
        error: Exception | None = None,
        plan: bool = True,
    ) -> None:
        """End an occurrence and plan the next one, in one transaction."""
        now = to_us(self._clock.now())

        def write(conn: Connection) -> bool:
            held = book.settle(
                conn,
                claimed.entry,
                state=state,
                note=note,
                error="" if error is None else str(error)[:2000],
                error_type="" if error is None else type(error).__name__,
                now=now,
            )
            if held and plan:
                if left_out is not None:
                    words = note if state == "skipped" else "the one before was still running"
                    book.skip(conn, claimed.schedule, left_out, f"{words}; all until the next", now=now)
                book.following(conn, claimed, following, now=now)
            return held

        if not await self._write(write):
            _log.warning("occurrence %d was taken over by another worker", claimed.entry.id)
