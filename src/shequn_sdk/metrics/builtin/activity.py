"""How many members are active, and when."""

from __future__ import annotations

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.model import ActiveParams, Finish, FinishContext, Gaps, Metric, Row, sql_file

__all__ = ["METRICS"]

_DIMS = frozenset({"community", "platform", "channel", "role", "tag", "entrance"})
_DAYS = (Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.TOTAL)
_LIFECYCLE = ("posthog: product analytics, lifecycle",)
_ONCE = "a person with identities on two platforms counts once when they are linked"
_TRAILING = "trailing days, not a calendar unit; days whose window reaches before the first data are partial"


def _rolling(days: int) -> str:
    return sql_file("active_rolling").replace("@window", str(days))


def _fill_week(rows: list[Row], context: FinishContext) -> list[Row]:
    """Add the hours of the week in which nothing happened."""
    dims = {tuple(sorted((k, v) for k, v in row.items() if k.startswith("d_"))) for row in rows} or {()}
    seen = {
        (row["bucket"], tuple(sorted((k, v) for k, v in row.items() if k.startswith("d_")))) for row in rows
    }
    empty = [
        {"bucket": hour, "value": 0, **dict(group)}
        for group in dims
        for hour in range(168)
        if (hour, group) not in seen
    ]
    return sorted(
        rows + empty,
        key=lambda row: (sorted((k, str(v)) for k, v in row.items() if k[0] == "d"), row["bucket"]),
    )


fill_week: Finish = _fill_week

METRICS = [
    Metric(
        name="active_members.dau",
        unit=Unit.MEMBERS,
        kind="distinct_count",
        additivity=Additivity.NONE,
        grains=(Grain.DAY,),
        dims=_DIMS,
        sources=("person_day", "member_day", "events"),
        sql=sql_file("active_daily"),
        params=ActiveParams,
        doc={
            "zh": "日活跃成员:当地日内至少有一次主动行为的人数。",
            "en": "Daily active members: persons with at least one act in the local day.",
        },
        formula="count(distinct person) per local day, over active kinds",
        edge_cases=(
            _ONCE,
            "joins and leaves are no acts",
            "bots and flagged spam are left out unless asked for",
        ),
        golden="active",
        gaps=Gaps.ZERO,
    ),
    Metric(
        name="active_members.wau",
        unit=Unit.MEMBERS,
        kind="distinct_count",
        additivity=Additivity.NONE,
        grains=(Grain.DAY,),
        dims=_DIMS,
        sources=("person_day", "member_day", "events"),
        sql=_rolling(7),
        params=ActiveParams,
        doc={
            "zh": "周活跃成员:截至当日的最近七天内活跃过的人数。",
            "en": "Weekly active members: persons active in the seven days that end with the day.",
        },
        formula="count(distinct person) over days d-6 .. d",
        edge_cases=(_TRAILING, _ONCE),
        golden="active",
        lead=6,
        gaps=Gaps.CARRY,
    ),
    Metric(
        name="active_members.mau",
        unit=Unit.MEMBERS,
        kind="distinct_count",
        additivity=Additivity.NONE,
        grains=(Grain.DAY,),
        dims=_DIMS,
        sources=("person_day", "member_day", "events"),
        sql=_rolling(28),
        params=ActiveParams,
        doc={
            "zh": "月活跃成员:截至当日的最近二十八天内活跃过的人数。",
            "en": "Monthly active members: persons active in the 28 days that end with the day.",
        },
        formula="count(distinct person) over days d-27 .. d",
        edge_cases=(_TRAILING, "28 days, so that every window holds each weekday four times", _ONCE),
        golden="active",
        lead=27,
        gaps=Gaps.CARRY,
    ),
    Metric(
        name="active_members.distinct",
        unit=Unit.MEMBERS,
        kind="distinct_count",
        additivity=Additivity.NONE,
        grains=_DAYS,
        dims=_DIMS,
        sources=("person_day", "member_day", "events"),
        sql=sql_file("active_distinct"),
        params=ActiveParams,
        doc={
            "zh": "活跃成员(按日历周期去重):每个自然日、周、月或全期内活跃过的人数。",
            "en": "Distinct active members per calendar day, ISO week, month or the whole range.",
        },
        formula="count(distinct person) per bucket",
        edge_cases=("values of several buckets must not be summed",),
        golden="active",
        gaps=Gaps.ZERO,
    ),
    Metric(
        name="activity.interactions",
        unit=Unit.EVENTS,
        kind="count",
        additivity=Additivity.SUM,
        grains=(Grain.DAY, Grain.HOUR, Grain.WEEK, Grain.MONTH, Grain.TOTAL),
        dims=_DIMS | {"kind"},
        sources=("community_hour", "events"),
        sql=sql_file("interactions"),
        params=ActiveParams,
        doc={
            "zh": "互动总数:成员的全部主动行为次数,可按类型拆分。",
            "en": "Interactions: how many acts there were, by kind if asked.",
        },
        formula="count(events) per bucket, over active kinds",
        edge_cases=("retracted acts are not counted",),
        golden="active",
        gaps=Gaps.ZERO,
    ),
    Metric(
        name="activity.heatmap",
        unit=Unit.EVENTS,
        kind="distribution",
        additivity=Additivity.SUM,
        grains=(Grain.HOUR_OF_WEEK,),
        dims=_DIMS,
        sources=("community_hour", "events"),
        sql=sql_file("activity_heatmap"),
        params=ActiveParams,
        doc={
            "zh": "活跃时段:一周 168 个小时各有多少互动,按社群所在时区。",
            "en": "Hour-of-week activity: acts in each of the 168 local hours of a week, Monday 00 first.",
        },
        formula="count(events) per (ISO weekday, local hour)",
        edge_cases=(
            "the doubled hour at the end of summer time counts twice as long, the missing one not at all",
        ),
        golden="active",
        finish=fill_week,
    ),
]
