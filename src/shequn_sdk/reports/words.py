"""Words and numbers of a report in both languages."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from shequn_sdk.domain import Unit
from shequn_sdk.reports.model import Language

__all__ = ["WEEKDAYS", "day", "hour_of_week", "instant", "meaning", "number", "part_title", "word"]

WEEKDAYS = {
    Language.ZH: ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    Language.EN: ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}

_WORDS: dict[str, tuple[str, str]] = {
    "report": ("社群运营报告", "Community report"),
    "period": ("统计周期", "Period"),
    "zone": ("时区", "Time zone"),
    "made": ("生成时间", "Made"),
    "as_of": ("数据截至", "Data as of"),
    "not_reported": ("未上报", "not reported"),
    "no_data": ("暂无数据", "no data"),
    "contents": ("目录", "Contents"),
    "data_table": ("数据表", "Data table"),
    "no_script": ("未启用脚本，图表以数据表显示。", "Scripts are off: see the data tables instead of the charts."),
    "partial": ("未完整", "partial"),
    "partial_note": (
        "虚线、浅色或空心表示该时段未结束或数据未覆盖完整窗口，仅供参考。",
        "Dashed, pale or hollow marks are periods that are not over yet or reach before the first data.",
    ),
    "missing_note": ("“×”表示未上报，不等于 0。", "“×” marks values that were not reported, which is not 0."),
    "summary": ("概览", "Summary"),
    "members": ("成员总数", "Members"),
    "joined": ("新增成员", "Joined"),
    "left": ("退出成员", "Left"),
    "growth": ("成员增长", "Growth"),
    "growth_rate": ("净增长率", "Net growth"),
    "dau": ("日活跃 (DAU)", "Daily active (DAU)"),
    "wau": ("周活跃 (WAU)", "Weekly active (WAU)"),
    "mau": ("月活跃 (MAU)", "Monthly active (MAU)"),
    "mean_dau": ("日均活跃成员", "Mean daily active"),
    "stickiness": ("粘性 (DAU/MAU)", "Stickiness (DAU/MAU)"),
    "posts": ("内容投递", "Posts"),
    "landed": ("已送达", "landed"),
    "refused": ("被拒绝", "refused"),
    "untaken": ("私信未能送达", "private, not taken"),
    "untaken_note": (
        "有 {count} 条私信发给了从未给账号写过信或关闭了私信的成员：这在意料之中，旅程会尽量改用其他方式通知，不计入“被拒绝”。",
        (
            "{count} private messages went to members who never wrote to the account or take none: that is expected, "
            "journeys tell them another way where they can, and these are not among the refused."
        ),
    ),
    "unknown": ("结果未知", "unknown"),
    "waiting": ("等待中", "waiting"),
    "activity": ("活跃度", "Activity"),
    "active_members": ("活跃成员", "Active members"),
    "heatmap": ("活跃时段", "When members are active"),
    "best_hour": ("最佳发布时段", "Best hour"),
    "best_hour_text": (
        "成员最活跃的时段是 {hour}，可优先安排重要内容。",
        "Members are most active at {hour}; a good time for what matters.",
    ),
    "hour": ("时", "Hour"),
    "weekday": ("星期", "Weekday"),
    "retention": ("成员留存", "Retention"),
    "cohort": ("加入周", "Week of joining"),
    "weeks_since": ("加入后第几周", "Weeks since joining"),
    "cohort_size": ("人数", "Members"),
    "week_n": ("第 {n} 周", "Week {n}"),
    "content": ("内容互动", "Content engagement"),
    "post": ("内容", "Post"),
    "engagement": ("互动", "Engagement"),
    "week_of": ("周", "Week of"),
    "posts_made": ("内容数", "Posts"),
    "interactions": ("互动数", "Interactions"),
    "per_post": ("每条内容的互动", "Interactions per post"),
    "kol": ("意见领袖", "Opinion leaders"),
    "member": ("成员", "Member"),
    "score": ("得分", "Score"),
    "rank": ("排名", "Rank"),
    "goals": ("目标达成", "Goals against the plan"),
    "goal": ("目标", "Goal"),
    "target": ("计划", "Target"),
    "actual": ("实际", "Actual"),
    "expected": ("应达进度", "Expected by now"),
    "due": ("截止", "Due"),
    "status": ("状态", "Status"),
    "reached": ("已达成", "reached"),
    "on_pace": ("按计划推进", "on pace"),
    "behind": ("落后于计划", "behind"),
    "open": ("进行中", "under way"),
    "deliveries": ("投递结果", "Deliveries"),
    "channel": ("渠道", "Channel"),
    "findings": ("诊断与建议", "Diagnosis"),
    "confidence": ("置信度", "confidence"),
    "actions": ("建议动作", "What to do"),
    "notes": ("数据说明", "About the data"),
    "definitions": ("指标定义", "How each number is defined"),
    "metric": ("指标", "Metric"),
    "version": ("版本", "Version"),
    "unit": ("单位", "Unit"),
    "grain": ("粒度", "Grain"),
    "coverage": ("覆盖", "Coverage"),
    "late": ("迟到事件占比", "Late events"),
    "definition": ("含义", "Meaning"),
    "day_word": ("日期", "Day"),
    "value": ("数值", "Value"),
    "series": ("系列", "Series"),
    "state": ("状态", "State"),
    "complete": ("完整", "complete"),
    "skipped": ("缺少指标 {name}，已略去“{section}”。", "“{section}” is left out: metric {name} is not available."),
    "section_failed": ("章节“{section}”生成失败（{error}），已略去。", "“{section}” failed ({error}) and is left out."),
    "coverage_note": ("覆盖 {covered}/{total}，缺 {missing}。", "covers {covered} of {total}, without {missing}."),
    "late_note": ("{share} 的事件迟到一天以上。", "{share} of the events came more than a day late."),
    "partial_count": ("{count} 个时段未完整。", "periods that are partial: {count}."),
    "missing_count": ("{count} 个时段未上报。", "values that were not reported: {count}."),
    "empty_store": ("所选周期内没有数据。", "There is no data in this period."),
    "last_complete": ("截至 {bucket}", "as of {bucket}"),
    "partial_value": ("未完整，{bucket}", "partial, {bucket}"),
    "grain.hour": ("小时", "hour"),
    "grain.day": ("天", "day"),
    "grain.week": ("周", "week"),
    "grain.month": ("月", "month"),
    "grain.hour_of_week": ("一周小时", "hour of week"),
    "grain.total": ("整个周期", "whole period"),
    "part.supporters": ("互动来源人数", "Supporters"),
    "part.shares": ("引发的转发", "Shares caused"),
    "part.attention": ("收到的关注", "Attention"),
    "unit.members": ("人", "members"),
    "unit.events": ("次", "events"),
    "unit.posts": ("条", "posts"),
    "unit.ratio": ("比率", "ratio"),
    "unit.seconds": ("秒", "seconds"),
    "unit.score": ("分", "score"),
    "unit.money": ("金额", "money"),
    "unit.days": ("天", "days"),
    "unit.hours": ("小时", "hours"),
}  # fmt: skip

_MEANINGS: dict[str, tuple[str, str]] = {
    "active_members.dau": ("当天有互动的不重复成员数。", "Distinct members with an active event in the local day."),
    "active_members.wau": ("截至当天的 7 天内有互动的不重复成员数。", "Distinct members active in the 7 days up to that day."),
    "active_members.mau": ("截至当天的 28 天内有互动的不重复成员数。", "Distinct members active in the 28 days up to that day."),
    "members.total": ("当日结束时的成员数。", "Members at the end of the day."),
    "members.joined": ("当天加入的成员数。", "Members who joined in the day."),
    "members.left": ("当天退出的成员数。", "Members who left in the day."),
    "retention.weekly": ("每周加入的成员在之后第 N 周仍活跃的比例。", "Share of each week's newcomers who are active N weeks later."),
    "content.engagement": ("每条内容平均收到的点赞、评论与转发。", "Reactions, comments and shares that a post received, on average."),
    "activity.heatmap": ("一周 168 小时的活跃分布（社群时区）。", "Activity by hour of the week, in the community's time zone."),
    "kol.pagerank": ("加权互动图上的 PageRank。", "PageRank on the weighted graph of who answers whom."),
}  # fmt: skip


def word(key: str, language: Language, **parts: object) -> str:
    """Give a report's word in its language, with `{parts}` filled in."""
    zh, en = _WORDS[key]
    text = zh if language is Language.ZH else en
    return text.format(**parts) if parts else text


def part_title(name: str, language: Language) -> str:
    """Name a part of a score; parts of plugins keep their own name."""
    return word(f"part.{name}", language) if f"part.{name}" in _WORDS else name.replace("_", " ")


def meaning(metric: str, language: Language) -> str:
    """Say what a built-in metric means, "" for others."""
    zh, en = _MEANINGS.get(metric, ("", ""))
    return zh if language is Language.ZH else en


def number(value: float | None, unit: Unit | None, language: Language) -> str:
    """Write a value for people: shares as percent, missing ones in words."""
    if value is None:
        return word("not_reported", language)
    if unit is Unit.RATIO:
        return f"{value * 100:.1f}%"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    if unit is Unit.SCORE and abs(value) < 1:
        return f"{value:.4f}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def day(value: date, language: Language) -> str:
    """Write a date as the language does."""
    return f"{value.year}年{value.month}月{value.day}日" if language is Language.ZH else value.isoformat()


def instant(value: datetime, zone: str) -> str:
    """Write an instant in a zone, to the minute."""
    return value.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def hour_of_week(index: int, language: Language) -> str:
    """Name an hour of the week, 0 being Monday 00."""
    return f"{WEEKDAYS[language][index // 24]} {index % 24:02d}:00"
