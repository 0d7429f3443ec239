"""What members say of the community when they are asked (满意度)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.model import Metric, MetricParams, sql_file

__all__ = ["METRICS", "RatingParams", "SatisfactionParams"]

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


METRICS = [
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
