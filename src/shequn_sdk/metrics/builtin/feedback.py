"""What members say of the community when they are asked (满意度)."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Any, Self

from pydantic import Field, model_validator

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.model import Finish, FinishContext, Metric, MetricParams, Row, sql_file

__all__ = ["METRICS", "PromoterParams", "RatingParams", "SatisfactionParams"]

_DIMS = frozenset({"community", "platform", "channel", "role", "tag", "entrance"})
_GRAINS = (Grain.MONTH, Grain.WEEK, Grain.DAY, Grain.TOTAL)
_SCALE = "values outside the scale are another question's answers and are left out"


class RatingParams(MetricParams):
    """Parameters of ratings."""

    lowest: float = 1.0
    highest: float = 5.0
    """The scale's ends; feedback with another value is not of this question."""

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("lowest is below highest")
        return self


class SatisfactionParams(RatingParams):
    """Parameters of satisfaction."""

    satisfied_from: float = Field(default=4.0)
    """Ratings of at least this are satisfied ones."""


class PromoterParams(RatingParams):
    """Parameters of the net promoter score: would you recommend us, from 0 to 10?"""

    lowest: float = 0.0
    highest: float = 10.0
    promoter_from: float = 9.0
    """Ratings of at least this are of promoters."""
    detractor_to: float = 6.0
    """Ratings of at most this are of detractors."""
    level: float = Field(default=0.95, gt=0.5, lt=1.0)
    """How sure the interval is."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.detractor_to >= self.promoter_from:
            raise ValueError("detractor_to is below promoter_from")
        return self


def _net_promoters(rows: list[Row], context: FinishContext) -> list[Row]:
    """Give the score with an interval that stays honest for few ratings: three more are counted, spread evenly."""
    params: Any = context.params
    width = NormalDist().inv_cdf((1 + params.level) / 2)
    found: list[Row] = []
    for row in rows:
        likes, dislikes, ratings = int(row["promoters"]), int(row["detractors"]), int(row["ratings"])
        size = ratings + 3
        middle = (likes - dislikes) / size
        spread = (likes + dislikes + 1.5) / size - middle * middle
        half = width * sqrt(spread / size)
        found.append(
            {name: value for name, value in row.items() if name == "bucket" or name.startswith("d_")}
            | {
                "numerator": 100 * (likes - dislikes),
                "denominator": ratings,
                "promoters": likes,
                "passives": ratings - likes - dislikes,
                "detractors": dislikes,
                "low": max(-100.0, 100 * (middle - half)),
                "high": min(100.0, 100 * (middle + half)),
            }
        )
    return sorted(
        found,
        key=lambda row: (str([row[name] for name in sorted(row) if name.startswith("d_")]), row["bucket"]),
    )


net_promoters: Finish = _net_promoters

METRICS = [
    Metric(
        name="feedback.nps",
        unit=Unit.SCORE,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("nps"),
        params=PromoterParams,
        doc={
            "zh": "净推荐值(NPS,-100 到 100):九分及以上的推荐者占比减去六分及以下的贬损者占比,并给出置信区间。",
            "en": "Net promoter score, -100 to 100: share of ratings from nine less share of ratings up to six, with its interval.",
        },
        formula="100 * (promoters - detractors) / ratings within the scale; interval: adjusted Wald, three ratings added",
        edge_cases=(
            _SCALE,
            "low and high bound the score at the asked level (95 %); with few ratings they are far apart",
            "who rates twice counts twice; no point without ratings",
            "another scale needs its own ends and marks: lowest, highest, promoter_from, detractor_to",
        ),
        refs=("reichheld: the one number you need to grow", "sauro and lewis: adjusted wald interval"),
        golden="feedback",
        needs=frozenset({"feedback"}),
        finish=net_promoters,
    ),
    Metric(
        name="feedback.satisfaction",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("satisfaction"),
        params=SatisfactionParams,
        doc={
            "zh": "满意度:评分达到满意线(五分制四分及以上)的反馈占全部评分的比例。",
            "en": "Satisfaction: share of ratings of at least four out of five.",
        },
        formula="ratings >= satisfied_from / ratings within the scale",
        edge_cases=(
            _SCALE,
            "who rates twice counts twice; no point without ratings",
            "says nothing about those who do not answer",
        ),
        golden="feedback",
        needs=frozenset({"feedback"}),
    ),
    Metric(
        name="feedback.rating",
        unit=Unit.SCORE,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("rating"),
        params=RatingParams,
        doc={
            "zh": "平均评分:反馈中的评分之和除以评分次数。",
            "en": "Mean rating of feedback.",
        },
        formula="sum(ratings) / ratings within the scale",
        edge_cases=(_SCALE, "put buckets together by their sums, never by their means"),
        golden="feedback",
        needs=frozenset({"feedback"}),
    ),
]
