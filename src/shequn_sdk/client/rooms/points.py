"""The blocking twin of `points`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import MemberRef
    from shequn_sdk.incentives.models import Award, Balance, Entry, LedgerCheck, PointRules, Signal
    from shequn_sdk.incentives.points import Points as AsyncPoints

__all__ = ["Points"]


class Points(Twin):
    """The blocking twin of `shequn_sdk.incentives.points.Points`."""

    def __init__(self, inner: AsyncPoints, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def set_rules(self, rules: PointRules, *, community: str | None = None) -> PointRules:
        """See `Points.set_rules`."""
        return self._do(self._inner.set_rules, rules, community=community)

    def get_rules(self, *, community: str | None = None) -> PointRules:
        """See `Points.get_rules`."""
        return self._do(self._inner.get_rules, community=community)

    def award(
        self,
        member: MemberRef | str,
        *,
        points: int,
        note: str = "",
        community: str | None = None,
        idempotency_key: str,
    ) -> Balance:
        """See `Points.award`."""
        return self._do(
            self._inner.award,
            member,
            points=points,
            note=note,
            community=community,
            idempotency_key=idempotency_key,
        )

    def award_many(self, awards: Sequence[Award], *, community: str | None = None) -> int:
        """See `Points.award_many`."""
        return self._do(self._inner.award_many, awards, community=community)

    def reverse(self, entry: int, *, note: str = "", community: str | None = None) -> bool:
        """See `Points.reverse`."""
        return self._do(self._inner.reverse, entry, note=note, community=community)

    def numbers(self, *, community: str | None = None) -> Mapping[MemberRef, float]:
        """See `Points.numbers`."""
        return self._do(self._inner.numbers, community=community)

    def get_balance(self, member: MemberRef | str, *, community: str | None = None) -> Balance:
        """See `Points.get_balance`."""
        return self._do(self._inner.get_balance, member, community=community)

    def get_history(
        self, member: MemberRef | str, *, community: str | None = None, limit: int = 50
    ) -> Sequence[Entry]:
        """See `Points.get_history`."""
        return self._do(self._inner.get_history, member, community=community, limit=limit)

    def check(self, *, community: str | None = None) -> LedgerCheck:
        """See `Points.check`."""
        return self._do(self._inner.check, community=community)

    def find_signals(
        self, *, last: timedelta = timedelta(days=7), community: str | None = None
    ) -> Sequence[Signal]:
        """See `Points.find_signals`."""
        return self._do(self._inner.find_signals, last=last, community=community)

    def expire(self, *, community: str | None = None) -> int:
        """See `Points.expire`."""
        return self._do(self._inner.expire, community=community)
