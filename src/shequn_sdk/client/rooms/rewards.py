"""The blocking twin of `rewards`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import MemberRef
    from shequn_sdk.incentives.rewards import Redemption, RedemptionState, Reward
    from shequn_sdk.incentives.rewards import Rewards as AsyncRewards

__all__ = ["Rewards"]


class Rewards(Twin):
    """The blocking twin of `shequn_sdk.incentives.rewards.Rewards`."""

    def __init__(self, inner: AsyncRewards, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def offer(self, offered: Reward, *, codes: Sequence[str] = (), community: str | None = None) -> Reward:
        """See `Rewards.offer`."""
        return self._do(self._inner.offer, offered, codes=codes, community=community)

    def withdraw(self, name: str, *, community: str | None = None) -> Reward:
        """See `Rewards.withdraw`."""
        return self._do(self._inner.withdraw, name, community=community)

    def list(self, *, community: str | None = None) -> Sequence[Reward]:
        """See `Rewards.list`."""
        return self._do(self._inner.list, community=community)

    def redeem(
        self, name: str, member: MemberRef | str, *, idempotency_key: str, community: str | None = None
    ) -> Redemption:
        """See `Rewards.redeem`."""
        return self._do(
            self._inner.redeem, name, member, idempotency_key=idempotency_key, community=community
        )

    def fulfil(self, redemption_id: int, *, note: str = "", community: str | None = None) -> Redemption:
        """See `Rewards.fulfil`."""
        return self._do(self._inner.fulfil, redemption_id, note=note, community=community)

    def refund(
        self,
        redemption_id: int,
        *,
        note: str = "",
        restock: Literal["restock", "keep_out"] = "restock",
        community: str | None = None,
    ) -> Redemption:
        """See `Rewards.refund`."""
        return self._do(self._inner.refund, redemption_id, note=note, restock=restock, community=community)

    def list_redemptions(
        self,
        *,
        member: MemberRef | str | None = None,
        state: RedemptionState | str | None = None,
        community: str | None = None,
        limit: int = 100,
    ) -> Sequence[Redemption]:
        """See `Rewards.list_redemptions`."""
        return self._do(
            self._inner.list_redemptions, member=member, state=state, community=community, limit=limit
        )
