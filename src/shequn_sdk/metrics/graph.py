"""Attention as a graph: PageRank in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shequn_sdk.metrics.model import FinishContext, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["leader_scores", "leaders", "pagerank"]


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
    rank: NDArray[np.float64] = np.full(nodes, 1.0 / nodes)
    for _ in range(rounds):
        spread = damping * float(rank[sinks].sum()) / nodes + (1.0 - damping) / nodes
        fresh = damping * np.bincount(target, weights=rank[source] * share, minlength=nodes) + spread
        moved = float(np.abs(fresh - rank).sum())
        rank = np.asarray(fresh, dtype=np.float64)
        if moved < tolerance:
            break
    return rank


@dataclass(frozen=True, slots=True)
class _Graph:
    """Persons of an attention graph and what was found about each."""

    persons: NDArray[np.int64]
    rank: NDArray[np.float64]
    supporters: NDArray[np.int64]
    attention: NDArray[np.float64]
    shares: NDArray[np.float64]
    pairs: NDArray[np.int64]
    """Each edge once, as target * size + source, sorted: the supporters of a person lie side by side."""


_CANDIDATES = 500
"""So many of the best are looked at for rings."""
_CIRCLE = 64
"""So many supporters are looked at: a ring needs every one of them to play along."""


def _ring(graph: _Graph, person: int) -> float:
    """Give the share of ordered pairs of supporters who pay attention to each other: 1 is a closed circle."""
    import numpy as np  # noqa: PLC0415

    size = len(graph.persons)
    low, high = np.searchsorted(graph.pairs, [person * size, (person + 1) * size])
    circle = graph.pairs[low:high] % size
    if len(circle) > _CIRCLE:  # those who are themselves looked up to first: they could be the ring
        circle = circle[np.argsort(-graph.rank[circle], kind="stable")[:_CIRCLE]]
    if len(circle) < 2:
        return 0.0
    wanted = (circle[:, None] * size + circle[None, :]).ravel()
    places = np.minimum(np.searchsorted(graph.pairs, wanted), len(graph.pairs) - 1)
    return float((graph.pairs[places] == wanted).sum()) / (len(circle) * (len(circle) - 1))


def _graph(rows: list[Row], context: FinishContext) -> _Graph | None:
    import numpy as np  # noqa: PLC0415

    params: Any = context.params
    weights = {"reaction": params.reaction, "share": params.share, "aimed": params.aimed}
    kept = [row for row in rows if weights.get(row["act"], params.comment) > 0]
    if not kept:
        return None
    edges = np.array([(row["source"], row["aim"]) for row in kept], dtype=np.int64)
    weight = np.array(
        [weights.get(row["act"], params.comment) * row["acts"] for row in kept], dtype=np.float64
    )
    shared = np.array([row["acts"] if row["act"] == "share" else 0 for row in kept], dtype=np.float64)
    persons, flat = np.unique(edges, return_inverse=True)
    flat = flat.reshape(edges.shape)
    size = len(persons)
    # the log gives edges in no fixed order, and sums in another order differ in the last digits
    rank = np.round(pagerank(flat[:, 0], flat[:, 1], weight, nodes=size, damping=params.damping), 12)
    pairs = np.unique(flat[:, 1] * size + flat[:, 0])
    return _Graph(
        persons=persons,
        rank=rank,
        supporters=np.bincount(pairs // size, minlength=size),
        attention=np.asarray(np.bincount(flat[:, 1], weights=weight, minlength=size), dtype=np.float64),
        shares=np.asarray(np.bincount(flat[:, 1], weights=shared, minlength=size), dtype=np.float64),
        pairs=pairs,
    )


def _ranked(
    graph: _Graph,
    score: NDArray[np.float64],
    context: FinishContext,
    rings: NDArray[np.float64] | None = None,
) -> list[Row]:
    import numpy as np  # noqa: PLC0415

    params: Any = context.params
    order = [int(i) for i in np.lexsort((graph.persons, -score)) if graph.supporters[i] >= params.support]
    if params.top > 0:
        order = order[: params.top]
    labels = context.describe([int(graph.persons[i]) for i in order])
    return [
        {
            "bucket": context.start,
            "rank": place,
            "member": labels[int(graph.persons[i])][0],
            "name": labels[int(graph.persons[i])][1],
            "supporters": int(graph.supporters[i]),
            "attention": float(graph.attention[i]),
            "shares": int(graph.shares[i]),
            "pagerank": float(graph.rank[i]),
            **({} if rings is None else {"ring": float(rings[i])}),
            "value": float(score[i]),
        }
        for place, i in enumerate(order, 1)
    ]


def leaders(rows: list[Row], context: FinishContext) -> list[Row]:
    """Rank the members of an attention graph by PageRank, best first."""
    graph = _graph(rows, context)
    return [] if graph is None else _ranked(graph, graph.rank, context)


def leader_scores(rows: list[Row], context: FinishContext) -> list[Row]:
    """Rank them by the percentile of PageRank times the logarithm of their audience, closed circles discounted."""
    import numpy as np  # noqa: PLC0415

    params: Any = context.params
    graph = _graph(rows, context)
    if graph is None:
        return []
    raw = graph.rank * np.log1p(graph.supporters)
    eligible = np.flatnonzero(graph.supporters >= params.support)
    order = eligible[np.lexsort((graph.persons[eligible], -raw[eligible]))]
    rings = np.zeros(len(raw))
    for place in order[:_CANDIDATES]:
        rings[place] = _ring(graph, int(place))
    raw = raw * (1.0 - rings)
    ordered = np.sort(raw)
    percentile = 100.0 * np.searchsorted(ordered, raw, side="right") / len(ordered)
    percentile[raw <= 0] = 0.0
    return _ranked(graph, np.asarray(percentile, dtype=np.float64), context, rings)
