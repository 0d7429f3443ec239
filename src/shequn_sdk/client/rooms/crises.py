"""The blocking twin of `crises`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.moderation.crises import Crises as AsyncCrises
    from shequn_sdk.moderation.crisis import CrisisPlan, Incident

__all__ = ["Crises"]


class Crises(Twin):
    """The blocking twin of `shequn_sdk.moderation.crises.Crises`."""

    def __init__(self, inner: AsyncCrises, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def set_plan(
        self, plan: CrisisPlan | Path | str, *, community: str | None = None, actor: str = ""
    ) -> CrisisPlan:
        """See `Crises.set_plan`."""
        return self._do(self._inner.set_plan, plan, community=community, actor=actor)

    def plan(self, *, community: str | None = None) -> CrisisPlan:
        """See `Crises.plan`."""
        return self._do(self._inner.plan, community=community)

    def check(self, *, community: str | None = None) -> Sequence[str]:
        """See `Crises.check`."""
        return self._do(self._inner.check, community=community)

    def start(self, *, cause: str, community: str | None = None, actor: str = "") -> Incident:
        """See `Crises.start`."""
        return self._do(self._inner.start, cause=cause, community=community, actor=actor)

    def drill(self, *, cause: str = "drill", community: str | None = None, actor: str = "") -> Incident:
        """See `Crises.drill`."""
        return self._do(self._inner.drill, cause=cause, community=community, actor=actor)

    def done(self, incident: int, step: str, *, actor: str = "", note: str = "") -> Incident:
        """See `Crises.done`."""
        return self._do(self._inner.done, incident, step, actor=actor, note=note)

    def end(self, incident: int, *, actor: str = "", note: str = "") -> Incident:
        """See `Crises.end`."""
        return self._do(self._inner.end, incident, actor=actor, note=note)

    def get(self, incident: int) -> Incident:
        """See `Crises.get`."""
        return self._do(self._inner.get, incident)

    def list(self, *, community: str | None = None, limit: int = 50) -> Sequence[Incident]:
        """See `Crises.list`."""
        return self._do(self._inner.list, community=community, limit=limit)

    def is_quiet(self, *, community: str | None = None) -> bool:
        """See `Crises.is_quiet`."""
        return self._do(self._inner.is_quiet, community=community)
