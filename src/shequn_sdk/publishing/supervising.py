"""Engines that only carry wakes end when their queue goes away; they are started again, and what they lost is found."""

from __future__ import annotations

import logging
from datetime import datetime

import anyio

from shequn_sdk.errors import StoreBusy, StoreError
from shequn_sdk.publishing.dispatch import Dispatcher
from shequn_sdk.scheduling.engine import DeliveryEngine

__all__ = ["supervise"]

_log = logging.getLogger(__name__)
_SILENT = 3
"""Sweeps in a row in which an engine was given wakes and brought none, after which it is started again."""


class _Watched:
    """An engine's `handle`, counted: an engine may hang after its database went away, and neither end nor work."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._running = 0
        self._calls = 0
        self._silent = 0
        self.scope = anyio.CancelScope()

    async def handle(self, delivery: int) -> datetime | None:
        self._calls += 1
        self._running += 1
        try:
            return await self._dispatcher.handle(delivery)
        finally:
            self._running -= 1

    def look(self, *, given: bool) -> None:
        """Look once per sweep; `given` says whether wakes are given to the engine now."""
        quiet = given and not self._calls and not self._running
        self._silent = self._silent + 1 if quiet else 0
        self._calls = 0
        if self._silent > _SILENT:
            _log.warning("the engine has brought no wake for %d sweeps; it is started again", _SILENT)
            self._silent = 0
            self.scope.cancel()


async def supervise(
    engine: DeliveryEngine, dispatcher: Dispatcher, *, concurrency: int, stop: anyio.Event
) -> None:
    """Run an engine that only carries wakes: restart it when it ends or hangs, and wake again what it has forgotten."""
    watched = _Watched(dispatcher)

    async def sweep() -> None:
        while not stop.is_set():
            try:
                await dispatcher.tick()
                wakes = await dispatcher.forgotten()
                watched.look(given=bool(wakes))
                with anyio.fail_after(dispatcher.tick_every):
                    await engine.submit(wakes)
            except StoreError as error:
                _log.warning("leases could not be renewed: %s", error)
            except Exception:  # noqa: BLE001 - the engine's queue may be away; the next sweep tries again
                _log.exception("the engine did not take what it had forgotten")
            with anyio.move_on_after(dispatcher.tick_every):
                await stop.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(sweep)
        pause = 0.1
        while not stop.is_set():
            try:
                with anyio.CancelScope() as watched.scope:
                    await engine.run(watched.handle, concurrency=concurrency, stop=stop)
                pause = 0.1
            except StoreBusy as error:
                _log.warning("the engine ended; it is started again in %.1f s: %s", pause, error)
            except Exception:  # noqa: BLE001 - whatever ends an engine, the deliveries have to go on
                _log.exception("the engine ended; it is started again in %.1f s", pause)
            with anyio.move_on_after(pause):
                await stop.wait()
            pause = min(pause * 2, 5.0)
        group.cancel_scope.cancel()
