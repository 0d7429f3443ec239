"""Metrics recounted in plain Python, straight from definitions: no SQL and nothing of the aggregator takes part.

The events are made up here, with everything that a definition has to say something about: two platforms, channels, roles,
several tags per member, entrances, a person with two identities, bots, spam, what was taken back, views told as counters.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from shequn_sdk.domain import InteractionBatch, MemberRef
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics import DuckDBEventStore, MemberFacts, Metrics, Segment
from shequn_sdk.scheduling.clock import ManualClock

ZONE = ZoneInfo("America/New_York")
FIRST = datetime(2026, 2, 9, 5, tzinfo=UTC)  # a Monday, midnight in the zone; summer time starts on March 8
DAYS = 42
LAST = (FIRST + timedelta(days=DAYS - 1)).astimezone(ZONE).date()
SPEECH = {"message", "comment", "question", "answer"}
PASSIVE = {"join", "leave"}
DIMS = ("platform", "channel", "role", "tag", "entrance")


class Fact(NamedTuple):
    """What is known of a member."""

    role: str
    tags: tuple[str, ...]
    entrance: str
    bot: bool


class Event(NamedTuple):
    """One interaction, with what became of it."""

    id: str
    kind: str
    at: datetime
    platform: str
    channel: str
    member: str
    person: str
    message: str
    parent: str
    target: str
    value: float | None
    spam: bool
    bot: bool
    retracted: bool = False

    @property
    def day(self) -> date:
        return self.at.astimezone(ZONE).date()

    @property
    def hour(self) -> int:
        return self.at.astimezone(ZONE).hour

    @property
    def post(self) -> tuple[str, str, str]:
        return self.platform, self.channel, self.message

    @property
    def answers(self) -> tuple[str, str, str] | None:
        return (self.platform, self.channel, self.parent) if self.parent else None


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def bucket(day: date, grain: str) -> date | str:
    if grain == "week":
        return monday(day)
    if grain == "month":
        return day.replace(day=1)
    return "total" if grain == "total" else day


class World:
    """The events, the facts, and how they look through a dimension."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.facts: dict[tuple[str, str], Fact] = {}
        for platform in ("alpha", "beta"):
            for number in range(24):
                self.facts[platform, f"{platform[0]}{number}"] = Fact(
                    role=rng.choice(["owner", "admin", "member", "member"]),
                    tags=tuple(sorted(rng.sample(["vip", "new", "quiet"], rng.choice([0, 1, 1, 2])))),
                    entrance=rng.choice(["", "poster", "friend"]),
                    bot=number == 0,
                )
        self.same = {("beta", "b5"): "alpha:a5", ("beta", "b6"): "alpha:a6"}
        self.events = self._make()
        self._sort_out()

    def person(self, platform: str, member: str) -> str:
        return self.same.get((platform, member), f"{platform}:{member}")

    def _make(self) -> list[Event]:
        rng, found = self.rng, list[Event]()
        posts: dict[tuple[str, str], list[str]] = defaultdict(list)
        moments = sorted(rng.uniform(0, DAYS * 86_400 - 7_200) for _ in range(1_500))
        kinds = (
            ["message"] * 6
            + ["reaction"] * 5
            + ["comment"] * 3
            + ["question", "answer", "share", "share", "view", "view"]
        )
        kinds += ["vote", "purchase", "refund", "join", "leave", "check_in", "mention"]
        for number, seconds in enumerate(moments):
            platform = rng.choice(["alpha", "beta"])
            name = f"{platform[0]}{min(int(rng.expovariate(0.12)), 23)}"
            kind = rng.choice(kinds)
            channel = rng.choice(["c1", "c2"])
            known = posts[platform, channel]
            message = parent = target = ""
            if kind in {"message", "question", "comment", "answer", "share"}:
                message = f"p{number}"
                if known and (kind in {"comment", "answer", "share"} or rng.random() < 0.3):
                    parent = rng.choice(known[-12:])
                known.append(message)
            elif kind in {"reaction", "view", "vote"} and known:
                message = rng.choice(known[-20:])
            if kind in {"mention", "message"} and rng.random() < 0.4:
                target = f"{platform[0]}{rng.randrange(24)}"
            counter = kind == "view" and rng.random() < 0.4
            found.append(
                Event(
                    id=f"e{number}", kind=kind, at=FIRST + timedelta(seconds=int(seconds)), platform=platform,
                    channel=channel, member="" if counter else name, person="" if counter else self.person(platform, name),
                    message=message, parent=parent, target=target,
                    value=float(rng.randrange(1, 60)) if kind in {"purchase", "refund"} or counter else None,
                    spam=rng.random() < 0.05, bot=not counter and self.facts[platform, name].bot,
                )
            )  # fmt: skip
        return found

    def _sort_out(self) -> None:
        """Take some messages back."""
        recalled = set(self.rng.sample(range(len(self.events)), 60))
        self.recalls = [
            event
            for number, event in enumerate(self.events)
            if number in recalled and event.kind in SPEECH | {"share"}
        ]
        gone = {event.id for event in self.recalls}
        self.all = [event._replace(retracted=event.id in gone) for event in self.events]
        self.whole = [event for event in self.all if not event.retracted]
        self.kept = [event for event in self.whole if not event.bot and not event.spam]
        self.acts = [event for event in self.kept if event.person and event.kind not in PASSIVE]

    def batches(self) -> list[InteractionBatch]:
        """Give the events as they arrive: recalls last."""
        found: list[InteractionBatch] = []
        for platform in ("alpha", "beta"):
            batch = InteractionBatch(platform=platform)
            for event in self.events:
                if event.platform == platform:
                    batch.append(
                        id=event.id, kind=event.kind, occurred_at=event.at, channel=event.channel, member=event.member,
                        message=event.message, parent=event.parent, target=event.target, value=event.value,
                        is_bot=event.bot, currency="CNY" if event.kind in {"purchase", "refund"} else "",
                        attrs='{"spam": true}' if event.spam else "",
                    )  # fmt: skip
            for event in self.recalls:
                if event.platform == platform:
                    batch.append(
                        id=f"r{event.id}", kind="retract", occurred_at=event.at + timedelta(minutes=5), channel=event.channel,
                        member=event.member, message=event.message, attrs=f'{{"retracts": "{event.kind}"}}',
                    )  # fmt: skip
            found.append(batch)
        return found

    def seen_as(self, event: Event, dim: str, *, target: bool = False) -> list[str]:
        """Give the groups in which an event counts when split by a dimension; of its actor, or of whom it addresses."""
        if not dim:
            return [""]
        if dim == "platform":
            return [event.platform]
        if dim == "channel":
            return [f"{event.platform}:{event.channel}"]
        fact = self.facts.get((event.platform, event.target if target else event.member))
        if dim == "tag":
            return list(fact.tags) if fact and fact.tags else [""]
        return [getattr(fact, dim) if fact else ""]

    def split(self, events: list[Event], dim: str) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            for group in self.seen_as(event, dim):
                found[group].append(event)
        return found


