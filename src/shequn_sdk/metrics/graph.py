"""Attention as a graph: PageRank in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shequn_sdk.metrics.model import FinishContext, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["dense", "leader_scores", "leaders", "pagerank"]


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


def _acts(
    table: Any, weights: dict[str, float], other: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give what each act weighs, and whether it is a share."""
    import numpy as np  # noqa: PLC0415

    coded = table.column("act").combine_chunks().dictionary_encode()
    names = [str(name) for name in coded.dictionary.to_pylist()]
    codes = coded.indices.to_numpy()
    each = np.array([weights.get(name, other) for name in names])
    return each[codes], np.array([name == "share" for name in names])[codes]


def dense(*columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Give the numbers that occur, in order, and each column as places among them."""
    import numpy as np  # noqa: PLC0415

    highest = max(int(column.max()) for column in columns)
    if min(int(column.min()) for column in columns) >= 0 and highest <= 8 * len(columns[0]) + 1_000_000:
        # Person numbers are dense as a rule: a table with a place for each takes a tenth of sorting them.
        seen = np.zeros(highest + 1, bool)
        for column in columns:
            seen[column] = True
        place = np.cumsum(seen) - 1
        return np.flatnonzero(seen), [place[column] for column in columns]
    numbers, places = np.unique(np.concatenate(columns), return_inverse=True)
    return numbers, np.split(places, np.cumsum([len(column) for column in columns])[:-1])


def _graph(table: Any, context: FinishContext) -> _Graph | None:
    import numpy as np  # noqa: PLC0415

    params: Any = context.params
    if not table.num_rows:
        return None
    weights = {"reaction": params.reaction, "share": params.share, "aimed": params.aimed}
    each, is_share = _acts(table, weights, params.comment)
    kept = each > 0
    if not kept.any():
        return None
    source, target, acts = (
        table.column(name).to_numpy().astype(np.int64)[kept] for name in ("source", "aim", "acts")
    )
    weight = each[kept] * acts
    shared = np.where(is_share[kept], acts, 0).astype(np.float64)
    persons, (source, target) = dense(source, target)
    size = len(persons)
    # the log gives edges in no fixed order, and sums in another order differ in the last digits
    rank = np.round(pagerank(source, target, weight, nodes=size, damping=params.damping), 12)
    pairs = np.sort(target * size + source)
    pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])]
    return _Graph(
        persons=persons,
        rank=rank,
        supporters=np.bincount(pairs // size, minlength=size),
        attention=np.asarray(np.bincount(target, weights=weight, minlength=size), dtype=np.float64),
        shares=np.asarray(np.bincount(target, weights=shared, minlength=size), dtype=np.float64),
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


def leaders(table: Any, context: FinishContext) -> list[Row]:
    """Rank the members of an attention graph by PageRank, best first."""
    graph = _graph(table, context)
    return [] if graph is None else _ranked(graph, graph.rank, context)


def leader_scores(table: Any, context: FinishContext) -> list[Row]:
    """Rank them by the percentile of PageRank times the logarithm of their audience, closed circles discounted."""
    import numpy as np  # noqa: PLC0415

    params: Any = context.params
    graph = _graph(table, context)
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
