"""What Weibo sends is read: published samples, vectors, times, codes."""

from __future__ import annotations

import json
import locale
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.domain import InteractionKind
from shequn_sdk.errors import AuthFailed, InvalidInput, Landing, PlatformError, RateLimited
from shequn_sdk.platforms.ports import RawEvent
from shequn_weibo import wire
from shequn_weibo.errors import RULES, error_of, rule_of
from shequn_weibo.events import parse_event, wrap
from shequn_weibo.mid import id_of, mid_of, permalink
from shequn_weibo.push import passive_reply, sign
from shequn_weibo.render import fingerprint, safe_link

FIXTURES = Path(__file__).parent / "fixtures"
FORMS = {
    "account_uid": wire.Uid,
    "comment_list": wire.CommentPage,
    "empty_repost_timeline": wire.StatusPage,
    "error": wire.Head,
    "friendship": wire.Friendship,
    "global_trend_list": dict,
    "oauth2_access_token": wire.Token,
    "statuses_including_deleted": list[wire.Status],
    "timeline": wire.StatusPage,
    "timeline_ids": dict,
    "token_info": wire.TokenInfo,
    "trend_status": dict,
    "user_list": list[wire.User],
    "users": wire.User,
}


def load(name: str):
    data = (FIXTURES / "http" / f"{name}.json").read_bytes()
    return msgspec.json.decode(data, type=FORMS[name], strict=False)


