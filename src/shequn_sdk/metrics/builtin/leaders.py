"""Opinion leaders and contributors."""

from __future__ import annotations

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.graph import leaders
from shequn_sdk.metrics.model import Metric, MetricParams, sql_file

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
        finish=leaders,
    ),
]
