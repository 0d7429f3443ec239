"""Carries members along their journeys: one step of one member at a time, each at most once.

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
from pydantic import JsonValue
from sqlalchemy import Connection

from shequn_sdk.domain import Interaction, LatePolicy, MemberRef
from shequn_sdk.errors import InvalidInput, ShequnError, StoreError
from shequn_sdk.journeys import models as m
from shequn_sdk.journeys import rows
from shequn_sdk.journeys.reaching import (
    LOOK_AFTER,
    Outcome,
    Place,
    describe,
    filled,
    places_of,
    send,
    welcome_by_platform,
)
from shequn_sdk.journeys.timing import after_caps, after_quiet, due_of, minute_after
from shequn_sdk.members.consents import may
from shequn_sdk.members.filters import Filter
from shequn_sdk.members.identities import persons_of
from shequn_sdk.members.members import Members
from shequn_sdk.members.merging import identities_of
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


class _Who(NamedTuple):
    person: int
    identities: list[int]
    places: list[Place]
    name: str
    fields: Mapping[str, JsonValue]
    policy: m.Policy
    doubled: bool
    """The same person was on this journey before, with another account: they were merged since."""


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
            for run in due:
                seen.add((run.id, run.step, run.due))
                done += await self._advance(run, (heard or {}).get(run.id))
        if only is None:
            await self._check()
        return done

    # one step

    async def _advance(self, run: Any, heard: tuple[Interaction, str] | None) -> bool:
        journey = m.Journey.model_validate_json(run.definition)
        step = journey.step(run.step)
        store = await self._house.store()
        now = self._house.clock.now()
        who = await store.read(lambda conn: self._who(conn, run))
        try:
            ends = ""
            if who.doubled:
                ends = "they are on this journey with another account"
            elif journey.exit_when is not None and await self._holds(journey.exit_when, who, run.community):
                ends = "its exit condition holds"
            if ends:
                return await store.write(
                    lambda conn: bool(
                        rows.end_runs(
                            conn,
                            [run.id],
                            state=m.RunState.EXITED,
                            reason=f"before {step.name}: {ends}",
                            now=to_us(now),
                        )
                    )
                )
            action = step.do
            if step.when is not None and not await self._holds(step.when, who, run.community):
                if step.otherwise is None:
                    return await self._done(
                        run, journey, Outcome("skipped", "none", note="its condition does not hold")
                    )
                action = step.otherwise
            key = f"journey/{run.id}/{step.name}"
            held = await self._held_back(run, journey, action, who, key)
            if held is not None:
                if isinstance(held, Outcome):
                    return await self._done(run, journey, held)
                await self.wake_at(held)
                await store.write(
                    lambda conn: rows.move(
                        conn,
                        run.id,
                        run.step,
                        due=to_us(held),
                        reason=f"{step.name} waits for quiet hours or caps",
                        now=to_us(now),
                    )
                )
                return False
            outcome = await self._act(run, journey, step, action, who, key, heard)
        except StoreError:
            raise
        except ShequnError as error:
            outcome = Outcome("failed", "none", note=f"{type(error).__name__}: {error}")
        if outcome is None:
            await self.wake_at(now + _AGAIN)
            await store.write(
                lambda conn: rows.move(
                    conn,
                    run.id,
                    run.step,
                    due=to_us(now + _AGAIN),
                    reason=f"{step.name} waits: its function is not registered in this process",
                    now=to_us(now),
                )
            )
            return False
        return await self._done(run, journey, outcome)

    def _who(self, conn: Connection, run: Any) -> _Who:
        person = persons_of(conn, [run.identity_id])[run.identity_id]
        identities = identities_of(conn, [person])[person]
        name, fields = describe(conn, person, now=self._house.clock.now())
        return _Who(
            person,
            identities,
            places_of(conn, run.community, identities),
            name,
            fields,
            rows.policy_of(conn, run.community),
            rows.is_doubled(conn, run, identities),
        )

    async def _holds(self, wanted: Filter, who: _Who, community: str) -> bool:
        place = who.places[0] if who.places else None
        if place is None:
            return False
        ref = MemberRef(platform=place.platform, native_id=place.native_id)
        return await self._house.room(Segments).contains(wanted, ref, community=community)

    async def _held_back(
        self, run: Any, journey: m.Journey, action: m.AnyAction, who: _Who, key: str
    ) -> datetime | Outcome | None:
        """Say until when a message waits, or why it is left out; None lets it go, counted."""
        if not isinstance(action, _MESSAGES):
            return None
        purpose = action.purpose if isinstance(action, m.Say) else Purpose.CARE
        now = self._house.clock.now()
        zone = self.zone(run.community)
        longest = max((cap.per for cap in who.policy.caps), default=timedelta())

        def decide(conn: Connection) -> datetime | Outcome | None:
            allowed = may(conn, run.community, who.identities, purpose=purpose, now=to_us(now))
            if not allowed.allowed:
                return Outcome("skipped", "none", note=allowed.reason)
            if not journey.urgent and not isinstance(action, m.Welcome):
                contacts = rows.contacts_of(conn, who.identities, since=to_us(now - longest))
                contacts.pop(key, None)
                at = after_quiet(now, who.policy.quiet, zone)
                free = after_caps(at, who.policy, list(contacts.values()))
                if free > at and who.policy.on_cap == "skip":
                    return Outcome("skipped", "none", note="more messages than the caps allow")
                free = after_quiet(free, who.policy.quiet, zone)
                if free > now:
                    return free
            rows.reserve(conn, key, run.community, run.identity_id, at=to_us(now))
            return None

        return await (await self._house.store()).write(decide)

    async def _act(
        self,
        run: Any,
        journey: m.Journey,
        step: m.Step,
        action: m.AnyAction,
        who: _Who,
        key: str,
        heard: tuple[Interaction, str] | None,
    ) -> Outcome | None:
        now = self._house.clock.now()
        members = self._house.room(Members)
        if isinstance(action, (m.Say, m.Welcome, m.Notify)):
            text = self.words(action.text, who.name, who.fields, run)
        else:
            text = ""
        if isinstance(action, _MESSAGES):
            note = ""
            if isinstance(action, m.Welcome) and heard is not None:
                found = await welcome_by_platform(self._house, heard[0], heard[1], text)
                if isinstance(found, Outcome):
                    return found
                note = found
            outcome = await send(self._house, who.places, action, text, key=key, due=now)
            if outcome.state == "task":
                await self._task(
                    run, journey.name, f"{self.title(run.community)}: {step.name}", text, key, "", now
                )
            return outcome._replace(note="; ".join(part for part in (note, outcome.note) if part))
        if isinstance(action, m.CreateTask):
            text = self.words(action.text, who.name, who.fields, run)
            title = self.words(action.title, who.name, who.fields, run)
            await self._task(run, journey.name, title, text, key, action.assignee, now + action.due_in)
            return Outcome("task", "task", key=f"{key}/task")
        if isinstance(action, m.Notify):
            publishing = await self._house.publishing()
            from shequn_sdk.domain import Content  # noqa: PLC0415 - with the one thing that needs it

            await publishing.plan(
                Content(text=text), [action.channel], idempotency_key=f"{key}/notify", actor="journeys"
            )
            return Outcome("done", "notify")
        if isinstance(action, (m.AddTags, m.RemoveTags)):
            place = who.places[0]
            ref = MemberRef(platform=place.platform, native_id=place.native_id)
            change = members.tag if isinstance(action, m.AddTags) else members.untag
            await change(ref, *action.tags, community=run.community, actor=f"journey {journey.name}")
            return Outcome("done", action.kind)
        function = self.calls.get(action.handler)
        if function is None:
            return None
        place = who.places[0]
        call = JourneyCall(
            journey.name,
            run.community,
            step.name,
            MemberRef(platform=place.platform, native_id=place.native_id),
            key,
        )
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
            _log.warning("the function %s of journey %s failed: %s", action.handler, journey.name, error)
            return Outcome("failed", "call", note=f"{type(error).__name__}: {error}")
        return Outcome("done", "call")

    def words(self, text: str, name: str, fields: Mapping[str, JsonValue], run: Any) -> str:
        """Fill in a text for a run."""
        days = (self._house.clock.now() - from_us(run.anchor)).days
        return filled(text, name=name, community=self.title(run.community), days=days, fields=fields)

    async def _task(
        self, run: Any, journey: str, title: str, text: str, key: str, assignee: str, due: datetime
    ) -> None:
        now = to_us(self._house.clock.now())
        await (await self._house.store()).write(
            lambda conn: rows.add_task(
                conn,
                f"{key}/task",
                run.community,
                number=run.identity_id,
                name=journey,
                title=title,
                text=text,
                assignee=assignee,
                due=due,
                now=now,
            )
        )

    async def _done(self, run: Any, journey: m.Journey, outcome: Outcome) -> bool:
        """Keep what became of a step and move on, in one transaction."""
        now = self._house.clock.now()
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

        def write(conn: Connection) -> bool:
            if not rows.move(
                conn,
                run.id,
                run.step,
                to=following,
                due=None if due is None else to_us(due),
                reached=to_us(now),
                waits_for=waits_for,
                state="running" if due is not None else "finished",
                now=to_us(now),
            ):
                return False
            rows.record(
                conn,
                run.id,
                run.step,
                name=journey.steps[run.step].name,
                state=outcome.state,
                form=outcome.form,
                key=outcome.key,
                note=outcome.note,
                at=to_us(now),
                check_at=None if check is None else to_us(check),
            )
            return True

        return await (await self._house.store()).write(write)

    def next_due(
        self, journey: m.Journey, place: int, anchor: datetime, reached: datetime, community: str
    ) -> datetime:
        """Give when a step comes, before quiet hours and caps."""
        return due_of(journey.step(place), anchor=anchor, reached=reached, zone=self.zone(community))

    # what became of messages

    async def _check(self) -> None:
        store = await self._house.store()
        publishing = await self._house.publishing()
        while True:
            now = self._house.clock.now()
            due = await store.read(lambda conn, now=now: rows.due_checks(conn, now=to_us(now), limit=_STEP))
            if not due:
                return
            for one in due:
                receipts = await publishing.get_receipts(one.key)
                states = {str(receipt.status) for receipt in receipts}
                reason = next((receipt.reason for receipt in receipts if receipt.reason), "")
                if states <= _GOOD and states:
                    await self._settle(one, Outcome("sent", one.form, key=one.key, note=one.note))
                elif states & _BAD or not states:
                    await self._other_way(one, reason or "the message is gone from the ledger")
                elif now - from_us(one.at) > _PATIENCE:
                    await self._settle(
                        one,
                        Outcome("planned", one.form, key=one.key, note=f"still {', '.join(sorted(states))}"),
                    )
                else:
                    later = now + max(LOOK_AFTER, (now - from_us(one.at)))
                    await self.wake_at(later)
                    await self._settle(one, Outcome("planned", one.form, one.key, one.note), again=later)

    async def _settle(self, one: Any, outcome: Outcome, *, again: datetime | None = None) -> None:
        await (await self._house.store()).write(
            lambda conn: rows.record(
                conn,
                one.run_id,
                one.step,
                name=one.name,
                state=outcome.state,
                form=outcome.form,
                key=outcome.key,
                note=outcome.note,
                at=one.at,
                check_at=None if again is None else to_us(again),
            )
        )

    async def _other_way(self, one: Any, reason: str) -> None:
        """Try the next way after a refusal."""
        journey = m.Journey.model_validate_json(one.definition)
        step = journey.step(one.step)
        action = next((item for item in (step.do, step.otherwise) if isinstance(item, _MESSAGES)), None)
        store = await self._house.store()
        now = self._house.clock.now()

        def look(conn: Connection) -> tuple[Any, _Who]:
            runs = rows.run_of(conn, one.run_id)
            return runs, self._who(conn, runs)

        run, who = await store.read(look)
        tried = {"direct"} if one.form == "direct" else {"direct", "channel"}
        note = f"{one.note}; {one.form}: {reason}".strip("; ")
        if action is None:
            await self._settle(one, Outcome("failed", one.form, one.key, note))
            return
        text = self.words(action.text, who.name, who.fields, run)
        key = f"journey/{one.run_id}/{step.name}"
        outcome = await send(self._house, who.places, action, text, key=key, due=now, skip=frozenset(tried))
        if outcome.state == "task":
            await self._task(
                run, journey.name, f"{self.title(run.community)}: {step.name}", text, key, "", now
            )
        later = now + LOOK_AFTER if outcome.check else None
        if later is not None:
            await self.wake_at(later)
        notes = "; ".join(part for part in (note, outcome.note) if part)
        await self._settle(one, outcome._replace(note=notes), again=later)
