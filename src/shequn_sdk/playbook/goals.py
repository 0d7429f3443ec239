"""The room of goals: what is to be reached, how it stands, and what would close the gap."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import Connection, Row, delete, insert, select, update

from shequn_sdk.domain import Community, Frozen, Grain, MetricPoint
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import Room
from shequn_sdk.links.entrances import Entrances
from shequn_sdk.metrics.goals import Goal, GoalProgress, GoalStatus, assess
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.playbook import goal as goals

__all__ = ["GoalReport", "Goals", "StoredGoal"]

_LOOK_BACK = 28


class StoredGoal(Frozen):
    """A goal of the community (目标)."""

    community: str
    name: str
    title: str
    metric: str
    target: float
    relative: bool
    """The target is a multiple of the value at the start."""
    at_most: bool
    start: date
    due: date


class GoalReport(Frozen):
    """How a goal stands, and what would close the gap."""

    goal: StoredGoal
    target: float | None
    """In the metric's own unit; None while a relative goal has no first value."""
    progress: GoalProgress | None
    gap: float | None
    """What is missing to the target; 0 when it is reached."""
    per_day_needed: float | None
    """Change per day that would reach the target in time."""
    per_day_now: float | None
    """Mean change per day over the last 28 days."""
    advice: tuple[str, ...]


