"""The room's face: schedules that survive a restart, and the handlers they call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import anyio
from pydantic import BaseModel
from sqlalchemy import Connection

from shequn_sdk.domain import Clock, LatePolicy, new_id
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.scheduling import book
from shequn_sdk.scheduling.checking import (
    aware,
    catch_up_of,
    choice,
    first_of,
    grace_of,
    json_of,
    name_of,
    trigger_of,
)
from shequn_sdk.scheduling.chinese import WorkDays
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.scheduling.handlers import Function, Handlers
from shequn_sdk.scheduling.models import Overlapping, Schedule, ScheduleState
from shequn_sdk.scheduling.reading import ScheduleReader, known
from shequn_sdk.scheduling.showing import to_schedule
from shequn_sdk.scheduling.triggers import Occurrence, Trigger
from shequn_sdk.scheduling.worker import Worker, WorkerOptions
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store

__all__ = ["Scheduler"]

F = TypeVar("F", bound=Function)
_TAKEN = {"IntegrityError", "UniqueViolation"}
"""What drivers raise, each its own, when a name or a key is there already."""


class Scheduler(ScheduleReader):
    """Keeps schedules and fires them (定时调度).

    A schedule calls a handler that was registered by name, with JSON arguments. One instance per process and store;
    several processes may each have one. Reading is quick with a hundred thousand schedules.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock | None = None,
        days: WorkDays | None = None,
        options: WorkerOptions | None = None,
    ) -> None:
        """Keep schedules in `store`.

        Args:
            clock: the store's by default, and instead of the machine's: on PostgreSQL all hosts go by the server's.
            days: which days are worked, for triggers with `only`; the installed calendar by default.
            options: leases, attempts, waits.
        """
        super().__init__(store, days=days)
        self._clock = store.clock if clock is None or type(clock) is SystemClock else clock
        self.handlers = Handlers()
        self._worker = Worker(store, self.handlers, clock=self._clock, days=days, options=options)

    # handlers

    def handler(self, name: str, *, arguments: type[BaseModel] | None = None) -> Callable[[F], F]:
        """Register the decorated function, which takes its validated arguments and a `Firing`.

        It is called at least once per occurrence. It may be a coroutine function, or block.
        """

        def register(function: F) -> F:
            self.handlers.add(name, function, arguments=arguments)
            return function

        return register

    # making and changing

    async def create(
        self,
        handler: str,
        *,
        when: Trigger,
        arguments: Mapping[str, Any] | BaseModel | None = None,
        name: str = "",
        late: LatePolicy = LatePolicy.SEND,
        grace: timedelta | None = None,
        overlap: Overlapping = Overlapping.QUEUE,
        catch_up: int = 1,
        idempotency_key: str | None = None,
    ) -> Schedule:
        """Make a schedule.

        Args:
            handler: name of a registered handler.
            when: the trigger.
            arguments: what the handler is called with.
            name: by which people find it; unique among those that are active or paused.
            late: what to do with an occurrence that could not begin in time.
            grace: how late it may begin.
            overlap: what to do with an occurrence that comes while the one before it still runs.
            catch_up: how many of the occurrences that were missed are made up for, the latest ones; at least 1.
            idempotency_key: making it again under the same key gives the first one.

        Raises:
            UnknownName: there is no such handler.
            InvalidInput: the arguments do not fit, the name is taken, or the trigger has no occurrence to come.
        """
        many = await self.create_many(
            [(handler, when, arguments, name)],
            late=late,
            grace=grace,
            overlap=overlap,
            catch_up=catch_up,
            idempotency_key=idempotency_key,
        )
        return many[0]

    async def create_many(
        self,
        schedules: Sequence[tuple[str, Trigger, Mapping[str, Any] | BaseModel | None, str]],
        *,
        late: LatePolicy = LatePolicy.SEND,
        grace: timedelta | None = None,
        overlap: Overlapping = Overlapping.QUEUE,
        catch_up: int = 1,
        idempotency_key: str | None = None,
    ) -> list[Schedule]:
        """Make schedules in one transaction, each given as handler, trigger, arguments and name; all or none.

        Raises:
            UnknownName: there is no such handler.
            InvalidInput: as for `create`.
        """
        policies = (choice(LatePolicy, late, "late"), choice(Overlapping, overlap, "overlap"))
        most, span = catch_up_of(catch_up), grace_of(grace)
        if idempotency_key == "":
            raise InvalidInput("idempotency_key must not be empty; None makes a new schedule each time")
        now = self._clock.now()
        at = to_us(now)
        rows: list[book.Row] = []
        plans: list[dict[str, Any]] = []
        for number, (handler, when, arguments, name) in enumerate(schedules):
            text = json_of(arguments)
            self.handlers.get(handler).check(json.loads(text))
            row = book.Row(
                id=new_id() if idempotency_key is None else _key_id(idempotency_key, number),
                name=name_of(name),
                handler=handler,
                arguments=text,
                trigger=trigger_of(when).model_dump_json(),
                state="active",
                late=policies[0].value,
                grace=span,
                overlap=policies[1].value,
                catch_up=most,
                version=1,
                note="",
                created_at=at,
                updated_at=at,
            )
            rows.append(row)
            plans.append(book.planned(row, first_of(when, now, self._days)))
        names = [row.name for row in rows if row.name]
        twice = (
            next((name for name in names if names.count(name) > 1), None)
            if len(set(names)) < len(names)
            else None
        )
        if twice is not None:
            raise InvalidInput(f"two of the schedules are named {twice!r}; names are unique")

        def write(conn: Connection) -> list[tuple[book.Row, int | None, int]]:
            if idempotency_key is not None:
                known = [book.find(conn, row.id) for row in rows]
                if rows and known[0] is not None:
                    return [book.with_next(conn, row) for row in known if row is not None]
            for row in rows:
                if row.name and book.is_taken(conn, row.name):
                    raise InvalidInput(
                        f"there is a schedule named {row.name!r} already: reschedule or cancel it, or take another name"
                    )
            book.insert(conn, rows)
            book.plan(conn, plans)
            return [(row, plan["due"], plan["provisional"]) for row, plan in zip(rows, plans, strict=True)]

        try:
            written = await self._store.write(write)
        except Exception as error:
            if type(error).__name__ not in _TAKEN:
                raise
            written = await self._store.write(write)  # of another process, a moment ago: now it is seen
        self._worker.nudge()
        return [to_schedule(*item) for item in written]

    async def pause(self, schedule: str) -> Schedule:
        """Stop firing until `resume`; what is running goes on. Of a paused one it changes nothing.

        Raises:
            UnknownName: there is none of that id or name.
            InvalidInput: it has ended or was cancelled.
        """
        return await self._change(schedule, ScheduleState.PAUSED, allowed=("active", "paused"))

    async def resume(self, schedule: str) -> Schedule:
        """Go on from now; what would have come during the pause is not made up for.

        Raises:
            UnknownName: there is none of that id or name.
            InvalidInput: it has ended or was cancelled, or has no occurrence left.
        """
        return await self._change(schedule, ScheduleState.ACTIVE, allowed=("active", "paused"))

    async def cancel(self, schedule: str) -> Schedule:
        """End a schedule for good; its history stays. What is running goes on.

        Raises:
            UnknownName: there is none of that id or name.
        """
        return await self._change(schedule, ScheduleState.CANCELLED, allowed=tuple(ScheduleState))

    async def reschedule(self, schedule: str, *, when: Trigger) -> Schedule:
        """Give a schedule another trigger, from now on; an ended one lives again, a paused one stays paused.

        Raises:
            UnknownName: there is none of that id or name.
            InvalidInput: it was cancelled, or the trigger has no occurrence to come.
        """
        trigger_of(when)
        return await self._change(schedule, None, allowed=("active", "paused", "ended"), when=when)

    async def _change(
        self,
        schedule: str,
        state: ScheduleState | None,
        *,
        allowed: Sequence[str],
        when: Trigger | None = None,
    ) -> Schedule:
        now = self._clock.now()

        def write(conn: Connection) -> tuple[book.Row, int | None, int]:
            row = known(book.find(conn, schedule), schedule)
            if row.state not in allowed:
                raise InvalidInput(f"schedule {schedule!r} is {row.state}: make a new one")
            new = state or (ScheduleState.PAUSED if row.state == "paused" else ScheduleState.ACTIVE)
            if when is None and new == row.state:
                return book.with_next(conn, row)
            first: Occurrence | None = None
            if when is not None or new is ScheduleState.ACTIVE:  # to pause or cancel, nothing has to be read
                first = first_of(when or book.read_trigger(row.trigger), now, self._days)
            text = row.trigger if when is None else when.model_dump_json()
            book.change_schedule(conn, row, state=new.value, trigger=text, note=row.note, now=to_us(now))
            book.drop_pending(conn, row.id)
            row = row._replace(state=new.value, trigger=text, version=row.version + 1, updated_at=to_us(now))
            if new is ScheduleState.ACTIVE and first is not None:
                book.plan(conn, [book.planned(row, first)])
            return book.with_next(conn, row)

        changed = await self._store.write(write)
        self._worker.nudge()
        return to_schedule(*changed)

    # dead letters

    async def retry(self, run: int) -> None:
        """Let a dead letter run again.

        Raises:
            UnknownName: there is no such occurrence.
            InvalidInput: it is none.
        """
        await self._reopen(run, "pending", "a person wanted it again")
        self._worker.nudge()

    async def dismiss(self, run: int) -> None:
        """Put a dead letter aside.

        Raises:
            UnknownName: there is no such occurrence.
            InvalidInput: it is none.
        """
        await self._reopen(run, "dismissed", "a person dismissed it")

    async def _reopen(self, run: int, state: str, note: str) -> None:
        now = to_us(self._clock.now())
        if not isinstance(run, int) or not 0 <= run < 2**63:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UnknownName("occurrence", str(run))

        def write(conn: Connection) -> None:
            entry = book.find_run(conn, run)
            if entry is None:
                raise UnknownName("occurrence", str(run))
            if not book.reopen(conn, entry, state=state, note=note, now=now):
                raise InvalidInput(f"occurrence {run} is {entry.state}; only dead letters can be settled")

        await self._store.write(write)

    async def prune(self, *, before: datetime) -> int:
        """Forget what ended well before an instant; dead letters stay. Gives how many were forgotten."""
        cut = to_us(aware(before, "before"))
        return await self._store.write(lambda conn: book.prune(conn, cut))

    # working

    async def tick(self) -> int:
        """Do everything that is due now; gives how many occurrences were worked on."""
        return await self._worker.tick()

    async def run(self, stop: anyio.Event | None = None) -> None:
        """Fire what becomes due until `stop` is set; then finish what is under way."""
        await self._worker.run(stop or anyio.Event())

    async def drain(self, *, until: datetime) -> int:
        """Rehearse: move a clock that is moved by hand from one due instant to the next, and do what is due.

        Raises:
            InvalidInput: the clock cannot be moved.
        """
        mover: Callable[[datetime], object] | None = getattr(self._clock, "move_to", None)
        if mover is None:
            raise InvalidInput("only a ManualClock can be rehearsed with; use run()")
        aware(until, "until")
        worked = await self.tick()
        while True:
            following = await self.next_due()
            if following is None or following > until:
                mover(max(until, self._clock.now()))
                return worked + await self.tick()
            mover(max(following, self._clock.now()))
            worked += await self.tick()

    async def next_due(self) -> datetime | None:
        """Give the instant at which there is something to do next."""
        return await self._worker.next_due()

    async def replan(self) -> int:
        """Plan provisional occurrences again, after days off were announced; gives how many moved."""
        return await self._worker.replan()


def _key_id(key: str, number: int) -> str:
    return hashlib.sha256(f"schedule:{key}:{number}".encode()).hexdigest()[:32]
