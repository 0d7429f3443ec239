"""The blocking twin of `playbook`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.playbook.check import Finding
    from shequn_sdk.playbook.model import Playbook
    from shequn_sdk.playbook.playbooks import Applied, PlannedEntry, PlaybookDiff
    from shequn_sdk.playbook.playbooks import Playbooks as AsyncPlaybooks

__all__ = ["Playbooks"]


class Playbooks(Twin):
    """The blocking twin of `shequn_sdk.playbook.playbooks.Playbooks`."""

    def __init__(self, inner: AsyncPlaybooks, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def check(self, playbook: Playbook | Path | str) -> Sequence[Finding]:
        """See `Playbooks.check`."""
        return self._do(self._inner.check, playbook)

    def plan(
        self, playbook: Playbook | Path | str, *, start: date | None = None, days: int = 30
    ) -> Sequence[PlannedEntry]:
        """See `Playbooks.plan`."""
        return self._do(self._inner.plan, playbook, start=start, days=days)

    def diff(self, playbook: Playbook | Path | str) -> PlaybookDiff:
        """See `Playbooks.diff`."""
        return self._do(self._inner.diff, playbook)

    def apply(self, playbook: Playbook | Path | str) -> PlaybookDiff:
        """See `Playbooks.apply`."""
        return self._do(self._inner.apply, playbook)

    def applied(self, *, community: str | None = None) -> Applied | None:
        """See `Playbooks.applied`."""
        return self._do(self._inner.applied, community=community)

    def withdraw(self, *, community: str | None = None) -> PlaybookDiff:
        """See `Playbooks.withdraw`."""
        return self._do(self._inner.withdraw, community=community)
