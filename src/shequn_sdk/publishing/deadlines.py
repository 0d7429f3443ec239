"""Ends requests that take too long: as `asyncio.timeout` does, with one timer for all of them.

A timer of its own for each request costs a busy worker a fifth of what it does for a delivery; all have the same limit,
so that who began first is due first.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

__all__ = ["Deadlines"]


class Deadlines:
    """A limit for blocks of code: `with deadlines.watch(): …` raises `TimeoutError` after `seconds`."""

    def __init__(self, seconds: float) -> None:
        """Allow each block so many seconds."""
        self.seconds = seconds
        self._open: dict[_Watch, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> _Watch:
        """Give the context manager of one block of the present task."""
        return _Watch(self)

    def begin(self, watch: _Watch, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a block that begins."""
        self._open[watch] = None
        if self._timer is None:
            self._timer = loop.call_at(watch.until, self._ring, loop)

    def end(self, watch: _Watch) -> None:
        """Watch a block no more."""
        self._open.pop(watch, None)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._open:
            first = next(iter(self._open))
            if first.until > now:
                self._timer = loop.call_at(first.until, self._ring, loop)
                break
            del self._open[first]
            first.expire()


class _Watch:
    __slots__ = ("_cancelling", "_deadlines", "_expired", "_task", "until")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._expired = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a request can be timed in a task only")
        self._task = task
        self._cancelling = task.cancelling()
        self.until = loop.time() + self._deadlines.seconds
        self._deadlines.begin(self, loop)

    def expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.end(self)
        # whoever else has cancelled the task meanwhile comes first
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
