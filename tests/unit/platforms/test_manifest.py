from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.errors import NotSupported
from shequn_sdk.platforms.manifest import (
    Capability,
    LengthUnit,
    Manifest,
    RateLimit,
    RateScope,
    TextLimit,
    measure,
)


@pytest.mark.parametrize(
    ("text", "unit", "length"),
    [
        ("今晚8点", LengthUnit.CODE_POINTS, 4),
        ("今晚8点", LengthUnit.HANZI, 4),
        ("ab", LengthUnit.HANZI, 1),
        ("abc", LengthUnit.HANZI, 2),
        ("👍", LengthUnit.UTF16, 2),
        ("👍", LengthUnit.UTF8, 4),
        ("👨‍👩‍👧", LengthUnit.GRAPHEMES, 1),
        ("", LengthUnit.HANZI, 0),
    ],
)
def test_lengths(text, unit, length):
    assert measure(text, unit) == length


@given(st.text(), st.text(), st.sampled_from([LengthUnit.CODE_POINTS, LengthUnit.UTF16, LengthUnit.UTF8]))
def test_lengths_add_up(one, two, unit):
    assert measure(one + two, unit) == measure(one, unit) + measure(two, unit)


def test_limits_are_inclusive():
    limit = TextLimit(maximum=2048, unit=LengthUnit.UTF8)
    assert limit.fits("é" * 1024)
    assert not limit.fits("é" * 1024 + "x")


def test_what_is_not_declared_is_refused_with_a_reason():
    manifest = Manifest(
        platform="echo",
        mode="robot",
        capabilities=frozenset({Capability.PUBLISH_TEXT}),
        missing={Capability.EDIT: "robots get no message id; send a correction"},
    )
    manifest.require(Capability.PUBLISH_TEXT)
    with pytest.raises(
        NotSupported, match=r"echo \(robot\) does not support edit: robots get no message id"
    ) as caught:
        manifest.require(Capability.EDIT)
    assert caught.value.capability == "edit"
    assert "offers no such call" in manifest.explain(Capability.BAN)
    assert manifest.explain(Capability.PUBLISH_TEXT) == "echo (robot) supports publish_text"


def test_limits_apply_by_operation_and_channel():
    groups = RateLimit(
        name="g", amount=20, per=timedelta(minutes=1), scope=RateScope.CHANNEL, channel_pattern="^-"
    )
    every = RateLimit(
        name="all", amount=30, per=timedelta(seconds=1), scope=RateScope.ACCOUNT, operations=frozenset({"*"})
    )
    manifest = Manifest(platform="echo", capabilities=frozenset(), rate_limits=(groups, every))
    assert manifest.limits_for("publish", "-100") == (groups, every)
    assert manifest.limits_for("publish", "55") == (every,)
    assert manifest.limits_for("read", "-100") == (every,)
