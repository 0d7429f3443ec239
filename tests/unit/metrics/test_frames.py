"""Results become data frames with the types one expects."""

from __future__ import annotations

from datetime import date

import pytest

from shequn_sdk.domain import Grain, MetricPoint, MetricResult, Unit
from shequn_sdk.metrics.frames import to_arrow, to_pandas, to_polars


@pytest.fixture
def framed_result():
    return MetricResult(
        metric="retention.weekly",
        version=1,
        unit=Unit.RATIO,
        grain=Grain.WEEK,
        points=(
            MetricPoint(
                bucket="2026-03-02", value=0.5, numerator=1, denominator=2, dims={"period": 1, "tag": "vip"}
            ),
            MetricPoint(bucket="2026-03-09", value=None, partial=True, dims={"period": 2, "tag": None}),
        ),
    )


def test_arrow(framed_result):
    table = to_arrow(framed_result)
    assert table.column_names == ["bucket", "period", "tag", "value", "numerator", "denominator", "partial"]
    assert table["bucket"][0].as_py() == date(2026, 3, 2)
    assert table["value"].to_pylist() == [0.5, None]
    assert table["period"].to_pylist() == [1, 2]


def test_polars(framed_result):
    pytest.importorskip("polars")
    assert to_polars(framed_result)["value"].to_list() == [0.5, None]


def test_pandas(framed_result):
    pytest.importorskip("pandas")
    assert to_pandas(framed_result)["numerator"].to_list()[0] == 1


def test_no_points(framed_result):
    empty = framed_result.model_copy(update={"points": (), "grain": Grain.TOTAL})
    assert to_arrow(empty).num_rows == 0
