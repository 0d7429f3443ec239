"""The room of the shop: products, orders, refunds, memberships."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from pydantic import SecretStr, ValidationError
from sqlalchemy import Connection, insert, update

from shequn_sdk.commerce import orders
from shequn_sdk.commerce.hooks import ShopWebhooks
from shequn_sdk.commerce.model import MembershipTerm, Order, Product, ProductKind
from shequn_sdk.domain import Interaction, InteractionKind, MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import Room
from shequn_sdk.journeys.journeys import Journeys
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.commerce import product

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Shop"]


class Shop(Room):
    """Products, orders, refunds and memberships, wherever they were paid (商城)."""

    def listen(self, dispatcher: Dispatcher) -> None:
        """Take over what members pay on the platforms themselves."""
        dispatcher.on("purchase", "refund", name="shequn.shop.paid")(self._paid)

    def serve(self, scheduler: Scheduler) -> None:
        """Tell journeys when memberships end; they know it as `membership_ends`."""
        self._house.room(Journeys).add_dates("membership_ends", self._ends)

    async def _ends(self, community: str) -> Mapping[MemberRef, datetime]:
        return {one.member: one.ends for one in await self.memberships(community=community)}

    # -- products

    async def add_product(
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
        """Enter a product; entering it again changes title, price, currency and term, for orders to come.

        Args:
            sku: letters, digits, `.`, `_`, `-`.
            title: for people.
            price: in `currency`, exact.
            currency: ISO 4217, or a platform's own.
            kind: what it is; a `membership` needs `term_days`.
            term_days: days that one order gives.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: a field is unfit, a membership has no term, or something else has one.
            UnknownName: no such community.
        """
        where = self._community(community).name
        store = await self._house.store()
        try:
            made = Product(
                community=where,
                sku=sku,
                title=title,
                kind=ProductKind(kind),
                price=money(price),
                currency=currency,
                term_days=term_days,
                created_at=store.clock.now(),
            )
        except (ValidationError, ValueError) as error:
            raise InvalidInput(f"product {sku!r} cannot be entered: {_why(error)}") from None
        if (made.kind is ProductKind.MEMBERSHIP) != (term_days is not None) or (term_days or 1) < 1:
            raise InvalidInput("a membership, and nothing else, needs term_days of at least 1")
        values = {
            "title": title,
            "kind": made.kind.value,
            "price": str(made.price),
            "currency": currency,
            "term_days": term_days,
            "closed_at": None,
        }

        def write(conn: Connection) -> None:
            done = conn.execute(
                update(product).where(product.c.community == where, product.c.sku == sku).values(values)
            )
            if done.rowcount == 0:
                conn.execute(
                    insert(product).values(
                        community=where, sku=sku, created_at=to_us(made.created_at), **values
                    )
                )

        await store.write(write)
        return await self.get_product(sku, community=where)

    async def products(self, *, community: str | None = None, closed: bool = False) -> Sequence[Product]:
        """Give the products by sku; those that are not sold any more only when asked for."""
        where = self._community(community).name
        store = await self._house.store()

        found = await store.read(lambda conn: _PRODUCTS.all(conn, {"community": where}))
        return [_product(*row) for row in found if closed or row[-1] is None]

    async def get_product(self, sku: str, *, community: str | None = None) -> Product:
        """Give a product.

        Raises:
            UnknownName: there is none with that sku.
        """
        found = await self.products(community=community, closed=True)
        for one in found:
            if one.sku == sku:
                return one
        raise UnknownName(
            "product", sku, nearest=tuple(difflib.get_close_matches(sku, [one.sku for one in found], n=2))
        )

    async def close_product(self, sku: str, *, community: str | None = None) -> Product:
        """Sell a product no more; its orders and memberships stay.

        Raises:
            UnknownName: there is none with that sku.
        """
        found = await self.get_product(sku, community=community)
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> None:
            conn.execute(
                update(product)
                .where(
                    product.c.community == found.community,
                    product.c.sku == sku,
                    product.c.closed_at.is_(None),
                )
                .values(closed_at=now)
            )

        await store.write(write)
        return await self.get_product(sku, community=found.community)

    # -- orders

    async def record_order(
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
        """Note that somebody paid; the same order of the same shop is noted once, however often it is told.

        The order becomes an interaction `purchase`, so that handlers hear it and metrics count it. A membership begins at
        once, or when the person's running one of the same product ends.

        Args:
            native_id: the shop's own number.
            amount: what was paid for all of it, in `currency`, exact.
            currency: ISO 4217, or a platform's own.
            shop: where it was paid.
            member: who bought, `platform:native-id`; need not have been seen before. None is somebody unknown.
            member_name: to show, when the member was never seen.
            sku: what was bought; "" when it is no product of ours.
            quantity: how many.
            coupon: code that was used.
            entrance: by which the buyer came, when the shop knows it.
            at: aware instant; now when not given.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: a field is unfit, or the same number was noted with another amount, member or product.
            UnknownName: no such product or community.
        """
        where = self._community(community).name
        ref = None if member is None else MemberRef.parse(member)
        if sku:
            await self.get_product(sku, community=where)
        if not native_id or len(native_id) > 255 or quantity < 1:
            raise InvalidInput(
                "an order needs a number of at most 255 characters and a quantity of at least 1"
            )
        store = await self._house.store()
        when = at or store.clock.now()
        if when.tzinfo is None:
            raise InvalidInput("at must be an aware instant")
        told = orders.Told(
            community=where,
            shop=shop,
            native_id=native_id,
            member=ref,
            member_name=member_name,
            sku=sku,
            quantity=quantity,
            amount=money(amount),
            currency=_currency(currency),
            coupon=coupon,
            entrance=entrance,
            at=to_us(when),
        )
        order = await store.write(lambda conn: orders.note(conn, told))
        await self._house.record(
            [_interaction(order, InteractionKind.PURCHASE, order.amount, order.at, "")], community=where
        )
        return order

    async def record_refund(
        self,
        native_id: str,
        *,
        refund_id: str = "",
        amount: Decimal | int | str | None = None,
        shop: str = "shop",
        at: datetime | None = None,
        community: str | None = None,
    ) -> Order:
        """Note that an order was paid back, in part or whole; a membership that is wholly paid back ends.

        Args:
            native_id: the order's number in the shop.
            refund_id: the refund's number; not needed when there is only one for this order.
            amount: in the order's currency; all that is left when not given.
            shop: where it was paid.
            at: aware instant; now when not given.
            community: its name; not needed when there is one.

        Raises:
            UnknownName: no such order.
            InvalidInput: more than is left is to be paid back.
        """
        where = self._community(community).name
        store = await self._house.store()
        when = at or store.clock.now()
        if when.tzinfo is None:
            raise InvalidInput("at must be an aware instant")
        wanted = None if amount is None else money(amount)
        order, paid_back = await store.write(
            lambda conn: orders.pay_back(conn, where, shop, native_id, refund_id, wanted, to_us(when))
        )
        await self._house.record(
            [_interaction(order, InteractionKind.REFUND, paid_back, when, refund_id)], community=where
        )
        return order

    async def orders(
        self,
        *,
        member: MemberRef | str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 200,
        community: str | None = None,
    ) -> Sequence[Order]:
        """Give orders, newest first: all, or those of one person over all platforms.

        Args:
            member: whose.
            start: aware instant of the first.
            end: aware instant before which the last lies.
            limit: most orders to give.
            community: its name; not needed when there is one.
        """
        where = self._community(community).name
        ref = None if member is None else MemberRef.parse(member)
        store = await self._house.store()
        low, high = (None if one is None else to_us(one) for one in (start, end))
        return await store.read(
            lambda conn: orders.find(conn, where, member=ref, low=low, high=high, limit=limit)
        )

    # -- memberships

    async def memberships(
        self, *, member: MemberRef | str | None = None, sku: str = "", community: str | None = None
    ) -> Sequence[MembershipTerm]:
        """Give the memberships that run now or will, the one that ends first in front.

        Args:
            member: only this person's.
            sku: only of this product.
            community: its name; not needed when there is one.
        """
        where = self._community(community).name
        ref = None if member is None else MemberRef.parse(member)
        store = await self._house.store()
        now = to_us(store.clock.now())
        return await store.read(lambda conn: orders.terms(conn, where, now=now, member=ref, sku=sku))

    async def expiring(
        self, *, within: timedelta = timedelta(days=14), sku: str = "", community: str | None = None
    ) -> Sequence[MembershipTerm]:
        """Give the memberships that end within a span from now and are not renewed yet."""
        store = await self._house.store()
        until = store.clock.now() + within
        return [one for one in await self.memberships(sku=sku, community=community) if one.ends <= until]

    def webhooks(self, *, secrets: Mapping[str, SecretStr]) -> ShopWebhooks:
        """Give the ASGI application that takes orders and refunds from shops outside at `/{shop}`; mount it anywhere.

        Args:
            secrets: shop's name to the secret with which it signs; see `commerce.hooks` for the form.
        """
        return ShopWebhooks(self, secrets=secrets, clock=self._house.clock)

    async def _paid(self, heard: Heard) -> None:
        """Note what was paid on a platform: it is an order of the shop that bears the account's name."""
        event = heard.interaction
        if event.platform == "shop" or event.id.startswith(("order/", "refund/")) or not heard.community:
            return  # our own, which brought this about
        if event.value is None or event.value < 0 or not event.currency:
            return
        where, at = heard.community, to_us(event.occurred_at)
        amount = money(str(event.attrs.get("amount_exact", event.value)))
        store = await self._house.store()
        if event.kind is InteractionKind.REFUND:
            number = str(event.attrs.get("refunds", ""))
            if number:
                await store.write(
                    lambda conn: orders.pay_back(conn, where, heard.account, number, event.id, amount, at)
                )
            return
        told = orders.Told(
            community=where,
            shop=heard.account,
            native_id=event.id[:255],
            member=MemberRef(platform=event.platform, native_id=event.member) if event.member else None,
            member_name=event.member_name,
            sku="",
            quantity=1,
            amount=amount,
            currency=event.currency,
            coupon="",
            entrance=event.entrance,
            at=at,
        )
        await store.write(lambda conn: orders.note(conn, told))


