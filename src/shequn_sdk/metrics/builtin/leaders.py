"""Opinion leaders and contributors."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

from pydantic import Field

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.graph import leader_scores, leaders
from shequn_sdk.metrics.model import Finish, FinishContext, Metric, MetricKind, MetricParams, Row, sql_file

__all__ = ["METRICS", "LeaderParams"]


class LeaderParams(MetricParams):
    """Parameters of the attention graph."""

    top: int = 20
    """How many members to give; 0 is all."""
    damping: float = 0.85
    reaction: float = 1.0
    comment: float = 3.0
    share: float = 5.0
    aimed: float = 1.0
    """Weight of a message to a member that answers nothing we know."""
    support: int = 1
    """Fewest distinct others who must have paid attention."""


class ScoreParams(LeaderParams):
    """Parameters of the leader score: more support is asked for than of the bare rank."""

    support: int = 5
    """Fewest distinct others who must have paid attention: a ring of friends is no audience."""


class ConcentrationParams(MetricParams):
    """Parameters of concentration."""

    share: float = Field(default=0.5, gt=0.0, le=1.0)
    """Share of contributions that the smallest group must hold."""
    top: float = Field(default=0.1, gt=0.0, le=1.0)
    """Share of contributors that is the top."""


def _spread_out(rows: list[Row]) -> list[tuple[int, int]]:
    """Give (contributions of one person, persons with that many), most first."""
    return sorted(((int(row["contributions"]), int(row["people"])) for row in rows), reverse=True)


def _absence(rows: list[Row], context: FinishContext) -> list[Row]:
    """Give the smallest number of members who together hold the share."""
    params: Any = context.params
    levels = _spread_out(rows)
    total = sum(each * people for each, people in levels)
    if total == 0:
        return []
    wanted, held, members = total * params.share, 0.0, 0
    for each, people in levels:
        needed = min(people, ceil((wanted - held) / each - 1e-9))
        held += each * needed
        members += needed
        if held >= wanted - 1e-9:
            break
    return [{"bucket": context.start, "value": members, "numerator": held, "denominator": total}]


def _gini(rows: list[Row], context: FinishContext) -> list[Row]:
    """Give the Gini coefficient of contributions among contributors."""
    levels = _spread_out(rows)[::-1]
    people = sum(count for _, count in levels)
    total = sum(each * count for each, count in levels)
    if total == 0:
        return []
    weighted, before = 0.0, 0
    for each, count in levels:
        # ranks before+1 .. before+count, summed
        weighted += each * (count * before + count * (count + 1) / 2)
        before += count
    return [
        {
            "bucket": context.start,
            "value": 2 * weighted / (people * total) - (people + 1) / people,
            "contributors": people,
        }
    ]


def _top(rows: list[Row], context: FinishContext) -> list[Row]:
    """Give the share of contributions that the most active hold."""
    params: Any = context.params
    levels = _spread_out(rows)
    people = sum(count for _, count in levels)
    total = sum(each * count for each, count in levels)
    if total == 0:
        return []
    left = max(1, floor(people * params.top + 0.5))
    held, members = 0, left
    for each, count in levels:
        taken = min(left, count)
        held += each * taken
        left -= taken
    return [{"bucket": context.start, "numerator": held, "denominator": total, "members": members}]


absence: Finish = _absence
gini: Finish = _gini
top_share: Finish = _top

_PARTS: tuple[tuple[str, Unit, MetricKind, str, str, str, tuple[str, ...], Finish], ...] = (
    (
        "absence_factor",
        Unit.MEMBERS,
        "count",
        "缺席系数:贡献一半内容的最少人数,越小越依赖少数人。",
        "Contributor absence factor: the fewest members who hold half of the contributions.",
        "smallest n whose contributions sum to at least half of all",
        ("chaoss: contributor absence factor",),
        absence,
    ),
    (
        "gini",
        Unit.RATIO,
        "score",
        "贡献基尼系数:0 为人人相等,接近 1 为极度集中。",
        "Gini coefficient of contributions: 0 is all alike, towards 1 is one person.",
        "2 * sum(rank * x) / (n * sum(x)) - (n + 1) / n",
        (),
        gini,
    ),
    (
        "top_share",
        Unit.RATIO,
        "ratio",
        "头部占比:最活跃的一成成员贡献了多少内容。",
        "Share of contributions by the most active tenth of contributors.",
        "contributions of the top / all contributions; the top are max(1, contributors * top, halves up)",
        (),
        top_share,
    ),
)

METRICS = [
    Metric(
        name="kol.pagerank",
        unit=Unit.SCORE,
        kind="score",
        additivity=Additivity.NONE,
        grains=(Grain.TOTAL,),
        sql=sql_file("edges"),
        params=LeaderParams,
        doc={
            "zh": "意见领袖 PageRank:谁得到了(有影响力的)人的关注。",
            "en": "PageRank over attention: each act points from its actor to the author it answers or addresses.",
        },
        formula="PR(v) = (1-d)/N + d * (sum over u->v of PR(u) w(u,v)/W(u) + PR of sinks / N)",
        edge_cases=(
            "acts on oneself are dropped, flagged spam too",
            "members who address nobody spread their rank evenly",
            "support= asks for a minimum of distinct others, which breaks rings of friends",
        ),
        refs=("Page, Brin, Motwani, Winograd 1999",),
        golden="leaders",
        finish_table=leaders,
    ),
    Metric(
        name="kol.score",
        version=2,
        unit=Unit.SCORE,
        kind="score",
        additivity=Additivity.NONE,
        grains=(Grain.TOTAL,),
        sql=sql_file("edges"),
        params=ScoreParams,
        doc={
            "zh": "意见领袖得分(0 到 100):PageRank 乘以受众人数对数、扣除互捧小圈子后的百分位,并列出各组成部分。",
            "en": "Leader score, 0 to 100: percentile of PageRank times log of the audience, rings discounted, with its parts.",
        },
        formula="percentile of PageRank * ln(1 + distinct others who paid attention) * (1 - ring)",
        edge_cases=(
            "needs attention by at least support= distinct others (5)",
            (
                "ring is the share of ordered pairs of these others who pay attention to each other: in a closed circle that "
                "is 1 and leaves nothing; looked at for the best 500, among 64 others"
            ),
            "the percentile is among all members of the graph",
        ),
        golden="leaders",
        finish_table=leader_scores,
    ),
    *(
        Metric(
            name=f"contributors.{part}",
            unit=unit,
            kind=kind,
            additivity=Additivity.NONE,
            grains=(Grain.TOTAL,),
            sql=sql_file("contributions"),
            params=ConcentrationParams,
            doc={"zh": zh, "en": en},
            formula=formula,
            edge_cases=(
                "contributions are messages, comments, questions, answers and shares",
                "no point without any",
            ),
            refs=refs,
            golden="leaders",
            finish=finish,
        )
        for part, unit, kind, zh, en, formula, refs, finish in _PARTS
    ),
]
