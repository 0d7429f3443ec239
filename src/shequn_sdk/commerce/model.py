"""Records of products, orders, memberships and coupons."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from shequn_sdk.domain import Frozen, MemberRef

__all__ = [
    "Coupon",
    "Currency",
    "MembershipTerm",
    "Money",
    "Order",
    "OrderState",
    "Product",
    "ProductKind",
    "Quote",
    "Sku",
]

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3,8}$")]
"""ISO 4217, or the platform's own such as XTR (Telegram Stars)."""

Money = Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=6)]

Sku = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class ProductKind(StrEnum):
    """What is sold."""

    GOODS = "goods"
    MEMBERSHIP = "membership"
    """For a term, renewable (会员)."""
    COURSE = "course"
    SERVICE = "service"
    PLACEMENT = "placement"
    """Advertisement or co-promotion sold to a partner."""


class Product(Frozen):
    """Something that is sold (商品)."""

    community: str
    sku: Sku
    title: str
    kind: ProductKind
    price: Money
    currency: Currency
    term_days: int | None = None
    """Length of a membership."""
    created_at: AwareDatetime
    closed_at: AwareDatetime | None = None


class OrderState(StrEnum):
    """State of an order."""

    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"


class Order(Frozen):
    """A paid order (订单)."""

    id: int
    community: str
    shop: str
    """Where it was paid: a name of yours, or the account of a platform."""
    native_id: str
    """The shop's own number."""
    member: MemberRef | None = None
    sku: str = ""
    quantity: int = 1
    amount: Money
    currency: Currency
    refunded: Money = Decimal(0)
    coupon: str = ""
    entrance: str = ""
    at: AwareDatetime

    @property
    def state(self) -> OrderState:
        """Paid, partly or wholly refunded."""
        if not self.refunded:
            return OrderState.PAID
        return OrderState.REFUNDED if self.refunded >= self.amount else OrderState.PARTLY_REFUNDED

    @property
    def net(self) -> Decimal:
        """What is left after refunds."""
        return self.amount - self.refunded


class MembershipTerm(Frozen):
    """A paid membership of a person, its unbroken orders put together (会员期)."""

    member: MemberRef
    sku: str
    starts: AwareDatetime
    ends: AwareDatetime
    renewals: int
    """Orders after the first."""


class Coupon(Frozen):
    """A coupon (优惠券)."""

    community: str
    code: str
    percent: Decimal | None = None
    amount: Money | None = None
    currency: str = ""
    """Of `amount` and `minimum`; "" fits any when it takes off a share."""
    minimum: Money = Decimal(0)
    sku: str = ""
    max_uses: int | None = None
    per_person: int = 1
    member: MemberRef | None = None
    uses: int = 0
    starts: AwareDatetime
    ends: AwareDatetime | None = None


class Quote(Frozen):
    """What something costs with a coupon."""

    price: Money
    discount: Money
    total: Money
    currency: Currency
    coupon: str = ""
