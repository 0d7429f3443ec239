"""What members do with content."""

from __future__ import annotations

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.model import Metric, MetricParams, sql_file

__all__ = ["METRICS", "EngagementParams"]


class EngagementParams(MetricParams):
    """Parameters of engagement."""

    votes: bool = False
    """Count poll votes as interactions, too."""


METRICS = [
    Metric(
        name="content.engagement",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=(Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.TOTAL),
        dims=frozenset({"community", "platform", "channel"}),
        sql=sql_file("content_engagement"),
        params=EngagementParams,
        doc={
            "zh": "内容互动:当期发布的内容平均获得多少次点赞、评论与分享。",
            "en": "Interactions per post: reactions, comments and shares that the posts of the bucket received.",
        },
        formula="(reactions + comments + shares) / posts published in the bucket",
        edge_cases=(
            "a post is a message that answers nothing, by whomever, the SDK's own accounts included",
            "interactions count for the bucket of their post, whenever they were done",
            "a counter that a platform reports without saying who is taken at its largest value",
        ),
        refs=("socialbakers: engagement",),
        golden="content",
        needs_any=frozenset({"reaction", "comment", "share"}),
    ),
]
