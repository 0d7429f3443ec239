"""The blocking twin of `queue`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, Content
    from shequn_sdk.editorial.model import Blackout, Entry, Evergreen, FreeSlot, Slot
    from shequn_sdk.editorial.queue import Queue as AsyncQueue

__all__ = ["Queue"]


class Queue(Twin):
    """The blocking twin of `shequn_sdk.editorial.queue.Queue`."""

    def __init__(self, inner: AsyncQueue, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def add_slots(
        self,
        channel: ChannelRef | str,
        slots: Sequence[str] | str,
        *,
        zone: str | None = None,
        category: str = "",
        community: str | None = None,
    ) -> Sequence[Slot]:
        """See `Queue.add_slots`."""
        return self._do(
            self._inner.add_slots, channel, slots, zone=zone, category=category, community=community
        )

    def slots(
        self, channel: ChannelRef | str | None = None, *, community: str | None = None
    ) -> Sequence[Slot]:
        """See `Queue.slots`."""
        return self._do(self._inner.slots, channel, community=community)

    def remove_slot(self, slot: int) -> None:
        """See `Queue.remove_slot`."""
        self._do(self._inner.remove_slot, slot)

    def next_slot(
        self,
        channel: ChannelRef | str,
        *,
        category: str = "",
        after: datetime | None = None,
        community: str | None = None,
    ) -> FreeSlot | None:
        """See `Queue.next_slot`."""
        return self._do(self._inner.next_slot, channel, category=category, after=after, community=community)

    def add(
        self,
        content: Content,
        *,
        to: Sequence[ChannelRef | str],
        key: str | None = None,
        community: str | None = None,
        actor: str = "",
    ) -> Sequence[Entry]:
        """See `Queue.add`."""
        return self._do(self._inner.add, content, to=to, key=key, community=community, actor=actor)

    def reshuffle(
        self,
        channel: ChannelRef | str,
        *,
        rng: random.Random | None = None,
        community: str | None = None,
        actor: str = "",
    ) -> Sequence[Entry]:
        """See `Queue.reshuffle`."""
        return self._do(self._inner.reshuffle, channel, rng=rng, community=community, actor=actor)

    def add_evergreen(
        self,
        content: Content,
        *,
        to: Sequence[ChannelRef | str],
        cooldown: timedelta,
        max_uses: int | None = None,
        community: str | None = None,
    ) -> Evergreen:
        """See `Queue.add_evergreen`."""
        return self._do(
            self._inner.add_evergreen,
            content,
            to=to,
            cooldown=cooldown,
            max_uses=max_uses,
            community=community,
        )

    def evergreens(self, *, ended: bool = False, community: str | None = None) -> Sequence[Evergreen]:
        """See `Queue.evergreens`."""
        return self._do(self._inner.evergreens, ended=ended, community=community)

    def end_evergreen(self, number: int) -> None:
        """See `Queue.end_evergreen`."""
        self._do(self._inner.end_evergreen, number)

    def fill(self, *, until: datetime, community: str | None = None, actor: str = "") -> Sequence[Entry]:
        """See `Queue.fill`."""
        return self._do(self._inner.fill, until=until, community=community, actor=actor)

    def add_blackout(
        self,
        start: datetime,
        end: datetime,
        *,
        reason: str,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
    ) -> Blackout:
        """See `Queue.add_blackout`."""
        return self._do(
            self._inner.add_blackout, start, end, reason=reason, channel=channel, community=community
        )

    def blackouts(self, *, community: str | None = None) -> Sequence[Blackout]:
        """See `Queue.blackouts`."""
        return self._do(self._inner.blackouts, community=community)

    def remove_blackout(self, number: int) -> None:
        """See `Queue.remove_blackout`."""
        self._do(self._inner.remove_blackout, number)
