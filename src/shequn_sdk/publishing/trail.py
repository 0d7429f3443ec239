"""The audit trail of a delivery: one line of JSON per change, in a column of the delivery's own row.

Every change rewrites the row anyway; a table of lines beside it is an insert and two entries of indexes more for each.
"""

from __future__ import annotations

import json
from functools import lru_cache

from shequn_sdk.domain import DeliveryState, Transition
from shequn_sdk.stores.schema import from_us

__all__ = ["after_state", "entry", "read", "until_state"]


_LONGEST = 2000
"""Characters of a cause; the delivery itself keeps the whole text of its last error."""


@lru_cache(1024)
def _quoted(text: str) -> str:
    shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return json.dumps(shown, ensure_ascii=False)


def entry(at: int, old: str | None, new: str, cause: str, actor: str) -> str:
    """Give the line of a change; `at` in microseconds."""
    before = "null" if old is None else f'"{old}"'
    return f'[{at},{before},"{new}",{_quoted(cause)},{_quoted(actor)}]\n'


def until_state(at: int | str) -> str:
    """Give a line up to its old state, where a statement puts it in."""
    return f'[{at},"'


def after_state(new: str, cause: str, actor: str) -> str:
    """Give what follows the old state in a line."""
    return f'","{new}",{_quoted(cause)},{_quoted(actor)}]\n'


def read(delivery: int, text: str) -> list[Transition]:
    """Read a trail.

    Where nothing limits an account, a claim and its intent are written at once and are one line.
    """
    found: list[Transition] = []
    for line in text.rstrip("\n").split("\n") if text else ():
        at, old, new, cause, actor = json.loads(line)
        steps: list[tuple[str | None, str, str]] = [(old, new, cause)]
        if new == "attempting" and old != "claimed":
            steps = [(old, "claimed", cause), ("claimed", new, "request follows")]
        found += (
            Transition(
                delivery_id=delivery,
                at=from_us(at),
                old=DeliveryState(before) if before else None,
                new=DeliveryState(after),
                cause=why,
                actor=actor,
            )
            for before, after, why in steps
        )
    return found
