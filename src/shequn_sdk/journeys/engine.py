"""Carries members along their journeys, each step at most once; what is due together is looked up and kept together.

A step is acted on first and moved past afterwards. Whatever it does has a key of its own (`journey/<run>/<step>`), so that
doing it again after a crash, or in two processes at once, changes nothing: messages go by the ledger's idempotency key,
tasks and counts by unique rows, tags are sets; moving on is a compare-and-set.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio.to_thread
from sqlalchemy import Connection

from shequn_sdk.domain import Interaction, LatePolicy, MemberRef
from shequn_sdk.errors import InvalidInput, ShequnError, StoreError
from shequn_sdk.journeys import models as m
from shequn_sdk.journeys import rows
from shequn_sdk.journeys.knowing import Person, Who, know
from shequn_sdk.journeys.reaching import LOOK_AFTER, Outcome, filled, send, welcome_by_platform
from shequn_sdk.journeys.timing import after_caps, after_quiet, due_of, minute_after
from shequn_sdk.members.consents import Permission, may_each
from shequn_sdk.members.filters import Filter
from shequn_sdk.members.members import Members
from shequn_sdk.members.models import Purpose
from shequn_sdk.members.segments import Segments
from shequn_sdk.scheduling.triggers import Once
from shequn_sdk.stores.schema import from_us, to_us

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["Engine", "JourneyCall"]

_log = logging.getLogger(__name__)
_STEP = 200
_AGAIN = timedelta(minutes=15)
"""After which a call is tried again whose function is not registered."""
_PATIENCE = timedelta(days=3)
"""For so long it is looked at what became of a message."""
_MESSAGES = (m.Say, m.Welcome)
WAKE = "shequn.journeys.wake"
_GOOD = {"landed", "partly"}
_BAD = {"refused", "expired", "cancelled"}


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

    run: Any
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

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        self._house = house
        self.calls: dict[str, Callable[[JourneyCall], object]] = {}
        self._woken: set[datetime] = set()

    def zone(self, community: str) -> str:
        """Give the zone of a community."""
        return next((one.zone for one in self._house.communities if one.name == community), "UTC")

    def title(self, community: str) -> str:
        """Give the name of a community for people."""
        return next((one.title for one in self._house.communities if one.name == community), "") or community

    async def wake_at(self, at: datetime) -> None:
        """Make sure that somebody works at an instant, whichever process lives then; once per minute."""
        minute = minute_after(at)
        if minute in self._woken:
            return
        scheduler = await self._house.scheduler()
        try:
            await scheduler.create(
                WAKE,
                when=Once(minute),
                late=LatePolicy.SEND,
                idempotency_key=f"journeys/{minute.isoformat()}",
            )
        except InvalidInput:
            return  # the minute has passed meanwhile: whoever asked works now
        if len(self._woken) > 10_000:
            self._woken.clear()
        self._woken.add(minute)

    async def work(
        self, *, only: Sequence[int] | None = None, heard: Mapping[int, tuple[Interaction, str]] | None = None
    ) -> int:
        """Do what is due now; gives how many steps were done.

        Args:
            only: just these runs.
            heard: the event with which a run began, and its account, for what answers it in time.
        """
        store = await self._house.store()
        done = 0
        seen: set[tuple[int, int, int]] = set()
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
                moved, due = await self._round(due, heard or {})
                done += moved
        if only is None:
            await self._check()
        return done

    # one step of many

    async def _round(
        self, due: Sequence[Any], heard: Mapping[int, tuple[Interaction, str]]
    ) -> tuple[int, Sequence[Any]]:
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
            if isinstance(verdict, _MESSAGES)
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
        policy, zone = turn.who.policy, self.zone(turn.run.community)
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
        text = self.words(getattr(action, "text", ""), person, run)
        if isinstance(action, _MESSAGES):
            note = ""
            if isinstance(action, m.Welcome) and heard is not None:
                found = await welcome_by_platform(self._house, heard[0], heard[1], text)
                if isinstance(found, Outcome):
                    return found
                note = found
            outcome = await send(self._house, person.places, action, text, key=turn.key, due=now)
            if outcome.state == "task":
                title = f"{self.title(run.community)}: {turn.step.name}"
                tasks.append(_task(run, turn.journey.name, title, text, turn.key, "", now))
            return outcome._replace(note="; ".join(part for part in (note, outcome.note) if part))
        if isinstance(action, m.CreateTask):
            title = self.words(action.title, person, run)
            due = now + action.due_in
            tasks.append(_task(run, turn.journey.name, title, text, turn.key, action.assignee, due))
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

    def words(self, text: str, person: Person, run: Any) -> str:
        """Fill in a text for a run."""
        days = (self._house.clock.now() - from_us(run.anchor)).days
        return filled(
            text, name=person.name, community=self.title(run.community), days=days, fields=person.fields
        )

    async def _move_on(
        self, results: Sequence[tuple[_Turn, Outcome | _Ends | _Waits]], tasks: Sequence[rows.NewTask]
    ) -> int:
        """Keep what became of steps and move on, in one transaction; gives how many were done."""
        now = self._house.clock.now()
        steps: list[_Step] = []
        for turn, outcome in results:
            if isinstance(outcome, _Waits):
                await self.wake_at(outcome.until)
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
            due = self.next_due(journey, following, from_us(run.anchor), now, run.community)
            wait = journey.steps[following].wait
            waits_for = wait.event if isinstance(wait, m.Until) else ""
            if due > now:
                await self.wake_at(due)
        check = now + LOOK_AFTER if outcome.check else None
        if check is not None:
            await self.wake_at(check)
        return _Step(turn, outcome, due, waits_for, check)

    def next_due(
        self, journey: m.Journey, place: int, anchor: datetime, reached: datetime, community: str
    ) -> datetime:
        """Give when a step comes, before quiet hours and caps."""
        return due_of(journey.step(place), anchor=anchor, reached=reached, zone=self.zone(community))

    # what became of messages

    async def _check(self) -> None:
        store = await self._house.store()
        while True:
            now = self._house.clock.now()
            due = await store.read(lambda conn, now=now: rows.due_checks(conn, now=to_us(now), limit=_STEP))
            if not due:
                return
            receipts = await store.read(
                lambda conn, due=due: rows.receipts_of(conn, [one.key for one in due])
            )
            settled: list[tuple[Any, Outcome, datetime | None]] = []
            refused: list[tuple[Any, str]] = []
            for one in due:
                states = {str(receipt.status) for receipt in receipts[one.key]}
                reason = next((receipt.reason for receipt in receipts[one.key] if receipt.reason), "")
                same = Outcome("planned", one.form, key=one.key, note=one.note)
                if states <= _GOOD and states:
                    settled.append((one, same._replace(state="sent"), None))
                elif states & _BAD or not states:
                    refused.append((one, reason or "the message is gone from the ledger"))
                elif now - from_us(one.at) > _PATIENCE:
                    settled.append((one, same._replace(note=f"still {', '.join(sorted(states))}"), None))
                else:
                    settled.append((one, same, now + max(LOOK_AFTER, now - from_us(one.at))))
            tasks: list[rows.NewTask] = []
            settled += await self._other_ways(refused, tasks)
            for again in {again for _, _, again in settled if again is not None}:
                await self.wake_at(again)
            await store.write(
                lambda conn, made=settled, tasks=tasks, now=now: _settle(conn, made, tasks, to_us(now))
            )

    async def _other_ways(
        self, refused: Sequence[tuple[Any, str]], tasks: list[rows.NewTask]
    ) -> list[tuple[Any, Outcome, datetime | None]]:
        """Try the next way for each message that was refused."""
        if not refused:
            return []

        def look(conn: Connection) -> tuple[dict[int, Any], dict[int, Who]]:
            found = rows.runs_of(conn, [one.run_id for one, _ in refused])
            return found, know(conn, list(found.values()))

        runs, who = await (await self._house.store()).read(look)
        return [
            await self._other_way(one, reason, runs[one.run_id], who[one.run_id].person, tasks)
            for one, reason in refused
        ]

    async def _other_way(
        self, one: Any, reason: str, run: Any, person: Person, tasks: list[rows.NewTask]
    ) -> tuple[Any, Outcome, datetime | None]:
        journey = rows.journey_of(one.definition)
        step = journey.step(one.step)
        action = next((item for item in (step.do, step.otherwise) if isinstance(item, _MESSAGES)), None)
        now = self._house.clock.now()
        tried = {"direct"} if one.form == "direct" else {"direct", "channel"}
        note = f"{one.note}; {one.form}: {reason}".strip("; ")
        if action is None:
            return one, Outcome("failed", one.form, one.key, note), None
        text = self.words(action.text, person, run)
        key = f"journey/{one.run_id}/{step.name}"
        outcome = await send(
            self._house, person.places, action, text, key=key, due=now, skip=frozenset(tried)
        )
        if outcome.state == "task":
            title = f"{self.title(run.community)}: {step.name}"
            tasks.append(_task(run, journey.name, title, text, key, "", now))
        notes = "; ".join(part for part in (note, outcome.note) if part)
        return one, outcome._replace(note=notes), now + LOOK_AFTER if outcome.check else None


def _in_turn(due: Sequence[Any], known: Mapping[int, Who]) -> tuple[list[_Turn], list[Any]]:
    """Choose runs that can go together, so that each step sees what the same person's step before it did.

    A function of the user goes alone: after a crash it alone is called again.
    """
    turns: list[_Turn] = []
    later: list[Any] = []
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


def _task(
    run: Any, journey: str, title: str, text: str, key: str, assignee: str, due: datetime
) -> rows.NewTask:
    return rows.NewTask(
        f"{key}/task", run.community, run.identity_id, journey, title, text, assignee, to_us(due)
    )


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


def _settle(
    conn: Connection,
    settled: Sequence[tuple[Any, Outcome, datetime | None]],
    tasks: Sequence[rows.NewTask],
    now: int,
) -> None:
    for task in tasks:
        rows.add_task(conn, task, now=now)
    for one, outcome, again in settled:
        check = None if again is None else to_us(again)
        rows.record(conn, one.run_id, one.step, one.name, outcome, at=one.at, check_at=check)
