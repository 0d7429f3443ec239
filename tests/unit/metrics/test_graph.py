"""PageRank in numpy agrees with the definition, worked out in plain Python."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.metrics.cascade import spreaders
from shequn_sdk.metrics.graph import dense, pagerank


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


@given(st.lists(st.integers(-3, 40) | st.integers(2**40, 2**40 + 5), min_size=1, max_size=30))
def test_dense_places_point_at_the_numbers(numbers):
    column = np.array(numbers, dtype=np.int64)
    found, (first, second) = dense(column, column[::-1])
    assert found.tolist() == sorted(set(numbers))
    assert found[first].tolist() == numbers
    assert found[second].tolist() == numbers[::-1]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12), st.integers(1, 4)), min_size=1, max_size=10),
)
def test_spreaders_are_those_of_a_walk(shares):
    shares = list({node: (node, parent, person) for node, parent, person in shares}.values())
    parents = {node: parent for node, parent, _ in shares}
    persons = {node: person for node, _, person in shares}
    wanted = dict.fromkeys(persons.values(), 0)
    for node, person in persons.items():
        credited, above = {person}, parents[node]
        for _ in range(64):
            if above not in persons:
                break
            if persons[above] not in credited:
                wanted[persons[above]] += 1
                credited.add(persons[above])
            above = parents[above]
    table = pa.table(
        {name: [row[n] for row in shares] for n, name in enumerate(("node", "parent", "person"))}
    )
    context = SimpleNamespace(
        params=SimpleNamespace(top=0), start=None, describe=lambda found: {n: (n, "") for n in found}
    )
    rows = spreaders(table, context)
    assert {row["member"]: row["value"] for row in rows} == wanted
    own = Counter(persons.values())
    assert [row["member"] for row in rows] == sorted(wanted, key=lambda n: (-wanted[n], -own[n], n))
