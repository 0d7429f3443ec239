"""Named points of the dispatcher at which fault tests stop the process; outside tests `hit` does nothing."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["POINTS", "hit", "install"]

POINTS = (
    "claimed",
    "intent_written",
    "departing",
    "request_done",
    "outcome_written",
    "unknown_written",
    "looked_up",
    "swept",
    "planned",
)
"""In the order in which a delivery passes them."""

_hook: list[Callable[[str], None]] = []


def hit(point: str) -> None:
    """Tell the installed test hook, if there is one, that `point` was reached."""
    if _hook:
        _hook[0](point)


def install(hook: Callable[[str], None] | None) -> None:
    """Call `hook` at every point from now on; None ends it. For fault tests only."""
    _hook[:] = [hook] if hook is not None else []
