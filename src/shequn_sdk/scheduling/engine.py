"""The engine port: an engine decides which worker runs which due delivery when, and knows nothing else.

The ledger stays the truth. All that an engine promises is that a wake arrives at least once, perhaps early, late,
twice or never: claiming is a compare-and-set in the ledger, and every worker sweeps for what was never woken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import anyio

__all__ = ["DeliveryEngine", "EngineCaps", "Enlisting", "Handle", "Wake", "WakeSource", "in_packs"]

_PACK = 16


@dataclass(frozen=True, slots=True)
class Wake:
    """Delivery `delivery` wants to be looked at, not before `at`."""

    delivery: int
    at: datetime
    priority: int = 1
    """0 reply, 1 normal, 2 campaign; engines that can serve lower numbers first."""


def in_packs(wakes: Sequence[Wake], *, now: datetime, jobs: int = 256) -> list[list[Wake]]:
    """Put wakes of one instant and priority together, for queues in which a job costs more than what it carries.

    All that is due `now` is of one instant.
    There are packs only of what is more than `jobs` wakes, and they are small, so that every worker gets its share.
    """
    groups: dict[tuple[datetime, int], list[Wake]] = {}
    for wake in wakes:
        groups.setdefault((max(wake.at, now), wake.priority), []).append(wake)
    packs: list[list[Wake]] = []
    for group in groups.values():
        size = min(_PACK, -(-len(group) // jobs))
        packs += [group[start : start + size] for start in range(0, len(group), size)]
    return packs


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCaps:
    """What an engine can do beyond carrying wakes."""

    transactional_submit: bool
    """`submit` takes part in the ledger's transaction: no wake without its row, no row without its wake."""
    delayed: bool
    """Wakes for later stay with the engine; otherwise the worker's sweep brings them."""
    cancel: bool


Handle = Callable[[int], Awaitable[datetime | None]]
"""Works on one delivery, in whatever state it is by now. A returned instant means: wake it again then."""


@runtime_checkable
class DeliveryEngine(Protocol):
    """Carries wakes to workers."""

    @property
    def caps(self) -> EngineCaps:
        """What it can do."""
        ...

    async def submit(self, wakes: Sequence[Wake], tx: Any = None) -> None:
        """Take over wakes; `tx` is the open transaction of the ledger where `transactional_submit` holds."""
        ...

    async def cancel(self, deliveries: Sequence[int]) -> None:
        """Forget wakes, as far as possible; the ledger refuses the rest."""
        ...

    async def run(self, handle: Handle, *, concurrency: int, stop: anyio.Event) -> None:
        """Call `handle` for wakes, at most `concurrency` at once, until `stop` is set; then finish what runs.

        An exception of `handle` ends only that call.
        """
        ...


@runtime_checkable
class Enlisting(Protocol):
    """An engine whose wakes can be written in the ledger's own transaction: no wake without its row, and none lost.

    Engines with a queue in the ledger's database have it beside `DeliveryEngine`. Processes that only plan use it too,
    without ever calling `run`.
    """

    async def prepare(self) -> None:
        """Make ready for `enlist`: make the queue's tables, for example. Called often, must be cheap when done."""
        ...

    def enlist(self, conn: Any, wakes: Sequence[Wake]) -> None:
        """Write wakes in the transaction open on `conn`, a `sqlalchemy.Connection`; called on a store thread."""
        ...


class WakeSource(Protocol):
    """Where the embedded engine finds what is due: for deliveries, the ledger's own index."""

    async def take(self, count: int) -> Sequence[int]:
        """Claim at most `count` deliveries that are due and may go."""
        ...

    async def give_back(self, deliveries: Sequence[int]) -> None:
        """Return what was taken and not begun."""
        ...

    async def next_due(self) -> datetime | None:
        """Give the next instant at which `take` may give something; None when nothing waits. Must be cheap."""
        ...

    async def tick(self) -> None:
        """Prolong own leases and take back those that others let end; called every `tick_every` seconds."""
        ...

    @property
    def tick_every(self) -> float:
        """Seconds between two ticks."""
        ...
