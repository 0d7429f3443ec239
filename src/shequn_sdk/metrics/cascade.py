"""Cascades of shares: their shape, and who made them grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shequn_sdk.metrics.graph import dense
from shequn_sdk.metrics.model import FinishContext, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["spread", "spreaders"]

_DEPTH = 64


def spread(rows: list[Row], context: FinishContext) -> list[Row]:
    """Order cascades by size and name their roots."""
    params: Any = context.params
    order = sorted(rows, key=lambda row: (-row["shares"], -row["depth"], row["root"]))
    if params.top:
        order = order[: params.top]
    names = context.contents([row["root"] for row in order])
    return [
        {
            "bucket": context.start,
            "rank": rank,
            "post": names[row["root"]],
            "published": row["bucket"],
            "depth": row["depth"],
            "width": row["width"],
            "reach": row["viewers"],
            "reproduction": row["shares"] / row["viewers"] if row["viewers"] else None,
            "value": row["shares"],
        }
        for rank, row in enumerate(order, 1)
    ]


def _brought(
    nodes: NDArray[np.int64], parents: NDArray[np.int64], sharers: NDArray[np.int64], persons: int
) -> NDArray[np.int64]:
    """Count, for each of `persons`, the shares below its own: each once, its own further shares not at all."""
    import numpy as np  # noqa: PLC0415

    order = np.argsort(nodes)
    place = np.minimum(np.searchsorted(nodes, parents, sorter=order), len(nodes) - 1)
    above = np.where(nodes[order[place]] == parents, order[place], -1)
    below = np.flatnonzero(above >= 0)
    at = above[below]
    found: list[NDArray[np.int64]] = []
    for _ in range(_DEPTH):  # one step up from every share that still has something above it
        if not len(below):
            break
        earns = sharers[at] != sharers[below]
        found.append(sharers[at][earns] * len(nodes) + below[earns])
        goes_on = above[at] >= 0
        below, at = below[goes_on], above[at][goes_on]
    if not found:
        return np.zeros(persons, np.int64)
    pairs = np.unique(np.concatenate(found))  # somebody may have shared twice on the way to one share
    return np.bincount(pairs // len(nodes), minlength=persons)


def spreaders(table: Any, context: FinishContext) -> list[Row]:
    """Count for each member the shares that hang below its own."""
    import numpy as np  # noqa: PLC0415

    params: Any = context.params
    if not table.num_rows:
        return []
    nodes, parents, person = (
        table.column(name).to_numpy().astype(np.int64) for name in ("node", "parent", "person")
    )
    persons, (sharers,) = dense(person)
    own = np.bincount(sharers)
    brought = _brought(nodes, parents, sharers, len(persons))
    order = np.lexsort((persons, -own, -brought))
    if params.top:
        order = order[: params.top]
    chosen: list[int] = persons[order].tolist()
    names = context.describe(chosen)
    return [
        {
            "bucket": context.start,
            "rank": rank,
            "member": names[person][0],
            "name": names[person][1],
            "own_shares": int(own[place]),
            "value": int(brought[place]),
        }
        for rank, (person, place) in enumerate(zip(chosen, order.tolist(), strict=True), 1)
    ]