def money(value: Decimal | int | str) -> Decimal:
    """Read an exact amount.

    Raises:
        InvalidInput: it is no finite number of at least 0, or has more than six decimals.
    """
    try:
        amount = Decimal(value)
    except (InvalidOperation, ValueError, TypeError):
        raise InvalidInput(f"{value!r} is no amount: write it like 99.90") from None
    if not amount.is_finite() or amount < 0 or amount >= Decimal(10) ** 18:
        raise InvalidInput(f"an amount must be at least 0 and below 10^18, not {value}")
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -6:
        raise InvalidInput(f"an amount has at most six decimals, not {value}")
    return amount


def _currency(text: str) -> str:
    if not (text.isascii() and text.isalpha() and text.isupper() and 3 <= len(text) <= 8):
        raise InvalidInput(f"{text!r} is no currency: write its code, like CNY")
    return text


def _why(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        item = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
    return str(error)


_PRODUCTS = Fast(
    "select community, sku, title, kind, price, currency, term_days, created_at, closed_at from product "
    "where community = :community order by sku"
)


def _product(
    community: str,
    sku: str,
    title: str,
    kind: str,
    price: str,
    currency: str,
    term_days: int | None,
    created_at: int,
    closed_at: int | None,
) -> Product:
    return Product(
        community=community,
        sku=sku,
        title=title,
        kind=ProductKind(kind),
        price=Decimal(price),
        currency=currency,
        term_days=term_days,
        created_at=from_us(created_at),
        closed_at=None if closed_at is None else from_us(closed_at),
    )


def _interaction(
    order: Order, kind: InteractionKind, amount: Decimal, at: datetime, refund_id: str
) -> Interaction:
    number = f"{order.community}/{order.shop}/{order.native_id}"
    return Interaction(
        id=f"order/{number}" if kind is InteractionKind.PURCHASE else f"refund/{number}/{refund_id}",
        kind=kind,
        platform=order.member.platform if order.member else "shop",
        member=order.member.native_id if order.member else "",
        occurred_at=at,
        value=float(amount),
        currency=order.currency,
        entrance=order.entrance,
        attrs={"sku": order.sku, "quantity": order.quantity, "amount_exact": str(amount), "shop": order.shop},
    )
