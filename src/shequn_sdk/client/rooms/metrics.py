"""The blocking twin of `metrics`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from typing import Any

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.client.facets import AsyncMetrics
    from shequn_sdk.domain import Grain, MetricResult
    from shequn_sdk.metrics.diagnosis import Finding
    from shequn_sdk.metrics.goals import Goal, GoalProgress
    from shequn_sdk.metrics.model import Metric, Segment

__all__ = ["Metrics"]


class Metrics(Twin):
    """The blocking twin of `shequn_sdk.client.facets.AsyncMetrics`."""

    def __init__(self, inner: AsyncMetrics, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def compute(
        self,
        name: str,
        *,
        community: str | None = None,
        start: date | None = None,
        end: date | None = None,
        last: timedelta | None = None,
        grain: Grain | str | None = None,
        by: Sequence[str] = (),
        where: Segment | None = None,
        compare: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> MetricResult:
        """See `AsyncMetrics.compute`."""
        return self._do(
            self._inner.compute,
            name,
            community=community,
            start=start,
            end=end,
            last=last,
            grain=grain,
            by=by,
            where=where,
            compare=compare,
            params=params,
        )

    def assess(self, goal: Goal, *, community: str | None = None) -> GoalProgress:
        """See `AsyncMetrics.assess`."""
        return self._do(self._inner.assess, goal, community=community)

    def diagnose(
        self, *, community: str | None = None, last: timedelta = timedelta(days=56)
    ) -> Sequence[Finding]:
        """See `AsyncMetrics.diagnose`."""
        return self._do(self._inner.diagnose, community=community, last=last)

    def list(self) -> Sequence[Metric]:
        """See `AsyncMetrics.list`."""
        return self._do(self._inner.list)
