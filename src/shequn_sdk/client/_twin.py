"""What all blocking twins share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeVar, cast

from anyio.from_thread import BlockingPortal

__all__ = ["Twin"]

T = TypeVar("T")


class Twin:
    """Runs coroutine functions in the portal's loop."""

    def __init__(self, portal: Callable[[], BlockingPortal]) -> None:
        """Run in the loop of what `portal` gives."""
        self._portal = portal

    def _do(self, function: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
        return self._portal().call(partial(function, *args, **options))

    def _each(self, items: AsyncIterator[T]) -> Iterator[T]:
        generator = cast("AsyncGenerator[T]", items)
        try:
            while True:
                try:
                    yield self._portal().call(generator.__anext__)
                except StopAsyncIteration:
                    return
        finally:
            self._portal().call(generator.aclose)
