"""The blocking twin of `approvals`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, MemberRef
    from shequn_sdk.editorial.approvals import Approvals as AsyncApprovals
    from shequn_sdk.editorial.model import Approval, ApprovalPolicy

__all__ = ["Approvals"]


class Approvals(Twin):
    """The blocking twin of `shequn_sdk.editorial.approvals.Approvals`."""

    def __init__(self, inner: AsyncApprovals, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def set_policy(
        self, policy: ApprovalPolicy | None, *, category: str = "", community: str | None = None
    ) -> None:
        """See `Approvals.set_policy`."""
        self._do(self._inner.set_policy, policy, category=category, community=community)

    def policy(self, *, category: str = "", community: str | None = None) -> ApprovalPolicy | None:
        """See `Approvals.policy`."""
        return self._do(self._inner.policy, category=category, community=community)

    def get(self, entry: int) -> Approval:
        """See `Approvals.get`."""
        return self._do(self._inner.get, entry)

    def history(self, entry: int) -> Sequence[Approval]:
        """See `Approvals.history`."""
        return self._do(self._inner.history, entry)

    def waiting(self, *, limit: int = 200, community: str | None = None) -> Sequence[Approval]:
        """See `Approvals.waiting`."""
        return self._do(self._inner.waiting, limit=limit, community=community)

    def approve(self, entry: int, *, by: MemberRef | str, note: str = "") -> Approval:
        """See `Approvals.approve`."""
        return self._do(self._inner.approve, entry, by=by, note=note)

    def request_changes(self, entry: int, *, by: MemberRef | str, note: str) -> Approval:
        """See `Approvals.request_changes`."""
        return self._do(self._inner.request_changes, entry, by=by, note=note)

    def hold(self, entry: int, *, by: MemberRef | str, note: str = "") -> None:
        """See `Approvals.hold`."""
        self._do(self._inner.hold, entry, by=by, note=note)

    def release(self, entry: int, *, by: MemberRef | str, note: str = "") -> None:
        """See `Approvals.release`."""
        self._do(self._inner.release, entry, by=by, note=note)

    def ask(self, entry: int, *, to: ChannelRef | str | None = None) -> Approval:
        """See `Approvals.ask`."""
        return self._do(self._inner.ask, entry, to=to)

    def announce(self, requests: Sequence[int]) -> None:
        """See `Approvals.announce`."""
        self._do(self._inner.announce, requests)

    def remind(self) -> None:
        """See `Approvals.remind`."""
        self._do(self._inner.remind)
