"""Lives a playbook before it is applied in earnest: sandboxes of its platforms, simulated members, and the report.

Everything but the members is real: the playbook is applied to a workspace of its own, schedules fire, deliveries go over
HTTP to the sandboxes, events come back, rooms act on them, and metrics are computed from what was heard.
"""

from __future__ import annotations

import gc
import shutil
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
from pydantic import JsonValue

from shequn_sdk.client import AsyncShequn
from shequn_sdk.domain import Account, ChannelRef, DeliveryState, Frozen, MetricResult
from shequn_sdk.errors import InvalidInput, NotSupported
from shequn_sdk.platforms.discovery import Plugins, load_plugins
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.playbook.check import posts_of
from shequn_sdk.playbook.model import Playbook
from shequn_sdk.reports.model import GoalLine
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.stores.store import Store
from shequn_sdk.testing._drama import Drama, Order
from shequn_sdk.testing._rooms import Entrance, Place
from shequn_sdk.testing.sandbox.server import SandboxServer
from shequn_sdk.testing.simulate import SimulatedCommunity
from shequn_sdk.testing.truth import GroundTruth
from shequn_sdk.testing.world import World

__all__ = ["Lived", "Rehearsal"]

MARKER = ".shequn-rehearsal"
_EVERY = timedelta(hours=6)
"""Members' events are received at least so often."""
_IMPORTANCE = 1.0
_GLANCE = 0.008
"""Real seconds between two looks whether all work waits for the clock."""
_IDLE = 0.0015
"""Seconds of computing between two looks that are still taken for nothing."""
_PAGE = 40
"""A platform that gives fewer events at once has no more."""
_LONGEST = timedelta(minutes=2)
"""Longest wait that is shortened so."""


class Lived(Frozen):
    """What a rehearsal came to."""

    community: str
    platforms: tuple[str, ...]
    days: int
    members: int
    seed: int
    seconds: float
    numbers: Mapping[str, JsonValue]
    """What was measured, by name."""
    report: tuple[Path, ...]


