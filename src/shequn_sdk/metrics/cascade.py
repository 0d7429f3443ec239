"""Cascades of shares: their shape, and who made them grow."""

from __future__ import annotations

from typing import Any

from shequn_sdk.metrics.model import FinishContext, Row

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


def spreaders(rows: list[Row], context: FinishContext) -> list[Row]:
    """Count for each member the shares that hang below its own."""
    params: Any = context.params
    parents = {row["node"]: row["parent"] for row in rows}
    persons = {row["node"]: row["person"] for row in rows}
    own: dict[int, int] = {}
    brought: dict[int, int] = {}
    for node, person in persons.items():
        own[person] = own.get(person, 0) + 1
        above, depth = parents[node], 0
        credited: set[int] = {person}  # sharing below oneself earns nothing
        while above in persons and depth < _DEPTH:
            sharer = persons[above]
            if sharer not in credited:
                brought[sharer] = brought.get(sharer, 0) + 1
                credited.add(sharer)
            above, depth = parents[above], depth + 1
    order = sorted(own, key=lambda person: (-brought.get(person, 0), -own[person], person))
    if params.top:
        order = order[: params.top]
    names = context.describe(order)
    return [
        {
            "bucket": context.start,
            "rank": rank,
            "member": names[person][0],
            "name": names[person][1],
            "own_shares": own[person],
            "value": brought.get(person, 0),
        }
        for rank, person in enumerate(order, 1)
    ]
