"""The blocking twin of `tiers`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import MemberRef
    from shequn_sdk.incentives.tiers import Ladder, TierChange, TierState
    from shequn_sdk.incentives.tiers import Tiers as AsyncTiers

__all__ = ["Tiers"]


class Tiers(Twin):
    """The blocking twin of `shequn_sdk.incentives.tiers.Tiers`."""

    def __init__(self, inner: AsyncTiers, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def set_ladder(self, ladder: Ladder, *, community: str | None = None) -> Ladder:
        """See `Tiers.set_ladder`."""
        return self._do(self._inner.set_ladder, ladder, community=community)

    def get_ladder(self, *, community: str | None = None) -> Ladder:
        """See `Tiers.get_ladder`."""
        return self._do(self._inner.get_ladder, community=community)

    def get_state(self, member: MemberRef | str, *, community: str | None = None) -> TierState:
        """See `Tiers.get_state`."""
        return self._do(self._inner.get_state, member, community=community)

    def list(self, *, tier: str | None = None, community: str | None = None) -> Sequence[TierState]:
        """See `Tiers.list`."""
        return self._do(self._inner.list, tier=tier, community=community)

    def review(self, *, community: str | None = None) -> Sequence[TierChange]:
        """See `Tiers.review`."""
        return self._do(self._inner.review, community=community)
