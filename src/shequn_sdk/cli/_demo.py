"""The demo: a plan, simulated members, and the whole way from publishing to the report, on the local sandbox."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from shequn_sdk.cli._output import Exit, Output, printable
from shequn_sdk.client import AsyncShequn
from shequn_sdk.domain import ChannelRef, Content, DeliveryState, MetricResult, Priority
from shequn_sdk.errors import InvalidInput
from shequn_sdk.listening.events import Heard
from shequn_sdk.metrics.goals import Goal
from shequn_sdk.platforms.discovery import Plugins, load_plugins
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.playbook.plan import GoalPlan, Plan, PlannedPost
from shequn_sdk.playbook.source import builtin_playbook, load_playbook
from shequn_sdk.reports.model import GoalLine
from shequn_sdk.scheduling.clock import ManualClock

__all__ = ["play"]

FIRST_DAY = date(2026, 3, 2)
"""A Monday, so that the same seed gives the same weeks on every day it is run."""
MARKER = ".shequn-demo"
EVERY = timedelta(hours=2)
"""At least this often members' events are received: some platforms do not date a vote, so its receipt does."""
_PAGE = 40
"""A platform that gives fewer events at once has no more."""
_NEEDS = (Capability.POLL_EVENTS, Capability.PUBLISH_POLL, Capability.INVITES, Capability.LIST_CHANNELS)


def _prepare(home: Path) -> None:
    if home.exists():
        if any(home.iterdir()) and not (home / MARKER).exists():
            raise InvalidInput(f"{home} holds something else than a demo: choose another --home")
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / MARKER).touch()
    # the demo shows what is sent, heard and measured; rooms that it gives nothing to do need not listen
    (home / "shequn.toml").write_text('rooms = ["members"]\n', encoding="utf-8")


def _platform(plugins: Plugins) -> str:
    for name in sorted(plugins.sandboxes):
        spec = plugins.platforms.get(name)
        if spec is not None and any(manifest.supports(*_NEEDS[:3]) for manifest in spec.manifests):
            return name
    raise InvalidInput(
        "the demo needs a platform plugin with a sandbox: install one, for example from plugins/"
    )


async def play(
    out: Output, *, days: int, members: int, seed: int, plan_file: Path | None, home: Path
) -> Exit | None:
    """Live `days` days and report; the same seed gives the same numbers."""
    from shequn_sdk.reports.files import check_formats
    from shequn_sdk.testing.sandbox.server import SandboxServer
    from shequn_sdk.testing.simulate import Entrance, Place, SimulatedCommunity
    from shequn_sdk.testing.world import World

    check_formats(frozenset({"html"}))
    plan = load_playbook(plan_file) if plan_file is not None else builtin_playbook()
    _prepare(home)
    began = time.monotonic()
    zone = ZoneInfo(plan.zone)
    clock = ManualClock(datetime.combine(FIRST_DAY, datetime.min.time(), tzinfo=zone))
    plugins = load_plugins()
    platform = _platform(plugins)
    async with SandboxServer([plugins.sandbox(platform)], clock=clock, seed=seed) as server:
        sandbox = server[platform]
        ref = ChannelRef(account="demo_bot", native_id=sandbox.create_channel(plan.title, kind="group"))
        account = server.account(platform, name="demo_bot")
        account = account.model_copy(update={"options": {**account.options, "poll_timeout": 0}})
        community = plan.community().model_copy(update={"channels": (ref,)})
        async with AsyncShequn.open(
            home=home, accounts=[account], communities=[community], clock=clock, plugins=plugins
        ) as sq:
            entrances: list[Entrance] = []
            for name, weight in (("公众号", 3.0), ("朋友推荐", 2.0), ("线下活动", 1.0)):
                invite = await sq.channel(ref).create_invite(name=name)
                entrances.append(Entrance(name, invite=invite.url, weight=weight))
            life = SimulatedCommunity(
                World(clock, seed=seed, zone=plan.zone),
                [Place(sandbox, ref.native_id, entrances=tuple(entrances))],
                size=members,
                days=days,
            )

            @sq.on("member.joined", name="welcome")
            async def welcome(heard: Heard) -> None:
                if plan.welcome:
                    await sq.publish(
                        Content(
                            text=plan.welcome.replace("{name}", heard.interaction.member_name),
                            category="welcome",
                        ),
                        to=[ref],
                        at=clock.now(),
                        priority=Priority.REPLY,
                        idempotency_key=f"welcome/{heard.interaction.id}",
                        timeout=0,
                    )

            await _live(out, sq, life, list(plan.posts(FIRST_DAY, days)), ref, clock, days)
            result = await _measure(sq, plan)
            report = await sq.report(
                community=plan.name,
                language="zh" if plan.language.startswith("zh") else "en",
                title=plan.title,
                goals=result["goal_lines"],
            )
            paths = report.write(home / "reports", formats={"html", "md", "csv"})
    _show(out, plan, result, paths, time.monotonic() - began, days, seed)
    return None


async def _live(
    out: Output,
    sq: AsyncShequn,
    life: Any,
    posts: list[PlannedPost],
    ref: ChannelRef,
    clock: ManualClock,
    days: int,
) -> None:
    start = clock.now()
    end = start + timedelta(days=days) - timedelta(seconds=1)
    for post in posts:
        await sq.publish(post.content, to=[ref], at=post.due, idempotency_key=post.content.id, timeout=0)
    instants = {post.due.astimezone(UTC) for post in posts}
    step = start + EVERY
    while step < end:
        instants.add(step)
        step += EVERY
    day = clock.now().date()
    with out.progress(f"{days} days", float(days)) as show:
        for instant in sorted(instants | {end}):
            life.live_until(instant)
            await sq.deliver_due()
            while new := await sq.poll_once():
                await sq.process()
                await sq.deliver_due()
                if new < _PAGE:
                    break
            if clock.now().date() != day:
                day = clock.now().date()
                if day.weekday() == 0:
                    await sq.collect()
            show((clock.now() - start) / timedelta(days=1))
    while await sq.poll_once():
        await sq.process()
    await sq.collect()


