"""The audit trail as it stands in a delivery's row, and the way of older ones into it."""

from __future__ import annotations

from datetime import timedelta

from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from shequn_sdk.domain import Content, DeliveryState
from shequn_sdk.publishing import Publishing
from shequn_sdk.publishing.trail import after_state, entry, read, until_state
from shequn_sdk.stores.schema import from_us, to_us

_ANY = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(st.integers(0, 4 * 10**15), _ANY, _ANY)))
def test_any_cause_and_actor_are_read_as_they_were_written(lines):
    written = "".join(entry(at, "planned", "claimed", cause, actor) for at, cause, actor in lines)
    found = read(7, written)
    assert [(to_us(one.at), one.cause, one.actor) for one in found] == lines
    assert {one.delivery_id for one in found} <= {7}


def test_a_line_whose_old_state_a_statement_puts_in_is_the_same_line():
    parts = until_state(5) + "planned" + after_state("claimed", 'says "so"', "me")
    assert parts == entry(5, "planned", "claimed", 'says "so"', "me")


def test_a_long_cause_is_cut():
    (found,) = read(1, entry(1, "attempting", "deferred", "x" * 100_000, "me"))
    assert found.cause == "x" * 1999 + "…"


def test_a_claim_with_its_intent_is_told_as_two_steps():
    found = read(1, entry(1, "planned", "attempting", "its turn has come", "me"))
    assert [(one.old, one.new) for one in found] == [
        (DeliveryState.PLANNED, DeliveryState.CLAIMED),
        (DeliveryState.CLAIMED, DeliveryState.ATTEMPTING),
    ]


def _to(revision: str, *, down: bool = False):
    def work(conn) -> None:
        config = Config()
        config.set_main_option("script_location", "shequn_sdk:stores/migrations")
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = conn
        (command.downgrade if down else command.upgrade)(config, revision)

    return work


async def test_trails_of_a_table_of_their_own_move_into_the_rows_and_back(bench):
    bench.account()
    publishing, store = Publishing(bench.store, bench.accounts, clock=bench.clock), bench.store
    for number in range(3):
        await publishing.publish(Content(text=f"text {number}"), [f"bot:{number}"])
    later = bench.clock.now() + timedelta(days=1)
    await publishing.plan(Content(text="later"), ["bot:9"], at=later, actor='who says "so"\n“”')
    ids = [row.id for row in await publishing.deliveries()]
    before = [await publishing.history(number) for number in ids]
    assert [len(trail) for trail in before] == [4, 4, 4, 1]
    try:
        await store.write(_to("0015_indexes", down=True))
        lines = await store.read(
            lambda conn: conn.execute(
                text("select delivery_id, at, actor from delivery_transition order by id")
            ).all()
        )
    finally:
        await store.write(_to("head"))
    assert lines[0].delivery_id == ids[0]
    assert from_us(lines[-1].at) == before[-1][0].at
    assert lines[-1].actor == 'who says "so"\n“”'
    assert [await publishing.history(number) for number in ids] == before