@pytest.fixture(scope="module", params=[1, 2])
def world(request):
    return World(request.param)


@pytest.fixture(scope="module", params=[True, False], ids=["rollups", "log"])
def ask(request, world, tmp_path_factory):
    path = tmp_path_factory.mktemp("recount") / "events.duckdb"
    with DuckDBEventStore(path, idle=60) as store:
        store.ensure_community("one", zone=ZONE.key)
        for batch in world.batches():
            store.append(batch, community="one")
        store.set_members(
            [
                MemberFacts(
                    ref=MemberRef(platform=platform, native_id=native), role=fact.role, tags=frozenset(fact.tags),
                    entrance=fact.entrance,
                )
                for (platform, native), fact in world.facts.items()
            ],
            community="one",
        )  # fmt: skip
        for (platform, native), other in world.same.items():
            first, second = other.split(":")
            store.link_persons(
                [MemberRef(platform=first, native_id=second), MemberRef(platform=platform, native_id=native)]
            )
        metrics = Metrics(
            store, clock=ManualClock(FIRST + timedelta(days=DAYS, hours=12)), rollups=request.param
        )

        def answer(name: str, **given: Any) -> Any:
            given.setdefault("start", FIRST.astimezone(ZONE).date())
            given.setdefault("end", LAST)
            return metrics.compute_now(name, community="one", **given)

        yield answer


def told(result: Any, dim: str, *more: str) -> dict[tuple[Any, ...], Any]:
    """Give what a result says by (group, bucket, further dimensions); nothing said is left out."""
    found: dict[tuple[Any, ...], Any] = {}
    for point in result.points:
        key = (
            str(point.dims.get(dim, "")) if dim else "",
            point.bucket,
            *(point.dims[name] for name in more),
        )
        assert key not in found, key
        found[key] = point
    return found