class Rehearsal:
    """One rehearsal of a playbook (彩排).

    Args:
        book: the playbook; channels get addresses on the sandboxes, whatever addresses they have.
        days: local days that are lived.
        members: people who join, spread over the platforms on which members can be heard.
        seed: the same seed gives the same people and the same life.
        start: first local day; the playbook's own, or the Monday after the ground of the demo, 2 March 2026.
        raids: raids by spammers, spread evenly.
        crises: times at which members are angry at once; the crisis plan's thresholds have to notice.
        campaigns: campaigns, each with a named entrance, a content in all channels, newcomers and a coupon.
        buyers: share of active members who buy something of the playbook's products in a week.
        home: directory for the workspace and its report; must be new, empty or of an earlier rehearsal.

    Raises:
        InvalidInput: `home` holds something else.
    """

    def __init__(
        self,
        book: Playbook,
        *,
        days: int = 90,
        members: int = 300,
        seed: int = 7,
        start: date | None = None,
        raids: int = 0,
        crises: int = 0,
        campaigns: int = 0,
        buyers: float = 0.02,
        home: Path,
        plugins: Plugins | None = None,
    ) -> None:
        self.book = book
        self.truth: GroundTruth | None = None
        """What the members really did, after `run`."""
        self.orders: list[Order] = []
        """What was bought."""
        self._days = days
        self._members = members
        self._seed = seed
        self._start = start or book.starts or date(2026, 3, 2)
        self._raids = raids
        self._crises = crises
        self._campaigns = campaigns
        self._buyers = buyers
        self._home = home
        self._plugins = plugins or load_plugins()

    async def run(self, *, progress: Callable[[float], None] | None = None) -> Lived:
        """Live and report; `progress` is told how many days are over.

        Raises:
            InvalidInput: `home` holds something else, the playbook has errors, or none of its platforms has a sandbox.
        """
        _prepare(self._home)
        began = time.monotonic()
        zone = ZoneInfo(self.book.zone)
        clock = ManualClock(datetime.combine(self._start, datetime.min.time(), tzinfo=zone))
        platforms = self._platforms()
        specs = [self._plugins.sandbox(name) for name in platforms]
        options = {spec.platform: dict(spec.rehearsal_options) for spec in specs if spec.rehearsal_options}
        async with SandboxServer(specs, clock=clock, seed=self._seed, options=options) as server:
            accounts = [self._account(server, name) for name in platforms]
            book = self._addressed(server)
            community = book.community().model_copy(
                update={"channels": tuple(one.ref for one in book.channels if one.ref is not None)}
            )
            async with AsyncShequn.open(
                home=self._home,
                accounts=accounts,
                communities=[community],
                clock=clock,
                plugins=self._plugins,
            ) as sq:
                workspace = sq._workspace  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - one package
                workspace.sync = "normal"  # begun anew after a power cut: nobody carries on with a rehearsal
                workspace.on = (
                    "loop"  # everything here waits for everything else: threads would only be woken
                )
                await sq.playbook.apply(book)
                life = SimulatedCommunity(
                    World(clock, seed=self._seed, zone=book.zone),
                    await self._places(server, sq, book),
                    size=self._members,
                    days=self._days,
                )
                drama = Drama(sq, book, life, self._team(server, book), self._main(book, life), self._buyers)
                await drama.arrange(
                    self._days, raids=self._raids, crises=self._crises, campaigns=self._campaigns
                )
                with _seldom_collected():
                    await self._live(sq, book, drama, clock, progress or (lambda _: None))
                self.truth, self.orders = life.truth, drama.orders
                numbers = await self._measure(sq, book) | await drama.told()
                goals = await _goal_lines(sq)
                report = await sq.report(
                    community=book.name,
                    language="zh" if book.language.startswith("zh") else "en",
                    title=book.title,
                    goals=goals,
                )
                paths = report.write(self._home / "reports", formats={"html", "md", "csv"})
        return Lived(
            community=book.name,
            platforms=tuple(platforms),
            days=self._days,
            members=self._members,
            seed=self._seed,
            seconds=round(time.monotonic() - began, 1),
            numbers=numbers,
            report=tuple(paths),
        )

    # -- before

    def _platforms(self) -> list[str]:
        wanted = [
            one.platform or (one.ref.account if one.ref is not None else "") for one in self.book.channels
        ]
        names = [name for name in dict.fromkeys(wanted) if name in self._plugins.sandboxes]
        if not names:
            names = [name for name in sorted(self._plugins.sandboxes) if self._hears(name)][:1]
        if not names:
            raise InvalidInput(
                "none of the playbook's platforms has a sandbox: install their plugins, for example from plugins/"
            )
        return names

    def _hears(self, platform: str) -> bool:
        spec = self._plugins.platforms.get(platform)
        return spec is not None and any(one.supports(Capability.POLL_EVENTS) for one in spec.manifests)

    def _account(self, server: SandboxServer, platform: str) -> Account:
        account = server.account(platform, name=platform)
        more = self._plugins.sandbox(platform).rehearsal_account
        return account.model_copy(update={"options": {**account.options, **more}})

    def _addressed(self, server: SandboxServer) -> Playbook:
        """Give the playbook with a sandbox's channel for each of its own."""
        names = self._platforms()
        taken: set[str] = set()
        channels: list[Any] = []
        plans = self.book.channels or (_lonely(self.book),)
        for one in plans:
            platform = one.platform if one.platform in names else names[0]
            described = [str(native) for native in server.describe()[platform].get("channels", [])]
            free = [native for native in described if f"{platform}:{native}" not in taken]
            try:
                native = server[platform].create_channel(f"{self.book.title} {one.name}", kind="group")
            except (NotSupported, InvalidInput):
                if not free:
                    continue
                native = free[0]
            taken.add(f"{platform}:{native}")
            channels.append(
                one.model_copy(
                    update={"ref": ChannelRef(account=platform, native_id=native), "platform": platform}
                )
            )
        return self.book.model_copy(update={"channels": tuple(channels)})

    async def _places(self, server: SandboxServer, sq: AsyncShequn, book: Playbook) -> list[Place]:
        opened = {one.name: one for one in await sq.entrances.list(community=book.name)}
        places: list[Place] = []
        for one in book.channels:
            assert one.ref is not None
            manifest = sq.accounts.manifest(one.ref.account)
            if not (manifest.supports(Capability.POLL_EVENTS) or manifest.supports(Capability.GATEWAY)):
                continue  # a robot hears nobody: whoever lived there would be in no number
            ways = tuple(
                Entrance(name, invite=way.url, weight=2.0)
                for name, way in opened.items()
                if way.channel == one.ref
            )
            places.append(
                Place(
                    server[one.platform],
                    one.ref.native_id,
                    weight=_IMPORTANCE / (1 + len(places)),
                    entrances=(*ways, Entrance("", weight=1.0)) if ways else (),
                )
            )
        if not places:
            raise InvalidInput(
                "none of the playbook's platforms lets members be heard: nothing could be measured"
            )
        return places

    def _team(self, server: SandboxServer, book: Playbook) -> ChannelRef:
        """Give a channel for the team, apart from the community's where the platform lets one be made."""
        first = next(one for one in book.channels if one.ref is not None)
        assert first.ref is not None
        try:
            native = server[first.platform].create_channel(f"{book.title} team", kind="group")
        except (NotSupported, InvalidInput):
            native = first.ref.native_id
        return ChannelRef(account=first.platform, native_id=native)

    def _main(self, book: Playbook, life: SimulatedCommunity) -> tuple[int, ChannelRef]:
        """Give the place to which most newcomers come, with its channel."""
        place = life.places[0]
        return 0, ChannelRef(account=place.sandbox.platform, native_id=place.channel)

    # -- living

    async def _live(
        self,
        sq: AsyncShequn,
        book: Playbook,
        drama: Drama,
        clock: ManualClock,
        progress: Callable[[float], None],
    ) -> None:
        start = clock.now()
        end = start + timedelta(days=self._days) - timedelta(seconds=1)
        instants = {post.due.astimezone(UTC) for post, _ in posts_of(book, self._start, self._days)}
        waiting = sorted({*instants, *_between(start, end, instants), end.astimezone(UTC)}, reverse=True)
        sources = [one for one in sq.accounts.names() if _listens(sq, one)]
        store = await sq._workspace.store()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - one package
        day = clock.now().date()
        async with _patience(clock, store):
            await _hear(sq, sources)
            while waiting:
                scene = drama.next_scene()
                instant = scene if scene is not None and scene < waiting[-1] else waiting.pop()
                drama.life.live_until(instant)
                await sq.deliver_due()
                await _hear(sq, sources)
                await drama.play()
                if clock.now().date() != day:
                    day = clock.now().date()
                    await drama.shop(day)
                    if day.weekday() == 0:
                        await sq.collect()
                progress((clock.now() - start) / timedelta(days=1))
            await _hear(sq, sources)
            await sq.drain()

    # -- after

    async def _measure(self, sq: AsyncShequn, book: Playbook) -> dict[str, JsonValue]:
        async def compute(name: str, **options: Any) -> MetricResult:
            return await sq.metrics.compute(name, community=book.name, **options)

        counts: Counter[DeliveryState] = Counter()
        for one in book.channels:
            found = await sq.deliveries.list(channel=one.ref, limit=1_000_000)
            counts.update(delivery.state for delivery in found)
        private = sum((await sq.deliveries.counts()).values()) - counts.total()
        joined, left = await compute("members.joined"), await compute("members.left")
        daily = await compute("active_members.dau")
        days = [float(one.value) for one in daily.points if one.value is not None and not one.partial]
        heard = await compute("activity.interactions", grain="total")
        ways = await sq.entrances.results(community=book.name)
        money = await sq.conversion.revenue(community=book.name)
        revenue: dict[str, str] = {}
        for one in money:
            known = revenue.get(one.currency, "0")
            revenue[one.currency] = str(type(one.revenue)(known) + one.revenue)
        return {
            "posts_landed": counts.get(DeliveryState.LANDED, 0),
            "posts_refused": counts.get(DeliveryState.REFUSED, 0),
            "posts_unknown": counts.get(DeliveryState.UNKNOWN, 0),
            "posts_waiting": sum(
                number
                for state, number in counts.items()
                if state in {DeliveryState.PLANNED, DeliveryState.DEFERRED, DeliveryState.AWAITING_PERSON}
            ),
            "posts_expired": counts.get(DeliveryState.EXPIRED, 0),
            "private_messages": private,
            "tasks_for_people": len(await sq.journeys.tasks(community=book.name, limit=1_000_000)),
            "joined": sum(float(one.value or 0) for one in joined.points),
            "left": sum(float(one.value or 0) for one in left.points),
            "members": _last(await compute("members.total")),
            "active_a_day": round(sum(days) / len(days), 2) if days else None,
            "active_in_28_days": _last(await compute("active_members.mau")),
            "interactions": sum(float(one.value or 0) for one in heard.points),
            "by_entrance": {one.name or "(none)": one.joined for one in ways},
            "orders": len(await sq.shop.orders(community=book.name, limit=1_000_000)),
            "revenue": {**revenue},
        }


