"""Folding: what a reader takes for the same is the same, and offsets lead back to the original."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.moderation.detectors.contact import find_links, normal_url
from shequn_sdk.moderation.detectors.normal import LONGEST, Folded, fold_character
from shequn_sdk.moderation.detectors.recent import name_stem


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("加 V\u200b芯：ＡＢ１２", "加v芯ab12"),
        ("wесhаt", "wechat"),
        ("🇻🇽 Ⓥ🆅🅥", "vxvvv"),
        ("賺錢 掃碼", "赚钱扫码"),
        ("w̷e̷c̷h̷a̷t̷", "wechat"),
        ("微❤️信", "微心信"),
        ("①②３", "123"),
        ("加丶微丨信", "加微信"),
        ("加\u3164微\uffa0信\u115f群", "加微信群"),
        ("\u202e号信微加\u202c了", "加微信号了"),
        ("👍🎉!!!", ""),
        ("", ""),
    ],
)
def test_what_is_read_alike_is_folded_alike(text, plain):
    assert Folded(text).plain == plain


@given(st.text(max_size=60))
def test_offsets_lead_back(text):
    folded = Folded(text)
    for place in range(len(folded.plain)):
        start, end = folded.span(place, place + 1)
        assert 0 <= start < end <= len(text)
    if "\u202e" not in text:
        assert folded.plain == "".join(fold_character(one) for one in text)


@given(st.text(max_size=60))
def test_folding_is_made_of_letters_and_digits(text):
    assert all(unicodedata.category(one)[0] in "LN" for one in Folded(text).plain)


def test_a_huge_message_is_cut_and_judged_in_linear_time():
    folded = Folded("加" * (LONGEST + 5000))
    assert len(folded.plain) == LONGEST


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("看 https://Example.COM/a?b=1#c 吧", "https://example.com/a?b=1"),
        ("hxxps://example.com", "https://example.com"),
        ("去ｅｘａｍｐｌｅ．ｃｏｍ看", "http://example.com"),
        ("bit点ly/abc", "http://bit.ly/abc"),
        ("pills (dot) com", "http://pills.com"),
        ("t.me/abc", "http://t.me/abc"),
    ],
)
def test_links_are_found_however_they_are_written(text, url):
    assert [one.url for one in find_links(Folded(text))] == [url]


@pytest.mark.parametrize("text", ["今天跑了3.5公里", "Hi there.Nice day", "v1.2.3", "8点见", "e.g. this"])
def test_what_is_no_link(text):
    assert find_links(Folded(text)) == []


def test_user_names_in_urls_do_not_hide_the_host():
    assert normal_url("https://bank.example@evil.example/x") == "https://evil.example/x"


def test_names_of_a_series():
    assert name_stem("小助手_01") == name_stem("小助手 27") == "小助手"
