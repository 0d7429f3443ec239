"""How often the threads of this interpreter take turns.

A thread that talks to a database comes back to Python after each statement, and waits there until a busy event loop lets
it go on: for up to 5 ms, the interpreter's own interval, which is longer than most of its transactions take.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Generator

__all__ = ["TURN", "short_turns"]

TURN = 0.0001
"""Seconds after which a busy thread lets another one go on, while one writes what is much work."""

_lock = threading.Lock()
_inside = 0
_usual = 0.0


@contextlib.contextmanager
def short_turns() -> Generator[None]:
    """Let the threads of this interpreter take turns more often; afterwards as often as before."""
    global _inside, _usual  # noqa: PLW0603 - the interpreter has one interval for all threads
    with _lock:
        if not _inside:
            _usual = sys.getswitchinterval()
            sys.setswitchinterval(min(TURN, _usual))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                sys.setswitchinterval(_usual)
