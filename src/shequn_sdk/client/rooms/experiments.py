"""The blocking twin of `experiments`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin
from shequn_sdk.commerce.trials import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.commerce.experiments import Experiments as AsyncExperiments
    from shequn_sdk.commerce.trials import Experiment, ExperimentResult
    from shequn_sdk.domain import MemberRef, Name

__all__ = ["Experiments"]


class Experiments(Twin):
    """The blocking twin of `shequn_sdk.commerce.experiments.Experiments`."""

    def __init__(self, inner: AsyncExperiments, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def start(
        self,
        name: Name,
        *,
        question: str,
        arms: Mapping[str, float] | Sequence[str],
        outcome: Outcome | str = Outcome.BOUGHT,
        window: timedelta = timedelta(days=14),
        planned: int | None = None,
        salt: str = "",
        community: str | None = None,
    ) -> Experiment:
        """See `Experiments.start`."""
        return self._do(
            self._inner.start,
            name,
            question=question,
            arms=arms,
            outcome=outcome,
            window=window,
            planned=planned,
            salt=salt,
            community=community,
        )

    def get(self, name: str, *, community: str | None = None) -> Experiment:
        """See `Experiments.get`."""
        return self._do(self._inner.get, name, community=community)

    def list(self, *, community: str | None = None) -> Sequence[Experiment]:
        """See `Experiments.list`."""
        return self._do(self._inner.list, community=community)

    def assign(self, name: str, member: MemberRef | str, *, community: str | None = None) -> str:
        """See `Experiments.assign`."""
        return self._do(self._inner.assign, name, member, community=community)

    def note(
        self,
        name: str,
        member: MemberRef | str,
        *,
        key: str,
        at: datetime | None = None,
        community: str | None = None,
    ) -> bool:
        """See `Experiments.note`."""
        return self._do(self._inner.note, name, member, key=key, at=at, community=community)

    def end(self, name: str, *, community: str | None = None) -> Experiment:
        """See `Experiments.end`."""
        return self._do(self._inner.end, name, community=community)

    def result(self, name: str, *, level: float = 0.95, community: str | None = None) -> ExperimentResult:
        """See `Experiments.result`."""
        return self._do(self._inner.result, name, level=level, community=community)
