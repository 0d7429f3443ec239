"""The blocking twin of `badges`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import MemberRef
    from shequn_sdk.incentives.badges import Badge, BadgeAward
    from shequn_sdk.incentives.badges import Badges as AsyncBadges

__all__ = ["Badges"]


class Badges(Twin):
    """The blocking twin of `shequn_sdk.incentives.badges.Badges`."""

    def __init__(self, inner: AsyncBadges, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def define(self, badge: Badge, *, community: str | None = None) -> Badge:
        """See `Badges.define`."""
        return self._do(self._inner.define, badge, community=community)

    def remove(self, name: str, *, community: str | None = None) -> None:
        """See `Badges.remove`."""
        self._do(self._inner.remove, name, community=community)

    def list(self, *, community: str | None = None) -> Sequence[Badge]:
        """See `Badges.list`."""
        return self._do(self._inner.list, community=community)

    def give(
        self, name: str, member: MemberRef | str, *, note: str = "", community: str | None = None
    ) -> BadgeAward:
        """See `Badges.give`."""
        return self._do(self._inner.give, name, member, note=note, community=community)

    def revoke(self, name: str, member: MemberRef | str, *, community: str | None = None) -> bool:
        """See `Badges.revoke`."""
        return self._do(self._inner.revoke, name, member, community=community)

    def list_awards(
        self, *, member: MemberRef | str | None = None, community: str | None = None
    ) -> Sequence[BadgeAward]:
        """See `Badges.list_awards`."""
        return self._do(self._inner.list_awards, member=member, community=community)

    def review(self, *, community: str | None = None) -> Sequence[BadgeAward]:
        """See `Badges.review`."""
        return self._do(self._inner.review, community=community)
