"""The blocking twin of `shop`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin
from shequn_sdk.commerce.model import ProductKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from anyio.from_thread import BlockingPortal
    from pydantic import SecretStr

    from shequn_sdk.commerce.hooks import ShopWebhooks
    from shequn_sdk.commerce.model import MembershipTerm, Order, Product
    from shequn_sdk.commerce.shop import Shop as AsyncShop
    from shequn_sdk.domain import MemberRef

__all__ = ["Shop"]


class Shop(Twin):
    """The blocking twin of `shequn_sdk.commerce.shop.Shop`."""

    def __init__(self, inner: AsyncShop, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def add_product(
        self,
        sku: str,
        *,
        title: str,
        price: Decimal | int | str,
        currency: str = "CNY",
        kind: ProductKind | str = ProductKind.GOODS,
        term_days: int | None = None,
        community: str | None = None,
    ) -> Product:
        """See `Shop.add_product`."""
        return self._do(
            self._inner.add_product,
            sku,
            title=title,
            price=price,
            currency=currency,
            kind=kind,
            term_days=term_days,
            community=community,
        )

    def products(self, *, community: str | None = None, closed: bool = False) -> Sequence[Product]:
        """See `Shop.products`."""
        return self._do(self._inner.products, community=community, closed=closed)

    def get_product(self, sku: str, *, community: str | None = None) -> Product:
        """See `Shop.get_product`."""
        return self._do(self._inner.get_product, sku, community=community)

    def close_product(self, sku: str, *, community: str | None = None) -> Product:
        """See `Shop.close_product`."""
        return self._do(self._inner.close_product, sku, community=community)

    def record_order(
        self,
        native_id: str,
        *,
        amount: Decimal | int | str,
        currency: str = "CNY",
        shop: str = "shop",
        member: MemberRef | str | None = None,
        member_name: str = "",
        sku: str = "",
        quantity: int = 1,
        coupon: str = "",
        entrance: str = "",
        at: datetime | None = None,
        community: str | None = None,
    ) -> Order:
        """See `Shop.record_order`."""
        return self._do(
            self._inner.record_order,
            native_id,
            amount=amount,
            currency=currency,
            shop=shop,
            member=member,
            member_name=member_name,
            sku=sku,
            quantity=quantity,
            coupon=coupon,
            entrance=entrance,
            at=at,
            community=community,
        )

    def record_refund(
        self,
        native_id: str,
        *,
        refund_id: str = "",
        amount: Decimal | int | str | None = None,
        shop: str = "shop",
        at: datetime | None = None,
        community: str | None = None,
    ) -> Order:
        """See `Shop.record_refund`."""
        return self._do(
            self._inner.record_refund,
            native_id,
            refund_id=refund_id,
            amount=amount,
            shop=shop,
            at=at,
            community=community,
        )

    def orders(
        self,
        *,
        member: MemberRef | str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 200,
        community: str | None = None,
    ) -> Sequence[Order]:
        """See `Shop.orders`."""
        return self._do(
            self._inner.orders, member=member, start=start, end=end, limit=limit, community=community
        )

    def memberships(
        self, *, member: MemberRef | str | None = None, sku: str = "", community: str | None = None
    ) -> Sequence[MembershipTerm]:
        """See `Shop.memberships`."""
        return self._do(self._inner.memberships, member=member, sku=sku, community=community)

    def expiring(
        self, *, within: timedelta = timedelta(days=14), sku: str = "", community: str | None = None
    ) -> Sequence[MembershipTerm]:
        """See `Shop.expiring`."""
        return self._do(self._inner.expiring, within=within, sku=sku, community=community)

    def webhooks(self, *, secrets: Mapping[str, SecretStr]) -> ShopWebhooks:
        """See `Shop.webhooks`."""
        return self._inner.webhooks(secrets=secrets)
