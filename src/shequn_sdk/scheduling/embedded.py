"""The embedded engine: no server, one or several processes on one host, the store's own index as its queue."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import anyio

from shequn_sdk.domain import Clock
from shequn_sdk.errors import StoreBusy, StoreFull
from shequn_sdk.scheduling.engine import EngineCaps, Handle, Wake, WakeSource

__all__ = ["EmbeddedEngine"]

_log = logging.getLogger(__name__)
_SHORTEST = 0.01
_STORE_PAUSE = 1.0


class EmbeddedEngine:
    """Runs what a `WakeSource` holds.

    It sleeps until the next due instant. Rows of its own process wake it at once through `submit`; rows that another
    process wrote are seen after at most `poll` seconds.
    """

    caps = EngineCaps(transactional_submit=True, delayed=True, cancel=True)

    def __init__(self, source: WakeSource, *, clock: Clock, poll: float = 0.25) -> None:
        """Take from `source`; look for rows of other processes every `poll` seconds."""
        self._source = source
        self._clock = clock
        self._poll = poll
        self._nudged = anyio.Event()
        self._running = 0

    async def submit(self, wakes: Sequence[Wake], tx: Any = None) -> None:
        """Wake the loop; the rows themselves are in the store already."""
        if wakes:
            self._nudge()

    async def cancel(self, deliveries: Sequence[int]) -> None:
        """Do nothing: a cancelled row is not found by the source any more."""

    def _nudge(self) -> None:
        self._nudged.set()

    async def run(self, handle: Handle, *, concurrency: int, stop: anyio.Event) -> None:
        """Run until `stop`; what was begun is finished."""
        async with anyio.create_task_group() as group, anyio.create_task_group() as helpers:
            helpers.start_soon(self._stop_wakes, stop)
            helpers.start_soon(self._tick, stop)
            idle = _SHORTEST
            waiting: deque[int] = deque()
            while not stop.is_set():
                self._nudged = anyio.Event()
                try:
                    found = False
                    if len(waiting) < concurrency:
                        taken = await self._source.take(2 * concurrency - len(waiting))
                        waiting.extend(taken)
                        found = bool(taken)
                    while waiting and self._running < concurrency:
                        self._running += 1
                        group.start_soon(self._one, handle, waiting.popleft())
                    pause, idle = (self._poll, idle) if waiting else await self._pause(found=found, idle=idle)
                except (StoreBusy, StoreFull) as error:
                    _log.warning("the store cannot be used, next try in %.0f s: %s", _STORE_PAUSE, error)
                    pause = _STORE_PAUSE
                with anyio.move_on_after(pause):
                    await self._nudged.wait()
            if waiting:
                try:
                    await self._source.give_back(tuple(waiting))
                except (StoreBusy, StoreFull) as error:
                    _log.warning("%d deliveries wait until their leases end: %s", len(waiting), error)
            helpers.cancel_scope.cancel()

    async def _pause(self, *, found: bool, idle: float) -> tuple[float, float]:
        due = await self._source.next_due()
        if due is None:
            return self._poll, _SHORTEST
        wait = (due - self._clock.now()) / timedelta(seconds=1)
        if wait > 0:
            return min(wait, self._poll), _SHORTEST
        # Something is due, but nothing could be taken: its lane is busy. Look less and less often.
        idle = _SHORTEST if found else min(idle * 2, self._poll)
        return idle, idle

    async def _one(self, handle: Handle, delivery: int) -> None:
        try:
            again: datetime | None = await handle(delivery)
        except Exception:  # noqa: BLE001 - one delivery must not stop the worker
            _log.exception("delivery %d failed in the worker; the sweep takes it back", delivery)
            again = None
        finally:
            self._running -= 1
        del again  # the source knows the instant: the row carries it
        self._nudge()

    async def _stop_wakes(self, stop: anyio.Event) -> None:
        await stop.wait()
        self._nudge()

    async def _tick(self, stop: anyio.Event) -> None:
        while not stop.is_set():
            try:
                await self._source.tick()
            except (StoreBusy, StoreFull) as error:
                _log.warning("leases could not be renewed: %s", error)
            with anyio.move_on_after(self._source.tick_every):
                await stop.wait()
