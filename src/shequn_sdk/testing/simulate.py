"""Simulated members: they join, talk, answer, react, share, vote, check in, buy, fall silent, return, leave, and spam.

They act through `PlatformSandbox` under a `ManualClock`, so that a rehearsal of ninety days takes seconds:

```python
community = SimulatedCommunity(World(clock, seed=7), [Place(server["telegram"], channel)], size=300, days=90)
async for now in community.live(days=90, every=timedelta(hours=4)):
    ...  # publish what is due, receive events: the members lived up to `now`
community.truth.active_per_day()
```
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta

from anyio.lowlevel import checkpoint

from shequn_sdk.testing import _talk
from shequn_sdk.testing._acts import Act, Acts, is_spam
from shequn_sdk.testing._rooms import Entrance, Place, Room, Shop, SimulatedMember
from shequn_sdk.testing.truth import GroundTruth, SimulatedAct
from shequn_sdk.testing.world import TRAITS, Personality, World

__all__ = ["Entrance", "Place", "Shop", "SimulatedCommunity", "SimulatedMember"]

_HOUR = timedelta(hours=1)
_WEEKDAY = (2, 1, 0.5, 0.4, 0.5, 2, 5, 8, 7, 5, 5, 6, 9, 7, 5, 4, 5, 6, 8, 10, 13, 14, 10, 5)
_WEEKEND = (4, 2, 1, 0.5, 0.5, 1, 3, 5, 7, 9, 10, 9, 9, 7, 7, 7, 7, 7, 8, 10, 12, 12, 10, 7)


class SimulatedCommunity:
    """Members who live in one or more places.

    Args:
        world: clock, seed and people. Its clock is moved by `live_until`, `live` and `run_day`.
        places: where they live; several platforms may be mixed. What a platform lacks (`NotSupported`) is not tried
            again there.
        size: how many people join within `days`, apart from spammers.
        days: length of the growth curve; afterwards a trickle follows.
        founders: share of `size` that joins in the first hours.
        spam_share: spammers, against `size`.
    """

    def __init__(
        self,
        world: World,
        places: Sequence[Place],
        *,
        size: int = 300,
        days: int = 90,
        founders: float = 0.12,
        spam_share: float = 0.03,
    ) -> None:
        if not places:
            raise ValueError("a community needs at least one place")
        self.world = world
        self.truth = GroundTruth(zone=world.zone)
        self.members: list[SimulatedMember] = []
        self._rooms = [Room(place) for place in places]
        self._acts = Acts(world, self.truth, self._rooms, at=self._at)
        self._queue: list[tuple[datetime, int, Act]] = []
        self._number = 0
        self.size = size
        self._days = max(days, 1)
        now = world.clock.now()
        self._first_day = world.today()
        self._planned_until = now.replace(minute=0, second=0, microsecond=0)
        self._planned_day: date | None = None
        self._weights = _normalised_rhythm()
        self._arrivals = self._plan_growth(founders)
        self._spam_days = self._plan_spam(round(size * spam_share))

    @property
    def places(self) -> Sequence[Place]:
        """Where they live."""
        return [room.place for room in self._rooms]

    # running

    def live_until(self, instant: datetime) -> Sequence[SimulatedAct]:
        """Let everybody act until `instant`, moving the clock from act to act; gives what was done."""
        before = len(self.truth.acts)
        clock = self.world.clock
        for room in self._rooms:
            room.look()
        while True:
            reach = min(self._planned_until, instant)
            while self._queue and self._queue[0][0] < reach:
                at, _, act = heapq.heappop(self._queue)
                if at > clock.now():
                    clock.move_to(at)
                act(clock.now())
            if self._planned_until >= instant:
                break
            self._plan_hour(self._planned_until)
            self._planned_until += _HOUR
        if instant > clock.now():
            clock.move_to(instant)
        return self.truth.acts[before:]

    async def live(self, *, days: int, every: timedelta = timedelta(hours=1)) -> AsyncIterator[datetime]:
        """Live for `days` local days from now on, and pause after each stretch of length `every`.

        Gives the instant reached; between two stretches the caller publishes, receives and measures. The last
        stretch ends at midnight.
        """
        end = self.world.midnight(self.world.today() + timedelta(days=days))
        while (now := self.world.clock.now()) < end:
            self.live_until(min(now + every, end))
            await checkpoint()
            yield self.world.clock.now()

    async def run_day(self, day: date | None = None) -> Sequence[SimulatedAct]:
        """Live until the end of the local day `day` (today when None), hour by hour; gives what was done."""
        before = len(self.truth.acts)
        last = day or self.world.today()
        async for _ in self.live(days=(last - self.world.today()).days + 1):
            pass
        return self.truth.acts[before:]

    def raid(self, *, people: int = 30, within: timedelta = timedelta(minutes=2), place: int = 0) -> None:
        """Let many spammers come at once, from now on within a short time; they act when life goes on."""
        now = self.world.clock.now()
        for number in range(people):
            self._at(now + within * (number / max(people, 1)), self._spammer_arrives(place))

    def quarrel(self, *, people: int = 25, within: timedelta = timedelta(minutes=20), place: int = 0) -> int:
        """Let members be angry in one place, from now on within a short time; gives how many are."""
        now = self.world.clock.now()
        rng = self.world.rng("quarrel", now.timestamp())
        inside = [one for one in self.present() if place in one.places and not is_spam(one)]
        angry = rng.sample(inside, min(people, len(inside)))
        for member in angry:
            for _ in range(rng.randint(1, 2)):
                self._at(now + within * rng.random(), self._acts.says(member, place, _talk.angry(rng)))
        return len(angry)

    def invite(self, entrance: Entrance, *, people: int, within: timedelta, place: int = 0) -> None:
        """Let people come through one entrance, from now on within a time: a campaign brings them."""
        now = self.world.clock.now()
        rng = self.world.rng("invite", entrance.name, now.timestamp())
        for _ in range(people):
            at = self._daytime(now + within * rng.random())
            self._at(at, lambda now: self._arrive(now, place=place, entrance=entrance))

    def present(self) -> list[SimulatedMember]:
        """Give those who have not left."""
        return [member for member in self.members if member.left_at is None]

    def refs(self, member: SimulatedMember) -> list[str]:
        """Give a member's references, `platform:native-id`, in the places where they live."""
        sandboxes = [self._rooms[number].place.sandbox for number in member.places]
        return [f"{sandbox.platform}:{sandbox.member_id(member.person)}" for sandbox in sandboxes]

    # planning

    def _plan_growth(self, founders: float) -> list[int]:
        rng = self.world.rng("growth")
        shape = [
            (0.35 + 2.718281828 ** (-2.0 * day / self._days) + (0.9 if day % 14 in {5, 6} else 0.0))
            * rng.uniform(0.6, 1.4)
            for day in range(self._days)
        ]
        first = round(self.size * founders)
        rest, total, placed = self.size - first, sum(shape), 0
        arrivals: list[int] = []
        reached = 0.0
        for weight in shape:
            reached += weight
            until = round(rest * reached / total)
            arrivals.append(until - placed)
            placed = until
        arrivals[0] += first
        return arrivals

    def _plan_spam(self, spammers: int) -> dict[int, int]:
        rng = self.world.rng("spam")
        days: dict[int, int] = {}
        for _ in range(spammers):
            day = rng.randrange(self._days)
            days[day] = days.get(day, 0) + 1
        return days

    def _plan_day(self, day: date, start: datetime) -> None:
        rng = self.world.rng("day", day)
        index = (day - self._first_day).days
        trickle = 0.3 * self.size / self._days
        joins = self._arrivals[index] if index < self._days else int(trickle + rng.random())
        hours = list(range(self.world.local(start).hour, 24))
        weights = [self._weights[day.weekday() * 24 + hour] for hour in hours]
        midnight = self.world.midnight(day)

        def some_time() -> datetime:
            chosen = rng.choices(hours, weights)[0]
            return max(start, midnight + timedelta(hours=chosen, seconds=rng.randrange(3600)))

        for _ in range(joins):
            self._at(some_time(), self._newcomer_arrives)
        for _ in range(self._spam_days.get(index, 0)):
            self._at(some_time(), self._spammer_arrives(rng.randrange(len(self._rooms))))

    def _plan_hour(self, start: datetime) -> None:
        local = self.world.local(start)
        if local.date() != self._planned_day:
            self._planned_day = local.date()
            self._plan_day(local.date(), start)
        weight = self._weights[local.weekday() * 24 + local.hour]
        rng = self.world.rng("hour", start.timestamp())
        for member in self.members:
            chance, second = rng.random(), rng.random()
            most = (
                member.traits.visits * weight
            )  # enthusiasm is at most 1, and costs more to know than the chance
            if chance < most and chance < most * member.enthusiasm(start):
                self._at(start + second * _HOUR, self._acts.visit_of(member))

    def _daytime(self, instant: datetime) -> datetime:
        """Nobody leaves in their sleep."""
        return instant + 9 * _HOUR if self.world.local(instant).hour < 8 else instant

    def _at(self, instant: datetime, act: Act) -> None:
        self._number += 1
        heapq.heappush(self._queue, (instant, self._number, act))

    # coming and going

    def _newcomer_arrives(self, now: datetime) -> None:
        self._arrive(now)

    def _arrive(self, now: datetime, *, place: int | None = None, entrance: Entrance | None = None) -> None:
        person = self.world.newcomer()
        rng = self.world.rng("arrival", person.id)
        kind = self.world.personality(person)
        traits = TRAITS[kind]
        room = rng.choices(range(len(self._rooms)), [room.place.weight for room in self._rooms])[0]
        if place is not None:
            room = place
        member = SimulatedMember(person, kind, traits, now, [room])
        self.members.append(member)
        entrance = self._acts.enter(room, member, now, rng, way=entrance)
        stay = timedelta(
            days=rng.expovariate(1.0) * traits.stay_days * (entrance.quality if entrance else 1.0)
        )
        if rng.random() < 0.45:
            self._at(self._daytime(now + stay), self._acts.leaver(member))
        else:
            member.silent_from = now + stay
        if member.silent_from is None and rng.random() < 0.3:
            member.silent_from = now + timedelta(days=rng.uniform(5, 45))
            member.silent_until = member.silent_from + timedelta(days=rng.uniform(8, 30))
        if rng.random() < 0.12 and len(self._rooms) > 1:
            other = rng.choice([number for number in range(len(self._rooms)) if number != room])
            self._at(now + timedelta(hours=rng.uniform(0.2, 20)), self._second_place(member, other))
        if rng.random() < traits.talk:
            self._at(
                now + timedelta(seconds=rng.uniform(20, 900)), self._acts.says(member, room, _talk.hello(rng))
            )

    def _second_place(self, member: SimulatedMember, room: int) -> Act:
        def act(now: datetime) -> None:
            if member.left_at is None:
                member.places.append(room)
                self._acts.enter(room, member, now, self.world.rng("second", member.person.id))

        return act

    def _spammer_arrives(self, room: int) -> Act:
        def act(now: datetime) -> None:
            person = self.world.newcomer(prefix="spam")
            rng = self.world.rng("spammer", person.id)
            traits = TRAITS[Personality.SPAMMER]
            member = SimulatedMember(person, Personality.SPAMMER, traits, now, [room])
            self.members.append(member)
            self._acts.enter(room, member, now, rng, spam=True)
            for number in range(rng.randint(1, 3)):
                self._at(
                    now + timedelta(seconds=60 * number + rng.uniform(5, 50)),
                    self._acts.says(member, room, _talk.advert(rng)),
                )
            self._at(now + timedelta(days=rng.expovariate(1.0) * traits.stay_days), self._acts.leaver(member))

        return act


def _normalised_rhythm() -> list[float]:
    """Give 168 weights, Monday 00 first, of which a day has 1 on average."""
    raw = [float(value) for _ in range(5) for value in _WEEKDAY] + [
        float(value) for _ in range(2) for value in _WEEKEND
    ]
    scale = 7.0 / sum(raw)
    return [value * scale for value in raw]
