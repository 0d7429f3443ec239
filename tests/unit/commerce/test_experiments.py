from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk import Interaction, InteractionKind, InvalidInput
from shequn_sdk.commerce.trials import draw_arm, sample_size
from shequn_sdk.errors import UnknownName

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

ARMS = {"control": 1.0, "greeting": 1.0}


@given(st.text(min_size=1), st.integers(1, 10**9))
def test_the_same_person_has_the_same_arm(salt, person):
    assert draw_arm(salt, person, ARMS) == draw_arm(salt, person, ARMS)


def test_arms_follow_their_weights():
    drawn = Counter(draw_arm("salt", person, {"a": 1, "b": 2, "c": 7}) for person in range(20_000))
    assert drawn["a"] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert drawn["c"] / 20_000 == pytest.approx(0.7, abs=0.015)


def test_sample_size_is_the_known_one():
    # Fleiss, table for 0.10 against 0.15 at 0.05 two-sided and power 0.80, without continuity correction: 686
    assert sample_size(0.10, 0.05) == 686
    with pytest.raises(InvalidInput):
        sample_size(0.5, 0.5)


async def test_an_experiment_from_start_to_verdict(sq, clock):
    await sq.experiments.start(
        "hello", question="帮助吗？", arms=ARMS, window=timedelta(days=7), planned=60, salt="s"
    )
    arms = {}
    for number in range(140):
        arms[number] = await sq.experiments.assign("hello", f"telegram:{number}")
    assert await sq.experiments.assign("hello", "telegram:3") == arms[3]
    result = await sq.experiments.result("hello")
    assert not result.ready
    assert sum(one.waiting for one in result.arms) == 140
    clock.advance(timedelta(days=1))
    wins = {"control": 3, "greeting": 30}
    for number, arm in arms.items():
        if wins[arm] > 0:
            wins[arm] -= 1
            await sq.shop.record_order(f"o{number}", amount="10.50", member=f"telegram:{number}")
    clock.advance(timedelta(days=8))
    await sq.shop.record_order("late", amount=10, member=f"telegram:{max(arms)}")
    result = await sq.experiments.result("hello")
    control, greeting = result.arms
    assert (control.successes, greeting.successes) == (3, 30)
    assert control.persons + greeting.persons == 140
    assert greeting.revenue == {"CNY": 315}
    assert control.effect is None
    assert greeting.effect.clear
    assert greeting.effect.low < greeting.effect.difference < greeting.effect.high
    assert result.ready
    assert "greeting better than the control" in result.verdict
    await sq.experiments.end("hello")
    with pytest.raises(InvalidInput, match="ended"):
        await sq.experiments.assign("hello", "telegram:999")
    assert [one.name for one in await sq.experiments.list()] == ["hello"]


async def test_what_members_do_and_what_is_noted(sq, clock):
    await sq.experiments.start("active", question="?", arms=["a", "b"], outcome="active", salt="s")
    await sq.experiments.start("noted", question="?", arms=["a", "b"], outcome="noted", salt="s")
    for name in ("active", "noted"):
        for number in range(4):
            await sq.experiments.assign(name, f"telegram:{number}")
    clock.advance(timedelta(hours=1))

    def said(number, at):
        return Interaction(
            id=f"m{number}{at}", kind=InteractionKind.MESSAGE, platform="telegram", member=str(number), occurred_at=at,
        )  # fmt: skip

    await sq._workspace.record(
        [
            said(0, clock.now()),
            said(0, NOW + timedelta(days=30)),
            said(1, NOW - timedelta(days=1)),
            said(9, clock.now()),
        ],
        community="club",
    )
    await sq.process()
    assert await sq.experiments.note("noted", "telegram:2", key="form-1")
    assert not await sq.experiments.note("noted", "telegram:2", key="form-1")
    with pytest.raises(UnknownName):
        await sq.experiments.note("noted", "telegram:77", key="form-2")
    clock.advance(timedelta(days=15))
    for name in ("active", "noted"):
        result = await sq.experiments.result(name)
        assert sum(one.successes for one in result.arms) == 1, name


async def test_unfit_groups_are_told(sq, clock):
    await sq.experiments.start(
        "odd", question="?", arms={"a": 1, "b": 1000}, window=timedelta(days=1), salt="s"
    )
    from sqlalchemy import update

    from shequn_sdk.stores.tables.commerce import exposure

    for number in range(60):
        await sq.experiments.assign("odd", f"telegram:{number}")
    store = await sq._workspace.store()
    await store.write(lambda conn: conn.execute(update(exposure).values(arm="a")).rowcount)
    result = await sq.experiments.result("odd")
    assert any("cannot be trusted" in one for one in result.warnings)


@pytest.mark.parametrize("arms", [["one"], {"a": 1, "b": 0}, {"a": 1, "b": -1}, {"a": 1, "b": float("inf")}])
async def test_senseless_experiments_are_refused(sq, arms):
    with pytest.raises(InvalidInput):
        await sq.experiments.start("x", question="?", arms=arms)