def _lonely(book: Playbook) -> Any:
    from shequn_sdk.playbook.model import ChannelPlan

    return ChannelPlan(name="main", purpose=book.positioning)


def _prepare(home: Path) -> None:
    if home.exists():
        if any(home.iterdir()) and not (home / MARKER).exists():
            raise InvalidInput(f"{home} holds something else than a rehearsal: choose another directory")
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / MARKER).touch()


def _listens(sq: AsyncShequn, account: str) -> bool:
    manifest = sq.accounts.manifest(account)
    return manifest.supports(Capability.POLL_EVENTS) or manifest.supports(Capability.GATEWAY)


@contextmanager
def _seldom_collected() -> Generator[None]:
    """Let the collector of cycles look seldom: hardly anything becomes garbage while so much is made and kept."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@asynccontextmanager
async def _patience(clock: ManualClock, store: Store) -> AsyncGenerator[None]:
    """Let time pass where an adapter waits for a platform's limit: nobody else would move the clock meanwhile.

    Work waits for the clock when somebody sleeps by it while nothing is asked of the store and nothing is computed,
    twice in a row.
    """

    async def push() -> None:
        quiet, spent = 0, 0.0
        while True:
            await anyio.sleep(_GLANCE if clock.next_wake else 2 * _GLANCE)
            wake = clock.next_wake
            if wake is None or not clock.now() < wake <= clock.now() + _LONGEST:
                quiet, spent = 0, 0.0
                continue
            before, spent = spent, time.process_time()  # costs more than the rest of a glance
            quiet = quiet + 1 if before and not store.under_way and spent - before < _IDLE else 0
            if quiet >= 2:
                quiet = 0
                clock.move_to(wake)

    async with anyio.create_task_group() as group:
        group.start_soon(push)
        yield
        group.cancel_scope.cancel()


def _between(start: datetime, end: datetime, instants: set[datetime]) -> set[datetime]:
    """Give further instants, so that no stretch without any is longer than `_EVERY`, and each local day ends with one."""
    step, found = start, set[datetime]()
    for stop in sorted({*instants, end.astimezone(UTC)}):
        while stop - step > _EVERY:
            step += _EVERY
            found.add(step.astimezone(UTC))
        step = max(step, stop)
    return found


async def _hear(sq: AsyncShequn, sources: list[str]) -> None:
    """Receive what waits, and let rooms act on it; a platform that gave a full page is asked for the next one."""
    asked = sources
    while asked:
        new = {one: await sq.poll_once(one) for one in asked}
        if not any(new.values()):
            return
        await sq.process()
        await sq.deliver_due()
        asked = [one for one, number in new.items() if number >= _PAGE]


def _last(result: MetricResult) -> float | None:
    return next((float(one.value) for one in reversed(result.points) if one.value is not None), None)


async def _goal_lines(sq: AsyncShequn) -> tuple[GoalLine, ...]:
    lines: list[GoalLine] = []
    metrics = {one.name: one for one in await sq.metrics.list()}
    for one in await sq.goals.report():
        if one.target is None or one.progress is None:
            continue
        expected = one.progress.expected
        lines.append(
            GoalLine(
                title=one.goal.title,
                target=round(one.target, 2),
                metric=one.goal.metric,
                value=one.progress.value,
                expected=None if expected is None else round(expected, 2),
                unit=metrics[one.goal.metric].unit,
                due=one.goal.due,
            )
        )
    return tuple(lines)
