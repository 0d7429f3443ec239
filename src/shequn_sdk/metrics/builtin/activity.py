"""How many members are active, and when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.model import ActiveParams, Finish, FinishContext, Gaps, Metric, Row, sql_file

__all__ = ["METRICS"]

_DIMS = frozenset({"community", "platform", "channel", "role", "tag", "entrance"})
_DAYS = (Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.TOTAL)
_LIFECYCLE = ("posthog: product analytics, lifecycle",)
_ONCE = "a person with identities on two platforms counts once when they are linked"
_DAY = timedelta(days=1)
_TRAILING = "trailing days, not a calendar unit; days whose window reaches before the first data are partial"


def _rolling(days: int) -> str:
    return sql_file("active_rolling").replace("@window", str(days))


def _group(row: Row) -> tuple[tuple[str, object], ...]:
    return tuple(sorted((k, v) for k, v in row.items() if k.startswith("d_")))


def _fill_week(rows: list[Row], _: FinishContext) -> list[Row]:
    """Add the hours of the week in which nothing happened."""
    groups = {_group(row) for row in rows} or {()}
    seen = {(row["bucket"], _group(row)) for row in rows}
    empty = [
        {"bucket": hour, "value": 0, **dict(group)}
        for group in groups
        for hour in range(168)
        if (hour, group) not in seen
    ]
    return sorted(rows + empty, key=lambda row: (str(_group(row)), row["bucket"]))


def _stickiness(rows: list[Row], context: FinishContext) -> list[Row]:
    """Fill the days on which nobody was active; put the range together when asked for the total."""
    groups: dict[tuple[tuple[str, object], ...], dict[date, Row]] = {}
    for row in rows:
        groups.setdefault(_group(row), {})[row["bucket"]] = row
    found: list[Row] = []
    for group, days in sorted(groups.items(), key=lambda item: str(item[0])):
        before = [day for day in days if day < context.start]
        monthly = days[max(before)]["denominator"] if before else 0
        series: list[Row] = []
        day = context.start
        while day <= min(context.end, context.last_day):
            row = days.get(day)
            monthly = monthly if row is None else row["denominator"]
            daily = 0 if row is None else row["numerator"]
            series.append({"bucket": day, **dict(group), "numerator": daily, "denominator": monthly})
            day += timedelta(days=1)
        if context.grain is Grain.TOTAL and series:
            series = [
                {
                    "bucket": context.start,
                    **dict(group),
                    "numerator": sum(row["numerator"] for row in series),
                    "denominator": sum(row["denominator"] for row in series),
                }
            ]
        found.extend(series)
    return found


def _hours_of_week(first: date, last: date, zone: str) -> list[int]:
    """Count how often each hour of the week came; that of summer time's beginning or end is missing or came twice."""
    came = [0] * 168
    place = ZoneInfo(zone)
    midnight = datetime(first.year, first.month, first.day, tzinfo=place)
    begin = midnight.astimezone(UTC)
    for day in range((last - first).days + 1):
        end = (midnight + timedelta(days=day + 1)).astimezone(UTC)
        start = (first.weekday() + day) % 7 * 24
        if end - begin == _DAY:
            came[start : start + 24] = [count + 1 for count in came[start : start + 24]]
        else:
            while begin < end:
                came[start + begin.astimezone(place).hour] += 1
                begin += timedelta(hours=1)
        begin = end
    return came


def _best_hours(rows: list[Row], context: FinishContext) -> list[Row]:
    """Average over how often each hour of the week came, and draw thin data towards what is usual at that hour."""
    params: Any = context.params
    came = _hours_of_week(context.start, min(context.end, context.last_day), context.zone)
    counts = {int(row["bucket"]): float(row["numerator"]) for row in rows}
    found: list[Row] = []
    for cell in range(168):
        same = range(cell % 24, 168, 24)
        days = sum(came[other] for other in same)
        usual = sum(counts.get(other, 0.0) for other in same) / days if days else 0.0
        below = came[cell] + params.shrink
        score = (counts.get(cell, 0.0) + params.shrink * usual) / below if below and days else None
        found.append(
            {"bucket": cell, "value": score, "numerator": counts.get(cell, 0.0), "denominator": came[cell]}
        )
    order = sorted(range(168), key=lambda cell: (-(found[cell]["value"] or 0.0), cell))
    for rank, cell in enumerate(order, 1):
        found[cell]["rank"] = rank
    return found


class TrailingParams(ActiveParams):
    """Parameters of metrics over the days that end with each day."""

    window: int = Field(default=28, ge=2, le=366)
    """How many days; 28 hold each weekday four times, some count 30."""


class BestHourParams(ActiveParams):
    """Parameters of the best posting time."""

    shrink: float = Field(default=4.0, ge=0.0)
    """Weeks of data that the hour's usual level over all weekdays weighs as much as; 0 trusts the cells alone."""


