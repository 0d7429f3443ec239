"""Texts that say nearly the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.feeds.nearness import groups, nearest, shingles, simhash, similarity

LONG = "国家卫生健康委员会今天发布居民膳食指南，建议每天吃够十二种食物，每周吃够二十五种，早餐要有谷类、蛋类、奶类和蔬菜水果。"


def test_chinese_without_spaces_and_words_with():
    assert "健\x1f康\x1f委" in shingles(LONG)
    assert shingles("One, two! THREE four") == shingles("one two three  four")
    assert shingles("") == frozenset()
    assert shingles("早") == {"早"}


def test_what_is_copied_with_small_changes_is_one_story():
    texts = [
        LONG,
        "（记者 林）" + LONG.replace("今天", "昨天"),
        "股市今天收盘上涨，成交额超过一万亿元，科技板块领涨，银行板块回落，北向资金净买入。",
        LONG + "更多内容请关注本报。",
        "WHO says walking ten thousand steps a day is good for the heart and lowers blood pressure",
        "Walking ten thousand steps a day is good for the heart and lowers blood pressure, WHO says",
        "",
        "",
    ]
    assert groups(texts) == [0, 0, 2, 0, 4, 4, 6, 7]


def test_the_most_alike_is_chosen():
    others = [(simhash(found), found) for found in map(shingles, (LONG + "尾巴很长的另一段话", LONG))]
    assert nearest(shingles(LONG), simhash(shingles(LONG)), others) == 1
    assert nearest(frozenset(), 0, others) is None


@given(st.text(max_size=300))
def test_a_text_is_like_itself(text):
    found = shingles(text)
    assert similarity(found, found) == (1.0 if found else 0.0)
    assert -(2**63) <= simhash(found) < 2**63
    assert groups([text, text])[1] == (0 if found else 1)


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40),
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40),
)
def test_similarity_is_symmetric_and_a_share(one, other):
    left, right = shingles(" ".join(one)), shingles(" ".join(other))
    assert similarity(left, right) == similarity(right, left)
    assert 0 <= similarity(left, right) <= 1
