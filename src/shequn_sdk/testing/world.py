"""The world in which sandboxes live: a clock, a seed, and people with Chinese names and birthdays."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox.api import Person

__all__ = ["Personality", "Traits", "World"]

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢傅钟姜崔谭廖范汪陆金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段雷黎史龙陶贺顾毛郝龚邵万钱严覃武莫孔汤"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红建文斌波辉鑫宇浩然欣怡子涵梓轩雨桐思远佳琪晓梦婷雪俊凯琳慧颖晨曦博睿诗悦可心一诺安然书瑶若彤景行"
_PINYIN = (
    "lan",
    "mei",
    "jun",
    "hao",
    "ting",
    "yu",
    "chen",
    "xin",
    "rui",
    "fei",
    "qing",
    "bo",
    "jia",
    "ning",
    "yan",
)


class Personality(StrEnum):
    """How a member takes part."""

    LURKER = "lurker"
    """Reads, now and then reacts (潜水)."""
    REGULAR = "regular"
    TALKER = "talker"
    """Talks much."""
    STAR = "star"
    """Is answered and shared much: an opinion leader (意见领袖)."""
    SPAMMER = "spammer"
    """Came to advertise (广告)."""


@dataclass(frozen=True, slots=True)
class Traits:
    """How likely a member does what; shares are chances per visit."""

    visits: float
    """Visits per day while enthusiastic."""
    talk: float
    reply: float
    react: float
    share: float
    vote: float
    check_in: float
    """Share of days on which they check in."""
    buy: float
    """Chance per visit."""
    stay_days: float
    """Mean time until they leave or fall silent for good."""
    charisma: float
    """Weight with which others answer them."""


TRAITS: dict[Personality, Traits] = {
    Personality.LURKER: Traits(0.35, 0.05, 0.06, 0.30, 0.02, 0.35, 0.02, 0.002, 45.0, 0.5),
    Personality.REGULAR: Traits(0.9, 0.35, 0.35, 0.45, 0.05, 0.60, 0.25, 0.006, 90.0, 1.0),
    Personality.TALKER: Traits(2.2, 0.65, 0.60, 0.50, 0.08, 0.75, 0.45, 0.010, 140.0, 2.0),
    Personality.STAR: Traits(2.6, 0.80, 0.70, 0.40, 0.06, 0.80, 0.55, 0.012, 400.0, 9.0),
    Personality.SPAMMER: Traits(1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.1),
}
"""What each personality does."""

_SHARES = (
    (Personality.LURKER, 0.56),
    (Personality.REGULAR, 0.30),
    (Personality.TALKER, 0.11),
    (Personality.STAR, 0.03),
)


class World:
    """People and time of a rehearsal.

    The n-th person of a world depends on the seed and n only.

    >>> from datetime import UTC
    >>> world = World(ManualClock(datetime(2026, 3, 1, tzinfo=UTC)), seed=7)
    >>> world.newcomer() == World(world.clock, seed=7).newcomer()
    True
    """

    def __init__(self, clock: ManualClock, *, seed: int = 0, zone: str = "Asia/Shanghai") -> None:
        self.clock = clock
        self.seed = seed
        self.zone = ZoneInfo(zone)
        """Members' days and hours are of this zone."""
        self.people: list[Person] = []

    def newcomer(self, *, prefix: str = "p") -> Person:
        """Give a person who was not there before."""
        number = len(self.people)
        person = self.make_person(number, prefix=prefix)
        self.people.append(person)
        return person

    def make_person(self, number: int, *, prefix: str = "p") -> Person:
        """Make the person with that number; the same for the same seed."""
        rng = self.rng("person", prefix, number)
        given = "".join(rng.choice(_GIVEN) for _ in range(rng.choice((1, 2, 2))))
        born = date(1978, 1, 1) + timedelta(days=rng.randrange(365 * 25))
        username = f"{rng.choice(_PINYIN)}_{rng.choice(_PINYIN)}{number}"
        return Person(
            id=f"{prefix}{number}", name=rng.choice(_SURNAMES) + given, username=username, birthday=born
        )

    def personality(self, person: Person) -> Personality:
        """Draw how a person takes part; always the same."""
        rng = self.rng("personality", person.id)
        return rng.choices([kind for kind, _ in _SHARES], [share for _, share in _SHARES])[0]

    def rng(self, *parts: object) -> random.Random:
        """Give random numbers that depend on the seed and `parts` only."""
        return random.Random("/".join(map(str, (self.seed, *parts))))

    def local(self, instant: datetime) -> datetime:
        """Give an instant in the world's zone."""
        return instant.astimezone(self.zone)

    def today(self) -> date:
        """Give the local day on which the clock stands."""
        return self.local(self.clock.now()).date()

    def midnight(self, day: date) -> datetime:
        """Give the instant at which a local day begins."""
        return datetime(day.year, day.month, day.day, tzinfo=self.zone)
