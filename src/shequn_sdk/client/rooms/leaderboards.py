"""The blocking twin of `leaderboards`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, MemberRef, Receipt
    from shequn_sdk.incentives.leaderboards import Leaderboard, Period
    from shequn_sdk.incentives.leaderboards import Leaderboards as AsyncLeaderboards
    from shequn_sdk.scheduling.models import Schedule
    from shequn_sdk.scheduling.triggers import AnyTrigger

__all__ = ["Leaderboards"]


class Leaderboards(Twin):
    """The blocking twin of `shequn_sdk.incentives.leaderboards.Leaderboards`."""

    def __init__(self, inner: AsyncLeaderboards, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def get(
        self,
        *,
        period: Period = "week",
        back: int = 0,
        rule: str | None = None,
        limit: int = 10,
        community: str | None = None,
    ) -> Leaderboard:
        """See `Leaderboards.get`."""
        return self._do(
            self._inner.get, period=period, back=back, rule=rule, limit=limit, community=community
        )

    def opt_out(self, member: MemberRef | str, *, community: str | None = None) -> None:
        """See `Leaderboards.opt_out`."""
        self._do(self._inner.opt_out, member, community=community)

    def opt_in(self, member: MemberRef | str, *, community: str | None = None) -> None:
        """See `Leaderboards.opt_in`."""
        self._do(self._inner.opt_in, member, community=community)

    def post(
        self,
        to: Sequence[ChannelRef | str],
        *,
        period: Period = "week",
        back: int = 0,
        limit: int = 10,
        community: str | None = None,
        idempotency_key: str,
    ) -> Sequence[Receipt]:
        """See `Leaderboards.post`."""
        return self._do(
            self._inner.post,
            to,
            period=period,
            back=back,
            limit=limit,
            community=community,
            idempotency_key=idempotency_key,
        )

    def post_regularly(
        self,
        to: Sequence[ChannelRef | str],
        *,
        when: AnyTrigger,
        period: Period = "week",
        limit: int = 10,
        community: str | None = None,
    ) -> Schedule:
        """See `Leaderboards.post_regularly`."""
        return self._do(
            self._inner.post_regularly, to, when=when, period=period, limit=limit, community=community
        )
