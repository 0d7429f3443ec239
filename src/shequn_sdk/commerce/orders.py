"""Orders, refunds and terms inside a transaction of the operational store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, insert, select, update

from shequn_sdk.commerce.model import MembershipTerm, Order
from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.members.identities import Seen, find_identities, note_identities
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.commerce import refund, shop_order, term
from shequn_sdk.stores.tables.members import identity

__all__ = ["Told", "find", "note", "of_person", "pay_back", "terms"]

_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """An order as it was told."""

    community: str
    shop: str
    native_id: str
    member: MemberRef | None
    member_name: str
    sku: str
    quantity: int
    amount: Decimal
    currency: str
    coupon: str
    entrance: str
    at: int


def _orders() -> Select[Any]:
    return select(shop_order, identity.c.platform, identity.c.native_id.label("member_id")).outerjoin(
        identity, identity.c.id == shop_order.c.identity_id
    )


class _Found(NamedTuple):
    id: int
    community: str
    shop: str
    native_id: str
    sku: str
    quantity: int
    amount: str
    currency: str
    refunded: str
    coupon: str
    entrance: str
    at: int
    platform: str | None
    member_id: str | None


_ONE = Fast(
    "select o.id, o.community, o.shop, o.native_id, o.sku, o.quantity, o.amount, o.currency, o.refunded, o.coupon, "
    "o.entrance, o.at, i.platform, i.native_id from shop_order o left join identity i on i.id = o.identity_id "
    "where o.community = :community and o.shop = :shop and o.native_id = :native"
)
_ADD = Fast(
    "insert into shop_order (community, shop, native_id, identity_id, sku, quantity, amount, currency, refunded, coupon, "
    "entrance, at) values (:community, :shop, :native, :identity, :sku, :quantity, :amount, :currency, '0', :coupon, "
    ":entrance, :at) returning id"
)
_DAYS = Fast("select term_days from product where community = :community and sku = :sku")


def _order(row: Any) -> Order:
    return Order(
        id=row.id,
        community=row.community,
        shop=row.shop,
        native_id=row.native_id,
        member=MemberRef(platform=row.platform, native_id=row.member_id) if row.member_id else None,
        sku=row.sku,
        quantity=row.quantity,
        amount=Decimal(row.amount),
        currency=row.currency,
        refunded=Decimal(row.refunded),
        coupon=row.coupon,
        entrance=row.entrance,
        at=from_us(row.at),
    )


def _find_one(conn: Connection, community: str, shop: str, native_id: str) -> _Found | None:
    row = _ONE.one(conn, {"community": community, "shop": shop, "native": native_id})
    return None if row is None else _Found(*row)


def of_person(conn: Connection, member: MemberRef) -> list[int]:
    """Give the numbers of all identities of the person behind `member`; none when nobody of that id was ever seen."""
    number = find_identities(conn, [member]).get(member)
    if number is None:
        return []
    mine = select(identity.c.person_id).where(identity.c.id == number).scalar_subquery()
    return [row[0] for row in conn.execute(select(identity.c.id).where(identity.c.person_id == mine))]


def note(conn: Connection, told: Told) -> Order:
    """Write an order down once.

    Raises:
        InvalidInput: the same number was noted with another amount, member or product.
    """
    old = _find_one(conn, told.community, told.shop, told.native_id)
    if old is not None:
        known = _order(old)
        if (known.amount, known.currency, known.sku) != (told.amount, told.currency, told.sku) or (
            told.member is not None and known.member not in (None, told.member)
        ):
            raise InvalidInput(
                f"order {told.native_id!r} of {told.shop} was noted before with another amount, member or product"
            )
        return known
    number = None
    if told.member is not None:
        found = find_identities(conn, [told.member])
        if told.member not in found:
            seen = Seen(ref=told.member, at=told.at, display_name=told.member_name[:256])
            found = dict(note_identities(conn, [seen]))
        number = found[told.member]
    made = _ADD.one(
        conn,
        {
            "community": told.community,
            "shop": told.shop,
            "native": told.native_id,
            "identity": number,
            "sku": told.sku,
            "quantity": told.quantity,
            "amount": str(told.amount),
            "currency": told.currency,
            "coupon": told.coupon,
            "entrance": told.entrance,
            "at": told.at,
        },
    )
    assert made is not None
    if told.sku and told.member is not None and number is not None:
        _begin_term(conn, told, made[0], number)
    row = _find_one(conn, told.community, told.shop, told.native_id)
    assert row is not None
    return _order(row)


def _begin_term(conn: Connection, told: Told, order: int, number: int) -> None:
    found = _DAYS.one(conn, {"community": told.community, "sku": told.sku})
    days = found[0] if found is not None else None
    if not days or told.member is None:
        return
    mine = of_person(conn, told.member)
    last = conn.execute(
        select(term.c.ends)
        .where(term.c.community == told.community, term.c.sku == told.sku, term.c.identity_id.in_(mine))
        .order_by(term.c.ends.desc())
        .limit(1)
    ).scalar()
    starts = max(told.at, last or 0)
    conn.execute(
        insert(term).values(
            order_id=order,
            community=told.community,
            identity_id=number,
            sku=told.sku,
            starts=starts,
            ends=starts + days * told.quantity * _DAY,
        )
    )


def pay_back(
    conn: Connection,
    community: str,
    shop: str,
    native_id: str,
    refund_id: str,
    amount: Decimal | None,
    at: int,
) -> tuple[Order, Decimal]:
    """Note a refund once; gives the order as it is then, and what this refund paid back.

    Raises:
        UnknownName: no such order.
        InvalidInput: more than is left is to be paid back.
    """
    row = _find_one(conn, community, shop, native_id)
    if row is None:
        raise UnknownName("order", f"{shop}/{native_id}")
    order = _order(row)
    old = conn.execute(
        select(refund.c.amount).where(refund.c.order_id == order.id, refund.c.native_id == refund_id)
    ).scalar()
    if old is not None:
        return order, Decimal(old)
    value = order.net if amount is None else amount
    if value <= 0 or value > order.net:
        raise InvalidInput(
            f"order {native_id!r} has {order.net} {order.currency} left to pay back, not {value}"
        )
    conn.execute(insert(refund).values(order_id=order.id, native_id=refund_id, amount=str(value), at=at))
    left = order.refunded + value
    conn.execute(update(shop_order).where(shop_order.c.id == order.id).values(refunded=str(left)))
    if left >= order.amount:
        _end_term(conn, order, at)
    row = _find_one(conn, community, shop, native_id)
    assert row is not None
    return _order(row), value


def _end_term(conn: Connection, order: Order, at: int) -> None:
    """Take an order's term away; what was bought after it moves forward by what was not used."""
    gone = conn.execute(select(term).where(term.c.order_id == order.id)).one_or_none()
    if gone is None or order.member is None:
        return
    used_until = min(max(at, gone.starts), gone.ends)
    unused = gone.ends - used_until
    if used_until > gone.starts:
        conn.execute(update(term).where(term.c.order_id == order.id).values(ends=used_until))
    else:
        conn.execute(delete(term).where(term.c.order_id == order.id))
    if unused:
        conn.execute(
            update(term)
            .where(
                term.c.community == order.community,
                term.c.sku == order.sku,
                term.c.identity_id.in_(of_person(conn, order.member)),
                term.c.starts >= gone.ends,
            )
            .values(starts=term.c.starts - unused, ends=term.c.ends - unused)
        )