class Goals(Room):
    """What the community is to reach (目标管理)."""

    async def put(
        self,
        name: str,
        *,
        metric: str,
        target: float,
        due: date,
        start: date | None = None,
        title: str = "",
        relative: bool = False,
        at_most: bool = False,
        community: str | None = None,
    ) -> StoredGoal:
        """Set a goal, or change it.

        Args:
            name: by which it is found.
            metric: for example `members.total`; see `metrics.list`.
            target: what it is to reach, in the metric's unit; with `relative` a multiple of the value at the start.
            due: local day by which.
            start: local day from which; today when not given.
            title: for people.
            relative: see `target`.
            at_most: the value is to stay below the target.
            community: its name; not needed when there is one.

        Raises:
            UnknownName: no such metric or community.
            InvalidInput: it is due before its start, or the target is no positive number.
        """
        where = self._community(community)
        metrics = await self._house.metrics()
        metrics.get(metric)
        store = await self._house.store()
        now = store.clock.now()
        begin = start or now.astimezone(ZoneInfo(where.zone)).date()
        if not 0 < target < float("inf"):
            raise InvalidInput(f"goal {name!r} aims at {target}: give a positive number")
        try:
            Goal(name=name, metric=metric, target=target, start=begin, due=due, at_most=at_most)
        except ValidationError as error:
            raise InvalidInput(str(error.errors(include_url=False)[0]["msg"])) from None
        values = {
            "title": title or name,
            "metric": metric,
            "target": target,
            "relative": int(relative),
            "at_most": int(at_most),
            "start": begin.isoformat(),
            "due": due.isoformat(),
        }

        def write(conn: Connection) -> None:
            done = conn.execute(
                update(goals).where(goals.c.community == where.name, goals.c.name == name).values(values)
            )
            if done.rowcount == 0:
                conn.execute(
                    insert(goals).values(community=where.name, name=name, created_at=to_us(now), **values)
                )

        await store.write(write)
        return await self.get(name, community=where.name)

    async def list(self, *, community: str | None = None) -> Sequence[StoredGoal]:
        """Give the goals, the one that is due first in front."""
        where = self._community(community).name
        store = await self._house.store()
        query = select(goals).where(goals.c.community == where).order_by(goals.c.due, goals.c.name)
        return await store.read(lambda conn: [_goal(row) for row in conn.execute(query)])

    async def get(self, name: str, *, community: str | None = None) -> StoredGoal:
        """Give a goal.

        Raises:
            UnknownName: there is none of that name.
        """
        found = await self.list(community=community)
        for one in found:
            if one.name == name:
                return one
        near = tuple(difflib.get_close_matches(name, [one.name for one in found], n=2))
        raise UnknownName("goal", name, nearest=near)

    async def remove(self, name: str, *, community: str | None = None) -> None:
        """Give a goal up.

        Raises:
            UnknownName: there is none of that name.
        """
        found = await self.get(name, community=community)
        store = await self._house.store()
        await store.write(
            lambda conn: (
                conn.execute(
                    delete(goals).where(goals.c.community == found.community, goals.c.name == name)
                ).rowcount
            )
        )

    async def report(self, *, community: str | None = None) -> Sequence[GoalReport]:
        """Say how each goal stands: pace, forecast with interval, gap, and what would close it."""
        where = self._community(community)
        return [await self._report(one, where) for one in await self.list(community=where.name)]

    async def _report(self, one: StoredGoal, where: Community) -> GoalReport:
        metrics = await self._house.metrics()
        metric = metrics.get(one.metric)
        store = await self._house.store()
        today = store.clock.now().astimezone(ZoneInfo(where.zone)).date()
        end = min(today, one.due)
        points: Sequence[MetricPoint] = ()
        if end >= one.start:
            result = await metrics.compute(
                one.metric, community=where.name, start=one.start, end=end, grain=Grain.DAY
            )
            points = result.points
        values = [
            float(point.value)
            for point in points
            if point.value is not None and not point.partial and not point.dims
        ]
        base = values[0] if values else None
        target = (
            one.target * base if one.relative and base is not None else None if one.relative else one.target
        )
        if target is None:
            return GoalReport(
                goal=one, target=None, progress=None, gap=None, per_day_needed=None, per_day_now=None,
                advice=("there is no complete day with data yet",),
            )  # fmt: skip
        aim = Goal(
            name=one.name, metric=one.metric, target=target, start=one.start, due=one.due, at_most=one.at_most
        )
        progress = assess(aim, points, additivity=metric.additivity, today=today)
        gap = None
        if progress.value is not None:
            missing = progress.value - target if one.at_most else target - progress.value
            gap = max(0.0, missing)
        left = (one.due - today).days
        needed = gap / left * (-1 if one.at_most else 1) if gap and left > 0 else None
        recent = values[-_LOOK_BACK:]
        now = (recent[-1] - recent[0]) / (len(recent) - 1) if len(recent) > 1 else None
        advice = await self._advice(one, where, progress, gap, needed, now)
        return GoalReport(
            goal=one,
            target=target,
            progress=progress,
            gap=gap,
            per_day_needed=needed,
            per_day_now=now,
            advice=tuple(advice),
        )

    async def _advice(
        self,
        one: StoredGoal,
        where: Community,
        progress: GoalProgress,
        gap: float | None,
        needed: float | None,
        now: float | None,
    ) -> list[str]:
        if progress.status is GoalStatus.REACHED or not gap:
            return ["reached: set the next goal"] if progress.status is GoalStatus.REACHED else []
        if progress.status is GoalStatus.MISSED:
            return [f"{gap:.4g} were missing on the last day"]
        lines: list[str] = []
        if needed is not None:
            rate = f", now {now:+.3g}" if now is not None else ""
            lines.append(f"{needed:+.3g} a day would reach it{rate}")
        if one.metric == "members.total":
            lines += await self._about_growth(where, needed, now)
        elif one.metric == "active_members.dau":
            lines += await self._about_activity(where, gap)
        return lines

    async def _about_growth(self, where: Community, needed: float | None, now: float | None) -> list[str]:
        lines: list[str] = []
        store = await self._house.store()
        since = store.clock.now() - timedelta(days=_LOOK_BACK)
        ways = await self._house.room(Entrances).results(community=where.name, start=since)
        best = next((way for way in ways if way.name and way.joined), None)
        if best is not None:
            lines.append(
                f"entrance {best.name!r} brought {best.joined} in the last {_LOOK_BACK} days, {best.present} are still there: "
                "open more like it"
            )
        metrics = await self._house.metrics()
        left = await metrics.compute(
            "members.left", community=where.name, last=timedelta(days=_LOOK_BACK), grain=Grain.DAY
        )
        gone = sum(float(point.value) for point in left.points if point.value is not None) / _LOOK_BACK
        if gone and needed is not None and now is not None and needed > now:
            share = min(1.0, gone / 2 / (needed - now))
            lines.append(
                f"{gone:.2g} leave a day: keeping half of them would close {share:.0%} of what is missing a day "
                "(journeys: welcome, wake the silent)"
            )
        return lines

    async def _about_activity(self, where: Community, gap: float) -> list[str]:
        metrics = await self._house.metrics()
        span = timedelta(days=7)
        total = await metrics.compute("members.total", community=where.name, last=span, grain=Grain.DAY)
        active = await metrics.compute("active_members.dau", community=where.name, last=span, grain=Grain.DAY)
        members = next((float(p.value) for p in reversed(total.points) if p.value), None)
        daily = [float(p.value) for p in active.points if p.value is not None and not p.partial]
        if not members or not daily or not sum(daily):
            return []
        share = sum(daily) / len(daily) / members
        return [
            (
                f"{share:.0%} of members do something on a day: {gap / share:.0f} more members at that share, "
                f"or {share + gap / members:.0%} of those who are there, would reach it (check-ins, topics, polls)"
            )
        ]


def _goal(row: Row[Any]) -> StoredGoal:
    return StoredGoal(
        community=row.community,
        name=row.name,
        title=row.title,
        metric=row.metric,
        target=row.target,
        relative=bool(row.relative),
        at_most=bool(row.at_most),
        start=date.fromisoformat(row.start),
        due=date.fromisoformat(row.due),
    )
