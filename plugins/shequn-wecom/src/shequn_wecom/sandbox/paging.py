"""Pages with opaque cursors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.tokens import Call

__all__ = ["page"]

T = TypeVar("T")


def page(call: Call, items: Sequence[T], *, name: str, default: int, most: int) -> dict[str, Any]:
    """Give one page of `items` and the cursor of the next."""
    limit = call.number("limit", default)
    if not 1 <= limit <= most:
        raise Refuse(40035, "limit")
    cursor = str(call.body.get("cursor") or call.query.get("cursor") or "")
    start = 0
    if cursor:
        if not cursor.startswith("CURSOR-") or not cursor[7:].isdigit():
            raise Refuse(50100)
        start = int(cursor[7:])
    end = start + limit
    more = f"CURSOR-{end}" if end < len(items) else ""
    return {name: list(items[start:end]), "next_cursor": more}
