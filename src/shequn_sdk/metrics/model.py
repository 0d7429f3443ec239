"""What a metric is: declared once, with its definition beside its SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field

from shequn_sdk.domain import Additivity, Frozen, Grain, InteractionKind, MetricName, Name, Unit

__all__ = [
    "ActiveParams",
    "Finish",
    "FinishContext",
    "FinishTable",
    "Gaps",
    "Metric",
    "MetricKind",
    "MetricParams",
    "Row",
    "Segment",
    "sql_file",
]


class MetricParams(Frozen):
    """Parameters that every metric takes; a metric with more has a subclass."""

    include_bots: bool = False
    """Count bots and the SDK's own accounts."""
    include_spam: bool = False
    """Count events that were flagged as spam."""


class ActiveParams(MetricParams):
    """Parameters of metrics over active members."""

    kinds: tuple[InteractionKind, ...] | None = None
    """Kinds that make a member active; None is all that a member does by itself, joins and leaves aside."""


class Segment(Frozen):
    """Which members and places to look at (人群): all that is given must hold; None does not restrict."""

    platforms: tuple[Name, ...] | None = None
    channels: tuple[str, ...] | None = None
    """Native ids."""
    roles: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    """Members with at least one of these."""
    without_tags: tuple[str, ...] = ()
    entrances: tuple[str, ...] | None = None


class Gaps(StrEnum):
    """What a bucket without rows means."""

    ZERO = "zero"
    """Nothing happened: 0."""
    CARRY = "carry"
    """A stock or trailing window: the last value still holds."""
    NONE = "none"
    """There is nothing to say: no point."""


Row = dict[str, Any]
"""One output row by column name: bucket, value or numerator and denominator, and dimensions."""


class FinishContext(Frozen):
    """What a metric's Python step gets besides the rows."""

    params: MetricParams
    grain: Grain
    start: date
    end: date
    today: date
    """The running local day."""
    last_day: date
    """Last local day with data."""
    zone: str = "UTC"
    """The community's zone."""
    describe: Callable[[list[int]], Mapping[int, tuple[str, str]]]
    """Give (`platform:native-id`, name) of each person number."""
    contents: Callable[[list[int]], Mapping[int, str]]
    """Give `platform:channel:message` of each content number."""


Finish = Callable[[list[Row], FinishContext], list[Row]]
"""The part of a metric that SQL says badly: a graph walk, a smoothing, a curve."""

FinishTable = Callable[[Any, FinishContext], list[Row]]
"""The same over a `pyarrow.Table`, for metrics with so many rows that a dictionary for each costs more than the query."""


_INCLUDE = re.compile(r"@include\((\w+)\)")


@cache
def sql_file(name: str) -> str:
    """Read one of the packaged SQL texts; `@include(x)` in it stands for what several have in common, `parts/x.sql`."""
    text = files("shequn_sdk.metrics").joinpath("sql", f"{name}.sql").read_text("utf-8")
    return _INCLUDE.sub(lambda found: sql_file(f"parts/{found[1]}").rstrip(), text)


MetricKind = Literal["count", "distinct_count", "ratio", "distribution", "stock", "score", "matrix"]
"""How a metric comes about."""


class Metric(Frozen):
    """A definition (指标): what is counted, in which unit, over what, and how it may be put together.

    The SQL is in the portable subset with the macros of `shequn_sdk.metrics.macros`; its columns are `bucket`, then
    dimensions, then `value`, or `numerator` and `denominator`.
    """

    name: MetricName
    version: int = 1
    unit: Unit
    kind: MetricKind
    additivity: Additivity
    grains: tuple[Grain, ...]
    """The first is the default."""
    dims: frozenset[str] = frozenset()
    """Dimensions that `by=` may name."""
    sources: tuple[str, ...] = ("events",)
    sql: str
    params: type[MetricParams] = MetricParams
    doc: Mapping[Literal["zh", "en"], str]
    formula: str
    edge_cases: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    golden: str = ""
    """Name of its golden case."""
    needs: frozenset[str] = frozenset()
    """Kinds of interaction that a platform must report, or the value is unknown there."""
    needs_any: frozenset[str] = frozenset()
    """At least one of these kinds must be reported."""
    lead: int = 0
    """Days before a bucket at which its window starts; earlier than the first data makes it partial. A parameter
    `window` goes before."""
    closed: bool = False
    """A bucket rests on nothing but the events of its days and of `lead` days before: finished ones are kept."""
    gaps: Gaps = Gaps.NONE
    finish: Finish | None = Field(default=None, repr=False)
    finish_table: FinishTable | None = Field(default=None, repr=False)
    replaces: MetricName | None = None
    """Name of the metric that this one takes the place of, on purpose."""

    @property
    def finished(self) -> bool:
        """Whether a step in Python follows the SQL."""
        return self.finish is not None or self.finish_table is not None

    def lead_of(self, params: MetricParams) -> int:
        """Give how many days before a bucket its window starts."""
        return int(getattr(params, "window", self.lead + 1)) - 1
