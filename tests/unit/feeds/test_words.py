"""Words and which of them rise."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.feeds.words import PRIOR, links_in, rising, segmenter, words_of


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    return segmenter(tmp_path_factory.mktemp("words"))


def test_words_of_chinese_and_other_texts(cut):
    assert words_of("今晚八点营养师讲早餐怎么吃，我们都来 https://e.org/早 @林小满 123", cut) >= {
        "今晚",
        "营养师",
        "早餐",
    }
    assert not words_of("我们都来 https://e.org/ @林小满 123 的 了", cut) & {
        "我们",
        "https",
        "林小满",
        "123",
        "的",
    }
    assert words_of("The Breakfast ＢＲＥＡＫＦＡＳＴ of a day", cut) == {"breakfast", "day"}
    assert words_of("", cut) == set()


def test_links_are_compared_without_what_follows_members_about():
    text = "看 https://E.org/a?utm_source=x&id=1#top。还有（https://e.org/b），http://u:p@e.org/ javascript:x https://e.org/a?id=1"
    assert links_in(text) == {"https://e.org/a?id=1", "https://e.org/b"}


def test_the_formula():
    now, before = {"a": 30, "b": 70}, {"a": 10, "b": 190}
    prior = PRIOR * 40 / 300
    odds = math.log((30 + prior) / (100 + PRIOR - 30 - prior)) - math.log(
        (10 + prior) / (200 + PRIOR - 10 - prior)
    )
    wanted = odds / math.sqrt(1 / (30 + prior) + 1 / (10 + prior))
    assert rising(now, before) == [("a", pytest.approx(wanted))]


def test_rare_words_and_nothing_to_compare_with():
    assert rising({"a": 2, "b": 50}, {"b": 50}) == []
    assert rising({"a": 50}, {}) == []
    assert rising({}, {"a": 50}) == []
    assert rising({"new": 40, "old": 40}, {"old": 400})[0][0] == "new"


COUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 500), max_size=8)


@given(COUNTS, COUNTS)
def test_only_words_said_relatively_more_rise(now, before):
    n1, n2 = sum(now.values()), sum(before.values())
    for word, score in rising(now, before):
        assert score >= 1.96
        assert now[word] / n1 > before.get(word, 0) / n2
    same = Counter(now)
    assert rising(same, same) == []
