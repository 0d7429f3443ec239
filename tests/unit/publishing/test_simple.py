"""Simple Markdown is read as the parser reads it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shequn_sdk.publishing import markdown
from shequn_sdk.publishing.markdown import RichText, Span, parse_markdown
from shequn_sdk.publishing.simple import read_simple

TOKENS = (
    "早", "安", "a", "Z", "1", " ", "  ", "\n", "\n\n", "\n \n", "**", "*", "`", "``", "[", "]", "(", ")", "- ", "-", "1. ", "2)",
    "#", "# ", "> ", "+ ", "_", "~~", "!", "\\", "<", ">", "&amp;", "：", "。", "，", "（", "”", ".", ",", "!", "?", "|", ":", "/",
    "**重点**", "*斜*", "`x y`", "[站](https://e.org/a?b=c&d=1)", "[x](https://e.org)", "https://e.org/a_b", "👍", "é", "\u3000",
    "=", "---", "***", "\n- 一", "\n- 二", "\n1. ", "    ", "member:", "[林](member:p:5)", "@", "…", "$", "%", "^", "{", "}", "'", '"',
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(TOKENS), max_size=14).map("".join)


def same(text: str) -> bool:
    simple = read_simple(text)
    if simple is None:
        return False
    read = RichText(simple.text, tuple(Span(*one) for one in simple.stretches))
    assert read == markdown._parsed(text)
    return True


@settings(max_examples=1000, deadline=None)
@given(TEXTS)
def test_whatever_is_read_here_is_read_as_by_the_parser(text):
    if text.strip():
        same(text)


@pytest.mark.parametrize(
    "text",
    [
        "**重点**：早餐，燕麦。\n\n- *早*\n- `晚`\n\n[详情](https://club.example.com/1)",
        "一行\n第二行 *斜* 和 **粗**，还有`code *x*`。",
        "- 一\n- 二 **粗**\n- 三\n\n完",
        "a*b*c **d**e",
    ],
)
def test_what_people_write_is_simple(text):
    assert same(text)
    assert parse_markdown(text).entities


@pytest.mark.parametrize(
    "text",
    [
        "***a***",
        "**a *b* c**",
        "- a\n  - b",
        "- a\n\n- b",
        "> q",
        "1. a",
        "`` ` ``",
        "[a](javascript:x)",
        "~~a~~",
        "a\n- b",
        "- a\n\n  b",
    ],
)
def test_the_rest_is_for_the_parser(text):
    assert read_simple(text) is None
