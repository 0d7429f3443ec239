"""Faults by seed: what goes wrong, how often, and where."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from shequn_sdk.testing.sandbox.api import Fault, FaultKind

__all__ = ["FaultRule", "NoFaults", "SeededFaults"]

_EVENT_KINDS = frozenset({FaultKind.DUPLICATE_EVENT, FaultKind.LATE_EVENT})
_SCALE = 1 << 64


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One kind of fault: where it may strike and how often."""

    kind: FaultKind
    rate: float = 1.0
    """Share of the matching requests or events that are struck, 0 to 1."""
    platform: str = "*"
    operation: str = "*"
    """Name that the platform's sandbox gives the request: `publish`, `read`, `receive` or its own; `*` is all."""
    delay: float = 0.0
    """Seconds: of a slow answer, or of Retry-After."""
    times: int | None = None
    """Strike at most this often; None is without end."""
    skip: int = 0
    """Leave the first matching requests alone."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise ValueError(f"rate must be between 0 and 1, not {self.rate}")
        if self.delay < 0 or self.skip < 0 or (self.times is not None and self.times < 0):
            raise ValueError("delay, times and skip cannot be negative")

    def matches(self, platform: str, operation: str) -> bool:
        """Whether the rule speaks about such a request."""
        return self.platform in {"*", platform} and self.operation in {"*", operation}


class NoFaults:
    """Nothing goes wrong."""

    def for_request(self, platform: str, operation: str) -> Fault | None:
        """Give None."""
        return None

    def for_event(self, platform: str) -> Fault | None:
        """Give None."""
        return None


class SeededFaults:
    """Faults drawn by seed.

    Whether the n-th request of an operation on a platform is struck depends on the seed, the rule and n only, so that
    requests elsewhere, and the order in which platforms are reached, change nothing. The first rule that strikes wins.

    >>> faults = SeededFaults(7, [FaultRule(FaultKind.SERVER_ERROR, operation="publish", times=1)])
    >>> faults.for_request("echo", "read") is None, faults.for_request("echo", "publish").kind.value
    (True, 'server_error')
    """

    def __init__(self, seed: int = 0, rules: Iterable[FaultRule] = ()) -> None:
        self.seed = seed
        self.played: Counter[tuple[str, str, FaultKind]] = Counter()
        """How often each (platform, operation, kind) was played; events have the operation `event`."""
        self._rules: tuple[FaultRule, ...] = ()
        self._seen: Counter[tuple[int, str, str]] = Counter()
        self._struck: Counter[int] = Counter()
        self.set(rules)

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules in force."""
        return self._rules

    def set(self, rules: Iterable[FaultRule]) -> None:
        """Replace the rules and count anew; `played` stays."""
        self._rules = tuple(rules)
        self._seen.clear()
        self._struck.clear()

    def clear(self) -> None:
        """Let nothing go wrong from now on."""
        self.set(())

    def for_request(self, platform: str, operation: str) -> Fault | None:
        """Give the fault for one request, None for none."""
        return self._draw(platform, operation, events=False)

    def for_event(self, platform: str) -> Fault | None:
        """Give the fault for one event, None for none."""
        return self._draw(platform, "event", events=True)

    def _draw(self, platform: str, operation: str, *, events: bool) -> Fault | None:
        for index, rule in enumerate(self._rules):
            if (rule.kind in _EVENT_KINDS) is not events:
                continue
            if not (events and rule.platform in {"*", platform}) and not rule.matches(platform, operation):
                continue
            key = (index, platform, operation)
            number = self._seen[key]
            self._seen[key] += 1
            if number < rule.skip or (rule.times is not None and self._struck[index] >= rule.times):
                continue
            if self._chance(index, platform, operation, number) >= rule.rate:
                continue
            self._struck[index] += 1
            self.played[platform, operation, rule.kind] += 1
            return Fault(kind=rule.kind, delay=rule.delay)
        return None

    def _chance(self, index: int, platform: str, operation: str, number: int) -> float:
        text = f"{self.seed}/{index}/{platform}/{operation}/{number}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / _SCALE
