"""The last look before a request leaves: whoever sends may still be told not to.

`HttpClient` passes the gate with every request. An adapter with connections of its own calls `pass_gate` immediately
before it hands a request over.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["guarded", "pass_gate"]

_guard: ContextVar[Callable[[], None] | None] = ContextVar("shequn_gate", default=None)


def pass_gate() -> None:
    """Let whoever asked for a request stop it; raises what they raise."""
    guard = _guard.get()
    if guard is not None:
        guard()


@contextmanager
def guarded(guard: Callable[[], None]) -> Generator[None]:
    """Call `guard` before each request that is made inside, also by tasks that are started inside."""
    token = _guard.set(guard)
    try:
        yield
    finally:
        _guard.reset(token)
