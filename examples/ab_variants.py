"""Which of two wordings gets more members to react? Two groups, each with both, compared without wishful thinking.

Group one gets A first and B the week after, group two the other way round, so that neither a livelier group nor a livelier
day decides. Members are counted by a metric; the interval says what may be claimed. Needs no account.
"""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta

import anyio

from shequn_sdk import AsyncShequn, ChannelRef, Community, Content
from shequn_sdk.metrics.model import Segment
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer

START = datetime(2026, 3, 2, 4, tzinfo=UTC)
VARIANTS = {"A": "今晚八点直播", "B": "月饼怎么吃不长胖?今晚八点,营养师在线答"}
TRUTH = {"A": 0.25, "B": 0.55}
"""How likely the simulated members react; the comparison does not know it."""


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Give the 95 % interval of a share (Wilson 1927)."""
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return middle - half, middle + half


def difference(a: tuple[int, int], b: tuple[int, int]) -> tuple[float, float, float]:
    """Give the difference of two shares with its 95 % interval (Newcombe 1998, method 10)."""
    (low_a, high_a), (low_b, high_b) = wilson(*a), wilson(*b)
    share_a, share_b = a[0] / a[1], b[0] / b[1]
    gap = share_b - share_a
    low = gap - math.hypot(share_b - low_b, high_a - share_a)
    high = gap + math.hypot(high_b - share_b, share_a - low_a)
    return gap, low, high


async def main() -> None:
    rng = random.Random(7)  # noqa: S311 - simulated members
    clock = ManualClock(START)
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        platform = sandbox["telegram"]
        groups = [platform.create_channel(f"健康养生社{number}群") for number in (1, 2)]
        people = {
            group: [Person(id=f"{group}-{number}", name=f"成员{number}") for number in range(30)]
            for group in groups
        }
        for group in groups:
            for person in people[group]:
                platform.join(group, person)
        refs = tuple(ChannelRef(account="bot", native_id=group) for group in groups)
        account = sandbox.account("telegram", name="bot")
        account = account.model_copy(
            update={"options": {"poll_timeout": 0}}
        )  # nobody waits for what does not come
        async with AsyncShequn.open(
            accounts=[account],
            communities=[Community(name="health", channels=refs)],
            plugins=plugins,
            clock=clock,
        ) as sq:
            await sq.poll_once()  # a platform tells of reactions only to those who listen
            counted = {"A": (0, 0), "B": (0, 0)}
            for week, order in enumerate(("AB", "BA")):
                at = START + timedelta(days=7 * week, hours=8)
                for group, variant in zip(groups, order, strict=True):
                    await sq.calendar.add(
                        Content(text=VARIANTS[variant], attrs={"variant": variant}),
                        to=[f"bot:{group}"],
                        at=at,
                        state="scheduled",
                    )
                clock.move_to(at)
                await sq.deliver_due()
                for group, variant in zip(groups, order, strict=True):
                    post = platform.messages(group)[0]
                    for person in people[group]:
                        if rng.random() < TRUTH[variant]:
                            platform.react(group, person, post.native_id, "👍")
                while await sq.poll_once():
                    await sq.drain()
                for group, variant in zip(groups, order, strict=True):
                    hits, of = counted[variant]
                    active = await active_members(sq, group, at.date())
                    counted[variant] = (hits + active, of + len(people[group]))
            for variant, (hits, of) in counted.items():
                low, high = wilson(hits, of)
                print(f"{variant}: {hits} of {of} reacted, {hits / of:.0%} ({low:.0%} to {high:.0%})")
            gap, low, high = difference(counted["A"], counted["B"])
            print(f"B - A: {gap:+.0%} ({low:+.0%} to {high:+.0%})")
            print("B is better" if low > 0 else "A is better" if high < 0 else "no difference can be claimed")


async def active_members(sq: AsyncShequn, group: str, day: date) -> int:
    """Count who did anything in a group on a day."""
    result = await sq.metrics.compute(
        "active_members.dau", start=day, end=day, where=Segment(channels=(group,))
    )
    return int(sum(point.value or 0 for point in result.points))


if __name__ == "__main__":
    anyio.run(main)
