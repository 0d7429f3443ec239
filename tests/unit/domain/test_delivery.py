import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.domain import FINAL_STATES, TRANSITIONS, DeliveryState, advance
from shequn_sdk.errors import InvalidInput


def test_every_state_is_in_the_table_and_reachable():
    assert set(TRANSITIONS) == set(DeliveryState)
    reachable, frontier = {DeliveryState.PLANNED}, [DeliveryState.PLANNED]
    while frontier:
        for state in TRANSITIONS[frontier.pop()] - reachable:
            reachable.add(state)
            frontier.append(state)
    assert reachable == set(DeliveryState)


def test_nothing_is_sent_before_the_intent_is_written():
    before_landed = {state for state, after in TRANSITIONS.items() if DeliveryState.LANDED in after}
    assert before_landed == {
        DeliveryState.ATTEMPTING, DeliveryState.UNKNOWN, DeliveryState.AWAITING_PERSON, DeliveryState.PARTLY,
    }  # fmt: skip
    assert {state for state, after in TRANSITIONS.items() if DeliveryState.ATTEMPTING in after} == {
        DeliveryState.CLAIMED
    }


def test_what_landed_stays_landed():
    assert TRANSITIONS[DeliveryState.LANDED] == frozenset()
    assert DeliveryState.LANDED in FINAL_STATES
    assert DeliveryState.UNKNOWN not in FINAL_STATES


@given(st.sampled_from(DeliveryState), st.sampled_from(DeliveryState))
def test_advance_follows_the_table(old, new):
    if new in TRANSITIONS[old]:
        assert advance(old, new) is new
    else:
        with pytest.raises(InvalidInput, match=f"from {old} to {new}"):
            advance(old, new)