def values(result: Any, dim: str, *more: str) -> dict[tuple[Any, ...], float]:
    return {key: point.value for key, point in told(result, dim, *more).items() if point.value}


def parts(result: Any, dim: str, *more: str) -> dict[tuple[Any, ...], tuple[float, float]]:
    return {
        key: (point.numerator, point.denominator)
        for key, point in told(result, dim, *more).items()
        if point.denominator
    }


ALL_DAYS = [FIRST.astimezone(ZONE).date() + timedelta(days=n) for n in range(DAYS)]
SPLITS = ["", *DIMS]


def active(events: list[Event]) -> dict[date, set[str]]:
    found: dict[date, set[str]] = defaultdict(set)
    for event in events:
        found[event.day].add(event.person)
    return found


@pytest.mark.parametrize("dim", SPLITS)
def test_active_members(ask, world, dim):
    by = (dim,) if dim else ()
    for name, window in (("dau", 1), ("wau", 7), ("mau", 28)):
        wanted = {}
        for group, events in world.split(world.acts, dim).items():
            days = active(events)
            for day in ALL_DAYS:
                count = len(set().union(*(days.get(day - timedelta(days=n), set()) for n in range(window))))
                if count:
                    wanted[group, day.isoformat()] = count
        assert values(ask(f"active_members.{name}", by=by), dim) == wanted
    for grain in ("week", "month", "total"):
        wanted = defaultdict(set)
        for group, events in world.split(world.acts, dim).items():
            for event in events:
                wanted[group, str(bucket(event.day, grain))].add(event.person)
        assert values(ask("active_members.distinct", by=by, grain=grain), dim) == {
            key: len(persons) for key, persons in wanted.items()
        }


@pytest.mark.parametrize("dim", SPLITS)
def test_activity(ask, world, dim):
    by = (dim,) if dim else ()
    groups = world.split([event for event in world.kept if event.kind not in PASSIVE], dim)
    for grain in ("day", "week", "month", "total"):
        wanted = Counter(
            (group, str(bucket(event.day, grain))) for group, events in groups.items() for event in events
        )
        assert values(ask("activity.interactions", by=by, grain=grain), dim) == wanted
    wanted = Counter(
        (group, str(event.day.weekday() * 24 + event.hour))
        for group, events in groups.items()
        for event in events
    )
    assert values(ask("activity.heatmap", by=by), dim) == wanted
    said = {}
    for group, events in world.split([event for event in world.kept if event.kind in SPEECH], dim).items():
        for start in {monday(event.day) for event in events}:
            week = [event for event in events if monday(event.day) == start]
            said[group, str(start)] = len(week), len({event.person for event in week})
    assert parts(ask("activity.messages_per_member", by=by, grain="week"), dim) == said


@pytest.mark.parametrize("dim", SPLITS)
@pytest.mark.parametrize("grain", ["day", "week", "month"])
def test_who_is_new_returns_or_falls_silent(ask, world, dim, grain):
    by = (dim,) if dim else ()
    joins = [event for event in world.kept if event.kind == "join"]
    seen = {group: list(events) for group, events in world.split(world.acts + joins, dim).items()}
    order = sorted({bucket(day, grain) for day in ALL_DAYS})
    wanted: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    kept: dict[tuple[str, str], tuple[int, int]] = {}
    for group, events in seen.items():
        first: dict[str, date] = {}
        for event in events:
            first[event.person] = min(event.day, first.get(event.person, event.day))
        present: dict[Any, set[str]] = defaultdict(set)
        for event in events:
            if event.kind != "join":
                present[bucket(event.day, grain)].add(event.person)
        for position, unit in enumerate(order):
            before = present[order[position - 1]] if position else set()
            key = (group, str(unit))
            for person in present[unit]:
                state = "resurrected"
                if bucket(first[person], grain) == unit:
                    state = "new"
                elif person in before:
                    state = "returning"
                wanted[state][key] += 1
            if silent := before - present[unit]:
                wanted["dormant"][key] = len(silent)
            if before:
                kept[key] = len(before & present[unit]), len(before)
    for state in ("new", "returning", "resurrected", "dormant"):
        assert values(ask(f"active_members.{state}", by=by, grain=grain), dim) == wanted[state], state
    assert parts(ask("retention.period", by=by, grain=grain), dim) == kept


