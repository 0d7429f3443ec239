"""Who stays."""

from __future__ import annotations

from datetime import timedelta

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
]
