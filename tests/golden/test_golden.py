"""Every metric on tiny data with answers worked out by hand, on every engine that is claimed."""

from __future__ import annotations

import math
import sys
from datetime import date

import pytest

golden = sys.modules["golden_engines"]

ALL = [
    pytest.param(name, number, id=f"{name}-{case['metric']}-{number}")
    for name, data in golden.CASES.items()
    for number, case in enumerate(data["cases"])
]


def close(found, wanted, tolerance):
    if isinstance(wanted, bool) or wanted is None or isinstance(wanted, str):
        return found == wanted
    return found is not None and math.isclose(
        float(found), float(wanted), rel_tol=tolerance, abs_tol=tolerance
    )


def check(metrics, case):
    arguments = {
        name: date.fromisoformat(value) if name in {"start", "end"} else value
        for name, value in case["args"].items()
        if not name.startswith("_")
    }
    result = metrics.compute_now(case["metric"], community="golden", **arguments)
    points = list(result.points)
    if only := case["args"].get("_only"):
        points = [point for point in points if point.bucket in only]
    if case["args"].get("_nonzero"):
        points = [point for point in points if point.value]
    shown = [
        (point.bucket, point.value, point.numerator, point.denominator, dict(point.dims)) for point in points
    ]
    assert len(points) == len(case["expect"]), f"{case['why']}: {shown}"
    tolerance = case["args"].get("_tolerance", 1e-12)
    for point, wanted in zip(points, case["expect"], strict=True):
        assert point.bucket == wanted["bucket"], f"{case['why']}: {shown}"
        for name in ("value", "numerator", "denominator", "partial"):
            if name in wanted:
                assert close(getattr(point, name), wanted[name], tolerance), f"{name}: {case['why']}: {shown}"
        for name, value in wanted.get("dims", {}).items():
            assert close(point.dims[name], value, tolerance), f"{name}: {case['why']}: {shown}"


ENGINES = ["duckdb", pytest.param("postgres", marks=pytest.mark.postgres), "clickhouse"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rollups", [False, True], ids=["log", "rollups"])
@pytest.mark.parametrize(("name", "number"), ALL)
def test_golden(golden_stores, name, number, rollups, engine):
    data = golden.CASES[name]
    check(golden.metrics_over(golden_stores(engine, name), data, rollups=rollups), data["cases"][number])


def test_every_built_in_metric_has_a_golden_case():
    from shequn_sdk.metrics.registry import builtin_metrics

    covered = {case["metric"] for data in golden.CASES.values() for case in data["cases"]}
    assert {metric.name for metric in builtin_metrics()} == covered
    assert {metric.golden for metric in builtin_metrics()} <= set(golden.CASES)
