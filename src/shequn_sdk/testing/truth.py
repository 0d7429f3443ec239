"""What simulated members really did: the ground truth against which metrics are checked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from shequn_sdk.domain import InteractionKind

__all__ = ["GroundTruth", "SimulatedAct"]

_COMING_AND_GOING = frozenset({InteractionKind.JOIN, InteractionKind.LEAVE})


@dataclass(frozen=True, slots=True)
class SimulatedAct:
    """One thing that a simulated member did and that the platform took."""

    at: datetime
    kind: InteractionKind
    platform: str
    channel: str
    person: str
    """Id of the `Person`."""
    member: str
    """Their native id on the platform."""
    message: str = ""
    """Native id of the message that was made or acted on."""
    parent: str = ""
    """Native id of the message that was answered or shared."""
    entrance: str = ""
    amount: Decimal | None = None
    check_in: bool = False
    """A message with which the member checked in."""
    spam: bool = False
    """A spammer did it."""


@dataclass(slots=True)
class GroundTruth:
    """All acts in order of time, and plain counts over them; days are local days of `zone`."""

    zone: ZoneInfo
    acts: list[SimulatedAct] = field(default_factory=list[SimulatedAct])
    refused: Counter[str] = field(default_factory=Counter[str])
    """Acts that a platform refused for its own reasons (banned, muted, message gone), by act."""

    def select(
        self,
        kinds: Iterable[InteractionKind] | None = None,
        *,
        platform: str | None = None,
        channel: str | None = None,
    ) -> list[SimulatedAct]:
        """Give the acts that match; None matches all."""
        wanted = None if kinds is None else frozenset(kinds)
        return [
            act
            for act in self.acts
            if (wanted is None or act.kind in wanted)
            and (platform is None or act.platform == platform)
            and (channel is None or act.channel == channel)
        ]

    def counts(
        self, *, platform: str | None = None, channel: str | None = None
    ) -> dict[InteractionKind, int]:
        """Give how often each kind happened."""
        found = Counter(act.kind for act in self.select(platform=platform, channel=channel))
        return {kind: found[kind] for kind in InteractionKind if found[kind]}

    def per_day(
        self, *kinds: InteractionKind, platform: str | None = None, channel: str | None = None
    ) -> dict[date, int]:
        """Give how many acts of `kinds` (all when none is named) fell on each local day that had any."""
        chosen = self.select(kinds or None, platform=platform, channel=channel)
        return _sorted(Counter(self.day(act) for act in chosen))

    def active_per_day(
        self,
        *,
        without: Iterable[InteractionKind] = _COMING_AND_GOING,
        platform: str | None = None,
        channel: str | None = None,
    ) -> dict[date, int]:
        """Give how many different members of a platform did anything but `without` on each local day."""
        left_out = frozenset(without)
        seen = {
            (self.day(act), act.platform, act.member)
            for act in self.select(platform=platform, channel=channel)
            if act.kind not in left_out
        }
        return _sorted(Counter(day for day, _, _ in seen))

    def members(self, *, platform: str | None = None, channel: str | None = None) -> int:
        """Give how many members there are after the last act: joins less leaves."""
        counts = self.counts(platform=platform, channel=channel)
        return counts.get(InteractionKind.JOIN, 0) - counts.get(InteractionKind.LEAVE, 0)

    def members_per_day(self, *, platform: str | None = None, channel: str | None = None) -> dict[date, int]:
        """Give how many members there were at the end of each local day on which somebody came or went."""
        stock, result = 0, dict[date, int]()
        for act in self.select(_COMING_AND_GOING, platform=platform, channel=channel):
            stock += 1 if act.kind is InteractionKind.JOIN else -1
            result[self.day(act)] = stock
        return result

    def by_entrance(self) -> dict[str, int]:
        """Give how many came through each entrance; "" is without one."""
        return dict(sorted(Counter(act.entrance for act in self.select([InteractionKind.JOIN])).items()))

    def day(self, act: SimulatedAct) -> date:
        """Give the local day of an act."""
        return act.at.astimezone(self.zone).date()

    def digest(self) -> str:
        """Give a short fingerprint: equal for runs in which the same people did the same at the same time.

        Native message ids are left out, because platforms may make them in their own way.
        """
        hasher = hashlib.blake2b(digest_size=16)
        for act in self.acts:
            line = (
                f"{act.at.isoformat()}|{act.kind}|{act.platform}|{act.person}|{act.entrance}|{act.amount}\n"
            )
            hasher.update(line.encode())
        return hasher.hexdigest()


def _sorted(counter: Mapping[date, int]) -> dict[date, int]:
    return {day: counter[day] for day in sorted(counter)}
