"""Carries members along their journeys, each step at most once; what is due together is looked up and kept together.

A step is acted on first and moved past afterwards. Whatever it does has a key of its own (`journey/<run>/<step>`), so that
doing it again after a crash, or in two processes at once, changes nothing: messages go by the ledger's idempotency key,
tasks and counts by unique rows, tags are sets; moving on is a compare-and-set.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread
from sqlalchemy import Connection

from shequn_sdk.domain import Interaction, MemberRef
from shequn_sdk.errors import ShequnError, StoreError
from shequn_sdk.journeys import models as m
from shequn_sdk.journeys import rows
from shequn_sdk.journeys.aftercare import Aftercare
from shequn_sdk.journeys.knowing import Who, know
from shequn_sdk.journeys.reaching import LOOK_AFTER, Outcome, send, welcome_by_platform
from shequn_sdk.journeys.setting import Setting
from shequn_sdk.journeys.timing import after_caps, after_quiet
from shequn_sdk.members.consents import Permission, may_each
from shequn_sdk.members.filters import Filter
from shequn_sdk.members.members import Members
from shequn_sdk.members.models import Purpose
from shequn_sdk.members.segments import Segments
from shequn_sdk.stores.schema import from_us, to_us

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["Engine", "JourneyCall"]

_log = logging.getLogger(__name__)
_STEP = 200
_AGAIN = timedelta(minutes=15)
"""After which a call is tried again whose function is not registered."""
_inside: ContextVar[bool] = ContextVar("shequn_journeys_work", default=False)
"""Whether a function that a step calls is asking: what is under way would wait for itself."""


class JourneyCall(NamedTuple):
    """What a function is told that a step calls."""

    journey: str
    community: str
    step: str
    member: MemberRef
    key: str
    """The same when it is called again after a crash."""


class _Turn(NamedTuple):
    """A run whose step has come."""

    run: rows.Run
    journey: m.Journey
    step: m.Step
    who: Who

    @property
    def key(self) -> str:
        return f"journey/{self.run.id}/{self.step.name}"


class _Ends(NamedTuple):
    """What ends a run before its step."""

    reason: str


class _Waits(NamedTuple):
    """Until when a step is put off, and why."""

    until: datetime
    reason: str


_Verdict = m.AnyAction | Outcome | _Ends | _Waits


class _Step(NamedTuple):
    """A step that was done, and what follows."""

    turn: _Turn
    outcome: Outcome
    due: datetime | None
    waits_for: str
    check: datetime | None


class Engine:
    """Works on runs that are due."""

    def __init__(self, house: House, setting: Setting) -> None:
        """Stand in `house`; opens nothing."""
        self._house = house
        self._setting = setting
        self._aftercare = Aftercare(house, setting)
        self.calls: dict[str, Callable[[JourneyCall], object]] = {}
        self._turn = anyio.Lock()
        self._asked = 0
        """How often it was asked to work on all that is due."""
        self._answered = 0
        """Up to which of these everything was done."""

    async def work(
        self, *, only: Sequence[int] | None = None, heard: Mapping[int, tuple[Interaction, str]] | None = None
    ) -> int:
        """Do what is due now; gives how many steps were done.

        Who asks for everything while that is under way waits for it, and works only on what came later: several wakes
        often come at once, above all after a pause. A function that a step calls is given 0 at once.

        Args:
            only: just these runs.
            heard: the event with which a run began, and its account, for what answers it in time.
        """
        if _inside.get():
            return 0
        token = _inside.set(True)
        try:
            return await (self._together() if only is None else self._work(only, heard or {}))
        finally:
            _inside.reset(token)

    async def _together(self) -> int:
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if self._answered >= mine:
                return 0
            covered = self._asked
            done = await self._work(None, {})
            await self._aftercare.look()
            self._answered = covered
            return done

    async def _work(self, only: Sequence[int] | None, heard: Mapping[int, tuple[Interaction, str]]) -> int:
        store = await self._house.store()
        done = 0
        seen: set[tuple[int, int, int | None]] = set()
        while True:
            now = to_us(self._house.clock.now())
            found = await store.read(
                lambda conn, now=now: rows.due_runs(conn, now=now, limit=_STEP, only=only)
            )
            due = [run for run in found if (run.id, run.step, run.due) not in seen]
            if not due:
                break
            seen.update((run.id, run.step, run.due) for run in due)
            while due:
                moved, due = await self._round(due, heard)
                done += moved
        return done

    # one step of many

    async def _round(
        self, due: Sequence[rows.Run], heard: Mapping[int, tuple[Interaction, str]]
    ) -> tuple[int, Sequence[rows.Run]]:
        """Do one step of each person; gives how many were done, and the runs that come after these."""
        store = await self._house.store()
        known = await store.read(lambda conn: know(conn, due))
        turns, later = _in_turn(due, known)
        verdicts = [await self._judge(turn) for turn in turns]
        verdicts = await self._held_back(turns, verdicts)
        tasks: list[rows.NewTask] = []
        outcomes = [
            verdict
            if isinstance(verdict, (Outcome, _Ends, _Waits))
            else await self._do(turn, verdict, heard.get(turn.run.id), tasks)
            for turn, verdict in zip(turns, verdicts, strict=True)
        ]
        return await self._move_on(list(zip(turns, outcomes, strict=True)), tasks), later

    async def _judge(self, turn: _Turn) -> _Verdict:
        """Say what a step does, or what happens instead."""
        journey, step = turn.journey, turn.step
        try:
            if turn.who.doubled:
                return _Ends(f"before {step.name}: they are on this journey with another account")
            if journey.exit_when is not None and await self._holds(journey.exit_when, turn):
                return _Ends(f"before {step.name}: its exit condition holds")
            if step.when is None or await self._holds(step.when, turn):
                return step.do
        except StoreError:
            raise
        except ShequnError as error:
            return _failed(error)
        if step.otherwise is None:
            return Outcome("skipped", "none", note="its condition does not hold")
        return step.otherwise

    async def _holds(self, wanted: Filter, turn: _Turn) -> bool:
        place = next(iter(turn.who.person.places), None)
        if place is None:
            return False
        ref = MemberRef(platform=place.platform, native_id=place.native_id)
        return await self._house.room(Segments).contains(wanted, ref, community=turn.run.community)

    async def _held_back(self, turns: Sequence[_Turn], verdicts: Sequence[_Verdict]) -> list[_Verdict]:
        """Put off messages or leave them out as consents, quiet hours and caps want; the others are counted."""
        found = list(verdicts)
        asked = [
            (place, turn, verdict)
            for place, (turn, verdict) in enumerate(zip(turns, verdicts, strict=True))
            if isinstance(verdict, m.MESSAGES)
        ]
        if not asked:
            return found
        now = self._house.clock.now()

        def decide(conn: Connection) -> list[Outcome | _Waits | None]:
            longest = max(
                (cap.per for _, turn, _ in asked for cap in turn.who.policy.caps), default=timedelta()
            )
            everybody = [number for _, turn, _ in asked for number in turn.who.person.identities]
            contacts = rows.contacts_of(conn, everybody, since=to_us(now - longest))
            allowed = may_each(
                conn,
                [
                    (turn.run.community, turn.who.person.identities, _purpose(action))
                    for _, turn, action in asked
                ],
                now=to_us(now),
            )
            answers = [
                self._free(turn, action, permission, contacts, now)
                for (_, turn, action), permission in zip(asked, allowed, strict=True)
            ]
            rows.reserve(
                conn,
                [
                    (turn.key, turn.run.community, turn.run.identity_id)
                    for (_, turn, _), answer in zip(asked, answers, strict=True)
                    if answer is None
                ],
                at=to_us(now),
            )
            return answers

        answers = await (await self._house.store()).write(decide)
        for (place, _, action), answer in zip(asked, answers, strict=True):
            found[place] = action if answer is None else answer
        return found

    def _free(
        self,
        turn: _Turn,
        action: m.Say | m.Welcome,
        allowed: Permission,
        contacts: Mapping[int, Mapping[str, datetime]],
        now: datetime,
    ) -> Outcome | _Waits | None:
        """Say until when a message waits, or why it is left out; None lets it go."""
        if not allowed.allowed:
            return Outcome("skipped", "none", note=allowed.reason)
        if turn.journey.urgent or isinstance(action, m.Welcome):
            return None
        policy, zone = turn.who.policy, self._setting.zone(turn.run.community)
        before = [
            at
            for number in turn.who.person.identities
            for key, at in contacts.get(number, {}).items()
            if key != turn.key
        ]
        at = after_quiet(now, policy.quiet, zone)
        free = after_caps(at, policy, before)
        if free > at and policy.on_cap == "skip":
            return Outcome("skipped", "none", note="more messages than the caps allow")
        free = after_quiet(free, policy.quiet, zone)
        return _Waits(free, f"{turn.step.name} waits for quiet hours or caps") if free > now else None

    async def _do(
        self,
        turn: _Turn,
        action: m.AnyAction,
        heard: tuple[Interaction, str] | None,
        tasks: list[rows.NewTask],
    ) -> Outcome | _Waits:
        try:
            outcome = await self._act(turn, action, heard, tasks)
        except StoreError:
            raise
        except ShequnError as error:
            return _failed(error)
        if outcome is None:
            return _Waits(
                self._house.clock.now() + _AGAIN,
                f"{turn.step.name} waits: its function is not registered in this process",
            )
        return outcome

    async def _act(
        self,
        turn: _Turn,
        action: m.AnyAction,
        heard: tuple[Interaction, str] | None,
        tasks: list[rows.NewTask],
    ) -> Outcome | None:
        run, person = turn.run, turn.who.person
        now = self._house.clock.now()
        members = self._house.room(Members)
        text = self._words(getattr(action, "text", ""), turn)
        if isinstance(action, m.MESSAGES):
            note = ""
            if isinstance(action, m.Welcome) and heard is not None:
                found = await welcome_by_platform(self._house, heard[0], heard[1], text)
                if isinstance(found, Outcome):
                    return found
                note = found
            outcome = await send(self._house, person.places, action, text, key=turn.key, due=now)
            if outcome.state == "task":
                title = f"{self._setting.title(run.community)}: {turn.step.name}"
                tasks.append(run.task(turn.journey.name, title, text, turn.key, "", now))
            return outcome._replace(note="; ".join(part for part in (note, outcome.note) if part))
        if isinstance(action, m.CreateTask):
            title = self._words(action.title, turn)
            due = now + action.due_in
            tasks.append(run.task(turn.journey.name, title, text, turn.key, action.assignee, due))
            return Outcome("task", "task", key=f"{turn.key}/task")
        if isinstance(action, m.Notify):
            publishing = await self._house.publishing()
            from shequn_sdk.domain import Content  # noqa: PLC0415 - with the one thing that needs it

            await publishing.plan(
                Content(text=text), [action.channel], idempotency_key=f"{turn.key}/notify", actor="journeys"
            )
            return Outcome("done", "notify")
        place = person.places[0]
        ref = MemberRef(platform=place.platform, native_id=place.native_id)
        if isinstance(action, (m.AddTags, m.RemoveTags)):
            change = members.tag if isinstance(action, m.AddTags) else members.untag
            await change(ref, *action.tags, community=run.community, actor=f"journey {turn.journey.name}")
            return Outcome("done", action.kind)
        function = self.calls.get(action.handler)
        if function is None:
            return None
        return await self._call(
            function,
            JourneyCall(turn.journey.name, run.community, turn.step.name, ref, turn.key),
            action.handler,
        )

    async def _call(self, function: Callable[[JourneyCall], object], call: JourneyCall, name: str) -> Outcome:
        try:
            if inspect.iscoroutinefunction(function):
                await function(call)
            else:
                result = await anyio.to_thread.run_sync(function, call)
                if inspect.isawaitable(result):
                    await result
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a function of the user; the journey goes on and says so
            _log.warning("the function %s of journey %s failed: %s", name, call.journey, error)
            return Outcome("failed", "call", note=f"{type(error).__name__}: {error}")
        return Outcome("done", "call")

    def _words(self, text: str, turn: _Turn) -> str:
        run = turn.run
        return self._setting.words(text, turn.who.person, community=run.community, anchor=from_us(run.anchor))

    async def _move_on(
        self, results: Sequence[tuple[_Turn, Outcome | _Ends | _Waits]], tasks: Sequence[rows.NewTask]
    ) -> int:
        """Keep what became of steps and move on, in one transaction; gives how many were done."""
        now = self._house.clock.now()
        steps: list[_Step] = []
        for turn, outcome in results:
            if isinstance(outcome, _Waits):
                await self._setting.wake_at(outcome.until)
            elif isinstance(outcome, Outcome):
                steps.append(await self._after(turn, outcome, now))

        def write(conn: Connection) -> int:
            done = 0
            for turn, outcome in results:
                run = turn.run
                if isinstance(outcome, _Ends):
                    done += rows.end_runs(
                        conn, [run.id], state=m.RunState.EXITED, reason=outcome.reason, now=to_us(now)
                    )
                elif isinstance(outcome, _Waits):
                    rows.move(
                        conn,
                        run.id,
                        run.step,
                        due=to_us(outcome.until),
                        reason=outcome.reason,
                        now=to_us(now),
                    )
            for task in tasks:
                rows.add_task(conn, task, now=to_us(now))
            return done + sum(_write_step(conn, step, to_us(now)) for step in steps)

        return await (await self._house.store()).write(write)

    async def _after(self, turn: _Turn, outcome: Outcome, now: datetime) -> _Step:
        """Say what follows on a step, and see that somebody is awake then."""
        run, journey = turn.run, turn.journey
        following = run.step + 1
        due: datetime | None = None
        waits_for = ""
        if following < len(journey.steps):
            at = self._setting.next_due(journey, following, from_us(run.anchor), now, run.community)
            wait = journey.steps[following].wait
            waits_for = wait.event if isinstance(wait, m.Until) else ""
            if at > now:
                await self._setting.wake_at(at)
            due = at
        check = now + LOOK_AFTER if outcome.check else None
        if check is not None:
            await self._setting.wake_at(check)
        return _Step(turn, outcome, due, waits_for, check)


def _in_turn(due: Sequence[rows.Run], known: Mapping[int, Who]) -> tuple[list[_Turn], list[rows.Run]]:
    """Choose runs that can go together, so that each step sees what the same person's step before it did.

    A function of the user goes alone: after a crash it alone is called again.
    """
    turns: list[_Turn] = []
    later: list[rows.Run] = []
    seen: set[int] = set()
    for place, run in enumerate(due):
        journey, who = rows.journey_of(run.definition), known[run.id]
        step = journey.step(run.step)
        calls = isinstance(step.do, m.Call) or isinstance(step.otherwise, m.Call)
        if calls and turns:
            return turns, [*later, *due[place:]]
        if who.number in seen:
            later.append(run)
            continue
        seen.add(who.number)
        turns.append(_Turn(run, journey, step, who))
        if calls:
            return turns, [*later, *due[place + 1 :]]
    return turns, later


def _purpose(action: m.Say | m.Welcome) -> Purpose:
    return action.purpose if isinstance(action, m.Say) else Purpose.CARE


def _failed(error: ShequnError) -> Outcome:
    return Outcome("failed", "none", note=f"{type(error).__name__}: {error}")


def _write_step(conn: Connection, step: _Step, now: int) -> bool:
    run, outcome = step.turn.run, step.outcome
    if not rows.move(
        conn,
        run.id,
        run.step,
        to=run.step + 1,
        due=None if step.due is None else to_us(step.due),
        reached=now,
        waits_for=step.waits_for,
        state="running" if step.due is not None else "finished",
        now=now,
    ):
        return False
    check = None if step.check is None else to_us(step.check)
    rows.record(conn, run.id, run.step, step.turn.step.name, outcome, at=now, check_at=check)
    return True
