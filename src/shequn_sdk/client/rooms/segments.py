"""The blocking twin of `segments`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import MemberRef
    from shequn_sdk.members.filters import Filter
    from shequn_sdk.members.segments import Numbers, SavedSegment, SegmentMember
    from shequn_sdk.members.segments import Segments as AsyncSegments

__all__ = ["Segments"]


class Segments(Twin):
    """The blocking twin of `shequn_sdk.members.segments.Segments`."""

    def __init__(self, inner: AsyncSegments, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def add_numbers(self, source: str, function: Numbers) -> None:
        """See `Segments.add_numbers`."""
        return self._inner.add_numbers(source, function)

    def save(
        self, name: str, wanted: Filter, *, note: str = "", community: str | None = None
    ) -> SavedSegment:
        """See `Segments.save`."""
        return self._do(self._inner.save, name, wanted, note=note, community=community)

    def delete(self, name: str, *, community: str | None = None) -> None:
        """See `Segments.delete`."""
        self._do(self._inner.delete, name, community=community)

    def get(self, name: str, *, community: str | None = None) -> SavedSegment:
        """See `Segments.get`."""
        return self._do(self._inner.get, name, community=community)

    def list(self, *, community: str | None = None) -> Sequence[SavedSegment]:
        """See `Segments.list`."""
        return self._do(self._inner.list, community=community)

    def count(self, wanted: Filter | str, *, community: str | None = None) -> int:
        """See `Segments.count`."""
        return self._do(self._inner.count, wanted, community=community)

    def members(
        self, wanted: Filter | str, *, community: str | None = None, after: int = 0, limit: int = 100
    ) -> Sequence[SegmentMember]:
        """See `Segments.members`."""
        return self._do(self._inner.members, wanted, community=community, after=after, limit=limit)

    def numbers(self, wanted: Filter | str, *, community: str | None = None) -> Sequence[int]:
        """See `Segments.numbers`."""
        return self._do(self._inner.numbers, wanted, community=community)

    def contains(
        self, wanted: Filter | str, member: MemberRef | str, *, community: str | None = None
    ) -> bool:
        """See `Segments.contains`."""
        return self._do(self._inner.contains, wanted, member, community=community)
