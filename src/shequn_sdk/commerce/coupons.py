"""The room of coupons: what they take off, for whom, how often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, func, insert, select, update

from shequn_sdk.commerce.model import Coupon, Quote
from shequn_sdk.commerce.orders import of_person
from shequn_sdk.commerce.shop import money
from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import Room
from shequn_sdk.members.identities import find_identities
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.commerce import coupon, coupon_use
from shequn_sdk.stores.tables.members import identity

__all__ = ["Coupons"]

_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


class Coupons(Room):
    """Coupons: a share or an amount off, with limits that hold under concurrency (优惠券)."""

    async def add(
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
        """Make a coupon; making the same one again changes nothing.

        Args:
            code: capital letters, digits and `-`, at most 40; small letters are made capital.
            percent: share off, above 0 and at most 100.
            amount: amount off in `currency`, instead of `percent`.
            currency: needed with `amount` or `minimum`.
            minimum: least price for which it holds.
            sku: only for this product; "" is any.
            max_uses: in all; without limit when not given.
            per_person: uses by one person, over all platforms.
            member: only for this one, `platform:native-id`, who must have been seen before.
            starts: aware instant; now when not given.
            ends: aware instant; never when not given.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: a field is unfit, or the code names another coupon.
            UnknownName: no such community, or that member was never seen.
        """
        where = self._community(community).name
        store = await self._house.store()
        text = code.strip().upper()
        ref = None if member is None else MemberRef.parse(member)
        begins = starts or store.clock.now()
        if not text or len(text) > 40 or not set(text) <= _ALLOWED:
            raise InvalidInput(f"a coupon's code is of letters, digits and -, at most 40, not {code[:60]!r}")
        if begins.tzinfo is None or (ends is not None and (ends.tzinfo is None or ends <= begins)):
            raise InvalidInput("a coupon's start and end must be aware instants, the end after the start")
        share = None if percent is None else money(percent)
        off = None if amount is None else money(amount)
        if (share is None) == (off is None) or not (share or off) or (share or 0) > 100:
            raise InvalidInput(
                "a coupon takes off either a percent above 0 and at most 100, or an amount above 0"
            )
        least = money(minimum)
        if (off is not None or least) and not currency:
            raise InvalidInput("a coupon with an amount or a minimum needs their currency")
        if per_person < 1 or (max_uses is not None and max_uses < 1):
            raise InvalidInput("a coupon is used at least once: per_person and max_uses must be 1 or more")
        try:
            made = Coupon(
                community=where,
                code=text,
                percent=share,
                amount=off,
                currency=currency,
                minimum=least,
                sku=sku,
                max_uses=max_uses,
                per_person=per_person,
                member=ref,
                starts=begins,
                ends=ends,
            )
        except ValidationError as error:
            raise InvalidInput(f"coupon {text}: {error.errors()[0]['msg']}") from None

        def write(conn: Connection) -> None:
            number = None
            if ref is not None:
                number = find_identities(conn, [ref]).get(ref)
                if number is None:
                    raise UnknownName("member", str(ref))
            old = _find(conn, where, text)
            if old is not None:
                known = _coupon(old)
                same = made.model_copy(
                    update={"uses": known.uses, "starts": known.starts if starts is None else made.starts}
                )
                if known != same:
                    raise InvalidInput(f"the code {text} names another coupon: use a new code")
                return
            conn.execute(
                insert(coupon).values(
                    community=where,
                    code=text,
                    percent="" if share is None else str(share),
                    amount="" if off is None else str(off),
                    currency=currency,
                    minimum=str(least),
                    sku=sku,
                    max_uses=max_uses,
                    per_person=per_person,
                    identity_id=number,
                    uses=0,
                    starts=to_us(begins),
                    ends=None if ends is None else to_us(ends),
                )
            )

        await store.write(write)
        return await self.get(text, community=where)

    async def get(self, code: str, *, community: str | None = None) -> Coupon:
        """Give a coupon with its uses so far.

        Raises:
            UnknownName: no such coupon.
        """
        where = self._community(community).name
        store = await self._house.store()
        row = await store.read(lambda conn: _find(conn, where, code.strip().upper()))
        if row is None:
            raise UnknownName("coupon", code)
        return _coupon(row)

    async def list(self, *, community: str | None = None) -> Sequence[Coupon]:
        """Give the coupons by code."""
        where = self._community(community).name
        store = await self._house.store()
        return await store.read(
            lambda conn: [
                _coupon(row)
                for row in conn.execute(_coupons().where(coupon.c.community == where).order_by(coupon.c.code))
            ]
        )

    async def quote(
        self,
        code: str,
        *,
        price: Decimal | int | str,
        currency: str = "CNY",
        member: MemberRef | str | None = None,
        sku: str = "",
        community: str | None = None,
    ) -> Quote:
        """Say what something costs with a coupon, without using it.

        The discount of a share is rounded down to two decimals; a price never falls below 0.

        Raises:
            UnknownName: no such coupon.
            InvalidInput: it does not hold: not yet, not any more, used up, for somebody or something else, price too low.
        """
        where = self._community(community).name
        ref = None if member is None else MemberRef.parse(member)
        value = money(price)
        store = await self._house.store()
        now = to_us(store.clock.now())
        return await store.read(
            lambda conn: _quote(conn, where, code.strip().upper(), value, currency, ref, sku, now)
        )

    async def redeem(
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
        """Use a coupon once; the same `key` (an order's number) again gives the first quote and uses nothing.

        Raises:
            UnknownName: no such coupon, or that member was never seen.
            InvalidInput: it does not hold; see `quote`.
        """
        where = self._community(community).name
        ref = None if member is None else MemberRef.parse(member)
        value = money(price)
        text = code.strip().upper()
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> Quote:
            used = conn.execute(
                select(coupon_use).where(coupon_use.c.community == where, coupon_use.c.key == key)
            ).one_or_none()
            if used is not None:
                if used.code != text:
                    raise InvalidInput(f"{key!r} used the coupon {used.code} already")
                off = Decimal(used.discount)
                return Quote(price=value, discount=off, total=value - off, currency=currency, coupon=text)
            # the row is taken first, so that two at once cannot both have the last use
            conn.execute(
                update(coupon)
                .where(coupon.c.community == where, coupon.c.code == text)
                .values(uses=coupon.c.uses + 1)
            )
            quote = _quote(conn, where, text, value, currency, ref, sku, now, taken=1)
            number = None if ref is None else find_identities(conn, [ref]).get(ref)
            if ref is not None and number is None:
                raise UnknownName("member", str(ref))
            conn.execute(
                insert(coupon_use).values(
                    community=where,
                    key=key,
                    code=text,
                    identity_id=number,
                    discount=str(quote.discount),
                    at=now,
                )
            )
            return quote

        return await store.write(write)

    async def release(self, key: str, *, community: str | None = None) -> bool:
        """Give a use back, when its order came to nothing; gives whether there was one."""
        where = self._community(community).name
        store = await self._house.store()

        def write(conn: Connection) -> bool:
            used = conn.execute(
                select(coupon_use.c.code).where(coupon_use.c.community == where, coupon_use.c.key == key)
            ).scalar()
            if used is None:
                return False
            conn.execute(coupon_use.delete().where(coupon_use.c.community == where, coupon_use.c.key == key))
            conn.execute(
                update(coupon)
                .where(coupon.c.community == where, coupon.c.code == used)
                .values(uses=coupon.c.uses - 1)
            )
            return True

        return await store.write(write)


def _coupons() -> Any:
    return select(coupon, identity.c.platform, identity.c.native_id).outerjoin(
        identity, identity.c.id == coupon.c.identity_id
    )


def _find(conn: Connection, community: str, code: str) -> Row[Any] | None:
    return conn.execute(
        _coupons().where(coupon.c.community == community, coupon.c.code == code)
    ).one_or_none()


def _coupon(row: Row[Any]) -> Coupon:
    return Coupon(
        community=row.community,
        code=row.code,
        percent=Decimal(row.percent) if row.percent else None,
        amount=Decimal(row.amount) if row.amount else None,
        currency=row.currency,
        minimum=Decimal(row.minimum),
        sku=row.sku,
        max_uses=row.max_uses,
        per_person=row.per_person,
        member=MemberRef(platform=row.platform, native_id=row.native_id) if row.native_id else None,
        uses=row.uses,
        starts=from_us(row.starts),
        ends=None if row.ends is None else from_us(row.ends),
    )


def _quote(
    conn: Connection,
    community: str,
    code: str,
    price: Decimal,
    currency: str,
    member: MemberRef | None,
    sku: str,
    now: int,
    *,
    taken: int = 0,
) -> Quote:
    row = _find(conn, community, code)
    if row is None:
        raise UnknownName("coupon", code)
    one = _coupon(row)
    mine = [] if member is None else of_person(conn, member)
    if now < row.starts:
        raise InvalidInput(f"coupon {code} holds from {one.starts.isoformat(timespec='minutes')}")
    if row.ends is not None and now >= row.ends:
        raise InvalidInput(f"coupon {code} has ended")
    if one.max_uses is not None and one.uses - taken >= one.max_uses:
        raise InvalidInput(f"coupon {code} is used up")
    if one.sku and one.sku != sku:
        raise InvalidInput(f"coupon {code} is for {one.sku} only")
    if row.identity_id is not None and row.identity_id not in mine:
        raise InvalidInput(f"coupon {code} belongs to somebody else")
    if one.currency and one.currency != currency:
        raise InvalidInput(f"coupon {code} is in {one.currency}, not in {currency}")
    if price < one.minimum:
        raise InvalidInput(f"coupon {code} holds from {one.minimum} {one.currency}")
    if mine:
        used = conn.execute(
            select(func.count())
            .select_from(coupon_use)
            .where(
                coupon_use.c.community == community,
                coupon_use.c.code == code,
                coupon_use.c.identity_id.in_(mine),
            )
        ).scalar()
        if (used or 0) >= one.per_person:
            raise InvalidInput(
                f"coupon {code} was used {used} times by this person: no more than {one.per_person}"
            )
    if one.percent is not None:
        off = (price * one.percent / 100).quantize(Decimal("0.01"), rounding=ROUND_DOWN)
    else:
        off = one.amount or Decimal(0)
    off = min(off, price)
    return Quote(price=price, discount=off, total=price - off, currency=currency, coupon=code)