@pytest.mark.parametrize("dim", SPLITS)
def test_retention(ask, world, dim):
    by = (dim,) if dim else ()
    joins = [event for event in world.kept if event.kind == "join"]
    exact: dict[tuple[Any, ...], tuple[int, int]] = {}
    later: dict[tuple[Any, ...], tuple[int, int]] = {}
    weeks: dict[tuple[Any, ...], tuple[int, int]] = {}
    for group, events in world.split(world.acts + joins, dim).items():
        first: dict[str, date] = {}
        days: dict[str, set[date]] = defaultdict(set)
        for event in events:
            first[event.person] = min(event.day, first.get(event.person, event.day))
            if event.kind != "join":
                days[event.person].add(event.day)
        for number in (0, 1, 7, 30):
            ripe = [person for person, day in first.items() if day + timedelta(days=number) <= LAST]
            if ripe:
                on = sum(first[person] + timedelta(days=number) in days[person] for person in ripe)
                after = sum(
                    any(day >= first[person] + timedelta(days=number) for day in days[person])
                    for person in ripe
                )
                exact[group, "total", number] = on, len(ripe)
                later[group, "total", number] = after, len(ripe)
        for cohort in {monday(day) for day in first.values()}:
            members = [person for person, day in first.items() if monday(day) == cohort]
            for period in range((LAST - cohort).days // 7 + 1):
                week = cohort + timedelta(days=7 * period)
                stayed = sum(any(monday(day) == week for day in days[person]) for person in members)
                weeks[group, str(cohort), period] = stayed, len(members)
    numbers = {"days": (0, 1, 7, 30)}
    assert parts(ask("retention.day", by=by, params=numbers), dim, "day") == exact
    assert parts(ask("retention.day", by=by, params=numbers | {"mode": "on_or_after"}), dim, "day") == later
    assert parts(ask("retention.weekly", by=by), dim, "period") == weeks


def moves(world: World, dim: str, *, addressed: bool) -> dict[str, list[tuple[datetime, int, str, date]]]:
    """List, by group, who joins (1), leaves (2), acts (0) and is addressed (-1) when."""
    found: dict[str, list[tuple[datetime, int, str, date]]] = defaultdict(list)
    for event in world.kept:
        if event.person:
            turn = {"join": 1, "leave": 2}.get(event.kind, 0)
            for group in world.seen_as(event, dim):
                found[group].append((event.at, turn, event.person, event.day))
    if addressed:
        for event in world.whole:
            fact = world.facts.get((event.platform, event.target))
            if fact and not fact.bot:
                for group in world.seen_as(event, dim, target=True):
                    found[group].append((event.at, -1, world.person(event.platform, event.target), event.day))
    return found


def walk(steps: list[tuple[datetime, int, str, date]]) -> Iterator[tuple[datetime, date, int, set[str]]]:
    """Go through who comes and goes; give after each step when it was, by how many the members changed, and who is in.

    A join brings in; the first act does when no join came before it, and being addressed only who was never heard of.
    """
    inside: set[str] = set()
    heard: set[str] = set()
    acted: set[str] = set()
    for moment, turn, person, day in sorted(steps, key=lambda step: step[:2]):
        change = 0
        if turn == 2:
            change = -1 if person in inside or person not in heard else 0
            inside.discard(person)
        elif person not in inside and (
            turn == 1 or (turn == 0 and person not in acted) or (turn == -1 and person not in heard)
        ):
            inside.add(person)
            change = 1
        heard.add(person)
        if turn in {0, 1}:
            acted.add(person)
        yield moment, day, change, inside


def stock(
    steps: list[tuple[datetime, int, str, date]],
) -> tuple[Counter[date], Counter[date], dict[date, int]]:
    """Count by day who came, who went, and who is in at its end."""
    joined, left, sizes = Counter[date](), Counter[date](), dict[date, int]()
    for _, day, change, inside in walk(steps):
        if change:
            (joined if change > 0 else left)[day] += 1
        sizes[day] = len(inside)
    total: dict[date, int] = {}
    size = 0
    for day in ALL_DAYS:
        size = total[day] = sizes.get(day, size)
    return joined, left, total


@pytest.mark.parametrize("dim", SPLITS)
def test_membership(ask, world, dim):
    by = (dim,) if dim else ()
    for group_moves, names in (
        (moves(world, dim, addressed=False), ("joined", "left")),
        (moves(world, dim, addressed=True), ("total",)),
    ):
        walked = {group: stock(steps) for group, steps in group_moves.items()}
        for name in names:
            place = ("joined", "left", "total").index(name)
            wanted = {
                (group, str(day)): count
                for group, found in walked.items()
                for day, count in found[place].items()
                if count
            }
            assert values(ask(f"members.{name}", by=by, grain="day"), dim) == wanted, name
    rates = {}
    for group, (_, _, total) in walked.items():
        for start in {monday(day) for day in ALL_DAYS}:
            before = total.get(start - timedelta(days=1), 0)
            if before:
                rates[group, str(start)] = total[start + timedelta(days=6)] - before, before
    assert parts(ask("members.growth_rate", by=by, grain="week"), dim) == rates


@pytest.mark.parametrize("dim", SPLITS)
def test_who_churned(ask, world, dim):
    by = (dim,) if dim else ()
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for group, events in world.split([event for event in world.kept if event.person], dim).items():
        acts: dict[str, list[date]] = defaultdict(list)
        leaves: dict[str, set[date]] = defaultdict(set)
        for event in events:
            if event.kind == "leave":
                leaves[event.person].add(event.day)
                wanted[group, str(monday(event.day))].add(event.person)
            elif event.kind != "join":
                acts[event.person].append(event.day)
        for person, days in acts.items():
            for day in sorted(set(days)):
                lapse = day + timedelta(days=14)
                again = any(day < other <= lapse for other in days)
                gone = any(day <= other <= lapse for other in leaves[person])
                if lapse <= LAST and not again and not gone:
                    wanted[group, str(monday(lapse))].add(person)
    said = values(ask("members.churned", by=by, grain="week", params={"weeks": 2}), dim)
    assert said == {key: len(persons) for key, persons in wanted.items()}


def interactions(world: World, *, votes: bool = False) -> Counter[tuple[str, str, str]]:
    """Count what was done with each message."""
    found = Counter[tuple[str, str, str]]()
    for event in world.kept:
        if event.kind == "reaction" or (votes and event.kind == "vote"):
            if event.message:
                found[event.post] += 1
        elif event.kind in SPEECH | {"share"} and event.answers:
            found[event.answers] += 1
    return found


def published(world: World) -> list[Event]:
    return [
        event
        for event in world.whole
        if event.kind in {"message", "question"} and not event.parent and event.message and not event.spam
    ]


@pytest.mark.parametrize("dim", ["", "platform", "channel"])
@pytest.mark.parametrize("votes", [False, True])
def test_engagement(ask, world, dim, votes):
    by, params = ((dim,) if dim else ()), {"votes": votes}
    received = interactions(world, votes=votes)
    viewers: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    counted: dict[tuple[str, str, str], float] = defaultdict(float)
    single = Counter[tuple[str, str, str]]()
    for event in world.kept:
        if event.kind == "view" and event.message:
            if event.person:
                viewers[event.post].add(event.person)
                single[event.post] += 1
            else:
                counted[event.post] = max(counted[event.post], event.value or 0.0)
    sizes = {
        group: sorted(steps, key=lambda step: step[:2])
        for group, steps in moves(world, dim, addressed=True).items()
    }
    plain: dict[tuple[str, str], list[int]] = defaultdict(list)
    rates: dict[str, dict[tuple[str, str], tuple[float, float]]] = defaultdict(dict)
    for post in published(world):
        (group,) = world.seen_as(post, dim)
        key = (group, str(monday(post.day)))
        plain[key].append(received[post.post])
        below = {
            "reach": len(viewers[post.post]),
            "views": single[post.post] + counted[post.post],
            "members": present_at(sizes[group], post.at),
        }
        for name, number in below.items():
            if number:
                above, under = rates[name].get(key, (0, 0))
                rates[name][key] = above + received[post.post], under + number
    said = ask("content.engagement", by=by, grain="week", params=params)
    assert parts(said, dim) == {key: (sum(found), len(found)) for key, found in plain.items()}
    said = ask("content.engagement.median", by=by, grain="week", params=params)
    assert {key: point.value for key, point in told(said, dim).items()} == {
        key: median(found) for key, found in plain.items()
    }
    for name in ("reach", "views", "members"):
        said = parts(ask(f"content.engagement.by_{name}", by=by, grain="week", params=params), dim)
        assert said == rates[name], name


def present_at(steps: list[tuple[datetime, int, str, date]], moment: datetime) -> int:
    """Count who was in at an instant, those who came in it included."""
    size = 0
    for when, _, _, inside in walk(steps):
        if when > moment:
            break
        size = len(inside)
    return size


def hours_that_were() -> Counter[int]:
    """Count how often each hour of the week really came: one was missing when summer time began."""
    found = Counter[int]()
    moment = FIRST
    while moment.astimezone(ZONE).date() <= LAST:
        local = moment.astimezone(ZONE)
        found[local.weekday() * 24 + local.hour] += 1
        moment += timedelta(hours=1)
    return found


def test_best_hours_of_members(ask, world):
    came = hours_that_were()
    assert came[6 * 24 + 2] == DAYS // 7 - 1
    present = {(event.person, event.day, event.hour) for event in world.acts}
    counts = Counter(day.weekday() * 24 + hour for _, day, hour in present)
    for shrink in (0.0, 4.0):
        wanted = {}
        for cell in range(168):
            same = [other for other in range(168) if other % 24 == cell % 24]
            usual = sum(counts[other] for other in same) / sum(came[other] for other in same)
            wanted["", str(cell)] = (counts[cell] + shrink * usual) / (came[cell] + shrink)
        said = told(ask("activity.best_hour", params={"shrink": shrink}), "")
        assert {key: point.value for key, point in said.items()} == pytest.approx(wanted)
        assert all(said["", str(cell)].denominator == came[cell] for cell in range(168))
        best = max(wanted.values())
        assert [wanted[key] for key, point in said.items() if point.dims["rank"] == 1] == pytest.approx(
            [best]
        )


def test_best_hours_of_posts(ask, world):
    received = interactions(world)
    cells: dict[int, list[int]] = defaultdict(list)
    for post in published(world):
        cells[post.day.weekday() * 24 + post.hour].append(received[post.post])
    everything = [count for found in cells.values() for count in found]
    usual = sum(everything) / len(everything)
    for shrink in (0.0, 5.0):
        wanted = {
            ("", str(cell)): (sum(found) + shrink * usual) / (len(found) + shrink)
            for cell, found in cells.items()
        }
        said = told(ask("content.best_hour", params={"shrink": shrink}), "")
        assert {key: point.value for key, point in said.items()} == pytest.approx(wanted)
        ranks = sorted(said.values(), key=lambda point: point.dims["rank"])
        assert [point.dims["rank"] for point in ranks] == list(range(1, len(ranks) + 1))
        assert all(a.value >= b.value for a, b in pairwise(ranks))


@pytest.mark.parametrize("dim", SPLITS)
def test_how_long_questions_wait(ask, world, dim):
    by = (dim,) if dim else ()
    answers: dict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for event in world.kept:
        if event.kind in SPEECH and event.answers:
            answers[event.answers].append(event)
    waits: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for event in world.kept:
        if event.kind == "question":
            later = [a.at for a in answers[event.post] if a.person != event.person and a.at >= event.at]
            wait = (min(later) - event.at).total_seconds() if later else None
            for group in world.seen_as(event, dim):
                waits[group, "total"].append(wait)
    middle, slow, open_ = {}, {}, {}
    for key, found in waits.items():
        known = sorted(wait for wait in found if wait is not None)
        open_[key] = len(found) - len(known), len(found)
        if known:
            middle[key] = median(known)
            place = 0.9 * (len(known) - 1)
            low, high = math.floor(place), math.ceil(place)
            slow[key] = known[low] + (known[high] - known[low]) * (place - low)
    given = {"by": by, "grain": "total"}
    assert values(ask("response.median", **given), dim) == pytest.approx(middle)
    assert values(ask("response.p90", **given), dim) == pytest.approx(slow)
    assert parts(ask("response.unanswered", **given), dim) == open_


@pytest.mark.parametrize("dim", SPLITS)
def test_what_others_met(ask, world, dim):
    """A question in return is an answer as well."""
    met: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for event in world.kept:
        if event.kind == "reaction" and event.message:
            met[event.post].add(event.person)
        elif event.kind in SPEECH | {"share"} and event.answers:
            met[event.answers].add(event.person)
    shares: dict[tuple[str, str], tuple[int, int]] = {}
    for group, events in world.split(world.kept, dim).items():
        said = [event for event in events if event.kind in {"message", "question"}]
        if said:
            shares[group, "total"] = (
                sum(bool(met[event.post] - {event.person, ""}) for event in said),
                len(said),
            )
    by = (dim,) if dim else ()
    assert parts(ask("atmosphere.reply_share", by=by, grain="total"), dim) == shares


@pytest.mark.parametrize("dim", SPLITS)
def test_mood_and_money(ask, world, dim):
    by = (dim,) if dim else ()
    flagged: dict[tuple[str, str], tuple[int, int]] = {}
    for group, events in world.split([event for event in world.whole if not event.bot], dim).items():
        spoken = [event for event in events if event.kind in SPEECH]
        if spoken:
            flagged[group, "total"] = sum(event.spam for event in spoken), len(spoken)
    assert parts(ask("atmosphere.spam_share", by=by, grain="total"), dim) == flagged
    money: dict[tuple[str, str], float] = defaultdict(float)
    buyers: dict[tuple[str, str], tuple[int, int]] = {}
    for group, events in world.split(world.acts, dim).items():
        for event in events:
            if event.kind in {"purchase", "refund"}:
                sign = 1 if event.kind == "purchase" else -1
                money[group, str(monday(event.day))] += sign * (event.value or 0.0)
        for start in {monday(event.day) for event in events}:
            week = [event for event in events if monday(event.day) == start]
            bought = {event.person for event in week if event.kind == "purchase"}
            buyers[group, str(start)] = len(bought), len({event.person for event in week})
    said = values(ask("conversion.revenue", by=by, grain="week"), dim)
    assert said == {key: amount for key, amount in money.items() if amount}
    assert parts(ask("conversion.buyers", by=by, grain="week"), dim) == buyers


def edges(world: World) -> Counter[tuple[str, str, str]]:
    """Count who paid attention to whom, and how."""
    authors = {
        event.post: event.person
        for event in world.kept
        if event.kind in SPEECH | {"share"} and event.message and event.person
    }
    found = Counter[tuple[str, str, str]]()
    for event in world.kept:
        if not event.person or event.kind not in SPEECH | {"reaction", "share", "mention"}:
            continue
        about = event.post if event.kind == "reaction" else event.answers
        author = authors.get(about) if about and about[2] else None
        if author is not None and event.kind != "mention":
            if author != event.person:
                found[event.person, author, event.kind] += 1
        elif event.target and not world.facts[event.platform, event.target].bot:
            aim = world.person(event.platform, event.target)
            if aim != event.person:
                found[event.person, aim, "aimed"] += 1
    return found


def test_leader_scores(ask, world):
    weight: dict[tuple[str, str], float] = defaultdict(float)
    for (source, aim, kind), number in edges(world).items():
        weight[source, aim] += {"reaction": 1.0, "share": 5.0, "aimed": 1.0}.get(kind, 3.0) * number
    nodes = sorted({person for pair in weight for person in pair})
    out: dict[str, float] = defaultdict(float)
    for (source, _), value in weight.items():
        out[source] += value
    rank = dict.fromkeys(nodes, 1 / len(nodes))
    for _ in range(300):
        lost = sum(rank[person] for person in nodes if not out[person])
        fresh = dict.fromkeys(nodes, (0.15 + 0.85 * lost) / len(nodes))
        for (source, aim), value in weight.items():
            fresh[aim] += 0.85 * rank[source] * value / out[source]
        rank = fresh
    fans = {person: {source for source, aim in weight if aim == person} for person in nodes}
    raw = {}
    for person in nodes:
        circle, ring = fans[person], 0.0
        if len(circle) >= 5:
            pairs = sum((a, b) in weight for a in circle for b in circle if a != b)
            ring = pairs / (len(circle) * (len(circle) - 1))
        raw[person] = rank[person] * math.log(1 + len(circle)) * (1 - ring)
    ordered = sorted(raw.values())
    wanted = {
        person: (
            100 * sum(other <= value + 1e-12 for other in ordered) / len(ordered),
            len(fans[person]),
            sum(value for (_, aim), value in weight.items() if aim == person),
        )
        for person, value in raw.items()
        if len(fans[person]) >= 5 and value > 0
    }
    said = ask("kol.score", params={"top": 0}).points
    assert {
        point.dims["member"]: (point.value, point.dims["supporters"], point.dims["attention"])
        for point in said
    } == {person: pytest.approx(found, abs=1e-6) for person, found in wanted.items()}
    assert [point.value for point in said] == sorted((point.value for point in said), reverse=True)
    ranks = ask("kol.pagerank", params={"top": 0}).points
    assert {point.dims["member"]: point.value for point in ranks} == {
        person: pytest.approx(rank[person], abs=1e-8) for person in nodes if fans[person]
    }


def test_concentration(ask, world):
    each = sorted(
        Counter(
            event.person for event in world.kept if event.kind in SPEECH | {"share"} and event.person
        ).values(),
        reverse=True,
    )
    whole = sum(each)
    for top in (0.1, 0.25, 0.34):
        (said,) = ask("contributors.top_share", params={"top": top}).points
        members = max(1, math.floor(len(each) * top + 0.5))
        assert said.dims["members"] == members
        assert (said.numerator, said.denominator) == (sum(each[:members]), whole)
    for share in (0.5, 0.8):
        (said,) = ask("contributors.absence_factor", params={"share": share}).points
        assert said.value == next(n for n in range(1, len(each) + 1) if sum(each[:n]) >= share * whole)
    (said,) = ask("contributors.gini").points
    gaps = sum(abs(a - b) for a in each for b in each)
    assert said.value == pytest.approx(gaps / (2 * len(each) * whole))


def done_by(world: World) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in world.kept:
        if event.person:
            found[event.person].append(event)
    return found


def ordered(events: list[Event], entries: list[Event], steps: tuple[str, ...], window: timedelta) -> int:
    """Take each step at its first time after the step before."""
    taken = entries[:1]
    for kind in steps[1:]:
        later = [e for e in events if e.kind == kind and e.at >= taken[-1].at and e not in taken]
        if not later or later[0].at > taken[0].at + window:
            break
        taken.append(later[0])
    return len(taken)


def strict(events: list[Event], entries: list[Event], steps: tuple[str, ...], window: timedelta) -> int:
    """Take the longest run of events right after each other."""
    best = 0
    for entry in entries:
        run = 0
        for event, kind in zip(events[events.index(entry) :], steps, strict=False):
            if event.kind != kind or event.at > entry.at + window:
                break
            run += 1
        best = max(best, run)
    return best


def whichever(events: list[Event], entries: list[Event], steps: tuple[str, ...], window: timedelta) -> int:
    """Take the steps as they come."""
    begin = entries[0].at
    return len({e.kind for e in events if e.kind in steps and begin <= e.at <= begin + window})


@pytest.mark.parametrize("dim", SPLITS)
@pytest.mark.parametrize(
    ("order", "gone_through"), [("ordered", ordered), ("strict", strict), ("any", whichever)]
)
def test_funnels(ask, world, dim, order, gone_through):
    for steps, days in ((("message", "reaction", "comment"), 3), (("share", "view"), 20)):
        begins = set(steps) if order == "any" else {steps[0]}
        wanted = Counter[tuple[str, str, int]]()
        for events in done_by(world).values():
            # who is split counts where it enters, wherever it takes the further steps
            for group, entries in world.split(
                [event for event in events if event.kind in begins], dim
            ).items():
                reached = gone_through(events, entries, steps, timedelta(days=days))
                for number in range(1, reached + 1):
                    wanted[group, "total", number] += 1
        given = {"steps": steps, "window_days": days, "order": order}
        said = ask("conversion.funnel", by=(dim,) if dim else (), params=given)
        counted = told(said, dim, "step").items()
        assert {key: point.numerator for key, point in counted if point.numerator} == wanted
        assert all(point.denominator == wanted[key[0], "total", 1] for key, point in counted)


def test_in_any_order_a_kind_is_one_step(ask):
    with pytest.raises(InvalidInput, match="only once"):
        ask("conversion.funnel", params={"steps": ("message", "message"), "order": "any"})


def test_a_split_without_groups_has_no_points(ask):
    for name in ("active_members.dau", "active_members.mau", "members.total"):
        assert ask(name, by=("role",), where=Segment(roles=("ghost",))).points == ()
        assert ask(name, where=Segment(roles=("ghost",))).points[0].value == 0
