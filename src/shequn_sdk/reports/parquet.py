"""One Parquet file with every point of every metric of a report."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shequn_sdk.reports.files import write_atomic
from shequn_sdk.reports.model import Report

__all__ = ["write_parquet"]


def write_parquet(report: Report, directory: Path) -> list[Path]:
    """Write `metrics.parquet`: one row per point, dimensions as JSON text, missing values as null."""
    rows = [
        {
            "metric": result.metric,
            "version": result.version,
            "unit": result.unit.value,
            "grain": result.grain.value,
            "bucket": point.bucket,
            "value": None if point.value is None else float(point.value),
            "numerator": None if point.numerator is None else float(point.numerator),
            "denominator": None if point.denominator is None else float(point.denominator),
            "partial": point.partial,
            "dims": json.dumps(dict(point.dims), ensure_ascii=False, sort_keys=True),
        }
        for result in report.results
        for point in result.points
    ]
    text, real = pa.string(), pa.float64()
    schema = pa.schema(
        [
            ("metric", text),
            ("version", pa.int32()),
            ("unit", text),
            ("grain", text),
            ("bucket", text),
            ("value", real),
            ("numerator", real),
            ("denominator", real),
            ("partial", pa.bool_()),
            ("dims", text),
        ]
    )
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out)
    return [write_atomic(directory / "metrics.parquet", out.getvalue())]
