import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shequn_sdk import InvalidInput
from shequn_sdk.commerce.hooks import sign
from shequn_sdk.commerce.model import OrderState, ProductKind
from shequn_sdk.commerce.shop import money
from shequn_sdk.errors import ConfigError, UnknownName

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

SECRET = SecretStr("a-long-enough-secret")


async def test_an_order_is_noted_once_heard_and_counted(sq):
    heard = []

    @sq.on("purchase", "refund")
    async def paid(event):
        heard.append((event.name, event.interaction.member, event.interaction.attrs["amount_exact"]))

    await sq.shop.add_product("course-1", title="早起训练营", price="99.90", kind="course")
    for _ in range(3):
        order = await sq.shop.record_order(
            "2026-1", amount="99.90", member="telegram:42", sku="course-1", at=NOW, entrance="spring"
        )
    assert order.state is OrderState.PAID
    await sq.drain()
    with pytest.raises(InvalidInput, match="another amount"):
        await sq.shop.record_order("2026-1", amount="100", member="telegram:42", sku="course-1")
    for _ in range(2):
        order = await sq.shop.record_refund("2026-1", refund_id="r1", amount="40")
    assert (order.state, order.net) == (OrderState.PARTLY_REFUNDED, Decimal("59.90"))
    with pytest.raises(InvalidInput, match=r"59\.90 CNY left"):
        await sq.shop.record_refund("2026-1", refund_id="r2", amount="60")
    order = await sq.shop.record_refund("2026-1", refund_id="r2")
    assert order.state is OrderState.REFUNDED
    await sq.drain()
    assert heard == [("purchase", "42", "99.90"), ("refund", "42", "40"), ("refund", "42", "59.90")]
    result = await sq.metrics.compute("conversion.revenue", start=NOW.date(), end=NOW.date(), grain="total")
    assert result.points[0].value == 0
    assert len(await sq.shop.orders(member="telegram:42")) == 1
    assert await sq.shop.orders(member="telegram:43") == []


async def test_memberships_renew_end_and_close_up(sq, clock):
    await sq.shop.add_product("vip", title="会员", price=30, kind=ProductKind.MEMBERSHIP, term_days=30)
    await sq.shop.record_order("1", amount=30, member="telegram:42", sku="vip")
    clock.advance(timedelta(days=10))
    await sq.shop.record_order("2", amount=60, member="telegram:42", sku="vip", quantity=2)
    (mine,) = await sq.shop.memberships(member="telegram:42")
    assert (mine.starts, mine.ends, mine.renewals) == (NOW, NOW + timedelta(days=90), 1)
    assert await sq.shop.expiring() == []
    # the first is paid back after ten days: twenty days fall away and what follows moves forward
    await sq.shop.record_refund("1")
    (mine,) = await sq.shop.memberships(member="telegram:42")
    assert (mine.starts, mine.ends) == (NOW, NOW + timedelta(days=70))
    clock.advance(timedelta(days=50))
    assert [one.member.native_id for one in await sq.shop.expiring()] == ["42"]
    clock.advance(timedelta(days=10, hours=1))
    assert await sq.shop.memberships() == []
    # a gap: a new membership
    await sq.shop.record_order("3", amount=30, member="telegram:42", sku="vip")
    (mine,) = await sq.shop.memberships()
    assert (mine.starts, mine.renewals) == (clock.now(), 0)


async def test_what_is_paid_on_a_platform_is_an_order_too(sq):
    from shequn_sdk import Interaction, InteractionKind

    event = Interaction(
        id="payment:9", kind=InteractionKind.PURCHASE, platform="telegram", member="7", account="bot",
        occurred_at=NOW, value=250, currency="XTR",
    )  # fmt: skip
    await sq._workspace.record([event], community="club")
    await sq.process()
    (order,) = await sq.shop.orders()
    assert (order.shop, order.amount, order.currency, str(order.member)) == ("bot", 250, "XTR", "telegram:7")


async def test_wrong_input(sq):
    with pytest.raises(InvalidInput, match="term_days"):
        await sq.shop.add_product("vip", title="会员", price=30, kind="membership")
    with pytest.raises(InvalidInput, match="term_days"):
        await sq.shop.add_product("mug", title="杯子", price=30, term_days=3)
    for price in ("-1", "free", "NaN", "1.1234567", 10**18):
        with pytest.raises(InvalidInput):
            await sq.shop.add_product("x", title="x", price=price)
    with pytest.raises(InvalidInput):
        await sq.shop.add_product("有空格 x", title="x", price=1)
    with pytest.raises(UnknownName):
        await sq.shop.record_order("1", amount=1, sku="nope")
    with pytest.raises(InvalidInput):
        await sq.shop.record_order("1", amount=1, quantity=0)
    with pytest.raises(InvalidInput):
        await sq.shop.record_order("1", amount=1, currency="yuan")
    with pytest.raises(UnknownName):
        await sq.shop.record_refund("1")
    with pytest.raises(InvalidInput):
        await sq.shop.record_order("1", amount=1, at=datetime(2026, 1, 1))
    assert await sq.shop.orders() == []


@given(st.decimals(min_value=0, max_value=10**17, places=6))
def test_amounts_stay_exact(amount):
    assert money(str(amount)) == amount


async def test_webhooks_want_a_real_secret(sq):
    with pytest.raises(ConfigError, match="16"):
        sq.shop.webhooks(secrets={"weidian": SecretStr("short")})


@pytest.fixture
async def shop(sq):
    app = sq.shop.webhooks(secrets={"weidian": SECRET})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="https://hooks.example"
    ) as web:

        async def send(data, *, path="/weidian", at=NOW, secret=SECRET, body=None):
            body = body if body is not None else json.dumps(data).encode()
            return await web.post(
                path, content=body, headers={"x-shequn-signature": sign(body, secret, at=at)}
            )

        send.web = web
        yield send


PAID = {
    "type": "order.paid",
    "order": "w1",
    "member": "wecom:u1",
    "amount": "19.80",
    "at": "2026-03-01T20:00:00+08:00",
    "something_new": True,
}


async def test_a_signed_webhook_counts_once(sq, shop):
    for _ in range(2):
        assert (await shop(PAID)).status_code == 200
    assert (await shop({"type": "order.refunded", "order": "w1", "amount": "9.80"})).status_code == 200
    (order,) = await sq.shop.orders()
    assert (order.shop, order.net, order.at) == ("weidian", 10, datetime(2026, 3, 1, 12, tzinfo=UTC))


async def test_forged_old_large_and_senseless_webhooks_change_nothing(sq, shop):
    assert (await shop(PAID, secret=SecretStr("another-long-secret"))).status_code == 401
    assert (await shop(PAID, at=NOW - timedelta(minutes=6))).status_code == 401
    assert (await shop(PAID, at=NOW + timedelta(minutes=6))).status_code == 401
    assert (await shop(PAID, path="/other")).status_code == 404
    assert (await shop.web.get("/weidian")).status_code == 405
    assert (await shop.web.post("/weidian", json=PAID)).status_code == 401
    assert (await shop(None, body=b"x" * 70_000)).status_code == 413
    assert (await shop(None, body=b"{")).status_code == 400
    assert (await shop({"type": "order.paid", "order": "w1"})).status_code == 400
    assert (await shop(PAID | {"amount": "-1"})).status_code == 422
    assert (await shop(PAID | {"member": "nobody"})).status_code == 422
    assert (await shop({"type": "order.refunded", "order": "nope"})).status_code == 422
    assert (await shop(PAID | {"sku": "nope"})).status_code == 422
    assert await sq.shop.orders() == []
