"""The blocking twin of `journeys`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import MemberRef
    from shequn_sdk.journeys import models as m
    from shequn_sdk.journeys.journeys import F
    from shequn_sdk.journeys.journeys import Journeys as AsyncJourneys
    from shequn_sdk.journeys.looking import DateSource

__all__ = ["Journeys"]


class Journeys(Twin):
    """The blocking twin of `shequn_sdk.journeys.journeys.Journeys`."""

    def __init__(self, inner: AsyncJourneys, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def save(self, journey: m.Journey, *, community: str | None = None) -> m.Journey:
        """See `Journeys.save`."""
        return self._do(self._inner.save, journey, community=community)

    def list(self, *, community: str | None = None) -> Mapping[str, m.Journey]:
        """See `Journeys.list`."""
        return self._do(self._inner.list, community=community)

    def states(self, *, community: str | None = None) -> Mapping[str, str]:
        """See `Journeys.states`."""
        return self._do(self._inner.states, community=community)

    def get(self, name: str, *, community: str | None = None) -> m.Journey:
        """See `Journeys.get`."""
        return self._do(self._inner.get, name, community=community)

    def template(self, name: str) -> m.Journey:
        """See `Journeys.template`."""
        return self._inner.template(name)

    def pause(self, name: str, *, community: str | None = None) -> None:
        """See `Journeys.pause`."""
        self._do(self._inner.pause, name, community=community)

    def resume(self, name: str, *, community: str | None = None) -> None:
        """See `Journeys.resume`."""
        self._do(self._inner.resume, name, community=community)

    def end(self, name: str, *, reason: str, community: str | None = None) -> int:
        """See `Journeys.end`."""
        return self._do(self._inner.end, name, reason=reason, community=community)

    def policy(self, *, community: str | None = None) -> m.Policy:
        """See `Journeys.policy`."""
        return self._do(self._inner.policy, community=community)

    def set_policy(self, policy: m.Policy, *, community: str | None = None) -> None:
        """See `Journeys.set_policy`."""
        self._do(self._inner.set_policy, policy, community=community)

    def handler(self, name: str) -> Callable[[F], F]:
        """See `Journeys.handler`."""
        return self._inner.handler(name)

    def add_dates(self, source: str, function: DateSource) -> None:
        """See `Journeys.add_dates`."""
        return self._inner.add_dates(source, function)

    def enrol(
        self, name: str, member: MemberRef | str, *, entry: str = "by hand", community: str | None = None
    ) -> m.JourneyRun | None:
        """See `Journeys.enrol`."""
        return self._do(self._inner.enrol, name, member, entry=entry, community=community)

    def look(self, name: str, *, community: str | None = None) -> int:
        """See `Journeys.look`."""
        return self._do(self._inner.look, name, community=community)

    def runs(
        self,
        name: str | None = None,
        *,
        member: MemberRef | str | None = None,
        state: m.RunState | None = None,
        community: str | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> Sequence[m.JourneyRun]:
        """See `Journeys.runs`."""
        return self._do(
            self._inner.runs, name, member=member, state=state, community=community, after=after, limit=limit
        )

    def stop(self, run: int, *, reason: str) -> bool:
        """See `Journeys.stop`."""
        return self._do(self._inner.stop, run, reason=reason)

    def work(self) -> int:
        """See `Journeys.work`."""
        return self._do(self._inner.work)

    def preview(
        self, journey: m.Journey | str, member: MemberRef | str, *, community: str | None = None
    ) -> Sequence[m.PlannedStep]:
        """See `Journeys.preview`."""
        return self._do(self._inner.preview, journey, member, community=community)

    def tasks(
        self,
        *,
        community: str | None = None,
        assignee: str | None = None,
        every: bool = False,
        limit: int = 100,
    ) -> Sequence[m.JourneyTask]:
        """See `Journeys.tasks`."""
        return self._do(self._inner.tasks, community=community, assignee=assignee, every=every, limit=limit)

    def done(self, task: int, *, actor: str, note: str = "") -> None:
        """See `Journeys.done`."""
        self._do(self._inner.done, task, actor=actor, note=note)

    def drop(self, task: int, *, actor: str, note: str = "") -> None:
        """See `Journeys.drop`."""
        self._do(self._inner.drop, task, actor=actor, note=note)
