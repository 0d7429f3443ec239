"""Faults by seed: reproducible, bounded, and apart per platform and operation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.testing.sandbox import FaultKind, FaultRule, FaultSource, NoFaults, SeededFaults


def kinds(faults: SeededFaults, platform: str, operation: str, count: int) -> list[FaultKind | None]:
    drawn = [faults.for_request(platform, operation) for _ in range(count)]
    return [fault.kind if fault else None for fault in drawn]


@given(st.integers(), st.floats(0, 1))
def test_same_seed_same_faults_whatever_happens_elsewhere(seed: int, rate: float) -> None:
    rules = [FaultRule(FaultKind.SERVER_ERROR, rate=rate), FaultRule(FaultKind.RESET_AFTER, rate=rate / 2)]
    one, other = SeededFaults(seed, rules), SeededFaults(seed, rules)
    expected = kinds(one, "a", "publish", 40)
    mixed = []
    for _ in range(40):
        other.for_request("b", "publish")
        other.for_request("a", "read")
        mixed += kinds(other, "a", "publish", 1)
    assert mixed == expected


def test_rates_are_kept() -> None:
    faults = SeededFaults(1, [FaultRule(FaultKind.RATE_LIMIT, rate=0.2)])
    struck = sum(kind is not None for kind in kinds(faults, "a", "publish", 5000))
    assert 850 < struck < 1150
    assert faults.played.total() == struck
    assert kinds(SeededFaults(1, [FaultRule(FaultKind.SLOW, rate=0.0)]), "a", "x", 100) == [None] * 100


def test_rules_name_platform_operation_times_and_skip() -> None:
    rule = FaultRule(FaultKind.SLOW, platform="a", operation="publish", times=2, skip=1, delay=3.0)
    faults = SeededFaults(0, [rule])
    assert kinds(faults, "a", "read", 3) == [None] * 3
    assert kinds(faults, "b", "publish", 3) == [None] * 3
    assert kinds(faults, "a", "publish", 5) == [None, FaultKind.SLOW, FaultKind.SLOW, None, None]
    faults.set([rule])
    assert kinds(faults, "a", "publish", 2) == [None, FaultKind.SLOW]
    faults.clear()
    assert kinds(faults, "a", "publish", 2) == [None, None]


def test_events_have_rules_of_their_own() -> None:
    faults = SeededFaults(
        0, [FaultRule(FaultKind.DUPLICATE_EVENT, operation="publish"), FaultRule(FaultKind.SLOW)]
    )
    assert faults.for_event("a").kind is FaultKind.DUPLICATE_EVENT
    assert faults.for_request("a", "publish").kind is FaultKind.SLOW
    assert SeededFaults(0, [FaultRule(FaultKind.SLOW)]).for_event("a") is None
    assert SeededFaults(0, [FaultRule(FaultKind.LATE_EVENT, platform="b")]).for_event("a") is None


def test_without_faults() -> None:
    assert NoFaults().for_request("a", "b") is None
    assert NoFaults().for_event("a") is None
    assert isinstance(NoFaults(), FaultSource)
    assert isinstance(SeededFaults(), FaultSource)


@pytest.mark.parametrize("bad", [{"rate": 1.5}, {"rate": -0.1}, {"delay": -1.0}, {"times": -1}, {"skip": -1}])
def test_nonsense_is_refused(bad) -> None:
    with pytest.raises(ValueError, match=r"must be|cannot be"):
        FaultRule(FaultKind.SLOW, **bad)
