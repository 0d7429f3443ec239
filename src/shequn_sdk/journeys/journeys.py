"""The room of journeys: what is said and done to members step by step."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, select, update

from shequn_sdk.domain import Community, Interaction, InteractionKind, MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.journeys import models as m
from shequn_sdk.journeys import rows
from shequn_sdk.journeys.engine import Engine, JourneyCall
from shequn_sdk.journeys.looking import DateSource, starters
from shequn_sdk.journeys.reaching import check_words
from shequn_sdk.journeys.setting import WAKE, Setting
from shequn_sdk.listening.events import kinds_of
from shequn_sdk.members import fields
from shequn_sdk.members.filters import Filter
from shequn_sdk.members.identities import find_identities, persons_of
from shequn_sdk.members.merging import identities_of
from shequn_sdk.members.segments import Segments
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.journeys import journey as journey_table
from shequn_sdk.stores.tables.journeys import journey_task

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Journeys"]

F = TypeVar("F", bound=Callable[[JourneyCall], object])
_FRESH = 5.0
"""Seconds for which it is remembered which journeys there are."""
LOOK = "shequn.journeys.look"

_JOINS = frozenset({InteractionKind.JOIN, InteractionKind.FOLLOW})
_CHUNK = 200


class _LookAt(BaseModel):
    community: str
    journey: str


class Journeys(Room):
    """What is said and done to members step by step, by day or event (SOP, 用户旅程)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._setting = Setting(house)
        self._engine = Engine(house, self._setting)
        self._active: list[rows.Known] = []
        self._asked = float("-inf")
        self._dates: dict[str, DateSource] = {}

    def listen(self, dispatcher: Dispatcher) -> None:
        """Hear what begins journeys, brings them on and ends them."""
        dispatcher.on_batch("shequn.journeys", self._hear)

    def serve(self, scheduler: Scheduler) -> None:
        """Work when a step is due, and look daily for who begins."""
        scheduler.handlers.add(WAKE, self._wake)
        scheduler.handlers.add(LOOK, self._look, arguments=_LookAt)

    async def _wake(self, arguments: None, firing: Firing) -> None:
        del arguments, firing
        await self._engine.work()

    async def _look(self, arguments: _LookAt, firing: Firing) -> None:
        del firing
        try:
            await self.look(arguments.journey, community=arguments.community)
        except UnknownName:
            return  # it was deleted since

    # making them

    async def save(self, journey: m.Journey, *, community: str | None = None) -> m.Journey:
        """Keep a journey and let it begin for members from now on; who is on it goes on as it was when they began.

        Raises:
            InvalidInput: a text has something in braces that cannot be filled in.
            UnknownName: an account, segment or field is not there.
        """
        home = self._community(community)
        store = await self._house.store()
        declared = await store.read(fields.specs)
        self._check_steps(
            journey, [name for name, spec in declared.items() if spec.kind not in fields.CONTACTS]
        )
        for wanted in _filters_of(journey):
            await self._house.room(Segments).count(wanted, community=home.name)
        now = to_us(self._house.clock.now())
        version = await store.write(lambda conn: rows.save(conn, home.name, journey, now=now))
        self._asked = float("-inf")
        await self._plan_look(home, journey, version)
        await self._setting.wake_at(self._house.clock.now() + timedelta(minutes=1))
        return journey

    def _check_steps(self, journey: m.Journey, declared: Sequence[str]) -> None:
        for step in journey.steps:
            for action in (step.do, step.otherwise):
                for text in (getattr(action, "text", ""), getattr(action, "title", "")):
                    check_words(text, declared)
                channel = getattr(action, "channel", None)
                if channel is not None:
                    self._house.accounts.account(channel.account)

    async def _plan_look(self, home: Community, journey: m.Journey, version: int) -> None:
        from shequn_sdk.scheduling.triggers import Cron  # noqa: PLC0415 - only for journeys that look

        scheduler = await self._house.scheduler()
        name = f"journey {home.name}/{journey.name}"
        with contextlib.suppress(UnknownName):
            await scheduler.cancel(name)
        at = getattr(journey.start, "at", "")
        if at:
            hour, _, minute = at.partition(":")
            await scheduler.create(
                LOOK,
                when=Cron(f"{int(minute[:2] or 0)} {int(hour)} * * *", tz=home.zone),
                arguments=_LookAt(community=home.name, journey=journey.name),
                name=name,
                idempotency_key=f"{name}@{version}@{self._house.clock.now().isoformat()}",
            )

    async def list(self, *, community: str | None = None) -> Mapping[str, m.Journey]:
        """Give the journeys of a community by name, paused and ended ones too."""
        home = self._community(community).name
        found = await (await self._house.store()).read(lambda conn: rows.known(conn, community=home))
        return {one.journey.name: one.journey for one in found}

    async def states(self, *, community: str | None = None) -> Mapping[str, str]:
        """Give the state of each journey by name: active, paused or ended."""
        home = self._community(community).name
        found = await (await self._house.store()).read(lambda conn: rows.known(conn, community=home))
        return {one.journey.name: one.state for one in found}

    async def get(self, name: str, *, community: str | None = None) -> m.Journey:
        """Give a journey.

        Raises:
            UnknownName: there is none of that name.
        """
        home = self._community(community).name
        return (await (await self._house.store()).read(lambda conn: rows.find(conn, home, name))).journey

    def template(self, name: str) -> m.Journey:
        """Give a journey to begin with, such as `welcome`; see `journeys.templates`.

        Raises:
            UnknownName: there is no such template.
        """
        from shequn_sdk.journeys.templates import template  # noqa: PLC0415 - rarely needed

        return template(name)

    async def pause(self, name: str, *, community: str | None = None) -> None:
        """Let nobody begin it, and nobody go on, until `resume`.

        Raises:
            UnknownName: there is none of that name.
        """
        await self._set_state(name, community, "paused")

    async def resume(self, name: str, *, community: str | None = None) -> None:
        """Let a paused journey go on; what became due meanwhile comes now.

        Raises:
            UnknownName: there is none of that name.
        """
        await self._set_state(name, community, "active")
        await self._setting.wake_at(self._house.clock.now() + timedelta(minutes=1))

    async def end(self, name: str, *, reason: str, community: str | None = None) -> int:
        """End a journey for good, and for everybody who is on it; gives how many that were.

        Raises:
            UnknownName: there is none of that name.
        """
        await self._set_state(name, community, "ended")
        home = self._community(community).name
        total = 0
        while found := await self.runs(name, state=m.RunState.RUNNING, community=home, limit=500):
            total += await self._stop([one.id for one in found], reason)
        return total

    async def _set_state(self, name: str, community: str | None, state: str) -> None:
        home = self._community(community).name

        def write(conn: Connection) -> None:
            rows.find(conn, home, name)
            conn.execute(
                update(journey_table)
                .where(journey_table.c.community == home, journey_table.c.name == name)
                .values(state=state)
            )

        await (await self._house.store()).write(write)
        self._asked = float("-inf")

    async def policy(self, *, community: str | None = None) -> m.Policy:
        """Give the quiet hours and caps that hold for all journeys of a community."""
        home = self._community(community).name
        return await (await self._house.store()).read(lambda conn: rows.policy_of(conn, home))

    async def set_policy(self, policy: m.Policy, *, community: str | None = None) -> None:
        """Change the quiet hours and caps that hold for all journeys of a community."""
        home = self._community(community).name
        await (await self._house.store()).write(lambda conn: rows.set_policy(conn, home, policy))

    def handler(self, name: str) -> Callable[[F], F]:
        """Register the decorated function for steps that `Call` it; it takes a `JourneyCall`, and may be a coroutine.

        It is called at least once, after a crash again with the same key. A step whose function is not registered waits.

        Raises:
            InvalidInput: another function has that name.
        """

        def register(function: F) -> F:
            if self._engine.calls.setdefault(name, function) is not function:
                raise InvalidInput(f"two functions want to be the handler {name!r}; give one another name")
            return function

        return register

    def add_dates(self, source: str, function: DateSource) -> None:
        """Let journeys that begin before a date ask a function, such as one that knows when memberships end.

        Raises:
            InvalidInput: another function has that name.
        """
        if self._dates.setdefault(source, function) is not function:
            raise InvalidInput(f"dates named {source!r} are there already")

    # members on them

    async def enrol(
        self, name: str, member: MemberRef | str, *, entry: str = "by hand", community: str | None = None
    ) -> m.JourneyRun | None:
        """Let a member begin a journey now, whatever begins it otherwise; None when they are on it or were too lately.

        Raises:
            UnknownName: there is no such journey, or the member was never seen.
            InvalidInput: the journey is paused or ended.
        """
        home = self._community(community)
        ref = MemberRef.parse(member)
        store = await self._house.store()

        def look(conn: Connection) -> tuple[rows.Known, int]:
            number = find_identities(conn, [ref]).get(ref)
            if number is None:
                raise UnknownName("member", str(ref))
            return rows.find(conn, home.name, name), number

        known, number = await store.read(look)
        if known.state != "active":
            raise InvalidInput(f"journey {name!r} is {known.state}: resume or save it first")
        begun = await self._begin(home, known.journey, [(number, entry)])
        if not begun:
            return None
        await self._engine.work(only=[begun[0].run])
        return next(
            one for one in await self.runs(name, member=ref, community=home.name) if one.id == begun[0].run
        )

    async def _begin(
        self, home: Community, journey: m.Journey, who: Sequence[tuple[int, str]]
    ) -> list[rows.Begun]:
        now = self._house.clock.now()
        chosen = await self._those(home, journey, who)
        due = self._setting.next_due(journey, 0, now, now, home.name)
        first = journey.steps[0].wait
        waits_for = first.event if isinstance(first, m.Until) else ""
        await self._setting.wake_at(max(due, now + timedelta(minutes=1)))
        if due > now:
            await self._setting.wake_at(due)
        store = await self._house.store()
        begun: list[rows.Begun] = []
        for start in range(0, len(chosen), _CHUNK):
            part = chosen[start : start + _CHUNK]

            def write(conn: Connection, part: Sequence[tuple[int, str]] = part) -> list[rows.Begun]:
                return rows.begin(conn, home.name, journey, part, anchor=now, due=due, waits_for=waits_for)

            begun += await store.write(write)
        return [one for one in begun if not one.held_out] or begun[:0]

    async def _those(
        self, home: Community, journey: m.Journey, who: Sequence[tuple[int, str]]
    ) -> Sequence[tuple[int, str]]:
        """Leave out those for whom the journey is not."""
        if journey.only is None or not who:
            return who
        people = set(await self._house.room(Segments).numbers(journey.only, community=home.name))
        store = await self._house.store()
        owners = await store.read(lambda conn: persons_of(conn, [number for number, _ in who]))
        return [one for one in who if owners.get(one[0]) in people]

    async def look(self, name: str, *, community: str | None = None) -> int:
        """Look now for members who begin a journey that looks daily; gives how many began.

        Raises:
            UnknownName: there is no such journey.
        """
        home = self._community(community)
        store = await self._house.store()
        known = await store.read(lambda conn: rows.find(conn, home.name, name))
        if known.state != "active":
            return 0
        now = self._house.clock.now()
        who = await starters(self._house, home, known, sources=self._dates, now=now)
        begun = await self._begin(home, known.journey, who)

        def write(conn: Connection) -> None:
            conn.execute(
                update(journey_table)
                .where(journey_table.c.community == home.name, journey_table.c.name == name)
                .values(looked_at=to_us(now))
            )

        await store.write(write)
        await self._engine.work()
        return len(begun)

    async def runs(
        self,
        name: str | None = None,
        *,
        member: MemberRef | str | None = None,
        state: m.RunState | None = None,
        community: str | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> Sequence[m.JourneyRun]:
        """Give members on journeys, with what became of each step; `after` is the last id seen.

        Raises:
            UnknownName: the member was never seen.
        """
        home = self._community(community).name
        ref = None if member is None else MemberRef.parse(member)

        def look(conn: Connection) -> Sequence[m.JourneyRun]:
            mine = None
            if ref is not None:
                number = find_identities(conn, [ref]).get(ref)
                if number is None:
                    raise UnknownName("member", str(ref))
                owner = persons_of(conn, [number])[number]
                mine = identities_of(conn, [owner])[owner]
            return rows.read_runs(
                conn, home, name=name, identities=mine, state=state, after=after, limit=limit
            )

        return await (await self._house.store()).read(look)

    async def stop(self, run: int, *, reason: str) -> bool:
        """End a journey for one member; gives whether it was still going."""
        return bool(await self._stop([run], reason))

    async def _stop(self, runs: Sequence[int], reason: str) -> int:
        now = to_us(self._house.clock.now())
        store = await self._house.store()
        return await store.write(
            lambda conn: rows.end_runs(conn, runs, state=m.RunState.STOPPED, reason=reason, now=now)
        )

    async def work(self) -> int:
        """Do all steps that are due now; gives how many. `sq.run` does so by itself."""
        return await self._engine.work()

    async def preview(
        self, journey: m.Journey | str, member: MemberRef | str, *, community: str | None = None
    ) -> Sequence[m.PlannedStep]:
        """Give the dated steps as they would come if a member began now; sends and keeps nothing.

        Raises:
            UnknownName: there is no such journey, or the member was never seen.
        """
        from shequn_sdk.journeys.previewing import preview  # noqa: PLC0415 - rarely needed

        home = self._community(community)
        chosen = await self.get(journey, community=home.name) if isinstance(journey, str) else journey
        return await preview(self._house, self._setting, home, chosen, MemberRef.parse(member))

    # tasks for people

    async def tasks(
        self,
        *,
        community: str | None = None,
        assignee: str | None = None,
        every: bool = False,
        limit: int = 100,
    ) -> Sequence[m.JourneyTask]:
        """Give what people have to do, due first, first; with `every` also what was done or dropped."""
        home = self._community(community).name
        query = (
            select(journey_task)
            .where(journey_task.c.community == home)
            .order_by(journey_task.c.due, journey_task.c.id)
            .limit(limit)
        )
        if assignee is not None:
            query = query.where(journey_task.c.assignee == assignee)
        if not every:
            query = query.where(journey_task.c.state == "open")
        now = self._house.clock.now()
        return await (await self._house.store()).read(lambda conn: rows.read_tasks(conn, query, now=now))

    async def done(self, task: int, *, actor: str, note: str = "") -> None:
        """Say that a task was done.

        Raises:
            UnknownName: there is no such task.
            InvalidInput: it was done or dropped already.
        """
        await self._close(task, "done", actor, note)

    async def drop(self, task: int, *, actor: str, note: str = "") -> None:
        """Say that a task will not be done; errors as of `done`."""
        await self._close(task, "dropped", actor, note)

    async def _close(self, task: int, state: str, actor: str, note: str) -> None:
        now = to_us(self._house.clock.now())

        def write(conn: Connection) -> None:
            found = conn.execute(select(journey_task.c.state).where(journey_task.c.id == task)).scalar()
            if found is None:
                raise UnknownName("task", str(task))
            if found != "open":
                raise InvalidInput(f"task {task} is {found} already")
            conn.execute(
                update(journey_task)
                .where(journey_task.c.id == task)
                .values(state=state, done_at=now, actor=actor, note=note)
            )

        await (await self._house.store()).write(write)

    # hearing

    async def _hear(self, heard: Sequence[Heard]) -> None:
        active = await self._known_active()
        if not active:
            return
        homes = {known.community for known in active}
        mine = [
            one
            for one in heard
            if one.community in homes and one.interaction.member and not one.interaction.is_bot
        ]
        if not mine:
            return
        moved = await self._carry(mine)
        events: dict[int, tuple[Interaction, str]] = {}
        starting = [
            (known, [one for one in mine if one.community == known.community and _starts(known.journey, one)])
            for known in active
            if known.state == "active"
        ]
        for known, those in starting:
            if those:
                events |= await self._begin_by(known, those)
        if events or moved:
            await self._engine.work(only=[*events, *moved], heard=events)

    async def _known_active(self) -> list[rows.Known]:
        if time.monotonic() - self._asked > _FRESH:
            store = await self._house.store()
            self._active = await store.read(rows.known)
            self._asked = time.monotonic()
        return self._active

    async def _begin_by(
        self, known: rows.Known, heard: Sequence[Heard]
    ) -> Mapping[int, tuple[Interaction, str]]:
        """Let those who were heard begin; gives the event and account with which each run began."""
        refs = [_ref(one) for one in heard]
        store = await self._house.store()
        numbers = await store.read(lambda conn: find_identities(conn, refs))
        home = next(
            (item for item in self._house.communities if item.name == known.community),
            Community(name=known.community, zone="UTC"),
        )
        first: dict[int, Heard] = {}
        for one, ref in zip(heard, refs, strict=True):
            if ref in numbers:  # else the room of members does not listen here
                first.setdefault(numbers[ref], one)
        begun = await self._begin(
            home, known.journey, [(number, f"event/{one.interaction.id}") for number, one in first.items()]
        )
        return {item.run: (first[item.identity].interaction, first[item.identity].account) for item in begun}

    async def _carry(self, heard: Sequence[Heard]) -> list[int]:
        """End what events end, and bring on what waits for them; gives the runs that were brought on."""

        def look(conn: Connection) -> tuple[list[tuple[int, str]], list[int]]:
            numbers = find_identities(conn, map(_ref, heard))
            owners = persons_of(conn, numbers.values())
            groups = identities_of(conn, owners.values())
            going: defaultdict[tuple[int, str], list[Any]] = defaultdict(list)
            for run in rows.waiting(conn, [number for group in groups.values() for number in group]):
                going[run.identity_id, run.community].append(run)
            ends: list[tuple[int, str]] = []
            moves: list[int] = []
            for one in heard:
                number = numbers.get(_ref(one))
                if number is None:
                    continue
                for own in groups[owners[number]]:
                    for run in going.get((own, one.community or ""), ()):
                        kind = one.interaction.kind
                        if one.interaction.occurred_at < from_us(run.anchor):
                            continue  # late news of what was before
                        if any(kind in kinds_of(name) for name in rows.journey_of(run.definition).exit_on):
                            ends.append((run.id, one.name))
                        elif run.waits_for and kind in kinds_of(run.waits_for):
                            moves.append(run.id)
            return ends, moves

        store = await self._house.store()
        ends, moves = await store.read(look)
        if not ends and not moves:
            return []
        now = self._house.clock.now()
        await self._setting.wake_at(now + timedelta(minutes=1))

        def write(conn: Connection) -> None:
            for run, name in ends:
                rows.end_runs(
                    conn, [run], state=m.RunState.EXITED, reason=f"they did: {name}", now=to_us(now)
                )
            rows.bring_on(conn, moves, now=to_us(now))

        await store.write(write)
        return moves


def _ref(one: Heard) -> MemberRef:
    return MemberRef(platform=one.interaction.platform, native_id=one.interaction.member)


def _starts(journey: m.Journey, one: Heard) -> bool:
    start = journey.start
    if isinstance(start, m.Joined):
        return one.interaction.kind in _JOINS
    if isinstance(start, m.Event):
        text = one.interaction.text.casefold()
        return one.interaction.kind in kinds_of(start.event) and (
            not start.keywords or any(word.casefold() in text for word in start.keywords)
        )
    return False


def _filters_of(journey: m.Journey) -> Iterable[Filter]:
    start = journey.start
    found = [journey.only, journey.exit_when, *(step.when for step in journey.steps)]
    if isinstance(start, m.Entered):
        found.append(start.segment)
    return [one for one in found if one is not None]
