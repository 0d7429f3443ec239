"""The sandbox counts rows without a look at each, and pages end where no more can come."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.scheduling.clock import ManualClock
from shequn_weibo.sandbox.state import CommentRecord, StatusRecord, World


@given(
    st.lists(st.sampled_from(["post", "late", "comment", "remove", "delete", "pass"]), max_size=40),
    st.integers(0, 40),
    st.randoms(use_true_random=False),
)
def test_a_count_is_the_number_of_rows_that_are_seen(steps, skipped, chance):
    clock = ManualClock(datetime(2026, 11, 1, tzinfo=UTC))
    world = World(clock=clock, rng=random.Random(7), options={})
    first = world.add_status(StatusRecord(world.new_id(), "1", "早", clock.now(), mentions={"2"}))
    for step in steps:
        if step in {"post", "late"}:
            made = world.add_status(StatusRecord(world.new_id(), "1", "早", clock.now(), mentions={"2"}))
            if step == "late":
                made.visible_at = clock.now() + timedelta(seconds=90)
                world.odd.add(made.id)
        elif step == "comment":
            world.add_comment(CommentRecord(world.new_id(), first.id, "3", "早", clock.now()))
        elif step == "remove" and world.comments:
            world.remove_comment(chance.choice(list(world.comments.values())))
        elif step == "delete":
            gone = chance.choice(list(world.statuses.values()))
            gone.deleted = True
            world.odd.add(gone.id)
        else:
            clock.advance(timedelta(seconds=60))
    for ids, rows in (
        (world.mentioning["2"], world.statuses),
        (world.comments_to.get("1", []), world.comments),
    ):
        above = ids[min(skipped, len(ids) - 1)] if ids and skipped else 0
        seen = [row for row in world.visible(ids, rows) if row.id > above]
        assert world.count(ids, rows, above=above) == len(seen)
