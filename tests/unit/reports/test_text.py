from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.reports._text import short, visible, width


@given(st.text())
def test_what_hides_or_reorders_text_is_gone(text):
    shown = visible(text)
    assert not set(shown) & set("\u200b\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\u2028\u2029\x00\x1b\r\n")
    assert all(unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"} for char in shown)
    shown.encode()


@given(st.text())
def test_cleaning_twice_changes_nothing(text):
    assert visible(visible(text)) == visible(text)


def test_names_that_people_have_stay_as_they_are():
    for name in ("欧阳修远", "Zoë", "Nguyễn Thị", "👩‍🍳 大厨", "محمد", "健身教练·大山"):
        assert visible(name) == name


def test_reordered_and_stacked_text_is_tamed():
    assert visible("abc\u202egnp.exe") == "abcgnp.exe"
    assert visible("z" + "\u0301" * 50) == "z" + "\u0301" * 3
    assert visible("a\nb\u2028c\ud800") == "a b c\ufffd"


@given(st.text(), st.integers(min_value=2, max_value=40))
def test_shortened_text_fits(text, columns):
    assert width(short(text, columns=columns)) <= columns


def test_chinese_counts_two_columns():
    assert short("今晚八点直播", columns=9) == "今晚八点…"
