"""The blocking twin of `entrances`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef
    from shequn_sdk.links.entrances import Entrances as AsyncEntrances
    from shequn_sdk.links.model import Entrance, EntranceResult, Source

__all__ = ["Entrances"]


class Entrances(Twin):
    """The blocking twin of `shequn_sdk.links.entrances.Entrances`."""

    def __init__(self, inner: AsyncEntrances, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open(
        self,
        name: str,
        *,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
        source: Source | None = None,
        expires_at: datetime | None = None,
        max_uses: int | None = None,
        needs_approval: bool = False,
    ) -> Entrance:
        """See `Entrances.open`."""
        return self._do(
            self._inner.open,
            name,
            channel=channel,
            community=community,
            source=source,
            expires_at=expires_at,
            max_uses=max_uses,
            needs_approval=needs_approval,
        )

    def get(self, name: str, *, community: str | None = None) -> Entrance:
        """See `Entrances.get`."""
        return self._do(self._inner.get, name, community=community)

    def list(self, *, community: str | None = None, ended: bool = False) -> Sequence[Entrance]:
        """See `Entrances.list`."""
        return self._do(self._inner.list, community=community, ended=ended)

    def close(self, name: str, *, community: str | None = None) -> Entrance:
        """See `Entrances.close`."""
        return self._do(self._inner.close, name, community=community)

    def results(
        self, *, community: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> Sequence[EntranceResult]:
        """See `Entrances.results`."""
        return self._do(self._inner.results, community=community, start=start, end=end)
