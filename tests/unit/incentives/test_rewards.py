"""Rewards: never more than there are, never without points, and given back once."""

from datetime import timedelta

import anyio
import pytest

from shequn_sdk import AsyncShequn, Community, InvalidInput
from shequn_sdk.errors import UnknownName
from shequn_sdk.incentives.models import Award, PointRule, PointRules
from shequn_sdk.incentives.rewards import Reward

CUP = Reward(name="cup", title="马克杯", cost=30, stock=2, per_person=1)


async def balance(club, member):
    return (await club.sq.points.get_balance(member)).balance


async def rich(club, *members, points=100):
    await club.sq.points.award_many([Award(member=one, points=points, key=one) for one in members])


async def test_redeem_hand_over_and_refund(club):
    await rich(club, "telegram:1", "telegram:2", "telegram:3")
    await club.sq.rewards.offer(CUP)
    first = await club.sq.rewards.redeem("cup", "telegram:1", idempotency_key="a")
    assert await club.sq.rewards.redeem("cup", "telegram:1", idempotency_key="a") == first
    assert await balance(club, "telegram:1") == 70
    with pytest.raises(InvalidInput, match="had '马克杯' 1 times"):
        await club.sq.rewards.redeem("cup", "telegram:1", idempotency_key="b")
    second = await club.sq.rewards.redeem("cup", "telegram:2", idempotency_key="c")
    with pytest.raises(InvalidInput, match="sold out"):
        await club.sq.rewards.redeem("cup", "telegram:3", idempotency_key="d")
    assert await balance(club, "telegram:3") == 100
    assert (await club.sq.rewards.fulfil(first.id, note="顺丰")).state == "fulfilled"
    back = await club.sq.rewards.refund(second.id, note="不要了")
    assert await club.sq.rewards.refund(second.id) == back
    assert await balance(club, "telegram:2") == 100
    (left,) = await club.sq.rewards.list()
    assert left.stock == 1
    with pytest.raises(InvalidInput, match="cannot become"):
        await club.sq.rewards.fulfil(second.id)
    # who was refunded may have it again
    await club.sq.rewards.redeem("cup", "telegram:2", idempotency_key="e")
    states = [one.state for one in await club.sq.rewards.list_redemptions(member="telegram:2")]
    assert states == ["open", "refunded"]
    assert (await club.sq.points.check()).ok


async def test_points_taken_back_after_they_were_spent_leave_a_debt(club):
    await club.sq.points.set_rules(PointRules(rules=(PointRule(name="buy", kind="purchase", points=40),)))
    await club.hear(club.event("shop:1", "purchase", id="order/1", message=""))
    await club.sq.rewards.offer(CUP)
    await club.sq.rewards.redeem("cup", "shop:1", idempotency_key="a")
    await club.hear(club.event("shop:1", "refund", message="", attrs={"order": "order/1"}))
    assert await balance(club, "shop:1") == -30
    await club.sq.rewards.offer(CUP.model_copy(update={"name": "other"}))
    with pytest.raises(InvalidInput, match="30 points are needed, there are -30"):
        await club.sq.rewards.redeem("other", "shop:1", idempotency_key="b")
    await club.hear(club.event("shop:1", "purchase", id="order/2", message=""))
    assert await balance(club, "shop:1") == 10
    assert (await club.sq.points.check()).ok


async def test_a_person_pays_from_all_their_members_and_gets_it_back_there(club):
    await rich(club, "telegram:1", "discord:1", points=20)
    await club.sq.rewards.offer(CUP)
    with pytest.raises(InvalidInput, match="are needed"):
        await club.sq.rewards.redeem("cup", "telegram:1", idempotency_key="a")
    await club.merge("telegram:1", "discord:1")
    made = await club.sq.rewards.redeem("cup", "discord:1", idempotency_key="a")
    found = await club.sq.points.get_balance("telegram:1")
    assert (found.balance, sorted(found.by_member.values())) == (10, [0, 10])
    await club.sq.rewards.refund(made.id)
    assert set((await club.sq.points.get_balance("telegram:1")).by_member.values()) == {20}


async def test_coupons(club):
    await rich(club, "telegram:1", "telegram:2", "telegram:3")
    coupon = Reward(name="ten", title="十元券", cost=10, kind="coupon", valid_for=timedelta(days=7))
    assert (await club.sq.rewards.offer(coupon, codes=["A1", "B2", "A1"])).stock == 2
    first = await club.sq.rewards.redeem("ten", "telegram:1", idempotency_key="a")
    assert (first.code, "A1" in repr(first)) == ("A1", False)
    await club.sq.rewards.refund(first.id)
    second = await club.sq.rewards.redeem("ten", "telegram:2", idempotency_key="b")
    assert second.code == "B2"  # a code that was read is not given out again
    with pytest.raises(InvalidInput, match="sold out"):
        await club.sq.rewards.redeem("ten", "telegram:3", idempotency_key="c")
    assert (await club.sq.rewards.offer(coupon, codes=["C3"])).stock == 1
    await club.pass_time(timedelta(days=8))
    (expired,) = await club.sq.rewards.list_redemptions(state="expired")
    assert expired.id == second.id
    assert await balance(club, "telegram:2") == 90
    with pytest.raises(InvalidInput, match="expired"):
        await club.sq.rewards.refund(second.id)
    with pytest.raises(InvalidInput, match="codes are for coupons"):
        await club.sq.rewards.offer(CUP, codes=["x"])
    with pytest.raises(UnknownName, match="ten"):
        await club.sq.rewards.redeem("tem", "telegram:1", idempotency_key="z")
    await club.sq.rewards.withdraw("ten")
    with pytest.raises(InvalidInput, match="not offered"):
        await club.sq.rewards.redeem("ten", "telegram:1", idempotency_key="z")
    with pytest.raises(UnknownName):
        await club.sq.rewards.redeem("ten", "telegram:404", idempotency_key="z")
    with pytest.raises(UnknownName):
        await club.sq.rewards.refund(999)


async def test_nothing_is_sold_twice_by_two_processes_at_once(club, tmp_path):
    """Two workspaces on one store, forty members, five cups."""
    members = [f"telegram:{number}" for number in range(40)]
    await rich(club, *members)
    await club.sq.rewards.offer(CUP.model_copy(update={"stock": 5}))
    sold, refused = [], []

    async def buy(sq, member):
        try:
            made = await sq.rewards.redeem("cup", member, idempotency_key=f"{member}")
        except InvalidInput as error:
            refused.append(str(error))
        else:
            sold.append(made.id)

    async with (
        AsyncShequn.open(home=tmp_path, communities=[Community(name="club")], clock=club.clock) as other,
        anyio.create_task_group() as group,
    ):
        for number, member in enumerate(members):
            group.start_soon(buy, other if number % 2 else club.sq, member)
    assert len(sold) == len(set(sold)) == 5
    assert refused == ["'马克杯' is sold out"] * 35
    assert (await club.sq.rewards.list())[0].stock == 0
    assert sum([await balance(club, member) for member in members]) == 40 * 100 - 5 * 30
    assert (await club.sq.points.check()).ok
