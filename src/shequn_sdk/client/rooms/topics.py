"""The blocking twin of `topics`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, Name
    from shequn_sdk.engagement._rows import Row
    from shequn_sdk.engagement.models import Activity, ActivityState, Span
    from shequn_sdk.engagement.topics import TopicPlan, TopicSummary
    from shequn_sdk.engagement.topics import Topics as AsyncTopics
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Schedule
    from shequn_sdk.scheduling.triggers import AnyTrigger

__all__ = ["Topics"]


class Topics(Twin):
    """The blocking twin of `shequn_sdk.engagement.topics.Topics`."""

    def __init__(self, inner: AsyncTopics, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        text: str = "",
        closes: Span = timedelta(days=1),
        results: Literal["post", "keep"] = "post",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """See `Topics.open`."""
        return self._do(
            self._inner.open,
            title,
            to=to,
            text=text,
            closes=closes,
            results=results,
            community=community,
            idempotency_key=idempotency_key,
        )

    def plan(
        self,
        name: Name,
        topics: Sequence[TopicPlan],
        *,
        when: AnyTrigger,
        to: Sequence[ChannelRef | str],
        lasts: timedelta = timedelta(days=1),
        results: Literal["post", "keep"] = "post",
        community: str | None = None,
    ) -> Schedule:
        """See `Topics.plan`."""
        return self._do(
            self._inner.plan,
            name,
            topics,
            when=when,
            to=to,
            lasts=lasts,
            results=results,
            community=community,
        )

    def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """See `Topics.list`."""
        return self._do(self._inner.list, community=community, state=state, limit=limit)

    def get_summary(self, topic: str) -> TopicSummary:
        """See `Topics.get_summary`."""
        return self._do(self._inner.get_summary, topic)

    def close(self, topic: str) -> TopicSummary:
        """See `Topics.close`."""
        return self._do(self._inner.close, topic)

    def cancel(self, topic: str) -> Activity:
        """See `Topics.cancel`."""
        return self._do(self._inner.cancel, topic)

    def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """See `Topics.hear`."""
        self._do(self._inner.hear, row, heard)
