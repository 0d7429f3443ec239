from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.commerce.attribution import AttributionModel, shares, split

M = AttributionModel


@pytest.mark.parametrize(
    ("touches", "model", "expected"),
    [
        ([], M.LAST, {}),
        (["a"], M.POSITION, {"a": 1}),
        (["a", "b"], M.POSITION, {"a": Fraction(1, 2), "b": Fraction(1, 2)}),
        (["a", "b", "c", "d"], M.FIRST, {"a": 1}),
        (["a", "b", "c", "d"], M.LAST, {"d": 1}),
        (["a", "b", "c", "d"], M.LINEAR, dict.fromkeys("abcd", Fraction(1, 4))),
        (
            ["a", "b", "c", "d"],
            M.POSITION,
            {"a": Fraction(2, 5), "b": Fraction(1, 10), "c": Fraction(1, 10), "d": Fraction(2, 5)},
        ),
        (["a", "b", "a"], M.LINEAR, {"a": Fraction(2, 3), "b": Fraction(1, 3)}),
    ],
)
def test_models(touches, model, expected):
    assert shares(touches, model) == expected


@given(
    st.lists(st.sampled_from("abcdef"), max_size=12),
    st.sampled_from(M),
    st.decimals(min_value=0, max_value=10**9, places=2),
)
def test_parts_sum_to_the_whole(touches, model, amount):
    parts = shares(touches, model)
    assert sum(parts.values()) == (1 if touches else 0)
    money = split(amount, parts)
    assert sum(money.values(), Decimal(0)) == (amount if touches else 0)
    assert all(part >= 0 for part in money.values())