def _last(result: MetricResult) -> float | None:
    return next((point.value for point in reversed(result.points) if point.value is not None), None)


def _mean(result: MetricResult) -> float | None:
    values = [point.value for point in result.points if point.value is not None and not point.partial]
    return sum(values) / len(values) if values else None


async def _measure(sq: AsyncShequn, plan: Plan) -> dict[str, Any]:
    async def compute(name: str, **options: Any) -> MetricResult:
        return await sq.metrics.compute(name, community=plan.name, **options)

    counts = await sq.deliveries.counts()
    total, dau = await compute("members.total"), await compute("active_members.dau")
    wau, mau = await compute("active_members.wau"), await compute("active_members.mau")
    joined, left = await compute("members.joined"), await compute("members.left")
    heatmap = await compute("activity.heatmap")
    retention = await compute("retention.weekly")
    leaders = await compute("kol.pagerank")
    best = max(
        (point for point in heatmap.points if point.value is not None),
        key=lambda point: point.value or 0,
        default=None,
    )
    goals = [await _goal(sq, plan, goal, await compute(goal.metric)) for goal in plan.goals]
    return {
        "deliveries": {str(state): number for state, number in counts.items() if number},
        "landed": counts.get(DeliveryState.LANDED, 0),
        "refused": counts.get(DeliveryState.REFUSED, 0),
        "unknown": counts.get(DeliveryState.UNKNOWN, 0),
        "members": _last(total),
        "joined": sum(point.value or 0 for point in joined.points),
        "left": sum(point.value or 0 for point in left.points),
        "dau_mean": _mean(dau),
        "wau": _last(wau),
        "mau": _last(mau),
        "retention": _week_after(retention),
        "best_hour": int(best.bucket) if best is not None else None,
        "leaders": [
            {"member": point.dims["member"], "name": point.dims["name"]}
            | {"score": round(float(point.value or 0), 6)}
            for point in leaders.points[:5]
        ],
        "goals": [goal.model_dump(mode="json") | {"reached": goal.reached} for goal in goals],
        "goal_lines": tuple(goals),
    }


def _week_after(retention: MetricResult) -> dict[str, float | None]:
    """Give retention per age in weeks, over all cohorts that were old enough: sums divided, never a mean of ratios."""
    sums: dict[str, list[float]] = {}
    for point in retention.points:
        age = str(point.dims["period"])
        if point.numerator is not None and point.denominator and not point.partial:
            entry = sums.setdefault(age, [0.0, 0.0])
            entry[0] += float(point.numerator)
            entry[1] += float(point.denominator)
    return {age: top / bottom for age, (top, bottom) in sums.items() if bottom}


async def _goal(sq: AsyncShequn, plan: Plan, goal: GoalPlan, result: MetricResult) -> GoalLine:
    """Judge a goal of the plan; a relative one is a multiple of the value at the end of the first week."""
    settled = next((point.value for point in result.points[6:7] if point.value is not None), None)
    target = goal.target * float(settled) if goal.relative and settled else goal.target
    due = FIRST_DAY + timedelta(days=goal.within_days)
    progress = await sq.metrics.assess(
        Goal(name=goal.name, metric=goal.metric, target=target, start=FIRST_DAY, due=due), community=plan.name
    )
    return GoalLine(
        title=goal.title,
        target=round(target, 2),
        metric=goal.metric,
        value=progress.value,
        expected=None if progress.expected is None else round(progress.expected, 2),
        unit=result.unit,
        due=due,
    )


def _show(
    out: Output,
    plan: Plan,
    result: Mapping[str, Any],
    paths: list[Path],
    seconds: float,
    days: int,
    seed: int,
) -> None:
    public = {key: value for key, value in result.items() if key != "goal_lines"}
    if out.as_json:
        out.json(
            {
                "community": plan.name,
                "days": days,
                "seed": seed,
                **public,
                "report": [str(path) for path in paths],
            }
        )
        return
    weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    best = result["best_hour"]
    rows = [
        ("posts", f"{result['landed']} landed, {result['refused']} refused, {result['unknown']} unknown"),
        ("growth", f"{printable(result['members'])} members now, {printable(result['joined'])} joined, {printable(result['left'])} left"),
        ("activity", f"{printable(result['dau_mean'])} members a day on average, {printable(result['wau'])} in the last week, {printable(result['mau'])} in the last 28 days"),
        ("retention", ", ".join(f"week {age}: {value:.0%}" for age, value in result["retention"].items() if value is not None and age in {"1", "2", "4", "8"}) or "–"),
        ("best hour", f"{weekdays[best // 24]} {best % 24:02d}:00" if best is not None else "–"),
        ("opinion leaders", ", ".join(str(item.get("name") or item.get("member", "")) for item in result["leaders"])),
    ]  # fmt: skip
    rows += [
        (
            f"goal: {goal['title']}",
            f"{printable(goal['value'])} of {printable(goal['target'])}{' – reached' if goal['reached'] else ''}",
        )
        for goal in result["goals"]
    ]
    out.line(f"{plan.title}: {days} days on the local sandbox, seed {seed}, {seconds:.0f} s")
    out.table([{"what": what, "result": text} for what, text in rows], ["what", "result"])
    for path in paths:
        if path.suffix == ".html":
            out.line(f"report: {path}")
