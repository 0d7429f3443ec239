"""The room of crises: a playbook with thresholds, steps that are reminded of, and drills with a report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy import Connection, Row, insert, select, update

from shequn_sdk.domain import Content, Priority
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.moderation import book, raids
from shequn_sdk.moderation.crisis import CrisisPlan, Incident, StepReport, load_plan
from shequn_sdk.moderation.templates import plain
from shequn_sdk.scheduling.recurrence.moments import Once
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.moderation import moderation_incident

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Crises"]

REMIND = "shequn.crises.remind"
_LOOK = 30.0
"""Seconds between two looks at the thresholds."""


class Reminder(BaseModel):
    """Which step of which incident."""

    incident: int
    step: str


class Crises(Room):
    """Crises: found early, handled on a plan, rehearsed before (危机管理)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._plans: dict[str, CrisisPlan] = {}
        self._read_at = -1e9
        self._looked_at = -1e9

    def listen(self, dispatcher: Dispatcher) -> None:
        """Look at the thresholds now and then while something is heard."""
        dispatcher.on_batch("shequn.crises", self._hear)

    def serve(self, scheduler: Scheduler) -> None:
        """Remind of steps whose time is up."""
        scheduler.handlers.add(REMIND, self._remind, arguments=Reminder)

    async def set_plan(
        self, plan: CrisisPlan | Path | str, *, community: str | None = None, actor: str = ""
    ) -> CrisisPlan:
        """Let a playbook hold from now on; the versions before are kept. Crises that go on keep the one they began with.

        Thresholds count what the room of moderation judges: it needs rules for the community.

        Raises:
            InvalidInput: the file cannot be used.
        """
        chosen = plan if isinstance(plan, CrisisPlan) else load_plan(plan)
        name = self._community(community).name
        store = await self._house.store()
        now = to_us(store.clock.now())
        await store.write(
            lambda conn: book.set_body(conn, name, "crisis", chosen.model_dump_json(), actor=actor, now=now)
        )
        self._read_at = -1e9
        return chosen

    async def plan(self, *, community: str | None = None) -> CrisisPlan:
        """Give the playbook that holds.

        Raises:
            UnknownName: none was set.
        """
        name = self._community(community).name
        found = (await self._all_plans()).get(name)
        if found is None:
            raise UnknownName("crisis plan of community", name)
        return found

    async def _all_plans(self) -> dict[str, CrisisPlan]:
        if time.monotonic() - self._read_at > 5.0:
            store = await self._house.store()
            bodies = await store.read(lambda conn: book.rules_of(conn, "crisis"))
            self._plans = {name: CrisisPlan.model_validate_json(body) for name, (_, body) in bodies.items()}
            self._read_at = time.monotonic()
        return self._plans

    async def check(self, *, community: str | None = None) -> Sequence[str]:
        """Say which thresholds are passed now, in words; none is calm."""
        name = self._community(community).name
        plan = (await self._all_plans()).get(name)
        return [] if plan is None else await self._passed(name, plan)

    async def _passed(self, community: str, plan: CrisisPlan) -> list[str]:
        store = await self._house.store()
        limits = plan.thresholds
        now = to_us(store.clock.now())
        since = now - int(limits.window.total_seconds() * 1_000_000)

        def read(conn: Connection) -> tuple[tuple[int, int, int, int], list[str]]:
            open_now = [one.channel for one in raids.open_raids(conn).values() if one.community == community]
            return book.tally(conn, community, since=since), open_now

        (messages, negative, _, mentions), raided = await store.read(read)
        found: list[str] = []
        if limits.negative_share is not None and messages >= limits.least_messages:
            share = negative / messages
            if share >= limits.negative_share:
                found.append(f"{share:.0%} of {messages} messages within {limits.window} are negative")
        if limits.mentions is not None and mentions >= limits.mentions:
            found.append(f"{mentions} mentions within {limits.window}")
        if limits.raid and raided:
            found.append(f"raid on {', '.join(raided)}")
        return found

    async def start(self, *, cause: str, community: str | None = None, actor: str = "") -> Incident:
        """Begin a crisis by hand: every role is told its steps. One that goes on already is given back.

        Raises:
            UnknownName: no playbook was set.
        """
        return await self._begin(
            self._community(community).name, cause=cause, actor=actor or "operator", drill=False
        )

    async def drill(self, *, cause: str = "drill", community: str | None = None, actor: str = "") -> Incident:
        """Rehearse: the same messages to the same people, marked as a drill; nothing is held back.

        Raises:
            UnknownName: no playbook was set.
        """
        return await self._begin(
            self._community(community).name, cause=cause, actor=actor or "operator", drill=True
        )

    async def _begin(self, community: str, *, cause: str, actor: str, drill: bool) -> Incident:
        plan = await self.plan(community=community)
        store = await self._house.store()
        now = to_us(store.clock.now())
        table = moderation_incident

        def write(conn: Connection) -> tuple[Row[Any], bool]:
            open_one = select(table).where(
                table.c.community == community, table.c.ended_at.is_(None), table.c.drill == int(drill)
            )
            known = conn.execute(open_one).first()
            if known is not None:
                return known, False
            conn.execute(
                insert(table).values(
                    community=community,
                    drill=int(drill),
                    cause=cause[:500],
                    actor=actor,
                    plan=plan.model_dump_json(),
                    steps="{}",
                    began_at=now,
                    ended_at=None,
                )
            )
            row = conn.execute(open_one).one()
            what = "drill begun" if drill else "crisis begun"
            book.audit(conn, community, now, actor=actor, what=what, subject=f"crisis:{row.id}", detail=cause)
            return row, True

        row, new = await store.write(write)
        if new:
            scheduler = await self._house.scheduler()
            for step in plan.steps:
                await self._tell(row, plan, step.name, f"{step.text} ({step.within})", key="begin")
                at = from_us(row.began_at) + max(step.within, timedelta(seconds=1))
                await scheduler.create(
                    REMIND,
                    when=Once(at),
                    arguments=Reminder(incident=row.id, step=step.name),
                    idempotency_key=f"crisis/{row.id}/{step.name}",
                )
        return _incident(row)

    async def _tell(self, row: Row[Any], plan: CrisisPlan, step: str, text: str, *, key: str) -> None:
        role = next(one.role for one in plan.steps if one.name == step)
        mark = "【演练 DRILL】" if row.drill else "【危机 CRISIS】"
        publishing = await self._house.publishing()
        await publishing.plan(
            Content(text=f"{mark} {row.id} {plain(row.cause, most=200)}\n{step}: {plain(text, most=2000)}"),
            [plan.roles[role]],
            priority=Priority.REPLY,
            idempotency_key=f"crisis/{row.id}/{step}/{key}",
        )

    async def done(self, incident: int, step: str, *, actor: str = "", note: str = "") -> Incident:
        """Note that a step was taken; again changes nothing.

        Raises:
            UnknownName: there is no such incident or step.
            InvalidInput: it has ended.
        """
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> Row[Any]:
            row = _row(conn, incident)
            plan = CrisisPlan.model_validate_json(row.plan)
            if step not in {one.name for one in plan.steps}:
                raise UnknownName("step", step, nearest=tuple(one.name for one in plan.steps))
            if row.ended_at is not None:
                raise InvalidInput(f"incident {incident} has ended: its report is closed")
            steps: dict[str, Any] = json.loads(row.steps)
            if step not in steps:
                steps[step] = {"at": now, "by": actor, "note": note[:500]}
                conn.execute(
                    update(moderation_incident)
                    .where(moderation_incident.c.id == incident)
                    .values(steps=book.dumps(steps))
                )
                subject = f"crisis:{incident}"
                book.audit(
                    conn, row.community, now, actor=actor, what=f"step {step}", subject=subject, detail=note
                )
            return _row(conn, incident)

        return _incident(await store.write(write))

    async def end(self, incident: int, *, actor: str = "", note: str = "") -> Incident:
        """End a crisis or drill; its report says what came in time, late, or not at all.

        Raises:
            UnknownName: there is no such incident.
        """
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> Row[Any]:
            row = _row(conn, incident)
            conn.execute(
                update(moderation_incident)
                .where(moderation_incident.c.id == incident, moderation_incident.c.ended_at.is_(None))
                .values(ended_at=now)
            )
            subject = f"crisis:{incident}"
            book.audit(conn, row.community, now, actor=actor, what="ended", subject=subject, detail=note)
            return _row(conn, incident)

        return _incident(await store.write(write))

    async def get(self, incident: int) -> Incident:
        """Give a crisis or drill with how its steps went.

        Raises:
            UnknownName: there is none of that number.
        """
        return await (await self._house.store()).read(lambda conn: _incident(_row(conn, incident)))

    async def list(self, *, community: str | None = None, limit: int = 50) -> Sequence[Incident]:
        """Give crises and drills, newest first."""
        name = self._community(community).name
        table = moderation_incident
        wanted = select(table).where(table.c.community == name).order_by(table.c.id.desc()).limit(limit)
        return await (await self._house.store()).read(
            lambda conn: [_incident(row) for row in conn.execute(wanted)]
        )

    async def is_quiet(self, *, community: str | None = None) -> bool:
        """Whether our own campaigns and welcomes should wait: a crisis goes on and its playbook says so."""
        name = self._community(community).name
        table = moderation_incident
        wanted = select(table.c.plan).where(
            table.c.community == name, table.c.ended_at.is_(None), table.c.drill == 0
        )
        rows = await (await self._house.store()).read(lambda conn: conn.execute(wanted).scalars().all())
        return any(CrisisPlan.model_validate_json(one).quiet for one in rows)

    async def _hear(self, heard: Sequence[Heard]) -> None:
        plans = await self._all_plans()
        if not plans or self._house.clock.monotonic() - self._looked_at < _LOOK:
            return
        names = {one.community for one in heard if one.community in plans}
        if not names:
            return
        self._looked_at = self._house.clock.monotonic()
        for name in sorted(one for one in names if one):
            passed = await self._passed(name, plans[name])
            if passed:
                await self._begin(name, cause="; ".join(passed), actor="thresholds", drill=False)

    async def _remind(self, arguments: Reminder, firing: Firing) -> None:
        del firing
        store = await self._house.store()
        row = await store.read(lambda conn: _row(conn, arguments.incident))
        if row.ended_at is not None or arguments.step in json.loads(row.steps):
            return
        plan = CrisisPlan.model_validate_json(row.plan)
        await self._tell(row, plan, arguments.step, "时间已到，尚未完成 / due now, not done yet", key="due")


def _row(conn: Connection, incident: int) -> Row[Any]:
    row = conn.execute(select(moderation_incident).where(moderation_incident.c.id == incident)).one_or_none()
    if row is None:
        raise UnknownName("incident", str(incident))
    return row


def _incident(row: Row[Any]) -> Incident:
    plan = CrisisPlan.model_validate_json(row.plan)
    began = from_us(row.began_at)
    steps: dict[str, Any] = json.loads(row.steps)
    reports: list[StepReport] = []
    for step in plan.steps:
        taken = steps.get(step.name)
        due = began + step.within
        done_at = None if taken is None else from_us(taken["at"])
        reports.append(
            StepReport(
                name=step.name,
                role=step.role,
                text=step.text,
                due=due,
                done_at=done_at,
                done_by="" if taken is None else taken["by"],
                note="" if taken is None else taken["note"],
                late=done_at - due if done_at is not None and done_at > due else None,
            )
        )
    return Incident(
        id=row.id,
        community=row.community,
        drill=bool(row.drill),
        cause=row.cause,
        actor=row.actor,
        began_at=began,
        ended_at=None if row.ended_at is None else from_us(row.ended_at),
        steps=tuple(reports),
    )
