"""Attention as a graph: PageRank in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shequn_sdk.metrics.model import FinishContext, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["leaders", "pagerank"]


def pagerank(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    weight: NDArray[np.float64],
    *,
    nodes: int,
    damping: float = 0.85,
    tolerance: float = 1e-10,
    rounds: int = 200,
) -> NDArray[np.float64]:
    """Give each node's rank; ranks sum to 1.

    Nodes without outgoing edges spread their rank evenly. Stops when the ranks move by less than `tolerance` in sum.

    Args:
        source: node from which each edge starts, 0 to `nodes` - 1.
        target: node at which it points.
        weight: weight of each edge, positive.
        nodes: how many nodes there are.
        damping: probability of going on along an edge.
        tolerance: largest change, summed over nodes, that counts as settled.
        rounds: most iterations.
    """
    import numpy as np  # noqa: PLC0415

    if nodes == 0:
        return np.empty(0)
    order = np.argsort(
        target, kind="stable"
    )  # neighbouring writes: the sum per target then stays in the cache
    source, target, weight = source[order], target[order], weight[order]
    out = np.bincount(source, weights=weight, minlength=nodes)
    share = weight / out[source]
    sinks = out == 0
    rank = np.full(nodes, 1.0 / nodes)
    for _ in range(rounds):
        spread = damping * float(rank[sinks].sum()) / nodes + (1.0 - damping) / nodes
        fresh = damping * np.bincount(target, weights=rank[source] * share, minlength=nodes) + spread
        moved = float(np.abs(fresh - rank).sum())
        rank = fresh
        if moved < tolerance:
            break
    return rank


def leaders(rows: list[Row], context: FinishContext) -> list[Row]:
    """Rank the members of an attention graph, best first."""
    import numpy as np  # noqa: PLC0415

    params: Any = context.params
    weights = {
        "reaction": params.reaction,
        "share": params.share,
        "aimed": params.aimed,
    }
    if not rows:
        return []
    edges = np.array([(row["source"], row["aim"]) for row in rows], dtype=np.int64)
    weight = np.array([weights.get(row["act"], params.comment) * row["acts"] for row in rows])
    persons, flat = np.unique(edges, return_inverse=True)
    flat = flat.reshape(edges.shape)
    keep = weight > 0
    flat, weight = flat[keep], weight[keep]
    rank = pagerank(flat[:, 0], flat[:, 1], weight, nodes=len(persons), damping=params.damping)
    pairs = np.unique(flat, axis=0)
    supporters = np.bincount(pairs[:, 1], minlength=len(persons))
    attention = np.bincount(flat[:, 1], weights=weight, minlength=len(persons))
    order = [int(i) for i in np.lexsort((persons, -rank)) if supporters[i] >= params.support]
    if params.top > 0:
        order = order[: params.top]
    labels = context.describe([int(persons[i]) for i in order])
    return [
        {
            "bucket": "total",
            "rank": place,
            "member": labels[int(persons[i])][0],
            "name": labels[int(persons[i])][1],
            "supporters": int(supporters[i]),
            "attention": float(attention[i]),
            "value": float(rank[i]),
        }
        for place, i in enumerate(order, 1)
    ]