def find(
    conn: Connection,
    community: str,
    *,
    member: MemberRef | None = None,
    low: int | None = None,
    high: int | None = None,
    limit: int | None = None,
) -> Sequence[Order]:
    """Give orders, newest first."""
    query = _orders().where(shop_order.c.community == community)
    if member is not None:
        query = query.where(shop_order.c.identity_id.in_(of_person(conn, member)))
    if low is not None:
        query = query.where(shop_order.c.at >= low)
    if high is not None:
        query = query.where(shop_order.c.at < high)
    query = query.order_by(shop_order.c.at.desc(), shop_order.c.id.desc())
    return [_order(row) for row in conn.execute(query if limit is None else query.limit(limit))]


def terms(
    conn: Connection, community: str, *, now: int, member: MemberRef | None = None, sku: str = ""
) -> Sequence[MembershipTerm]:
    """Give running and coming memberships per person and product, unbroken terms as one."""
    query = (
        select(term, identity.c.person_id, identity.c.platform, identity.c.native_id)
        .join(identity, identity.c.id == term.c.identity_id)
        .where(term.c.community == community)
        .order_by(term.c.starts, term.c.order_id)
    )
    if sku:
        query = query.where(term.c.sku == sku)
    if member is not None:
        query = query.where(term.c.identity_id.in_(of_person(conn, member)))
    open_terms: dict[tuple[int, str], list[Any]] = {}
    found: list[list[Any]] = []
    for row in conn.execute(query):
        line = open_terms.get((row.person_id, row.sku))
        if line is not None and row.starts <= line[3]:
            line[3], line[4] = max(line[3], row.ends), line[4] + 1
            continue
        ref = MemberRef(platform=row.platform, native_id=row.native_id)
        line = [ref, row.sku, row.starts, row.ends, 0]
        open_terms[row.person_id, row.sku] = line
        found.append(line)
    return sorted(
        (
            MembershipTerm(
                member=ref, sku=what, starts=from_us(starts), ends=from_us(ends), renewals=renewals
            )
            for ref, what, starts, ends, renewals in found
            if ends > now
        ),
        key=lambda one: (one.ends, str(one.member)),
    )
