"""Results as data frames: Arrow, and from it Polars and pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shequn_sdk.domain import Grain, MetricResult
from shequn_sdk.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["to_arrow", "to_pandas", "to_polars"]


def to_arrow(result: MetricResult) -> Any:
    """Give the points as a `pyarrow.Table`: bucket, dimensions, value, numerator, denominator, partial.

    Buckets of days, weeks and months are dates; dimensions whose values have several types become text.
    """
    import pyarrow as pa  # noqa: PLC0415

    points = result.points
    dated = result.grain in {Grain.DAY, Grain.WEEK, Grain.MONTH} and all(
        point.bucket != "total" for point in points
    )
    buckets = pa.array([point.bucket for point in points], pa.string())
    columns: dict[str, Any] = {"bucket": buckets.cast(pa.date32()) if dated else buckets}
    for name in dict.fromkeys(key for point in points for key in point.dims):
        values: list[Any] = [point.dims.get(name) for point in points]
        kinds = {type(value) for value in values if value is not None}
        if len(kinds) > 1 and not kinds <= {int, float}:
            values = [None if value is None else str(value) for value in values]
        columns[name if name not in columns else f"dim_{name}"] = pa.array(values)
    for name in ("value", "numerator", "denominator"):
        columns[name] = pa.array([_float(getattr(point, name)) for point in points], pa.float64())
    columns["partial"] = pa.array([point.partial for point in points], pa.bool_())
    return pa.table(columns)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def to_polars(result: MetricResult) -> pl.DataFrame:
    """Give the points as a Polars frame, over the same memory where Polars can; needs `shequn-sdk[dataframe]`."""
    try:
        import polars as pl  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtra("Polars frames need Polars", "dataframe") from error

    frame = pl.from_arrow(to_arrow(result))
    if isinstance(frame, pl.DataFrame):
        return frame
    return frame.to_frame()


def to_pandas(result: MetricResult) -> pd.DataFrame:
    """Give the points as a pandas frame, with Arrow's memory behind the columns; needs `shequn-sdk[dataframe]`."""
    try:
        import pandas as pd  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtra("pandas frames need pandas", "dataframe") from error

    table: Any = to_arrow(result)
    return table.to_pandas(types_mapper=pd.ArrowDtype)