fill_week: Finish = _fill_week
stickiness: Finish = _stickiness
best_hours: Finish = _best_hours

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
        closed=True,
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
        sql=sql_file("active_rolling"),
        params=TrailingParams,
        doc={
            "zh": "月活跃成员:截至当日的最近二十八天(可改为三十天)内活跃过的人数。",
            "en": "Monthly active members: persons active in the 28 days (window= for 30) that end with the day.",
        },
        formula="count(distinct person) over days d-window+1 .. d",
        edge_cases=(_TRAILING, "28 days, so that every window holds each weekday four times", _ONCE),
        golden="active",
        lead=27,
        closed=True,
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
        closed=True,
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
    Metric(
        name="active_members.stickiness",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=(Grain.DAY, Grain.TOTAL),
        dims=_DIMS,
        sources=("person_day", "member_day", "events"),
        sql=sql_file("stickiness"),
        params=TrailingParams,
        doc={
            "zh": "粘性:日活跃成员与月活跃成员之比,可理解为成员平均有多大比例的日子会来。",
            "en": "Stickiness: daily over monthly active members, the share of days on which a member shows up.",
        },
        formula="DAU(d) / MAU(d); over a range: sum of DAU / sum of MAU",
        edge_cases=(
            "unknown when nobody was active in the window (28 days)",
            "days whose window reaches before the first data are partial",
        ),
        refs=_LIFECYCLE,
        golden="active",
        lead=27,
        finish=stickiness,
    ),
    Metric(
        name="active_members.active_days",
        unit=Unit.MEMBERS,
        kind="distribution",
        additivity=Additivity.NONE,
        grains=(Grain.TOTAL,),
        sources=("person_day", "member_day", "events"),
        sql=sql_file("active_days") + "order by d.active_days\n",
        params=ActiveParams,
        doc={
            "zh": "活跃天数分布:活跃过若干天的成员各有多少人。",
            "en": "How many members were active on how many days of the range.",
        },
        formula="count(persons) per number of active local days",
        edge_cases=("members without any active day are in no row",),
        refs=_LIFECYCLE,
        golden="active",
    ),
    *(
        Metric(
            name=f"active_members.{state}",
            unit=Unit.MEMBERS,
            kind="distinct_count",
            additivity=Additivity.NONE,
            grains=(Grain.WEEK, Grain.DAY, Grain.MONTH),
            dims=_DIMS,
            sources=("person_day", "member_day", "events"),
            sql=sql_file("lifecycle_active").replace("@state", state),
            params=ActiveParams,
            doc={"zh": zh, "en": en},
            formula=formula,
            edge_cases=(
                "new + returning + resurrected = active members of the interval",
                "the first join or act ever decides what is new, never the first one in the range",
            ),
            refs=_LIFECYCLE,
            golden="lifecycle",
            gaps=Gaps.ZERO,
        )
        for state, zh, en, formula in (
            (
                "new",
                "新成员:本期首次出现并活跃的人数。",
                "Active members first seen in this interval.",
                "first seen in i",
            ),
            (
                "returning",
                "回访成员:上期与本期都活跃的人数。",
                "Members active in this interval and in the one before.",
                "active in i and i-1, not new",
            ),
            (
                "resurrected",
                "回流成员:上期不活跃、本期活跃的老成员人数。",
                "Members active now, not in the interval before, and not new.",
                "active in i, not in i-1, not new",
            ),
        )
    ),
    Metric(
        name="active_members.dormant",
        unit=Unit.MEMBERS,
        kind="distinct_count",
        additivity=Additivity.NONE,
        grains=(Grain.WEEK, Grain.DAY, Grain.MONTH),
        dims=_DIMS,
        sources=("person_day", "member_day", "events"),
        sql=sql_file("lifecycle_dormant"),
        params=ActiveParams,
        doc={
            "zh": "沉默成员:上期活跃、本期不再活跃的人数。",
            "en": "Members active in the interval before and silent in this one.",
        },
        formula="active in i-1, not in i",
        edge_cases=("the running interval is partial: silence may still end",),
        refs=_LIFECYCLE,
        golden="lifecycle",
        gaps=Gaps.ZERO,
    ),
    Metric(
        name="activity.best_hour",
        version=2,
        unit=Unit.MEMBERS,
        kind="distribution",
        additivity=Additivity.NONE,
        grains=(Grain.HOUR_OF_WEEK,),
        sql=sql_file("best_hour"),
        params=BestHourParams,
        doc={
            "zh": "最佳发布时间:每个周内小时平均有多少活跃成员,数据少时向该小时的平均水平收缩。",
            "en": "Best posting time: active members in an average occurrence of each hour of the week, ranked.",
        },
        formula="(sum of active members + k * mean of that hour over all weekdays) / (occurrences + k)",
        edge_cases=(
            "divided by how often that hour came in the range: one was missing, or came twice, when clocks changed",
            "thin data is drawn to the hour's level over all weekdays by k = shrink weeks",
        ),
        golden="active",
        finish=best_hours,
    ),
    Metric(
        name="activity.messages_per_member",
        unit=Unit.EVENTS,
        kind="ratio",
        additivity=Additivity.NONE,
        grains=_DAYS,
        dims=_DIMS,
        closed=True,
        sql=sql_file("messages_per_member"),
        doc={
            "zh": "人均发言:发言成员平均每人发言多少条。",
            "en": "Messages per member who said something in the bucket.",
        },
        formula="(messages + comments + questions + answers) / distinct persons who wrote them",
        edge_cases=("silent members are not in the denominator",),
        golden="active",
    ),
]
