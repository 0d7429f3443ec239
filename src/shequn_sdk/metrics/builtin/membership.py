"""Who joined, who left, how many there are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pydantic import Field, field_validator

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.buckets import bucket_end, starts
from shequn_sdk.metrics.model import Finish, FinishContext, Gaps, Metric, MetricParams, Row, sql_file

__all__ = ["METRICS"]

_DIMS = frozenset({"community", "platform", "channel", "role", "tag", "entrance"})
_GRAINS = (Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.TOTAL)
_STATE = "repeated joins of a member who is in change nothing; a member who left and joins again counts again"


class LifecycleParams(MetricParams):
    """Parameters of the lifecycle stages."""

    new_days: int = Field(default=7, ge=1)
    """Members first seen in the last so many days are new."""
    active_days: int = Field(default=14, ge=1)
    """Members who acted in the last so many days are active."""
    churned_days: int = Field(default=56, ge=1)
    """Members silent for longer are churned, like those who left."""


def _stocks(rows: list[Row]) -> dict[tuple[tuple[str, Any], ...], list[tuple[date, int]]]:
    groups: dict[tuple[tuple[str, Any], ...], list[tuple[date, int]]] = {}
    for row in rows:
        dims = tuple(sorted((k, v) for k, v in row.items() if k.startswith("d_")))
        groups.setdefault(dims, []).append((row["bucket"], int(row["value"])))
    return {group: sorted(steps) for group, steps in groups.items()}


def _stock_on(steps: list[tuple[date, int]], day: date) -> int:
    found = 0
    for when, value in steps:
        if when > day:
            break
        found = value
    return found


def _growth(rows: list[Row], context: FinishContext) -> list[Row]:
    """Set the change of the stock within each bucket against the stock before it."""
    found: list[Row] = []
    for group, steps in sorted(_stocks(rows).items(), key=lambda item: str(item[0])):
        for bucket in starts(context.start, context.end, context.grain):
            last = (
                context.end
                if context.grain is Grain.TOTAL
                else min(bucket_end(bucket, context.grain), context.end)
            )
            if bucket > context.last_day:
                continue
            before = _stock_on(steps, bucket - timedelta(days=1))
            net = _stock_on(steps, last) - before
            found.append({"bucket": bucket, **dict(group), "numerator": net, "denominator": before})
    return found


def _year(rows: list[Row], context: FinishContext) -> list[Row]:
    """Set the stock at the end of each bucket against that of 365 days before."""
    found: list[Row] = []
    for group, steps in sorted(_stocks(rows).items(), key=lambda item: str(item[0])):
        for bucket in starts(context.start, context.end, context.grain):
            last = (
                context.end
                if context.grain is Grain.TOTAL
                else min(bucket_end(bucket, context.grain), context.end)
            )
            if bucket > context.last_day:
                continue
            ago = _stock_on(steps, last - timedelta(days=365))
            net = _stock_on(steps, last) - ago
            found.append({"bucket": bucket, **dict(group), "numerator": net, "denominator": ago})
    return found


class ChurnParams(MetricParams):
    """Parameters of churn."""

    weeks: int = Field(default=4, ge=1, le=520)
    """A member silent for so many weeks has churned."""


class RfmParams(MetricParams):
    """Parameters of RFM."""

    rates: Mapping[str, Decimal] = Field(default_factory=dict[str, Decimal])
    """What one unit of each currency is worth in one of them, at most six places; without rates money is graded within
    each currency."""

    @field_validator("rates")
    @classmethod
    def _sane(cls, rates: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        if not all(Decimal(0) < rate < Decimal(10) ** 9 for rate in rates.values()):
            raise ValueError("rates are above 0 and below 1e9")
        return {name: rate.quantize(Decimal("0.000001")) for name, rate in rates.items()}


_SEGMENTS = (
    (4, 4, "champions"),
    (3, 3, "loyal"),
    (4, 0, "new"),
    (3, 0, "needs_attention"),
    (0, 3, "at_risk"),
    (0, 0, "silent"),
)
"""Least recency, least frequency, name; the first that fits: active core, regulars, newcomers, fading, about to be lost, gone."""


def _rfm(rows: list[Row], _: FinishContext) -> list[Row]:
    """Name the segment of each cell."""
    if rows and rows[0]["unpriced"]:
        raise InvalidInput(
            f"members.rfm has amounts in {rows[0]['unpriced']!r}, for which `rates` says nothing: add its rate, or leave "
            "`rates` out to grade money within each currency"
        )
    return [
        {
            **{name: value for name, value in row.items() if name != "unpriced"},
            "segment": next(
                name for r, f, name in _SEGMENTS if row["recency"] >= r and row["frequency"] >= f
            ),
        }
        for row in sorted(rows, key=lambda row: (-row["recency"], -row["frequency"], -row["money"]))
    ]


growth: Finish = _growth
year: Finish = _year
rfm: Finish = _rfm

METRICS = [
    Metric(
        name="members.joined",
        unit=Unit.MEMBERS,
        kind="count",
        additivity=Additivity.SUM,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("members_joined"),
        doc={
            "zh": "加入人数:首次加入或重新加入的人数;没有加入记录的日志以首次发言为准。",
            "en": "Members who joined or rejoined; without join events, the first own act counts as joining.",
        },
        formula="count of changes from out to in; first in = min(join event, first act as actor)",
        edge_cases=(_STATE, "a member who was only addressed by others has not joined"),
        golden="membership",
        gaps=Gaps.ZERO,
    ),
    Metric(
        name="members.left",
        unit=Unit.MEMBERS,
        kind="count",
        additivity=Additivity.SUM,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("members_left"),
        doc={
            "zh": "退出人数:离开社群的人数。",
            "en": "Members who left, by a leave event.",
        },
        formula="count of changes from in to out",
        edge_cases=(
            _STATE,
            "silence is no leave: see active_members.dormant",
            "over several communities: who left the last one",
        ),
        golden="membership",
        needs_any=frozenset({"leave", "unfollow"}),
        gaps=Gaps.ZERO,
    ),
    Metric(
        name="members.total",
        unit=Unit.MEMBERS,
        kind="stock",
        additivity=Additivity.LAST,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("members_total"),
        doc={
            "zh": "成员总数:期末仍在社群中的已知人数。",
            "en": "Members known at the end of the bucket who have not left.",
        },
        formula="persons whose last change of state up to then is in; being addressed by others makes known",
        edge_cases=(
            "members who never did anything and were never named by the platform are not known",
            "who is addressed after leaving has not come back",
            "the platform's own member count may be higher",
        ),
        golden="membership",
        gaps=Gaps.CARRY,
    ),
    Metric(
        name="members.growth_rate",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.NONE,
        grains=(Grain.WEEK, Grain.DAY, Grain.MONTH, Grain.TOTAL),
        dims=_DIMS,
        sql=sql_file("members_total"),
        doc={
            "zh": "成员增长率:净增人数除以期初人数。",
            "en": "Net change of members over the members at the start of the bucket.",
        },
        formula="(total at the end - total before the start) / total before the start",
        edge_cases=("unknown when there were no members at the start",),
        golden="membership",
        finish=growth,
    ),
    Metric(
        name="members.year_growth",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.NONE,
        grains=(Grain.MONTH, Grain.WEEK, Grain.DAY, Grain.TOTAL),
        dims=_DIMS,
        sql=sql_file("members_total"),
        doc={
            "zh": "年增长(一年翻番目标):与 365 天前相比的增长,1 表示翻番。",
            "en": "Growth over 365 days; 1 means doubled within a year.",
        },
        formula="size / size 365 days ago - 1",
        edge_cases=("unknown in the first year of data",),
        golden="membership",
        finish=year,
    ),
    Metric(
        name="members.lifecycle",
        unit=Unit.MEMBERS,
        kind="distribution",
        additivity=Additivity.NONE,
        grains=(Grain.TOTAL,),
        sources=("person_day", "member_day", "events"),
        sql=sql_file("lifecycle_segments") + "order by s.state\n",
        params=LifecycleParams,
        doc={
            "zh": "生命周期:期末的新成员、活跃、沉默、流失各有多少人。",
            "en": "Members by stage on the last day: new, active, silent, churned.",
        },
        formula="by days since the first and the last act, as new_days, active_days and churned_days say",
        edge_cases=("who left is churned whatever came before; who joined again is not",),
        golden="lifecycle",
    ),
    Metric(
        name="members.churned",
        unit=Unit.MEMBERS,
        kind="distinct_count",
        additivity=Additivity.NONE,
        grains=(Grain.WEEK, Grain.DAY, Grain.MONTH, Grain.TOTAL),
        dims=_DIMS,
        sources=("person_day", "member_day", "events"),
        sql=sql_file("members_churned"),
        params=ChurnParams,
        doc={
            "zh": "流失成员:当期退出,或沉默满若干周(默认四周)的人数。",
            "en": "Members who left in the bucket, or whose silence then had lasted some weeks (four).",
        },
        formula="persons with a leave in i, or with last act + 7 * weeks in i and no act or leave between",
        edge_cases=(
            "who comes back afterwards is resurrected, and may churn again",
            "days that are not over do not end a silence",
        ),
        golden="churn",
        gaps=Gaps.ZERO,
    ),
    Metric(
        name="members.rfm",
        version=2,
        unit=Unit.MEMBERS,
        kind="distribution",
        additivity=Additivity.NONE,
        grains=(Grain.TOTAL,),
        sql=sql_file("rfm"),
        params=RfmParams,
        doc={
            "zh": "RFM 分层:按最近活跃、活跃天数与消费金额各分五档,并给出分层名称。",
            "en": "Members by recency, frequency (active days) and money, each in fifths, with the segment's name.",
        },
        formula="ntile(5) of last active day, of active days, and of money spent among those who spent in the currency",
        edge_cases=(
            "ties are broken by member number, so that grades are stable",
            "who spent nothing has grade 0 for money",
            (
                "amounts of two currencies are never added: who paid in several has the best of the grades, or all are "
                "converted by `rates`, and then a currency without a rate is an error"
            ),
            "refunds count against purchases in the same currency",
        ),
        golden="lifecycle",
        finish=rfm,
    ),
]
