"""The blocking twin of `coupons`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.commerce.coupons import Coupons as AsyncCoupons
    from shequn_sdk.commerce.model import Coupon, Quote
    from shequn_sdk.domain import MemberRef

__all__ = ["Coupons"]


class Coupons(Twin):
    """The blocking twin of `shequn_sdk.commerce.coupons.Coupons`."""

    def __init__(self, inner: AsyncCoupons, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def add(
        self,
        code: str,
        *,
        percent: Decimal | int | str | None = None,
        amount: Decimal | int | str | None = None,
        currency: str = "",
        minimum: Decimal | int | str = 0,
        sku: str = "",
        max_uses: int | None = None,
        per_person: int = 1,
        member: MemberRef | str | None = None,
        starts: datetime | None = None,
        ends: datetime | None = None,
        community: str | None = None,
    ) -> Coupon:
        """See `Coupons.add`."""
        return self._do(
            self._inner.add,
            code,
            percent=percent,
            amount=amount,
            currency=currency,
            minimum=minimum,
            sku=sku,
            max_uses=max_uses,
            per_person=per_person,
            member=member,
            starts=starts,
            ends=ends,
            community=community,
        )

    def get(self, code: str, *, community: str | None = None) -> Coupon:
        """See `Coupons.get`."""
        return self._do(self._inner.get, code, community=community)

    def list(self, *, community: str | None = None) -> Sequence[Coupon]:
        """See `Coupons.list`."""
        return self._do(self._inner.list, community=community)

    def quote(
        self,
        code: str,
        *,
        price: Decimal | int | str,
        currency: str = "CNY",
        member: MemberRef | str | None = None,
        sku: str = "",
        community: str | None = None,
    ) -> Quote:
        """See `Coupons.quote`."""
        return self._do(
            self._inner.quote,
            code,
            price=price,
            currency=currency,
            member=member,
            sku=sku,
            community=community,
        )

    def redeem(
        self,
        code: str,
        *,
        key: str,
        price: Decimal | int | str,
        currency: str = "CNY",
        member: MemberRef | str | None = None,
        sku: str = "",
        community: str | None = None,
    ) -> Quote:
        """See `Coupons.redeem`."""
        return self._do(
            self._inner.redeem,
            code,
            key=key,
            price=price,
            currency=currency,
            member=member,
            sku=sku,
            community=community,
        )

    def release(self, key: str, *, community: str | None = None) -> bool:
        """See `Coupons.release`."""
        return self._do(self._inner.release, key, community=community)
