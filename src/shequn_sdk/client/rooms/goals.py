"""The blocking twin of `goals`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.playbook.goals import GoalReport, StoredGoal
    from shequn_sdk.playbook.goals import Goals as AsyncGoals

__all__ = ["Goals"]


class Goals(Twin):
    """The blocking twin of `shequn_sdk.playbook.goals.Goals`."""

    def __init__(self, inner: AsyncGoals, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def put(
        self,
        name: str,
        *,
        metric: str,
        target: float,
        due: date,
        start: date | None = None,
        title: str = "",
        relative: bool = False,
        at_most: bool = False,
        community: str | None = None,
    ) -> StoredGoal:
        """See `Goals.put`."""
        return self._do(
            self._inner.put,
            name,
            metric=metric,
            target=target,
            due=due,
            start=start,
            title=title,
            relative=relative,
            at_most=at_most,
            community=community,
        )

    def list(self, *, community: str | None = None) -> Sequence[StoredGoal]:
        """See `Goals.list`."""
        return self._do(self._inner.list, community=community)

    def get(self, name: str, *, community: str | None = None) -> StoredGoal:
        """See `Goals.get`."""
        return self._do(self._inner.get, name, community=community)

    def remove(self, name: str, *, community: str | None = None) -> None:
        """See `Goals.remove`."""
        self._do(self._inner.remove, name, community=community)

    def report(self, *, community: str | None = None) -> Sequence[GoalReport]:
        """See `Goals.report`."""
        return self._do(self._inner.report, community=community)
