"""Looking at schedules: one, many, what is to come, what was."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from shequn_sdk.errors import ConfigError, InvalidInput, UnknownName
from shequn_sdk.scheduling import book
from shequn_sdk.scheduling.checking import aware, choice, count_of
from shequn_sdk.scheduling.chinese import WorkDays
from shequn_sdk.scheduling.models import Run, RunState, Schedule, ScheduleState, Upcoming
from shequn_sdk.scheduling.showing import to_run, to_schedule
from shequn_sdk.scheduling.triggers import Occurrence
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.store import Store

__all__ = ["ScheduleReader", "known"]

_DEAD = (RunState.FAILED, RunState.PARKED, RunState.ASKING)


def known(row: book.Row | None, key: str) -> book.Row:
    """Give the schedule that was found.

    Raises:
        UnknownName: none was.
    """
    if row is None:
        raise UnknownName("schedule", key)
    return row


class ScheduleReader:
    """The half of a `Scheduler` that changes nothing."""

    def __init__(self, store: Store, *, days: WorkDays | None = None) -> None:
        """Read from `store`."""
        self._store = store
        self._days = days

    async def get(self, schedule: str) -> Schedule:
        """Give a schedule by its id or its name.

        Raises:
            UnknownName: there is none.
        """

        def read(conn: Connection) -> tuple[book.Row, int | None, int]:
            return book.with_next(conn, known(book.find(conn, schedule), schedule))

        return to_schedule(*await self._store.read(read))

    async def list(
        self,
        *,
        states: Sequence[ScheduleState] = (ScheduleState.ACTIVE, ScheduleState.PAUSED),
        handler: str = "",
        after: Schedule | None = None,
        limit: int = 100,
    ) -> list[Schedule]:
        """Give schedules by the time they were made; `after` is the last one of the page before."""
        wanted = [choice(ScheduleState, item, "states").value for item in states]
        most = count_of(limit)
        cursor = None if after is None else (to_us(after.created_at), after.id)
        found = await self._store.read(
            lambda conn: book.listed(conn, states=wanted, handler=handler, after=cursor, limit=most)
        )
        return [to_schedule(*item) for item in found]

    async def upcoming(self, count: int = 20, *, until: datetime | None = None) -> list[Upcoming]:
        """Give the next occurrences of all schedules by their due instants, several of one schedule if they come first."""
        most = count_of(count, "count")
        end = None if until is None else aware(until, "until")
        return await self._store.read(lambda conn: self._upcoming(conn, most, end))

    def _upcoming(self, conn: Connection, count: int, until: datetime | None) -> list[Upcoming]:
        heap: list[tuple[datetime, int, Occurrence, book.Pending]] = []
        for number, item in enumerate(book.pending(conn, count)):
            occurrence = Occurrence(
                nominal=from_us(item.nominal_at),
                due=from_us(item.due),
                provisional=bool(item.provisional),
                notes=(item.note,) if item.note else (),
            )
            heap.append((occurrence.due, number, occurrence, item))
        heapq.heapify(heap)
        found: list[Upcoming] = []
        while heap and len(found) < count:
            due, number, occurrence, item = heapq.heappop(heap)
            if until is not None and due > until:
                break
            found.append(
                Upcoming(
                    schedule=item.schedule_id,
                    name=item.name,
                    handler=item.handler,
                    nominal=occurrence.nominal,
                    due=due,
                    provisional=occurrence.provisional,
                    notes=occurrence.notes,
                )
            )
            try:
                following = book.read_trigger(item.trigger).next_after(occurrence.nominal, days=self._days)
            except (InvalidInput, ConfigError):
                continue  # it is parked when it is due; the others are shown
            if following is not None:
                heapq.heappush(heap, (following.due, number, following, item))
        return found

    async def history(
        self, *, schedule: str | None = None, states: Sequence[RunState] = (), limit: int = 100
    ) -> list[Run]:
        """Give what became of occurrences, latest first.

        Raises:
            UnknownName: there is no such schedule.
        """
        wanted = [choice(RunState, item, "states").value for item in states]
        most = count_of(limit)

        def read(conn: Connection) -> list[Run]:
            key = "" if schedule is None else known(book.find(conn, schedule), schedule).id
            found = book.history(conn, schedule=key, states=wanted, limit=most)
            return [to_run(*item) for item in found]

        return await self._store.read(read)

    async def dead_letters(self, *, limit: int = 100) -> list[Run]:
        """Give the occurrences that wait for a person: failed, parked, or too late and to be asked about."""
        return await self.history(states=_DEAD, limit=limit)