@pytest.mark.parametrize("path", sorted((FIXTURES / "http").glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_decodes(path):
    assert load(path.stem) is not None


def test_samples_mean_what_they_say():
    timeline = load("timeline").statuses
    assert timeline[0].native_id == "3436164122209450"
    assert timeline[0].author == "1000000001"
    assert wire.parse_time(timeline[0].created_at).isoformat() == "2012-04-18T14:00:30+08:00"
    comment = load("comment_list").comments[0]
    assert comment.native_id == "3526584588286949"
    assert comment.status.native_id == "3481474642286341"
    assert wire.ident(load("error").error_code) == "20502"
    token = load("oauth2_access_token")
    assert (wire.ident(token.uid), wire.number(token.expires_in)) == ("12341234", 1234)
    assert "ACCESS_TOKEN" not in repr(token)
    assert wire.number(load("token_info").expire_in) == 157679471
    assert load("friendship").target.following is True
    deleted = [row for row in load("statuses_including_deleted") if not row.author]
    for row in deleted:
        assert row.native_id


@pytest.mark.parametrize("row", json.loads((FIXTURES / "http" / "comment_list.json").read_text())["comments"])
def test_every_sample_comment_is_an_interaction(row):
    payload = wrap("comment", json.dumps(row).encode(), owner="1", at=wire.parse_time(row["created_at"]))
    [found] = parse_event(RawEvent("x", payload), account="a").interactions
    assert found.kind is InteractionKind.COMMENT
    assert found.id == f"comment:{row['idstr']}"
    assert found.parent == row["status"]["idstr"]


def test_our_own_account_is_no_member_that_others_address():
    status = {
        "id": 5,
        "idstr": "5",
        "created_at": "Wed Apr 18 14:00:30 +0800 2012",
        "text": "@us",
        "user": {"idstr": "2"},
    }
    comment = {**status, "status": {"idstr": "4"}, "reply_comment": {"idstr": "3", "user": {"idstr": "9"}}}
    other = {**comment, "reply_comment": {"idstr": "3", "user": {"idstr": "7"}}}
    told = []
    for kind, row in (("mention", status), ("repost", status), ("comment", comment), ("comment", other)):
        payload = wrap(kind, json.dumps(row).encode(), owner="9", at=wire.parse_time(row["created_at"]))
        [found] = parse_event(RawEvent("x", payload), account="a").interactions
        told.append((found.kind, found.target, found.attrs.get("answers_bot")))
    assert told == [
        (InteractionKind.MENTION, "", "9"),
        (InteractionKind.SHARE, "", "9"),
        (InteractionKind.COMMENT, "", "9"),
        (InteractionKind.COMMENT, "7", None),
    ]


@pytest.mark.parametrize("name", ["follow", "subscribe"])
def test_sample_pushes(name):
    payload = (FIXTURES / "push" / f"push_event_{name}.json").read_bytes()
    parsed = parse_event(RawEvent("push:1", payload), account="a")
    assert parsed.kind == f"event/{name}"
    [found] = parsed.interactions
    assert (found.kind, found.member, found.channel) == (InteractionKind.FOLLOW, "2489518277", "1902538057")


@pytest.mark.parametrize(
    "pair",
    json.loads((FIXTURES / "vectors" / "mid_base62.json").read_text())["pairs"],
    ids=lambda p: p["mid"],
)
def test_mid_vectors(pair):
    assert mid_of(pair["mid"]) == pair["base62"]
    assert id_of(pair["base62"]) == pair["mid"]


@given(st.integers(min_value=1, max_value=10**20))
def test_mid_goes_there_and_back(number):
    assert id_of(mid_of(number)) == str(number)
    assert permalink("1", str(number)).startswith("https://weibo.com/1/")


@pytest.mark.parametrize("bad", ["", "é", "a-b", "٣"])
def test_nonsense_is_no_mid(bad):
    with pytest.raises(InvalidInput):
        id_of(bad)
    with pytest.raises(InvalidInput):
        mid_of(bad or "x")


@pytest.mark.parametrize(
    "vector",
    json.loads((FIXTURES / "vectors" / "push_signature.json").read_text())["vectors"],
    ids=lambda v: v["nonce"] + v["app_secret"],
)
def test_signature_vectors(vector):
    assert sign(vector["app_secret"], vector["timestamp"], vector["nonce"]) == vector["signature"]


@given(st.datetimes(min_value=__import__("datetime").datetime(2009, 1, 1)))
def test_times_go_there_and_back(naive):
    at = naive.replace(microsecond=0, tzinfo=wire.CHINA) if naive.year < 9999 else None
    if at is not None:
        assert wire.parse_time(wire.format_time(at)) == at


def test_times_do_not_depend_on_the_locale(monkeypatch):
    monkeypatch.setattr(locale, "setlocale", lambda *_: pytest.fail("the locale was touched"))
    assert wire.parse_time("Tue May 31 17:46:55 +0800 2011").utcoffset() == timedelta(hours=8)
    for bad in (
        "",
        "周二 五月 31 17:46:55 +0800 2011",
        "Tue Foo 31 17:46:55 +0800 2011",
        "Tue Feb 31 17:46:55 +0800 2011",
    ):
        with pytest.raises(InvalidInput):
            wire.parse_time(bad)


def test_every_code_has_a_next_step_or_a_meaning():
    for code in RULES:
        error = error_of(str(code), "said", operation="statuses/share")
        assert isinstance(error, PlatformError)
        assert error.code == str(code)
        assert rule_of(str(code)).meaning in str(error)
    for code in (21314, 21315, 21316, 21317, 21327, 21332):
        assert isinstance(error_of(str(code), "", operation="x"), AuthFailed)
    assert isinstance(error_of("10023", "", operation="x"), RateLimited)
    assert error_of("10001", "", operation="x").landed is Landing.PERHAPS
    assert error_of("20012", "", operation="x").landed is Landing.SURELY_NOT
    assert error_of("99999999999999", "", operation="x").landed is Landing.SURELY_NOT


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("看 https://club.example.com/a", True),
        ("看https://m.club.example.com。", True),
        ("https://evilclub.example.com/", False),
        ("https://club.example.com.evil.org/", False),
        ("https://evil.org/?https://club.example.com", False),
        ("https://user@evil.org/club.example.com", False),
        ("http://[broken", False),
        ("没有链接", False),
    ],
)
def test_safe_links(text, safe):
    assert safe_link(text, ["club.example.com"]) is safe


def test_a_text_is_recognised_after_weibo_changed_it():
    assert fingerprint("共读 #第七天# https://club.example.com/d7 &") == fingerprint(
        "共读  http://t.cn/A6x &amp;"
    )
    assert fingerprint("共读") != fingerprint("共写")


def test_passive_replies_swap_the_ids():
    answer = json.loads(passive_reply(sender_id="2", receiver_id="1", text="欢迎 & 你好"))
    assert (answer["sender_id"], answer["receiver_id"]) == (1, 2)
    from urllib.parse import unquote

    assert json.loads(unquote(answer["data"])) == {"text": "欢迎 & 你好"}
    assert "%7B%22text%22" in answer["data"]
