"""Diagnosis: the handbooks' rules as data, each finding with evidence, confidence and what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

from pydantic import Field

from shequn_sdk.domain import Frozen, Grain, MetricName, MetricPoint, MetricResult

__all__ = ["RULES", "Action", "Evidence", "Finding", "Rule", "Signal", "diagnose"]

Compute = Callable[..., Awaitable[MetricResult]]
"""`Metrics.compute`, or anything that answers like it."""


class Action(Frozen):
    """Something to do about it."""

    zh: str
    en: str
    uses: str
    """Part of the SDK that does it."""


class Signal(Frozen):
    """One reading that speaks for a rule when it is on the wrong side of a threshold."""

    metric: MetricName | None = None
    fact: str = ""
    """In place of a metric: the name of a number that the caller knows."""
    grain: Grain | None = None
    read: Literal["mean", "latest", "change"] = "mean"
    """`change` is the mean of the later half of the range over that of the earlier half, less 1.

    The mean of ratios is made of their parts: a week of three messages weighs less than one of three hundred.
    """
    worse: Literal["above", "below"]
    threshold: float
    per: MetricName | None = None
    """Divide by the latest value of this metric."""
    period: int | None = None
    """For retention matrices: which period to read."""


class Rule(Frozen):
    """What is wrong when the first signal says so; the others make it surer or less sure."""

    name: str
    zh: str
    en: str
    signals: tuple[Signal, ...] = Field(min_length=1)
    actions: tuple[Action, ...]


class Evidence(Frozen):
    """What a signal read."""

    what: str
    value: float
    threshold: float
    worse: Literal["above", "below"]
    speaks: bool
    """It is on the wrong side."""


class Finding(Frozen):
    """Something that is probably wrong (诊断)."""

    rule: str
    zh: str
    en: str
    confidence: float = Field(ge=0.0, le=1.0)
    """A guide for ordering findings, not a probability: shares of signals that agree, less for few data."""
    evidence: tuple[Evidence, ...]
    actions: tuple[Action, ...]


RULES: tuple[Rule, ...] = (
    Rule(
        name="low_participation",
        zh="参与度低:多数成员不互动",
        en="Few members take part",
        signals=(
            Signal(
                metric="active_members.mau", read="latest", worse="below", threshold=0.2, per="members.total"
            ),
            Signal(metric="active_members.stickiness", read="mean", worse="below", threshold=0.1),
            Signal(metric="active_members.wau", read="change", worse="below", threshold=-0.1),
        ),
        actions=(
            Action(zh="发起话题、投票或打卡", en="Start a topic, a poll or a check-in", uses="engagement"),
            Action(
                zh="在成员最活跃的时段发布",
                en="Publish when members are active",
                uses="metrics activity.best_hour",
            ),
            Action(
                zh="唤醒沉默成员", en="Wake silent members with a personal message", uses="members journeys"
            ),
        ),
    ),
    Rule(
        name="leaky_growth",
        zh="增长留不住:新人很快沉默",
        en="Growth does not stay",
        signals=(
            Signal(metric="retention.weekly", worse="below", threshold=0.25, period=1),
            Signal(metric="active_members.dormant", read="change", worse="above", threshold=0.1),
        ),
        actions=(
            Action(
                zh="入群欢迎与新人七日流程",
                en="Welcome newcomers and lead them through their first week",
                uses="members journeys",
            ),
            Action(
                zh="比较各入口带来的留存",
                en="Compare retention by entrance",
                uses="metrics retention.day by entrance",
            ),
        ),
    ),
    Rule(
        name="talk_by_few",
        zh="少数人说话:内容过度依赖几个人",
        en="Talk rests on a few members",
        signals=(
            Signal(metric="contributors.top_share", read="latest", worse="above", threshold=0.7),
            Signal(metric="contributors.gini", read="latest", worse="above", threshold=0.75),
            Signal(metric="contributors.absence_factor", read="latest", worse="below", threshold=3),
        ),
        actions=(
            Action(zh="培养更多意见领袖", en="Find and grow more opinion leaders", uses="metrics kol.score"),
            Action(
                zh="用积分与徽章鼓励首次发言",
                en="Reward first contributions with points and badges",
                uses="engagement points",
            ),
        ),
    ),
    Rule(
        name="advertisements",
        zh="广告与灌水偏多",
        en="Too many advertisements",
        signals=(
            Signal(metric="atmosphere.spam_share", worse="above", threshold=0.05),
            Signal(metric="atmosphere.spam_share", read="change", worse="above", threshold=0.2),
        ),
        actions=(
            Action(
                zh="启用广告检测与处置规则",
                en="Turn on detection and rules against advertisements",
                uses="moderation",
            ),
            Action(
                zh="公布群规并设入群门槛",
                en="Publish the rules and ask for approval to join",
                uses="moderation rules",
            ),
        ),
    ),
    Rule(
        name="negative_mood",
        zh="负面情绪上升",
        en="The mood turns negative",
        signals=(
            Signal(metric="atmosphere.negative_share", worse="above", threshold=0.1),
            Signal(metric="atmosphere.negative_share", read="change", worse="above", threshold=0.3),
            Signal(metric="response.unanswered", worse="above", threshold=0.4),
        ),
        actions=(
            Action(
                zh="启动危机预案,及时中立回应",
                en="Follow the crisis playbook; answer promptly and neutrally",
                uses="moderation crisis",
            ),
            Action(zh="缩短提问答复时间", en="Answer questions sooner", uses="metrics response.median"),
        ),
    ),
    Rule(
        name="content_decline",
        zh="内容吸引力下降",
        en="Content draws less",
        signals=(
            Signal(
                metric="content.engagement", grain=Grain.WEEK, read="change", worse="below", threshold=-0.2
            ),
            Signal(metric="active_members.wau", read="change", worse="below", threshold=-0.1),
        ),
        actions=(
            Action(
                zh="调整选题与形式,保持固定节奏",
                en="Change subjects and forms, keep the cadence",
                uses="publishing calendar",
            ),
            Action(zh="参考传播最广的内容", en="Look at what spread furthest", uses="metrics content.spread"),
        ),
    ),
    Rule(
        name="over_commercial",
        zh="商业内容过多",
        en="Too much of the content sells",
        signals=(
            Signal(fact="promotional_share", worse="above", threshold=0.3),
            Signal(
                metric="content.engagement", grain=Grain.WEEK, read="change", worse="below", threshold=-0.1
            ),
        ),
        actions=(
            Action(
                zh="降低推广内容占比,先给价值",
                en="Publish less that sells and more that serves",
                uses="publishing calendar",
            ),
            Action(
                zh="推广内容做留出对照",
                en="Hold a group out of promotions and compare",
                uses="metrics effects",
            ),
        ),
    ),
)
"""What the handbooks on community operation call the usual illnesses; thresholds are starting points."""


async def diagnose(
    compute: Compute,
    *,
    community: str | None = None,
    end: date | None = None,
    last: timedelta = timedelta(days=56),
    rules: Sequence[Rule] = RULES,
    facts: Mapping[str, float] | None = None,
) -> tuple[Finding, ...]:
    """Check the rules over a range; give the findings, surest first.

    A rule whose first signal cannot be read, because nothing is reported, gives no finding.

    Args:
        compute: `Metrics.compute`.
        community: which community; None is all.
        end: last local day; None is today.
        last: length of the range.
        rules: which rules.
        facts: numbers beyond metrics, for example `promotional_share` of the published posts.
    """
    reader = _Reader(compute, community, end, last, facts or {})
    found: list[Finding] = []
    for rule in rules:
        readings = [await reader.evidence(signal) for signal in rule.signals]
        first = readings[0]
        if first is None or not first.speaks:
            continue
        others = [reading for reading in readings[1:] if reading is not None]
        agree = sum(1 for reading in others if reading.speaks)
        confidence = 0.5 + (0.4 * agree / len(others) if others else 0.0)
        confidence *= (1 + len(others)) / len(readings)
        found.append(
            Finding(
                rule=rule.name,
                zh=rule.zh,
                en=rule.en,
                confidence=round(confidence, 3),
                evidence=tuple(reading for reading in readings if reading is not None),
                actions=rule.actions,
            )
        )
    return tuple(sorted(found, key=lambda finding: -finding.confidence))


class _Reader:
    def __init__(
        self,
        compute: Compute,
        community: str | None,
        end: date | None,
        last: timedelta,
        facts: Mapping[str, float],
    ) -> None:
        self._compute = compute
        self._community = community
        self._end = end
        self._last = last
        self._facts = facts

    async def evidence(self, signal: Signal) -> Evidence | None:
        value = await self._read(signal)
        if value is None:
            return None
        what = signal.metric or signal.fact
        if signal.read == "change":
            what = f"change of {what}"
        if signal.per:
            what = f"{what} / {signal.per}"
        return Evidence(
            what=what,
            value=value,
            threshold=signal.threshold,
            worse=signal.worse,
            speaks=value > signal.threshold if signal.worse == "above" else value < signal.threshold,
        )

    async def _read(self, signal: Signal) -> float | None:
        if signal.metric is None:
            return self._facts.get(signal.fact)
        points = await self._points(signal.metric, signal)
        if not points:
            return None
        if signal.read == "change":
            half = len(points) // 2
            early, late = points[:half], points[len(points) - half :]
            return _mean(late) / _mean(early) - 1 if half >= 2 and _mean(early) else None
        value = float(points[-1].value or 0) if signal.read == "latest" else _mean(points)
        if signal.per is not None:
            below = await self._points(signal.per, None)
            if not below or not below[-1].value:
                return None
            value /= below[-1].value
        return value

    async def _points(self, metric: str, signal: Signal | None) -> list[MetricPoint]:
        """Give the points that have a value and are complete."""
        result = await self._compute(
            metric,
            community=self._community,
            end=self._end,
            last=self._last,
            grain=None if signal is None else signal.grain,
        )
        known = [point for point in result.points if point.value is not None]
        points = [point for point in known if not point.partial]
        if not points and signal is not None and signal.read != "change":
            points = known  # a range that is all windows
        if signal is not None and signal.period is not None:
            points = [point for point in points if point.dims.get("period") == signal.period]
        return points


def _mean(points: Sequence[MetricPoint]) -> float:
    """Give the mean of values; ratios are put together from their parts, never averaged."""
    if points and all(point.denominator for point in points):
        above = sum(float(point.numerator or 0) for point in points)
        return above / sum(float(point.denominator or 0) for point in points)
    return sum(float(point.value or 0) for point in points) / len(points)
