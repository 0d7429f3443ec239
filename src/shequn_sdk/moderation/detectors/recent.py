"""What only several messages show together: flooding, the same message from many, many newcomers at once.

Each detector keeps a short, bounded memory in the process; after a restart it begins anew.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from shequn_sdk.moderation.detectors.normal import fold_character
from shequn_sdk.moderation.model import DUPLICATE, FLOOD, RAID, Evidence, Verdict, evidence

__all__ = ["Copies", "Joins", "Pace", "name_stem"]

_SECOND = 1_000_000
_SHORTEST = 16
_DIGITS = re.compile("[0-9]+")
_MOST = 50_000
"""Members, messages or channels remembered at once."""
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Bounded(dict[K, V], Generic[K, V]):
    """Forgets what was put in first when it grows too large."""

    def trim(self) -> None:
        while len(self) > _MOST:
            del self[next(iter(self))]


class Pace:
    """Finds members who write faster than people do (刷屏)."""

    def __init__(self, *, messages: int = 8, seconds: float = 10.0) -> None:
        """Call it flooding when a member writes more than `messages` within `seconds` in one channel."""
        self._most = messages
        self._window = int(seconds * _SECOND)
        self._times: _Bounded[tuple[str, str], deque[int]] = _Bounded()

    def see(self, channel: str, member: str, at: int, text: str) -> Verdict | None:
        """Note a message at `at` (microseconds); gives the verdict on it."""
        times = self._times.get((channel, member))
        if times is None:
            self._times[channel, member] = deque((at,), self._most + 1)
            if len(self._times) > _MOST:
                self._times.trim()
            return None
        times.append(at)
        if len(times) <= self._most or at - times[0] > self._window:
            return None
        seconds = max(1, (at - times[0]) // _SECOND)
        shown = evidence(text, 0, len(text), f"message {len(times)} within {seconds} s")
        return Verdict(kind=FLOOD, score=0.9, evidence=(shown,))


class Copies:
    """Finds the same message from several members, or again and again from one (复制刷屏).

    Equal is what is equal after folding, numbers aside; messages of fewer than 16 letters are never copies: many congratulate alike.
    """

    def __init__(self, *, members: int = 3, times: int = 3, seconds: float = 600.0) -> None:
        """Find what `members` wrote, or one wrote `times` times, within `seconds`."""
        self._members = members
        self._repeats = times
        self._window = int(seconds * _SECOND)
        self._once: _Bounded[str, tuple[int, str]] = _Bounded()
        self._seen: _Bounded[str, deque[tuple[int, str]]] = _Bounded()

    def see(self, member: str, at: int, plain: str, text: str) -> Verdict | None:
        """Note a message with its folded text; gives the verdict on it."""
        if len(plain) < _SHORTEST:
            return None
        key = plain if plain.isalpha() else _DIGITS.sub("", plain)
        if len(key) < _SHORTEST:
            return None
        first = self._once.get(key)
        if first is None:  # most are never written again: a pair costs a tenth of what a queue does
            self._once[key] = (at, member)
            if len(self._once) > _MOST:
                self._once.trim()
            return None
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = deque((first,), 32)
            if len(self._seen) > _MOST:
                self._seen.trim()
        seen.append((at, member))
        while seen[0][0] < at - self._window:
            seen.popleft()
        people = {who for _, who in seen}
        mine = sum(who == member for _, who in seen)
        if len(people) >= self._members:
            why, score = f"the same words from {len(people)} members", min(0.95, 0.55 + 0.07 * len(people))
        elif mine >= self._repeats:
            why, score = f"the same words for the {mine}th time", min(0.9, 0.55 + 0.07 * mine)
        else:
            return None
        return Verdict(kind=DUPLICATE, score=score, evidence=(evidence(text, 0, len(text), why),))


def name_stem(name: str) -> str:
    """Give what names of one series share: folded letters without digits.

    >>> name_stem("小助手_01") == name_stem("小助手 27")
    True
    """
    return "".join(map(fold_character, name[:64])).rstrip("0123456789").strip("0123456789")


class Joins:
    """Finds raids: many who join one channel within a short time (炸群)."""

    def __init__(self, *, joins: int = 10, seconds: float = 60.0, similar: int = 5) -> None:
        """Call it a raid when `joins` join within `seconds`, or `similar` whose names differ by a number only."""
        self._most = joins
        self._similar = similar
        self._window = int(seconds * _SECOND)
        self._seen: _Bounded[str, deque[tuple[int, str, str]]] = _Bounded()

    def see(self, channel: str, member: str, name: str, at: int) -> Verdict | None:
        """Note somebody who joined; gives a verdict on the channel. The same person again counts once."""
        seen = self._seen.setdefault(channel, deque(maxlen=4 * self._most))
        if len(self._seen) > _MOST:
            self._seen.trim()
        while seen and seen[0][0] < at - self._window:
            seen.popleft()
        if any(who == member for _, who, _ in seen):
            return None
        stem = name_stem(name)
        seen.append((at, member, stem))
        alike = sum(one == stem for _, _, one in seen) if len(stem) >= 2 else 0
        seconds = self._window // _SECOND
        if len(seen) >= self._most:
            why = f"{len(seen)} joined within {seconds} s"
        elif alike >= self._similar:
            why = f"{alike} with names like {name[:40]!r} joined within {seconds} s"
        else:
            return None
        shown = Evidence(word=name[:80], start=0, end=0, why=why)
        return Verdict(
            kind=RAID,
            score=min(1.0, 0.7 + 0.03 * max(len(seen) - self._most, alike - self._similar)),
            evidence=(shown,),
        )

    def newcomers(self, channel: str, since: int) -> list[str]:
        """Give who joined a channel since an instant, as far as it is remembered."""
        return [member for at, member, _ in self._seen.get(channel, ()) if at >= since]
