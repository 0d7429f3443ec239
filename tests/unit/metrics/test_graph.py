"""PageRank in numpy agrees with the definition, worked out in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.metrics.graph import pagerank


def by_definition(edges, nodes, damping=0.85):
    out = [sum(w for s, _, w in edges if s == node) for node in range(nodes)]
    rank = [1 / nodes] * nodes
    for _ in range(300):
        sinks = sum(rank[node] for node in range(nodes) if out[node] == 0)
        fresh = [(1 - damping) / nodes + damping * sinks / nodes] * nodes
        for source, target, weight in edges:
            fresh[target] += damping * rank[source] * weight / out[source]
        rank = fresh
    return rank


@given(
    st.integers(1, 8).flatmap(
        lambda nodes: st.tuples(
            st.just(nodes),
            st.lists(
                st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1), st.floats(0.5, 9)),
                max_size=20,
            ),
        )
    )
)
def test_agrees_with_the_definition(case):
    nodes, edges = case
    columns = (np.array([edge[n] for edge in edges], dtype=np.int64) for n in (0, 1))
    weights = np.array([edge[2] for edge in edges], dtype=np.float64)
    found = pagerank(*columns, weights, nodes=nodes)
    assert found.sum() == pytest.approx(1)
    assert found == pytest.approx(by_definition(edges, nodes), abs=1e-8)


def test_no_nodes():
    empty = np.array([], dtype=np.int64)
    assert len(pagerank(empty, empty, np.array([]), nodes=0)) == 0
