"""The blocking twin of `sign_ups`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, MemberRef
    from shequn_sdk.engagement._rows import Row
    from shequn_sdk.engagement.models import Activity, ActivityState, Span
    from shequn_sdk.engagement.sign_ups import SignUpList
    from shequn_sdk.engagement.sign_ups import SignUps as AsyncSignUps
    from shequn_sdk.listening.events import Heard

__all__ = ["SignUps"]


class SignUps(Twin):
    """The blocking twin of `shequn_sdk.engagement.sign_ups.SignUps`."""

    def __init__(self, inner: AsyncSignUps, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        word: str = "接龙",
        capacity: int | None = None,
        closes: Span = None,
        text: str = "",
        post_every: int = 5,
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """See `SignUps.open`."""
        return self._do(
            self._inner.open,
            title,
            to=to,
            word=word,
            capacity=capacity,
            closes=closes,
            text=text,
            post_every=post_every,
            community=community,
            idempotency_key=idempotency_key,
        )

    def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """See `SignUps.list`."""
        return self._do(self._inner.list, community=community, state=state, limit=limit)

    def get_list(self, sign_up: str) -> SignUpList:
        """See `SignUps.get_list`."""
        return self._do(self._inner.get_list, sign_up)

    def add(self, sign_up: str, member: MemberRef | str, *, name: str, note: str = "") -> SignUpList:
        """See `SignUps.add`."""
        return self._do(self._inner.add, sign_up, member, name=name, note=note)

    def remove(self, sign_up: str, member: MemberRef | str) -> SignUpList:
        """See `SignUps.remove`."""
        return self._do(self._inner.remove, sign_up, member)

    def close(self, sign_up: str) -> SignUpList:
        """See `SignUps.close`."""
        return self._do(self._inner.close, sign_up)

    def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """See `SignUps.hear`."""
        self._do(self._inner.hear, row, heard)
