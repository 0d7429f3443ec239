"""From members to customers."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from shequn_sdk.domain import Additivity, Grain, InteractionKind, Unit
from shequn_sdk.metrics.model import Finish, FinishContext, Metric, MetricParams, Row, sql_file

__all__ = ["METRICS", "FunnelParams"]

_DIMS = frozenset({"community", "platform", "channel", "role", "tag", "entrance"})
_GRAINS = (Grain.MONTH, Grain.WEEK, Grain.DAY, Grain.TOTAL)


class FunnelParams(MetricParams):
    """Parameters of a funnel."""

    steps: tuple[InteractionKind, ...] = Field(
        default=(InteractionKind.JOIN, InteractionKind.MESSAGE, InteractionKind.PURCHASE),
        min_length=2,
        max_length=12,
    )
    """Kinds in the order in which they must happen."""
    window_days: int = Field(default=30, ge=1, le=3650)
    """All steps within so many days of the first."""
    order: Literal["ordered", "strict", "any"] = "ordered"
    """`ordered`: others may lie between, from the first entry. `strict`: nothing else that the member does lies between,
    from any entry. `any`: the steps in whatever order, from the first of them; step k is then any k of them."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.order == "any" and len(set(self.steps)) < len(self.steps):
            raise ValueError("in any order each kind can be a step only once")
        return self


def _funnel(rows: list[Row], context: FinishContext) -> list[Row]:
    """Set each step against the first and the one before; a step that a group never reached counts 0."""
    params: Any = context.params
    groups: dict[tuple[tuple[str, Any], ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted((k, v) for k, v in row.items() if k.startswith("d_"))), []).append(row)
    found: list[Row] = []
    for group, told in sorted(groups.items(), key=lambda item: str(item[0])):
        reached = {row["step"]: row for row in told}
        steps = [
            reached.get(step)
            or {
                "bucket": context.start,
                "step": step,
                "step_kind": "" if params.order == "any" else str(kind),
                "numerator": 0,
                "median_seconds": None,
                "immature": 0,
            }
            for step, kind in enumerate(params.steps, 1)
        ]
        entered = before = steps[0]["numerator"]
        for row in steps:
            count = row["numerator"]
            found.append(
                {
                    "bucket": row["bucket"],
                    **dict(group),
                    "step": row["step"],
                    "kind": row["step_kind"],
                    "from_previous": count / before if before else None,
                    "median_seconds": row["median_seconds"],
                    "immature": row["immature"],
                    "numerator": count,
                    "denominator": entered,
                }
            )
            before = count
    return found


def _money(rows: list[Row], _: FinishContext) -> list[Row]:
    """Keep the exact amount as text beside the number."""
    ordered = sorted(rows, key=lambda row: str([v for k, v in sorted(row.items()) if k != "value"]))
    return [{**row, "amount": str(row["value"])} for row in ordered]


funnel: Finish = _funnel
money: Finish = _money

METRICS = [
    Metric(
        name="conversion.funnel",
        unit=Unit.RATIO,
        kind="distribution",
        additivity=Additivity.NONE,
        grains=(Grain.TOTAL,),
        dims=_DIMS,
        sql=sql_file("funnel"),
        params=FunnelParams,
        doc={
            "zh": "转化漏斗:成员依次走完各步骤的人数与比例,须在窗口期内。",
            "en": "Ordered funnel: how many persons went through the steps in order, within a window of the first.",
        },
        formula="persons at step k / persons at step 1; each step at its first time not before the step before; "
        "order= strict or any for the other two ways",
        edge_cases=(
            "only the first entry in the range counts; order=strict takes the first run that gets as far",
            "equal times count as ordered, but one event is never two steps",
            "entrants whose window is not over are counted as immature",
            "split, a person counts where it entered, wherever it took the further steps",
        ),
        refs=("posthog: funnels", "clickhouse: windowFunnel"),
        golden="conversion",
        finish=funnel,
    ),
    Metric(
        name="conversion.revenue",
        unit=Unit.MONEY,
        kind="count",
        additivity=Additivity.SUM,
        grains=_GRAINS,
        dims=_DIMS,
        closed=True,
        sql=sql_file("revenue"),
        doc={
            "zh": "收入:消费减退款,按币种分列,精确到小数点后四位。",
            "en": "Revenue: purchases minus refunds, one point per currency, exact in `amount`.",
        },
        formula="sum(purchases) - sum(refunds) per currency",
        edge_cases=("currencies are never added", "a purchase that was retracted does not count"),
        golden="conversion",
        needs_any=frozenset({"purchase"}),
        finish=money,
    ),
    Metric(
        name="conversion.buyers",
        unit=Unit.RATIO,
        kind="ratio",
        additivity=Additivity.NONE,
        grains=_GRAINS,
        dims=_DIMS,
        closed=True,
        sql=sql_file("buyers"),
        doc={
            "zh": "购买转化率:当期有消费的成员占活跃成员的比例。",
            "en": "Share of the bucket's active members who bought.",
        },
        formula="distinct buyers / distinct active members",
        edge_cases=("a refund does not undo the conversion",),
        golden="conversion",
        needs_any=frozenset({"purchase"}),
    ),
]
