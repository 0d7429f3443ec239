"""Answers within hours of business (工作时间响应): nights and days off do not count as waiting."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.builtin._office import Office
from shequn_sdk.metrics.model import (
    FinishContext,
    FinishTable,
    Metric,
    MetricKind,
    MetricParams,
    Row,
    sql_file,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["METRICS", "OfficeParams"]

_DIMS = frozenset({"community", "platform", "channel", "role", "tag", "entrance"})
_GRAINS = (Grain.WEEK, Grain.DAY, Grain.MONTH, Grain.TOTAL)


class OfficeParams(MetricParams):
    """Parameters of waiting times within hours of business."""

    opens: str = Field(default="09:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """Local time, like 09:00."""
    closes: str = Field(default="18:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """Local time after `opens`."""
    days: tuple[int, ...] = Field(default=(1, 2, 3, 4, 5), min_length=1)
    """ISO weekdays, Monday is 1."""
    calendar: Literal["week", "china"] = "week"
    """`china` asks the announced days off and on (调休) in place of `days`."""
    within_hours: float = Field(default=9.0, gt=0, le=1000)
    """Hours of business after which a question without an answer counts as unanswered."""

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if self.opens >= self.closes or not all(1 <= day <= 7 for day in self.days):
            raise ValueError("opens is before closes, and days are 1 to 7")
        return self


def _office(context: FinishContext) -> Office:
    params: Any = context.params
    return Office.of(
        context.zone,
        opens=params.opens,
        closes=params.closes,
        days=params.days,
        calendar=params.calendar,
    )


def _groups(table: Any) -> list[tuple[Row, NDArray[np.intp]]]:
    """Give the rows of each bucket of each group, in order of the groups."""
    import numpy as np  # noqa: PLC0415

    if not table.num_rows:
        return []
    names = [name for name in table.column_names if name == "bucket" or name.startswith("d_")]
    place = np.zeros(table.num_rows, np.int64)
    columns: list[list[Any]] = []
    for name in names:
        coded = table.column(name).combine_chunks().dictionary_encode("encode")
        columns.append(coded.dictionary.to_pylist())
        place = place * len(columns[-1]) + coded.indices.to_numpy()
    groups, where = np.unique(place, return_inverse=True)
    order = np.argsort(where, kind="stable")
    parts = np.split(order, np.searchsorted(where[order], np.arange(1, len(groups))))
    found: list[tuple[Row, NDArray[np.intp]]] = []
    for number, rows in zip(groups.tolist(), parts, strict=True):
        group: Row = {}
        rest = number
        for name, values in zip(reversed(names), reversed(columns), strict=True):
            rest, code = divmod(rest, len(values))
            group[name] = values[code]
        found.append((group, rows))
    return sorted(
        found,
        key=lambda item: (
            str([item[0][name] for name in sorted(item[0]) if name != "bucket"]),
            item[0]["bucket"],
        ),
    )


def _micros(table: Any, name: str) -> NDArray[np.int64]:
    import pyarrow as pa  # noqa: PLC0415

    column = table.column(name)
    if pa.types.is_null(column.type):  # nothing was answered
        column = column.cast(pa.timestamp("us"))
    return column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()).fill_null(-1).to_numpy()


def _quantile(ordered: list[float], level: float) -> float | None:
    """Give the quantile with linear interpolation, as the engines do."""
    if not ordered:
        return None
    place = level * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _office_times(level: float) -> FinishTable:
    def finish(table: Any, context: FinishContext) -> list[Row]:
        import numpy as np  # noqa: PLC0415

        asked, answered = _micros(table, "asked"), _micros(table, "answered")
        done = answered >= 0
        waited = np.zeros(len(asked))
        waited[done] = _office(context).seconds(asked[done], answered[done])
        found: list[Row] = []
        for group, rows in _groups(table):
            times: list[float] = np.sort(waited[rows[done[rows]]]).tolist()
            found.append(
                {
                    **group,
                    "value": _quantile(times, level),
                    "numerator": len(times),
                    "denominator": len(rows),
                }
            )
        return found

    return finish


def _office_unanswered(table: Any, context: FinishContext) -> list[Row]:
    """Count questions that waited for the given hours; those that cannot have yet are in neither number."""
    import numpy as np  # noqa: PLC0415

    params: Any = context.params
    office, limit = _office(context), params.within_hours * 3600
    # what is known ends with the last full day that has data
    known = min(context.today, context.last_day + timedelta(days=1))
    until = round(datetime.combine(known, time(), ZoneInfo(context.zone)).timestamp()) * 1_000_000
    # All groups in one go: the days of business are listed once, not once per group.
    asked, answered = _micros(table, "asked"), _micros(table, "answered")
    done = answered >= 0
    slow = office.seconds(asked, np.where(done, answered, until)) >= limit
    counted = slow | done
    return [
        {**group, "numerator": int(slow[rows].sum()), "denominator": int(counted[rows].sum())}
        for group, rows in _groups(table)
    ]


office_unanswered: FinishTable = _office_unanswered

_PARTS: tuple[tuple[str, Unit, MetricKind, Additivity, str, str, str, str, FinishTable], ...] = (
    (
        "median",
        Unit.SECONDS,
        "distribution",
        Additivity.NONE,
        "工作时间内答复时间中位数(秒):只计算工作时段内经过的时间。",
        "Median seconds of business from a question to the first answer by another person.",
        "quantile 0.5 (interpolated) of the seconds of business between question and first answer",
        "a question asked and answered outside the hours took 0 seconds",
        _office_times(0.5),
    ),
    (
        "p90",
        Unit.SECONDS,
        "distribution",
        Additivity.NONE,
        "工作时间内答复时间 90 分位(秒)。",
        "90th percentile of seconds of business from a question to the first answer.",
        "quantile 0.9 (interpolated) of the seconds of business between question and first answer",
        "a question asked and answered outside the hours took 0 seconds",
        _office_times(0.9),
    ),
    (
        "unanswered",
        Unit.RATIO,
        "ratio",
        Additivity.RATIO,
        "工作时间内超时未答复占比:等满若干工作小时(默认九小时)仍无人答复的提问比例。",
        "Share of questions that had no answer within some hours of business (nine).",
        "questions without an answer for `within_hours` / questions that were answered or have waited for so long",
        "fresh questions are in neither number; an answer that came too late counts as none",
        office_unanswered,
    ),
)

METRICS = [
    Metric(
        name=f"response.business_{name}",
        unit=unit,
        kind=kind,
        additivity=additivity,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("response_waits"),
        params=OfficeParams,
        doc={"zh": zh, "en": en},
        formula=formula,
        edge_cases=(
            "hours are local, Monday to Friday from nine to six unless said otherwise; days off by `calendar`",
            edge,
            "bots' answers and one's own do not count",
        ),
        refs=("chaoss: time to first response",),
        golden="office",
        finish_table=finish,
    )
    for name, unit, kind, additivity, zh, en, formula, edge, finish in _PARTS
]
