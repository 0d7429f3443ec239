from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk import InvalidInput
from shequn_sdk.links.redirect import looks_like_robot
from shequn_sdk.links.tags import MAX_URL, checked_url, tagged


def test_tags_replace_their_like_and_keep_the_rest():
    made = tagged(
        "https://例子.cn/课?id=7&utm_source=old&empty=#第一课",
        source="weibo",
        medium="kol",
        campaign="春节 & 元宵",
    )
    parts = urlsplit(made)
    assert parts.hostname == "xn--fsqu00a.cn"
    assert parse_qs(parts.query, keep_blank_values=True) == {
        "id": ["7"],
        "empty": [""],
        "utm_source": ["weibo"],
        "utm_medium": ["kol"],
        "utm_campaign": ["春节 & 元宵"],
    }
    assert made.isascii()
    assert parts.fragment == "%E7%AC%AC%E4%B8%80%E8%AF%BE"
    assert tagged(made, source="weibo", medium="kol", campaign="春节 & 元宵") == made


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//example.com/x",
        "/relative",
        "https://",
        "https://user:pass@example.com/",
        "https://example.com@evil.example/",
        "https://exa mple.com/",
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com/\u202egnp.exe",
        "https:\\\\evil.example",
        "https://example.com:99999/",
        "data:text/html,x",
        "https://example.com/" + "a" * MAX_URL,
    ],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InvalidInput):
        checked_url(url)


def test_a_tag_needs_a_source():
    with pytest.raises(InvalidInput, match="source"):
        tagged("https://example.com", source=" ")


@given(
    st.lists(st.tuples(st.text("ab春&=%+ ", min_size=1), st.text("xy节&=%+# ")), max_size=5),
    st.text("春 &=+%#a", min_size=1).filter(str.strip),
)
def test_other_parameters_come_through(pairs, campaign):
    from urllib.parse import urlencode

    url = "https://example.com/p?" + urlencode(pairs)
    query = parse_qsl(urlsplit(tagged(url, source="s", campaign=campaign)).query, keep_blank_values=True)
    assert query[: len(pairs)] == [(k, v) for k, v in pairs]
    assert dict(query)["utm_campaign"] == campaign.strip()


@pytest.mark.parametrize(
    ("agent", "robot"),
    [
        ("TelegramBot (like TwitterBot)", True),
        ("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", True),
        ("facebookexternalhit/1.1", True),
        ("", True),
        ("curl/8.5", True),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) MicroMessenger/8.0.49 Language/zh_CN",
            False,
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36", False),
    ],
)
def test_previews_are_told_from_people(agent, robot):
    assert looks_like_robot(agent) is robot
    assert looks_like_robot("Mozilla/5.0 Chrome/126", method="HEAD")
    assert looks_like_robot("Mozilla/5.0 Chrome/126", purpose="prefetch;prerender")
