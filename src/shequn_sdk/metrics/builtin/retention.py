"""Who stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import field_validator

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.model import ActiveParams, Finish, FinishContext, Metric, Row, sql_file

__all__ = ["METRICS"]


def _weekly(rows: list[Row], context: FinishContext) -> list[Row]:
    """Complete the triangle: weeks in which nobody of a cohort was active are 0, weeks not yet over are partial."""
    groups: dict[tuple[object, ...], dict[int, Row]] = {}
    for row in rows:
        dims = tuple(sorted((k, v) for k, v in row.items() if k.startswith("d_")))
        groups.setdefault((row["bucket"], dims), {})[-1] = row
        if row["period"] is not None:
            groups[row["bucket"], dims][row["period"]] = row
    last = min(context.end, context.last_day)
    finished: list[Row] = []
    for (cohort, _), found in sorted(groups.items(), key=lambda item: (str(item[0][1]), str(item[0][0]))):
        sample = found[-1]
        period = 0
        while (begin := cohort + timedelta(days=7 * period)) <= last:  # type: ignore[operator]
            row = dict(found.get(period, {**sample, "numerator": 0}))
            row["period"] = period
            over = begin + timedelta(days=6)
            row["partial"] = over > last or over >= context.today
            finished.append(row)
            period += 1
    return finished


weekly: Finish = _weekly


class DayParams(ActiveParams):
    """Parameters of N-day retention."""

    days: tuple[int, ...] = (1, 7, 30)
    """Days after the first one, 0 to 3650."""
    mode: Literal["on", "on_or_after", "bracket"] = "on"
    """`bracket` counts days N up to the next N."""

    @field_validator("days")
    @classmethod
    def _sane(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if not days or not all(0 <= day <= 3650 for day in days):
            raise ValueError("days are 0 to 3650, at least one of them")
        return days


def _by_day(rows: list[Row], _: FinishContext) -> list[Row]:
    """Call the column what it is."""
    renamed = [{("day" if key == "day_no" else key): value for key, value in row.items()} for row in rows]
    return sorted(
        renamed,
        key=lambda row: (
            str([v for k, v in sorted(row.items()) if k.startswith("d_")]),
            row["bucket"],
            row["day"],
        ),
    )


by_day: Finish = _by_day

METRICS = [
    Metric(
        name="retention.weekly",
        unit=Unit.RATIO,
        kind="matrix",
        additivity=Additivity.RATIO,
        grains=(Grain.WEEK,),
        dims=frozenset({"community", "platform", "channel", "role", "tag", "entrance"}),
        sources=("person_day", "member_day", "events"),
        sql=sql_file("retention_weekly"),
        params=ActiveParams,
        doc={
            "zh": "周留存:按首次出现的周分组,之后各周仍活跃的比例。",
            "en": "Weekly retention: of the persons first seen in a week, the share active k weeks later.",
        },
        formula="active in week w+k / first seen in week w",
        edge_cases=(
            "the first join or act ever decides the cohort, not the first one in the range",
            "weeks that are not over are partial",
            "an empty cohort has no row",
        ),
        refs=("crowd.dev: contributor retention", "amplitude: retention analysis"),
        golden="retention",
        finish=weekly,
    ),
    Metric(
        name="retention.day",
        unit=Unit.RATIO,
        kind="matrix",
        additivity=Additivity.RATIO,
        grains=(Grain.TOTAL, Grain.DAY, Grain.WEEK, Grain.MONTH),
        dims=frozenset({"community", "platform", "channel", "role", "tag", "entrance"}),
        sources=("person_day", "member_day", "events"),
        sql=sql_file("retention_days"),
        params=DayParams,
        doc={
            "zh": "N 日留存:首次出现后第 N 个自然日仍活跃的比例。",
            "en": "N-day retention: of the persons first seen in the bucket, the share active on local day N after it.",
        },
        formula="active on first day + N / persons for whom that day has fully passed",
        edge_cases=(
            "calendar days of the community's zone, not 24-hour spans",
            "members for whom day N has not passed are in neither number",
        ),
        refs=("amplitude: retention analysis",),
        golden="retention",
        finish=by_day,
    ),
    Metric(
        name="retention.period",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=(Grain.WEEK, Grain.DAY, Grain.MONTH),
        dims=frozenset({"community", "platform", "channel", "role", "tag", "entrance"}),
        sources=("person_day", "member_day", "events"),
        sql=sql_file("retention_period"),
        params=ActiveParams,
        doc={
            "zh": "环比留存:上期活跃的成员本期仍活跃的比例。",
            "en": "Of the members active in the interval before, the share active in this one.",
        },
        formula="active in i-1 and i / active in i-1",
        edge_cases=("no point when nobody was active before",),
        refs=("crowd.dev: contributor retention",),
        golden="retention",
    ),
]
