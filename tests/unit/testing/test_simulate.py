"""Simulated members: same seed same numbers, truth equal to the platform's own log, graceful where things lack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from shequn_sdk.domain import InteractionKind as Kind
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing import Entrance, Personality, Place, SimulatedCommunity, World

START = datetime(2026, 3, 1, 16, tzinfo=UTC)  # midnight of 2 March in Shanghai


async def lived(make_square, *, seed=7, size=60, days=21, every=timedelta(hours=4), **named):
    clock = ManualClock(START)
    square = make_square(clock)
    community = SimulatedCommunity(
        World(clock, seed=seed), [Place(square, "main")], size=size, days=days, **named
    )
    async for _ in community.live(days=days, every=every):
        pass
    return community, square


async def test_truth_equals_the_platforms_own_log(make_square) -> None:
    community, square = await lived(make_square, size=150, days=40)
    names = {
        "join": Kind.JOIN,
        "leave": Kind.LEAVE,
        "say": Kind.MESSAGE,
        "react": Kind.REACTION,
        "unreact": Kind.RETRACT,
        "share": Kind.SHARE,
        "vote": Kind.VOTE,
        "buy": Kind.PURCHASE,
    }
    assert [(act.at, act.kind, act.person) for act in community.truth.acts] == [
        (at, names[act], person) for at, act, person, _ in square.log
    ]
    assert community.truth.members() == len(square.inside)
    counts = community.truth.counts()
    assert all(
        counts[kind]
        for kind in (Kind.JOIN, Kind.LEAVE, Kind.MESSAGE, Kind.REACTION, Kind.SHARE, Kind.RETRACT)
    )
    assert not community.truth.refused


async def test_growth_ends_at_the_size_asked_for(make_square) -> None:
    community, _ = await lived(make_square, size=80, days=30, spam_share=0.05)
    joins = community.truth.select([Kind.JOIN])
    assert sum(not act.spam for act in joins) == 80
    assert sum(act.spam for act in joins) == 4
    assert len({act.person for act in joins}) == 84
    first = community.truth.per_day(Kind.JOIN)[date(2026, 3, 2)]
    assert first >= 10, "founders come on the first day"
    async for _ in community.live(days=10):
        pass
    assert len(community.truth.select([Kind.JOIN])) > 84, "a trickle follows"


@pytest.mark.parametrize("every", [timedelta(minutes=37), timedelta(hours=24)])
async def test_length_of_the_steps_changes_nothing(make_square, every) -> None:
    one, _ = await lived(make_square, days=8, every=timedelta(hours=3))
    other, _ = await lived(make_square, days=8, every=every)
    assert one.truth.digest() == other.truth.digest()
    assert one.truth.acts == other.truth.acts


async def test_seeds_differ(make_square) -> None:
    one, _ = await lived(make_square, days=5)
    other, _ = await lived(make_square, days=5, seed=8)
    assert one.truth.digest() != other.truth.digest()


def test_order_of_hashes_changes_nothing() -> None:
    program = (
        "import random\nfrom datetime import *\nfrom shequn_sdk.testing import *\n"
        "class S(BaseSandbox):\n"
        "    platform='s'; app=None\n"
        "    def describe(self): return {}\n"
        "    def channels(self): return []\n"
        "    def messages(self, channel, *, limit=50): return []\n"
        "    def join(self, channel, person, *, invite=''): pass\n"
        "    def leave(self, channel, person): pass\n"
        "    def react(self, channel, person, message, emoji): pass\n"
        "    def say(self, channel, person, text, *, reply_to=''):\n"
        "        self.n = getattr(self, 'n', 0) + 1; return str(self.n)\n"
        "c = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))\n"
        "s = S(SandboxContext(c, random.Random(1), '', NoFaults(), None))\n"
        "m = SimulatedCommunity(World(c, seed=3), [Place(s, 'x')], size=40, days=10)\n"
        "m.live_until(c.now() + timedelta(days=10)); print(m.truth.digest())\n"
    )
    seen = set()
    for hash_seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert len(seen.pop().strip()) == 32


async def test_members_answer_published_content(make_square) -> None:
    clock = ManualClock(START)
    square = make_square(clock)
    community = SimulatedCommunity(World(clock, seed=1), [Place(square, "main")], size=100, days=10)
    polls = []
    async for now in community.live(days=10, every=timedelta(hours=6)):
        assert clock.now() == now
        if len(polls) < 5:
            polls.append(square.publish("今天运动了吗", choices=("有", "没有", "明天")))
    votes = community.truth.select([Kind.VOTE])
    assert {act.message for act in votes} <= set(polls)
    assert len(votes) > 20
    assert max(Counter((act.person, act.message) for act in votes).values()) == 1
    reacted = Counter(act.message for act in community.truth.select([Kind.REACTION]))
    assert sum(reacted[poll] for poll in polls) / len(polls) > reacted.total() / max(len(reacted), 1)


async def test_days_have_a_rhythm_and_members_a_life(make_square) -> None:
    community, _ = await lived(make_square, size=200, days=90)
    truth = community.truth
    hours = Counter(act.at.astimezone(truth.zone).hour for act in truth.select([Kind.MESSAGE]))
    assert hours[20] + hours[21] > 5 * (hours[3] + hours[4])
    end = community.world.clock.now()
    returned = [
        member
        for member in community.members
        if member.silent_until is not None
        and member.silent_until < end
        and any(act.person == member.person.id and act.at > member.silent_until for act in truth.acts)
    ]
    assert returned
    for member in community.members:
        if member.silent_from is None:
            continue
        over = member.silent_until or end
        visits = [act for act in truth.acts if act.person == member.person.id and act.kind is not Kind.LEAVE]
        quiet = member.silent_from + timedelta(hours=2)
        assert not [act for act in visits if quiet < act.at < over], "the silent are silent"
    assert any(member.silent_from and member.silent_until is None for member in community.present())
    stars = [member.person.id for member in community.members if member.personality is Personality.STAR]
    assert stars
    assert any(act.check_in for act in truth.acts)
    assert sum(truth.per_day().values()) == len(truth.acts)
    assert list(truth.members_per_day().values())[-1] == truth.members()
    active = truth.active_per_day()
    assert max(active.values()) <= 206
    day = max(active, key=active.get)
    assert active[day] == len(
        {a.member for a in truth.acts if truth.day(a) == day and a.kind not in {Kind.JOIN, Kind.LEAVE}}
    )


async def test_entrances_are_told_apart(make_square) -> None:
    clock = ManualClock(START)
    square = make_square(clock)
    ways = (Entrance("海报", invite="inv1", weight=3), Entrance("朋友", invite="inv2"))
    community = SimulatedCommunity(World(clock), [Place(square, "main", entrances=ways)], size=60, days=5)
    await community.run_day()
    await community.run_day(date(2026, 3, 6))
    assert clock.now() == datetime(2026, 3, 6, 16, tzinfo=UTC)
    found = community.truth.by_entrance()
    assert set(found) == {"海报", "朋友"}
    assert found["海报"] > found["朋友"]
    assert Counter(square.invites) == {"inv1": found["海报"], "inv2": found["朋友"]}


async def test_what_a_platform_lacks_is_left_out(make_square, billboard_class) -> None:
    clock = ManualClock(START)
    square, billboard = make_square(clock), make_square(clock, billboard_class)
    community = SimulatedCommunity(
        World(clock, seed=2), [Place(square, "main"), Place(billboard, "b", talk=False)], size=60, days=6
    )
    async for _ in community.live(days=6):
        pass
    assert {act.platform for act in community.truth.acts} == {"square"}
    both = [member for member in community.members if len(member.places) == 2]
    assert both
    assert len(community.truth.select(platform="square")) == len(square.log)


async def test_a_shop_is_optional(make_square) -> None:
    clock = ManualClock(START)
    square = make_square(clock, shop=False)
    community = SimulatedCommunity(World(clock, seed=2), [Place(square, "main")], size=100, days=30)
    community.live_until(START + timedelta(days=30))
    assert not community.truth.select([Kind.PURCHASE])
    other = make_square(ManualClock(START))
    other.buy = lambda person, sku: pytest.fail("a buy of another form is not called")
    again = SimulatedCommunity(World(other.context.clock, seed=2), [Place(other, "main")], size=100, days=30)
    again.live_until(START + timedelta(days=30))
    assert again.truth.digest() == community.truth.digest()


async def test_the_banned_give_up(make_square) -> None:
    clock = ManualClock(START)
    square = make_square(clock)
    community = SimulatedCommunity(
        World(clock, seed=2), [Place(square, "main")], size=30, days=30, spam_share=0
    )
    community.live_until(START + timedelta(days=2))
    square.banned = {member.person.id for member in community.members}
    done = community.live_until(START + timedelta(days=20))
    old = [act for act in done if act.person in square.banned and act.kind is not Kind.LEAVE]
    assert not old
    assert 0 < sum(community.truth.refused.values()) <= 5 * len(square.banned)


async def test_a_raid_comes_at_once(make_square) -> None:
    clock = ManualClock(START)
    square = make_square(clock)
    community = SimulatedCommunity(World(clock), [Place(square, "main")], size=20, days=10)
    community.live_until(START + timedelta(days=1))
    community.raid(people=40, within=timedelta(minutes=1))
    done = community.live_until(START + timedelta(days=1, minutes=10))
    spam = [act for act in done if act.spam]
    assert sum(act.kind is Kind.JOIN for act in spam) == 40
    assert sum(act.kind is Kind.MESSAGE for act in spam) >= 40


def test_people_have_names_and_birthdays() -> None:
    world = World(ManualClock(START), seed=5)
    people = [world.newcomer() for _ in range(200)]
    assert len({person.id for person in people}) == 200
    assert all(2 <= len(person.name) <= 3 and person.birthday for person in people)
    assert world.make_person(17) == people[17]
    assert len({person.name for person in people}) > 150
    with pytest.raises(ValueError, match="at least one place"):
        SimulatedCommunity(world, [])
