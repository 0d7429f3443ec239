"""Who joined, who left, how many there are."""

from __future__ import annotations

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.model import Gaps, Metric, sql_file

__all__ = ["METRICS"]

_DIMS = frozenset({"community", "platform", "channel", "role", "tag", "entrance"})
_GRAINS = (Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.TOTAL)
_STATE = "repeated joins of a member who is in change nothing; a member who left and joins again counts again"

METRICS = [
    Metric(
        name="members.joined",
        unit=Unit.MEMBERS,
        kind="count",
        additivity=Additivity.SUM,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("members_joined"),
        doc={
            "zh": "加入人数:首次加入或重新加入的人数;没有加入记录的日志以首次发言为准。",
            "en": "Members who joined or rejoined; without join events, the first own act counts as joining.",
        },
        formula="count of changes from out to in; first in = min(join event, first act as actor)",
        edge_cases=(_STATE, "a member who was only addressed by others has not joined"),
        golden="membership",
        gaps=Gaps.ZERO,
    ),
    Metric(
        name="members.left",
        unit=Unit.MEMBERS,
        kind="count",
        additivity=Additivity.SUM,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("members_left"),
        doc={
            "zh": "退出人数:离开社群的人数。",
            "en": "Members who left, by a leave event.",
        },
        formula="count of changes from in to out",
        edge_cases=(
            _STATE,
            "silence is no leave: see active_members.dormant",
            "over several communities: who left the last one",
        ),
        golden="membership",
        needs_any=frozenset({"leave", "unfollow"}),
        gaps=Gaps.ZERO,
    ),
    Metric(
        name="members.total",
        unit=Unit.MEMBERS,
        kind="stock",
        additivity=Additivity.LAST,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("members_total"),
        doc={
            "zh": "成员总数:期末仍在社群中的已知人数。",
            "en": "Members known at the end of the bucket who have not left.",
        },
        formula="persons whose last change of state up to then is in; being addressed by others makes known",
        edge_cases=(
            "members who never did anything and were never named by the platform are not known",
            "the platform's own member count may be higher",
        ),
        golden="membership",
        gaps=Gaps.CARRY,
    ),
]
