"""Mood, advertisements and answers (氛围)."""

from __future__ import annotations

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.model import Metric, sql_file

__all__ = ["METRICS"]

_DIMS = frozenset({"community", "platform", "channel", "role", "tag", "entrance"})
_GRAINS = (Grain.WEEK, Grain.DAY, Grain.MONTH, Grain.TOTAL)

_TIMES = tuple(
    Metric(
        name=f"response.{name}",
        unit=Unit.SECONDS,
        kind="distribution",
        additivity=Additivity.NONE,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("response_time").replace("@level", level),
        doc={"zh": zh, "en": en},
        formula=f"quantile {level} (interpolated) of first answer by another person - question, over answered questions",
        edge_cases=(
            "the numerator counts answered, the denominator all questions: read it with response.unanswered",
            "bots' answers do not count",
            "a question is a message of kind question, or one that ends with a question mark",
        ),
        refs=("chaoss: time to first response",),
        golden="atmosphere",
    )
    for name, level, zh, en in (
        (
            "median",
            "0.5",
            "答复时间中位数(秒):提问到他人首次回复。",
            "Median seconds from a question to the first answer.",
        ),
        (
            "p90",
            "0.9",
            "答复时间 90 分位(秒)。",
            "90th percentile of seconds from a question to the first answer.",
        ),
    )
)

_SPAM = """left join (
    select distinct w.content_no from @log as w
    where @scope(w) and w.kind = 'moderation' and w.is_spam and w.content_no is not null
) as s on s.content_no = e.content_no"""

_FLAGS = tuple(
    Metric(
        name=f"atmosphere.{name}",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("flag_share")
        .replace("@flag", flag)
        .replace("@spam_rule", rule)
        .replace("@spam_join", "" if flag == "spam" else _SPAM),
        doc={"zh": zh, "en": en},
        formula=formula,
        edge_cases=(
            edge,
            "messages are messages, comments, questions and answers; bots are left out unless asked for",
        ),
        golden="atmosphere",
    )
    for name, flag, rule, zh, en, formula, edge in (
        (
            "spam_share",
            "spam",
            "1 = 1",
            "广告与灌水占比:被判为广告或灌水的发言占全部发言的比例。",
            "Share of messages flagged as advertisement or flooding.",
            "flagged as spam / messages",
            "what was flagged later counts for the day of the message",
        ),
        (
            "negative_share",
            "negative",
            "(@param(include_spam) or (not e.is_spam and s.content_no is null))",
            "负面情绪占比:被判为负面的发言占非广告发言的比例。",
            "Share of messages flagged as negative, spam aside.",
            "flagged as negative / messages without spam",
            "only as good as the detector that set the flag",
        ),
    )
)

METRICS = [
    *_TIMES,
    Metric(
        name="response.unanswered",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("response_unanswered"),
        doc={
            "zh": "未答复占比:没有得到他人回复的提问比例。",
            "en": "Share of questions that nobody else has answered.",
        },
        formula="questions without an answer by another person / questions",
        edge_cases=("fresh questions count as unanswered until somebody answers",),
        refs=("chaoss: time to first response",),
        golden="atmosphere",
    ),
    *_FLAGS,
    Metric(
        name="atmosphere.reply_share",
        version=2,
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.RATIO,
        grains=_GRAINS,
        dims=_DIMS,
        sql=sql_file("reply_share"),
        doc={
            "zh": "回应率:得到他人回复、点赞或转发的发言比例。",
            "en": "Share of messages that somebody else answered, shared or reacted to.",
        },
        formula="messages met by another person / messages",
        edge_cases=("only answers that name the message count; talk that merely follows does not",),
        golden="atmosphere",
    ),
]
