"""The blocking twin of `lotteries`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, MemberRef
    from shequn_sdk.engagement._eligible import Eligibility
    from shequn_sdk.engagement._rows import Row
    from shequn_sdk.engagement.draw import Certificate
    from shequn_sdk.engagement.lotteries import Lotteries as AsyncLotteries
    from shequn_sdk.engagement.lotteries import LotteryResult, Prize
    from shequn_sdk.engagement.models import Activity, ActivityState, Span
    from shequn_sdk.listening.events import Heard

__all__ = ["Lotteries"]


class Lotteries(Twin):
    """The blocking twin of `shequn_sdk.engagement.lotteries.Lotteries`."""

    def __init__(self, inner: AsyncLotteries, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open(
        self,
        title: str,
        *,
        prizes: Sequence[Prize],
        to: Sequence[ChannelRef | str],
        closes: Span,
        word: str = "抽奖",
        ways: Sequence[Literal["word", "button", "reaction"]] = ("word",),
        eligibility: Eligibility | None = None,
        weight: Literal["equal", "check_ins"] = "equal",
        weight_cap: int = 10,
        randomness: str = "",
        text: str = "",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """See `Lotteries.open`."""
        return self._do(
            self._inner.open,
            title,
            prizes=prizes,
            to=to,
            closes=closes,
            word=word,
            ways=ways,
            eligibility=eligibility,
            weight=weight,
            weight_cap=weight_cap,
            randomness=randomness,
            text=text,
            community=community,
            idempotency_key=idempotency_key,
        )

    def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """See `Lotteries.list`."""
        return self._do(self._inner.list, community=community, state=state, limit=limit)

    def enter(self, lottery: str, member: MemberRef | str) -> LotteryResult:
        """See `Lotteries.enter`."""
        return self._do(self._inner.enter, lottery, member)

    def get_result(self, lottery: str) -> LotteryResult:
        """See `Lotteries.get_result`."""
        return self._do(self._inner.get_result, lottery)

    def close(self, lottery: str) -> LotteryResult:
        """See `Lotteries.close`."""
        return self._do(self._inner.close, lottery)

    def draw(self, lottery: str, *, public: str = "") -> LotteryResult:
        """See `Lotteries.draw`."""
        return self._do(self._inner.draw, lottery, public=public)

    def redraw(self, lottery: str, *, position: int, reason: str) -> LotteryResult:
        """See `Lotteries.redraw`."""
        return self._do(self._inner.redraw, lottery, position=position, reason=reason)

    def get_certificate(self, lottery: str) -> Certificate:
        """See `Lotteries.get_certificate`."""
        return self._do(self._inner.get_certificate, lottery)

    def cancel(self, lottery: str) -> Activity:
        """See `Lotteries.cancel`."""
        return self._do(self._inner.cancel, lottery)

    def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """See `Lotteries.hear`."""
        self._do(self._inner.hear, row, heard)
