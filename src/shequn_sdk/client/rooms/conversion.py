"""The blocking twin of `conversion`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin
from shequn_sdk.commerce.attribution import AttributionModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.commerce.conversion import AttributedRevenue, FunnelLine
    from shequn_sdk.commerce.conversion import Conversion as AsyncConversion
    from shequn_sdk.domain import ChannelRef, MemberRef
    from shequn_sdk.links.model import Entrance

__all__ = ["Conversion"]


class Conversion(Twin):
    """The blocking twin of `shequn_sdk.commerce.conversion.Conversion`."""

    def __init__(self, inner: AsyncConversion, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def funnel(
        self,
        *,
        by: str = "entrance",
        start: datetime | None = None,
        end: datetime | None = None,
        community: str | None = None,
    ) -> Sequence[FunnelLine]:
        """See `Conversion.funnel`."""
        return self._do(self._inner.funnel, by=by, start=start, end=end, community=community)

    def revenue(
        self,
        *,
        by: str = "entrance",
        model: AttributionModel | str = AttributionModel.LAST,
        window: timedelta = timedelta(days=30),
        start: datetime | None = None,
        end: datetime | None = None,
        community: str | None = None,
    ) -> Sequence[AttributedRevenue]:
        """See `Conversion.revenue`."""
        return self._do(
            self._inner.revenue, by=by, model=model, window=window, start=start, end=end, community=community
        )

    def referral(
        self,
        member: MemberRef | str,
        *,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
    ) -> Entrance:
        """See `Conversion.referral`."""
        return self._do(self._inner.referral, member, channel=channel, community=community)
