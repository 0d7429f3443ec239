"""Export and erasure of what engagement and incentives keep."""

from datetime import timedelta

from shequn_sdk.domain import MemberRef
from shequn_sdk.engagement import _privacy as engagement
from shequn_sdk.incentives import _privacy as incentives
from shequn_sdk.incentives.badges import Badge
from shequn_sdk.incentives.models import PointRule, PointRules
from shequn_sdk.incentives.rewards import Reward
from shequn_sdk.members.identities import find_identities
from shequn_sdk.members.privacy import PARTS


async def test_a_member_is_exported_and_forgotten_and_the_ledger_still_adds_up(club):
    assert {"shequn_sdk.engagement._privacy", "shequn_sdk.incentives._privacy"} <= set(PARTS)
    await club.sq.points.set_rules(PointRules(rules=(PointRule(name="clap", kind="reaction", points=40),)))
    await club.hear(club.event("telegram:777", "reaction", id="reaction:1:2:777:👍"))
    await club.sq.points.award("telegram:2", points=5, idempotency_key="other")
    await club.sq.rewards.offer(Reward(name="cup", title="杯", cost=30))
    await club.sq.rewards.redeem("cup", "telegram:777", idempotency_key="777 wants it")
    await club.sq.badges.define(Badge(name="kind", title="热心人"))
    await club.sq.badges.give("kind", "telegram:777")
    await club.sq.leaderboards.opt_out("telegram:777")
    store = await club.sq._workspace.store()
    ref = MemberRef.parse("telegram:777")
    (number,) = (await store.read(lambda conn: find_identities(conn, [ref]))).values()
    exported = await store.read(lambda conn: incentives.export_rows(conn, [number]))
    assert [row["points"] for row in exported["points_entry"]] == [40, -30]
    assert exported["redemption"][0]["cost"] == 30
    assert all(len(exported[name]) == 1 for name in ("badge_award", "leaderboard_opt_out", "points_account"))

    def erase(conn):
        return incentives.erase_rows(conn, [number]) + engagement.erase_rows(conn, [number])

    assert await store.write(erase) >= 6
    assert await store.write(erase) == 0
    exported = await store.read(lambda conn: incentives.export_rows(conn, [number]))
    assert not any(exported.values())
    found = await club.sq.points.check()
    assert found.ok
    assert found.entries == 3
    assert (await club.sq.points.get_balance("telegram:777")).balance == 0
    (left,) = await club.sq.rewards.list_redemptions()
    assert (left.member, left.cost) == ("", 30)

    def texts(conn):
        return str(
            [
                list(conn.exec_driver_sql(f"select * from {name}"))
                for name in ("points_entry", "points_account", "redemption")
            ]
        )

    assert "777" not in await store.read(texts)
    club.clock.advance(timedelta(days=1))
    await club.hear(club.event("telegram:777", "reaction", id="reaction:1:3:777:👍"))
    assert (await club.sq.points.get_balance("telegram:777")).balance == 40
