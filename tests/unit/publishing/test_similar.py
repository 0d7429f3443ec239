"""Near-duplicates by fingerprint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.publishing.similar import (
    FAR,
    candidates,
    distance,
    fingerprint,
    overlap,
    shingles,
    signed,
    similarity,
)

A = "每天走够八千步，晚饭后散步半小时，少吃油炸食品，早睡早起，坚持一个月你会感到身体轻松了很多。"
B = "每天走够八千步，晚饭后散步半小时，少吃油炸食品，早睡早起，坚持两个月你会感到身体轻松了许多！"
C = "新品上市：这款空气炸锅今天下单立减两百元，数量有限，点击链接购买，先到先得。"


def test_nearly_the_same_chinese_text_is_found():
    assert similarity(fingerprint(A), fingerprint(B)) > 0.7
    assert similarity(A, C) < 0.4
    assert overlap(A, B) > 0.7
    assert overlap(A, C) < 0.1


def test_links_width_case_and_punctuation_make_no_difference():
    one = "今晚８点直播 SHEQUN Live https://a.example/x?utm=1"
    other = "今晚8点直播，shequn live！https://b.example/y"
    assert fingerprint(one) == fingerprint(other)
    assert overlap(one, other) == 1.0


def test_words_and_pairs():
    assert shingles("健康养生 good day") == {
        "健康": 1,
        "康养": 1,
        "养生": 1,
        "good": 1,
        "day": 1,
        "good day": 1,
    }
    assert shingles("好") == {"好": 1}
    assert shingles("[好文](https://x.example)") == {"好文": 1}


@pytest.mark.parametrize("text", ["", "  ", "……!!"])
def test_nothing_is_similar_to_nothing(text):
    assert fingerprint(text) == 0
    assert similarity(text, text) == 0.0
    assert overlap(text, text) == 0.0


@given(st.text(max_size=80), st.text(max_size=80))
def test_symmetric_bounded_and_reflexive(a, b):
    assert similarity(a, b) == similarity(b, a)
    assert 0.0 <= similarity(a, b) <= 1.0
    assert overlap(a, b) == overlap(b, a)
    if shingles(a):
        assert overlap(a, a) == 1.0
    if fingerprint(a):
        assert similarity(a, a) == 1.0
    assert 0 <= fingerprint(a) < 2**64
    # signed storage in a database changes nothing
    signed = fingerprint(a) - (1 << 64) if fingerprint(a) >> 63 else fingerprint(a)
    assert similarity(signed, b) == similarity(a, b)


def test_a_huge_text_costs_no_more_than_its_beginning():
    assert fingerprint("好的" * 1_000_000) == fingerprint("好的" * 10_000)


@given(st.text(max_size=40), st.lists(st.text(max_size=40), max_size=12))
def test_candidates_are_all_that_are_near_nearest_first(text, others):
    mark, marks = signed(fingerprint(text)), [signed(fingerprint(other)) for other in others]
    found = candidates(mark, marks)
    near = {at for at, other in enumerate(marks) if mark and other and distance(mark, other) <= FAR}
    assert set(found) == near
    assert [distance(mark, marks[at]) for at in found] == sorted(distance(mark, marks[at]) for at in found)
