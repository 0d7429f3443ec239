"""Parts of the client: its deliveries and its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from shequn_sdk.client.workspace import Workspace
from shequn_sdk.domain import ChannelRef, Delivery, DeliveryState, Grain, MetricResult, Transition

if TYPE_CHECKING:
    from shequn_sdk.metrics.diagnosis import Finding
    from shequn_sdk.metrics.goals import Goal, GoalProgress
    from shequn_sdk.metrics.model import Metric, Segment

__all__ = ["AsyncDeliveries", "AsyncMetrics"]


class AsyncDeliveries:
    """The ledger: what was sent, what was not, what nobody knows (投递台账)."""

    def __init__(self, workspace: Workspace) -> None:
        """Made by `AsyncShequn`."""
        self._workspace = workspace

    async def list(
        self,
        *,
        states: Sequence[DeliveryState] = (),
        channel: ChannelRef | str | None = None,
        content: str | None = None,
        after: int | None = None,
        limit: int = 100,
        order: Literal["newest", "oldest"] = "newest",
    ) -> Sequence[Delivery]:
        """Give deliveries; `after` is the id of the last one seen in that order."""
        publishing = await self._workspace.publishing()
        return await publishing.deliveries(
            states=states,
            channel=ChannelRef.parse(channel) if channel is not None else None,
            content_id=content,
            after=after,
            limit=limit,
            order=order,
        )

    async def get(self, delivery: int) -> Delivery:
        """Give one delivery.

        Raises:
            UnknownName: there is none with that id.
        """
        return await (await self._workspace.publishing()).get(delivery)

    async def history(self, delivery: int) -> Sequence[Transition]:
        """Give a delivery's audit trail, oldest first."""
        return await (await self._workspace.publishing()).history(delivery)

    async def counts(self) -> Mapping[DeliveryState, int]:
        """Give how many deliveries are in each state."""
        return await (await self._workspace.publishing()).counts()

    async def retry(self, delivery: int) -> Delivery:
        """Plan a refused or expired delivery again.

        Raises:
            InvalidInput: it is in another state.
        """
        return await (await self._workspace.publishing()).retry(delivery)

    async def cancel(self, delivery: int) -> Delivery:
        """Cancel a delivery that was not sent.

        Raises:
            InvalidInput: it was sent, or may have been.
        """
        return await (await self._workspace.publishing()).cancel(delivery)

    async def approve(self, delivery: int, *, by: str) -> Delivery:
        """Approve a delivery that waits for it; `by` stands in the audit trail.

        Raises:
            InvalidInput: it waits for no approval.
        """
        return await (await self._workspace.publishing()).approve(delivery, actor=by)

    async def resolve(self, delivery: int, *, landed: bool, native_id: str = "") -> Delivery:
        """Say whether an unknown delivery landed; what did not land is planned again.

        Raises:
            InvalidInput: it is not unknown.
        """
        publishing = await self._workspace.publishing()
        return await publishing.resolve(delivery, landed=landed, native_id=native_id)

    async def export(self, form: Literal["jsonl", "json", "csv"] = "jsonl") -> str:
        """Give the whole ledger as text."""
        return await (await self._workspace.publishing()).export(form)


class AsyncMetrics:
    """What is measured (指标)."""

    def __init__(self, workspace: Workspace) -> None:
        """Made by `AsyncShequn`."""
        self._workspace = workspace

    async def compute(
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
        """Compute a metric.

        Args:
            name: for example `active_members.dau`; see `list`.
            community: its name; not needed when there is one.
            start: first local day; the first with data when not given.
            end: last local day; the last with data when not given.
            last: the last so many days instead of `start`.
            grain: length of the buckets; the metric's own when not given.
            by: dimensions to split by.
            where: only these members and places.
            compare: `previous_period` or `previous_year`.
            params: parameters of the metric.

        Raises:
            UnknownName: no such metric, community or dimension.
            InvalidInput: the period, the grain or a parameter does not fit.
            StoreBusy: another process held the event store for too long.
        """
        from shequn_sdk.client.reporting import which_community

        metrics = await self._workspace.metrics()
        chosen, _ = await which_community(self._workspace, community)
        return await metrics.compute(
            name,
            community=chosen,
            start=start,
            end=end,
            last=last,
            grain=Grain(grain) if grain is not None else None,
            by=by,
            where=where,
            compare=compare,
            params=params,
        )

    async def assess(self, goal: Goal, *, community: str | None = None) -> GoalProgress:
        """Judge how far a goal is: its pace, a forecast with interval, and whether that reaches the target.

        Raises:
            UnknownName: no such metric or community.
        """
        from shequn_sdk.client.reporting import which_community
        from shequn_sdk.metrics.goals import assess

        metrics = await self._workspace.metrics()
        chosen, zone = await which_community(self._workspace, community)
        result = await metrics.compute(goal.metric, community=chosen, start=goal.start, grain=Grain.DAY)
        today = self._workspace.clock.now().astimezone(ZoneInfo(zone)).date()
        return assess(goal, result.points, additivity=metrics.get(goal.metric).additivity, today=today)

    async def diagnose(
        self, *, community: str | None = None, last: timedelta = timedelta(days=56)
    ) -> Sequence[Finding]:
        """Look for what usually goes wrong with communities; gives findings with evidence, surest first.

        Args:
            community: its name; not needed when there is one.
            last: how far back from the last day with data.
        """
        from shequn_sdk.client.reporting import findings

        return await findings(self._workspace, community, last)

    async def list(self) -> Sequence[Metric]:
        """Give all metrics that can be computed, by name."""
        return (await self._workspace.metrics()).list()
