"""What members do with content."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.cascade import spread, spreaders
from shequn_sdk.metrics.model import Finish, FinishContext, Metric, MetricParams, Row, sql_file

__all__ = ["METRICS", "EngagementParams"]


class EngagementParams(MetricParams):
    """Parameters of engagement."""

    votes: bool = False
    """Count poll votes as interactions, too."""


class ReachParams(EngagementParams):
    """Parameters of engagement over viewers or views."""

    min_reach: int = Field(default=1, ge=1)
    """Posts that fewer saw are left out: a rate over three viewers says nothing."""


class SpreadParams(MetricParams):
    """Parameters of spread."""

    top: int = Field(default=20, ge=0)
    """How many to give; 0 is all."""


class BestHourParams(EngagementParams):
    """Parameters of the best hour to post."""

    shrink: float = Field(default=5.0, ge=0.0)
    """Posts of average response that each hour is given beforehand; 0 trusts the hours alone."""


def _best_hours(rows: list[Row], context: FinishContext) -> list[Row]:
    """Draw hours with few posts towards the average post, and rank them."""
    params: Any = context.params
    posts = sum(row["denominator"] for row in rows)
    if not posts:
        return []
    usual = sum(row["numerator"] for row in rows) / posts
    scored = [
        {
            **row,
            "bucket": int(row["bucket"]),
            "value": (row["numerator"] + params.shrink * usual) / (row["denominator"] + params.shrink),
        }
        for row in rows
    ]
    scored.sort(key=lambda row: (-row["value"], row["bucket"]))
    ranked = [{**row, "rank": rank} for rank, row in enumerate(scored, 1)]
    return sorted(ranked, key=lambda row: row["bucket"])


best_hours: Finish = _best_hours

METRICS = [
    Metric(
        name="content.best_hour",
        unit=Unit.RATIO,
        kind="distribution",
        additivity=Additivity.NONE,
        grains=(Grain.HOUR_OF_WEEK,),
        sql=sql_file("content_best_hour"),
        params=BestHourParams,
        doc={
            "zh": "最佳发布时间(按互动):每个周内小时发布的内容平均得到多少互动,发布少的时段向总体平均收缩。",
            "en": "Best hour to post by response: interactions per post published in each hour of the week, ranked.",
        },
        formula="(interactions of the hour's posts + k * average per post) / (posts of the hour + k)",
        edge_cases=(
            "hours without a post have no point: nothing is known of them",
            "few posts are drawn to the average post by k = shrink posts",
            "posts of the last days still collect: leave them out with end=",
        ),
        golden="content",
        needs_any=frozenset({"reaction", "comment", "share"}),
        finish=best_hours,
    ),
    Metric(
        name="content.engagement.median",
        unit=Unit.EVENTS,
        kind="distribution",
        additivity=Additivity.NONE,
        grains=(Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.TOTAL),
        dims=frozenset({"community", "platform", "channel"}),
        sql=sql_file("content_median"),
        params=EngagementParams,
        doc={
            "zh": "内容互动中位数:一半的内容得到的互动不少于此数。",
            "en": "Median of interactions per post: half of the posts got at least as many.",
        },
        formula="quantile 0.5 (interpolated) of interactions per post of the bucket",
        edge_cases=(
            "posts without any interaction count as 0",
            "medians of several buckets cannot be put together",
        ),
        golden="content",
        needs_any=frozenset({"reaction", "comment", "share"}),
    ),
    Metric(
        name="content.engagement",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=(Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.TOTAL),
        dims=frozenset({"community", "platform", "channel"}),
        sources=("content_stats", "events"),
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
    *(
        Metric(
            name=f"content.engagement.by_{below}",
            version=2 if below == "members" else 1,
            unit=Unit.RATIO,
            kind="ratio",
            additivity=Additivity.RATIO,
            grains=(Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.TOTAL),
            dims=frozenset({"community", "platform", "channel"}),
            sources=("content_stats", "events"),
            sql=sql_file(f"content_by_{below}"),
            params=EngagementParams if below == "members" else ReachParams,
            doc={"zh": zh, "en": en},
            formula=formula,
            edge_cases=(
                "over several posts: sum over sum, never an average of rates",
                edge,
            ),
            refs=(
                "socialbakers: engagement rate",
                "iconosquare and napoleoncat: followers at the time of posting",
            ),
            golden="content",
            needs=frozenset(needs),
            needs_any=frozenset({"reaction", "comment", "share"}),
        )
        for below, zh, en, formula, edge, needs in (
            (
                "reach",
                "互动率(按触达):互动数除以看过内容的不同人数。",
                "Engagement rate by reach: interactions over distinct viewers of the posts.",
                "interactions / sum over posts of distinct viewers",
                "only where the platform says who viewed",
                {"view"},
            ),
            (
                "views",
                "互动率(按浏览):互动数除以浏览次数。",
                "Engagement rate by views: interactions over views of the posts.",
                "interactions / views",
                "a view counter is taken at its largest value; platforms without views are left out, not counted as 0",
                {"view"},
            ),
            (
                "members",
                "互动率(按成员):互动数除以发布时的成员人数。",
                "Engagement rate by members: interactions over members at the time of publishing.",
                "interactions / sum over posts of members when the post was published",
                "who came with the post itself is in; a post that nobody was there for is left out",
                set[str](),
            ),
        )
    ),
    Metric(
        name="content.spread",
        unit=Unit.EVENTS,
        kind="distribution",
        additivity=Additivity.NONE,
        grains=(Grain.TOTAL,),
        sql=sql_file("spread"),
        params=SpreadParams,
        doc={
            "zh": "传播:内容被转发的规模、深度、宽度、触达人数与再传播率,按规模排序。",
            "en": "Spread: how far posts were shared: size, depth, width, reach and reproduction, largest first.",
        },
        formula="size = shares in the tree; depth = longest path; width = most shares at one depth; "
        "reach = distinct viewers of any node; reproduction = shares / viewers",
        edge_cases=(
            "a shared post that was never seen is its own root; without any dated node it is left out",
            "trees end at depth 64",
        ),
        golden="spread",
        needs_any=frozenset({"share"}),
        finish=spread,
    ),
    Metric(
        name="content.spreaders",
        unit=Unit.EVENTS,
        kind="score",
        additivity=Additivity.NONE,
        grains=(Grain.TOTAL,),
        sql=sql_file("share_tree"),
        params=SpreadParams,
        doc={
            "zh": "关键传播者:谁的转发又带来了多少次转发。",
            "en": "Key spreaders: whose shares brought how many further shares.",
        },
        formula="shares below the member's own shares, each counted once per member; own shares beside it",
        edge_cases=("a chain that shares itself is cut at depth 64",),
        golden="spread",
        needs_any=frozenset({"share"}),
        finish_table=spreaders,
    ),
]
