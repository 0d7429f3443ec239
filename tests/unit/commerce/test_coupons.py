from datetime import UTC, datetime, timedelta
from decimal import Decimal

import anyio
import pytest

from shequn_sdk import InvalidInput
from shequn_sdk.errors import UnknownName

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_a_share_and_an_amount_off(sq):
    await sq.coupons.add("SPRING-15", percent=15)
    await sq.coupons.add("minus20", amount=20, currency="CNY", minimum=100)
    quote = await sq.coupons.quote("spring-15", price="99.99")
    assert (quote.discount, quote.total) == (Decimal("14.99"), Decimal("85.00"))
    assert (await sq.coupons.quote("MINUS20", price=100)).total == 80
    with pytest.raises(InvalidInput, match="from 100 CNY"):
        await sq.coupons.quote("MINUS20", price="99.99")
    with pytest.raises(InvalidInput, match="not in USD"):
        await sq.coupons.quote("MINUS20", price=100, currency="USD")
    assert [one.code for one in await sq.coupons.list()] == ["MINUS20", "SPRING-15"]
    assert await sq.coupons.add("SPRING-15", percent=15) == await sq.coupons.get("SPRING-15")
    with pytest.raises(InvalidInput, match="another coupon"):
        await sq.coupons.add("SPRING-15", percent=20)


async def test_limits_hold_when_all_come_at_once(sq):
    await sq.coupons.add("FIRST10", percent=10, max_uses=10)
    for number in range(30):
        await sq.shop.record_order(f"seen-{number}", amount=1, member=f"telegram:{number}")
    taken, refused = [], []

    async def take(number):
        try:
            await sq.coupons.redeem("FIRST10", key=f"order-{number}", price=100, member=f"telegram:{number}")
            taken.append(number)
        except InvalidInput:
            refused.append(number)

    async with anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(take, number)
    assert (len(taken), len(refused)) == (10, 20)
    assert (await sq.coupons.get("FIRST10")).uses == 10
    again = await sq.coupons.redeem(
        "FIRST10", key=f"order-{taken[0]}", price=100, member=f"telegram:{taken[0]}"
    )
    assert again.total == 90
    assert await sq.coupons.release(f"order-{taken[0]}")
    assert not await sq.coupons.release(f"order-{taken[0]}")
    assert (await sq.coupons.get("FIRST10")).uses == 9


async def test_of_whom_when_and_for_what(sq, clock):
    await sq.shop.add_product("vip", title="会员", price=30, kind="membership", term_days=30)
    await sq.shop.record_order("1", amount=1, member="telegram:1")
    await sq.shop.record_order("2", amount=1, member="telegram:2")
    await sq.coupons.add(
        "YOURS", amount=5, currency="CNY", sku="vip", member="telegram:1",
        starts=NOW + timedelta(days=1), ends=NOW + timedelta(days=2),
    )  # fmt: skip

    async def refused(why, **options):
        with pytest.raises(InvalidInput, match=why):
            await sq.coupons.redeem("YOURS", key="k", price=30, **options)

    await refused("holds from", member="telegram:1", sku="vip")
    clock.advance(timedelta(days=1))
    await refused("for vip only", member="telegram:1")
    await refused("somebody else", member="telegram:2", sku="vip")
    await refused("somebody else", sku="vip")
    assert (await sq.coupons.redeem("YOURS", key="k", price=3, member="telegram:1", sku="vip")).total == 0
    with pytest.raises(InvalidInput, match="no more than 1"):
        await sq.coupons.redeem("YOURS", key="k2", price=30, member="telegram:1", sku="vip")
    clock.advance(timedelta(days=1))
    with pytest.raises(InvalidInput, match="ended"):
        await sq.coupons.quote("YOURS", price=30, member="telegram:1", sku="vip")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"percent": 10, "amount": 5, "currency": "CNY"},
        {"percent": 0},
        {"percent": 101},
        {"amount": 5},
        {"percent": 10, "minimum": 5},
        {"percent": 10, "max_uses": 0},
        {"percent": 10, "ends": NOW - timedelta(days=1)},
    ],
)
async def test_senseless_coupons_are_refused(sq, options):
    with pytest.raises(InvalidInput):
        await sq.coupons.add("X", **options)
    with pytest.raises(UnknownName):
        await sq.coupons.get("X")
