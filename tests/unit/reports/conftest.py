from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import pytest

from shequn_sdk.domain import Coverage, Grain, MetricPoint, MetricResult, Unit
from shequn_sdk.errors import UnknownName
from shequn_sdk.reports import (
    ChannelDeliveries,
    DeliveryCounts,
    Finding,
    GoalLine,
    Language,
    ReportContext,
)

START, END = date(2026, 8, 1), date(2026, 10, 29)
DAYS = [START + timedelta(days=n) for n in range(90)]
NAMES = [
    "王小明", "李静怡", "欧阳修远", "Alexandra Maria van der Bergh-Schwarzenegger", "健身教练·大山",
    "爱喝豆浆的程序员小姐姐每天都要早睡早起", "Tom", "陈堃", "张喆", "营养师 Lucy",
]  # fmt: skip
TITLES = [
    "今晚八点直播：办公室颈椎操", "五分钟健康早餐：燕麦与水果", "Weekend run: who joins?", "护肤问答精选", "睡眠质量自测",
]  # fmt: skip
AS_OF = datetime(2026, 10, 29, 12, 30, tzinfo=UTC)


def days_of(value, *, partial=lambda index: False, missing=()):
    return tuple(
        MetricPoint(
            bucket=day.isoformat(),
            value=None if index in missing else value(index),
            partial=partial(index),
        )
        for index, day in enumerate(DAYS)
    )


def results() -> dict[str, MetricResult]:
    def wave(index: int) -> float:
        return 1 + 0.25 * math.sin(index * 2 * math.pi / 7)

    def made(metric, points, *, unit=Unit.MEMBERS, grain=Grain.DAY, **more):
        return MetricResult(
            metric=metric, version=1, unit=unit, grain=grain, community="health", start=START, end=END,
            points=points, data_as_of=AS_OF, **more,
        )  # fmt: skip

    last = lambda index: index == 89  # noqa: E731
    hours = tuple(
        MetricPoint(bucket=str(hour), value=round(40 * math.exp(-(((hour % 24) - 20) ** 2) / 18) * (1.3 if hour // 24 > 4 else 1)) + hour % 3)
        for hour in range(168)
    )  # fmt: skip
    cohorts = [START + timedelta(days=2 + 7 * n) for n in range(12)]
    matrix = tuple(
        MetricPoint(
            bucket=cohort.isoformat(), numerator=round(60 * rate), denominator=60, value=round(60 * rate) / 60,
            partial=age == 11 - place, dims={"period": age},
        )
        for place, cohort in enumerate(cohorts)
        for age in range(12 - place)
        for rate in [1.0 if age == 0 else 0.55 * math.exp(-age / 6) + 0.1]
    )  # fmt: skip
    posts = tuple(
        MetricPoint(bucket="total", value=(50 - 9 * n) / 400, numerator=50 - 9 * n, denominator=400, dims={"content": f"post-{n}"})
        for n in range(5)
    )  # fmt: skip
    leaders = tuple(
        MetricPoint(bucket="total", value=0.09 / (n + 1), dims={"member": f"m{n}", "in_weight": 300 - 20 * n, "distinct_repliers": 40 - n})
        for n in range(10)
    )  # fmt: skip
    return {
        "members.total": made("members.total", days_of(lambda n: 120 + 6 * n, partial=last)),
        "members.joined": made("members.joined", days_of(lambda n: round(8 * wave(n)), partial=last)),
        "members.left": made("members.left", days_of(lambda n: 2 + n % 3, partial=last)),
        "active_members.dau": made("active_members.dau", days_of(lambda n: round((40 + n) * wave(n)), partial=last, missing=(30, 31)), warnings=("two days have no data",)),
        "active_members.wau": made("active_members.wau", days_of(lambda n: 90 + 3 * n, partial=lambda n: n < 6 or n == 89)),
        "active_members.mau": made("active_members.mau", days_of(lambda n: 110 + 5 * n, partial=lambda n: n < 27 or n == 89)),
        "activity.heatmap": made("activity.heatmap", hours, unit=Unit.EVENTS, grain=Grain.HOUR_OF_WEEK),
        "retention.weekly": made("retention.weekly", matrix, unit=Unit.RATIO, grain=Grain.WEEK),
        "content.engagement": made("content.engagement", posts, unit=Unit.RATIO, grain=Grain.TOTAL, coverage=Coverage(covered=3, total=4, missing=("wecom",)), late_share=0.012),
        "kol.pagerank": made("kol.pagerank", leaders, unit=Unit.SCORE, grain=Grain.TOTAL),
    }  # fmt: skip


class FakeCompute:
    """Gives prepared results and knows nothing else."""

    def __init__(self, prepared: dict[str, MetricResult]) -> None:
        self.prepared = prepared
        self.asked: list[str] = []

    async def __call__(self, name, *, community=None, start=None, end=None, last=None, grain=None, by=(), compare=None, params=None):  # fmt: skip
        self.asked.append(name)
        if name not in self.prepared:
            raise UnknownName("metric", name)
        return self.prepared[name]


def make_context(prepared=None, **changes) -> ReportContext:
    values = {
        "compute": FakeCompute(results() if prepared is None else prepared),
        "title": "健康养生社群 · 运营报告",
        "community": "health",
        "start": START,
        "end": END,
        "language": Language.ZH,
        "generated_at": AS_OF,
        "deliveries": DeliveryCounts(
            landed=62, refused=2, unknown=1, waiting=3,
            channels=(
                ChannelDeliveries(channel="health_bot:-100123", landed=40, refused=2, unknown=1, waiting=3),
                ChannelDeliveries(channel="club:42", landed=22),
            ),
        ),
        "goals": (
            GoalLine(title="一年内成员翻倍", target=700, metric="members.total", due=date(2026, 12, 31), expected=600),
            GoalLine(title="培养三位意见领袖", target=3, value=4),
            GoalLine(title="满意度", target=0.9),
        ),
        "findings": (
            Finding(title="少数人撑起讨论", evidence="半数互动来自 6 位成员。", confidence=0.83,
                    actions=("发起话题投票", "邀请新成员自我介绍")),
        ),
        "names": {f"m{n}": name for n, name in enumerate(NAMES)},
        "titles": {f"post-{n}": title for n, title in enumerate(TITLES)},
    }  # fmt: skip
    return ReportContext(**{**values, **changes})


@pytest.fixture
def report_context():
    return make_context
