"""The last look before a request leaves: whoever sends may still be told not to.

`HttpClient` passes the gate with every request. An adapter with connections of its own calls `pass_gate` immediately
before it hands a request over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType

__all__ = ["guarded", "pass_gate"]

_guard: ContextVar[Callable[[], None] | None] = ContextVar("shequn_gate", default=None)


def pass_gate() -> None:
    """Let whoever asked for a request stop it; raises what they raise."""
    guard = _guard.get()
    if guard is not None:
        guard()


class guarded:  # noqa: N801 - a context manager, written so because each delivery takes one
    """Call `guard` before each request that is made inside, also by tasks that are started inside."""

    __slots__ = ("_guard", "_token")

    def __init__(self, guard: Callable[[], None]) -> None:
        """Ask `guard`, which raises what is to stop a request."""
        self._guard = guard

    def __enter__(self) -> None:
        """Begin to ask."""
        self._token = _guard.set(self._guard)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask no more."""
        _guard.reset(self._token)
